"""An approval counts where a person other than the authors has committed it, for this very bundle; else it says why."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import documents
from weighbridge.errors import RecordError
from weighbridge.manifest import Approval
from weighbridge.registry import approvals
from weighbridge.registry.history import Person

Sh = Callable[..., str]
BUNDLE, OTHER = "4a5e1e4baab89f3a" + "0" * 48, "b" * 64
GRACE = Person("Grace Hopper", "grace@example.org")
SUBJECT = approvals.Subject(BUNDLE, "c" * 64, "d" * 64)
NEEDED = ("major: a new major version", "loosened: ranks: min went from 0.7 to 0.6")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="<>"), min_size=1)
NAMES = WORDS.map(str.strip).filter(bool)


def approval(approver: Person = GRACE, **changes: object) -> Approval:
    values = {
        "content_sha256": BUNDLE, "approver": str(approver), "approves": NEEDED, "reason": "Agreed with the users",
        "when": "2026-01-31T12:00:00Z", "gates_sha256": SUBJECT.gates_sha256, "test_sha256": SUBJECT.test_sha256,
    }  # fmt: skip
    return msgspec.convert({**values, **changes}, Approval)


def commit(root: Path, *files: str, author: Person = GRACE) -> None:
    env = dict(os.environ) | {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
    for command in (["add", *files], ["commit", "--quiet", "--message=Approve"]):
        subprocess.run(["git", *command], cwd=root, env=env, check=True, capture_output=True)


def given_by(root: Path, approver: Person = GRACE, author: Person | None = None, **changes: object) -> Path:
    """Write an approval and let it be committed by its approver, or by another *author*."""
    file = approvals.write(root, approval(approver, **changes))
    commit(root, file.as_posix(), author=author or approver)
    return file


def only_problem(root: Path, barred: dict[str, str] | None = None) -> str:
    found = approvals.verify(root, SUBJECT, barred or {})
    assert found.approvals == ()
    assert found.lacking(NEEDED) == NEEDED
    assert len(found.problems) == 1
    return found.problems[0]


def test_a_committed_approval_counts(repository: Path) -> None:
    file = given_by(repository)
    assert file == Path("approvals/4a5e1e4baab89f3a-grace@example.org.yaml")
    found = approvals.verify(repository, SUBJECT, {"ada@example.org": "is an author"})
    assert found.lacking(NEEDED) == ()
    assert found == ((approval(),), ())


def test_no_approval_leaves_all_to_be_approved(repository: Path) -> None:
    found = approvals.verify(repository, SUBJECT, {})
    assert found.lacking(NEEDED) == NEEDED
    assert found == ((), ())


def test_the_exact_words_count(repository: Path) -> None:
    given_by(repository, approves=[NEEDED[0], NEEDED[1].upper()])
    assert approvals.verify(repository, SUBJECT, {}).lacking(NEEDED) == NEEDED[1:]


def test_several_people_may_share_what_is_to_approve(repository: Path) -> None:
    alan = Person("Alan", "alan@example.org")
    given_by(repository, approves=NEEDED[:1])
    given_by(repository, alan, approves=NEEDED[1:])
    found = approvals.verify(repository, SUBJECT, {})
    assert {each.approver for each in found.approvals} == {str(GRACE), str(alan)}
    assert found.lacking(NEEDED) == ()


def test_the_approval_of_another_bundle_is_left_alone(repository: Path) -> None:
    given_by(repository, content_sha256=OTHER)
    assert approvals.verify(repository, SUBJECT, {}) == ((), ())


def test_one_that_is_not_committed_does_not_count(repository: Path) -> None:
    approvals.write(repository, approval())
    said = only_problem(repository)
    assert "not committed" in said
    assert "git add approvals/4a5e1e4baab89f3a-grace@example.org.yaml && git commit" in said


def test_one_that_was_changed_since_does_not_count(repository: Path) -> None:
    given_by(repository, approves=NEEDED[:1])
    approvals.write(repository, approval())
    assert "differs from what was committed" in only_problem(repository)


def test_one_that_git_is_told_to_overlook_does_not_count(repository: Path, sh: Sh) -> None:
    file = given_by(repository, approves=NEEDED[:1])
    sh(repository, "git", "update-index", "--assume-unchanged", file.as_posix())
    approvals.write(repository, approval())
    assert "differs from what was committed" in only_problem(repository)


def test_one_that_another_person_committed_does_not_count(repository: Path) -> None:
    given_by(repository, author=Person("Ada Lovelace", "ada@example.org"))
    said = only_problem(repository)
    assert "was last committed by Ada Lovelace <ada@example.org>" in said
    assert "expected Grace Hopper <grace@example.org>" in said


def test_one_that_another_person_changed_and_committed_does_not_count(repository: Path) -> None:
    given_by(repository, approves=NEEDED[:1])
    given_by(repository, author=Person("Ada", "ada@example.org"))
    assert "was last committed by Ada" in only_problem(repository)


def test_upper_case_in_an_address_makes_no_other_person(repository: Path) -> None:
    given_by(repository, author=Person("grace", "Grace@Example.ORG"))
    assert approvals.verify(repository, SUBJECT, {}).problems == ()


def test_an_author_can_not_approve_in_whatever_case(repository: Path) -> None:
    given_by(repository, Person("Grace", "GRACE@example.org"))
    said = only_problem(repository, {"grace@example.org": "is an author of what is released (commit c0ffee)"})
    assert "Grace <GRACE@example.org> is an author of what is released (commit c0ffee)" in said
    assert "another person" in said


def test_one_whose_digest_only_begins_alike_does_not_count(repository: Path) -> None:
    given_by(repository, content_sha256=BUNDLE[:16] + "f" * 48)
    assert f"this one is {BUNDLE}" in only_problem(repository)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"gates_sha256": "e" * 64}, "the gates changed since (sha256 eeeeeeeeeeee then, cccccccccccc now); look at"),
        (
            {"test_sha256": "e" * 64},
            "the test rows changed since (sha256 eeeeeeeeeeee then, dddddddddddd now);",
        ),
        ({"gates_sha256": "", "test_sha256": ""}, "none then, cccccccccccc now), the test rows changed since"),
    ],
)
def test_one_given_for_other_gates_or_rows_does_not_count(
    repository: Path, changes: dict[str, Any], words: str
) -> None:
    given_by(repository, **changes)
    said = only_problem(repository)
    assert words in said
    assert "run 'weighbridge approve' again" in said


def test_a_folder_where_an_approval_is_expected_is_named(repository: Path) -> None:
    file = approvals.path(BUNDLE, "x@example.org")
    (repository / file).mkdir(parents=True)
    (repository / file / "held").write_text("x")
    assert f"{file}: found no file" in only_problem(repository)
    with pytest.raises(RecordError, match="found a folder, expected a file or nothing"):
        approvals.write(repository, approval(Person("X", "x@example.org")))


def test_another_address_of_an_author_is_barred_as_well(repository: Path) -> None:
    (repository / ".mailmap").write_text("Grace Hopper <ada@example.org> <grace@example.org>\n")
    given_by(repository)
    said = only_problem(repository, approvals.not_by(repository, None))
    assert "is an author of what is released" in said


def test_no_entry_of_the_mailmap_takes_an_author_away(repository: Path) -> None:
    (repository / ".mailmap").write_text("Nobody <nobody@example.org> <ada@example.org>\n")
    assert {"ada@example.org", "nobody@example.org"} <= set(approvals.not_by(repository, None))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('reason: "', 'reasons: "', "unknown key; did you mean 'reason'?"),
        ("when:", "# when:", "when: missing"),
        ('approver: "Grace Hopper <grace@example.org>"', 'approver: "Grace"', "expected 'Name <name@example.org>'"),
        ("grace@example.org", "alan@example.org", "expected it at approvals/4a5e1e4baab89f3a-alan@example.org.yaml"),
        ("approves:", "approves: &a", "anchor"),
        ("approves:", "approves", ":"),
    ],
)
def test_one_that_is_damaged_does_not_count_and_says_where(repository: Path, old: str, new: str, words: str) -> None:
    file = approvals.write(repository, approval())
    text = (repository / file).read_text()
    (repository / file).write_text(text.replace(old, new, 1))
    commit(repository, file.as_posix())
    said = only_problem(repository)
    assert words in said
    assert said.startswith(f"{file}:")
    assert "weighbridge approve" in said


def test_an_approver_without_an_address_is_not_written(repository: Path) -> None:
    with pytest.raises(RecordError, match=r"expected 'Name <name@example\.org>'"):
        approvals.write(repository, msgspec.structs.replace(approval(), approver="Grace"))
    assert not (repository / "approvals").exists()


def test_authors_are_those_since_the_release_and_who_releases(repository: Path, sh: Sh) -> None:
    tree = sh(repository, "git", "rev-parse", "HEAD^{tree}").strip()
    made = sh(repository, "git", "commit-tree", "-p", "HEAD", "-m", "Release", tree).strip()
    sh(repository, "git", "tag", "--annotate", "--message=Release", "flights@v1.0.0", made)
    (repository / "config" / "new.yaml").write_text("x")
    (repository / "notes.md").write_text("x")
    commit(repository, "config/new.yaml")
    commit(repository, "notes.md", author=Person("N", "notes@example.org"))
    since = approvals.not_by(repository, "flights@v1.0.0")
    assert set(since) == {"grace@example.org"}
    assert re.fullmatch(r"is an author of what is released \(commit [0-9a-f]{10}\)", since["grace@example.org"])
    released = approvals.not_by(repository, "flights@v1.0.0", releaser=Person("Ada", "Ada@example.org"))
    assert released == {"ada@example.org": "makes this release", **since}
    assert approvals.not_by(repository, "flights@v1.0.0", until="HEAD~2") == {}
    assert "ada@example.org" in approvals.not_by(repository, None)


def test_an_approval_makes_nobody_an_author(repository: Path) -> None:
    given_by(repository)
    assert "grace@example.org" not in approvals.not_by(repository, None)


@given(NAMES, NAMES, st.lists(TEXTS).map(tuple), TEXTS)
def test_an_approval_is_read_as_it_was_written(name: str, email: str, approves: tuple[str, ...], reason: str) -> None:
    written = Approval(
        content_sha256=BUNDLE, approver=str(Person(name, email)), approves=approves, reason=reason, when="now"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = approvals.write(Path(folder), written)
        assert approvals.read(Path(folder), file) == written
        assert (Path(folder) / file).read_text(encoding="utf-8") == documents.dump(written)


@given(WORDS, WORDS)
def test_different_addresses_have_different_files(one: str, other: str) -> None:
    first, second = approvals.slug(one), approvals.slug(other)
    assert (first == second) == (one.strip().casefold() == other.strip().casefold())
    assert re.fullmatch(r"[a-z0-9@._+-]{0,140}", first)


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("Grace@Example.org", r"grace@example\.org"),
        ("grace+ml@example.org", r"grace\+ml@example\.org"),
        ("../x@y", r"\.\.-x@y-[0-9a-f]{8}"),
        ("grüße@example.org", r"gr--sse@example\.org-[0-9a-f]{8}|gr-sse@example\.org-[0-9a-f]{8}"),
        ("a" * 500, r"a{120}-[0-9a-f]{8}"),
    ],
)
def test_an_address_becomes_part_of_a_plain_file_name(email: str, expected: str) -> None:
    assert re.fullmatch(expected, approvals.slug(email))
