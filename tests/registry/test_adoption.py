"""A clone takes in what releases have on record: all of it, nothing else, and at the price of one look."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weighbridge import paths
from weighbridge.digest import canonical_json
from weighbridge.errors import RecordError, SetupError
from weighbridge.manifest import Interval
from weighbridge.registry import adoption, git, ledger, ledger_rows, records, releases
from weighbridge.registry.notes import Notes
from weighbridge.registry.tags import Tag, Version

Sh = Callable[..., str]
WHEN = "2026-01-01T00:00:00Z"


def append(root: Path, file: str) -> str:
    entry = {"kind": records.EVIDENCE, "status": records.WRITTEN, "file": file, "sha256": "0" * 64, "when": WHEN}
    return ledger.append(root, entry)


def release(root: Path, sh: Sh, version: str, ledgers: str = "runs", message: str = "") -> None:
    """Tag a commit beside the branch that holds the ledger, as a release does."""
    tag = Tag("flights", Version.parse(version))
    said = Notes(
        tag=tag, bump="first", reasons=("the first release",), candidate="boosting", primary="roc_auc",
        metrics={"roc_auc": Interval(value=0.7, low=0.6, high=0.8)}, verdict="pass", content_sha256="0" * 64,
        manifest_sha256="0" * 64, ledger_root="0" * 64, ledger_count=0,
    )  # fmt: skip
    sh(root, "git", "add", "--force", ledgers)
    tree = sh(root, "git", "write-tree").strip()
    commit = sh(root, "git", "commit-tree", "-p", "HEAD", "-m", "Release", tree).strip()
    sh(root, "git", "tag", "--annotate", f"--message={message or releases.message(said)}", str(tag), commit)
    sh(root, "git", "reset", "--quiet")


@pytest.fixture
def other(repository: Path, sh: Sh) -> Path:
    """A colleague's clone with four records in two branches of the ledger, and a release of them."""
    folder = repository.parent / "other"
    sh(repository.parent, "git", "clone", "--quiet", str(repository), str(folder))
    sh(folder, "git", "config", "user.name", "Grace Hopper")
    sh(folder, "git", "config", "user.email", "grace@example.org")
    append(folder, "one")
    shutil.copytree(folder / "runs", folder / "before")
    append(folder, "two")
    shutil.move(folder / "runs", folder / "with-two")
    shutil.move(folder / "before", folder / "runs")
    append(folder, "another two")
    shutil.copytree(folder / "with-two", folder / "runs", dirs_exist_ok=True)
    shutil.rmtree(folder / "with-two")
    append(folder, "three, which joins both")
    release(folder, sh, "1.0.0")
    return folder


def fetch(root: Path, other: Path, sh: Sh) -> None:
    sh(root, "git", "fetch", "--quiet", "--tags", str(other))


def digests(root: Path) -> set[str]:
    return {entry.digest for entry in ledger.read(root)}


def test_all_records_of_a_release_are_taken_in_to_the_byte(repository: Path, other: Path, sh: Sh) -> None:
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 4
    assert ledger.files(repository) == ledger.files(other)
    assert ledger.problems(repository) == ()
    assert ledger.root_digest(repository) == ledger.root_digest(other)


def test_what_is_here_stays_and_the_next_record_joins_both(repository: Path, other: Path, sh: Sh) -> None:
    own = append(repository, "own")
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 4
    assert digests(repository) == {own, *digests(other)}
    joined = ledger.read(repository)
    append(repository, "next")
    assert len(joined) == 5
    assert len(ledger.heads(repository)) == 1


def test_the_second_look_is_one_command(repository: Path, other: Path, sh: Sh, monkeypatch: pytest.MonkeyPatch) -> None:
    fetch(repository, other, sh)
    adoption.adopt(repository)
    asked: list[str] = []
    attempt = git.attempt

    def noted(root: Path, *arguments: str, **how: Any) -> subprocess.CompletedProcess[bytes]:
        asked.append(arguments[0])
        return attempt(root, *arguments, **how)

    monkeypatch.setattr(git, "attempt", noted)
    assert adoption.adopt(repository) == 0
    assert asked == ["for-each-ref"]


def test_a_later_release_brings_what_is_new(repository: Path, other: Path, sh: Sh) -> None:
    fetch(repository, other, sh)
    adoption.adopt(repository)
    append(other, "four")
    release(other, sh, "1.1.0")
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 1
    assert digests(repository) == digests(other)


def test_a_lost_ledger_is_taken_in_again(repository: Path, other: Path, sh: Sh) -> None:
    fetch(repository, other, sh)
    adoption.adopt(repository)
    shutil.rmtree(repository / "runs")
    assert adoption.adopt(repository) == 4


def test_after_a_kill_the_rest_is_taken_in(
    repository: Path, other: Path, sh: Sh, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And at no moment does a record stand there whose parent is lacking."""
    fetch(repository, other, sh)
    adopt = ledger.adopt
    calls: list[str] = []

    def killed(root: Path, digest: str, content: bytes) -> bool:
        calls.append(digest)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return adopt(root, digest, content)

    monkeypatch.setattr(ledger, "adopt", killed)
    with pytest.raises(KeyboardInterrupt):
        adoption.adopt(repository)
    assert ledger.problems(repository) == ()
    assert ledger.count(repository) == 2
    monkeypatch.setattr(ledger, "adopt", adopt)
    assert adoption.adopt(repository) == 2


def test_a_forged_record_is_refused_and_named_and_the_others_come(repository: Path, other: Path, sh: Sh) -> None:
    victim = other / ledger.path_of(ledger.heads(other)[0])
    victim.chmod(0o644)
    victim.write_bytes(victim.read_bytes().replace(b"joins", b"split"))
    release(other, sh, "1.1.0")
    sh(other, "git", "tag", "--delete", "flights@v1.0.0")
    fetch(repository, other, sh)
    with pytest.raises(RecordError, match=f"{victim.stem[:12]}: its content has the digest"):
        adoption.adopt(repository)
    assert ledger.count(repository) == 3
    said: list[str] = []
    assert adoption.attempt(repository, said.append) == 0
    assert "can't be taken in: a release isn't to be trusted" in said[0]


def test_links_and_other_names_are_passed_over(repository: Path, other: Path, sh: Sh) -> None:
    (other / "runs" / "ab").mkdir(exist_ok=True)
    (other / "runs" / "ab" / f"ab{'0' * 62}.json").symlink_to("/etc/passwd")
    (other / "runs" / "README.json").write_text("{}")
    release(other, sh, "1.1.0")
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 4
    assert sorted(path.name for path in (repository / "runs").iterdir() if path.is_file()) == []


def test_lightweight_tags_and_other_tags_count_for_nothing(repository: Path, other: Path, sh: Sh) -> None:
    commit = sh(other, "git", "rev-parse", "flights@v1.0.0^{commit}").strip()
    sh(other, "git", "tag", "--delete", "flights@v1.0.0")
    sh(other, "git", "tag", "flights@v1.0.0", commit)
    sh(other, "git", "tag", "--annotate", "--message=x", "holiday", commit)
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 0


def test_a_project_in_a_folder_of_its_own_takes_in_its_own(repository: Path, sh: Sh) -> None:
    below = repository / "below"
    append(below, "one")
    release(repository, sh, "1.0.0", "below/runs")
    shutil.rmtree(below / "runs")
    assert adoption.adopt(repository) == 0
    assert adoption.adopt(below) == 1


def test_without_git_it_is_said_and_nothing_stops(tmp_path: Path) -> None:
    with pytest.raises(SetupError):
        adoption.adopt(tmp_path)
    said: list[str] = []
    assert adoption.attempt(tmp_path, said.append) == 0
    assert len(said) == 1


def test_a_memory_that_is_damaged_costs_a_look(repository: Path, other: Path, sh: Sh) -> None:
    fetch(repository, other, sh)
    (repository / paths.ADOPTED).parent.mkdir(exist_ok=True)
    (repository / paths.ADOPTED).write_text("{")
    assert adoption.adopt(repository) == 4


def test_records_are_read_only_as_all_are(repository: Path, other: Path, sh: Sh) -> None:
    fetch(repository, other, sh)
    adoption.adopt(repository)
    modes = {path.stat().st_mode & 0o777 for path in (repository / "runs").rglob("*.json")}
    assert modes == {0o444}


def smuggle(root: Path, content: bytes) -> str:
    """Put a record into the ledger's folder under its right name, past all checks."""
    digest = ledger.digest_of(content)
    (root / ledger.path_of(digest)).parent.mkdir(parents=True, exist_ok=True)
    (root / ledger.path_of(digest)).write_bytes(content)
    return digest


DEEP = b'{"parents":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
LARGE = canonical_json({"parents": [], "x": "x" * ledger_rows.LARGEST}).encode() + b"\n"


@pytest.mark.parametrize("content", [DEEP, LARGE], ids=["deep", "large"])
def test_a_record_that_nobody_could_read_is_not_taken_in_and_the_others_are(
    repository: Path, other: Path, sh: Sh, content: bytes
) -> None:
    digest = smuggle(other, content)
    release(other, sh, "1.1.0")
    fetch(repository, other, sh)
    said: list[str] = []
    adoption.attempt(repository, said.append)
    assert len(said) == 1
    assert ledger.count(repository) == 4
    assert not (repository / ledger.path_of(digest)).exists()


def test_a_tag_of_that_shape_that_is_no_release_brings_nothing(repository: Path, other: Path, sh: Sh) -> None:
    sh(other, "git", "tag", "--delete", "flights@v1.0.0")
    release(other, sh, "1.1.0", message="By hand")
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 0


def test_only_those_who_may_release_bring_records(repository: Path, other: Path, sh: Sh) -> None:
    """Nor does a release that is let in by nobody vouch for the next one."""
    fetch(repository, other, sh)
    (other / "config" / "signers").mkdir()
    (other / "config" / "signers" / "release").write_text("grace@example.org ssh-ed25519 AAAA\n")
    sh(other, "git", "add", "config")
    sh(other, "git", "commit", "--quiet", "--message=Say who may release")
    append(other, "four")
    release(other, sh, "1.1.0")
    fetch(repository, other, sh)
    assert adoption.adopt(repository) == 5
    append(other, "five")
    for version in ("1.2.0", "1.3.0"):
        release(other, sh, version)
    fetch(repository, other, sh)
    with pytest.raises(RecordError, match=r"flights@v1\.2\.0: the tag isn't signed"):
        adoption.adopt(repository)
    sh(repository, "git", "tag", "--delete", "flights@v1.2.0", "flights@v1.3.0")
    assert adoption.adopt(repository) == 0
    assert ledger.count(repository) == 5
