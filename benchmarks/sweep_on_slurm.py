"""A sweep of equal trainings on Slurm: how long all take beside what the nodes could do, and what a job costs.

Measured: wall-clock seconds of ``snakemake --profile workflow/profiles/slurm`` that trains one candidate with 32
seeds on a private Slurm of four virtual nodes with a core each. All nodes share this machine's two cores, so a training
sleeps for 55 s and learns for moments; the start of a job can't sleep, and 32 of them keep two cores busy for a minute.
The ideal is eight waves of one such training, run by hand, and the submission of 32 jobs by a loop of ``sbatch``.

The second figure is what a job costs beyond the stage run by hand, as a ratio to the peers' sum. Its trainings sleep
for a second; medians of three, taken in turns.

Peers: a loop of ``sbatch``; ``sbatch`` of the very same command; and Snakemake with one rule that does nothing, by the
same profile. All within ten minutes; by itself it brings up the tests' Slurm, which has to be installed.
"""

import os
import shlex
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Figure, environment, finish, interleaved, run
from weighbridge import plan

MAKESPAN_GOAL = 1.15
OVERHEAD_GOAL = 1.1
_NODES = 4
_JOBS = 32
_SECONDS = 55
_REPEATS = 3
_LIMIT_SECONDS = 580
_MODEL = '''"""A model that takes its time."""

import time

from sklearn.linear_model import LogisticRegression


def sleeping(seconds: float = 1.0) -> LogisticRegression:
    """Return an estimator, after a while."""
    time.sleep(seconds)
    return LogisticRegression(max_iter=200)
'''
_CANDIDATES = """candidates:
  long: {{model: "project.sleeping:sleeping", params: {{seconds: {seconds}}}}}
  short: {{model: "project.sleeping:sleeping", params: {{seconds: 1.0}}}}
"""
_ONE_RULE = 'rule one:\n    output: "made-{number}"\n    shell: "touch {output}"\n'
_PROFILE = "workflow/profiles/slurm"
_POLL = ("--slurm-init-seconds-before-status-checks", "1", "--seconds-between-status-checks", "1")


class Sweep:
    """A project, ready to train, beside a Slurm."""

    def __init__(self, project: Any, lab: Any) -> None:
        self.root: Path = project.root
        own = environment(self.root) | project.env() | lab.env
        self.env = {name: value for name, value in own.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self._plan = plan.Plan(plan.load(self.root), self.root)
        self._lab = lab
        self._number = 1000

    def pipeline(self, candidate: str, seeds: range, *options: str) -> float:
        """Return the seconds that Snakemake takes to train with these seeds on Slurm."""
        targets = [f"results/runs/{candidate}/{seed}/run.yaml" for seed in seeds]
        command = ["timeout", str(_LIMIT_SECONDS), "snakemake", "--nocolor", "--profile", _PROFILE, *options, *targets]
        return run(command, self.root, self.env).wall

    def by_hand(self, candidate: str = "short") -> float:
        """Return the seconds that one training takes by itself."""
        return run(self._command(candidate), self.root, self.env).wall

    def _command(self, candidate: str) -> list[str]:
        settings = self._plan.settings_file("train", candidate)
        return ["weighbridge", "train", "--settings", settings, "--candidate", candidate, "--seed", str(self._next())]

    def one(self) -> float:
        """Return the seconds that Snakemake takes for one training on Slurm."""
        return self.pipeline("short", range(self._next(), self._number + 1), *_POLL)

    def bare(self) -> float:
        """Return the seconds from ``sbatch`` of one training's command to its end."""
        done = self.root / f"bare-{self._number}"
        command = f"{shlex.join(self._command('short'))} && touch {done}"
        begun = time.perf_counter()
        self._submit(command)
        while not done.exists():
            if time.perf_counter() - begun > _LIMIT_SECONDS:
                raise RuntimeError(f"{command}: not done")
            time.sleep(0.02)
        return time.perf_counter() - begun

    def nothing(self) -> float:
        """Return the seconds that Snakemake takes for one rule that does nothing, on Slurm."""
        with tempfile.TemporaryDirectory(prefix="snakemake-", dir=self.root.parent) as folder:
            Path(folder, "Snakefile").write_text(_ONE_RULE, encoding="utf-8")
            profile = str(self.root / _PROFILE)
            command = ["snakemake", "--nocolor", "--profile", profile, *_POLL, f"made-{self._next()}"]
            return run(["timeout", str(_LIMIT_SECONDS), *command], Path(folder), self.env).wall

    def submission(self) -> float:
        """Return the seconds that a loop takes to submit as many jobs, which wait and are then cancelled."""
        begun = time.perf_counter()
        jobs = [self._submit("true", "--hold") for _ in range(_JOBS)]
        seconds = time.perf_counter() - begun
        self._lab.run("scancel", *jobs)
        return seconds

    def _submit(self, command: str, *options: str) -> str:
        told = ("sbatch", "--parsable", "--output=/dev/null", "--mem=500", *options, "--wrap", command)
        return str(self._lab.run(*told, cwd=self.root, env=self.env))

    def _next(self) -> int:
        self._number += 1
        return self._number


def _project(small_project: Any, folder: Path) -> Any:
    """Make a project whose trainings sleep, up to its tables."""
    project = small_project.make(folder / "project")
    (project.root / "project/sleeping.py").write_text(_MODEL, encoding="utf-8")
    text = project.read("config/config.yaml")
    begin, end = text.index("candidates:\n"), text.index("seeds:")
    text = text[:begin] + _CANDIDATES.format(seconds=float(_SECONDS)) + text[end:]
    (project.root / "config/config.yaml").write_text(text, encoding="utf-8")
    project.snakemake("preprocess")
    return project


def main() -> None:
    """Run, print and judge."""
    sys.path.insert(0, str(ROOT / "tests"))
    import slurm_lab
    import small_project

    print(f"  load of this machine: {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
        project = _project(small_project, Path(folder))
        with slurm_lab.lab(slurm_lab.Shape(nodes=_NODES, cpus=1)) as lab:
            sweep = Sweep(project, lab)
            sweep.by_hand()  # which writes byte code
            measures = (sweep.by_hand, sweep.bare, sweep.nothing, sweep.one)
            local, bare, nothing, one = map(statistics.median, interleaved(_REPEATS, *measures))
            print(
                f"  a job: by hand {local:.1f} s, sbatch {bare:.1f} s, an empty rule {nothing:.1f} s, ours {one:.1f} s"
            )
            submission, single = sweep.submission(), sweep.by_hand("long")
            ideal = _JOBS / _NODES * single + submission
            makespan = sweep.pipeline("long", range(_JOBS))
    print(f"  {_JOBS} jobs: {makespan:.0f} s; ideal {ideal:.0f} s, of waves of {single:.1f} s")
    print(f"  load of this machine: {os.getloadavg()[0]:.1f}")
    finish(
        Figure("sweep_makespan_ratio", makespan / ideal, MAKESPAN_GOAL),
        Figure("sweep_job_overhead_ratio", (one - local) / (bare - local + nothing), OVERHEAD_GOAL),
    )


if __name__ == "__main__":
    main()
