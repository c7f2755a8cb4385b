"""Stages that run twice at the same time, where locks don't work, leave what one alone would have left."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
import small_project
from small_project import Project

from weighbridge import documents, manifest, paths, plan
from weighbridge.digest import sha256_file
from weighbridge.registry import ledger

pytestmark = pytest.mark.slow
# As on a file system without them; for the stages' own locks alone, since DVC doesn't work there.
WITHOUT_LOCKS = """import errno, fcntl, sys
_flock = fcntl.flock
def flock(descriptor, kind):
    if sys._getframe(1).f_globals.get("__name__") == "weighbridge.running":
        raise OSError(errno.ENOLCK, "no locks available")
    return _flock(descriptor, kind)
fcntl.flock = flock
"""
# What has times in it, or what is measured; and Snakemake's own.
OTHERS = {"run.yaml", "gates.png", ".snakemake_timestamp"}
STAGES = [
    ("preprocess",),
    ("train", "--candidate", "network", "--seed", "0"),
    ("evaluate", "--candidate", "network", "--seed", "0"),
    ("package",),
    ("draw",),
]


def made(project: Project) -> dict[str, object]:
    """Return what the stages have made, but for times and what is measured."""
    root = project.root
    folders = (paths.PROCESSED, paths.RUNS, paths.bundle("small"), paths.BASELINE, paths.FIGURES, paths.PLOTS)
    files = [path for folder in folders for path in sorted((root / folder).rglob("*")) if path.is_file()]
    found: dict[str, object] = {
        path.relative_to(root).as_posix(): sha256_file(path) for path in files if path.name not in OTHERS
    }
    for path in sorted((root / paths.RUNS).rglob("run.yaml")):
        record = documents.read_record(path, manifest.RunRecord)
        found[path.relative_to(root).as_posix()] = (record.run, record.files)
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    found["package"] = (packaged.champion, packaged.seed, packaged.artifacts.content_sha256, packaged.artifacts.dvc)
    found["predictions"] = sha256_file(root / paths.PREDICTIONS)
    return found


def at_once(projects: Sequence[Project], *stage: str, seam: Path | None = None) -> list[str]:
    """Run a stage in each of the projects at the same time, and return what each printed; an error fails the test."""
    commands = []
    for project in projects:  # one by one: Python 3.11 can't parse in several threads
        told = plan.Plan(plan.load(project.root), project.root)
        settings = told.settings_file(stage[0], stage[2] if len(stage) > 1 else "") if stage[0] != "draw" else None
        commands.append(["weighbridge", stage[0], *(["--settings", settings] if settings else []), *stage[1:]])
    paths_of = [":".join([str(project.root), *([str(seam)] if seam else [])]) for project in projects]
    running = [
        subprocess.Popen(
            command, cwd=project.root, env=project.env() | {"PYTHONPATH": path}, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )
        for command, project, path in zip(commands, projects, paths_of, strict=True)
    ]  # fmt: skip
    said = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running), "\n".join(said)
    return said


def left_over(project: Project) -> list[Path]:
    """Return what was being written and is still there."""
    return [path for path in project.root.rglob(f"{paths.TEMPORARY}*") if ".git" not in path.parts]


def test_two_at_once_without_locks_leave_what_one_would(finished: Project, tmp_path: Path) -> None:
    (tmp_path / "seam").mkdir()
    (tmp_path / "seam/sitecustomize.py").write_text(WITHOUT_LOCKS)
    finished.append("config/config.yaml", "reuse: false\n")
    before = made(finished)
    for stage in STAGES:
        at_once([finished, finished], *stage, seam=tmp_path / "seam")
    assert made(finished) == before
    assert left_over(finished) == []
    assert ledger.problems(finished.root) == ()


def test_two_clones_with_one_cache_train_the_same_at_once(done: Project, tmp_path: Path) -> None:
    clones = [small_project.copy(done, tmp_path / name) for name in ("ada", "grace")]
    for clone in clones:
        clone.sh("dvc", "cache", "dir", str(tmp_path / "cache"))
        clone.append("config/config.yaml", "reuse: false\n")
    train = ("train", "--candidate", "network", "--seed", "0")
    for said in at_once(clones, *train):
        assert "restored" not in said
    runs = [
        documents.read_record(clone.root / paths.run("network", 0) / "run.yaml", manifest.RunRecord) for clone in clones
    ]
    assert runs[0].run == runs[1].run
    assert runs[0].files == runs[1].files
    for clone in clones:
        clone.edit("config/config.yaml", "reuse: false\n", "")
        assert f"run {runs[0].run} restored, not trained" in clone.stage(*train).text
        assert ledger.problems(clone.root) == ()
    assert not list((tmp_path / "cache").rglob(f"{paths.TEMPORARY}*"))
