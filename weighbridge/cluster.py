"""What a cluster's scheduler says of jobs: of the one that this process is in, and how another one came out.

Of PBS, LSF and SGE the environment is read and no more. Slurm is asked as well, by ``scontrol`` and, where there is
accounting, ``sacct``: under Snakemake's executor a job doesn't see the memory that it asked for in its environment.
Every question has a time limit, and what Slurm doesn't answer is unknown.
"""

import contextlib
import enum
import math
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from weighbridge.manifest import ClusterJob

_IDS = {"slurm": "SLURM_JOB_ID", "pbs": "PBS_JOBID", "lsf": "LSB_JOBID", "sge": "JOB_ID"}
_TIMEOUT_SECONDS = 10.0
_MOST_SECONDS = 60.0
_SLURM_ID = re.compile(r"[0-9]{1,18}")
_FIELD = re.compile(r"(?:^|\s)([A-Z][A-Za-z/:]*)=(\S*)")
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]+)?)([KMGTP]?)[nc]?")
_MIB = {"K": 2**-10, "": 1.0, "M": 1.0, "G": 2.0**10, "T": 2.0**20, "P": 2.0**30}
_WHOLE = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,18})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?(?:\.[0-9]+)?")
_BRACKETS = re.compile(r"\[([0-9,-]+)\]")
_BETWEEN_NODES = re.compile(r",(?![^\[]*\])")
_MOST_NODES = 10_000
_SACCT = ("State", "ExitCode", "NodeList", "Partition", "NNodes", "NCPUS", "ReqMem", "ElapsedRaw", "TimelimitRaw")
_SACCT_OF_STEP = ("JobIDRaw", "MaxRSS")


class Phase(enum.StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    UNKNOWN = "unknown"


_WAITING = {"PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
# One that is completing may still write.
_RUNNING = {"RUNNING", "COMPLETING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
_ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED", "REVOKED",
    "TIMEOUT",
}  # fmt: skip


class State(msgspec.Struct, frozen=True, kw_only=True):
    """How a job of Slurm's came out, as far as Slurm tells; memory in MiB on each machine, times in seconds."""

    job: str
    phase: Phase
    said: str = ""
    """Slurm's word for it, such as ``TIMEOUT``; empty for a job that Slurm doesn't remember."""
    reason: str = ""
    signal: int = 0
    """Signal that ended it; 0 for none."""
    nodes: tuple[str, ...] = ()
    partition: str = ""
    cpus: int | None = None
    memory_mib: float | None = None
    used_mib: float | None = None
    """Most memory of one of its steps, where there is accounting."""
    ran_seconds: int | None = None
    limit_seconds: int | None = None
    restarts: int = 0
    gpus: int = 0
    log: Path | None = None
    """File that Slurm wrote its standard error to."""


def job_id() -> str | None:
    """Return the id that a cluster's scheduler gave the job of this process; ``None`` outside of one."""
    return next((os.environ[name] for name in _IDS.values() if os.environ.get(name)), None)


def job() -> ClusterJob | None:
    """Return the job that this process is in; ``None`` outside of one."""
    env = os.environ
    scheduler = next((name for name, variable in _IDS.items() if env.get(variable)), None)
    if scheduler is None:
        return None
    return _slurm_job(env) if scheduler == "slurm" else _job_of(scheduler, env)


def run(*command: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm's for so many seconds at most.

    Raises:
        OSError: where there is no such command.
        subprocess.TimeoutExpired: where it takes longer.
    """
    return subprocess.run(  # noqa: S603 - no shell
        command,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=seconds,
        check=False,
        encoding="utf-8",
        errors="replace",
    )


def state(job: str) -> State:
    """Return where the job of Slurm's with this id stands; unknown where Slurm can't be asked or doesn't answer.

    A job that Slurm answers not to know any more has ended.
    """
    if not _SLURM_ID.fullmatch(job):
        return State(job=job, phase=Phase.UNKNOWN)
    code, out, err = _asked("scontrol", "show", "job", "--oneliner", job)
    if code == 0:
        found = parsed(job, out)
        return _with_accounting(found) if found.phase is Phase.ENDED else found
    gone = "invalid job id" in err.lower()
    return _with_accounting(State(job=job, phase=Phase.ENDED if gone else Phase.UNKNOWN))


class Questions:
    """Asks :func:`state` of many jobs, in a time that has an end: what is asked too late is unknown.

    So is all that follows once Slurm doesn't answer.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + _MOST_SECONDS

    def state(self, job: str) -> State:
        """Return where the job stands."""
        if time.monotonic() >= self._until:
            return State(job=job, phase=Phase.UNKNOWN)
        found = state(job)
        if found.phase is Phase.UNKNOWN and _SLURM_ID.fullmatch(job):
            self._until = -math.inf
        return found


def answers() -> bool:
    """Return whether Slurm's controller answers, or its backup; where there is no ``scontrol`` nobody can tell."""
    if shutil.which("scontrol") is None:
        return True
    return " UP" in _asked("scontrol", "ping")[1]


def listed() -> frozenset[str] | None:
    """Return the ids of this user's jobs that Slurm remembers, ended ones too; ``None`` where it doesn't answer."""
    code, out, _ = _asked("squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%A")
    return frozenset(out.split()) if code == 0 else None


def is_elsewhere(resources: Mapping[str, object]) -> bool:
    """Return whether a job of Snakemake's is for another cluster than this machine's."""
    return any(resources.get(name) for name in ("cluster", "clusters", "slurm_cluster"))


def requeue() -> bool:
    """Ask Slurm to put the job of this process back into its queue; return whether it agreed.

    It then ends this job (SIGTERM, and SIGKILL after ``KillWait``) and starts it again later under the same id.
    """
    own = os.environ.get(_IDS["slurm"], "")
    return bool(_SLURM_ID.fullmatch(own)) and _asked("scontrol", "requeue", own)[0] == 0


def parsed(job: str, text: str) -> State:
    """Return what ``scontrol show job --oneliner`` says of a job; of an array's tasks the one with this id."""
    told = [fields(line) for line in text.splitlines() if line.startswith("JobId=")]
    of = next((one for one in told if one["JobId"] == job), told[0] if told else {})
    nodes = max(whole(of.get("NumNodes", "").partition("-")[0]) or 1, 1)
    tres = of.get("AllocTRES", "").replace("(null)", "") or of.get("TRES") or of.get("ReqTRES", "")
    amounts = dict(part.partition("=")[::2] for part in tres.split(","))
    memory, cpus = mib(amounts.get("mem", "")), whole(of.get("NumCPUs", "").partition("-")[0])
    asked = next((of[name] for name in ("TresPerNode", "TresPerJob") if "gpu" in of.get(name, "")), "")
    return State(
        job=job,
        phase=_phase(of.get("JobState", "")),
        said=of.get("JobState", ""),
        reason=_told(of.get("Reason", "")),
        signal=whole(of.get("ExitCode", "").partition(":")[2]) or 0,
        nodes=hosts(_told(of.get("NodeList", ""))),
        partition=_told(of.get("Partition", "")),
        cpus=cpus // nodes if cpus else None,
        memory_mib=memory / nodes if memory else None,
        ran_seconds=seconds(of.get("RunTime", "")),
        limit_seconds=seconds(of.get("TimeLimit", "")),
        restarts=whole(of.get("Restarts", "")) or 0,
        gpus=(whole(amounts.get("gres/gpu", "")) or _gpus(asked)) // (1 if "TresPerNode" in of else nodes),
        log=Path(of["StdErr"]) if of.get("StdErr", "").startswith("/") else None,
    )


def parsed_accounting(job: str, text: str) -> State | None:
    """Return what ``sacct --parsable2`` says of a job and its steps; ``None`` where it says nothing."""
    names = (*_SACCT_OF_STEP, *_SACCT)
    told = [dict(zip(names, line.split("|"), strict=False)) for line in text.splitlines() if line.count("|")]
    of = next((one for one in told if one["JobIDRaw"] == job and len(one) == len(names)), None)
    if of is None:
        return None
    nodes, cpus = max(whole(of["NNodes"]) or 1, 1), whole(of["NCPUS"])
    memory, minutes = mib(of["ReqMem"]), whole(of["TimelimitRaw"])
    if memory and of["ReqMem"].endswith("c"):
        memory *= (cpus or 1) / nodes
    elif memory and not of["ReqMem"].endswith("n"):
        memory /= nodes
    said = of["State"].partition(" ")[0]  # "CANCELLED by 1000"
    return State(
        job=job,
        phase=_phase(said),
        said=said,
        signal=whole(of["ExitCode"].partition(":")[2]) or 0,
        nodes=hosts(_told(of["NodeList"])),
        partition=of["Partition"],
        cpus=cpus // nodes if cpus else None,
        memory_mib=memory or None,
        used_mib=max((mib(one.get("MaxRSS", ""), "K") or 0.0 for one in told), default=0.0) or None,
        ran_seconds=whole(of["ElapsedRaw"]),
        limit_seconds=minutes * 60 if minutes else None,
    )


def mib(text: str, unit: str = "M") -> float | None:
    """Return a size as Slurm writes it (``4000M``, ``1.50G``, ``200K``, ``16Gn``) in MiB; *unit* is that of a bare one.

    ``None`` where it is none.
    """
    match = _SIZE.fullmatch(text)
    return float(match[1]) * _MIB[match[2] or unit] if match else None


def seconds(text: str) -> int | None:
    """Return a time as Slurm writes it (``1-02:03:04``, ``02:03:04``, ``03:04``); ``None`` where it has no end."""
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    days, *parts = match.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:  # D-H, D-H:M, D-H:M:S
        hours, minutes, rest = (*numbers, 0, 0)[:3]
    else:  # M, M:S, H:M:S
        hours, minutes, rest = {1: (0, *numbers, 0), 2: (0, *numbers), 3: numbers}[len(numbers)]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + rest


def whole(text: str) -> int | None:
    """Return a whole number as Slurm writes it; ``None`` where it is none."""
    return int(text) if _WHOLE.fullmatch(text) else None


def hosts(text: str) -> tuple[str, ...]:
    """Return the machines of a list as Slurm writes it, such as ``n[1-3,07],gpu1``."""
    found: list[str] = []
    for one in _BETWEEN_NODES.split(text):
        for name in _expanded(one):
            if len(found) == _MOST_NODES:
                return tuple(found)
            found.append(name)
    return tuple(name for name in found if name)


def _expanded(text: str) -> Iterator[str]:
    match = _BRACKETS.search(text)
    if match is None:
        yield text
        return
    for part in match[1].split(","):
        first, _, last = part.partition("-")
        if not _WHOLE.fullmatch(first) or not _WHOLE.fullmatch(last or first):
            yield text  # not of Slurm's grammar
            return
        for number in range(int(first), int(last or first) + 1):
            for rest in _expanded(text[match.end() :]):
                yield f"{text[: match.start()]}{number:0{len(first)}}{rest}"


def fields(line: str) -> dict[str, str]:
    """Return a record's ``Name=value`` pairs; of a name that is there twice, as in somebody's remark, the first."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(line):
        found.setdefault(name, value)
    return found


def _phase(said: str) -> Phase:
    known = ((Phase.WAITING, _WAITING), (Phase.RUNNING, _RUNNING), (Phase.ENDED, _ENDED))
    return next((phase for phase, words in known if said in words), Phase.UNKNOWN)


def _with_accounting(found: State) -> State:
    """Return *found*, with what accounting knows more."""
    _, out, _ = _asked(
        "sacct", "--noheader", "--parsable2", "--jobs", found.job, "--format", ",".join((*_SACCT_OF_STEP, *_SACCT))
    )
    more = parsed_accounting(found.job, out)
    if more is None:
        return found
    if not found.said:
        return more
    return msgspec.structs.replace(found, used_mib=more.used_mib, memory_mib=found.memory_mib or more.memory_mib)


def _slurm_job(env: Mapping[str, str]) -> ClusterJob:
    """Return Slurm's job: what Slurm answers, else what the environment tells."""
    own = env[_IDS["slurm"]]
    code, out, _ = _asked("scontrol", "show", "job", "--oneliner", own) if _SLURM_ID.fullmatch(own) else (1, "", "")
    said = parsed(own, out) if code == 0 else State(job=own, phase=Phase.UNKNOWN)
    gpus = whole(env.get("SLURM_GPUS_ON_NODE", ""))
    return ClusterJob(
        scheduler="slurm",
        job=own,
        nodes=said.nodes or hosts(env.get("SLURM_JOB_NODELIST", "")),
        partition=said.partition or env.get("SLURM_JOB_PARTITION", ""),
        cpus=said.cpus or whole(env.get("SLURM_CPUS_ON_NODE", "")),
        memory_mib=said.memory_mib or mib(env.get("SLURM_MEM_PER_NODE", "")),
        gpus=said.gpus if gpus is None else gpus,
        limit_seconds=said.limit_seconds,
        restarts=said.restarts or whole(env.get("SLURM_RESTART_COUNT", "")) or 0,
    )


def _job_of(scheduler: str, env: Mapping[str, str]) -> ClusterJob:
    """Return the job of another scheduler, as far as its environment tells."""
    visible = env.get("CUDA_VISIBLE_DEVICES", "")
    nodes: list[str]
    if scheduler == "pbs":
        nodes, partition = _lines(env.get("PBS_NODEFILE", "")), env.get("PBS_QUEUE", "")
        cpus = whole(env.get("NCPUS", "") or env.get("PBS_NUM_PPN", ""))
    elif scheduler == "lsf":
        nodes, partition, cpus = env.get("LSB_HOSTS", "").split(), env.get("LSB_QUEUE", ""), None
        if nodes:
            cpus = nodes.count(nodes[0])
    else:
        nodes, partition = _lines(env.get("PE_HOSTFILE", "")), env.get("QUEUE", "")
        cpus = whole(env.get("NSLOTS", "")) if len(nodes) <= 1 else None
    return ClusterJob(
        scheduler=scheduler,
        job=env[_IDS[scheduler]],
        nodes=tuple(dict.fromkeys(nodes)),
        partition=partition,
        cpus=cpus,
        memory_mib=None,
        gpus=len(visible.split(",")) if visible else 0,
        limit_seconds=None,
        restarts=whole(env.get("RESTARTED", "")) or 0 if scheduler == "sge" else 0,
    )


def _lines(file: str) -> list[str]:
    """Return the first word of each line of a scheduler's list of machines."""
    if file:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return [line.split()[0] for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
    return []


def _gpus(text: str) -> int:
    """Return how many a request such as ``gres:gpu:a100:2`` or ``gres/gpu:2`` is for."""
    return sum(whole(part.rpartition(":")[2]) or 1 for part in text.split(",") if "gpu" in part)


def _told(text: str) -> str:
    return "" if text in {"(null)", "None", "N/A", "None assigned"} else text


def _asked(*command: str) -> tuple[int | None, str, str]:
    """Return exit code, output and complaints of a command of Slurm's; no code where it is missing or too slow."""
    try:
        done = run(*command, seconds=_TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None, "", ""
    return done.returncode, done.stdout, done.stderr
