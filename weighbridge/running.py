"""One pipeline at a time in a folder, one process at a time in a stage; and order after a kill.

Both are held by ``flock``: the kernel lets go of it when its process ends, however that ends. So nothing has to be
cleaned up before the next start, and what a killed Snakemake left of its own locks is known to be stale.
"""

import contextlib
import errno
import fcntl
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from weighbridge import heads, paths
from weighbridge.errors import RecordError, SetupError

_PATIENCE_SECONDS = 0.5
_PAUSE_SECONDS = 0.05
_ASKING_SECONDS = 5.0
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}
_SNAKEMAKE_LOCK = re.compile(r"\d+\.(input|output)\.lock")
_JOB = re.compile(r", job (\S+)$")
_SWEPT = ("data", "data/processed", "models", "models/*", "approvals", "runs/*")
# Snakemake gives some of these a core, as to one that runs jobs. --unlock removes locks itself.
_LOOKING = frozenset(
    [
        "-l",
        "--list",
        "--list-rules",
        "--list-target-rules",
        "--lt",
        "--lint",
        "--print-compilation",
        "--unlock",
        "-S",
        "--summary",
        "-D",
        "--detailed-summary",
        "--dag",
        "--rulegraph",
        "--filegraph",
        "--d3dag",
        "--report",
        "--list-changes",
        "--lc",
        "--list-input-changes",
        "--li",
        "--list-params-changes",
        "--lp",
        "--list-untracked",
        "--lu",
    ]
)
_held: set[Path] = set()


def is_looking(arguments: Iterable[str]) -> bool:
    """Return whether a Snakemake with these arguments runs no job."""
    return any(argument.partition("=")[0] in _LOOKING for argument in arguments)


def hold(root: Path) -> None:
    """Hold the folder for the life of this process, lead it, and put in order what a killed one has left.

    Snakemake's stale locks are removed, half-written files too, and attempts that were killed go on record. Where the
    file system has no locks, Snakemake's own have to do. See :mod:`weighbridge.heads` for what it is to lead.

    Args:
        root: the project's root.

    Raises:
        SetupError: where another pipeline runs in the folder, or nothing can be written there.
    """
    if root in _held:
        return
    with contextlib.ExitStack() as stack:
        try:
            descriptors, holder, taken = [], "", True
            for place in (paths.RUNNING, paths.RUNNING_BESIDE):
                descriptors.append(_opened(root / place))
                stack.callback(os.close, descriptors[-1])
                taken = taken and _taken(descriptors[-1], fcntl.LOCK_EX, _PATIENCE_SECONDS)
                holder = holder or os.pread(descriptors[-1], 200, 0).decode(errors="replace").strip()
            if taken:
                _put_in_order(root, holder)
                for descriptor in descriptors:
                    _write_holder(descriptor)
                stack.pop_all()
                _held.add(root)
        except OSError as problem:
            if problem.errno not in _NO_LOCKS_HERE:
                raise _unwritable(root, problem) from None
            if not _stale_locks(root):  # else a snakemake runs here, and this one will be refused
                _lead(root)
            return
    if not taken:
        raise SetupError(
            f"another snakemake runs in this folder ({holder or 'it has just started'}); wait for it, or end it there"
        )


def _lead(root: Path) -> None:
    try:
        heads.take_over(root)
    except OSError as problem:
        raise _unwritable(root, problem) from None


def _opened(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _taken(descriptor: int, kind: int, patience_seconds: float) -> bool:
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_SECONDS)
        else:
            return True


def _write_holder(descriptor: int) -> None:
    from weighbridge import cluster

    os.truncate(descriptor, 0)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    job = cluster.job_id()
    text = f"process {os.getpid()} on {platform.node()}, since {since}{f', job {job}' if job else ''}"
    os.pwrite(descriptor, text.encode(), 0)


def _unwritable(root: Path, problem: OSError) -> SetupError:
    place = Path(problem.filename) if problem.filename else paths.RUNNING
    name = place.relative_to(root) if place.is_relative_to(root) else place
    return SetupError(
        f"{name}: can't be written ({problem.strerror}); free space or mend the folder's rights, "
        "then run snakemake again: nothing is lost"
    )


def _put_in_order(root: Path, holder: str) -> None:
    """Lead from now on, and clear up after a pipeline that was killed; often there is nothing to do."""
    from weighbridge.registry import attempts

    locks = _stale_locks(root)
    if locks and _is_elsewhere(holder):
        raise SetupError(
            f"a snakemake has left its locks here ({holder}), and {platform.node()} can't see whether it still runs: "
            "where it doesn't, type 'snakemake --unlock', then the same command again (a container with a fixed "
            "--hostname needs neither)"
        )
    heads.take_over(root)
    killed = attempts.close_dead(root, everywhere=True)
    for lock in locks:
        lock.unlink(missing_ok=True)
    sent = heads.left(root, lost=bool(locks or killed))
    if not (locks or killed or any(sent)):
        return
    still = _still_running(root)
    if still or sent.running or sent.unknown or attempts.elsewhere(root):
        words = f"{still or 'what it began elsewhere'} runs on and is waited for"
    else:
        _sweep(root)
        words = "its locks and half-written files are removed"
    say(f"the last snakemake here was killed; {words}, and its work goes on")
    for line in sent.in_words():
        say(line)


def _is_elsewhere(holder: str) -> bool:
    """Return whether another host held the folder last, where it may still run.

    Not every network file system tells of that one's lock. Of a snakemake that was itself a job the scheduler knows.
    """
    from weighbridge import cluster

    if not holder or f" on {platform.node()}," in holder:
        return False
    job = _JOB.search(holder)
    return not (job and cluster.state(job[1]).phase is cluster.Phase.ENDED)


def _stale_locks(root: Path) -> list[Path]:
    folder = root / ".snakemake" / "locks"
    found = folder.iterdir() if folder.is_dir() else ()
    return [path for path in found if _SNAKEMAKE_LOCK.fullmatch(path.name)]


def _still_running(root: Path) -> str:
    """Return the stages that a killed Snakemake has left running; empty where there are none."""
    place = root / paths.STAGE_LOCKS
    names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
    return ", ".join(name for name in names if not _is_free(place / name))


def _is_free(path: Path) -> bool:
    with path.open() as stream:
        return _taken(stream.fileno(), fcntl.LOCK_SH, 0)


def _sweep(root: Path) -> None:
    """Remove what was being written, which its name tells; never anything among the raw data."""
    folders = [folder for pattern in _SWEPT for folder in root.glob(pattern) if folder != root / paths.RAW]
    folders += [Path(name) for name, _, _ in os.walk(root / "results")]
    top = root.resolve()
    for folder in folders:
        # Nothing is removed through a link, which a commit may have brought.
        if not folder.is_dir() or folder.resolve() != top / folder.relative_to(root):
            continue
        for path in folder.iterdir():
            if path.name.startswith(paths.TEMPORARY):
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def say(text: str) -> None:
    """Print a line on standard error, as ours among Snakemake's."""
    sys.stderr.write(f"weighbridge: {text}\n")
    sys.stderr.flush()


class Turn(NamedTuple):
    """A stage's turn, once nobody else runs it.

    Attributes:
        wanted: whether it is still to be run: not where the snakemake that sent it was followed by another one.
        known: digests of the records that were there when it began to wait for another process; ``None`` where it
            didn't, or where they can't be read.
    """

    wanted: bool
    known: frozenset[str] | None = None


@contextlib.contextmanager
def alone(root: Path, stage: str) -> Iterator[Turn]:
    """Be the only process that runs *stage* in this folder: wait for one that a killed Snakemake has left running.

    Both would write the same files; they do so one after the other. One on another node, whose lock may not be seen
    here, is known by its marker, and as long as the scheduler says that its job runs.

    Args:
        root: the project's root.
        stage: the stage's name, with candidate and seed where it has such.
    """
    # Before the lock, which nobody then holds who waits: each waits for those that began earlier, and none for ever.
    known = _wait_for_nodes(root, stage)
    with contextlib.ExitStack() as stack:
        descriptor = _opened(root / paths.STAGE_LOCKS / stage)
        stack.callback(os.close, descriptor)
        try:
            if not _taken(descriptor, fcntl.LOCK_EX, 0):
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip()
                known = _records(root) if known is None else known
                say(f"{stage} runs already ({holder}); this one waits for it")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            _write_holder(descriptor)
        except OSError as problem:
            if problem.errno not in _NO_LOCKS_HERE:
                raise
        wanted = not heads.is_superseded(root)
        if not wanted:
            # A failure would make Snakemake remove what the other one has made.
            say(f"{stage} is left to the snakemake that has started here since; nothing is done")
        yield Turn(wanted, known)


def _wait_for_nodes(root: Path, stage: str) -> frozenset[str] | None:
    """Wait for those that began *stage* earlier on other nodes; return :attr:`Turn.known`."""
    known, seen = None, frozenset[str]()
    while not heads.is_superseded(root):
        jobs = _at_work_elsewhere(root, stage, seen)
        if not jobs:
            break
        if not seen:
            known = _records(root)
            say(f"{stage} runs already (job {', '.join(sorted(jobs))}); this one waits for it")
        seen = jobs
        time.sleep(_ASKING_SECONDS)
    return known


def _at_work_elsewhere(root: Path, stage: str, seen: frozenset[str]) -> frozenset[str]:
    """Return the jobs that the scheduler says run, and those *seen* to do so of which it says nothing now."""
    from weighbridge import cluster
    from weighbridge.registry import markers, processes

    found, own, questions = set(), cluster.job_id(), cluster.Questions()
    for marker in markers.running(root):
        if marker.process == processes.own():
            break
        job = marker.cluster_job
        name = "-".join(str(part) for part in marker.job if part is not None)
        if name != stage or job in {None, own} or processes.is_alive(marker.process) is not None:
            continue
        phase = questions.state(job).phase
        if phase is cluster.Phase.RUNNING or (phase is cluster.Phase.UNKNOWN and job in seen):
            found.add(job)
    return frozenset(found)


def _records(root: Path) -> frozenset[str] | None:
    """Return the digests of all records that are there; ``None`` where they can't be read, for the stage to say so."""
    from weighbridge.registry import ledger

    try:
        return frozenset(row.digest for row in ledger.rows(root))
    except (OSError, RecordError):
        return None
