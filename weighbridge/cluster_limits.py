"""What a Slurm has to give, and whether a job fits: asked before a job is submitted that would wait for ever.

Slurm takes a job that no rule of its allows, and lets it pend; the head then waits with it. So the limits of partitions
and nodes are read once, and each kind of job is shown to ``sbatch --test-only``, which starts nothing. What can't be
told is let through: a wrong "no" is worse than a job that waits.
"""

import functools
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec

from weighbridge.cluster import fields, run, seconds, whole
from weighbridge.errors import SetupError

_TIMEOUT_SECONDS = 20.0
_LOCAL = "to run on this machine alone, leave --profile out: snakemake --cores all"
_SETTING = re.compile(r"^([A-Za-z_]+)\s*= (.*)$", re.MULTILINE)
_OUTSIDE_PARENTHESES = re.compile(r",(?![^(]*\))")
_LIMIT = re.compile(r"(MaxSubmitJobs|GrpSubmitJobs|MaxSubmitJobsPU)=([0-9]{1,18})")
_GONE = ("DOWN", "DRAIN", "FAIL", "NOT_RESPONDING", "POWERED_DOWN", "FUTURE", "UNKNOWN")
_NEVER = (
    "invalid account", "invalid partition", "invalid qos", "invalid feature", "invalid generic resource",
    "invalid trackable resource", "invalid gres", "not permitted to use this partition", "reservation is invalid",
    "access/permission denied", "violates accounting/qos policy", "user's group not permitted",
    "requested time limit is invalid", "required partition not available", "unrecognized option", "invalid option",
)  # fmt: skip
"""Refusals of ``sbatch`` that waiting doesn't change."""
_PREFIX = re.compile(r"^\s*(sbatch: )?((error|allocation failure|Batch job submission failed): )*")
_UNTIL_OTHERS_END = re.compile(r"(?:Max|Grp)Submit")


class Partition(msgspec.Struct, frozen=True, kw_only=True):
    """A queue of Slurm's; without a limit, ``None``."""

    name: str
    default: bool = False
    state: str = "UP"
    minutes: int | None = None
    most_nodes: int | None = None
    for_all: bool = True
    """Whether no list of groups, accounts or qualities of service is kept for it."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A machine of Slurm's; memory in MiB."""

    name: str
    partitions: tuple[str, ...]
    cpus: int
    memory_mib: int
    gpus: Mapping[str, int] = {}
    """How many of each model; the model is empty where the site names none."""
    up: bool = True


class Limits(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a Slurm has to give."""

    version: str = ""
    partitions: Mapping[str, Partition]
    nodes: tuple[Node, ...] = ()
    accounting: bool = False
    enforced: bool = False
    """Whether accounting's limits bind."""

    def of(self, partition: str) -> tuple[Node, ...]:
        """Return the machines of a partition."""
        return self._by_partition.get(partition, ())

    @functools.cached_property
    def _by_partition(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.partitions:
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def default(self) -> Partition | None:
        """Return the partition of jobs that name none."""
        return next((one for one in self.partitions.values() if one.default), None)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What a job asks for; ``None`` where it asks for nothing in particular. Memory in MiB, on each node."""

    rule: str
    job: str = ""
    """Its wildcards, in words."""
    partitions: tuple[str, ...] = ()
    """Any of these would do; empty for the site's default."""
    account: str = ""
    minutes: int | None = None
    memory_mib: int | None = None
    later_mib: int | None = None
    """Memory of its last attempt."""
    cpus: int = 1
    """Of one task, which has to fit on a node."""
    nodes: int = 1
    spread: bool = True
    """Whether its GPUs may be those of more nodes than it asks for."""
    gpus: int = 0
    gpu_model: str = ""
    qos: str = ""
    """May lift the limits of a partition."""
    elsewhere: bool = False
    """Whether it is for another cluster than this machine's."""
    options: tuple[str, ...] | None = ()
    """For ``sbatch``, without what is to be run; ``None`` where they aren't known."""


Level = Literal["never", "not now"]


class Objection(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job can't start, or not now, and what to do."""

    level: Level = "never"
    found: str
    mend: str
    of_nodes: bool = False
    """Whether it is about what nodes have, of which Slurm's own word counts more."""


def read() -> Limits:
    """Ask Slurm what it has.

    Raises:
        SetupError: where there is no Slurm on this machine, or it doesn't answer.
    """
    settings = dict(_SETTING.findall(_answer("scontrol", "show", "config")))
    partitions = parsed_partitions(_answer("scontrol", "show", "partition", "--oneliner"))
    return Limits(
        version=settings.get("SLURM_VERSION", ""),
        partitions={one.name: one for one in partitions},
        nodes=parsed_nodes(_answer("scontrol", "show", "node", "--oneliner")),
        accounting=not settings.get("AccountingStorageType", "accounting_storage/none").endswith("/none"),
        enforced="limits" in settings.get("AccountingStorageEnforce", ""),
    )


def parsed_partitions(text: str) -> tuple[Partition, ...]:
    """Return the partitions that ``scontrol show partition --oneliner`` names."""
    return tuple(_partition(fields(line)) for line in text.splitlines() if "PartitionName=" in line)


def _partition(told: Mapping[str, str]) -> Partition:
    limit = seconds(told.get("MaxTime", ""))
    allowed = (told.get(key, "ALL") == "ALL" for key in ("AllowGroups", "AllowAccounts", "AllowQos", "AllocNodes"))
    closed = (told.get(key) == "YES" for key in ("RootOnly", "ReqResv", "Hidden"))
    denied = any(key in told for key in ("DenyAccounts", "DenyQos"))
    return Partition(
        name=told["PartitionName"],
        default=told.get("Default") == "YES",
        state=told.get("State", "UP"),
        minutes=None if limit is None else limit // 60,
        most_nodes=whole(told.get("MaxNodes", "")),
        for_all=all(allowed) and not any(closed) and not denied,
    )


def parsed_nodes(text: str) -> tuple[Node, ...]:
    """Return the machines that ``scontrol show node --oneliner`` names."""
    return tuple(_node(fields(line)) for line in text.splitlines() if "NodeName=" in line)


def _node(told: Mapping[str, str]) -> Node:
    return Node(
        name=told["NodeName"],
        partitions=tuple(filter(None, told.get("Partitions", "").split(","))),
        cpus=whole(told.get("CPUTot", "")) or 0,
        memory_mib=whole(told.get("RealMemory", "")) or 0,
        gpus=parsed_gpus(told.get("Gres", "")),
        up=not any(word in told.get("State", "") for word in _GONE) and "*" not in told.get("State", ""),
    )


def parsed_gpus(text: str) -> dict[str, int]:
    """Return how many GPUs of each model a list such as ``gpu:a100:4(S:0-1),shard:8`` has."""
    found: Counter[str] = Counter()
    for entry in _OUTSIDE_PARENTHESES.split(text):
        name, *rest = entry.partition("(")[0].split(":")
        if name == "gpu":
            *model, number = rest if rest and whole(rest[-1]) is not None else [*rest, "1"]
            found[":".join(model)] += int(number)
    return dict(found)


def objections(limits: Limits, request: Request) -> tuple[Objection, ...]:
    """Return why a job can't start, by what partitions and nodes have; nothing where one of its partitions takes it."""
    if request.elsewhere or not limits.partitions:
        return ()
    default = limits.default()
    names = request.partitions or ((default.name,) if default else ())
    if not names:
        fitting = _some(_fitting(limits, request) or tuple(limits.partitions), " or ")
        mend = f"default-resources: slurm_partition: {fitting}"
        return (Objection(found="names no partition, and this Slurm has no default", mend=mend),)
    found = [tuple(_of_partition(limits, request, name)) for name in names]
    if not all(found):
        return ()
    mildest = next((each for each in found if all(one.level == "not now" for one in each)), None)
    if mildest:
        return mildest
    fitting = _some(_fitting(limits, request), " or ")
    return tuple(
        _or_there(one, fitting, known=name in limits.partitions)
        for name, each in zip(names, found, strict=True)
        for one in each
        if one.level == "never"
    )


def _or_there(objection: Objection, fitting: str, *, known: bool) -> Objection:
    """Return an objection that names the partitions to go to, which is all to say where its own isn't *known*."""
    if not fitting:
        return objection
    move = f"slurm_partition: {fitting}"
    return msgspec.structs.replace(objection, mend=f"{objection.mend}; or {move}" if known else move)


def _fitting(limits: Limits, request: Request) -> tuple[str, ...]:
    """Return the partitions, open to all, that would take a job."""
    return tuple(
        partition.name
        for partition in limits.partitions.values()
        if partition.for_all and limits.of(partition.name) and not any(_of_partition(limits, request, partition.name))
    )


def _of_partition(limits: Limits, request: Request, name: str) -> Iterator[Objection]:
    partition = limits.partitions.get(name)
    if partition is None:
        yield Objection(found=f"partition {name!r} doesn't exist", mend=f"one of: {', '.join(limits.partitions)}")
        return
    if partition.state in {"DRAIN", "INACTIVE"}:
        found = f"partition {name} takes no jobs (its state is {partition.state})"
        yield Objection(found=found, mend="ask the site when it will")
    elif partition.state == "DOWN":
        yield Objection(level="not now", found=f"partition {name} is down", mend="its jobs wait until it is up again")
    level: Level = "not now" if request.qos else "never"
    if request.minutes is not None and partition.minutes is not None and request.minutes > partition.minutes:
        found = f"asks for {request.minutes} min; partition {name} allows at most {partition.minutes}"
        yield Objection(level=level, found=found, mend=f"runtime: {partition.minutes}")
    if partition.most_nodes is not None and request.nodes > partition.most_nodes:
        found = f"asks for {request.nodes} nodes; partition {name} allows at most {partition.most_nodes}"
        yield Objection(level=level, found=found, mend="fewer fit.nodes")
    yield from _of_nodes(limits.of(name), request, name)


def _of_nodes(nodes: Sequence[Node], request: Request, partition: str) -> Iterator[Objection]:
    if not nodes:  # of a federation, or made when needed
        return
    too_much = tuple(_too_much(nodes, request, partition))
    fitting = [node for node in nodes if _fits(node, request)]
    if too_much:
        yield from (msgspec.structs.replace(one, of_nodes=True) for one in too_much)
    elif len(fitting) < request.nodes:
        asks = f"asks for {request.nodes} times ({_amounts(request)})"
        found = f"{asks}; {len(fitting)} nodes of partition {partition} have that"
        yield Objection(found=found, mend="less of one of these", of_nodes=True)
    elif sum(node.up for node in fitting) < request.nodes:
        down = _some([node.name for node in fitting if not node.up])
        found = f"partition {partition} has nodes for it, which are down or drained: {down}"
        yield Objection(level="not now", found=found, mend="it waits until they are back; see 'sinfo -R'")


def _too_much(nodes: Sequence[Node], request: Request, partition: str) -> Iterator[Objection]:
    memory, cpus = max(node.memory_mib for node in nodes), max(node.cpus for node in nodes)
    each = sorted((_gpus_of(node, request.gpu_model) for node in nodes), reverse=True)
    gpus = sum(each if request.spread else each[: request.nodes])
    has = f"no node of partition {partition} has more than"
    if request.memory_mib is not None and request.memory_mib > memory:
        yield Objection(found=f"asks for {request.memory_mib} MiB of memory; {has} {memory}", mend=f"mem_mb: {memory}")
    if request.cpus > cpus:
        mend = "fewer threads in config/config.yaml"
        yield Objection(found=f"asks for {request.cpus} cores; {has} {cpus}", mend=mend)
    if request.nodes > len(nodes):
        found = f"asks for {request.nodes} nodes; partition {partition} has {len(nodes)}"
        yield Objection(found=found, mend="fewer fit.nodes")
    if request.gpus > gpus:
        kind = f"GPUs ({request.gpu_model})" if request.gpu_model else "GPUs"
        of = f"of partition {partition}"
        some = f"{'the' if request.spread else request.nodes} nodes {of} have"
        have = some if request.spread or request.nodes > 1 else f"a node {of} has"
        found = f"asks for {request.gpus} {kind}; {have} at most {gpus}"
        yield Objection(found=found, mend="fewer, or another partition")


def _fits(node: Node, request: Request) -> bool:
    enough = node.memory_mib >= (request.memory_mib or 0) and node.cpus >= request.cpus
    return enough and (not request.gpus or _gpus_of(node, request.gpu_model) > 0)


def _gpus_of(node: Node, model: str) -> int:
    return sum(number for name, number in node.gpus.items() if not model or not name or name == model)


def _amounts(request: Request) -> str:
    memory = f"{request.memory_mib} MiB" if request.memory_mib else ""
    return ", ".join(filter(None, (memory, f"{request.cpus} cores", "GPU" if request.gpus else "")))


def _some(names: Sequence[str], between: str = ", ") -> str:
    most = 3
    return between.join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def asked(request: Request) -> Objection | None:
    """Show a job to ``sbatch --test-only``, which starts nothing; return Slurm's objection.

    Raises:
        SetupError: where Slurm doesn't answer.
    """
    done = _said("sbatch", "--test-only", *(request.options or ()), "--wrap", "true")
    return None if done.returncode == 0 else refusal(done.stderr)


def refusal(text: str) -> Objection | None:
    """Return what a refusal of ``sbatch`` means; ``None`` where it says nothing."""
    lines = [_PREFIX.sub("", line).strip() for line in text.splitlines()]
    said = "; ".join(dict.fromkeys(filter(None, lines)))
    if not said:
        return None
    if _UNTIL_OTHERS_END.search(said):
        mend = "fewer at a time (jobs: in the profile), or wait until some have ended: squeue --me"
        return Objection(level="not now", found=f"Slurm takes no more jobs of yours now: {said}", mend=mend)
    if any(words in said.lower() for words in _NEVER):
        mend = (
            "slurm_account, slurm_partition, qos, constraint and runtime in profiles/site/config.yaml; or ask the site"
        )
        return Objection(found=f"Slurm refuses it: {said}", mend=mend)
    return Objection(level="not now", found=f"Slurm says: {said}", mend="it may have to wait: sinfo tells why")


def most_submitted() -> int | None:
    """Return how many jobs the site lets one user have in the queue at a time, as far as accounting tells."""
    try:
        done = run("scontrol", "show", "assoc_mgr", f"users={_user()}", "flags=assoc", seconds=_TIMEOUT_SECONDS)
    except (OSError, KeyError, subprocess.TimeoutExpired):
        return None
    return parsed_most_submitted(done.stdout)


def parsed_most_submitted(text: str) -> int | None:
    """Return the most jobs that any of a user's associations allows; ``None`` where one has no limit."""
    found: list[int | None] = []
    for record in re.split(r"^ClusterName=", text, flags=re.MULTILINE)[1:]:
        if re.search(r"UserName=[^\s(]", record):
            numbers = [int(number) for _, number in _LIMIT.findall(record)]
            found.append(min(numbers) if numbers else None)
    known = [number for number in found if number is not None]
    return max(known) if known and len(known) == len(found) else None


def _user() -> str:
    import pwd

    return pwd.getpwuid(os.getuid()).pw_name


def _answer(*command: str) -> str:
    """Return what a command of Slurm's prints."""
    done = _said(*command)
    if done.returncode:
        raise _silent(command, " ".join((done.stderr or done.stdout).split()))
    return done.stdout


def _said(*command: str) -> subprocess.CompletedProcess[str]:
    """Return how a command of Slurm's came out."""
    try:
        return run(*command, seconds=_TIMEOUT_SECONDS)
    except FileNotFoundError:
        raise SetupError(
            f"found no Slurm on this machine (no command {command[0]!r}); go to a login node of the cluster, or load "
            f"Slurm's module; {_LOCAL}"
        ) from None
    except subprocess.TimeoutExpired:
        raise _silent(command, f"nothing in {_TIMEOUT_SECONDS:.0f} s") from None
    except OSError as problem:
        raise SetupError(f"{command[0]} can't be run: {problem.strerror}; {_LOCAL}") from None


def _silent(command: Sequence[str], said: str) -> SetupError:
    return SetupError(
        f"Slurm doesn't answer ({' '.join(command[:3])}: {said}); nothing was submitted and nothing is lost: try again "
        f"when 'scontrol ping' says UP; {_LOCAL}"
    )
