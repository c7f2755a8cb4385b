"""Canonical rows: one type a column whatever came, the same in batches as in one, and each fault told by name."""

import datetime as dt
import decimal
import itertools
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.data import columns
from weighbridge.data.canonical import canonical
from weighbridge.data.problems import of_schema, of_total
from weighbridge.data.schema import Column, Schema
from weighbridge.data.tables import to_arrow
from weighbridge.errors import DataError

SCHEMA = Schema(
    id="id",
    time="time",
    group="group",
    weight="weight",
    target="y",
    labels=("red", "green", "blue"),
    features={
        "number": Column(type="number"),
        "text": Column(type="string"),
        "flag": Column(type="boolean"),
        "when": Column(type="time"),
        "image": Column(type="array", shape=(2, 3)),
    },
)
NUMBERS = msgspec.structs.replace(SCHEMA, labels=())
PLAIN = Schema(id="id", target="y", features={"number": Column(type="number")})
COUNT = 6


def table(**changes: Any) -> pd.DataFrame:
    """Six rows of every type."""
    found = {
        "id": [f"r{i}" for i in range(COUNT)],
        "time": pd.date_range("2026-01-01", periods=COUNT),
        "group": ["g", "h"] * 3,
        "weight": [0, 1, 2, 3, 4, 5],
        "number": [1.5, None, 3, 4, 5, 6],
        "text": ["a", None, "c", "a", "b", "c"],
        "flag": [True, False, None, True, False, True],
        "when": [dt.date(1970, 1, 2), None, *[dt.date(1969, 12, 31)] * 4],
        "image": [np.arange(6).reshape(2, 3) + i for i in range(COUNT)],
        "y": [0, 1, 2, 0, 1, 2],
        "part": [1, 2, None, 1, 2, 3],
    }
    return pd.DataFrame(found | changes)


def refused(frame: Any, schema: Schema = SCHEMA, extra: tuple[str, ...] = ()) -> str:
    with pytest.raises(DataError) as error:
        canonical(frame, schema, extra)
    return str(error.value)


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    assert to_arrow(one, SCHEMA).equals(to_arrow(other, SCHEMA))
    assert one.dtypes.equals(other.dtypes)


class TestTypes:
    def test_are_those_of_the_contract_in_the_order_of_the_roles(self) -> None:
        rows, dropped = canonical(table(), SCHEMA, ["part"])
        assert {name: str(kind) for name, kind in rows.dtypes.items()} == {
            "id": "str",
            "time": "datetime64[us, UTC]",
            "group": "str",
            "number": "float32",
            "text": "str",
            "flag": "float32",
            "when": "float32",
            "image": "object",
            "weight": "float32",
            "y": "int8",
            "part": "str",
        }
        assert dropped == 0
        assert rows["image"].iloc[1].dtype == np.float32
        assert rows["image"].iloc[1].tolist() == [1, 2, 3, 4, 5, 6]

    def test_booleans_times_and_gaps_become_what_models_see(self) -> None:
        rows, _ = canonical(table(), SCHEMA, ["part"])
        assert rows["flag"].fillna(-1).tolist() == [1, 0, -1, 1, 0, 1]
        assert rows["when"].fillna(9).tolist() == [1, 9, -1, -1, -1, -1]
        assert rows["text"].tolist() == ["a", "", "c", "a", "b", "c"]
        assert rows["part"].tolist() == ["1", "2", "", "1", "2", "3"]

    def test_times_of_a_feature_are_days_with_their_fraction_in_utc(self) -> None:
        noon = pd.Timestamp("1970-01-11T12:00", tz="Asia/Tokyo")
        rows, _ = canonical(table(when=noon), SCHEMA)
        assert rows["when"].tolist() == [10.125] * COUNT

    def test_rows_keep_their_order_and_those_without_a_target_are_dropped_and_counted(self) -> None:
        rows, dropped = canonical(table(y=[2, None, 1, None, 0, 0], id=list("zyxwvu")), SCHEMA)
        assert (rows["id"].tolist(), rows["y"].tolist(), dropped) == (list("zxvu"), [2, 1, 0, 0], 2)

    def test_an_extra_column_that_the_schema_has_is_kept_once(self) -> None:
        assert list(canonical(table(), PLAIN, ["number", "id", "part", "part"])[0]) == ["id", "number", "y", "part"]

    @pytest.mark.parametrize(
        "values",
        [
            [np.arange(6.0)] * COUNT,
            [[[0, 1, 2], [3, 4, 5]]] * COUNT,
            [[0, 1, 2, 3, 4, 5]] * COUNT,
            [np.arange(6, dtype="uint8").reshape(2, 3)] * COUNT,
            [np.array([np.arange(3), np.arange(3, 6)], dtype=object)] * COUNT,
            [np.arange(6).reshape(2, 3), [0, 1, 2, 3, 4, 5]] * 3,
        ],
        ids=["flat", "nested lists", "flat lists", "bytes", "objects", "mixed"],
    )
    def test_arrays_are_taken_however_they_are_held(self, values: list[Any]) -> None:
        rows, _ = canonical(table(image=values), SCHEMA)
        np.testing.assert_array_equal(columns.stacked(rows["image"], (6,)), [np.arange(6)] * COUNT)

    @pytest.mark.parametrize(
        ("changes", "name", "expected"),
        [
            ({"number": [decimal.Decimal("1.5"), None] * 3}, "number", [1.5, -1] * 3),
            ({"number": pd.Series([1, None, 2.5] * 2, dtype=object)}, "number", [1, -1, 2.5] * 2),
            ({"flag": [0, 1.0, None] * 2}, "flag", [0, 1, -1] * 2),
            ({"flag": pd.array([True, None, False] * 2, dtype="boolean")}, "flag", [1, -1, 0] * 2),
            ({"flag": None}, "flag", [-1] * COUNT),
            ({"when": None}, "when", [-1] * COUNT),
            ({"when": [dt.datetime(1970, 1, 2)] * COUNT}, "when", [1] * COUNT),  # noqa: DTZ001 - is taken as UTC
            ({"weight": pd.array([1] * COUNT, dtype="Int64")}, "weight", [1] * COUNT),
        ],
        ids=["decimals", "objects", "numbers", "nullable", "no flag", "no time", "datetimes", "integers"],
    )
    def test_the_ways_in_which_values_come_are_all_taken(
        self, changes: dict[str, Any], name: str, expected: list[float]
    ) -> None:
        rows, _ = canonical(table(**changes), SCHEMA)
        assert rows[name].dtype == np.float32
        assert rows[name].fillna(-1).tolist() == expected


class TestTargets:
    @pytest.mark.parametrize(
        "values",
        [
            [0, 1, 2, None, 1, 2],
            ["red", "green", "blue", None, "green", "blue"],
            ["red", "green", "blue", "", "green", "blue"],
            pd.Categorical(["red", "green", "blue", None, "green", "blue"]),
            pd.array([0, 1, 2, None, 1, 2], dtype="Int8"),
        ],
        ids=["numbers", "labels", "empty", "categories", "nullable"],
    )
    def test_are_numbers_of_classes_or_their_labels(self, values: Any) -> None:
        rows, dropped = canonical(table(y=values), SCHEMA)
        assert (rows["y"].tolist(), str(rows["y"].dtype), dropped) == ([0, 1, 2, 1, 2], "int8", 1)

    def test_of_two_classes_may_be_booleans(self) -> None:
        two = msgspec.structs.replace(SCHEMA, labels=("no", "yes"))
        assert canonical(table(y=[True, False, None] * 2), two)[0]["y"].tolist() == [1, 0, 1, 0]
        assert "found bool" in refused(table(y=[True, False] * 3))

    @pytest.mark.parametrize(("count", "kind"), [(127, "int8"), (128, "int16")])
    def test_of_many_classes_are_wide_enough(self, count: int, kind: str) -> None:
        many = msgspec.structs.replace(SCHEMA, labels=tuple(f"c{i}" for i in range(count)))
        rows, _ = canonical(table(y=[f"c{count - 1}"] * COUNT), many)
        assert (str(rows["y"].dtype), rows["y"].iloc[0]) == (kind, count - 1)

    def test_of_a_regression_are_doubles(self) -> None:
        rows, dropped = canonical(table(y=[0.1, None, 3, 4, 5, 6]), NUMBERS)
        assert (str(rows["y"].dtype), rows["y"].iloc[0], dropped) == ("float64", 0.1, 1)

    def test_that_are_numbers_are_refused_where_labels_are_numbers_too(self) -> None:
        """Whether 1 is the second class or the label ``1`` can't be told."""
        grades = msgspec.structs.replace(SCHEMA, labels=("1", "2", "3"))
        assert "labels are numbers of another order, 1, 2, 3" in refused(table(y=[1, 2] * 3), grades)
        assert canonical(table(y=["1", "2"] * 3), grades)[0]["y"].tolist() == [0, 1] * 3
        digits = msgspec.structs.replace(SCHEMA, labels=("0", "1", "2"))
        assert canonical(table(y=[1, 2] * 3), digits)[0]["y"].tolist() == [1, 2] * 3


class TestBatches:
    @settings(max_examples=12)  # each makes some five tables
    @given(cuts=st.lists(st.integers(0, COUNT), max_size=4), order=st.permutations(range(COUNT)))
    def test_are_together_the_same_as_the_whole(self, cuts: list[int], order: list[int]) -> None:
        """Whatever is all missing in one: of each column some row has no value."""
        frame = table(y=["red", "green", None, "blue", "red", None]).iloc[order]
        whole, dropped = canonical(frame, SCHEMA, ["part"])
        bounds = [0, *sorted(cuts), COUNT]
        found = [canonical(frame[a:b], SCHEMA, ["part"]) for a, b in itertools.pairwise(bounds)]
        same(pd.concat([rows for rows, _ in found], ignore_index=True), whole)
        assert sum(count for _, count in found) == dropped
        for rows, _ in found:
            assert rows.dtypes.equals(whole.dtypes)
            assert to_arrow(rows, SCHEMA).schema == to_arrow(whole, SCHEMA).schema

    @pytest.mark.parametrize("form", ["Table", "RecordBatch", "dtypes"])
    def test_of_arrow_are_taken(self, form: str) -> None:
        arrow = pa.Table.from_pandas(table(image=[[[i, 1, 2], [3, 4, 5]] for i in range(COUNT)]))
        given: Any = {"Table": arrow, "RecordBatch": arrow.to_batches()[0]}.get(form)
        if form == "dtypes":
            given = arrow.to_pandas(types_mapper=pd.ArrowDtype)
        same(canonical(given, SCHEMA, ["part"])[0], canonical(arrow.to_pandas(), SCHEMA, ["part"])[0])

    def test_of_arrow_that_remember_an_index_of_pandas_keep_their_rows_together(self) -> None:
        """An index that counts down, begins late, or is a column: its rows are those of the table, in its order."""
        rows = table(image=[[[i, 1, 2], [3, 4, 5]] for i in range(COUNT)])
        for indexed in (rows[::-1], rows[2:], rows.set_index("id")):
            expected = canonical(indexed.reset_index(drop=indexed.index.name is None), SCHEMA, ["part"])[0]
            same(canonical(pa.Table.from_pandas(indexed), SCHEMA, ["part"])[0], expected)

    def test_without_rows_are_no_fault_but_a_table_without_any_is(self) -> None:
        rows, dropped = canonical(table()[:0], SCHEMA)
        assert (len(rows), dropped) == (0, 0)
        assert list(of_total(0, 0, SCHEMA)) == ["no rows"]
        assert list(of_total(0, 7, SCHEMA)) == ["target 'y': missing in all rows"]
        assert not list(of_total(1, 7, SCHEMA))

    def test_may_be_spared_the_search_for_repeated_ids(self) -> None:
        assert len(canonical(table(id="r"), SCHEMA, repeats=False)[0]) == COUNT
        assert "repeat an earlier one" in refused(table(id="r"))


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"flag": [0, 2, 1] * 2}, "feature 'flag': found 2.0 in 2 of 6 rows, expected true or 1, false or 0"),
            ({"flag": "yes"}, "feature 'flag': found str (string, e.g. 'yes'), expected true, false or missing"),
            (
                {"text": pd.Series(["\ud800"] * COUNT, dtype=object)},
                "feature 'text': found object (string, e.g. '\\ud800'), which can't be taken: 'utf-8' codec",
            ),
            (
                {"id": pd.Series(["\ud800", *"abcde"], dtype=object)},
                "id 'id': found object (string, e.g. '\\ud800'), which can't be taken",
            ),
            ({"when": np.datetime64("300000-01-01", "s")}, "which can't be taken: Out of bounds"),
            ({"when": 7}, "feature 'when': found int64 (integer, e.g. 7), expected times"),
            ({"number": [1.0] * 5 + [np.inf]}, "too large for float32, in 1 of 6 rows, first in the row of id 'r5'"),
            (
                {"weight": [1, 1, -1, None, 1, 1]},
                "weight 'weight': negative or missing in 2 of 6 rows, first in the row",
            ),
            ({"weight": ["1"] * COUNT}, "weight 'weight': found str"),
            ({"weight": [np.inf] * COUNT}, "weight 'weight': infinite"),
            (
                {"y": ["red", "pink", "mauve"] * 2},
                "target 'y': found 'pink', 'mauve' in 4 of 6 rows, expected 0 or 'red',",
            ),
            ({"y": ["red", 1] * 3}, "target 'y': found object (mixed-integer, e.g. 'red', 1), expected 0 or 'red'"),
            ({"number": [1, "a"] * 3}, "feature 'number': found object (mixed-integer, e.g. 'a'), expected numbers"),
            ({"text": ["a", 1.5] * 3}, "feature 'text': found object (mixed, e.g. 1.5), expected text"),
            (
                {"when": [dt.date(2026, 1, 1), 7] * 3},
                "feature 'when': found object (mixed-integer, e.g. 7), expected times",
            ),
            ({"y": [0, 3] * 3}, "target 'y': found 3 in 3 of 6 rows, expected 0 or 'red', 1 or 'green', 2 or 'blue'"),
        ],
        ids=lambda value: value[:20] if isinstance(value, str) else "",
    )
    def test_a_bad_column(self, changes: dict[str, Any], message: str) -> None:
        assert message in refused(table(**changes))

    @pytest.mark.parametrize(
        ("bad", "message"),
        [
            (np.zeros((3, 2)), "found shape (3, 2) in the row of id 'r4', expected (2, 3); wrong in 1 of 6 rows"),
            ([[1, 2, 3], [4, 5]], "found no numbers of one shape in the row of id 'r4'"),
            (None, "found no numbers of one shape in the row of id 'r4'"),
            ("picture", "found no numbers of one shape in the row of id 'r4'"),
            (
                np.full((2, 3), np.nan),
                "infinite, missing or too large for float32 in 1 of 6 rows, first in the row of id",
            ),
        ],
        ids=["shape", "ragged", "none", "text", "nan"],
    )
    def test_an_array_that_is_none_of_its_shape(self, bad: Any, message: str) -> None:
        images = list(table()["image"])
        images[4] = bad
        assert f"feature 'image': {message}" in refused(table(image=pd.Series(images, dtype=object)))

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ([1.0] * 5 + [np.inf], "infinite in 1 of 6 rows, first in the row of id 'r5'"),
            ([True] * COUNT, "found bool (boolean, e.g. True), expected numbers; name its labels in the schema"),
            (["a"] * COUNT, "expected numbers; name its labels in the schema"),
            ([1, 2, 3, 4, 5, "a"], "found object (mixed-integer, e.g. 'a'), expected numbers"),
            (
                [1.0, None, -1e300, 3.0, 4.0, 2e300],
                "target 'y': found -1e+300 in the row of id 'r2', expected at most 1e+30, for predictions are float32;",
            ),
        ],
        ids=["infinite", "boolean", "text", "mixed", "huge"],
    )
    def test_a_number_to_predict_that_is_none(self, values: list[Any], message: str) -> None:
        assert message in refused(table(y=values), NUMBERS)

    def test_an_id_that_is_the_index_with_how_to_make_it_a_column(self) -> None:
        assert "id 'id': no such column; the frame's index has this name: make it a column with reset_index()" in (
            refused(table().set_index("id"))
        )

    def test_what_is_no_table(self) -> None:
        assert "found builtins.dict, expected a pandas.DataFrame or a pyarrow.Table" in refused({"id": [1]})

    def test_every_column_at_once_with_the_nearest_name(self) -> None:
        arrow = pa.Table.from_pandas(table(flag="x", y=9).rename(columns={"number": "numbr"}).drop(columns="image"))
        message = refused(arrow, SCHEMA, ("parts",))
        assert message.startswith("the data can't be used, 5 problems")
        assert "feature 'number': no such column; did you mean 'numbr'?" in message
        assert "feature 'image': no such column" in message
        assert "column 'parts': no such column; did you mean 'part'?" in message
        assert "feature 'flag': found str" in message
        assert "target 'y': found 9 in 6 of 6 rows" in message

    def test_two_columns_of_one_name_in_arrow(self) -> None:
        arrow = pa.table({"id": ["a"], "number": [1], "y": [1.5]})
        twice = arrow.append_column("number", arrow["number"])
        assert "feature 'number': 2 columns of this name" in refused(twice, PLAIN)


class TestSchema:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"weight": "y"}, "'y' has two roles; id, time, group, weight, target must be different columns"),
            ({"features": {"weight": Column(type="number")}}, "feature 'weight' is also id, time, group or weight"),
            ({"labels": ("a", "b", "a")}, "labels: 'a' repeated; each class needs a label of its own"),
            ({"labels": ("a", "")}, "labels: one is empty"),
            ({"labels": ("a", "b\n")}, r"labels: 'b\n' hold line breaks or other control characters"),
            ({"features": {"": Column(type="number")}}, "feature '' has an empty name or control characters"),
            ({"features": {"a\0": Column(type="number")}}, r"feature 'a\x00' has an empty name or control characters"),
            ({"labels": ("a",)}, "labels: one class only, 'a'; expected two or more, or none to predict a number"),
            ({"unit": "km"}, "unit 'km' is for a number that is predicted"),
            ({"labels": "ab"}, "Expected `array`, got `str` - at `$.labels`"),
            ({"features": {"probability": Column(type="number")}}, "'probability' has the name of an output"),
        ],
        ids=lambda value: value[:24] if isinstance(value, str) else "",
    )
    def test_that_can_not_be(self, changes: dict[str, Any], message: str) -> None:
        assert message in refused(table(), msgspec.structs.replace(SCHEMA, **changes))

    def test_an_output_of_a_regression_is_its_prediction(self) -> None:
        features = {"prediction": Column(type="number"), "label": Column(type="number")}
        (problem,) = of_schema(msgspec.structs.replace(NUMBERS, features=features))
        assert "'prediction' has the name of an output" in problem

    @pytest.mark.parametrize(
        ("column", "message"),
        [
            (Column(type="array"), "an array without a shape; declare it, such as shape=(28, 28)"),
            (Column(type="number", shape=(2,)), "shape (2,) is for arrays"),
            (Column(type="array", shape=(2, 0)), "Expected `int` >= 1 - at `$.features[...].shape[1]`"),
            (Column(type="array", shape=(2,), values=("a",)), "values are for text"),
            (Column(type="boolean", maximum=1), "minimum and maximum are for numbers"),
            (Column(type="time", minimum=1), "minimum and maximum are for numbers"),
            (Column(type="date"), "Invalid enum value 'date' - at `$.features[...].type`"),  # type: ignore[arg-type]
            (Column(type="number", known="2"), "Expected `float`, got `str`"),  # type: ignore[arg-type]
        ],
        ids=lambda value: value[:24] if isinstance(value, str) else "",
    )
    def test_a_column_that_can_not_be(self, column: Column, message: str) -> None:
        assert message in refused(table(), msgspec.structs.replace(SCHEMA, features={"x": column}))

    def test_limits_of_an_array_are_those_of_its_numbers(self) -> None:
        ranged = Column(type="array", shape=(2, 3), minimum=0, maximum=255)
        assert not list(of_schema(msgspec.structs.replace(SCHEMA, features={"image": ranged})))
