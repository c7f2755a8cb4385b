"""The same jobs under ``dvc repro``.

Measured: in a fresh clone that has its raw data, preprocessing, nine trainings and nine evaluations, by
``snakemake --cores 2 evaluate``, against the same under the peer: seconds on the clock, and seconds of CPU of all
processes. On one core Snakemake was seen to take 5 to 7 % more CPU than the peer.

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


def main() -> None:
    """Run, print and judge."""
    with clone() as root:
        snakemake(root, "fetch")
        ours = snakemake(root, "evaluate")
        theirs = _repro(_stages(root), root)
    for name, cost in (("snakemake", ours), ("dvc repro", theirs)):
        print(f"  {name}: {cost.cpu:.1f} s of CPU, {cost.wall:.1f} s")
    finish(
        Figure("dvc_repro_wall_ratio", ours.wall / theirs.wall, RATIO_GOAL),
        Figure("dvc_repro_cpu_ratio", ours.cpu / theirs.cpu, RATIO_GOAL),
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
