"""What ``weighbridge check`` says of the cluster, on a machine that can submit jobs to one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from weighbridge import cluster_limits
from weighbridge.cluster_limits import Limits, Partition
from weighbridge.errors import SetupError
from weighbridge.views.finding import Finding, listed

_NO_CONFIGURATION = ("configuration source", "unable to process configuration file")
_SITE = Path("profiles/site/config.yaml")
_MINUTES_OF_A_DAY = 24 * 60


def cluster(root: Path) -> Iterator[Finding]:
    """Say whether Slurm answers, and what its partitions take; nothing where there is no Slurm."""
    if not shutil.which("sbatch"):
        return
    try:
        limits = cluster_limits.read()
    except SetupError as error:
        # Its commands alone, without a Slurm that they are for, are nothing to mend.
        if not any(words in str(error).lower() for words in _NO_CONFIGURATION):
            yield Finding("warning", "cluster", str(error))
        return
    accounts = "accounts are kept" if limits.accounting else "no accounts"
    lines = [_line(limits, partition) for partition in limits.partitions.values()]
    yield Finding("ok", "cluster", "\n".join([f"Slurm {limits.version} answers; {accounts}", *listed(lines)]))
    if limits.default() is None and not (root / _SITE).is_file():
        mend = f"default-resources: slurm_partition: … in {_SITE}; docs/cluster.md"
        yield Finding("warning", "cluster", "Slurm has no default partition, and none is named", mend)


def _line(limits: Limits, partition: Partition) -> str:
    nodes = limits.of(partition.name)
    up = sum(node.up for node in nodes)
    count = f"{up} of {len(nodes)} nodes up"
    most = ""
    if nodes:
        cpus, memory = max(node.cpus for node in nodes), max(node.memory_mib for node in nodes)
        gpus = max(sum(node.gpus.values()) for node in nodes)
        most = f"; a node has up to {cpus} cores, {memory} MiB" + (f", {gpus} GPUs" if gpus else "")
    name = f"{partition.name} (default)" if partition.default else partition.name
    state = "" if partition.state == "UP" else f", {partition.state}"
    return f"{name}{state}: {_time(partition.minutes)}; {count}{most}"


def _time(minutes: int | None) -> str:
    if minutes is None:
        return "no time limit"
    days, rest = divmod(minutes, _MINUTES_OF_A_DAY)
    return f"at most {days} d" if days and not rest else f"at most {minutes} min"
