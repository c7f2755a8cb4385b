"""audit names whatever was edited, removed, reordered or forged in the ledger, and nothing else."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from ledger_records import SHA, WHEN, accepted, evaluated, failed, rejected

from weighbridge import documents, paths
from weighbridge.digest import canonical_json, sha256_bytes
from weighbridge.manifest import Interval
from weighbridge.registry import commit, ledger, ledger_book, processes, releases, sealing
from weighbridge.registry.notes import Notes
from weighbridge.registry.tags import Tag, Version
from weighbridge.views import audit, log, trail

Told = list[tuple[str, str]]


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def told(root: Path) -> Told:
    """Return kind and file of each finding."""
    text, code = audit.audit(root, json=True)
    found = json.loads(text)
    assert found["sound"] == (code == 0) == (not found["findings"])
    return [(finding["kind"], finding["path"]) for finding in found["findings"]]


def notes(root: Path) -> list[str]:
    return list(json.loads(audit.audit(root, json=True)[0])["notes"])


def at(digest: str) -> str:
    return ledger.path_of(digest).as_posix()


def rewritten(root: Path, digest: str, old: str, new: str) -> None:
    path = root / at(digest)
    text = path.read_text()
    assert old in text
    path.unlink()
    path.write_text(text.replace(old, new))


def smuggled(root: Path, record: dict[str, object], *, canonical: bool = True) -> str:
    """Put a record under the right name, past the ledger's own checks."""
    said = {"parents": list(ledger.heads(root)), **record}
    content = (canonical_json(said) if canonical else json.dumps(said)).encode() + b"\n"
    digest = ledger.digest_of(content)
    (root / at(digest)).parent.mkdir(parents=True, exist_ok=True)
    (root / at(digest)).write_bytes(content)
    return digest


def make_release(root: Path, version: str = "1.0.0", accept: dict[str, Any] | None = None, **differing: Any) -> str:
    """Release by the registry as the stage does; returns the record of its acceptance."""
    tag = Tag("flights", Version.parse(version))
    manifest_ = sha256_bytes(version.encode())
    sealed = sealing.seal(root, accepted(str(tag), **{"manifest_sha256": manifest_, **(accept or {})}))
    said: dict[str, Any] = {
        "tag": tag, "bump": "first", "reasons": ("the first release",), "candidate": "boosting", "primary": "roc_auc",
        "metrics": {"roc_auc": Interval(value=0.7, low=0.6, high=0.8)}, "verdict": "pass", "content_sha256": SHA,
        "manifest_sha256": manifest_, "ledger_root": sealed.root, "ledger_count": sealed.number, **differing,
    }  # fmt: skip
    message = releases.message(Notes(**said))
    files = {"models/flights.yaml": b"name: flights\n", **sealed.files}
    commit.create(root, tag=str(tag), message=message, files=files, identity_env={}, advance_branch=False)
    sealing.keep(root, sealed)
    return sealed.digest


def withdrawn(**more: object) -> dict[str, object]:
    said = {"kind": "release", "status": "withdrawn", "tag": "flights@v1.0.0", "when": "2026-01-31T12:00:01Z"}
    return said | {"manifest_sha256": sha256_bytes(b"1.0.0")} | more


@pytest.fixture
def five(project: Path) -> tuple[Path, list[str]]:
    """A ledger of five records, without a release."""
    return project, [ledger.append(project, evaluated(seed=seed)) for seed in range(5)]


@pytest.fixture
def released(five: tuple[Path, list[str]]) -> tuple[Path, list[str], str]:
    """The same, and a release that carries it."""
    root, digests = five
    return root, digests, make_release(root)


def clone(root: Path) -> Path:
    target = root.parent / "clone"
    git(root.parent, "clone", "--quiet", str(root), str(target))
    return target


def test_a_whole_ledger_is_told_as_such(released: tuple[Path, list[str], str]) -> None:
    text, code = audit.audit(released[0])
    assert code == 0
    assert text.splitlines()[0].startswith("6 records in runs/, one head, root ")
    assert text.splitlines()[-1] == "Nothing was edited, removed, reordered or forged."


def test_an_empty_project_has_nothing_wrong(project: Path, tmp_path: Path) -> None:
    assert told(project) == []
    (tmp_path / "elsewhere").mkdir()
    assert told(tmp_path / "elsewhere") == [], "outside of any repository too"


def test_an_edited_record_is_named_with_where_it_can_be_had(released: tuple[Path, list[str], str]) -> None:
    root, digests, _ = released
    rewritten(root, digests[2], '"roc_auc":0.7', '"roc_auc":0.9')
    assert told(root) == [("edited", at(digests[2]))]
    text, code = audit.audit(root)
    assert code == 1
    mend = next(line for line in text.splitlines() if "git show" in line)
    git(root, "-c", f"alias.mend=!{mend.partition('bring it back: ')[2]}", "mend")
    assert told(root) == []


def test_an_inner_record_taken_away_is_named(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    shutil.rmtree(root / "results")
    (root / at(digests[1])).unlink()
    assert told(root) == [("removed", at(digests[1]))]
    assert f"{at(digests[2])} names it as its parent" in audit.audit(root)[0]


def test_a_newest_record_taken_away_is_named_by_the_book(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    (root / at(digests[4])).unlink()
    assert told(root) == [("removed", at(digests[4]))]
    (root / paths.LEDGER_SEEN).unlink()
    assert told(root) == [], "without book, release or commit nobody can know"


@pytest.mark.parametrize("with_book", [True, False])
def test_a_newest_record_taken_away_is_named_by_a_release(
    released: tuple[Path, list[str], str], *, with_book: bool
) -> None:
    root, _, newest = released
    (root / at(newest)).unlink()
    if not with_book:
        shutil.rmtree(root / "results")
    assert told(root) == [("removed", at(newest))]
    assert f"git show flights@v1.0.0:./{at(newest)}" in audit.audit(root)[0]


def test_a_newest_record_taken_away_is_named_by_a_commit(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Keep the ledger")
    shutil.rmtree(root / "results")
    (root / at(digests[4])).unlink()
    assert told(root) == [("removed", at(digests[4]))]
    assert "HEAD holds it" in audit.audit(root)[0]


def test_a_whole_ledger_taken_away_is_missed_by_the_book(released: tuple[Path, list[str], str]) -> None:
    root = released[0]
    after = ledger.append(root, failed())
    shutil.rmtree(root / "runs")
    assert told(root) == [("removed", at(after))], "the others are in the release's commit"


def test_a_clone_without_a_ledger_audits_the_releases(released: tuple[Path, list[str], str]) -> None:
    text, code = audit.audit(clone(released[0]))
    assert code == 0
    assert text.startswith("6 records in the commits of releases, since there is no runs/ here")


def test_what_others_released_meanwhile_is_no_loss(released: tuple[Path, list[str], str]) -> None:
    root = released[0]
    other = clone(root)
    for path, content in ledger.files(root).items():
        ledger.adopt(other, Path(path).stem, content)
    ledger.append(root, evaluated(seed=9))
    make_release(root, "1.1.0")
    git(other, "fetch", "--quiet", "--tags")
    assert told(other) == []
    assert notes(other) == ["flights@v1.1.0 holds 2 records that aren't here yet; the next start takes them in"]


def test_what_was_taken_in_and_is_gone_is_a_loss(released: tuple[Path, list[str], str]) -> None:
    root, digests, _ = released
    other = clone(root)
    ledger.append(other, failed())
    assert told(other) == [], "not taken in yet"
    objects = [release.object for release in releases.releases(other)]
    (other / paths.ADOPTED).write_text(json.dumps(objects))
    assert ("removed", at(digests[0])) in told(other)


def test_a_record_dated_before_what_it_follows_is_named(five: tuple[Path, list[str]]) -> None:
    root, _ = five
    skewed = ledger.append(root, failed(when="2026-01-30T12:00:01Z"))
    assert told(root) == [], "clocks differ by less than a day"
    digest = ledger.append(root, failed(when="2026-01-28T12:00:00Z"))
    assert told(root) == [("reordered", at(digest))]
    assert f"is before that of {skewed[:12]}, which it follows" in audit.audit(root)[0]


def test_a_record_of_days_to_come_is_named(project: Path) -> None:
    digest = ledger.append(project, failed(when="2999-01-01T00:00:00Z"))
    assert told(project) == [("reordered", at(digest))]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"kind": "run", "status": "won", "when": "2026-01-31T12:00:00Z"}, "found kind 'run' with status 'won'"),
        ({"kind": ["run"], "status": "evaluated"}, "found kind ['run']"),
        (evaluated(metrics={"roc_auc": "0.9"}), "expected 'float', got 'str' - at '$.metrics[...]'"),
        (evaluated(when="yesterday"), "found the time 'yesterday'"),
        (evaluated(when="2026-02-31T12:00:00Z"), "found the time '2026-02-31"),
        (rejected(content_sha256="0"), "content_sha256"),
        (evaluated(parents=["b" * 64, "a" * 64]), "no sorted digests"),
        (evaluated(parents=["../" * 100]), "its parents are no digests"),
        (accepted() | {"tag": ["x"]}, "expected 'str', got 'array'"),
        (withdrawn(tag=["x"]), "expected 'str', got 'array'"),
    ],
)
def test_a_record_that_no_stage_writes_is_named(project: Path, record: dict[str, object], words: str) -> None:
    digest = smuggled(project, record)
    assert ("forged", at(digest)) in told(project)
    assert words in audit.audit(project)[0]


def test_a_record_that_is_not_canonical_is_named(project: Path) -> None:
    digest = smuggled(project, evaluated(), canonical=False)
    assert told(project) == [("forged", at(digest))]


def test_what_lies_in_the_ledger_and_is_no_record_is_named(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    path = root / at(digests[0])
    (path.parent / "notes.txt").write_text("mine")
    (root / "runs" / "notes.txt").write_text("mine")
    copy = shutil.copy(path, root / "elsewhere.json")
    path.unlink()
    path.symlink_to(copy)
    assert ("foreign", f"runs/{digests[0][:2]}/notes.txt") in told(root)
    assert ("foreign", "runs/notes.txt") in told(root)
    assert ("foreign", at(digests[0])) in told(root)


def test_an_accepted_release_without_its_tag_is_named(released: tuple[Path, list[str], str]) -> None:
    root, _, record = released
    git(root, "tag", "--delete", "flights@v1.0.0")
    assert told(root) == [("forged", at(record))]
    assert "there is no release flights@v1.0.0" in audit.audit(root)[0]


def test_a_tag_made_anew_for_something_else_is_named(released: tuple[Path, list[str], str]) -> None:
    root, _, record = released
    git(root, "tag", "--delete", "flights@v1.0.0")
    make_release(root, manifest_sha256="e" * 64)
    assert ("forged", at(record)) in told(root)
    assert ("release", "flights@v1.0.0:runs") in told(root)
    assert "flights@v1.0.0 says otherwise" in audit.audit(root)[0]


ATTEMPT = {"status": "killed", "started": "2026-01-31T11:59:00Z", "when": "2026-01-31T12:09:00Z"}


@pytest.mark.parametrize("record", [failed("release", **ATTEMPT), withdrawn()], ids=["killed", "withdrawn"])
def test_nothing_on_record_excuses_a_tag_that_was_deleted(
    released: tuple[Path, list[str], str], record: dict[str, object]
) -> None:
    root, _, digest = released
    git(root, "tag", "--delete", "flights@v1.0.0")
    ledger.append(root, record)
    marker = {"attempt": "0" * 16, "stage": "release", "process": processes.own(), "when": "2026-01-31T11:59:00Z"}
    (root / paths.ATTEMPTS).mkdir(parents=True)
    (root / paths.ATTEMPTS / f"{'0' * 16}.json").write_bytes(msgspec.json.encode(marker))
    assert told(root) == [("forged", at(digest))]


def test_a_release_that_lost_a_race_is_no_forgery(released: tuple[Path, list[str], str]) -> None:
    root, _, digest = released
    ledger.append(root, withdrawn())
    git(root, "tag", "--delete", "flights@v1.0.0")
    (root / at(digest)).rename(root / "aside")
    make_release(root, manifest_sha256=SHA, accept={"manifest_sha256": SHA})
    (root / "aside").rename(root / at(digest))
    assert told(root) == []
    assert notes(root) == [f"{at(digest)}: accepted as flights@v1.0.0, and withdrawn: another release was first"]


@pytest.mark.parametrize(("field", "value"), [("ledger_count", 5), ("ledger_root", "d" * 64)])
def test_a_tag_that_says_another_root_or_count_than_its_commit_is_named(
    five: tuple[Path, list[str]], field: str, value: Any
) -> None:
    make_release(five[0], **{field: value})
    assert told(five[0]) == [("release", "flights@v1.0.0:runs")]
    assert told(clone(five[0])) == [("release", "flights@v1.0.0:runs")]


def test_a_record_edited_in_a_releases_commit_is_named(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    path = root / at(digests[2])
    good = path.read_bytes()
    rewritten(root, digests[2], '"seed":2', '"seed":7')
    make_release(root)
    path.write_bytes(good)
    assert ("edited", f"flights@v1.0.0:{at(digests[2])}") in told(root)


def test_many_releases_are_each_held_to_their_own_records(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    for number in range(3):
        make_release(root, f"1.{number}.0")
        ledger.append(root, evaluated(seed=100 + number))
    assert told(root) == []
    assert told(clone(root)) == []
    (root / at(digests[0])).unlink()
    assert told(root) == [("removed", at(digests[0]))]


def test_two_branches_of_a_ledger_merge_without_conflict(five: tuple[Path, list[str]]) -> None:
    root, _ = five
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Keep the ledger")
    git(root, "switch", "--quiet", "--create", "theirs")
    theirs = ledger.append(root, failed(error="theirs"))
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Theirs")
    git(root, "switch", "--quiet", "main")
    ours = ledger.append(root, failed(error="ours"))
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Ours")
    git(root, "merge", "--quiet", "--no-edit", "theirs")
    assert ledger.heads(root) == tuple(sorted((ours, theirs)))
    assert told(root) == []
    assert ledger_book.read(root) >= {ours, theirs}
    last = ledger.append(root, failed(error="after"))
    assert ledger.heads(root) == (last,)
    assert told(root) == []


def test_what_another_branch_holds_was_not_removed(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    git(root, "switch", "--quiet", "--create", "theirs")
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Keep the ledger")
    git(root, "switch", "--quiet", "main")
    ledger.append(root, failed())
    assert told(root) == []
    assert notes(root) == ["5 records aren't checked out here: theirs holds them"]
    git(root, "branch", "--quiet", "--delete", "--force", "theirs")
    assert told(root) == sorted(("removed", at(digest)) for digest in digests)


def test_what_head_holds_and_another_branch_as_well_was_removed(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    git(root, "add", "runs")
    git(root, "commit", "--quiet", "--message=Keep the ledger")
    git(root, "branch", "theirs")
    (root / at(digests[4])).unlink()
    assert told(root) == [("removed", at(digests[4]))]


@pytest.mark.parametrize("number", [2, 4], ids=["inner", "newest"])
@pytest.mark.parametrize("gone", [True, False], ids=["gone", "damaged"])
def test_a_loss_on_record_is_a_known_gap_and_still_shown(
    five: tuple[Path, list[str]], number: int, *, gone: bool
) -> None:
    root, digests = five
    lost = at(digests[number])
    (root / lost).unlink()
    if not gone:
        (root / lost).write_text("{}")
    ledger.append(root, failed())
    assert "--accept-loss" in audit.audit(root)[0]
    text, code = audit.audit(root, accept_loss="the disk failed")
    assert code == 0
    assert f"note: {lost}: lost, as Ada <" in text
    assert text.splitlines()[-2].endswith(": the disk failed")
    assert ledger.problems(root) == ()
    assert (root / paths.LOST / Path(lost).name).is_file() != gone
    make_release(root, accept={"when": documents.utc_now()})
    assert told(root) == told(clone(root)) == []
    count = ledger.count(root)
    audit.audit(root, accept_loss="again")
    assert ledger.count(root) == count, "there is nothing more to accept"


def test_what_a_release_holds_cannot_be_accepted_as_lost(released: tuple[Path, list[str], str]) -> None:
    root, digests, _ = released
    (root / at(digests[2])).unlink()
    said = {"kind": "ledger", "status": "lost", "lost": digests[2], "why": "so", "by": "Eve", "when": WHEN}
    ledger.append(root, said)
    assert audit.audit(root, accept_loss="gone")[1] == 1
    assert told(root) == [("removed", at(digests[2]))]


def test_a_record_of_a_release_that_nobody_could_read_is_named_and_stops_no_view(
    five: tuple[Path, list[str]],
) -> None:
    root, _ = five
    deep = b'{"parents":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    digest = ledger.digest_of(deep)
    (root / at(digest)).parent.mkdir(parents=True, exist_ok=True)
    (root / at(digest)).write_bytes(deep)
    assert told(root) == [("forged", at(digest))]
    make_release(root)
    (root / at(digest)).unlink()
    assert ("edited", f"flights@v1.0.0:{at(digest)}") in told(root)
    _, problems = trail._records(root, releases.releases(root))
    assert f"flights@v1.0.0:{at(digest)}" in [problem.partition(": ")[0] for problem in problems]


def test_a_loss_on_record_is_listed(five: tuple[Path, list[str]]) -> None:
    root, digests = five
    (root / at(digests[2])).unlink()
    audit.audit(root, accept_loss="the disk failed")
    assert f"{digests[2][:12]}: the disk failed" in log.log(root, None)
