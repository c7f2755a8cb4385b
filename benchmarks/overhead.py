"""What the pipeline costs a job, beyond the learning itself.

Measured: CPU seconds (user and system, of all processes, imports included) of ``snakemake --cores 1`` from a fresh
clone to a tagged release, less those of a bare script that does the same learning in one process, divided by the
number of jobs. On one core, as the script: two jobs at once share caches and often a physical core, and the same work
then counts for more seconds of CPU. The difference holds Snakemake itself, a start of Python and its libraries
for each job, and all that the script doesn't do: checks, records, export, parity, intervals, pictures, the release.

The second figure is the share of that in a job whose training takes five minutes.

Peer: ``benchmarks/bare.py``.
"""

import re
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Cost, Figure, clone, environment, finish, run, snakemake

SECONDS_GOAL = 2.5
SHARE_GOAL = 2.0
_TRAINING_SECONDS = 300


def main() -> None:
    """Run, print and judge."""
    with clone() as root:
        pipeline = snakemake(root, cores=1)
        jobs = _jobs(root)
        bare = _bare(root)
    per_job = (pipeline.cpu - bare.cpu) / jobs
    print(f"  pipeline {pipeline.cpu:.1f} s of CPU, bare script {bare.cpu:.1f} s, {jobs} jobs")
    finish(
        Figure("overhead_percent_of_five_minutes", 100 * per_job / (_TRAINING_SECONDS + per_job), SHARE_GOAL),
        Figure("overhead_cpu_seconds_per_job", per_job, SECONDS_GOAL),
    )


def _bare(root: Path) -> Cost:
    with tempfile.TemporaryDirectory(prefix="weighbridge-bare-") as folder:
        command: list[str | Path] = [sys.executable, "-m", "benchmarks.bare", root / "data" / "raw", folder]
        return run(command, root, environment(root) | {"OMP_NUM_THREADS": "1"})


def _jobs(root: Path) -> int:
    """Return how many jobs the run had, by Snakemake's own count, without those that run nothing."""
    (log,) = (root / ".snakemake" / "log").glob("*.snakemake.log")
    text = log.read_text(encoding="utf-8")
    return sum(1 for _ in re.finditer(r"^Job \d+: ", text, re.MULTILINE))


if __name__ == "__main__":
    main()
