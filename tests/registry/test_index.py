"""A release that advances the branch is finished by the next start, wherever it was killed."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.errors import SetupError
from weighbridge.registry import commit, git, index, releases
from weighbridge.registry.notes import Notes

Sh = Callable[..., str]
FILES = {"models/flights.yaml": b"schema: x\n", "config/config.yaml": b"name: new\n", "runs/aa/b.json": b"{}\n"}


def _release(root: Path, notes: Notes) -> commit.Made:
    return commit.create(
        root, tag=str(notes.tag), message=releases.message(notes), files=FILES, identity_env={}, advance_branch=True
    )


def _kill_in(root: Path, notes: Notes, module: object, function: str) -> None:
    """Release, and be killed where *function* would be called."""
    pid = os.fork()
    if not pid:
        setattr(module, function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        _release(root, notes)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def test_a_lock_of_a_killed_release_is_taken_over(repository: Path, example: Notes, sh: Sh) -> None:
    _kill_in(repository, example, commit, "_publish")
    assert (repository / ".git/index.lock").exists()
    assert releases.releases(repository) == ()
    assert _release(repository, example).made
    assert sh(repository, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize("staged", [False, True])
def test_an_advance_that_was_cut_short_is_finished(repository: Path, example: Notes, sh: Sh, *, staged: bool) -> None:
    _kill_in(repository, example, index, "write_out")
    (release,) = releases.releases(repository)
    assert git.head(repository) == release.commit
    if staged:
        (repository / ".git/index.lock").unlink()
        (repository / "README.md").write_text("work of the day\n")
        (repository / "config/config.yaml").write_text("name: mine\n")
        sh(repository, "git", "add", "README.md", "config")
    index.complete(repository, release.commit)
    left = sh(repository, "git", "status", "--porcelain").splitlines()
    assert left == (["M  README.md", "M  config/config.yaml"] if staged else [])
    assert (repository / "models/flights.yaml").read_bytes() == FILES["models/flights.yaml"]
    index.complete(repository, release.commit)
    assert sh(repository, "git", "status", "--porcelain").splitlines() == left


def test_an_advance_that_is_complete_is_left_alone(repository: Path, example: Notes) -> None:
    made = _release(repository, example)
    before = (repository / ".git/index").read_bytes()
    index.complete(repository, made.commit)
    assert (repository / ".git/index").read_bytes() == before


def test_a_lock_of_gits_own_is_respected(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_PATIENCE_SECONDS", 0.2)
    (repository / ".git/index.lock").write_bytes(b"DIRC")
    with pytest.raises(SetupError, match=r"index\.lock is held by another Git command"), index.locked(repository):
        pass
    assert (repository / ".git/index.lock").exists()


def test_an_advance_needs_no_hard_links(
    repository: Path, example: Notes, sh: Sh, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    monkeypatch.setattr(index, "_PATIENCE_SECONDS", 0.1)
    lock = repository / ".git/index.lock"
    lock.touch()
    with pytest.raises(SetupError, match="is held by another Git command"):
        _release(repository, example)
    lock.unlink()
    assert _release(repository, example).made
    assert not lock.exists()
    assert sh(repository, "git", "status", "--porcelain") == ""
