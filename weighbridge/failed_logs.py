"""What the terminal shows of a job that failed on a cluster: the end of its own log, once.

Snakemake shows logs whole, the cluster's log of the job included, in which the stage's stands again, and this for each
attempt. Its own log, in ``.snakemake/log/``, keeps all that.
"""

import logging
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

_LINES = 15
_LINE_LENGTH = 500
_TAIL_BYTES = 64 * 1024
_OF_SNAKEMAKE = ".snakemake"
_TERMINAL = "DefaultStreamHandler"


class Brief(logging.Formatter):
    """Snakemake's own format, but for jobs that failed: neither their inputs nor more than the end of a log."""

    def __init__(self, inner: logging.Formatter, started: int, apart: Collection[Path]) -> None:
        super().__init__()
        self._apart = apart
        self._inner = inner
        self._started = started
        self._shown: dict[Any, tuple[Path, int, list[str]]] = {}

    def format(self, record: logging.LogRecord) -> str:
        """Return what the terminal shows."""
        if getattr(getattr(record, "event", None), "name", "") != "JOB_ERROR":
            return self._inner.format(record)
        said = self._inner.format(logging.makeLogRecord(record.__dict__ | {"input": []}))
        return "\n".join([said, *self._tail(record)])

    def _tail(self, record: logging.LogRecord) -> Iterator[str]:
        logs = [Path(str(log)) for log in getattr(record, "log", None) or ()]
        if any(log in self._apart for log in logs):
            return
        job = getattr(record, "jobid", None)
        before, since, said = self._shown.get(job, (None, 0, []))
        # The cluster's own log, last, repeats the stage's; it counts where the job ended before its stage began.
        for log in sorted(logs, key=lambda path: _OF_SNAKEMAKE in path.parts):
            written, lines = _end(log)
            # What an earlier run or attempt wrote tells nothing of this failure.
            if not lines or written < self._started or (log == before and written <= since):
                continue
            self._shown[job] = (log, written, lines)
            again = (log, lines) == (before, said)
            yield f"    {log} ends as before" if again else f"    {log} ends:"
            yield from () if again else (f"        {line}" for line in lines)
            return


def _end(log: Path) -> tuple[int, list[str]]:
    """Return when a log was written, and its last lines; none where it can't be read."""
    try:
        with log.open("rb") as stream:
            status = os.fstat(stream.fileno())
            stream.seek(max(0, status.st_size - _TAIL_BYTES))
            text = stream.read(_TAIL_BYTES).decode(errors="replace")
    except OSError:
        return 0, []
    lines = [line.rstrip()[:_LINE_LENGTH] for line in text.splitlines() if line.strip()]
    return status.st_mtime_ns, lines[-_LINES:]


def shorten(handlers: Iterable[logging.Handler], started: int, apart: Collection[Path] = ()) -> None:
    """Let Snakemake show no more than the ends of logs on the terminal, where it would show them whole.

    Args:
        handlers: of Snakemake's logger.
        started: when this run started, in nanoseconds by the clock that dates its files.
        apart: logs that the terminal shows in another place.
    """
    for handler in handlers:
        inner = handler.formatter
        if handler.name == _TERMINAL and inner is not None and getattr(inner, "show_failed_logs", False):
            inner.show_failed_logs = False  # type: ignore[attr-defined]
            handler.setFormatter(Brief(inner, started, apart))
