"""Two colleagues release the same version through one remote; and remotes, disks and folders that fail."""

import concurrent.futures
import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import small_project
from small_project import Project

from benchmarks import survival

pytestmark = pytest.mark.slow

FIRST, SECOND = "small@v1.0.0", "small@v1.1.0"
_STRENGTHS = {"ada": "0.01", "grace": "0.02"}


@pytest.fixture
def colleagues(done: Project, tmp_path: Path) -> list[Project]:
    """Two clones with one Git remote and one DVC remote, each with a change of its own that asks for v1.1.0."""
    done.sh("git", "clone", "--quiet", "--bare", str(done.root), str(tmp_path / "remote.git"))
    projects = []
    for name, strength in _STRENGTHS.items():
        project = small_project.copy(done, tmp_path / name)
        project.git("config", "user.name", name.title())
        project.git("remote", "add", "origin", str(tmp_path / "remote.git"))
        project.edit(".dvc/config", "../../storage", str(tmp_path / "storage"))
        project.edit("config/config.yaml", "C: 1.0", f"C: {strength}")
        project.edit("config/config.yaml", "seeds: [0, 1]", "seeds: [0]")
        project.append("config/config.yaml", "release: {push: origin}\n")
        project.commit("Regularise more")
        projects.append(project)
    return projects


def test_one_wins_and_the_other_goes_on_by_itself(colleagues: list[Project]) -> None:
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outcomes = list(pool.map(lambda project: project.attempt("snakemake", "--cores", "1"), colleagues))
    assert sorted(outcome.code for outcome in outcomes) == [0, 1], "".join(outcome.text for outcome in outcomes)
    (loser, lost), (winner, _) = sorted(
        zip(colleagues, outcomes, strict=True), key=lambda pair: pair[1].code, reverse=True
    )
    author = winner.git("config", "user.name")
    assert f"{author} has released {SECOND} first: yours, which nobody has seen, is withdrawn" in lost.text
    assert "Traceback" not in lost.text
    assert loser.git("rev-parse", SECOND) == winner.git("rev-parse", SECOND)
    loser.snakemake()
    (third,) = set(loser.tags()) - {FIRST, SECOND}
    assert loser.git("ls-remote", "--tags", "--refs", "origin").count("\n") + 1 == 3
    assert f'previous: "{SECOND}"' in loser.git("show", f"{third}:models/small.yaml")
    assert survival.broken(winner.root, "small") == []
    audit = loser.attempt("weighbridge", "audit", env={"PYTHONPATH": str(loser.root)})
    assert audit.code == 0, audit.text


@pytest.fixture
def waiting(done: Project, tmp_path: Path) -> Project:
    """The project after its first release, which was not pushed yet; both remotes are at hand."""
    project = small_project.copy(done, tmp_path)
    done.sh("git", "init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    project.git("remote", "add", "origin", str(tmp_path / "remote.git"))
    project.append("config/config.yaml", "release: {push: origin}\n")
    project.commit("Push releases")
    return project


@pytest.mark.parametrize("vanished", ["remote.git", "storage"])
def test_a_vanished_remote_is_named_and_the_next_start_pushes(waiting: Project, tmp_path: Path, vanished: str) -> None:
    place, away = tmp_path / vanished, tmp_path / "away"
    if place.exists():
        place.rename(away)
    place.touch()  # so that nothing can be made there either
    found = waiting.stage("release")
    assert found.code == 2
    assert "Traceback" not in found.text
    assert waiting.tags() == [FIRST]
    place.unlink()
    if away.exists():
        away.rename(place)
    again = waiting.stage("release")
    assert again.code == 0, again.text
    assert FIRST in waiting.git("ls-remote", "--tags", "--refs", "origin")
    assert survival.broken(waiting.root, "small") == []


def _mounted(*options: str) -> bool:
    """Mount as told, where this may be done; else leave the test out."""
    if os.geteuid() != 0 or subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk; and not in every container")
    return True


@pytest.mark.parametrize("stage", ["weigh", "release"])
def test_a_full_disk_is_named_and_nothing_is_lost(finished: Project, stage: str) -> None:
    """All that a stage writes goes to a small file system without space; then there is space again."""
    results = finished.root / "results"
    kept = finished.root.parent / "kept"
    shutil.copytree(results, kept)
    size = sum(path.stat().st_size for path in results.rglob("*") if path.is_file())
    _mounted("-t", "tmpfs", "-o", f"size={size + (2 << 20)}", "none", str(results))
    try:
        shutil.copytree(kept, results, dirs_exist_ok=True)
        filler = results / "filler"
        with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
            while stream.write(b"0" * 4096):
                pass
        found = finished.stage(stage)
        assert found.code != 0
        assert "Traceback" not in found.text
        assert "space" in found.text
        assert survival.broken(finished.root, "small") == []
        filler.unlink()
        assert finished.stage(stage).code == 0
    finally:
        subprocess.run(["umount", results], check=True)


def test_a_folder_that_may_not_be_written_is_named(finished: Project) -> None:
    results = str(finished.root / "results")
    _mounted("--bind", "-o", "ro", results, results)
    try:
        text = finished.refused("--forcerun", "weigh")
        assert "results" in text
        assert "can't be written" in text
        assert finished.planned() == set()
    finally:
        subprocess.run(["umount", results], check=True)
    assert finished.tags() == [FIRST]
    assert survival.broken(finished.root, "small") == []
