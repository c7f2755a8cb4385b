"""Kills at random instants over the whole pipeline: nothing is lost, and the next start goes on.

Measured: of 200 kills (SIGKILL to all processes, to Snakemake alone, to any one process; SIGTERM; Ctrl-C), after how
many everything held: the ledger clean, each record readable by its reader or absent, each tag with a complete manifest
and its data whole in the cache, no version twice. After each the pipeline is started again with the same command; it
has to go on by itself, to the very content that an undisturbed one makes. Then a fresh copy of the project follows.

Peer: none; the same command without kills says what the content has to be, and how long it takes.
"""

import argparse
import itertools
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import killing, survival
from benchmarks.measure import ROOT, Figure, finish

SURVIVED_GOAL = 1.0
_SEED = 20_240_229
_NAME = "small"


def _small_project() -> Any:
    """Return the module that makes small projects; the tests use it too."""
    sys.path.insert(0, str(ROOT / "tests"))
    import small_project

    return small_project


def main() -> None:
    """Run, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="how many (%(default)s)")
    parser.add_argument("--seed", type=int, default=_SEED, help="of the instants (%(default)s)")
    options = parser.parse_args()
    small = _small_project()
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        tally = _run(small, Path(folder), options.kills, options.seed)
    print(f"  {tally.kills} kills, {tally.finished} pipelines ended; {killing.shown(tally.ways)}")
    print(f"  hit: {killing.shown(tally.stages)}")
    finish(Figure("faults_survived_share", tally.survived / tally.kills, SURVIVED_GOAL, at_least=True))


def _run(small: Any, folder: Path, number: int, seed: int) -> killing.Tally:
    (folder / "made").mkdir()
    made = small.make(folder / "made" / "project")
    calm = small.copy(made, folder / "calm")
    started = time.perf_counter()
    calm.snakemake()
    seconds = time.perf_counter() - started
    patterns = itertools.cycle(_patterns(small, made, calm, folder))
    print(f"  undisturbed: {seconds:.0f} s", flush=True)

    def fresh() -> killing.Copy:
        shutil.rmtree(folder / "copy", ignore_errors=True)
        pattern = next(patterns)
        return killing.Copy(small.copy(pattern.project, folder / "copy"), pattern.expected)

    return killing.series(
        fresh=fresh,
        name=_NAME,
        plan=killing.kills(seed, seconds),
        number=number,
        tell=lambda line: print(f"  {line}", flush=True),
    )


def _patterns(small: Any, made: Any, calm: Any, folder: Path) -> list[killing.Copy]:
    """Return what to begin with: nothing done; all but the bundle; a release, and a change that asks for another."""
    measured = small.copy(made, folder / "measured")
    measured.snakemake("evaluate")
    changed = small.copy(calm, folder / "changed")
    changed.edit("config/config.yaml", "C: 1.0", "C: 0.01")
    changed.commit("Regularise more")
    calm_too = small.copy(changed, folder / "calm-too")
    calm_too.snakemake()
    first, second = (survival.content_of(project.root, _NAME) for project in (calm, calm_too))
    return [killing.Copy(made, first), killing.Copy(measured, first), killing.Copy(changed, second)]


if __name__ == "__main__":
    main()
