"""preprocess: what it records of all kinds of rows, and what it refuses before anything is written."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from made_rows import RAW, SCHEMA, SETTINGS, table
from test_preparation import KINDS, of_all_kinds

from weighbridge import documents, paths, settings
from weighbridge.data.schema import Column, Schema
from weighbridge.documents import read_record
from weighbridge.errors import DataError, RecordError, SettingsError
from weighbridge.manifest import DataSection
from weighbridge.stages import preprocess
from weighbridge.tasks import PreprocessTask

LOADED: dict[str, Any] = {}
NUMBER = Schema(
    id="id", target="y", unit="km", features={"x": Column(type="number"), "image": Column(type="array", shape=(2,))}
)


def load(folder: Path) -> Any:
    assert folder.name == "raw"
    return LOADED["rows"]


def broken(folder: Path) -> Any:
    raise KeyError(folder.name)


def broken_later(folder: Path) -> Any:
    yield table()
    raise ValueError(folder.name)


def run(root: Path, rows: Any, schema: Schema = SCHEMA, **changes: Any) -> DataSection:
    LOADED["rows"] = rows
    globals()["DECLARED"] = schema
    documents.write_record(root / paths.RAW_RECORD, RAW)
    named = {"load": f"{__name__}:load", "schema": f"{__name__}:DECLARED", "task": schema.task}
    data = msgspec.structs.replace(SETTINGS, **(named | changes))
    return preprocess.run(root, PreprocessTask(data=data))


def page(root: Path) -> str:
    return (root / paths.DATASET_PAGE).read_text(encoding="utf-8")


class TestRecorded:
    def test_every_loaded_column_with_its_type(self, tmp_path: Path) -> None:
        found = run(tmp_path, table())
        assert found.loaded == {
            "id": "string",
            "time": "timestamp[us, tz=UTC]",
            "day": "string",
            "x": "double",
            "s": "string",
            "y": "double",
            "arrival": "double",
        }
        assert read_record(tmp_path / paths.PROFILE, DataSection) == found

    def test_groups_in_several_parts_are_warned_of_before_anything_is_trained(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = (
            "1 of 1 groups ('day') in several parts: the gate on data, where it asks for groups_apart, will refuse the "
            "release; split by group"
        )
        run(tmp_path, table(day="d"))
        assert f"warning: {said}" in capsys.readouterr().out
        assert f"**Warning**: {said}" in page(tmp_path)
        run(tmp_path, table())
        assert "warning" not in capsys.readouterr().out
        assert "Warning" not in page(tmp_path)

    def test_columns_are_the_same_whichever_way_rows_come(self, tmp_path: Path) -> None:
        rows = table(s=["a", "b", "c"] * 2 + [None] * 6, x=[*range(11), None])
        sections = [run(tmp_path, way) for way in (rows, iter([rows[:4], rows[4:]]))]
        assert sections[0] == sections[1]

    def test_classes_without_time_and_groups(self, tmp_path: Path) -> None:
        found = run(tmp_path, of_all_kinds(), KINDS, split=settings.RandomSplit())
        train = found.splits["train"]
        assert (found.task, found.time, found.group, found.weight, found.folds) == ("multiclass", "", "", "w", 0)
        assert (train.first, train.last, train.groups, train.target_rate, train.target_mean) == (None,) * 5
        assert train.target_shares == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
        assert {check.key for check in found.checks} & {"time_order", "groups_apart"} == set()
        image = found.features[-1]
        assert (image.type, image.shape, image.edges, image.shares) == ("array", (1, 2, 2), (), ())
        text = page(tmp_path)
        assert "- Target: `species`: 0 is a, 1 is b, 2 is c" in text
        assert "| part | rows | groups | first (UTC) | last (UTC) | species |" in text
        assert "| train | 36 | - | - | - | a 33.3 %, b 33.3 %, c 33.3 % |" in text
        assert "| array, 1 by 2 by 2 |" in text
        assert "| `day` | 2026-0" in text

    def test_numbers_by_their_mean_and_deviation(self, tmp_path: Path) -> None:
        rows = pd.DataFrame({"id": range(40), "y": np.arange(40.0), "x": 1.0, "image": [np.ones(2)] * 40})
        found = run(tmp_path, rows, NUMBER, split=settings.FoldSplit(folds=4, stratify=False))
        train = found.splits["train"]
        target = pd.read_parquet(tmp_path / paths.split("train"))["y"]
        assert (found.task, found.labels, found.target_unit, found.folds) == ("regression", (), "km", 4)
        assert (train.target_mean, train.target_deviation) == pytest.approx((target.mean(), target.std(ddof=0)))
        assert (train.target_rate, train.target_shares) == (None, {})
        assert "- Target: `y`: a number, in km" in page(tmp_path)
        assert f"| {train.target_mean:,.5g} ± {train.target_deviation:,.5g} |" in page(tmp_path)

    def test_arrays_outside_of_their_range_and_rows_with_the_same_arrays(self, tmp_path: Path) -> None:
        images = [np.array([number % 20, 0.5]) for number in range(40)]
        rows = pd.DataFrame({"id": range(40), "y": np.arange(40.0), "x": 1.0, "image": images})
        features = {"x": Column(type="number"), "image": Column(type="array", shape=(2,), maximum=18)}
        schema = msgspec.structs.replace(NUMBER, features=features)
        found = {check.key: check for check in run(tmp_path, rows, schema, split=settings.RandomSplit()).checks}
        assert found["ranges"].found == "image: 2 of 40 rows are not at most 18"
        twice = [int(found[key].found.split()[0]) for key in ("no_repeats", "no_repeats_across")]
        assert sum(twice) == 20

    def test_rows_that_were_not_divided_by_time_need_not_be_in_order(self, tmp_path: Path) -> None:
        found = run(tmp_path, table(y=[0, 0, 1, 1] * 3), split=settings.RandomSplit(validation=0.3, test=0.3))
        (order,) = (check for check in found.checks if check.key == "time_order")
        assert (order.passed, order.found) == (True, "not applicable, rows aren't divided by time")


class TestRefused:
    @pytest.mark.parametrize("task", ["multiclass", "regression"])
    def test_another_task_than_the_schemas(self, tmp_path: Path, task: str) -> None:
        says = f"data.task is '{task}', but the 2 labels of .*:DECLARED make it 'binary'; set data.task to 'binary'"
        with pytest.raises(SettingsError, match=says):
            run(tmp_path, table(), task=task)
        assert not (tmp_path / paths.PROCESSED).exists()

    def test_a_class_without_training_rows(self, tmp_path: Path) -> None:
        rows = of_all_kinds()
        rows["which"] = np.where(rows["species"] == "c", "test", rows["which"])
        with pytest.raises(DataError, match=r"train: no row is 'c' \('species'\); each class needs rows to learn from"):
            run(tmp_path, rows, KINDS, split=settings.ColumnSplit(column="which"))

    def test_a_part_whose_numbers_are_all_alike(self, tmp_path: Path) -> None:
        rows = pd.DataFrame({"id": range(40), "y": 2.5, "x": 1.0, "image": [np.ones(2)] * 40})
        with pytest.raises(
            DataError, match=r"test: the target 'y' is 2\.5 in all 8 rows; different numbers are needed"
        ):
            run(tmp_path, rows, NUMBER, split=settings.RandomSplit(stratify=False))


class TestColumnsOfLastTime:
    def test_new_and_lost_columns_that_are_not_declared_are_told(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(tmp_path, table())
        assert "Columns loaded" not in page(tmp_path)
        run(tmp_path, table(delay=1).drop(columns="arrival"))
        assert (
            "column 'delay' is new, int64\ncolumn 'arrival' is gone, last time it was double" in capsys.readouterr().out
        )
        assert "- Columns loaded: 'delay' is new, int64; 'arrival' is gone, last time it was double" in page(tmp_path)

    @pytest.mark.parametrize(
        ("changes", "lost", "says"),
        [
            ({}, ["x"], "'x' is gone, last time it was double"),
            ({"x": "1"}, [], "'x' is string, last time it was double"),
            ({"id": range(12)}, [], "'id' is int64, last time it was string"),
            ({"y": ["late", "on time"] * 6}, ["s"], "'y' is string, last time it was double"),
        ],
    )
    def test_declared_columns_that_are_lost_or_of_another_kind_are_refused_by_name(
        self, tmp_path: Path, changes: dict[str, Any], lost: list[str], says: str
    ) -> None:
        run(tmp_path, table())
        before = (tmp_path / paths.PROFILE).read_bytes()
        with pytest.raises(DataError) as refused:
            run(tmp_path, table(**changes).drop(columns=lost))
        assert says in str(refused.value)
        assert all(f"{name!r} is gone, last time it was" in str(refused.value) for name in lost)
        assert f"remove {paths.LOADED}" in str(refused.value)
        assert (tmp_path / paths.PROFILE).read_bytes() == before

    def test_a_change_that_is_meant_goes_through_without_the_record(self, tmp_path: Path) -> None:
        run(tmp_path, table())
        (tmp_path / paths.LOADED).unlink()
        assert run(tmp_path, table(id=range(12))).loaded["id"] == "int64"

    def test_numbers_of_another_width_and_empty_columns_are_no_change(self, tmp_path: Path) -> None:
        run(tmp_path, table(s=["a", "b", "c"] * 4))
        run(tmp_path, table(x=range(12), s=["a", "b", None] * 4, y=pd.array([0, 1] * 6, dtype="Int8")))
        assert "'x' is int64, last time it was double" in page(tmp_path)

    def test_a_damaged_record_is_refused_with_the_next_step(self, tmp_path: Path) -> None:
        run(tmp_path, table())
        (tmp_path / paths.LOADED).write_text("{")
        with pytest.raises(RecordError, match=r"damaged: .*; remove it"):
            run(tmp_path, table())


class TestCodeOfTheProjectThatFails:
    """A traceback through the engine would hide the one line that has to be mended."""

    @pytest.mark.parametrize(
        ("load", "says"),
        [("broken", "KeyError: 'raw'"), ("broken_later", "ValueError: raw")],
    )
    def test_load_is_named_with_what_it_fails_with(self, tmp_path: Path, load: str, says: str) -> None:
        with pytest.raises(DataError, match=rf":{load} fails.*: {says}; mend it there"):
            run(tmp_path, None, load=f"{__name__}:{load}")
        assert not (tmp_path / paths.PROFILE).exists()

    def test_a_module_that_fails_while_it_is_imported_is_named_with_file_and_line(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "faulty_project").mkdir()
        (tmp_path / "faulty_project" / "__init__.py").touch()
        (tmp_path / "faulty_project" / "rows.py").write_text("import json\n\njson.loads('{')\n")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(DataError, match=r"fails in faulty_project/rows.py, line 3: JSONDecodeError: "):
            run(tmp_path, None, load="faulty_project.rows:load")

    def test_columns_of_types_that_arrow_has_not_are_taken_or_refused_in_words(self, tmp_path: Path) -> None:
        sparse = run(tmp_path, table().astype({"x": "Sparse[float64]"})).splits
        (tmp_path / paths.LOADED).unlink()
        assert run(tmp_path, table()).splits == sparse
        (tmp_path / paths.LOADED).unlink()
        with pytest.raises(DataError, match="feature 'x': found complex128"):
            run(tmp_path, table().astype({"x": "complex"}))
