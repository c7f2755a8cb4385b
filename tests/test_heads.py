"""A job of a snakemake that leads no more does nothing; a new one tells what the old one has left in the queue."""

import json
import os
import platform
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from weighbridge import documents, heads, paths, running
from weighbridge.errors import SetupError
from weighbridge.registry import attempts, ledger, markers, processes
from weighbridge.registry.markers import Marker

SCONTROL = """#!{python}
import sys
states = {states!r}
state = states.get(sys.argv[-1])
if state is None:
    sys.exit("slurm_load_jobs error: Unable to contact slurm controller")
print(f"JobId={{sys.argv[-1]}} JobState={{state}} NumNodes=1")
"""


@pytest.fixture(autouse=True)
def _own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the variable to itself, and leaves none."""
    monkeypatch.setenv("WEIGHBRIDGE_HEAD", "")


def say(folder: Path, monkeypatch: pytest.MonkeyPatch, **states: str) -> None:
    """Let ``scontrol`` tell these states of jobs (``_7="RUNNING"``), and nothing of others; no ``sacct``."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    known = {name.removeprefix("_"): state for name, state in states.items()}
    tool = tools / "scontrol"
    tool.write_text(SCONTROL.format(python=sys.executable, states=known))
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tools))


def sent(root: Path, *jobs: str | None) -> None:
    """Let Snakemake have noted that these jobs write files."""
    folder = root / ".snakemake/incomplete"
    folder.mkdir(parents=True, exist_ok=True)
    for number, job in enumerate(jobs):
        (folder / f"file{number}").write_text(json.dumps({"external_jobid": job}))


def left_elsewhere(root: Path, job: str | None) -> Path:
    """Leave the marker of a training on another machine."""
    process = processes.Process(pid=1, started="1", boot="another", host="elsewhere")
    marker = Marker(
        attempt="0123456789abcdef", stage="train", process=process, when="2026-01-31T12:00:00Z", candidate="a", seed=0,
        cluster_job=job,
    )  # fmt: skip
    path = root / paths.ATTEMPTS / "0123456789abcdef.json"
    documents.write(path, msgspec.json.encode(marker))
    return path


def instead_of_sleeping(monkeypatch: pytest.MonkeyPatch, does: Callable[[float], None]) -> None:
    """Let a stage that waits do this between two looks; others, such as subprocess, sleep as ever."""
    monkeypatch.setattr(running, "time", SimpleNamespace(**vars(time) | {"sleep": does}))


def test_who_was_sent_by_the_last_head_may_work_and_by_an_earlier_one_may_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads.refuse_superseded(tmp_path)  # sent by none
    heads.take_over(tmp_path)
    sender = os.environ["WEIGHBRIDGE_HEAD"]
    heads.refuse_superseded(tmp_path)
    heads.take_over(tmp_path)
    monkeypatch.setenv("WEIGHBRIDGE_HEAD", sender)
    with pytest.raises(SetupError, match="another one does its work in this folder; nothing is done"):
        heads.refuse_superseded(tmp_path)
    another = tmp_path / "another"
    another.mkdir()
    heads.refuse_superseded(another)
    documents.write(another / paths.HEAD, "1-its own")
    heads.refuse_superseded(another)


def test_a_stage_that_gets_its_turn_too_late_does_nothing_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heads.take_over(tmp_path)
    sender = os.environ["WEIGHBRIDGE_HEAD"]
    with running.alone(tmp_path, "weigh") as turn:
        assert turn.wanted
    heads.take_over(tmp_path)
    monkeypatch.setenv("WEIGHBRIDGE_HEAD", sender)
    with running.alone(tmp_path, "weigh") as turn:
        assert not turn.wanted
    assert "weigh is left to the snakemake that has started here since" in capsys.readouterr().err


def test_what_a_lost_head_has_sent_is_told_by_how_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(tmp_path, monkeypatch, _7="RUNNING", _8="PENDING", _9="COMPLETED")
    sent(tmp_path, "7", "8", "9", "9", None)
    assert heads.left(tmp_path) == heads.Left(running=("7",), waiting=("8",))
    running.hold(tmp_path)


def test_a_stage_waits_for_the_job_of_another_node_whose_lock_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As long as the scheduler says that it runs, and where it says nothing for a while."""
    turns = [{"_7": "COMPLETING"}, {}, {"_7": "COMPLETED"}]

    def note(when: str) -> None:
        ledger.append(tmp_path, {"kind": "attempt", "status": "failed", "stage": "train", "error": "", "when": when})

    def sleep(_seconds: float) -> None:
        note(f"2026-01-31T12:0{len(turns)}:00Z")
        say(tmp_path, monkeypatch, **turns.pop(0))

    say(tmp_path, monkeypatch, _7="RUNNING")
    left_elsewhere(tmp_path, "7")
    note("2027-01-31T12:00:00Z")  # by a clock that is wrong
    instead_of_sleeping(monkeypatch, sleep)
    with running.alone(tmp_path, "train-a-0") as turn:
        assert turns == []
        assert turn.wanted
        assert len(turn.known or ()) == 1, "what the other one has put on record since isn't among them"
    assert capsys.readouterr().err.count("train-a-0 runs already (job 7); this one waits for it") == 1


def test_a_stage_that_is_superseded_while_it_waits_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(tmp_path, monkeypatch, _7="RUNNING")
    left_elsewhere(tmp_path, "7")
    heads.take_over(tmp_path)
    instead_of_sleeping(monkeypatch, lambda _seconds: documents.write(tmp_path / paths.HEAD, "another"))
    with running.alone(tmp_path, "train-a-0") as turn:
        assert not turn.wanted


@pytest.mark.parametrize(
    ("stage", "state"),
    [("train-a-1", "RUNNING"), ("train-a-0", "PENDING"), ("train-a-0", "TIMEOUT"), ("train-a-0", "")],
    ids=["another_run", "waits_itself", "has_ended", "unknown"],
)
def test_a_stage_waits_for_nobody_else(stage: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(tmp_path, monkeypatch, **({"_7": state} if state else {}))
    left_elsewhere(tmp_path, "7")
    with running.alone(tmp_path, stage) as turn:
        assert turn == running.Turn(wanted=True)


def test_of_two_that_see_each_other_the_one_that_began_first_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(tmp_path, monkeypatch, _7="RUNNING")
    path = left_elsewhere(tmp_path, "7")
    other = msgspec.json.decode(path.read_bytes(), type=Marker)
    documents.write(path, msgspec.json.encode(msgspec.structs.replace(other, when="9999-01-31T12:00:00Z")))
    with attempts.recorded(tmp_path, "train", "a", 0), running.alone(tmp_path, "train-a-0") as turn:
        assert turn == running.Turn(wanted=True)


def test_a_job_that_was_put_back_into_the_queue_is_found_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(tmp_path, monkeypatch, _7="PENDING", _8="PENDING", _9="PENDING")
    queue = tmp_path / "tools/squeue"
    here, there = tmp_path.as_posix(), tmp_path.parent.as_posix()
    lines = f"7|BeginTime|rule_train|{here}", f"8|Priority|rule_train|{there}", f"9|Priority|my own|{here}"
    queue.write_text(f"#!{sys.executable}\nprint({chr(10).join(lines)!r})\n")
    queue.chmod(queue.stat().st_mode | stat.S_IXUSR)
    assert heads.left(tmp_path) == heads.Left()
    assert heads.left(tmp_path, lost=True) == heads.Left(waiting=("7",))


def test_a_scheduler_that_does_not_answer_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(tmp_path, monkeypatch, _8="RUNNING")
    sent(tmp_path, "7", "8")
    assert heads.left(tmp_path) == heads.Left(unknown=("7", "8"))


@pytest.mark.parametrize("state", ["RUNNING", "COMPLETING", ""])
def test_what_may_be_at_work_on_another_node_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    say(tmp_path, monkeypatch, **({"_7": state} if state else {}))
    marker = left_elsewhere(tmp_path, "7")
    draft = tmp_path / f"results/{paths.TEMPORARY}abcd1234"
    draft.touch()
    lock = tmp_path / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    running.hold(tmp_path)
    assert attempts.close_dead(tmp_path, job=("train", "a", 0)) == 0
    assert marker.exists()
    assert draft.exists()
    assert not lock.exists(), "the snakemake itself was on this machine, and is gone"


def test_what_has_ended_on_another_node_is_put_on_record_and_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    say(tmp_path, monkeypatch, _7="NODE_FAIL")
    marker = left_elsewhere(tmp_path, "7")
    draft = tmp_path / f"results/{paths.TEMPORARY}abcd1234"
    draft.touch()
    running.hold(tmp_path)
    assert not marker.exists()
    assert not draft.exists()
    assert "half-written files are removed" in capsys.readouterr().err


def test_a_job_that_the_scheduler_starts_anew_closes_its_own_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(tmp_path, monkeypatch, _7="RUNNING")
    left_elsewhere(tmp_path, "7")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert attempts.close_dead(tmp_path, job=("train", "a", 0)) == 1
    assert markers.running(tmp_path) == ()


@pytest.mark.parametrize(("state", "refused"), [("RUNNING", True), ("TIMEOUT", False), ("", True)])
def test_locks_of_a_snakemake_that_was_a_job_go_once_the_job_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, state: str, refused: bool
) -> None:
    say(tmp_path, monkeypatch, **({"_7": state} if state else {}))
    documents.write(tmp_path / paths.RUNNING, "process 1 on elsewhere, since 2026-01-31T12:00:00Z, job 7")
    documents.write(tmp_path / paths.HEAD, "its name")
    lock = tmp_path / ".snakemake/locks/0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    if refused:
        with pytest.raises(SetupError, match=r"job 7.*can't see whether it still runs"):
            running.hold(tmp_path)
        assert (tmp_path / paths.HEAD).read_text() == "its name", "its jobs go on"
    else:
        running.hold(tmp_path)
    assert lock.exists() is refused


def test_a_second_head_on_another_host_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    running.hold(tmp_path)
    name = (tmp_path / paths.HEAD).read_text()
    code = "import sys; from pathlib import Path; from weighbridge import running; running.hold(Path(sys.argv[1]))"
    there = 'hostname elsewhere && exec "$@"'
    command = [
        "unshare",
        "--map-root-user",
        "--uts",
        "sh",
        "-c",
        there,
        "sh",
        sys.executable,
        "-c",
        code,
        str(tmp_path),
    ]
    if not shutil.which("unshare") or subprocess.run([*command[:3], "true"], check=False).returncode:
        pytest.skip("no other host can be played here")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert f"process {os.getpid()} on {platform.node()}, since " in done.stderr
    assert done.returncode == 1
    assert (tmp_path / paths.HEAD).read_text() == name
