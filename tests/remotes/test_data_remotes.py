"""Raw data, releases and runs go to a folder, an SSH server and an S3 server, and come back whole; no secret does."""

import re
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import data_remotes
import pytest
import small_project
from data_remotes import Remote
from small_project import Project

from weighbridge.digest import folder_entries
from weighbridge.registry import cache, content

pytestmark = pytest.mark.slow(seconds=15)

FIRST = "small@v1.0.0"
RAW = Path("data/raw.dvc")


@pytest.fixture(scope="module", params=["directory", "ssh", "s3"])
def remote(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """Each of the three in turn."""
    with getattr(data_remotes, request.param)(tmp_path_factory.mktemp("remote")) as found:
        yield found


@pytest.fixture(scope="module")
def origin(done: Project, remote: Remote, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The project after its first release, whose data and tag went to the remotes."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in remote.env.items():
            patch.setenv(name, value)
        project = small_project.copy(done, tmp_path_factory.mktemp("origin"))
        project.sh("dvc", "remote", "add", "--quiet", "--default", "storage", remote.url)
        for option, value in {"verify": "true", **remote.committed}.items():
            project.sh("dvc", "remote", "modify", "--quiet", "storage", option, value)
        remote.give_access(project)
        bare = project.root.parent / "origin.git"
        project.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare))
        project.git("remote", "add", "origin", str(bare))
        project.append("config/config.yaml", 'release: {push: "origin"}\n')
        project.commit("Push releases, and keep data with the team")
        project.git("push", "--quiet", "origin", "main")
        project.snakemake()
        yield project


def clone(origin: Project, remote: Remote, folder: Path) -> Project:
    """Return a colleague's clone: no raw files, nothing in DVC's cache, and access to the remote."""
    project = Project(folder / "project")
    origin.sh("git", "clone", "--quiet", str(origin.root.parent / "origin.git"), str(project.root))
    remote.give_access(project)
    return project


def holding(folder: Path, secret: str) -> list[str]:
    """Return the files that hold *secret* but for DVC's local configuration, which is made for it."""
    wanted = [secret.encode(), urllib.parse.quote(secret, safe="").encode()]
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "config.local"]
    return [str(path) for path in files if any(one in path.read_bytes() for one in wanted)]


def test_data_go_to_the_remote_and_come_back(origin: Project, remote: Remote, tmp_path: Path) -> None:
    here = clone(origin, remote, tmp_path / "here")
    assert not (here.root / "data/raw").exists()
    here.append("project/dataset.py", "\n\ndef fetch(folder):\n    raise AssertionError('the remote has it')\n")
    here.snakemake("fetch")
    assert folder_entries(here.root / "data/raw") == folder_entries(origin.root / "data/raw")
    assert here.git("status", "--porcelain", "data", ".dvc") == ""

    there = clone(origin, remote, tmp_path / "there")
    verified = there.sh("weighbridge", "verify", "latest")
    for step in ("raw data", "processed data", "predictions", "bundle"):
        assert re.search(rf"^proved +{step} ", verified, re.MULTILINE), verified
    assert "FAILED" not in verified
    there.sh("weighbridge", "restore", "latest", "--to", "../restored")
    for folder in ("data/raw", "data/processed", "models/small"):
        assert folder_entries(tmp_path / "there/restored" / folder) == folder_entries(origin.root / folder)

    # Tools of other people do the same, with nothing of ours.
    there.sh("dvc", "pull", "--quiet", str(RAW))
    assert folder_entries(there.root / "data/raw") == folder_entries(origin.root / "data/raw")

    for project in (origin, here, there):
        assert "config.local" not in project.git("ls-files", ".dvc")
        assert holding(project.root, remote.secret) == []
    assert holding(origin.root.parent / "origin.git", remote.secret) == []


def test_a_damaged_object_is_refused_with_words(origin: Project, remote: Remote, tmp_path: Path) -> None:
    here = clone(origin, remote, tmp_path)
    address = content.pointer_address(origin.root / RAW)
    (damaged,) = cache.of(origin.root).listing(str(address)).values()
    remote.damage(damaged)
    text = here.refused("fetch") + here.log("fetch")
    assert "the remote's object" in text
    assert "is damaged; remove it there, and `dvc push` from where the content was made" in text
    assert not (here.root / "data/raw").exists()
    done = here.attempt("weighbridge", "restore", "latest", "--to", "../restored")
    assert done.code != 0
    assert "is damaged" in done.text
    assert "Traceback" not in done.text
    assert not (tmp_path / "restored").exists()
    assert here.attempt("dvc", "pull", str(RAW)).code != 0, "DVC digests as well, as the remote's `verify` asks"


def test_a_remote_that_does_not_answer_is_named(origin: Project, remote: Remote, tmp_path: Path) -> None:
    here = clone(origin, remote, tmp_path)
    remote.stop()
    if remote.url.startswith("/"):  # an empty disk has nothing, which is an answer: the project's own fetch is asked
        here.snakemake("fetch")
        assert folder_entries(here.root / "data/raw") == folder_entries(origin.root / "data/raw")
        return
    here.refused("fetch")
    said = here.log("fetch")
    assert "weighbridge fetch: DVC failed with" in said
    assert "`dvc doctor` shows how it is set up" in said
    assert not (here.root / "data/raw").exists()
    assert holding(here.root, remote.secret) == []
