"""What ``snakemake`` costs where everything is up to date: people type it all day.

Measured: CPU and wall-clock seconds of ``snakemake --cores 2`` in a checkout whose pipeline has just run, against
those of Snakemake itself. All take turns; the figures are ratios of the medians.

Peer: ``snakemake --cores 2`` with nothing to do either, in a workflow of one rule: the cost of starting Snakemake.
"""

import functools
import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, Figure, clone, finish, interleaved, snakemake

RATIO_GOAL = 1.3
_REPEATS = 9
_RULE = 'rule all:\n    output: "made"\n    shell: "touch {output}"\n'


def main() -> None:
    """Run, print and judge."""
    with clone() as root, tempfile.TemporaryDirectory(prefix="snakemake-") as folder:
        peer = Path(folder)
        (peer / "Snakefile").write_text(_RULE, encoding="utf-8")
        measures = [functools.partial(snakemake, place) for place in (root, peer)]
        interleaved(2, *measures)  # the first makes what is asked for, the second remembers what can be
        ours, theirs = (_medians(costs) for costs in interleaved(_REPEATS, *measures))
    for name, cost in (("pipeline", ours), ("one rule", theirs)):
        print(f"  nothing to do, {name}: {cost.cpu:.2f} s of CPU, {cost.wall:.2f} s")
    finish(
        Figure("nothing_to_do_wall_ratio", ours.wall / theirs.wall, RATIO_GOAL),
        Figure("nothing_to_do_cpu_ratio", ours.cpu / theirs.cpu, RATIO_GOAL),
    )


def _medians(costs: list[Cost]) -> Cost:
    columns = zip(*((cost.wall, cost.cpu, cost.peak_mib) for cost in costs), strict=True)
    return Cost(*map(statistics.median, columns))


if __name__ == "__main__":
    main()
