"""The same jobs under ``dvc repro``.

Measured: in fresh clones that have their raw data, preprocessing, nine trainings and nine evaluations, against the
same under the peer: seconds on the clock of ``snakemake --cores 2 evaluate``, which is what a user waits for; and
seconds of CPU of ``snakemake --cores 1 evaluate``, which tell what each tool adds to the jobs. On one core, since DVC
runs its stages one after the other: two jobs at once share caches and often a physical core, and the same work then
counts for more seconds of CPU (these are printed too).

Peer: ``dvc repro`` in another clone with the same raw data, with one DVC stage for each of Snakemake's jobs: the very
same commands, and as ``deps`` and ``outs`` the very same files, as Snakemake has them on record. Outputs have
``cache: false``, so that neither of the two stores a copy. Packaging and what comes after aren't part of it, since
they use DVC themselves.
"""

import csv
import shutil
from pathlib import Path
from typing import Any

import yaml

from benchmarks.measure import Cost, Figure, clone, environment, finish, output_of, run, snakemake
from weighbridge import paths

RATIO_GOAL = 1.0
_ROUNDS = 2  # in turn; the least CPU of each counts, since other programs only add to it


def main() -> None:
    """Run, print and judge."""
    with clone() as root:
        snakemake(root, "fetch")
        parallel = snakemake(root, "evaluate")
        stages = _stages(root)
        rounds = [(_serial(), _repro(stages, root)) for _ in range(_ROUNDS)]
    serial, theirs = (min(costs, key=lambda cost: cost.cpu) for costs in zip(*rounds, strict=True))
    for name, cost in (("snakemake, 2 cores", parallel), ("snakemake, 1 core", serial), ("dvc repro", theirs)):
        print(f"  {name}: {cost.cpu:.1f} s of CPU, {cost.wall:.1f} s")
    finish(
        Figure("dvc_repro_wall_ratio", parallel.wall / theirs.wall, RATIO_GOAL),
        Figure("dvc_repro_cpu_ratio", serial.cpu / theirs.cpu, RATIO_GOAL),
    )


def _stages(root: Path) -> dict[str, dict[str, Any]]:
    """Return a DVC stage for each of the jobs that Snakemake has on record in *root*, but for the fetching."""
    text = output_of(["snakemake", "--detailed-summary", "evaluate"], root, environment(root))
    table = text[text.index("output_file\t") :].splitlines()
    stages: dict[str, dict[str, Any]] = {}
    for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
        command, _, log = row["shellcmd"].partition(" &> ")
        if row["rule"] == "fetch" or not command.startswith("weighbridge "):
            continue
        stage = stages.setdefault(
            Path(log).with_suffix("").as_posix().replace("/", "-"),
            {"cmd": f"{command} > {log} 2>&1", "deps": row["input-file(s)"].split(","), "outs": []},
        )
        stage["outs"].append({row["output_file"]: {"cache": False}})
    return stages


def _serial() -> Cost:
    """Run the same stages by Snakemake on one core, in a checkout of their own."""
    with clone() as single:
        snakemake(single, "fetch")
        return snakemake(single, "evaluate", cores=1)


def _repro(stages: dict[str, dict[str, Any]], root: Path) -> Cost:
    """Run *stages* by DVC in a checkout of their own, with the raw data of *root*."""
    with clone() as other:
        return _repro_in(other, stages, root)


def _repro_in(other: Path, stages: dict[str, dict[str, Any]], root: Path) -> Cost:
    shutil.copytree(root / paths.RAW, other / paths.RAW)
    shutil.copytree(root / "results/settings", other / "results/settings")
    shutil.copy(root / paths.RAW_RECORD, other / paths.RAW_RECORD)
    for folder in ("logs/train", "logs/evaluate"):
        (other / folder).mkdir(parents=True)
    # the project's own hides results/ from DVC
    (other / ".dvcignore").write_text("/.snakemake\n", encoding="utf-8")
    (other / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, width=100_000), encoding="utf-8")
    return run(["dvc", "repro", "--quiet"], other, environment(other))


if __name__ == "__main__":
    main()
