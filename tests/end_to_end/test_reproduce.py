"""A release is made again to the bit in a fresh clone at another path, offline; nothing else is touched."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
import small_project
from small_project import Project

from weighbridge.digest import folder_entries, sha256_file

pytestmark = pytest.mark.slow

ELSEWHERE = {
    "TZ": "Asia/Kathmandu", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "77", "OMP_NUM_THREADS": "2", "USER": "somebody",
    "GIT_DIR": "/nowhere", "SNAKEMAKE_PROFILE": "/nowhere",
}  # fmt: skip


class Reproduced(NamedTuple):
    """A fresh clone in which the release was reproduced: before and after, what was printed, and the folder kept."""

    project: Project
    before: dict[str, Any]
    after: dict[str, Any]
    outcome: dict[str, Any]
    progress: str
    kept: Path


def snapshot(root: Path) -> dict[str, Any]:
    """Return every file with its digest, mode and time; what DVC itself calls temporary is left out."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(root / ".dvc/tmp"))
    return {
        path.relative_to(root).as_posix(): (sha256_file(path), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in files
    }


def reproduce(project: Project, *options: str) -> subprocess.CompletedProcess[str]:
    env = project.env() | {"PYTHONPATH": str(project.root)} | ELSEWHERE
    command = [*small_project.without_network(), "weighbridge", "reproduce", *options]
    return subprocess.run(command, cwd=project.root, env=env, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def clone(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A colleague's clone: the tag from Git, data on the remote alone, no cache, no ledger, no results."""
    origin = small_project.copy(done, tmp_path_factory.mktemp("origin"))
    origin.sh("dvc", "push", "--quiet")
    place = origin.root.parent / "another place"
    origin.git("clone", "--quiet", str(origin.root), str(place))
    origin.root.rename(origin.root.parent / "gone")
    return Project(place)


@pytest.fixture(scope="module")
def reproduced(clone: Project, tmp_path_factory: pytest.TempPathFactory) -> Reproduced:
    before = snapshot(clone.root)
    kept = tmp_path_factory.mktemp("kept") / "here"
    done = reproduce(clone, "latest", "--json", "--cores", "2", "--keep", str(kept))
    assert done.returncode == 0, done.stdout + done.stderr
    return Reproduced(clone, before, snapshot(clone.root), json.loads(done.stdout), done.stderr, kept)


def test_the_bundle_is_equal_to_the_bit(reproduced: Reproduced, done: Project) -> None:
    assert reproduced.outcome["level"] == "equal to the bit"
    assert (reproduced.outcome["files"], reproduced.outcome["metrics"]) == ([], [])
    assert reproduced.outcome["compared_metrics"] > 10
    bundle = folder_entries(reproduced.kept / "project/models/small")
    assert bundle == folder_entries(done.root / "models/small")
    assert reproduced.outcome["compared_files"] == len(bundle)


def test_it_was_trained_and_not_restored(reproduced: Reproduced) -> None:
    logs = list((reproduced.kept / "project/logs/train").glob("*.log"))
    assert len(logs) == 6
    assert not [log for log in logs if "restored" in log.read_text()]


def test_tree_index_references_cache_and_ledger_are_as_before(reproduced: Reproduced) -> None:
    assert reproduced.after == reproduced.before
    assert not (reproduced.project.root / ".dvc/cache").exists()


def test_progress_is_told_while_it_runs(reproduced: Reproduced) -> None:
    for words in ("raw data: 1 file,", "environment: ", "Train logistic, seed 0", " of 17] "):
        assert words in reproduced.progress


def test_a_fact_that_differs_is_told_with_the_file_it_changed(reproduced: Reproduced) -> None:
    """The record is altered instead of the machine: what is compared is what the pipeline has really left."""
    ask = (
        "import sys, msgspec; from pathlib import Path; from weighbridge.evidence import reproduction\n"
        "from weighbridge.registry import releases; from weighbridge.views import reproduce\n"
        "root, place = map(Path, sys.argv[1:]); r = msgspec.structs.replace\n"
        "m = releases.manifest_of(root, 'small@v1.0.0'); files = m.artifacts.files\n"
        "m = r(m, artifacts=r(m.artifacts, files=(r(files[0], sha256='0' * 64), *files[1:])),\n"
        "      hardware=r(m.hardware, instruction_sets=('avx512f',)))\n"
        "print(reproduce.text(reproduction.compare('small@v1.0.0', m, reproduce._made(place, m), 1.0)))"
    )
    text = reproduced.project.sh(
        sys.executable, "-c", ask, str(reproduced.project.root), str(reproduced.kept / "project"),
        env={"PYTHONPATH": str(reproduced.project.root)},
    )  # fmt: skip
    assert text.startswith("small@v1.0.0: metrics equal to 6 digits")
    assert "bundle: 5 of 6 files" in text
    assert "README.md: recorded 000000000000" in text
    assert "instruction sets: recorded avx512f" in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("v9.9.9",), "no release"),
        (("main",), "holds no models/small.yaml"),
        (("latest", "--keep", "config"), "expected an empty folder"),
        (("latest", "--keep", "Snakefile"), "--keep"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_runs(
    clone: Project, options: tuple[str, ...], said: str
) -> None:
    done = reproduce(clone, *options)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_ended_halfway_it_leaves_nothing_behind(clone: Project, tmp_path: Path) -> None:
    env = clone.env() | {"PYTHONPATH": str(clone.root), "TMPDIR": str(tmp_path)}
    command = ["weighbridge", "reproduce", "latest"]
    with subprocess.Popen(command, cwd=clone.root, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("[0"):
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
    left = [one for one in psutil.process_iter(["cwd"]) if str(tmp_path) in (one.info["cwd"] or "")]
    assert left == []
