"""What makes two trainings the same one, and what doesn't."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge import documents, paths
from weighbridge.manifest import DataSection, Feature, Raw, Split
from weighbridge.settings import Candidate
from weighbridge.stages import train
from weighbridge.tasks import TrainTask
from weighbridge.training import memory

SHA = "a" * 64
TASK = TrainTask(
    candidate=Candidate(model="sklearn.linear_model:Ridge"), data_schema="project.dataset:SCHEMA", threads=1
)


def feature(name: str, kind: str, **given: Any) -> Feature:
    return Feature(name=name, type=kind, unit="", known_hours_before=0, missing_share=0, description="", **given)


def part(rows: int) -> Split:
    return Split(rows=rows, groups=None, first=None, last=None, target_rate=None, sha256=SHA)


DATA = DataSection(
    raw=Raw(sha256=SHA, dvc="", files=()),
    source="",
    licence="",
    rows=1000,
    dropped_rows=0,
    target="late",
    labels=("no", "yes"),
    split_rule="",
    splits={"train": part(800), "validation": part(100), "test": part(100)},
    features=(feature("age", "number"), feature("place", "string", values=("a", "b"))),
    checks=(),
)


def inputs(root: Path, data: DataSection = DATA, task: TrainTask = TASK, seed: int = 0) -> dict[str, Any]:
    documents.write_record(root / paths.PROFILE, data)
    return train.inputs(root, seed, task, SHA)


def changed(record: Any, **new: Any) -> Any:
    return msgspec.structs.replace(record, **new)


def test_of_the_memory_only_streaming_makes_another_run(tmp_path: Path) -> None:
    plain = inputs(tmp_path)
    assert set(plain["settings"]) == {"candidate", "data_schema", "threads"}
    assert inputs(tmp_path, task=changed(TASK, memory_mb=100)) == plain
    many = changed(DATA, splits=DATA.splits | {"train": part(10_000_000)})
    assert inputs(tmp_path, many)["settings"] == plain["settings"]
    few = inputs(tmp_path, many, changed(TASK, memory_mb=100))
    assert few["settings"] == plain["settings"] | {"streams": True}


def test_a_plain_table_of_two_classes_says_nothing_of_folds_weights_and_tasks(tmp_path: Path) -> None:
    assert set(inputs(tmp_path)["data"]) == {"train", "validation", "columns"}


def test_a_seed_says_which_fold_it_is_validated_on(tmp_path: Path) -> None:
    folds = changed(DATA, folds=5)
    assert [inputs(tmp_path, folds, seed=seed)["data"]["fold"] for seed in (0, 4, 5, 12)] == [0, 4, 0, 2]


@pytest.mark.parametrize(
    "data",
    [
        changed(DATA, weight="w"),
        changed(DATA, task="regression", labels=()),
        changed(DATA, task="multiclass", labels=("a", "b", "c")),
        changed(DATA, task="multiclass", labels=("a", "b", "c", "d")),
        changed(DATA, features=(feature("age", "array", shape=(2, 2)),)),
        changed(DATA, features=(feature("age", "array", shape=(4,)),)),
    ],
    ids=["weight", "regression", "three classes", "four classes", "array", "array of another shape"],
)
def test_what_rows_are_to_a_run_makes_another_one(data: DataSection, tmp_path: Path) -> None:
    others = [DATA, changed(DATA, task="multiclass", labels=("a", "b", "c", "d", "e"))]
    others.append(changed(DATA, features=(feature("age", "array", shape=(1, 4)),)))
    names = {train.run_id("one", inputs(tmp_path, each)) for each in (data, *others)}
    assert len(names) == 1 + len(others)


def test_memory_is_counted_by_columns_after_preprocessing() -> None:
    rows = changed(DATA, splits=DATA.splits | {"train": part(2**20 - 100), "validation": part(100)})
    ordinal = Candidate(model=TASK.candidate.model, strings="ordinal")
    assert memory.needed_mib(rows, TASK.candidate) == (1 + 3) * 4 * 3
    assert memory.needed_mib(rows, ordinal) == 2 * 4 * 3
    images = changed(rows, features=(feature("image", "array", shape=(1, 8, 8)),))
    assert memory.needed_mib(images, ordinal) == 64 * 4 * 3
    assert not memory.streams(images, ordinal, 64 * 4 * 3)
    assert memory.streams(images, ordinal, 64 * 4 * 3 - 1)
