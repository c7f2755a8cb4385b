"""One pipeline in a folder, one process in a stage; and after a kill, order."""

import errno
import fcntl
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_project import Project

from weighbridge import paths, running
from weighbridge.errors import SetupError
from weighbridge.registry import ledger

_TEMPORARY = ".weighbridge-tmp-"
_HOLD = "import sys, time; from pathlib import Path; from weighbridge import running; "


def _other(root: Path, does: str) -> subprocess.Popen[str]:
    """Start a process that does something in *root*, and wait until it says that it has."""
    code = f"{_HOLD}root = Path(sys.argv[1]); {does}; print('there', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code, root], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "there\n"
    return process


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def _stale(root: Path) -> Path:
    """Leave a lock as a killed Snakemake does."""
    lock = root / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.write_text("results/raw.yaml\n")
    return lock


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder; a process holds it for its life, so each test has its own."""
    (tmp_path / "data/raw").mkdir(parents=True)
    return tmp_path


def test_a_second_pipeline_is_told_who_runs_in_one_sentence(root: Path) -> None:
    other = _other(root, "running.hold(root)")
    with pytest.raises(SetupError) as caught:
        running.hold(root)
    _kill(other)
    assert f"process {other.pid} on {platform.node()}, since " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_pipeline_whose_results_were_removed_is_still_known_to_run(root: Path) -> None:
    other = _other(root, "running.hold(root)")
    lock = _stale(root)
    shutil.rmtree(root / "results")
    with pytest.raises(SetupError, match=f"process {other.pid} on "):
        running.hold(root)
    _kill(other)
    assert lock.exists(), "its owner was alive"
    running.hold(root)
    assert not lock.exists()


def test_after_a_kill_the_next_start_goes_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _kill(_other(root, "running.hold(root)"))
    lock = _stale(root)
    running.hold(root)
    assert not lock.exists()
    assert capsys.readouterr().err.count("\n") == 1
    running.hold(root)  # the same process again is no other one


def test_after_a_good_end_nothing_is_said_or_touched(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = root / f"results/{_TEMPORARY}abcd1234"
    kept.parent.mkdir()
    kept.touch()
    running.hold(root)
    assert kept.exists()
    assert capsys.readouterr().err == ""


def test_what_was_being_written_is_swept_and_nothing_else(root: Path) -> None:
    folders = ("results", "results/runs/a/0", "data", "data/processed", "models", "approvals", "runs/ab")
    gone = [f"{folder}/{_TEMPORARY}{name}" for folder in folders for name in ("x_3abcde", "raw-abcd1234/x.csv")]
    people = (".backup-20240101", ".env.template", ".draft-20260101/mine", ".small.yaml.abcd1234", ".tmp-abcd1234")
    kept = ["results/raw.yaml", "results/.ledger.msgpack", f"data/raw/{_TEMPORARY}abcd1234", "data/.gitignore",
            "models/small/model.onnx", f"{_TEMPORARY}abcd1234",
            *(f"{folder}/{name}" for folder in folders for name in people)]  # fmt: skip
    for name in (*gone, *kept):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    _stale(root)
    running.hold(root)
    assert not [name for name in gone if (root / name).exists()]
    assert [name for name in kept if (root / name).exists()] == kept


def test_all_that_is_being_written_bears_the_mark_that_is_swept() -> None:
    makers = re.compile(r"(?:mkstemp|mkdtemp|TemporaryDirectory|NamedTemporaryFile)\(([^)]*dir=[^)]*)\)")
    files = Path(running.__file__).parent.rglob("*.py")
    found = [(path.name, call) for path in files for call in makers.findall(path.read_text())]
    assert len(found) > 10
    assert not [one for one in found if "prefix=paths.TEMPORARY" not in one[1] and "prefix=_DRAFT" not in one[1]]
    assert _TEMPORARY == paths.TEMPORARY


def test_a_link_is_not_followed_by_the_sweep(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / f"{_TEMPORARY}abcd1234").touch()
    (root / "models").symlink_to(elsewhere)
    _stale(root)
    running.hold(root)
    assert (elsewhere / f"{_TEMPORARY}abcd1234").exists()


def test_while_an_orphan_runs_its_files_stay(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orphan = _other(root, "kept = running.alone(root, 'train-logistic-0'); kept.__enter__()")
    draft = root / f"results/{_TEMPORARY}abcd1234"
    draft.touch()
    _stale(root)
    running.hold(root)
    _kill(orphan)
    assert draft.exists()
    assert "train-logistic-0 runs on" in capsys.readouterr().err


def test_locks_that_another_host_left_are_not_removed(root: Path) -> None:
    (root / "results").mkdir()
    (root / paths.RUNNING).write_text("process 1 on elsewhere, since 2026-01-31T12:00:00Z")
    lock = _stale(root)
    with pytest.raises(SetupError, match=r"elsewhere.*'snakemake --unlock'.*--hostname"):
        running.hold(root)
    assert lock.exists()
    lock.unlink()  # as `snakemake --unlock` does
    running.hold(root)


def test_a_killed_stage_is_on_record_at_the_next_start(root: Path) -> None:
    does = "from weighbridge.registry import attempts; kept = attempts.recorded(root, 'weigh'); kept.__enter__()"
    _kill(_other(root, does))
    running.hold(root)
    (entry,) = ledger.read(root)
    assert (entry.record["status"], entry.record["stage"]) == ("killed", "weigh")


def test_who_only_looks_puts_nothing_in_order(fresh: Project) -> None:
    root = fresh.root
    does = "from weighbridge.registry import attempts; kept = attempts.recorded(root, 'weigh'); kept.__enter__()"
    _kill(_other(root, does))
    left = [_stale(root), root / f"results/{_TEMPORARY}abcd1234", *(root / paths.ATTEMPTS).iterdir()]
    left[1].touch()
    assert fresh.dry_run().code == 0
    for command in (["--list-rules"], ["--summary"]):
        fresh.sh("snakemake", *command)
    assert [path for path in left if not path.exists()] == []
    assert len(left) == 3
    assert ledger.read(root) == ()
    fresh.sh("snakemake", "--cores", "1", "--unlock")
    assert [path.exists() for path in left] == [False, True, True]


def test_a_stage_waits_for_its_twin_and_for_no_other(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twin = _other(root, "kept = running.alone(root, 'weigh'); kept.__enter__()")
    with running.alone(root, "judge"):
        pass
    assert capsys.readouterr().err == ""
    pid = os.fork()
    if not pid:
        with running.alone(root, "weigh"):
            os._exit(0)
    time.sleep(0.3)
    assert os.waitpid(pid, os.WNOHANG) == (0, 0)
    _kill(twin)
    assert os.waitpid(pid, 0) == (pid, 0)


def test_a_folder_that_can_not_be_written_is_named(root: Path) -> None:
    (root / "results").touch()
    with pytest.raises(SetupError, match=r"results.*can't be written"):
        running.hold(root)


def test_holding_takes_less_than_ten_milliseconds(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    running.hold(root)
    started = time.process_time()
    running.hold(tmp_path_factory.mktemp("another"))
    assert time.process_time() - started < 0.01


def test_without_locks_a_folder_that_can_not_be_written_is_named_too(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands in the head's place, which fails as a full disk does."""

    def flock(_descriptor: int, _kind: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    (root / paths.HEAD / "full").mkdir(parents=True)
    with pytest.raises(SetupError, match=r"^\.snakemake/.*can't be written"):
        running.hold(root)
