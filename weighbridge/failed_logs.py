"""What the terminal shows of a job that failed on a cluster: the end of its own log, once.

Snakemake shows logs whole, the cluster's log of the job included, in which the stage's stands again, and this for each
attempt. Its own log, in ``.snakemake/log/``, keeps all that.
"""

import logging
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
        self._shown: dict[Any, list[str]] = {}

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
        # The cluster's own log, last, repeats the stage's; it counts where the job ended before its stage began.
        for log in sorted(logs, key=lambda path: _OF_SNAKEMAKE in path.parts):
            lines = self._lines(log)
            if lines:
                job = getattr(record, "jobid", None)
                again = self._shown.get(job) == lines
                self._shown[job] = lines
                yield f"    {log} ends as before" if again else f"    {log} ends:"
                yield from () if again else (f"        {line}" for line in lines)
                return

    def _lines(self, log: Path) -> list[str]:
        """Return the end of a log that this run has written; an earlier one's tells nothing of this failure."""
        try:
            if log.stat().st_mtime_ns < self._started:
                return []
            with log.open("rb") as stream:
                stream.seek(max(0, log.stat().st_size - _TAIL_BYTES))
                text = stream.read(_TAIL_BYTES).decode(errors="replace")
        except OSError:
            return []
        return [line.rstrip()[:_LINE_LENGTH] for line in text.splitlines() if line.strip()][-_LINES:]


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
