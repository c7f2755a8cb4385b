"""What the jobs of a pipeline ask of Slurm, looked at as a whole before one of them is submitted."""

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from weighbridge import cluster, cluster_limits
from weighbridge.cluster_limits import Limits, Objection, Request
from weighbridge.errors import SettingsError

_MOST_KINDS = 64
_WHERE = "profiles/site/config.yaml (docs/cluster.md): what is for one rule under set-resources and the rule's name"
_UNSHOWN = (
    "  snakemake-executor-plugin-slurm: another version than this pipeline knows, so that its jobs can't be shown to "
    "'sbatch --test-only' beforehand; what partitions and nodes have was compared"
)
_REFUSED = re.compile(r"SLURM sbatch failed\. The error message was '(.*?)'\.$", re.MULTILINE | re.DOTALL)


class Requests:
    """The requests of one start of Snakemake's."""

    def __init__(self) -> None:
        self._largest_mib: int | None = None

    def memory(self, mib: int, attempt: int) -> int:
        """Return memory in MiB for an attempt: as much again for each, but not more than the largest node has."""
        most = mib * attempt
        return most if self._largest_mib is None else max(mib, min(most, self._largest_mib))

    def require(self, workflow: Any) -> tuple[str, ...]:
        """Let only such jobs go on as Slurm can start; one call of ``sbatch --test-only`` for each kind.

        Args:
            workflow: Snakemake's, with the jobs that are to run and Slurm as executor.

        Returns:
            What may make jobs wait, in lines for the reader.

        Raises:
            SetupError: where there is no Slurm on this machine, or it doesn't answer.
            SettingsError: with all jobs that could never start.
        """
        jobs = [job for job in workflow.dag.needrun_jobs() if not job.is_local]
        if not jobs:
            return ()
        limits = cluster_limits.read()
        found = [request(job, workflow.executor_settings) for job in jobs]
        used = {name for one in found for name in one.partitions} or {one.name for one in [limits.default()] if one}
        self._largest_mib = max((node.memory_mib for name in used for node in limits.of(name)), default=None)
        found = [self._with_last_attempt(one, job) for one, job in zip(found, jobs, strict=True)]
        return judged(limits, found, workflow.nodes)

    def _with_last_attempt(self, one: Request, job: Any) -> Request:
        attempts = (job.restart_times or 0) + 1
        if attempts == 1 or one.memory_mib is None:
            return one
        first = job.attempt
        try:
            job.attempt = attempts
            return msgspec.structs.replace(one, later_mib=_memory(job.resources))
        finally:
            job.attempt = first


def request(job: Any, settings: Any) -> Request:
    """Return what a job of Snakemake's asks for, with the options that its executor would give to ``sbatch``."""
    resources = job.resources
    names = (name for name in str(resources.get("slurm_partition") or "").split(",") if name)
    accounts = str(resources.get("slurm_account") or "").replace(",", " ").split()
    whole = {name: _whole(resources.get(name)) for name in ("runtime", "nodes", "cpus_per_task", "gpu")}
    minutes, nodes, cpus, gpus = whole.values()
    found = Request(
        rule=getattr(getattr(job, "rule", None), "name", "") or str(job),
        job=", ".join(f"{name}={value}" for name, value in dict(getattr(job, "wildcards_dict", None) or {}).items()),
        partitions=tuple(names),
        account=accounts[0] if accounts else "",
        minutes=minutes,
        memory_mib=_memory(resources),
        cpus=max(cpus if cpus is not None else job.threads, 1),
        nodes=nodes or 1,
        spread=nodes is None,
        gpus=gpus or (1 if resources.get("gpu_model") else 0),
        gpu_model=str(resources.get("gpu_model") or ""),
        qos=str(resources.get("qos") or getattr(settings, "qos", "") or ""),
        elsewhere=cluster.is_elsewhere(resources),
    )
    return msgspec.structs.replace(found, options=_options(job, settings, found))


def _options(job: Any, settings: Any, found: Request) -> tuple[str, ...] | None:
    """Return the executor's own options, so that Slurm is shown what it will get.

    They come from the executor's insides: ``None`` where another version of it has others.
    """
    named: Mapping[str, str] = {
        "run_uuid": "weighbridge",
        "slurm_logfile": "/dev/null",
        "comment_str": "",
        "account": f"-A {shlex.quote(found.account)}" if found.account else "",
        "partition": f"-p {shlex.quote(','.join(found.partitions))}" if found.partitions else "",
        "workdir": "",
    }
    try:
        from snakemake_executor_plugin_slurm.submit_string import get_submit_command  # type: ignore[import-untyped]
        from snakemake_executor_plugin_slurm.utils import set_gres_string  # type: ignore[import-untyped]

        command = get_submit_command(job, named, settings=settings) + set_gres_string(job)
        return tuple(shlex.split(command)[1:])
    except (ImportError, AttributeError, KeyError, TypeError):
        return None


def _memory(resources: Any) -> int | None:
    return None if resources.get("mem_mb_per_cpu") else _whole(resources.get("mem_mb"))


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def judged(limits: Limits, requests: Iterable[Request], at_a_time: int) -> tuple[str, ...]:
    """Return what may make jobs wait, as lines for the reader.

    Args:
        limits: what Slurm has to give.
        requests: of all jobs that are to be submitted.
        at_a_time: how many jobs Snakemake submits before one has ended.

    Raises:
        SettingsError: with all jobs that could never start.
        SetupError: where Slurm doesn't answer.
    """
    found: dict[Objection, list[Request]] = {}
    known: dict[Request, tuple[Objection, ...]] = {}
    all_of_them = tuple(requests)
    for one in all_of_them:
        kind = msgspec.structs.replace(one, job="")
        if kind not in known:
            known[kind] = _objections(limits, one, ask=len(known) < _MOST_KINDS)
        for objection in known[kind]:
            found.setdefault(objection, []).append(one)
    never = [_line(who, each) for each, who in found.items() if each.level == "never"]
    waits = [_line(who, each) for each, who in found.items() if each.level != "never"]
    if any(one.options is None for one in all_of_them):
        waits.append(_UNSHOWN)
    # Jobs of one rule are ready at once; whether others are too can't be told.
    at_once = min(max(Counter(one.rule for one in all_of_them).values(), default=0), at_a_time)
    most = cluster_limits.most_submitted() if limits.enforced else None
    if most is not None and at_once > most:
        found_so = f"the site takes at most {most} jobs of yours at a time, and this run submits {at_once} or more"
        never.append(f"  {found_so}\n    → jobs: {most}")
    if never:
        head = "Slurm would never start what this run asks for. No job was submitted, and nothing is lost:"
        foot = f"Write it into {_WHERE}; then give the same command again."
        raise SettingsError("\n".join([head, *never, *waits, foot]))
    return tuple(waits)


def refused(log: str) -> tuple[str, ...]:
    """Return what Slurm refused while Snakemake ran, as lines for the reader.

    Args:
        log: Snakemake's log of that run.
    """
    said = dict.fromkeys(_REFUSED.findall(log))
    objections = dict.fromkeys(filter(None, map(cluster_limits.refusal, said)))
    lines = [f"  {each.found}\n    → {each.mend}" for each in objections]
    last = "What has ended is kept, and running jobs were waited for: mend that, and give the same command again."
    return ("Slurm refused jobs of this run:", *lines, last) if lines else ()


def _objections(limits: Limits, one: Request, *, ask: bool) -> tuple[Objection, ...]:
    found = cluster_limits.objections(limits, one)
    if ask and one.options is not None:
        said = cluster_limits.asked(one)
        found = tuple(each for each in found if said or not each.of_nodes) or ((said,) if said else ())
    if one.account and not limits.accounting:  # Slurm would take it, and the executor wouldn't
        keeps = f"names account {one.account!r}, and this Slurm keeps no accounts"
        found = (Objection(found=keeps, mend="take slurm_account out"), *found)
    if not found and one.later_mib is not None and one.memory_mib is not None and one.later_mib > one.memory_mib:
        later = cluster_limits.objections(limits, msgspec.structs.replace(one, memory_mib=one.later_mib))
        found = tuple(
            Objection(level="not now", found=f"its last attempt {each.found}", mend=each.mend)
            for each in later
            if each.level == "never"
        )
    return found


def _line(who: list[Request], objection: Objection) -> str:
    jobs: dict[str, list[str]] = {}
    for one in who:
        jobs.setdefault(one.rule, []).append(one.job)
    rules = ", ".join(f"{rule}{_which(names)}" for rule, names in jobs.items())
    return f"  {'rules' if len(jobs) > 1 else 'rule'} {rules}: {objection.found}\n    → {objection.mend}"


def _which(names: list[str]) -> str:
    if not names[0]:
        return ""
    return f" ({names[0]})" if len(names) == 1 else f" ({len(names)} jobs, such as {names[0]})"
