"""From a fresh clone to a tagged release: seconds, and the memory of the hungriest stage.

Measured: ``snakemake --cores 2`` in a new clone of HEAD, with the tools of the current environment: raw data, nine
trainings, bundle, weighing, verdict, release. Wall-clock time is that of the whole command; the peak is the largest
resident set that any process of any stage ever had, as the kernel counted it, or the largest sum over a stage's
processes that Snakemake's own benchmark files noted.

Peer: none; the goals are a person's patience and a small laptop.
"""

import json
from pathlib import Path

from benchmarks.measure import Figure, clone, finish, snakemake

WALL_SECONDS_GOAL = 90.0
PEAK_GIB_GOAL = 1.5
_MIB_IN_GIB = 1024


def main() -> None:
    """Run, print and judge."""
    with clone() as root:
        cost = snakemake(root)
        noted = _noted(root)
    for stage, mib in sorted(noted.items()):
        print(f"  {stage}: {mib:.0f} MiB")
    print(f"  largest process: {cost.peak_mib:.0f} MiB; CPU of all: {cost.cpu:.1f} s")
    peak = max(cost.peak_mib, *noted.values())
    finish(
        Figure("first_run_peak_gib", peak / _MIB_IN_GIB, PEAK_GIB_GOAL),
        Figure("first_run_wall_seconds", cost.wall, WALL_SECONDS_GOAL),
    )


def _noted(root: Path) -> dict[str, float]:
    """Return ``max_rss`` in MiB of each job's benchmark file."""
    files = (root / "results" / "benchmarks").glob("*.jsonl")
    return {file.stem: float(json.loads(file.read_text(encoding="utf-8"))["max_rss"]) for file in files}


if __name__ == "__main__":
    main()
