"""What ``snakemake`` costs where everything is up to date: people type it all day.

Measured: CPU and wall-clock seconds of ``snakemake --cores 2`` in a checkout whose pipeline has just run, against
those of Snakemake itself. All take turns; the figures are ratios of the medians.

Peer: ``snakemake --cores 2`` with nothing to do either, in a workflow of one rule with one parameter: the cost of
starting Snakemake and of comparing a parameter, for which it imports pandas wherever that is installed. The same rule
without a parameter is printed beside it; there is no goal for that, since every rule of a pipeline has settings.
"""

import functools
import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, Figure, clone, finish, interleaved, snakemake

RATIO_GOAL = 1.3
_REPEATS = 9
_RULE = 'rule all:\n    output: "made"\n{parameter}    shell: "touch {{output}}"\n'


def main() -> None:
    """Run, print and judge."""
    with clone() as root, tempfile.TemporaryDirectory(prefix="snakemake-") as folder:
        peer, plain = Path(folder, "peer"), Path(folder, "plain")
        _write(peer, _RULE.format(parameter='    params: settings="{}"\n'))
        _write(plain, _RULE.format(parameter=""))
        measures = [functools.partial(snakemake, place) for place in (root, peer, plain)]
        interleaved(2, *measures)  # the first makes what is asked for, the second remembers what can be
        ours, theirs, least = (_medians(costs) for costs in interleaved(_REPEATS, *measures))
    for name, cost in (("pipeline", ours), ("one rule with a parameter", theirs), ("one rule without", least)):
        print(f"  nothing to do, {name}: {cost.cpu:.2f} s of CPU, {cost.wall:.2f} s")
    print(f"  ratio to one rule without a parameter: CPU {ours.cpu / least.cpu:.2f}, time {ours.wall / least.wall:.2f}")
    finish(
        Figure("nothing_to_do_wall_ratio", ours.wall / theirs.wall, RATIO_GOAL),
        Figure("nothing_to_do_cpu_ratio", ours.cpu / theirs.cpu, RATIO_GOAL),
    )


def _write(folder: Path, text: str) -> None:
    folder.mkdir()
    (folder / "Snakefile").write_text(text, encoding="utf-8")


def _medians(costs: list[Cost]) -> Cost:
    columns = zip(*((cost.wall, cost.cpu, cost.peak_mib) for cost in costs), strict=True)
    return Cost(*map(statistics.median, columns))


if __name__ == "__main__":
    main()
