"""Tables on disk: the same rows are the same bytes, and come back as they were."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from made_rows import parts, section

from weighbridge import paths
from weighbridge.data.tables import read_parquet, read_split, write_parquet
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError


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
