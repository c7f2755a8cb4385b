"""The bundle is content alone: made again elsewhere, at another time, under other settings, it is the same bytes."""

import re
from pathlib import Path

import pytest
import small_project
from small_project import Project

from weighbridge.digest import FileEntry, folder_entries

pytestmark = pytest.mark.slow

CONFIG = "config/config.yaml"
ELSEWHERE = {"PYTHONHASHSEED": "77", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "OMP_NUM_THREADS": "2"}


def only(project: Project, candidate: str) -> None:
    """Leave one candidate and one seed."""
    config = project.read(CONFIG)
    start, end = config.index("candidates:\n"), config.index("seeds:")
    blocks = re.split(r"^(?=  \w)", config[start:end], flags=re.MULTILINE)
    kept = next(block for block in blocks if block.startswith(f"  {candidate}:"))
    (project.root / CONFIG).write_text(f"{config[:start]}candidates:\n{kept}{config[end:]}")
    project.edit(CONFIG, "seeds: [0, 1]", "seeds: [0]")


def bundle(project: Project, candidate: str) -> tuple[FileEntry, ...]:
    """Take the project from raw rows to the bundle, stage by stage."""
    run = ("--candidate", candidate, "--seed", "0")
    for stage, *options in (("fetch",), ("preprocess",), ("train", *run), ("evaluate", *run), ("package",)):
        before = ("sh", "-c", 'umask 077 && exec "$@"', "sh")
        done = project.stage(stage, *options, env=ELSEWHERE, before=before)
        assert done.code == 0, done.text
    return folder_entries(project.root / "models/small")


def test_a_champion_made_again_elsewhere_is_the_same(done: Project, made: Project, tmp_path: Path) -> None:
    other = small_project.copy(made, tmp_path / "quite another place")
    only(other, "logistic")
    assert bundle(other, "logistic") == folder_entries(done.root / "models/small")


def test_a_network_made_twice_is_the_same(made: Project, tmp_path: Path) -> None:
    bundles = []
    for name in ("one", "another place"):
        project = small_project.copy(made, tmp_path / name)
        only(project, "network")
        bundles.append(bundle(project, "network"))
    assert bundles[0] == bundles[1]
    assert "model.safetensors" in [entry.path for entry in bundles[0]]
