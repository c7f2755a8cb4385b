"""The same jobs under ``dvc repro``.

Measured: CPU and wall-clock seconds of ``snakemake --cores 2 evaluate`` in a fresh clone that has its raw data:
preprocessing, nine trainings, nine evaluations; against those of the peer.

Peer: ``dvc repro`` in another clone with the same raw data, with one DVC stage for each of Snakemake's jobs: the very
same commands, and as ``deps`` and ``outs`` the very same files, as Snakemake has them on record. Outputs have
``cache: false``, so that neither of the two stores a copy. Packaging and what comes after aren't part of it, since
they use DVC themselves.

DVC runs its stages one after the other; so the CPU figure tells what each tool adds to the jobs, and the wall-clock
figure what a user waits for.
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
    with clone() as root, clone() as other:
        snakemake(root, "fetch")
        ours = snakemake(root, "evaluate")
        theirs = _repro(_stages(root), root, other)
    print(f"  snakemake {ours.cpu:.1f} s of CPU, {ours.wall:.1f} s; dvc repro {theirs.cpu:.1f} s, {theirs.wall:.1f} s")
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


def _repro(stages: dict[str, dict[str, Any]], root: Path, other: Path) -> Cost:
    """Run *stages* in the checkout *other*, with the raw data of *root*."""
    shutil.copytree(root / paths.RAW, other / paths.RAW)
    (other / paths.RAW_RECORD).parent.mkdir()
    shutil.copy(root / paths.RAW_RECORD, other / paths.RAW_RECORD)
    for folder in ("logs/train", "logs/evaluate"):
        (other / folder).mkdir(parents=True)
    # the project's own hides results/ from DVC
    (other / ".dvcignore").write_text("/.snakemake\n", encoding="utf-8")
    (other / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, width=100_000), encoding="utf-8")
    return run(["dvc", "repro", "--quiet"], other, environment(other))


if __name__ == "__main__":
    main()
