"""The markers of stages that run: a file each in ``results/attempts/``, gone once the attempt is closed."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import paths
from weighbridge.registry import processes
from weighbridge.registry.processes import Process

# The marker of an attempt, and the same once a process has taken it upon itself to close it.
_FILE = re.compile(r"([0-9a-f]{16})(?:\.(\d+)-(\d+))?\.json")


class Marker(msgspec.Struct, frozen=True, kw_only=True):
    """A stage that runs: which, by which process, since when, and the log that it writes to."""

    attempt: str
    stage: str
    process: Process
    when: str
    candidate: str | None = None
    seed: int | None = None
    cluster_job: str | None = None
    log: str | None = None

    @property
    def job(self) -> tuple[str, str | None, int | None]:
        """What is run: of two attempts at the same, only one can run at a time."""
        return self.stage, self.candidate, self.seed


def running(root: Path) -> tuple[Marker, ...]:
    """Return the attempts that are open: they run, or were killed and are not on record yet."""
    found = (read(path) for path, _ in every(root))
    return tuple(sorted((marker for marker in found if marker), key=lambda marker: (marker.when, marker.attempt)))


def every(root: Path) -> Iterator[tuple[Path, Process | None]]:
    """Yield each marker's file, and the process that has taken it upon itself to close it."""
    folder = root / paths.ATTEMPTS
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _FILE.fullmatch(path.name)
        if match:
            holder = msgspec.structs.replace(processes.own(), pid=int(match[2]), started=match[3]) if match[2] else None
            yield path, holder


def read(path: Path) -> Marker | None:
    """Return a marker, ``None`` where it is gone or can't be read."""
    with contextlib.suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return msgspec.json.decode(path.read_bytes(), type=Marker)
    return None
