"""How a cluster ended a stage's job, in words: what it asked for, what it used, and which setting to raise.

Two tell of it: Slurm, as long as it remembers the job, and the last lines of the job's own log, which Slurm writes
beside the stage's. Where Slurm keeps no accounts, the log alone tells a kill for memory from any other, and how much
there was.
"""

import contextlib
import enum
import math
import re
from collections.abc import Callable, Container, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import cluster
from weighbridge.cluster import Phase, State

_LOGS = Path(".snakemake/slurm_logs")
_TAIL_BYTES = 64 * 1024
_BYTES_OF_MIB = 2**20
_SLURMS_OWN = re.compile(r"^(?:slurmstepd|srun)\b.*", re.MULTILINE)
_OUT_OF_MEMORY = re.compile(
    r"exceeded (?:job |step )?memory limit|oom[_-]kill|out[- ]of[- ]memory|OOM Killed", re.IGNORECASE
)
_SEEN = re.compile(r"exceeded memory limit \(([0-9]+) > [0-9]+\)")
_START = re.compile(r"^SNAKEMAKE$", re.MULTILINE)  # at the head of what each start writes
_WHY = re.compile(
    r"\*\*\* (?:JOB|STEP) [0-9.a-z]+ ON \S+ (?:CANCELLED|FAILED) AT \S+(?: DUE TO ([A-Z ]+?))? ?\*\*\*", re.IGNORECASE
)
_FEW = 3
_HUNDRED = 100
_ROOM = 1.3
"""How much more memory to ask for than wasn't enough."""
_STAGES = {"evaluate_run": "evaluate", "train_on_nodes": "train"}
"""Stages of the rules that have another name."""
_SITE = "profiles/site/config.yaml"


class Cause(enum.StrEnum):
    """Why a job ended before its stage did."""

    MEMORY = "memory"
    TIME = "time"
    NODE = "node"
    PREEMPTED = "preempted"
    REQUEUED = "requeued"
    CANCELLED = "cancelled"
    KILLED = "killed"
    FORGOTTEN = "forgotten"


_OF_LOG = {
    "TIME LIMIT": Cause.TIME,
    "PREEMPTION": Cause.PREEMPTED,
    "NODE FAILURE": Cause.NODE,
    "JOB REQUEUE": Cause.REQUEUED,
}
_OF_STATE = {
    "OUT_OF_MEMORY": Cause.MEMORY,
    "TIMEOUT": Cause.TIME,
    "DEADLINE": Cause.TIME,
    "NODE_FAIL": Cause.NODE,
    "BOOT_FAIL": Cause.NODE,
    "PREEMPTED": Cause.PREEMPTED,
    "CANCELLED": Cause.CANCELLED,
}


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster did to a stage's job."""

    words: str
    cause: Cause
    state: State

    def facts(self) -> dict[str, Any]:
        """Return what was asked for and used, as a record holds it."""
        of = self.state
        known = {
            "cause": self.cause.value,
            "state": of.said,
            "nodes": list(of.nodes),
            "partition": of.partition,
            "asked_memory_mib": of.memory_mib,
            "used_memory_mib": of.used_mib,
            "asked_seconds": of.limit_seconds,
            "ran_seconds": of.ran_seconds,
            "restarts": of.restarts,
        }
        return {name: value for name, value in known.items() if value not in (None, "", [])}


def of(
    root: Path, stage: str, job: str, *, alive: bool = False, ask: Callable[[str], State] = cluster.state
) -> Ending | None:
    """Return how the cluster ended a job before its stage was through; ``None`` where nobody tells.

    Args:
        root: the project's root.
        stage: the stage's name.
        job: the id of its job.
        alive: whether the stage's process is still there, about to end by a signal.
        ask: tells where a job stands.
    """
    state = ask(job)
    log = _log(root, state)
    if alive or state.phase not in (Phase.WAITING, Phase.RUNNING):
        log = _START.split(log)[-1]  # else the job runs again, and what ended stands before
    told = _SLURMS_OWN.findall(log)
    cause = _cause(state, told, alive=alive)
    if cause is None:
        return None
    seen = [int(used) / _BYTES_OF_MIB for used in _SEEN.findall("\n".join(told))]
    state = msgspec.structs.replace(state, used_mib=max([*seen, state.used_mib or 0.0]) or None)
    return Ending(words=_words(stage, state, cause), cause=cause, state=state)


def before_start(root: Path, moment: int, known: Container[str]) -> Iterator[tuple[str, Ending]]:
    """Yield stage and ending of each job that the cluster ended since *moment*, but for the *known* ones.

    Such as one that was given too little memory for Snakemake itself: its stage never began, and nothing is on record.

    Args:
        root: the project's root.
        moment: nanoseconds by the clock that dates its files, see :mod:`weighbridge.clock`.
        known: ids of jobs to pass over.
    """
    questions = cluster.Questions()
    for path in sorted((root / _LOGS).glob("rule_*/**/*.log")):
        if path.stem in known or not path.stem.isdigit() or path.stat().st_mtime_ns < moment:
            continue
        rule = path.relative_to(root / _LOGS).parts[0].removeprefix("rule_")
        stage = _STAGES.get(rule, rule)
        ending = of(root, stage, path.stem, ask=questions.state)
        if ending and ending.state.phase is Phase.ENDED and ending.cause not in (Cause.KILLED, Cause.FORGOTTEN):
            yield stage, ending


def _cause(state: State, told: Iterable[str], *, alive: bool) -> Cause | None:
    """Return why the job ended, by its own log first: Slurm's word is of the last start, and often of the shell."""
    cause = None
    for line in told:
        why = _WHY.search(line)
        if _OUT_OF_MEMORY.search(line):
            cause = Cause.MEMORY
        elif why and (why[1] or cause is not Cause.MEMORY):
            cause = _OF_LOG.get((why[1] or "").upper(), Cause.CANCELLED)
    if cause:
        return cause
    anew = state.phase in (Phase.WAITING, Phase.RUNNING) and state.restarts and not (alive and state.said == "RUNNING")
    signs = (
        (Cause.MEMORY, state.reason == "OutOfMemory"),
        (_OF_STATE.get(state.said, Cause.KILLED), state.said in _OF_STATE),
        (Cause.REQUEUED, anew),
        (Cause.KILLED, state.signal or state.said == "FAILED"),
        (Cause.FORGOTTEN, state.phase is Phase.ENDED and not state.said),
    )
    return next((cause for cause, seen in signs if seen), None)


def _words(stage: str, state: State, cause: Cause) -> str:
    job = f"Slurm job {state.job}{f' on {_few(state.nodes)}' if state.nodes else ''}"
    ran = f" after {_time(state.ran_seconds)}" if state.ran_seconds else ""
    memory = f"asked for {state.memory_mib:.0f} MiB" if state.memory_mib else "its limit isn't known"
    if state.used_mib:
        memory += f", had {state.used_mib:.0f} MiB at the last look"
    rule = _rule(stage, state)
    if cause is Cause.MEMORY:
        return f"{job} was killed for memory: {memory}; {_more_memory(stage, rule, state)}"
    if cause is Cause.TIME:
        asked = f": asked for {_time(state.limit_seconds)}" if state.limit_seconds else ""
        minutes = 2 * max(state.limit_seconds or 0, 60) // 60
        more = f", such as {rule}: {{runtime: {minutes}}}" if state.limit_seconds else ""
        return f"{job} came to its time limit{asked}; raise runtime, in minutes, in set-resources of {_SITE}{more}"
    if cause is Cause.KILLED:
        return (
            f"{job} was killed{ran}, and Slurm gives no reason ({memory}); often that is memory: "
            f"{_more_memory(stage, rule, state)}"
        )
    return (
        job
        + {
            Cause.NODE: f" was lost with its machine{ran}; nothing is wrong with the stage, run snakemake again",
            Cause.PREEMPTED: f" had to make room for a job that goes first{ran}; it goes on once there is room again",
            Cause.REQUEUED: f" was put back into the queue{ran} and goes on from there",
            Cause.CANCELLED: f" was cancelled{ran} (scancel, Ctrl-C in the head, or an administrator)",
            Cause.FORGOTTEN: " is over, and Slurm doesn't remember how it ended",
        }[cause]
    )


def _more_memory(stage: str, rule: str, state: State) -> str:
    had = max(state.memory_mib or 0, state.used_mib or 0)
    enough = _HUNDRED * math.ceil(had * _ROOM / _HUNDRED)
    if stage == "train":
        figure = f", such as {enough} for a training of one process" if had else ""
        return f"raise memory_mb in config/config.yaml{figure}"
    more = f", such as {rule}: {{mem_mb: {enough}}}" if had else ""
    return f"raise mem_mb in set-resources of {_SITE}{more}"


def _rule(stage: str, state: State) -> str:
    """Return the name of the rule that runs a stage."""
    if stage == "train":
        return "train" if len(state.nodes) < 2 else "train_on_nodes"  # noqa: PLR2004 - what "several" means
    return next((rule for rule, of in _STAGES.items() if of == stage), stage)


def _few(nodes: tuple[str, ...]) -> str:
    more = len(nodes) - _FEW
    return ", ".join(nodes[:_FEW]) + (f" and {more} more" if more > 0 else "")


def _time(seconds: int | None) -> str:
    minutes, rest = divmod(seconds or 0, 60)
    return f"{minutes} min" if minutes and not rest else f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _log(root: Path, state: State) -> str:
    """Return the end of what Slurm wrote of the job, where it is still there."""
    for path in _logs(root, state):
        with contextlib.suppress(OSError):
            if path.is_file():
                with path.open("rb") as stream:
                    stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
                    return stream.read(_TAIL_BYTES).decode(errors="replace")
    return ""


def _logs(root: Path, state: State) -> Iterator[Path]:
    if state.log:
        yield state.log
    if state.job.isdigit():  # of Snakemake's executor; Slurm may have forgotten the job
        yield from sorted((root / _LOGS).glob(f"**/{state.job}.log"))
