"""The bundle is content alone: made again elsewhere, at another time, under other settings, it is the same bytes."""

import datetime as dt
import getpass
import platform
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import small_project
from small_project import Project

from weighbridge.digest import FileEntry, folder_entries

pytestmark = pytest.mark.slow(seconds=20)

CONFIG = "config/config.yaml"
ELSEWHERE = {
    "PYTHONHASHSEED": "77", "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "LANG": "ja_JP.EUC-JP",
    "OMP_NUM_THREADS": "2", "USER": "somebody", "LOGNAME": "somebody", "COLUMNS": "40",
}  # fmt: skip


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
        home = project.root.parent / "another home"
        home.mkdir(exist_ok=True)
        done = project.stage(stage, *options, env=ELSEWHERE | {"HOME": str(home)}, before=before)
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


def test_the_bundle_says_nothing_of_where_when_and_by_whom_it_was_made(done: Project) -> None:
    """Another day can't be had here without a false clock: that no moment of this one is in there can be seen."""
    made = (done.root / "models/small/model.onnx").stat().st_mtime
    days = {dt.datetime.fromtimestamp(made + hours * 3600, dt.UTC) for hours in (-24, 0, 24)}
    told = {day.strftime(form) for day in days for form in ("%Y-%m-%d", "%Y%m%d", "%d %b %Y", "%b %d, %Y")}
    told |= {str(done.root), str(Path.home()), platform.node(), getpass.getuser(), sys.prefix}
    for path in sorted((done.root / "models/small").iterdir()):
        text = "".join(_texts(path))
        assert [word for word in told if len(word) > 4 and word in text] == [], path.name
        seconds = map(int, re.findall(r"(?<![\d.])\d{10}(?![\d.])", text))
        assert [second for second in seconds if abs(second - made) < 24 * 3600] == [], path.name


def _texts(path: Path) -> Iterator[str]:
    """Yield the file's bytes as text, and those of an archive's members with their dates."""
    yield path.read_bytes().decode("latin-1")
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                yield f"{member.filename} {'-'.join(f'{part:02d}' for part in member.date_time[:3])}"
                yield archive.read(member).decode("latin-1")
