"""Tables on disk: the same rows are the same bytes, and come back as they were."""

from pathlib import Path

import msgspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_rows import parts, section

from weighbridge import paths
from weighbridge.data import columns
from weighbridge.data.schema import Column, Schema
from weighbridge.data.tables import read_parquet, read_split, read_training, to_arrow, write_parquet
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError
from weighbridge.manifest import DataSection


def rows() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "time": pd.to_datetime(["2026-01-01T10:00", "2026-01-02T10:00", "2026-01-03T10:00"], utc=True).as_unit(
                "us"
            ),
            "x": pd.Series([1.5, None, -2.0], dtype="float32"),
            "s": ["", "ä|ö", "z"],
            "y": pd.Series([0, 1, 0], dtype="int8"),
        }
    )


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "new" / "t.parquet")
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "new" / "t.parquet"), rows())


@given(
    numbers=arrays("float32", 5),
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=5, max_size=5),
)
def test_any_numbers_and_texts_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, numbers: object, texts: list[str]
) -> None:
    frame = pd.DataFrame({"x": numbers, "s": pd.Series(texts, dtype="str")})
    path = tmp_path_factory.mktemp("tables") / "t.parquet"
    write_parquet(frame, path)
    pd.testing.assert_frame_equal(read_parquet(path), frame)


def test_equal_tables_are_equal_bytes_however_pandas_holds_them(tmp_path: Path) -> None:
    other = rows().set_index(pd.Index([7, 8, 9])).astype({"s": "category", "id": object})
    write_parquet(rows(), tmp_path / "one.parquet")
    write_parquet(other, tmp_path / "other.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()


def test_only_the_columns_asked_for_are_read_and_in_that_order(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "t.parquet")
    assert list(read_parquet(tmp_path / "t.parquet", ["y", "id"]).columns) == ["y", "id"]


def test_writing_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "t.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["t.parquet"]


def test_a_column_of_several_types_is_refused_and_the_old_file_stays(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "t.parquet")
    before = (tmp_path / "t.parquet").read_bytes()
    with pytest.raises(DataError, match="give each column one type"):
        write_parquet(pd.DataFrame({"x": [1, "a"]}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").read_bytes() == before


def test_a_missing_file_is_refused_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.parquet: no such file; run the stage"):
        read_parquet(tmp_path / "t.parquet")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes((tmp_path / "t.parquet").read_bytes()[:-20])
    with pytest.raises(DataError, match="damaged"):
        read_parquet(tmp_path / "t.parquet")


def test_a_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    write_parquet(rows(), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no column 'z'; it has id, time, x, s, y"):
        read_parquet(tmp_path / "t.parquet", ["id", "z"])


def test_a_split_is_read_only_as_it_was_profiled(tmp_path: Path) -> None:
    rows = parts()
    path = tmp_path / paths.split("test")
    write_parquet(rows["test"], path)
    data = section(rows)
    split = msgspec.structs.replace(data.splits["test"], sha256=sha256_file(path))
    data = msgspec.structs.replace(data, splits=data.splits | {"test": split})
    assert list(read_split(tmp_path, "test", data)["id"]) == list(rows["test"]["id"])
    write_parquet(rows["test"].assign(y=0), path)
    with pytest.raises(DataError, match="--forcerun preprocess"):
        read_split(tmp_path, "test", data)
    path.unlink()
    with pytest.raises(DataError, match="found sha256 no file"):
        read_split(tmp_path, "test", data)


class TestArrays:
    def test_come_back_as_they_were_and_are_lists_of_one_size(self, tmp_path: Path) -> None:
        frame = with_arrays()
        write_parquet(frame, tmp_path / "t.parquet")
        again = read_parquet(tmp_path / "t.parquet")
        assert list(again.columns) == list(frame.columns)
        assert str(pq.read_schema(tmp_path / "t.parquet").field("p").type) == "fixed_size_list<element: float>[6]"
        found = columns.stacked(again["p"], (2, 3))
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, columns.stacked(frame["p"], (2, 3)))

    def test_equal_tables_are_equal_bytes(self, tmp_path: Path) -> None:
        write_parquet(with_arrays(), tmp_path / "one.parquet")
        write_parquet(read_parquet(tmp_path / "one.parquet"), tmp_path / "other.parquet")
        assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()

    def test_of_another_type_keep_it(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"probability": [np.array([0.1, 0.9]), np.array([0.5, 0.5])]})
        write_parquet(frame, tmp_path / "t.parquet")
        assert read_parquet(tmp_path / "t.parquet")["probability"].iloc[0].dtype == np.float64

    def test_of_several_lengths_are_refused(self, tmp_path: Path) -> None:
        frame = pd.DataFrame({"p": [np.zeros(3), np.zeros(2), np.zeros(4)]})
        with pytest.raises(DataError, match="'p' has arrays of several lengths"):
            write_parquet(frame, tmp_path / "t.parquet")

    def test_no_rows_have_the_types_of_many_where_the_schema_is_known(self) -> None:
        schema = Schema(id="id", target="y", features={"p": Column(type="array", shape=(2, 3))})
        assert to_arrow(with_arrays()[:0], schema).schema == to_arrow(with_arrays(), schema).schema

    def test_of_no_rows_are_stacked_to_none(self) -> None:
        assert columns.stacked(with_arrays()["p"][:0], (2, 3)).shape == (0, 2, 3)


def with_arrays() -> pd.DataFrame:
    stacked = np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    frame = rows()
    frame.insert(2, "p", columns.unstacked(stacked))
    return frame


class TestTraining:
    @pytest.mark.parametrize("folds", [0, 3])
    def test_each_seed_validates_on_its_fold_and_trains_on_all_others(self, folds: int, tmp_path: Path) -> None:
        data = in_folds(tmp_path, folds)
        for seed in range(7):
            train, validation = read_training(tmp_path, data, ["id", "p"], seed)
            assert list(train) == list(validation) == ["id", "p"]
            assert list(train.index) == list(range(len(train)))
            fold = seed % folds if folds else 0
            assert list(validation["id"]) == [f"{fold}{place}" for place in range(4)]
            assert sorted([*train["id"], *validation["id"]]) == [f"{f}{place}" for f in range(3) for place in range(4)]

    def test_an_edited_file_is_refused(self, tmp_path: Path) -> None:
        data = in_folds(tmp_path, 3)
        write_parquet(rows(), tmp_path / paths.split("train"))
        with pytest.raises(DataError, match="--forcerun preprocess"):
            read_training(tmp_path, data, ["id"], 1)


def in_folds(root: Path, folds: int) -> DataSection:
    """Write twelve rows in three folds, or the same without any, as ``preprocess`` does."""
    fold = np.repeat(np.arange(3, dtype="int8"), 4)
    frame = pd.DataFrame({"id": [f"{f}{place % 4}" for place, f in enumerate(fold)], "p": list(np.zeros((12, 2)))})
    train = frame[fold > 0].reset_index(drop=True)
    write_parquet(train.assign(fold=fold[fold > 0]) if folds else train, root / paths.split("train"))
    write_parquet(frame[fold == 0].reset_index(drop=True), root / paths.split("validation"))
    data = section(parts())
    splits = {
        name: msgspec.structs.replace(data.splits[name], sha256=sha256_file(root / paths.split(name)))
        for name in ("train", "validation")
    }
    return msgspec.structs.replace(data, splits=data.splits | splits, folds=folds)
