"""Which snakemake leads in a folder, and what an earlier one has left with the cluster's scheduler.

A snakemake that is killed leaves its jobs: some run, some wait in the queue and start hours later, when another
snakemake has done their work with other settings. So each takes over with a name of its own, which its jobs inherit,
and a job compares: one that was sent by an earlier snakemake does nothing. Those that ran before are waited for.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import SetupError

_VARIABLE = "WEIGHBRIDGE_HEAD"


class _Sent(msgspec.Struct):
    """What Snakemake notes of a file that a job is to write."""

    external_jobid: str | None = None


def take_over(root: Path) -> None:
    """Let this process lead, and the jobs that it sends know so.

    Raises:
        OSError: where that can't be written.
    """
    name = f"{_place(root)}-{uuid.uuid4().hex[:16]}"
    documents.write(root / paths.HEAD, name)
    os.environ[_VARIABLE] = name


def is_superseded(root: Path) -> bool:
    """Return whether another snakemake leads here than the one that sent this process.

    Who was sent by none, or by one whose name didn't come along, is never superseded.
    """
    sender = os.environ.get(_VARIABLE, "")
    try:
        here = sender.partition("-")[0] == _place(root)
        return here and (root / paths.HEAD).read_text(encoding="ascii") != sender
    except (OSError, UnicodeDecodeError):
        return False


def _place(root: Path) -> str:
    """Return what tells folders apart, and is the same on each node: paths and devices may not be."""
    return str(root.stat().st_ino)


def refuse_superseded(root: Path) -> None:
    """Refuse to be a job of a snakemake that leads no more.

    Raises:
        SetupError: where another one does.
    """
    if is_superseded(root):
        raise SetupError(
            "the snakemake that sent this job has ended, and another one does its work in this folder; nothing is "
            "done or changed here, and there is nothing to do for you"
        )


class Left(NamedTuple):
    """Jobs that an earlier snakemake has sent, by the scheduler's ids."""

    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    def in_words(self) -> Iterator[str]:
        """Yield a line for each kind that there is."""
        if self.running:
            yield (
                f"of its jobs {', '.join(self.running)} run on: what they make isn't made again; 'scancel' ends what "
                "nobody wants any more"
            )
        if self.waiting:
            yield f"of its jobs {', '.join(self.waiting)} wait in the queue: they will do nothing, new ones are sent"
        if self.unknown:
            yield f"of its jobs {', '.join(self.unknown)} the scheduler doesn't tell; what they write is left alone"


def left(root: Path, *, lost: bool = False) -> Left:
    """Return the jobs of an earlier snakemake that may not have ended.

    Once the scheduler doesn't answer it isn't asked for the others, nor after a minute.

    Args:
        root: the folder that they work in.
        lost: whether that snakemake was killed. Then the queue is looked at too: a job that had begun, and was put back
            into it, is in no note.
    """
    from weighbridge import cluster, cluster_waiting
    from weighbridge.registry import markers

    # Within a job Snakemake notes anew what is written, without the job's id: there a stage tells.
    told = {marker.cluster_job for marker in markers.running(root) if marker.cluster_job}
    queued = {one.job for one in cluster_waiting.pending(root) if one.what.startswith("rule_")} if lost else set()
    questions = cluster.Questions()
    phases = {job: questions.state(job).phase for job in sorted(told.union(queued, _sent(root)))}
    kinds = (cluster.Phase.RUNNING, cluster.Phase.WAITING, cluster.Phase.UNKNOWN)
    return Left(*(tuple(job for job, phase in phases.items() if phase is kind) for kind in kinds))


def _sent(root: Path) -> Iterator[str]:
    """Yield the scheduler's id of each job that Snakemake doesn't know to have ended; see its ``persistence``."""
    for folder, _, names in os.walk(root / ".snakemake" / "incomplete"):
        for name in names:
            try:
                noted = msgspec.json.decode(Path(folder, name).read_bytes(), type=_Sent)
            except (OSError, msgspec.DecodeError):
                continue
            if noted.external_jobid:
                yield noted.external_jobid
