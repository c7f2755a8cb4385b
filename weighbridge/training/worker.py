"""One of the processes that train a network together; ``torchrun`` starts it, told by :mod:`launch`.

``python -m weighbridge.training.worker FOLDER``: what to do lies in the folder, and what came of it goes there.
"""

import contextlib
import os
import platform
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from weighbridge.tasks import TrainTask

if TYPE_CHECKING:
    from weighbridge.training.joint import JointCheckpoints
    from weighbridge.training.trained import Trained

JOB, RESULT, STOPPED = "job.json", "result.json", "stopped"
FAILED = "failed-{rank}.json"
PARTED = "Parted"
_LINK_SECONDS = 1800


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to train, and where."""

    root: str
    seed: int
    task: TrainTask
    identity: str
    into: str


class Failure(msgspec.Struct, frozen=True):
    """An error in words; with the traceback, where it is none of the project's own."""

    error: str
    message: str
    traceback: str = ""


class _Share(msgspec.Struct, frozen=True):
    """What a process took."""

    host: str
    cpu_seconds: float
    memory_mib: float


def main(folder: Path) -> int:
    """Train; return the exit code."""
    from weighbridge import secrets_guard
    from weighbridge.errors import WeighbridgeError
    from weighbridge.training.parting import Parted

    rank = int(os.environ["RANK"])
    os.dup2(2, 1) if rank else os.dup2(1, 2)  # the first one speaks for all
    secrets_guard.guard_output()
    job = msgspec.json.decode((folder / JOB).read_bytes(), type=Job)
    try:
        _train(job, rank, folder)
    except WeighbridgeError as problem:
        failure = Failure(type(problem).__name__, str(problem))
    except Parted as problem:
        failure = Failure(PARTED, str(problem))
    except MemoryError:
        failure = Failure("ModelError", "out of memory; give the job more, or make the data or the model smaller")
    except Exception as problem:  # noqa: BLE001 - the one that started us shows it
        failure = Failure(type(problem).__name__, str(problem), traceback.format_exc())
    else:
        return 0
    with contextlib.suppress(OSError):
        _write(folder / FAILED.format(rank=rank), failure)
    return 2


def _train(job: Job, rank: int, folder: Path) -> None:
    from weighbridge import machine, paths

    machine.fix_threads(job.task.threads)
    sys.path[:] = [job.root, *(entry for entry in sys.path if entry != job.root)]
    import datetime as dt

    import torch.distributed as dist

    from weighbridge.training import device, trained
    from weighbridge.training.joint import JointCheckpoints, Stopped
    from weighbridge.training.processes import Group

    fit = job.task.candidate.fit
    device.chosen(fit.device)
    limit = dt.timedelta(seconds=_LINK_SECONDS)
    dist.init_process_group("nccl" if fit.device == "cuda" else "gloo", timeout=limit)
    group = Group()

    def say(text: str) -> None:
        if not rank:
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    checkpoints = JointCheckpoints(Path(job.root) / paths.CHECKPOINTS / job.identity, group, progress=say)
    _listen(checkpoints, folder)
    try:
        done = trained.train(
            Path(job.root), job.seed, job.task,
            checkpoints=checkpoints, into=Path(job.into), progress=say, group=group,
        )  # fmt: skip
        share = _Share(platform.node(), done.cpu_seconds, done.peak_memory_mib)
        shares = [msgspec.json.decode(one, type=_Share) for one in group.gathered(msgspec.json.encode(share))]
    except Stopped:
        if not rank:
            (folder / STOPPED).touch()
        return
    if not rank:
        _write(folder / RESULT, _together(done, shares))
    dist.destroy_process_group()


def _together(done: "Trained", shares: list[_Share]) -> "Trained":
    """Return what all processes took: the sum of their CPU time, and the most memory of those on one machine."""
    memory: dict[str, float] = {}
    for share in shares:
        memory[share.host] = memory.get(share.host, 0.0) + share.memory_mib
    cpu = sum(share.cpu_seconds for share in shares)
    return msgspec.structs.replace(done, cpu_seconds=round(cpu, 3), peak_memory_mib=round(max(memory.values()), 1))


def _write(path: Path, value: object) -> None:
    """Write *value* such that it is there whole or not at all."""
    begun = path.with_name(f".{path.name}")
    begun.write_bytes(msgspec.json.encode(value))
    begun.replace(path)


def _listen(checkpoints: "JointCheckpoints", folder: Path) -> None:
    """Heed signals and the end of the standard input: while the network learns by saving first, else at once."""

    def ask(number: int = signal.SIGTERM, _frame: object = None) -> None:
        checkpoints.asked = True
        if not checkpoints.heeds:
            with contextlib.suppress(OSError):
                (folder / STOPPED).touch()
            os._exit(128 + number)

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1):
                pass
        ask()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, ask)
    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
