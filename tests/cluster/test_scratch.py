"""A node's own disk: what a training reads from there is what lies on the shared one, and nothing stays behind."""

import contextlib
import os
import platform
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import small_project
from small_project import REPOSITORY, Project

from weighbridge import paths, scratch
from weighbridge.data import tables
from weighbridge.data.order import Runs
from weighbridge.digest import folder_entries, sha256_file
from weighbridge.errors import DataError

NAMES = ("train", "validation")
_HOLD = """
import sys, time
from pathlib import Path
from weighbridge import scratch
from weighbridge.registry import attempts
root = Path(sys.argv[1])
with attempts.recorded(root, 'train'), scratch.folder(print) as own:
    (own / 'data').mkdir()
    (own / 'data' / 'rows').write_text('rows')
    print(own, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty scratch, named as a user does."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv(scratch.VARIABLE, str(folder))
    return folder


@pytest.fixture
def said() -> list[str]:
    """What was told."""
    return []


def rows(root: Path, count: int = 1000) -> dict[str, str]:
    """Write tables that hardly compress, and return their digests."""
    for number, name in enumerate(NAMES):
        frame = pd.DataFrame({"y": np.random.default_rng(number).normal(size=count)})
        tables.write_parquet(frame, root / paths.split(name))
    return {name: sha256_file(root / paths.split(name)) for name in NAMES}


def are_there(root: Path, splits: dict[str, str]) -> bool:
    return {name: sha256_file(root / paths.split(name)) for name in splits} == splits


def is_read_where_it_lies(root: Path, splits: dict[str, str], said: list[str]) -> None:
    """Assert that there are no copies, and that it was told why in one line."""
    with scratch.staged(root, splits, said.append) as found:
        assert found == root
    assert len(said) == 1


def test_without_the_variable_nothing_is_copied_or_said(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(scratch.VARIABLE, raising=False)
    with scratch.staged(tmp_path, rows(tmp_path), said.append) as found:
        assert (found, said) == (tmp_path, [])


def test_tables_are_read_from_copies_which_are_gone_afterwards(tmp_path: Path, place: Path, said: list[str]) -> None:
    splits = rows(tmp_path)
    with scratch.staged(tmp_path, splits, said.append) as found:
        assert found.parent == place
        assert platform.node() in found.name
        assert str(os.getpid()) in found.name
        assert found.stat().st_mode & 0o777 == 0o700
        assert are_there(found, splits)
    assert list(place.iterdir()) == []
    assert re.fullmatch(r"rows copied to \S+: 2 tables, 0\.0 MiB in \S+ s, compared by digest", said[0])


def test_copies_are_gone_after_an_error(tmp_path: Path, place: Path) -> None:
    splits = rows(tmp_path)
    with pytest.raises(ZeroDivisionError), scratch.staged(tmp_path, splits, print):
        raise ZeroDivisionError
    assert list(place.iterdir()) == []


def test_variables_in_it_are_put_in_by_the_job(
    tmp_path: Path, place: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "17").mkdir()
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv(scratch.VARIABLE, f"{place}/${{SLURM_JOB_ID}}")
    with scratch.staged(tmp_path, rows(tmp_path), said.append) as found:
        assert found.parent == place / "17"


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("$NO_SUCH_VARIABLE/x", "NO_SUCH_VARIABLE isn't set in this job"),
        ("${NO_SUCH_VARIABLE}", "NO_SUCH_VARIABLE isn't set in this job"),
        ("scratch", "expected an absolute path"),
        ("/no/such/folder", "no such folder on"),
        ("/dev/null", "no such folder on"),
        ("/no/such/$MADE_UP", "found /no/such/$MADE_UP: no such folder on"),
        ("/no/such/$MADE_UP", ": /no/such/folder; goes on"),
        ("/proc", "/proc: "),  # where not even root can make a folder
    ],
)
def test_a_scratch_that_cannot_be_had_is_told_and_done_without(
    named: str, problem: str, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADE_UP", "folder")
    monkeypatch.setenv(scratch.VARIABLE, named)
    is_read_where_it_lies(tmp_path, rows(tmp_path), said)
    assert said[0].startswith(f"{scratch.VARIABLE}: ")
    assert problem in said[0]
    assert said[0].endswith("; goes on without scratch")


def test_a_scratch_that_fills_up_is_left_with_nothing_on_it(tmp_path: Path, place: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from weighbridge import scratch\n"
        "root = Path(sys.argv[1])\n"
        f"with scratch.staged(root, {rows(tmp_path, 20_000)}, print) as found:\n"
        "    print(found == root, [*Path(sys.argv[2]).rglob('*.parquet')])\n"
    )
    # As a quota does: the disk says that it has room, and a write fails.
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # noqa: E731
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path, place],
        cwd=REPOSITORY, capture_output=True, text=True, check=True, preexec_fn=limit,
    )  # fmt: skip
    told, found = done.stdout.splitlines()
    assert told == f"{scratch.VARIABLE}: {place}: File too large; rows are read from {tmp_path}"
    assert found == "True []"
    assert list(place.iterdir()) == []


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """Mount a disk of one MiB; skipped where that isn't allowed."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_scratch_that_is_too_small_is_not_filled(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = rows(tmp_path, 100_000)
    with small_disk(tmp_path / "disk") as disk:
        monkeypatch.setenv(scratch.VARIABLE, str(disk))
        with scratch.staged(tmp_path, splits, said.append) as found:
            assert found == tmp_path
        assert list(disk.iterdir()) == []
    assert re.fullmatch(
        rf"{scratch.VARIABLE}: \S+: needs 1\.\d MiB, has 1\.0 MiB; rows are read from {tmp_path}", said[0]
    )


def damaging(times: int) -> Callable[[Path, Path], str]:
    """Return a way of copying that loses a bit of what it writes, the first *times* times."""
    copy, left = scratch._copy, [times]

    def damaged(source: Path, target: Path) -> str:
        found = copy(source, target)
        if left[0]:
            left[0] -= 1
            content = bytearray(target.read_bytes())
            content[100] ^= 1
            target.write_bytes(content)
        return found

    return damaged


def test_a_damaged_copy_is_made_again(
    tmp_path: Path, place: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = rows(tmp_path)
    monkeypatch.setattr(scratch, "_copy", damaging(1))
    with scratch.staged(tmp_path, splits, said.append) as found:
        assert found.parent == place
        assert are_there(found, splits)
    assert said[0].endswith("data/processed/train.parquet: damaged by copying; copied again")


def test_a_disk_that_damages_twice_is_refused(tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = rows(tmp_path)
    monkeypatch.setattr(scratch, "_copy", damaging(2))
    with (
        pytest.raises(DataError, match=r"damaged by copying, twice; have the disk of \S+ looked at, and leave that"),
        scratch.staged(tmp_path, splits, print),
    ):
        pass
    assert list(place.iterdir()) == []


def test_rows_that_were_edited_are_left_to_who_reads_them_to_refuse(
    tmp_path: Path, place: Path, said: list[str]
) -> None:
    splits = rows(tmp_path)
    tables.write_parquet(pd.DataFrame({"y": [1.0]}), tmp_path / paths.split("train"))
    with scratch.staged(tmp_path, splits, said.append) as found:
        assert (found, said, [*place.rglob("*.parquet")]) == (tmp_path, [], [])


def holding(root: Path) -> tuple["subprocess.Popen[str]", Path]:
    """Start a process that holds a folder on scratch."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, root], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_job_that_is_asked_to_end_leaves_nothing(number: signal.Signals, tmp_path: Path, place: Path) -> None:
    process, held = holding(tmp_path)
    assert (held.parent, (held / "data/rows").is_file()) == (place, True)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert list(place.iterdir()) == []


def test_what_a_killed_job_has_left_goes_with_the_next_start_and_nothing_else(tmp_path: Path, place: Path) -> None:
    living, used = holding(tmp_path)
    killed, left = holding(tmp_path)
    killed.kill()
    killed.communicate(timeout=60)
    assert left.is_dir()
    # A kill while it was being made or removed; and what isn't this node's or this user's, or no folder of ours.
    stamp = "99-20260101T000000-abc"
    own = f"weighbridge-{os.getuid()}-{platform.node()}-"
    (place / f"{own}{stamp}").mkdir()
    others = [
        f"weighbridge-{os.getuid()}-another-{stamp}",
        f"weighbridge-99999-{platform.node()}-{stamp}",
        f"{own}mine",
    ]
    for name in others:
        (place / name).mkdir()
        shutil.copy(left / "lock", place / name / "lock")
    (place / f"{own}{stamp}-link").symlink_to(place / others[0])
    (place / f"{own}98-20260101T000000-abc").write_text("a file")
    try:
        with scratch.folder(print) as found:
            assert found is not None
            names = {path.name for path in place.iterdir()}
    finally:
        living.kill()
        living.communicate(timeout=60)
    kept = {*others, f"{own}{stamp}-link", f"{own}98-20260101T000000-abc"}
    assert names == {*kept, used.name, found.name}
    with scratch.folder(print):
        pass
    assert {path.name for path in place.iterdir()} == kept


def test_many_that_start_and_sweep_at_once_keep_what_is_theirs(place: Path) -> None:
    code = (
        "from weighbridge import scratch\n"
        "for _ in range(100):\n"
        "    with scratch.folder(print) as own:\n"
        "        (own / 'rows').write_text('rows')\n"
        "        assert (own / 'rows').read_text() == 'rows' and (own / 'lock').is_file()\n"
    )
    command = [sys.executable, "-c", code]
    started = [subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.communicate(timeout=300)[1], process.returncode) for process in started] == [("", 0)] * 4
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("room", [0, 1, 100])
def test_runs_of_sorted_rows_go_on_beside_where_scratch_is_full(room: int, tmp_path: Path) -> None:
    """A folder that is gone fails as a full one does, and for everybody."""
    places = [tmp_path / "scratch", tmp_path / "beside"]
    for folder in places:
        folder.mkdir()
    runs = Runs(places, ["n"], 10)
    for number in range(8):
        if number == room:
            places[0].rename(tmp_path / "full")
            (tmp_path / "full").mkdir(exist_ok=True)
            places[0].symlink_to("full/gone")
        runs.add(pa.table({"n": [(number * 10 + step) * 37 % 80 for step in range(10)]}))
        if number == room:
            places[0].unlink()
            (tmp_path / "full").rename(places[0])
    runs.close()
    assert [row["n"] for each in runs.merged(["n"]) for row in each.rows.to_pylist()] == list(range(80))
    assert len(list(places[0].iterdir())) == min(room, 8)
    assert len(list(places[1].iterdir())) == 8 - min(room, 8)


@pytest.mark.slow
def test_stages_on_scratch_make_the_same_bits(finished: Project, tmp_path: Path) -> None:
    place = tmp_path / "node"
    place.mkdir()
    before = {
        path: folder_entries(finished.root / path)
        for path in (paths.PROCESSED, paths.run("network", 0), paths.run("boosting", 0))
    }
    weights = {path: [one for one in found if one.path != "run.yaml"] for path, found in before.items()}
    env = {scratch.VARIABLE: "$NODE_DISK", "NODE_DISK": str(place)}
    finished.edit("config/config.yaml", "seeds: [0, 1]\n", "seeds: [0, 1]\nreuse: false\n")
    done = finished.attempt("snakemake", "--cores", "2", "--forcerun", "preprocess", "--", *map(str, (
        paths.run("network", 0) / "run.yaml", paths.run("boosting", 0) / "run.yaml",
    )), env=env)  # fmt: skip
    assert done.code == 0, f"{done.text}{finished.logs()}"
    for candidate in ("network", "boosting"):
        assert f"rows copied to {place}/weighbridge-" in finished.read(f"logs/train/{candidate}-0.log")
    after = {path: [one for one in folder_entries(finished.root / path) if one.path != "run.yaml"] for path in before}
    assert after == {path: weights[path] if path != paths.PROCESSED else [*before[path]] for path in before}
    assert list(place.iterdir()) == []


@pytest.mark.slow
@pytest.mark.long
def test_stages_rename_within_their_own_file_system(done: Project, tmp_path: Path) -> None:
    """The project lies on another disk than temporary files, and on another than scratch."""
    others = [Path("/dev/shm"), Path("/run"), Path.home()]  # noqa: S108 - a folder of its own is made there
    other = next(
        (
            one
            for one in others
            if one.is_dir() and os.access(one, os.W_OK) and one.stat().st_dev != tmp_path.stat().st_dev
        ),
        None,
    )
    if other is None:
        pytest.skip("there is one file system only")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        project = small_project.copy(done, Path(folder))
        places = [project.root / place for place in (paths.PROCESSED, paths.bundle("small"))]
        before = [folder_entries(place) for place in places]
        made = ["data/processed/profile.yaml", "results/runs/logistic/0/run.yaml"]
        for name in [*made, "results/package.yaml"]:
            (project.root / name).unlink()
        env = {"TMPDIR": str(tmp_path), scratch.VARIABLE: str(tmp_path)}
        project.snakemake("--config", "reuse=false", "--", *made, env=env)
        packaged = project.stage("package", env=env)
        assert packaged.code == 0, packaged.text
        assert [folder_entries(place) for place in places] == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("weighbridge-")] == []
