"""Of two releases of one name the first that is pushed stays; the other gives way, and nothing of it is lost."""

import dataclasses
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import RecordError, SetupError, WeighbridgeError
from weighbridge.registry import commit, git, ledger, releases, withdrawal
from weighbridge.registry.notes import Notes

Sh = Callable[..., str]
FILES = {"models/flights.yaml": b"schema: x\n"}


@pytest.fixture
def two(repository: Path, sh: Sh) -> tuple[Path, Path]:
    """Clones of two colleagues, with one bare remote named ``origin``."""
    remote = repository.parent / "remote.git"
    sh(repository.parent, "git", "clone", "--quiet", "--bare", str(repository), str(remote))
    clones = []
    for name in ("Ada", "Grace"):
        clone = repository.parent / name
        sh(repository.parent, "git", "clone", "--quiet", str(remote), str(clone))
        sh(clone, "git", "config", "user.name", name)
        sh(clone, "git", "config", "user.email", f"{name.lower()}@example.org")
        clones.append(clone)
    return clones[0], clones[1]


def _release(root: Path, notes: Notes, content: bytes, *, advance: bool = False) -> str:
    """Release *content* as an example's notes say, and return the tag."""
    commit.create(
        root,
        tag=str(notes.tag),
        message=releases.message(dataclasses.replace(notes, content_sha256=content.hex().ljust(64, "0"))),
        files=FILES | {"models/flights.bin": content},
        identity_env={},
        advance_branch=advance,
    )
    return str(notes.tag)


@pytest.mark.parametrize("advance", [False, True])
def test_the_loser_takes_the_winners_and_is_where_it_was(
    two: tuple[Path, Path], example: Notes, sh: Sh, *, advance: bool
) -> None:
    first, second = two
    before = git.head(second)
    tag = _release(first, example, b"a")
    _release(second, example, b"b", advance=advance)
    (second / "README.md").write_text("work of the day\n")
    commit.push(first, "origin", tag)
    with pytest.raises(commit.TakenError, match="someone was faster"):
        commit.push(second, "origin", tag, "main" if advance else None)
    theirs = withdrawal.withdraw(second, "origin", tag)
    assert theirs == releases.find(first, tag)
    assert theirs.author == "Ada"
    assert git.head(second) == (theirs.commit if advance else before)
    assert git.branch(second) == "main"
    mine = ["README.md", *(["models/flights.bin"] if advance else [])]
    assert sh(second, "git", "diff", "--name-only").split() == mine
    assert sh(second, "git", "diff", "--cached", "--name-only") == ""
    assert (second / "models/flights.bin").exists() == advance
    commit.push(second, "origin", tag)


def test_the_ledger_says_what_was_withdrawn(two: tuple[Path, Path], example: Notes) -> None:
    first, second = two
    tag = _release(first, example, b"a")
    _release(second, example, b"b")
    ours = releases.find(second, tag).notes.manifest_sha256
    commit.push(first, "origin", tag)
    withdrawal.withdraw(second, "origin", tag)
    (entry,) = ledger.read(second)
    assert {key: entry.record[key] for key in ("kind", "status", "tag", "manifest_sha256")} == {
        "kind": "release", "status": "withdrawn", "tag": tag, "manifest_sha256": ours,
    }  # fmt: skip


def test_a_branch_that_theirs_is_not_on_goes_back(two: tuple[Path, Path], example: Notes, sh: Sh) -> None:
    first, second = two
    before = git.head(second)
    sh(first, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    tag = _release(first, example, b"a")
    _release(second, example, b"b", advance=True)
    commit.push(first, "origin", tag)
    withdrawal.withdraw(second, "origin", tag)
    assert git.head(second) == before
    assert sh(second, "git", "diff", "--cached", "--name-only") == ""


def test_a_kill_before_the_tag_gives_way_puts_it_on_record_once(
    two: tuple[Path, Path], example: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two
    tag = _release(first, example, b"a")
    _release(second, example, b"b")
    commit.push(first, "origin", tag)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(git, "branch", killed)
        with pytest.raises(KeyboardInterrupt):
            withdrawal.withdraw(second, "origin", tag)
    assert releases.find(second, tag) != releases.find(first, tag)
    withdrawal.withdraw(second, "origin", tag)
    assert releases.find(second, tag) == releases.find(first, tag)
    assert ledger.count(second) == 1


def test_a_refused_branch_is_told_from_a_taken_name(two: tuple[Path, Path], example: Notes, sh: Sh) -> None:
    first, second = two
    sh(first, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    sh(first, "git", "push", "--quiet", "origin", "main")
    tag = _release(second, example, b"b", advance=True)
    with pytest.raises(SetupError, match=r"its name is free.*`git pull --no-rebase origin main`"):
        commit.push(second, "origin", tag, "main")
    assert commit.pushed(second, "origin", example.tag) == {}
    sh(second, "git", "pull", "--quiet", "--no-rebase", "origin", "main")
    commit.push(second, "origin", tag, "main")
    assert commit.pushed(second, "origin", example.tag) == {example.tag.ref: releases.find(second, tag).object}


def test_a_tag_that_is_no_release_takes_nothings_place(two: tuple[Path, Path], example: Notes, sh: Sh) -> None:
    first, second = two
    tag = _release(second, example, b"b")
    ours = releases.find(second, tag)
    sh(first, "git", "tag", "--annotate", "--message=mine", tag)
    sh(first, "git", "push", "--quiet", "origin", tag)
    with pytest.raises(commit.TakenError):
        commit.push(second, "origin", tag)
    with pytest.raises(RecordError, match="is no release"):
        withdrawal.withdraw(second, "origin", tag)
    assert releases.find(second, tag) == ours
    assert ledger.count(second) == 0


def test_a_remote_without_the_tag_or_out_of_reach_changes_nothing(two: tuple[Path, Path], example: Notes) -> None:
    _, second = two
    tag = _release(second, example, b"b")
    ours = releases.find(second, tag)
    with pytest.raises(SetupError, match="any more"):
        withdrawal.withdraw(second, "origin", tag)
    with pytest.raises(SetupError, match="ls-remote failed"):
        withdrawal.withdraw(second, str(second / "nowhere"), tag)
    assert releases.find(second, tag) == ours


def _push(root: Path, tag: str) -> str:
    try:
        commit.push(root, "origin", tag)
    except WeighbridgeError as problem:
        return type(problem).__name__
    return "pushed"


def test_of_two_pushes_at_once_one_wins_and_the_other_knows_it(two: tuple[Path, Path], example: Notes) -> None:
    tags: list[Any] = [(clone, _release(clone, example, name)) for clone, name in zip(two, (b"a", b"b"), strict=True)]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        outcomes = pool.starmap(_push, tags)
    assert sorted(outcomes) == ["TakenError", "pushed"]
