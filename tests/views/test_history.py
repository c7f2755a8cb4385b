"""history tells who released what, when, on which evidence; in Markdown, HTML and CSV alike."""

import csv
import html.parser
import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_records import rejected

from weighbridge import documents
from weighbridge.digest import sha256_bytes
from weighbridge.errors import SetupError
from weighbridge.registry import commit, git, ledger, releases, tags
from weighbridge.views import history, history_page
from weighbridge.views.trail import Event, Trail, trail

Make = Callable[..., Any]
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
APPROVAL = {
    "content_sha256": SHA, "approver": "Katherine <katherine@example.org>", "approves": ["major: input origin removed"],
    "reason": "agreed", "when": "2026-02-01T08:00:00Z",
}  # fmt: skip
HOSTILE = '<script>alert(1)</script> "><img src=x onerror=alert(1)> =cmd|calc [x](javascript:1)'


@pytest.fixture
def lived(project: Path, release: Make) -> Path:
    """A project with a first release, a refused attempt, and a major release that somebody approved of."""
    release("1.0.0")
    ledger.append(project, rejected("boosting-abcdef012345", gates=["ranks", "in_time"], when="2026-01-15T00:00:00Z"))
    lineage = {
        "lineage.previous": "flights@v1.0.0",
        "lineage.bump": "major",
        "lineage.reasons": ["input origin removed"],
    }
    release("2.0.0", {**lineage, "gates.approvals": [APPROVAL], "gates.loosened": ["ranks: min 0.65 to 0.6"]})
    return project


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("form", ["markdown", "html", "csv"])
def test_each_form_tells_who_what_when_and_on_which_evidence(lived: Path, form: history.Format) -> None:
    text = history.history(lived, form, None)
    code = git.head(lived)
    for words in ("flights@v1.0.0", "flights@v2.0.0", "ada@example.org", code, SHA, "ranks", "Katherine", "in_time",
                  "major: input origin removed", "ranks: min 0.65 to 0.6", "input origin removed"):  # fmt: skip
        assert words in text, words
    assert re.search(r"ranks\W.*pass\W.*0\.7100?\W.*0\.6500?\W", text, re.DOTALL)


def test_refused_attempts_stand_between_the_releases_in_order_of_time(lived: Path) -> None:
    rows = cells(history.history(lived, "csv", None))
    times = [row["when"] for row in rows]
    assert times == sorted(times)
    assert [row["event"] for row in rows].count("refused") == 1
    refused = next(row for row in rows if row["event"] == "refused")
    assert refused["gates"] == "ranks; in_time"


def test_a_fresh_clone_without_a_ledger_tells_the_same(lived: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", str(lived), str(tmp_path / "clone")], check=True)
    assert not (tmp_path / "clone/runs").exists()
    for form in ("markdown", "html", "csv"):
        assert history.history(tmp_path / "clone", form, None) == history.history(lived, form, None)


def test_it_writes_nothing_into_the_project(lived: Path) -> None:
    before = git.run(lived, "status", "--porcelain", "--ignored")
    history.history(lived, "html", None)
    assert git.run(lived, "status", "--porcelain", "--ignored") == before


def test_a_release_whose_manifest_is_not_the_tags_is_told_and_not_believed(lived: Path) -> None:
    text = documents.dump(releases.manifest_of(lived, "flights@v2.0.0")).encode()
    notes = releases.find(lived, "flights@v2.0.0").notes
    forged = {
        **{key: getattr(notes, key) for key in notes.__dataclass_fields__},
        "tag": tags.Tag.parse("flights@v2.0.1"),
    }
    message = releases.message(releases.Notes(**{**forged, "manifest_sha256": sha256_bytes(b"another")}))
    commit.create(
        lived, tag="flights@v2.0.1", message=message, files={"models/flights.yaml": text}, identity_env={},
        advance_branch=False,
    )  # fmt: skip
    event = next(event for event in trail(lived, "flights").events if event.tag == "flights@v2.0.1")
    assert (event.kind, event.verdict) == ("unreadable", "")
    assert "don't trust it" in event.problem
    for form in ("markdown", "html", "csv"):
        assert "don't trust it" in history.history(lived, form, None).replace("&#x27;", "'")


def test_a_damaged_record_is_named(lived: Path) -> None:
    record = next(lived.glob("runs/*/*.json"))
    record.chmod(0o644)
    record.write_text('{"kind":"release"}\n')
    assert record.stem[:12] in " ".join(trail(lived, "flights").problems)
    assert "could not be read" in history.history(lived, "markdown", None)


def test_without_a_release_there_is_a_trail_all_the_same(project: Path) -> None:
    assert "Nothing was released or refused yet." in history.history(project, "markdown", None)
    assert "Nothing was released or refused yet." in history.history(project, "html", None)
    assert history.history(project, "csv", None) == ""


def test_an_output_that_can_not_be_written_is_refused(lived: Path) -> None:
    assert "2 releases, 1 refused" in history.history(lived, "html", lived / "trail.html")
    with pytest.raises(SetupError, match="another --output"):
        history.history(lived, "html", lived / "config/config.yaml/below")


def sign_with(project: Path, key: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(key)], check=True)
    for name, value in (("gpg.format", "ssh"), ("user.signingKey", str(key)), ("tag.gpgSign", "true")):
        git.run(project, "config", name, value)


def list_signer(project: Path, key: Path) -> None:
    public = key.with_suffix(".pub").read_text()
    documents.write(project / "config/signers/release", f"ada@example.org {public}")
    git.run(project, "add", "config")
    git.run(project, "commit", "--quiet", "--message=List who may release")


def test_a_signature_is_held_against_the_signers_of_the_release_before(
    project: Path, release: Make, tmp_path: Path
) -> None:
    release("1.0.0")
    sign_with(project, tmp_path / "ada")
    list_signer(project, tmp_path / "ada")
    for version in ("1.1.0", "1.2.0"):
        release(version)
    sign_with(project, tmp_path / "mallory")
    release("1.3.0")
    git.run(project, "config", "user.signingKey", str(tmp_path / "ada"))
    release("1.4.0")
    signatures = [event.signature for event in trail(project, "flights").events]
    assert [found and found.state for found in signatures] == ["none", "unknown", "verified", "refused", "refused"]
    assert [found and found.signer for found in signatures][2] == "ada@example.org"
    rows = cells(history.history(project, "csv", None))
    assert [row["signer"] for row in rows] == ["", "", "ada@example.org", "", ""]
    assert signatures[4]
    assert "it rests on flights@v1.3.0, which is refused" in signatures[4].note


class Tags(html.parser.HTMLParser):
    """What tags and attributes a page has."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open += [] if tag == "meta" else [tag]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def hostile(text: str) -> Trail:
    released = Event(
        kind="released", when=text, tag=text, by=text, reasons=(text,), verdict=text, candidate=text, source=text,
        loosened=(text,), data_sha256=text, problem=text,
    )  # fmt: skip
    refused = Event(kind="refused", when=text, run=text, fell_short=(text,), problem=text)
    return Trail(name=text, project=text, events=(released, refused), problems=(text,))


def test_the_page_is_whole_and_draws_the_releases(lived: Path) -> None:
    page = Tags(history.history(lived, "html", None))
    assert page.open == []
    assert {"svg", "polyline", "circle", "table", "details", "style"} <= page.tags


@given(st.text() | st.just(HOSTILE))
def test_words_of_others_stay_words_in_html(text: str) -> None:
    page = Tags(history_page.html(hostile(text)))
    assert not page.tags & {"script", "img", "a", "link", "iframe", "form", "object"}
    assert not [name for name in page.attributes if name.startswith("on") or name in {"src", "href"}]
    assert page.tags <= Tags(history_page.html(hostile("plain"))).tags


@given(st.text() | st.just(HOSTILE) | st.sampled_from(["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1"]))
def test_no_cell_of_the_table_is_a_formula(text: str) -> None:
    for row in cells(history.as_csv(hostile(text))):
        for cell in row.values():
            assert not re.match(r"\s*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]", cell) or re.fullmatch(r"-?[\d.e+-]+", cell)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_stay_numbers(number: float) -> None:
    assert float(history.safe(str(number))) == number


def test_markdown_has_no_html_and_no_link_of_others() -> None:
    text = re.sub("`[^`]*`", "", history.markdown(hostile(HOSTILE)))  # what is code shows as it is
    assert "<script" not in text
    assert "[x](" not in text
