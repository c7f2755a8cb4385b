"""No attempt gets lost: what an error, a signal or a kill ended is on record, once, with the end of its log."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest
from ledger_records import rejected

from weighbridge import paths
from weighbridge.errors import DataError, ReleaseRefused
from weighbridge.registry import attempts, ledger, processes
from weighbridge.registry.markers import Marker, running

ROOT = Path(__file__).parents[2]
SECRET = "ghp_" + "a1B2" * 9


def on_record(root: Path) -> list[dict[str, object]]:
    return [entry.record for entry in ledger.read(root)]


def markers(root: Path) -> list[Path]:
    folder = root / paths.ATTEMPTS
    return sorted(folder.iterdir()) if folder.is_dir() else []


def start(root: Path, body: str, *options: object) -> subprocess.Popen[bytes]:
    """Start a stage in a process of its own whose output goes to its log; returns once *body* runs."""
    program = f"""
        import time
        from pathlib import Path
        from weighbridge.registry import attempts
        with attempts.recorded(Path("."), {", ".join(map(repr, options))}):
            print("began", flush=True)
            {body}
    """
    log = root / "logs/fetch.log"
    if len(options) > 1:
        log = root / f"logs/{options[0]}/{options[1]}-{options[2]}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as stream:
        env = os.environ | {"PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", textwrap.dedent(program)]
        process = subprocess.Popen(command, cwd=root, stdout=stream, stderr=stream, env=env)
    deadline = time.monotonic() + 30
    while b"began" not in log.read_bytes():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process


def test_a_stage_that_ends_well_leaves_nothing(tmp_path: Path) -> None:
    with attempts.recorded(tmp_path, "train", "boosting", 0):
        (open_one,) = running(tmp_path)
        assert open_one.job == ("train", "boosting", 0)
        assert processes.is_alive(open_one.process)
    assert markers(tmp_path) == []
    assert on_record(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (DataError("data/raw: no files"), "data/raw: no files"),
        (KeyError("departure"), "KeyError: 'departure'"),
        (MemoryError(), "out of memory"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ReleaseRefused("another release is the last one now"), "another release is the last one now"),
        (ValueError("a lone surrogate \udcff"), "ValueError: a lone surrogate \\udcff"),
    ],
)
def test_an_error_is_on_record_and_raised_on(tmp_path: Path, error: Exception, words: str) -> None:
    with pytest.raises(type(error)), attempts.recorded(tmp_path, "train", "boosting", 3):
        raise error
    (record,) = on_record(tmp_path)
    assert (record["status"], record["stage"], record["candidate"], record["seed"]) == (
        "failed",
        "train",
        "boosting",
        3,
    )
    assert (record["error"], record["exception"]) == (words, type(error).__name__)
    assert markers(tmp_path) == []


def test_a_refusal_with_its_gates_on_record_is_not_recorded_twice(tmp_path: Path) -> None:
    def refuse() -> None:
        ledger.append(tmp_path, rejected())
        raise ReleaseRefused("ranks fell short", on_record=True)

    with pytest.raises(ReleaseRefused), attempts.recorded(tmp_path, "release"):
        refuse()
    assert [record["kind"] for record in on_record(tmp_path)] == ["release"]
    assert markers(tmp_path) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_a_signal_to_stop_is_on_record_as_cancelled(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start(tmp_path, "time.sleep(60)", "train", "boosting", 1)
    process.send_signal(number)
    assert process.wait(30) == code
    (record,) = on_record(tmp_path)
    assert (record["status"], record["error"]) == ("cancelled", f"stopped by {number.name}")
    assert record["log"] == "logs/train/boosting-1.log"
    assert record["last_lines"] == ["began"]
    assert markers(tmp_path) == []


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with attempts.recorded(tmp_path, "fetch"):
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert on_record(tmp_path) == []


def test_a_killed_stage_is_found_with_the_end_of_its_log_and_recorded_once(tmp_path: Path) -> None:
    secret = f"print('token', {SECRET!r}, flush=True)"
    process = start(tmp_path, f"[print(i) for i in range(30)]; {secret}; time.sleep(60)", "train", "boosting", 1)
    time.sleep(0.1)
    assert attempts.close_dead(tmp_path) == 0, "it still runs"
    process.kill()
    process.wait()
    (left,) = running(tmp_path)
    assert attempts.close_dead(tmp_path) == 1
    assert attempts.close_dead(tmp_path) == 0
    (record,) = on_record(tmp_path)
    assert (record["status"], record["candidate"], record["started"]) == ("killed", "boosting", left.when)
    lines = record["last_lines"]
    assert isinstance(lines, list)
    assert len(lines) == 20
    assert lines[-2] == "29"
    assert SECRET not in json.dumps(record)
    assert markers(tmp_path) == []


def test_the_next_start_of_any_stage_finds_it(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)", "fetch")
    process.kill()
    process.wait()
    with attempts.recorded(tmp_path, "preprocess"):
        assert [(record["status"], record["stage"]) for record in on_record(tmp_path)] == [("killed", "fetch")]


def test_a_process_that_is_dead_and_not_waited_for_is_gone(tmp_path: Path) -> None:
    process = start(tmp_path, "time.sleep(60)", "fetch")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert attempts.close_dead(tmp_path) == 1
    process.wait()


def altered(root: Path, **process: object) -> Path:
    """Leave a marker whose process is this one, but for what is given."""
    marker = Marker(
        attempt="0123456789abcdef", stage="train", process=processes.own(), when="2026-01-31T12:00:00Z",
        candidate="boosting", seed=0,
    )  # fmt: skip
    plain = json.loads(msgspec.json.encode(marker))
    plain["process"] |= process
    path = root / paths.ATTEMPTS / "0123456789abcdef.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(plain))
    return path


@pytest.mark.parametrize("process", [{"started": "1"}, {"boot": "another"}, {"pid": 2**22 + 1}])
def test_a_process_id_that_came_again_is_another_process(tmp_path: Path, process: dict[str, object]) -> None:
    altered(tmp_path, **process)
    assert attempts.close_dead(tmp_path) == 1


@pytest.mark.parametrize("process", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_what_runs_elsewhere_is_closed_only_by_the_same_job(tmp_path: Path, process: dict[str, object]) -> None:
    path = altered(tmp_path, **process)
    assert attempts.close_dead(tmp_path) == 0
    assert attempts.close_dead(tmp_path, job=("train", "boosting", 1)) == 0
    assert path.exists()
    assert attempts.close_dead(tmp_path, job=("train", "boosting", 0)) == 1
    assert [record["status"] for record in on_record(tmp_path)] == ["killed"]
    assert markers(tmp_path) == []


def test_who_was_killed_while_closing_leaves_it_to_the_next(tmp_path: Path) -> None:
    path = altered(tmp_path, started="1")
    path.rename(path.with_name(f"0123456789abcdef.{os.getpid()}-1.json"))
    assert attempts.close_dead(tmp_path) == 1
    assert markers(tmp_path) == []


def test_what_another_process_closes_just_now_is_left_to_it(tmp_path: Path) -> None:
    path = altered(tmp_path, started="1")
    mine = processes.own()
    path.rename(path.with_name(f"0123456789abcdef.{mine.pid}-{mine.started}.json"))
    assert attempts.close_dead(tmp_path) == 0


def test_of_many_that_find_it_at_once_one_puts_it_on_record(tmp_path: Path) -> None:
    altered(tmp_path, started="1")
    with multiprocessing.get_context("fork").Pool(8) as pool:
        closed = pool.map(attempts.close_dead, [tmp_path] * 32, chunksize=1)
    assert sum(closed) == len(on_record(tmp_path)) == 1
    assert markers(tmp_path) == []


def test_an_attempt_on_record_whose_marker_is_left_is_not_recorded_again(tmp_path: Path) -> None:
    path = altered(tmp_path, started="1")
    content = path.read_bytes()
    assert attempts.close_dead(tmp_path) == 1
    path.write_bytes(content)
    assert attempts.close_dead(tmp_path) == 0
    assert markers(tmp_path) == []
    assert len(on_record(tmp_path)) == 1


def test_a_marker_that_cannot_be_read_is_an_attempt_all_the_same(tmp_path: Path) -> None:
    altered(tmp_path).write_text("{")
    assert attempts.close_dead(tmp_path) == 1
    assert [record["stage"] for record in on_record(tmp_path)] == [attempts.UNKNOWN]


def test_where_nothing_can_be_written_the_marker_stays(tmp_path: Path) -> None:
    path = altered(tmp_path, started="1")
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(OSError, match="runs"):
        attempts.close_dead(tmp_path)
    (left,) = markers(tmp_path)
    (tmp_path / "runs").unlink()
    left.rename(path)
    assert attempts.close_dead(tmp_path) == 1


def test_what_fails_before_any_stage_is_on_record_without_secrets(tmp_path: Path) -> None:
    attempts.failed(tmp_path, stage="settings", error=DataError(f"found {SECRET}"))
    (record,) = on_record(tmp_path)
    assert (record["status"], record["stage"], record["exception"]) == ("failed", "settings", "DataError")
    assert SECRET not in json.dumps(record)
