"""Rows: what is made of good ones, and that each kind of bad one is refused by name, all at once."""

from typing import Any, get_args

import msgspec
import numpy as np
import pandas as pd
import pytest
from made_rows import DIGESTS, RAW, SCHEMA, SETTINGS, parts, section, table
from whole_rows import prepare

from weighbridge.data.profile import profile
from weighbridge.data.schema import Column, Schema
from weighbridge.documents import dump, parse, typed
from weighbridge.errors import DataError
from weighbridge.manifest import Check, DataSection
from weighbridge.settings import DataCheck


def refused(frame: Any, schema: Schema = SCHEMA) -> str:
    with pytest.raises(DataError) as error:
        prepare(frame, schema)
    return str(error.value)


def check(name: str, found: dict[str, pd.DataFrame]) -> tuple[bool, str]:
    (only,) = (check for check in section(found).checks if name in check.name)
    return only.passed, only.found


LETTERS = Column(type="string", known=24.0, values=("a", "c"))


def in_range(found: dict[str, pd.DataFrame], **columns: Column) -> Check:
    schema = msgspec.structs.replace(SCHEMA, features={**SCHEMA.features, **columns})
    (only,) = (check for check in profile(found, schema, RAW, SETTINGS, 3, DIGESTS).checks if check.key == "ranges")
    return only


class TestPrepare:
    def test_columns_and_types_are_the_canonical_ones_and_no_others(self) -> None:
        rows, dropped = prepare(table(), SCHEMA)
        assert {name: str(kind) for name, kind in rows.dtypes.items()} == {
            "id": "str",
            "time": "datetime64[us, UTC]",
            "day": "str",
            "x": "float32",
            "s": "str",
            "y": "int8",
        }
        assert dropped == 0

    def test_rows_are_sorted_by_time_then_id(self) -> None:
        same = table(time=pd.Timestamp("2026-01-01", tz="UTC"))
        assert list(prepare(table(), SCHEMA)[0]["id"]) == list(prepare(same, SCHEMA)[0]["id"]) == sorted(table()["id"])

    def test_the_order_of_the_rows_that_come_does_not_matter(self) -> None:
        pd.testing.assert_frame_equal(
            prepare(table(), SCHEMA)[0], prepare(table().sample(frac=1, random_state=1), SCHEMA)[0]
        )

    def test_rows_without_a_target_are_dropped_and_counted(self) -> None:
        rows, dropped = prepare(table(y=[None, 1.0, np.nan, *[0.0] * 9]), SCHEMA)
        assert (dropped, list(rows["id"][:2])) == (2, ["r01", "r03"])

    def test_missing_text_is_the_empty_string_and_missing_numbers_are_nan(self) -> None:
        rows, _ = prepare(table(x=pd.array([None] * 2 + [1] * 10, dtype="Int64")), SCHEMA)
        assert list(rows["s"][:3]) == ["a", "b", ""]
        assert rows["x"].isna().sum() == 2

    def test_a_schema_without_groups_has_no_group_column(self) -> None:
        rows, _ = prepare(table(), msgspec.structs.replace(SCHEMA, group=None))
        assert list(rows) == ["id", "time", "x", "s", "y"]

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": range(12)},
            {"time": pd.date_range("2026-01-01", periods=12, freq="12h")},
            {"x": [True, False] * 6},
            {"x": pd.array([1.5] * 12, dtype="Float64")},
            {"x": [None] * 12},
            {"s": pd.Categorical(["a", "b", None] * 4)},
            {"s": pd.Series(["a", "b", None] * 4, dtype=object)},
            {"s": np.nan},
            {"y": [True, False] * 6},
            {"y": pd.array([0, 1, None] * 4, dtype="Int64")},
        ],
        ids=str,
    )
    def test_the_ways_in_which_pandas_holds_good_values_are_all_taken(self, changes: dict[str, Any]) -> None:
        rows, _ = prepare(table(**changes), SCHEMA)
        assert list(map(str, rows.dtypes)) == ["str", "datetime64[us, UTC]", "str", "float32", "str", "int8"]


class TestRefusedTables:
    def test_another_type_of_table(self) -> None:
        assert "found builtins.list, expected a pandas.DataFrame" in refused([1, 2])

    def test_no_rows(self) -> None:
        assert "no rows" in refused(table()[:0])

    @pytest.mark.parametrize("name", ["id", "time", "day", "x", "s", "y"])
    def test_a_missing_column(self, name: str) -> None:
        assert f"{name!r}: no such column" in refused(table().drop(columns=name))

    def test_a_missing_column_with_a_likely_name(self) -> None:
        assert "time 'time': no such column; did you mean 'Time'?" in refused(table().rename(columns={"time": "Time"}))

    def test_two_columns_of_one_name(self) -> None:
        doubled = pd.concat([table(), table()[["x"]]], axis=1)
        assert "feature 'x': 2 columns of this name" in refused(doubled)

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"x": ["1"] * 12}, "feature 'x': found str (string, e.g. '1'), expected numbers"),
            ({"x": [1j] * 12}, "feature 'x': found complex128"),
            ({"x": [np.inf, -np.inf] + [1.0] * 10}, "feature 'x': infinite, or too large for float32, in 2 of 12 rows"),
            ({"x": [1e39] + [1.0] * 11}, "feature 'x': infinite, or too large for float32, in 1 of 12 rows"),
            ({"s": [1.5] * 12}, "feature 's': found float64 (floating, e.g. 1.5), expected text"),
            ({"s": ["a", 1] * 6}, "feature 's': found object (mixed-integer, e.g. 1), expected text"),
            ({"s": pd.Categorical([1, 2] * 6)}, "feature 's': found category"),
            ({"id": ["r"] * 12}, "id 'id': 11 of 12 rows repeat an earlier one, e.g. 'r', 'r', 'r'"),
            ({"id": pd.Series([1, "1", *range(2, 12)], dtype=object)}, "id 'id': 1 of 12 rows repeat an earlier one"),
            ({"id": [None, ""] + [f"r{i}" for i in range(10)]}, "id 'id': missing in 2 of 12 rows"),
            ({"day": [None] + ["d"] * 11}, "group 'day': missing in 1 of 12 rows"),
            ({"time": ["2026-01-01"] * 12}, "time 'time': found str (string, e.g. '2026-01-01'), expected times"),
            ({"time": [pd.NaT, *[pd.Timestamp("2026-01-01")] * 11]}, "time 'time': missing in 1 of 12 rows"),
            ({"y": ["soon"] * 12}, "found 'soon' in 12 of 12 rows, expected 0 or 'on time', 1 or 'late', or missing"),
            ({"y": [0, 1, 2, -1] * 3}, "target 'y': found -1, 2 in 6 of 12 rows, expected 0 or 'on time', 1"),
            ({"y": [0.5, 1.0] * 6}, "target 'y': found 0.5 in 6 of 12 rows"),
            ({"y": [None] * 12}, "target 'y': missing in all rows"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_a_bad_column(self, changes: dict[str, Any], message: str) -> None:
        assert message in refused(table(**changes))

    @pytest.mark.parametrize("known", [-0.5, float("nan")])
    def test_a_leak(self, known: float) -> None:
        leak = {**SCHEMA.features, "arrival": Column(type="number", known=known)}
        message = refused(table(), msgspec.structs.replace(SCHEMA, features=leak))
        assert f"feature 'arrival' is a leak: known {known:g} hours before the prediction" in message

    def test_the_target_among_the_features(self) -> None:
        features = {"y": Column(type="number", known=1.0)}
        assert "feature 'y' is the target" in refused(table(), msgspec.structs.replace(SCHEMA, features=features))

    def test_a_column_of_two_roles(self) -> None:
        features = {"day": Column(type="string", known=1.0)}
        message = refused(table(), msgspec.structs.replace(SCHEMA, id="time", features=features))
        assert "schema: 'time' has two roles" in message
        assert "feature 'day' is also id, time, group or weight" in message

    def test_a_feature_named_as_an_output_of_the_model(self) -> None:
        features = {"label": Column(type="number", known=1.0)}
        message = refused(table(label=1.0), msgspec.structs.replace(SCHEMA, features=features))
        assert "feature 'label' has the name of an output" in message

    def test_no_features(self) -> None:
        assert "no features" in refused(table(), msgspec.structs.replace(SCHEMA, features={}))

    @pytest.mark.parametrize(
        ("column", "says"),
        [
            (Column(type="number", known=1.0, minimum=2.0, maximum=1.0), "minimum 2.0, maximum 1.0; expected finite"),
            (Column(type="number", known=1.0, minimum=float("nan")), "minimum nan, maximum None; expected finite"),
            (Column(type="number", known=1.0, values=("a",)), "values are for text; declare minimum and maximum"),
            (Column(type="string", known=1.0, maximum=1.0), "minimum and maximum are for numbers; declare the values"),
        ],
    )
    def test_a_range_that_nothing_can_keep(self, column: Column, says: str) -> None:
        schema = msgspec.structs.replace(SCHEMA, features={**SCHEMA.features, "x": column})
        assert f"schema: feature 'x': {says}" in refused(table(), schema)

    def test_every_problem_is_told_at_once(self) -> None:
        bad = table(x=np.inf, s=1, id="r", y=7)
        message = refused(bad.drop(columns="day"))
        assert message.startswith("the data can't be used, 5 problems")
        assert message.count("\n- ") == 5


class TestProfile:
    def test_the_section_says_what_is_in_the_parts(self) -> None:
        found = section(parts())
        assert (found.rows, found.dropped_rows, found.target, found.labels) == (12, 3, "y", ("on time", "late"))
        train = found.splits["train"]
        assert (train.rows, train.groups, train.target_rate, train.sha256) == (4, 2, 0.5, "1" * 64)
        assert (train.first, train.last) == ("2026-01-01T00:00:00Z", "2026-01-02T12:00:00Z")

    def test_features_carry_their_declaration_and_the_share_missing_in_training(self) -> None:
        x, s = section(parts()).features
        assert (x.name, x.type, x.unit, x.known_hours_before, x.missing_share) == ("x", "number", "km", 2.0, 0.0)
        assert (s.name, s.known_hours_before, s.missing_share) == ("s", 24.0, 0.25)

    def test_the_section_survives_being_written_and_read(self) -> None:
        found = section(parts())
        assert typed(parse(dump(found), "profile.yaml"), DataSection) == found

    def test_good_parts_hold_every_check(self) -> None:
        assert [check.name for check in section(parts()).checks if not check.passed] == []

    def test_groups_in_two_parts_are_counted(self) -> None:
        found = parts(table(day=["d0", *["d1"] * 5, *["d2"] * 6]))
        assert check("group", found) == (False, "2 of 3 groups ('day') in several parts")

    def test_parts_that_overlap_in_time_are_found(self) -> None:
        found = parts()
        assert check("older", found)[0]
        assert not check("older", {**found, "validation": found["test"], "test": found["validation"]})[0]

    def test_rows_that_are_alike_are_counted_within_and_across_parts(self) -> None:
        found = parts(table(x=[1.0, 2, 3, 1, 4, 5, 6, 7, 1, 1, 8, 9], s=["a"] * 12))
        assert check("no two rows", found) == (
            False,
            "2 of 12 rows have the same features as an earlier one of their part",
        )
        assert check("no row of a part", found) == (
            False,
            "2 of 8 rows have the same features as one of an earlier part",
        )

    def test_missing_values_are_alike_too(self) -> None:
        found = parts(table(x=[np.nan, np.nan, *range(10)], s=["a"] * 12))
        assert check("no two rows", found)[1].startswith("1 of 12 rows")

    def test_a_feature_first_missing_after_training_is_named(self) -> None:
        found = parts(table(x=[*range(11), np.nan]))
        assert check("missing later", found) == (False, "x first missing after training")

    def test_gates_know_each_check_by_its_key(self) -> None:
        assert {check.key for check in section(parts()).checks} == set(get_args(DataCheck))

    def test_features_carry_the_bins_of_their_training_rows(self) -> None:
        x, s = section(parts()).features
        assert (x.edges, x.shares) == ((), (1.0, 0.0))
        assert (s.values, s.shares) == (("a",), (0.5, 0.5))  # noqa: PD011 - a record, no column

    def test_rows_outside_of_a_declared_range_are_counted_by_column(self) -> None:
        found = in_range(parts(), x=Column(type="number", known=1.0, minimum=0.5, maximum=2.0), s=LETTERS)
        assert not found.passed
        assert found.found == (
            "x: 5 of 12 rows are not at least 0.5 and at most 2; s: 4 of 12 rows are not one of a, c"
        )

    def test_limits_belong_to_the_range_and_missing_values_are_always_allowed(self) -> None:
        rows = parts(table(x=[0.1, 0.3, np.nan] * 4))
        found = in_range(rows, x=Column(type="number", known=1.0, minimum=0.1, maximum=0.3))
        assert found.passed
        assert found.found == "1 of 2 features declare what may be found in them, and hold nothing else"
        assert in_range(rows, x=Column(type="number", known=1.0, maximum=0.2)).found.startswith("x: 4 of 12 rows")

    def test_the_feature_known_last_is_named(self) -> None:
        assert check("before the prediction", parts()) == (True, "2 features, the last known 2 hours before (x)")


class TestRefusedParts:
    @pytest.mark.parametrize("name", ["train", "validation", "test"])
    def test_an_empty_part(self, name: str) -> None:
        found = parts()
        with pytest.raises(DataError, match=f"{name}: no rows"):
            section({**found, name: found[name][:0]})

    def test_a_part_of_one_class(self) -> None:
        with pytest.raises(DataError, match=r"test: the target 'y' is 1 in all 4 rows"):
            section(parts(table(y=[0, 1] * 4 + [1] * 4)))

    def test_a_feature_that_is_never_there_in_training(self) -> None:
        with pytest.raises(DataError) as refusal:
            section(parts(table(x=[np.nan] * 4 + [1.0] * 8, s=[None] * 4 + ["a"] * 8)))
        assert "feature 'x': missing in all 4 rows of train" in str(refusal.value)
        assert "feature 's': missing in all 4 rows of train" in str(refusal.value)

    def test_every_problem_is_told_at_once(self) -> None:
        found = parts(table(y=[0] * 8 + [1] * 4))
        with pytest.raises(DataError, match="3 problems"):
            section({**found, "test": found["test"][:0]})
