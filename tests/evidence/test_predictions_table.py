"""The table of predictions: what is written is what is read, and the last release's classes become this one's."""

from pathlib import Path

import numpy as np
import pytest
from flights_sample import make_manifest
from msgspec.structs import replace

from weighbridge import manifest
from weighbridge.data import tables
from weighbridge.errors import DataError
from weighbridge.evidence import predictions

_ONE = np.array([0.25, 0.5, 1.0])
_EACH = np.array([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0], [0.125, 0.125, 0.75]])


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("compared", [True, False])
def test_what_is_written_is_read_again(task: str, tmp_path: Path, *, compared: bool) -> None:
    new = _EACH if task == "multiclass" else _ONE
    table = predictions.table(["a", "b", "c"], None, [0, 1, 1], new, new[::-1] if compared else None, task)
    path = tmp_path / "predictions.parquet"
    tables.write_parquet(table, path)
    for frame in (table, tables.read_parquet(path)):
        found = predictions.arrays(frame, task)
        np.testing.assert_array_equal(found.new, new)
        np.testing.assert_array_equal(found.target, [0, 1, 1])
        assert (found.old is None) != compared
        assert frame["group"].isna().all()
    if compared:
        np.testing.assert_array_equal(found.old, new[::-1])


def test_lists_on_disk_are_of_one_size(tmp_path: Path) -> None:
    from pyarrow import parquet

    path = tmp_path / "predictions.parquet"
    tables.write_parquet(predictions.table([1, 2, 3], ["x", "x", "y"], [0, 1, 2], _EACH, None, "multiclass"), path)
    kind = parquet.read_schema(path).field("probability").type
    assert (str(kind.value_type), kind.list_size) == ("double", 3)


def test_the_column_is_named_by_what_it_holds() -> None:
    table = predictions.table([1, 2, 3], None, [0.5, 1.5, 2.5], _ONE, None, "regression")
    assert list(table) == ["id", "group", "target", "prediction", "baseline"]
    with pytest.raises(DataError, match="the predictions lack probability"):
        predictions.arrays(table, "binary")


def test_lists_where_numbers_belong_are_refused_and_the_other_way_round() -> None:
    several = predictions.table([1, 2, 3], None, [0, 1, 2], _EACH, None, "multiclass")
    with pytest.raises(DataError, match="expected one number a row"):
        predictions.arrays(several, "binary")
    with pytest.raises(DataError, match="expected a list of probabilities, one a class, a row"):
        predictions.arrays(predictions.table([1, 2, 3], None, [0, 1, 1], _ONE, None, "binary"), "multiclass")


def test_a_class_that_was_not_there_gets_nothing() -> None:
    found = predictions.onto_labels(_EACH, ("a", "b", "c"), ("c", "new", "a", "b"))
    np.testing.assert_array_equal(found, np.stack([_EACH[:, 2], np.zeros(3), _EACH[:, 0], _EACH[:, 1]], axis=1))


def test_what_a_gone_class_had_is_shared_by_the_others_or_by_all_where_nothing_is_left() -> None:
    found = predictions.onto_labels(_EACH, ("a", "b", "c"), ("a", "c", "d"))
    np.testing.assert_allclose(found, [[2 / 3, 1 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [1 / 7, 6 / 7, 0]])


def test_two_classes_that_change_places_swap_their_probabilities() -> None:
    np.testing.assert_array_equal(predictions.onto_labels(_ONE, ("no", "yes"), ("yes", "no")), 1 - _ONE)
    np.testing.assert_array_equal(predictions.onto_labels(_ONE, (), ()), _ONE)


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ("abc", "abcd", ""),
        ("abcd", "bad", ""),
        ("ab", "ab", ""),
        ("abc", "axy", "it tells a, b, c, this a, x, y"),
        ("ab", "ba", "it tells a, b, this b, a"),
        ("abc", "ab", "it is a multiclass and this a binary task"),
        ("ab", "", "it is a binary and this a regression task"),
        ("", "", ""),
    ],
)
def test_models_that_tell_other_things_are_not_compared(before: str, now: str, why: str) -> None:
    assert predictions.incomparable(data(before), data(now)) == why


def test_numbers_of_another_unit_are_not_compared() -> None:
    said = predictions.incomparable(replace(data(""), target_unit="mi"), replace(data(""), target_unit="km"))
    assert said == "it predicts in mi, this in km"


def data(labels: str) -> manifest.DataSection:
    tasks = {0: "regression", 2: "binary"}
    return replace(make_manifest().data, labels=tuple(labels), task=tasks.get(len(labels), "multiclass"))
