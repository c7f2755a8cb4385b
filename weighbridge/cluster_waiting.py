"""Jobs that Slurm lets wait: said on the terminal with the reason, where waiting alone won't end it.

Snakemake is silent while a job pends. So a thread of the head asks ``squeue`` now and then, and says each new reason
once. It only looks: whether to wait, to mend or to cancel is the reader's to say.
"""

import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from weighbridge import running
from weighbridge.cluster import run

_TIMEOUT_SECONDS = 30.0
_USUAL = frozenset({
    "", "None", "(null)", "Priority", "Resources", "BeginTime", "Dependency", "Prolog", "Cleaning", "Licenses",
    "JobArrayTaskLimit", "FrontEndDown", "WaitingForScheduling", "Reservation", "SchedDefer", "NonZeroExitCode",
})  # fmt: skip
"""Reasons that pass by themselves."""
_SITE = "profiles/site/config.yaml"
_REASONS: tuple[tuple[str, str], ...] = (
    ("PartitionTimeLimit", f"it asks for more time than its partition allows: lower runtime in {_SITE}"),
    ("PartitionConfig", f"it asks for more than its partition allows: mend {_SITE}"),
    ("PartitionNodeLimit", "it asks for more or fewer nodes than its partition allows"),
    ("PartitionDown|PartitionInactive", "its partition is closed: wait for the site, or name another slurm_partition"),
    ("DependencyNeverSatisfied", "it waits for a job that failed: scancel it"),
    ("JobHeldUser", "you hold it: scontrol release ID"),
    ("JobHeldAdmin|.*held.*|JobHoldMaxRequeue", "it is held: scontrol release ID, or ask the site"),
    ("BadConstraints", "no node is as constraint or gres asks"),
    ("InvalidAccount|AccountNotAllowed|AssocNotAllowed", f"the account may not: mend slurm_account in {_SITE}"),
    ("InvalidQOS|QOSNotAllowed", f"the quality of service may not: mend qos in {_SITE}"),
    ("ReqNodeNotAvail.*|NodeDown|Nodes required.*", "nodes that it needs are down, drained or reserved: sinfo -R"),
    ("(Assoc|QOS)Max(Wall|.*PerJob|.*PerNode).*", f"it asks for more than the site allows one job: mend {_SITE}"),
    ("(Assoc|QOS)(Max|Grp).*|AssociationJobLimit|.*Limit", "your share is used: it waits till others end"),
)  # fmt: skip


class Waiting(msgspec.Struct, frozen=True):
    """A job that pends."""

    job: str
    reason: str
    what: str
    """Rule and wildcards, as the executor writes them."""


def watch(root: Path, pause_seconds: float, say: Callable[[str], None] | None = None) -> threading.Event:
    """Look after this folder's pending jobs for the life of this process.

    Args:
        root: the folder that the jobs work in.
        pause_seconds: between two looks.
        say: told of each new reason; standard error by default.

    Returns:
        Set it to end the watch.
    """
    end = threading.Event()
    tell = say or running.say

    def look() -> None:
        told: dict[str, str] = {}
        while not end.wait(pause_seconds):
            for line in news(pending(root), told):
                tell(line)

    threading.Thread(target=look, name="waiting", daemon=True).start()
    return end


def news(found: Iterable[Waiting], told: dict[str, str]) -> tuple[str, ...]:
    """Return a line for each reason that isn't a usual one and wasn't told of a job before; *told* is brought up."""
    fresh: dict[str, list[Waiting]] = {}
    for one in found:
        usual = one.reason in _USUAL
        if not usual and told.get(one.job) != one.reason:
            told[one.job] = one.reason
            fresh.setdefault(one.reason, []).append(one)
    return tuple(_line(reason, jobs) for reason, jobs in fresh.items())


def _line(reason: str, jobs: list[Waiting]) -> str:
    first = jobs[0]
    others = f" and {len(jobs) - 1} more" if len(jobs) > 1 else ""
    return f"job {first.job} ({first.what}){others} waits, and Slurm says why: {reason}; {meaning(reason)}"


def meaning(reason: str) -> str:
    """Return a reason of Slurm's in words, and what to do."""
    known = next((words for pattern, words in _REASONS if re.fullmatch(pattern, reason)), "")
    return known or "'man squeue' explains it, under JOB REASON CODES"


def pending(root: Path) -> tuple[Waiting, ...]:
    """Return this folder's jobs that pend; none where Slurm doesn't answer, for Snakemake itself says so."""
    command = ("squeue", "--noheader", f"--user={os.getuid()}", "--states=PENDING", "--format=%i|%r|%k|%Z")
    try:
        done = run(*command, seconds=_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parsed(done.stdout, root)


def parsed(text: str, root: Path) -> tuple[Waiting, ...]:
    """Return the jobs of *root* that ``squeue`` lists, one a line, as id, reason, comment and folder."""
    found = []
    for line in text.splitlines():
        fields = line.split("|", 3)
        if len(fields) == len(("id", "reason", "comment", "folder")) and fields[3] == str(root):
            found.append(Waiting(fields[0], fields[1], fields[2]))
    return tuple(found)
