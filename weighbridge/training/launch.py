"""Start the processes of a training: ``torchrun`` on this machine, or through ``srun`` on each node of a Slurm job.

Their standard input is held open for as long as they shall work. Where it ends, since a signal came here or this
process was killed, they save a checkpoint and end: so nobody is left behind, on whichever machine.
"""

import contextlib
import os
import platform
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from weighbridge import cluster, errors
from weighbridge.errors import ModelError, SetupError, WeighbridgeError
from weighbridge.settings import Fit
from weighbridge.tasks import TrainTask
from weighbridge.training import worker
from weighbridge.training.trained import Trained

_SAVING_SECONDS = 600
"""What processes may take to save and end; a scheduler kills them before."""
_ENDING_SECONDS = 3
_PAUSE_SECONDS = 0.1
_LINES = 12
_KILLED = re.compile(r"rank\s*:\s*(?P<rank>\d+)[^\n]*\n\s*exitcode\s*:\s*-(?P<signal>\d+)")
_LOOPBACK = "127.0.0.1"


def train(  # noqa: PLR0913 - what a run is made of
    root: Path, seed: int, task: TrainTask, *, identity: str, into: Path, progress: Callable[[str], None]
) -> Trained:
    """Train in as many processes as the candidate asks for, and leave the run's files in the folder *into*.

    Raises:
        ModelError: where the training fails in one of them, or one is killed.
        SetupError: where they can't be started, or can't reach each other.
    """
    fit = task.candidate.fit
    nodes = _nodes(fit, progress)
    where = cluster.job() if nodes > 1 else None
    progress(f"{fit.processes} processes on {', '.join(where.nodes if where else [platform.node()])}")
    told = worker.Job(root=str(root), seed=seed, task=task, identity=identity, into=str(into))
    talk = into.parent / "processes"
    talk.mkdir()
    (talk / worker.JOB).write_bytes(msgspec.json.encode(told))
    if nodes == 1:
        _require_loopback()
    complaints = talk / "stderr"
    with complaints.open("wb") as stream:
        code = _run(
            _command(fit, nodes, task.threads, talk),
            root,
            nodes=nodes,
            complaints=stream.fileno(),
            saved=talk / worker.STOPPED,
            progress=progress,
        )
    result = talk / worker.RESULT
    if result.is_file():
        return msgspec.json.decode(result.read_bytes(), type=Trained)
    failure = _failure(talk, complaints.read_text(encoding="utf-8", errors="replace"))
    if failure is None and (talk / worker.STOPPED).is_file():  # a scheduler may tell them and not us
        signal.raise_signal(signal.SIGTERM)
        raise SystemExit(128 + signal.SIGTERM)
    raise failure or _wordless(code, complaints)


def _nodes(fit: Fit, progress: Callable[[str], None]) -> int:
    """Return how many machines to start processes on: all at once where this is no job of Slurm's with so many."""
    if fit.nodes == 1:
        return 1
    job = cluster.job()
    if job and job.scheduler == "slurm" and len(job.nodes) == fit.nodes:
        return fit.nodes
    progress(f"fit.nodes is {fit.nodes}, and this is no Slurm job of so many: all {fit.processes} processes run here")
    return 1


def _command(fit: Fit, nodes: int, threads: int, talk: Path) -> list[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", f"--shutdown-timeout={_SAVING_SECONDS}"]
    torchrun.append(f"--log-dir={talk}")  # else a folder is left behind
    what = ["-m", worker.__name__, str(talk)]
    if nodes == 1:
        own = ["--standalone", f"--local-addr={_LOOPBACK}", f"--nproc-per-node={fit.processes}"]
        return [*torchrun, *own, *what]
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    each = [
        f"--nnodes={nodes}", f"--nproc-per-node={fit.processes_per_node}", "--rdzv-backend=c10d",
        f"--rdzv-endpoint={platform.node()}:{port}", f"--rdzv-id={talk.parent.name}",
    ]  # fmt: skip
    srun = [
        "srun", f"--nodes={nodes}", f"--ntasks={nodes}", "--ntasks-per-node=1",
        f"--cpus-per-task={threads * fit.processes_per_node}", "--kill-on-bad-exit=1",
    ]  # fmt: skip
    return [*srun, *torchrun, *each, *what]


def _require_loopback() -> None:
    """Refuse a machine whose own address can't be reached, such as a sandbox without any network.

    Raises:
        SetupError: where that is so.
    """
    try:
        with socket.create_server((_LOOPBACK, 0)) as server, socket.create_connection(server.getsockname(), timeout=10):
            pass
    except OSError as problem:
        raise SetupError(
            f"processes of one machine talk over its own address {_LOOPBACK}, which can't be reached here "
            f"({problem.strerror or problem}): bring the interface up (ip link set lo up), or train in one process"
        ) from None


def _run(  # noqa: PLR0913 - what a start is made of
    command: list[str], root: Path, *, nodes: int, complaints: int, saved: Path, progress: Callable[[str], None]
) -> int:
    """Run *command* to its end and return its exit code; a signal that comes meanwhile lets it save, and is raised.

    The file *saved* tells that they have.
    """
    # What this process imports they shall import too, wherever the engine lies.
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
    if nodes == 1:
        variables.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    try:
        started = subprocess.Popen(  # noqa: S603 - Python itself, or srun
            command, cwd=root, env=variables, stdin=subprocess.PIPE, stderr=complaints, start_new_session=True
        )
    except OSError as problem:
        raise SetupError(f"{command[0]}: {problem.strerror}; several processes are started by it") from None
    try:
        return started.wait()
    except BaseException:
        progress("all processes are asked to save and to end")
        with _deaf():
            _end(started, saved)
        raise
    finally:
        _end(started, saved)


def _end(started: "subprocess.Popen[bytes]", saved: Path) -> None:
    """End what was started, if it runs still: in order, then by force, which Ctrl-C brings forward.

    Once the state is *saved* there is little to wait for; srun may take longer than a scheduler waits for us.
    """
    if started.stdin and not started.stdin.closed:
        with contextlib.suppress(OSError):
            started.stdin.close()
    deadline = time.monotonic() + _SAVING_SECONDS
    with contextlib.suppress(KeyboardInterrupt):
        while started.poll() is None and time.monotonic() < deadline:
            if saved.is_file():
                deadline = min(deadline, time.monotonic() + _ENDING_SECONDS)
            time.sleep(_PAUSE_SECONDS)
    if started.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Within, a repeated SIGTERM or SIGHUP changes nothing: schedulers send them more than once."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Error(NamedTuple):
    """What a process failed with; a rank that only lost the link to another one doesn't say anything."""

    rank: int
    told: worker.Failure


def _failure(talk: Path, complaints: str) -> WeighbridgeError | None:
    """Return the error that ended the training, in a process's own words where it had the time for some."""
    found = sorted(
        _Error(int(path.stem.rpartition("-")[2]), msgspec.json.decode(path.read_bytes(), type=worker.Failure))
        for path in talk.glob(worker.FAILED.format(rank="*"))
    )
    spoken = [error for error in found if error.told.error != worker.PARTED]
    if spoken:
        rank, told = spoken[0]
        kind = getattr(errors, told.error, ModelError)
        if told.traceback:
            print(told.traceback, file=sys.stderr)  # noqa: T201 - the stage's log
            return ModelError(f"process {rank} failed: {told.error}: {told.message}")
        return kind(told.message) if issubclass(kind, WeighbridgeError) else ModelError(told.message)
    killed = _KILLED.search(complaints)
    if killed:
        name = signal.Signals(int(killed["signal"])).name
        ended = f"process {killed['rank']} of the training was ended by {name}"
        if name != "SIGKILL":
            return ModelError(
                f"{ended}, a fault in what the network calls, or in their talk: a layer that some pass by and others "
                "don't can't be a batch normalisation; train in one process to see which"
            )
        return ModelError(
            f"{ended}, as when memory runs out (memory_mb is that of one process); the next start goes on from the "
            "last checkpoint"
        )
    if found:
        return ModelError(
            f"the processes of the training lost each other: {found[0].told.message}; the next start goes on from the "
            "last checkpoint"
        )
    return None


def _wordless(code: int, complaints: Path) -> SetupError:
    said = complaints.read_text(encoding="utf-8", errors="replace")
    last = "\n".join(said.strip().splitlines()[-_LINES:])
    return SetupError(f"the processes of the training ended with {code} and no word; the last that they said:\n{last}")
