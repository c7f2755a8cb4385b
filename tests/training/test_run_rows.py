"""A whole run of the stage, on rows in files: which it learns from, and how much each of them counts."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from test_run_identity import DATA, TASK, part

from weighbridge import documents, paths
from weighbridge.data import tables
from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_file
from weighbridge.settings import Candidate
from weighbridge.stages import train
from weighbridge.training import native
from weighbridge.training.checkpoints import Checkpoints

NUMBERS = Schema(id="id", target="y", features={"x": Column(type="number")})
WEIGHED = Schema(id="id", target="y", weight="w", features={"x": Column(type="number")})
TREE = Candidate(model="sklearn.tree:DecisionTreeRegressor")
MEAN = Candidate(model="sklearn.tree:DecisionTreeRegressor", params={"max_depth": 1, "min_samples_leaf": 20})


def table() -> pd.DataFrame:
    """Return 30 rows in three folds, each with a target of its own; of the last two folds one row counts, the 7th."""
    count = np.arange(30)
    frame = {"id": [f"{i:02d}" for i in count], "x": count.astype("float32"), "fold": (count % 3).astype("int8")}
    return pd.DataFrame(frame | {"w": ((count == 7) | (count % 3 == 0)).astype("float32"), "y": 100.0 + count})


def trained(root: Path, candidate: Candidate, schema: str, *, seed: int, folds: int) -> Any:
    """Write the rows as preprocessing does, train, and return the model as it is loaded."""
    frame = table()
    parts = {"train": frame[frame["fold"] > 0], "validation": frame[frame["fold"] == 0].drop(columns="fold")}
    splits = {}
    for name, rows in parts.items():
        tables.write_parquet(rows, root / paths.split(name))
        splits[name] = msgspec.structs.replace(part(len(rows)), sha256=sha256_file(root / paths.split(name)))
    data = msgspec.structs.replace(DATA, task="regression", labels=(), splits=splits, folds=folds)
    documents.write_record(root / paths.PROFILE, data)
    task = msgspec.structs.replace(TASK, candidate=candidate, data_schema=f"{__name__}:{schema}")
    checkpoints = Checkpoints(root / "checkpoints", progress=print)
    folder = root / "run"
    folder.mkdir()
    (root / paths.LOCK).write_text("")
    record = train.run(root, "tree", seed, task, code="a" * 64, identity="tree-1", checkpoints=checkpoints, into=folder)
    assert (record.kind, record.parameters.seed) == ("sklearn", seed)
    return native.load(folder, candidate, globals()[schema], seed=seed, threads=1)


@pytest.mark.parametrize(("seed", "fold"), [(0, 0), (1, 1), (5, 2)])
def test_a_run_of_a_cross_validation_learns_from_all_folds_but_its_own(seed: int, fold: int, tmp_path: Path) -> None:
    frame = table()
    found = trained(tmp_path, TREE, "NUMBERS", seed=seed, folds=3).predictions(frame)
    assert (found != frame["y"]).tolist() == (frame["fold"] == fold).tolist()


def test_a_run_counts_rows_by_their_weight(tmp_path: Path) -> None:
    found = trained(tmp_path, MEAN, "WEIGHED", seed=0, folds=0).predictions(table())
    assert set(found) == {107.0}
