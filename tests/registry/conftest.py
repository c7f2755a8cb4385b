"""Real repositories to try things on: Git's own and DVC's, under tmp_path, free of the user's configuration."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.manifest import Interval
from weighbridge.registry import git
from weighbridge.registry.notes import Notes
from weighbridge.registry.tags import Tag, Version

Sh = Callable[..., str]


@pytest.fixture(autouse=True)
def _own_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Give Git and DVC an empty home, so that neither the user's settings nor their secrets are read."""
    home = tmp_path_factory.mktemp("home")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{role}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{role}_EMAIL", raising=False)
    monkeypatch.delenv("EMAIL", raising=False)


@pytest.fixture
def sh() -> Sh:
    """Run a command in a folder and return what it prints; an error fails the test."""

    def call(folder: Path, *command: str) -> str:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return call


def _git(folder: Path, *arguments: str) -> None:
    """Run Git before a test's own environment is set up."""
    alone = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", *arguments], cwd=folder, env=alone, check=True, capture_output=True)


@pytest.fixture(scope="session")
def _patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Repositories to copy, made once: ``empty`` with an identity and no commit, ``repository`` with one commit."""
    folder = tmp_path_factory.mktemp("patterns")
    empty = folder / "empty"
    empty.mkdir()
    _git(empty, "init", "--quiet", "--initial-branch=main")
    _git(empty, "config", "user.name", "Ada Lovelace")
    _git(empty, "config", "user.email", "ada@example.org")
    root = shutil.copytree(empty, folder / "repository")
    (root / "README.md").write_text("A project.\n")
    (root / "config").mkdir()
    (root / "config" / "config.yaml").write_text("name: flights\n")
    _git(root, "add", ".")
    _git(root, "commit", "--quiet", "--message=Begin")
    return folder


@pytest.fixture
def empty(tmp_path: Path, _patterns: Path) -> Path:
    """A repository with an identity and without a commit."""
    return shutil.copytree(_patterns / "empty", tmp_path / "project")


@pytest.fixture
def repository(tmp_path: Path, _patterns: Path) -> Path:
    """A repository with one commit of two files."""
    root = shutil.copytree(_patterns / "repository", tmp_path / "project")
    git.run(root, "update-index", "--refresh")
    return root


@pytest.fixture
def stored(repository: Path, sh: Sh) -> Path:
    """The same with DVC, a default remote in a folder beside it, and a folder of data."""
    from dvc.repo import Repo

    Repo.init(str(repository)).close()
    remote = repository.parent / "remote"
    (repository / ".dvc" / "config").write_text(
        f"[core]\n    remote = storage\n['remote \"storage\"']\n    url = {remote}\n"
    )
    data = repository / "data" / "raw"
    (data / "inner" / "more").mkdir(parents=True)
    (data / "flights.csv").write_text("late\n1\n0\n")
    (data / "empty").touch()
    (data / "inner" / "more" / "wétter ☂.csv").write_text("rain\n")
    sh(repository, "git", "add", ".dvc")
    sh(repository, "git", "commit", "--quiet", "--message=Set up DVC")
    return repository


@pytest.fixture(scope="session")
def example() -> Notes:
    """What a release's tag may say."""
    return Notes(
        tag=Tag("flights", Version(1, 2, 0)),
        bump="minor",
        reasons=("retrained on new data", "roc_auc rose by 0.012"),
        candidate="boosting",
        primary="roc_auc",
        metrics={"roc_auc": Interval(value=0.71812345, low=0.7, high=0.73)},
        verdict="pass",
        content_sha256="a" * 64,
        manifest_sha256="b" * 64,
        ledger_root="c" * 64,
        ledger_count=42,
    )
