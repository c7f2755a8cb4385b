"""Rows on their way to the parts: the same bytes whichever way they come, in one order, in row groups of one size."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rows import SCHEMA, SETTINGS, table
from pyarrow import parquet

from weighbridge import settings
from weighbridge.data.batches import Batches, frame
from weighbridge.data.order import Runs
from weighbridge.data.prepare import Behind, Prepared, prepare
from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import PARTS
from weighbridge.errors import DataError, SettingsError

KINDS = Schema(
    id="id",
    target="species",
    labels=("a", "b", "c"),
    weight="w",
    features={
        "x": Column(type="number"),
        "s": Column(type="string"),
        "b": Column(type="boolean"),
        "day": Column(type="time"),
        "image": Column(type="array", shape=(1, 2, 2)),
    },
)
RULES: dict[str, settings.Split] = {
    "by chance": settings.RandomSplit(),
    "by a column": settings.ColumnSplit(column="which"),
    "in folds": settings.FoldSplit(folds=3),
}


def of_all_kinds(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    some = pd.DataFrame(
        {
            "id": [f"r{number}" for number in range(rows)],
            "x": random.normal(size=rows),
            "s": np.resize(["p", "q", None], rows),
            "b": random.integers(0, 2, rows).astype(bool),
            "day": pd.Timestamp("2026-01-01") + pd.to_timedelta(random.integers(0, 99, rows), unit="D"),
            "image": list(random.normal(size=(rows, 1, 2, 2)).astype("float32")),
            "w": random.random(rows),
            "species": np.resize(["a", "b", "c"], rows),
            "which": np.resize(["train", "train", "train", "validation", "test"], rows),
        }
    )
    return some.sample(frac=1, random_state=1, ignore_index=True)


def prepared(folder: Path, loaded: Any, schema: Schema = SCHEMA, rule: settings.Split = SETTINGS.split) -> Prepared:
    return prepare(Batches(loaded), schema, rule, {name: folder / f"{name}.parquet" for name in PARTS})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def in_batches(rows: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
    yield from (rows.iloc[start : start + size] for start in range(0, len(rows), size))


@pytest.mark.parametrize("rule", RULES)
def test_batches_give_the_same_bytes_as_the_whole_table(tmp_path: Path, rule: str) -> None:
    rows = of_all_kinds()
    arrow = pa.table(
        {**{name: rows[name] for name in rows if name != "image"}, "image": [i.ravel() for i in rows["image"]]}
    )
    ways: dict[str, Any] = {
        "frame": rows,
        "batches": in_batches(rows, 7),
        "the other way round": in_batches(rows.iloc[::-1], 11),
        "arrow": arrow,
        "record batches": iter(arrow.to_batches(max_chunksize=13)),
    }
    found = {}
    for name, loaded in ways.items():
        prepared(tmp_path / name, loaded, KINDS, RULES[rule])
        found[name] = contents(tmp_path / name)
    assert list(found["frame"]) == ["test.parquet", "train.parquet", "validation.parquet"]
    assert [name for name in found if found[name] != found["frame"]] == []


def test_rows_of_several_runs_are_sorted_and_written_in_row_groups_of_one_size(tmp_path: Path) -> None:
    count = 300_000
    random = np.random.default_rng(0)
    seconds = pd.to_timedelta(random.integers(0, 6 * 86_400, count), unit="s")
    rows = pd.DataFrame({"id": np.arange(count)[::-1], "time": pd.Timestamp("2026-01-01") + seconds, "s": "a"})
    rows = rows.assign(day="d", x=np.arange(count, dtype="float32"), y=np.arange(count) % 2)
    parts = prepared(tmp_path, in_batches(rows, 50_000)).parts
    assert sum(map(len, parts.values())) == count
    for name, part in parts.items():
        found = pd.DataFrame({column: part[column] for column in ("time", "id", "x")})
        expected = rows.assign(id=rows["id"].astype("str"), time=rows["time"].dt.tz_localize("UTC").dt.as_unit("us"))
        expected = expected[expected["id"].isin(found["id"])].sort_values(["time", "id"], ignore_index=True)
        pd.testing.assert_frame_equal(found, expected[["time", "id", "x"]])
        file = parquet.ParquetFile(tmp_path / f"{name}.parquet")
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        assert sizes[:-1] == [1 << 17] * (len(sizes) - 1)
        assert sum(len(read()) for read in part.batches(["x"])) == len(part)


@given(
    keys=st.lists(st.tuples(st.integers(0, 5), st.text(max_size=3)), unique=True),
    size=st.integers(1, 9),
    batch=st.integers(1, 7),
)
def test_runs_of_any_size_give_all_rows_in_order(
    tmp_path_factory: pytest.TempPathFactory, keys: list[tuple[int, str]], size: int, batch: int
) -> None:
    runs = Runs([tmp_path_factory.mktemp("runs")], ["number", "text"], size)
    given_ = pa.table(
        {"number": pa.array([n for n, _ in keys], "int64"), "text": pa.array([t for _, t in keys], "string")}
    )
    for start in range(0, len(keys), batch):
        runs.add(given_[start : start + batch])
    runs.close()
    merged = list(runs.merged(["number", "text"]))
    found = [tuple(row.values()) for each in merged for row in each.rows.to_pylist()]
    assert found == sorted(keys)
    spilt = [tuple(row.values()) for each in runs.columns(["number", "text"]) for row in each.to_pylist()]
    assert [spilt[place] for each in merged for place in each.positions] == found


def test_the_training_rows_of_a_cross_validation_tell_their_fold(tmp_path: Path) -> None:
    parts = prepared(tmp_path, of_all_kinds(), KINDS, settings.FoldSplit(folds=3)).parts
    assert sorted(parts["train"]["fold"].unique()) == [1, 2]
    assert "fold" not in parquet.read_schema(tmp_path / "validation.parquet").names


def test_ids_of_two_batches_that_are_the_same_are_refused(tmp_path: Path) -> None:
    rows = table(id=[*(f"r{number}" for number in range(11)), "r0"])
    with pytest.raises(DataError, match="id 'id': 1 of 12 rows repeat an earlier one"):
        prepared(tmp_path, in_batches(rows, 4))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("kind", ["numbers", "moments"])
def test_groups_stay_whole_however_each_batch_holds_them(tmp_path: Path, kind: str) -> None:
    """A batch of whole numbers and one of floats, or of midnights and of other moments, have groups in common."""
    schema = Schema(id="id", target="y", group="g", labels=("a", "b"), features={"x": Column(type="number")})
    places = np.repeat(np.arange(40), 10)
    rows = pd.DataFrame({"id": np.arange(400), "g": places, "x": 0.5, "y": np.resize([0, 1, 1], 400)})
    second = rows["g"].astype(float)
    if kind == "moments":
        rows["g"] = second = pd.Timestamp("2026-01-01") + pd.to_timedelta(places, unit="D")
    odd = rows.iloc[1::2].assign(g=second[1::2], id=rows["id"].iloc[1::2].astype(float))
    if kind == "moments":
        odd.loc[odd.index[0], "g"] += pd.Timedelta("1s")
    targets = {name: tmp_path / f"{name}.parquet" for name in PARTS}
    prepare(Batches(iter([rows.iloc[::2], odd])), schema, settings.GroupSplit(), targets)
    found = {name: pd.read_parquet(path) for name, path in targets.items()}
    groups = [group for part in found.values() for group in part["g"].unique()]
    assert len(groups) == len(set(groups)) == 40 + (kind == "moments")
    assert sorted(int(key) for part in found.values() for key in part["id"]) == list(range(400))


def test_batches_of_two_kinds_are_taken_again_as_they_were_last_time() -> None:
    rows = [pd.DataFrame({"g": [1, 2]}), pd.DataFrame({"g": ["A3"]})]
    first = Batches(iter(rows))
    assert sum(map(len, first)) == 3
    again = Batches(iter(rows), first.columns, ["g"])
    assert sum(map(len, again)) == 3
    with pytest.raises(DataError, match="'g' is bool, last time it was int64 or string"):
        list(Batches(pd.DataFrame({"g": [True]}), first.columns, ["g"]))


def test_a_problem_of_a_later_batch_is_told_with_its_rows(tmp_path: Path) -> None:
    rows = table(x=[np.inf, *np.arange(11.0)])
    with pytest.raises(DataError, match=r"infinite.* in 1 of 4 rows.*\nfound in rows 9 to 12 of what was loaded"):
        prepared(tmp_path, in_batches(rows, 4))
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("loaded", "says"),
    [
        ([1, 2], "found builtins.list, expected a pandas.DataFrame, a pyarrow.Table, or an iterator of either"),
        (None, "found builtins.NoneType, expected a pandas.DataFrame"),
        (iter(["rows"]), "batch 1: found builtins.str, expected a pandas.DataFrame"),
        (iter([]), "no rows"),
        (table()[:0], "no rows"),
        (iter([table()[:0], table()[:0]]), "no rows"),
        (table(y=None), "target 'y': missing in all rows"),
    ],
    ids=["list", "nothing", "texts", "no batches", "empty table", "empty batches", "no target"],
)
def test_what_is_no_table_of_rows_is_refused(tmp_path: Path, loaded: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        prepared(tmp_path, loaded)
    assert contents(tmp_path) == {}


def test_a_split_that_cannot_be_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    def never() -> Iterator[pd.DataFrame]:
        raise AssertionError
        yield

    with pytest.raises(SettingsError, match="the schema names no time"):
        prepared(tmp_path, never(), msgspec.structs.replace(SCHEMA, time=None))


def test_rows_in_no_part_are_left_out_and_rows_without_a_target_are_counted(tmp_path: Path) -> None:
    found = prepared(
        tmp_path, table(time=pd.date_range("2026-01-01", periods=12, freq="17h"), y=[None, *[0, 1] * 5, 0])
    )
    assert (found.dropped, sum(map(len, found.parts.values()))) == (1, 8)


def test_a_whole_table_of_batches_is_there_for_those_who_have_the_memory() -> None:
    pd.testing.assert_frame_equal(frame(in_batches(table(), 5)), table().reset_index(drop=True))


def test_what_fails_behind_is_raised_and_nothing_more_is_begun() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("behind")

    def work() -> None:
        with Behind() as behind:
            behind.do(fail)
            behind.do(done.append, 1)

    with pytest.raises(ValueError, match="behind"):
        work()
    assert done == []
