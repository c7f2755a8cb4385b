"""Attempts that came to nothing, on record whatever ended them: an error, a request to stop, or a kill.

A stage that runs has a marker, a file in ``results/attempts/``. Where it ends well the marker goes: what it made is on
record as such. Where an error or a signal ends it, a record takes the marker's place. Where its process is killed the
marker stays, and the next start finds that its process is gone.
"""

import contextlib
import os
import platform
import signal
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from weighbridge import cluster, documents, paths
from weighbridge.errors import RecordError, ReleaseRefused, WeighbridgeError
from weighbridge.registry import endings, ledger, markers, processes, records
from weighbridge.registry.markers import Marker

UNKNOWN = "unknown"
_LINES = 20
_LINE_LENGTH = 500
_TAIL_BYTES = 64 * 1024
_ERROR_LENGTH = 2000
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_CODE_OF_SIGNAL = 128


class Cancelled(SystemExit):
    """A signal asked the process to stop; it ends with the exit code that a shell expects of it, such as 143.

    Attributes:
        signal: its name, such as ``SIGTERM``.
        saved: whether the work of this start is saved, so that the next one goes on from there.
        then: what comes next, in words, for the record; empty where nobody knows.
    """

    def __init__(self, number: int) -> None:
        super().__init__(_CODE_OF_SIGNAL + number)
        self.signal = signal.Signals(number).name
        self.saved = False
        self.then = ""


@contextlib.contextmanager
def recorded(root: Path, stage: str, candidate: str | None = None, seed: int | None = None) -> Iterator[None]:
    """Run a stage such that nothing can end it without a record; what was raised is raised on.

    SIGTERM and SIGHUP are raised as :class:`Cancelled`, and so is Ctrl-C in the end.

    Args:
        root: the project's root.
        stage: the stage's name.
        candidate: of a run, its candidate.
        seed: of a run, its seed.
    """
    marker = Marker(
        attempt=uuid.uuid4().hex[:16],
        stage=stage,
        process=processes.own(),
        when=documents.utc_now(),
        candidate=candidate,
        seed=seed,
        cluster_job=cluster.job_id(),
        log=_own_log(root, paths.log(stage, candidate or "", "" if seed is None else seed)),
    )
    path = root / paths.ATTEMPTS / f"{marker.attempt}.json"
    # Where nothing can be written the stage will say so itself.
    with contextlib.suppress(OSError):
        close_dead(root)
        documents.write(path, msgspec.json.encode(marker))
    with _raising():
        try:
            yield
        except KeyboardInterrupt:
            _close(root, path, _record(root, marker, Cancelled(signal.SIGINT)))
            raise Cancelled(signal.SIGINT) from None
        except BaseException as error:
            if isinstance(error, ReleaseRefused) and error.on_record:
                path.unlink(missing_ok=True)
            else:
                _close(root, path, _record(root, marker, error))
            raise
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _raising() -> Iterator[None]:
    """Raise :class:`Cancelled` where a signal asks to stop; who ignores that signal goes on ignoring it."""

    def stop(number: int, _frame: FrameType | None) -> None:
        for one in mine:  # schedulers send it again, and the record is still to be written
            signal.signal(one, signal.SIG_IGN)
        raise Cancelled(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    mine = [number for number in _SIGNALS if signal.getsignal(number) is signal.SIG_DFL]
    for number in mine:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in mine:
            signal.signal(number, signal.SIG_DFL)


def _record(root: Path, marker: Marker, error: BaseException) -> dict[str, Any]:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    said = _said(marker) | {
        "status": records.CANCELLED if isinstance(error, Cancelled) else records.FAILED,
        "error": _redacted(in_words(error))[:_ERROR_LENGTH],
        "exception": type(error).__name__,
        "last_lines": _last_lines(root, marker.log),
    }
    if isinstance(error, Cancelled) and marker.cluster_job:
        by = endings.of(root, marker.stage, marker.cluster_job, alive=True)
        error.then = error.then or (by.words if by else "")
        said |= {"error": in_words(error)} | ({"cluster": by.facts()} if by else {})
    return said


def in_words(error: BaseException) -> str:
    """Return what an exception says, as a record has it: the project's own with the name of its class."""
    if isinstance(error, Cancelled):
        return f"stopped by {error.signal}{f': {error.then}' if error.then else ''}"
    if isinstance(error, MemoryError):
        return "out of memory"
    if isinstance(error, WeighbridgeError | OSError):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _said(marker: Marker) -> dict[str, Any]:
    fields = {
        "kind": records.ATTEMPT,
        "stage": marker.stage,
        "candidate": marker.candidate,
        "seed": marker.seed,
        "started": marker.when,
        "log": marker.log,
        "host": marker.process.host,
        "cluster_job": marker.cluster_job,
        "attempt": marker.attempt,
    }
    return {key: value for key, value in fields.items() if value is not None}


def _close(root: Path, marker: Path, record: dict[str, Any]) -> None:
    """Put the attempt on record and remove its marker; where that fails the marker stays, and the next start tries."""
    with _undisturbed():
        try:
            ledger.append(root, record | {"when": documents.utc_now()})
        except (OSError, RecordError) as problem:
            sys.stderr.write(f"weighbridge: the attempt could not be put on record: {problem}\n")
        else:
            marker.unlink(missing_ok=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no further signal end what takes milliseconds."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (*_SIGNALS, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def failed(root: Path, *, stage: str, error: BaseException) -> None:
    """Put an attempt on record that failed before there was a stage, such as settings that can't be read.

    Args:
        root: the project's root.
        stage: what failed, such as ``settings``.
        error: why.
    """
    said = {"error": _redacted(in_words(error))[:_ERROR_LENGTH], "exception": type(error).__name__}
    record = {"kind": records.ATTEMPT, "status": records.FAILED, "stage": stage, "host": platform.node()}
    # The error itself is what counts: it is told whether or not it can be written down.
    with contextlib.suppress(OSError, RecordError):
        ledger.append(root, record | said | {"when": documents.utc_now()})


def close_dead(root: Path, job: tuple[str, str | None, int | None] | None = None, *, everywhere: bool = False) -> int:
    """Put attempts on record whose processes are gone, and return how many those were.

    Processes of another machine can't be seen: of these only the attempts at *job* are closed, which starts anew. Of an
    attempt within a cluster's job the scheduler is asked, and without its word it stays open.

    Args:
        root: the project's root.
        job: what this process does, where no other process does so any more.
        everywhere: whether the scheduler is asked of all jobs, which takes a while each.

    Raises:
        OSError: where the ledger can't be written; the markers stay.
    """
    closed, questions = 0, cluster.Questions()
    for path, holder in markers.every(root):
        if holder and processes.is_alive(holder):
            continue  # which closes it just now
        marker = markers.read(path)
        if marker is None or _is_gone(marker, job, questions, everywhere=everywhere):
            closed += _close_killed(root, path, marker)
    return closed


def _is_gone(
    marker: Marker, job: tuple[str, str | None, int | None] | None, questions: cluster.Questions, *, everywhere: bool
) -> bool:
    alive = processes.is_alive(marker.process)
    same = marker.job == job
    if alive is not None or not marker.cluster_job:
        return alive is False or (alive is None and same)
    if same and marker.cluster_job == cluster.job_id():
        return True  # the scheduler has started this process's job anew
    return (same or everywhere) and questions.state(marker.cluster_job).phase is cluster.Phase.ENDED


def ended_by_cluster(root: Path, moment: int) -> tuple[str, ...]:
    """Return a line for each attempt that ended badly within a cluster's job since *moment*.

    What the cluster ended and isn't on record yet is put there. An error that each retry has met is one line: their
    logs, on the terminal already, bury it.

    Args:
        root: the project's root.
        moment: nanoseconds by the clock that dates its files, see :mod:`weighbridge.clock`.

    Raises:
        OSError: where the ledger can't be written.
        RecordError: where it can't be read.
    """
    close_dead(root, everywhere=True)
    known = {str(record.get("cluster_job")) for record in _since(root, moment)}
    for stage, by in endings.before_start(root, moment, known):
        said = {"kind": records.ATTEMPT, "status": records.KILLED, "stage": stage, "cluster_job": by.state.job}
        ledger.append(root, said | {"error": by.words, "cluster": by.facts(), "when": documents.utc_now()})
    bad = (record for record in _since(root, moment) if record.get("cluster_job") and record.get("error"))
    told = Counter(f"{record['stage']}{_of_run(record)}: {record['error']}" for record in bad)
    return tuple(f"{line} ({times} attempts)" if times > 1 else line for line, times in told.items())


def _of_run(record: dict[str, Any]) -> str:
    return f" {record['candidate']}, seed {record['seed']}" if record.get("candidate") else ""


def _since(root: Path, moment: int) -> Iterator[dict[str, Any]]:
    """Yield what attempts on record say, of those whose files are as new as *moment*."""
    for row in ledger.rows(root):
        path = root / ledger.path_of(row.digest)
        if row.kind == records.ATTEMPT and not row.damaged and path.stat().st_mtime_ns >= moment:
            entry = ledger.parse(path.read_bytes(), row.digest)
            if isinstance(entry, ledger.Entry):
                yield entry.record


def elsewhere(root: Path) -> bool:
    """Return whether an attempt within a cluster's job on another machine is open."""
    found = (marker for marker in markers.running(root) if marker.cluster_job)
    return any(processes.is_alive(marker.process) is None for marker in found)


def _close_killed(root: Path, path: Path, marker: Marker | None) -> bool:
    """Put a killed attempt on record; false where another process was faster, or had done so before it was killed."""
    mine = processes.own()
    identity = path.name.partition(".")[0]
    claimed = path.with_name(f"{identity}.{mine.pid}-{mine.started}.json")
    try:
        path.rename(claimed)  # of two processes that find it, one succeeds
    except FileNotFoundError:
        return False
    new = not any(row.attempt == identity for row in ledger.rows(root))
    if new:
        said = _said(marker) if marker else {"kind": records.ATTEMPT, "stage": UNKNOWN, "attempt": identity}
        by = endings.of(root, marker.stage, marker.cluster_job) if marker and marker.cluster_job else None
        ended = ({"cluster": by.facts()} if by else {}) | {
            "status": records.KILLED,
            "error": by.words if by else "its process was gone at the next start",
            "last_lines": _last_lines(root, marker.log) if marker and not _is_mine(root, marker.log) else [],
            "when": documents.utc_now(),
        }
        ledger.append(root, said | ended)
    claimed.unlink(missing_ok=True)
    return new


def _own_log(root: Path, path: Path) -> str | None:
    """Return *path* where this process really writes to it, as a job of the workflow does."""
    return path.as_posix() if _is_mine(root, path.as_posix()) else None


def _is_mine(root: Path, log: str | None) -> bool:
    """Return whether this process writes to *log*: then it holds nothing more of an earlier one."""
    with contextlib.suppress(OSError):
        return log is not None and os.path.samestat(os.fstat(2), (root / log).stat())
    return False


def _last_lines(root: Path, log: str | None) -> list[str]:
    """Return the end of a log, without empty lines."""
    path = root / (log or "")
    if not log or not path.is_file() or path.is_symlink():
        return []
    with path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        text = stream.read(_TAIL_BYTES).decode(errors="replace")
    lines = [line.rstrip()[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
    return _redacted("\n".join(lines[-_LINES:])).splitlines()


def _redacted(text: str) -> str:
    """Return *text* without secrets, and as text that can be written."""
    from weighbridge.secrets_guard import redact

    return redact(text.encode(errors="backslashreplace").decode())
