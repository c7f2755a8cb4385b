"""The test rows as gates see them."""

import dataclasses

import numpy as np
import pytest
from gate_evidence import make_rows

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence.rows import Rows


def of_column(*values: object) -> Rows:
    n = len(values)
    column = np.array(values, dtype=object)
    return Rows(task="binary", y=np.zeros(n), new=np.zeros(n), old=None, thresholds=(0.5, 0.5), columns={"a": column})


def test_a_column_becomes_numbers_of_its_sorted_values() -> None:
    coded = of_column("b", "a", "b", "c").coded("a")
    assert coded.values == ("a", "b", "c")
    assert coded.numbers.tolist() == [1, 0, 1, 2]


def test_values_that_are_missing_are_a_value() -> None:
    coded = of_column("b", None, float("nan"), "", 1.0, 2).coded("a")
    assert coded.values == ("(missing)", "1", "2", "b")
    assert coded.numbers.tolist() == [3, 0, 0, 0, 1, 2]


def test_groups_are_the_schemas_unless_another_column_is_named() -> None:
    rows = make_rows(500)
    assert rows.groups() is None
    by_day = dataclasses.replace(rows, group_by="day")
    found = by_day.groups()
    assert found is not None
    assert len(found.values) == 40
    assert by_day.groups("") is None
    sites = by_day.groups("site")
    assert sites is not None
    assert sites.values == ("east", "north", "south", "west")
    with pytest.raises(SettingsError, match="group_by column 'sits'; did you mean 'site'"):
        by_day.groups("sits")


def test_part_takes_the_rows_of_everything() -> None:
    rows = make_rows(500)
    member = rows.member({"site": "north"})
    part = rows.part(member)
    assert len(part) == member.sum()
    assert set(part.columns["site"]) == {"north"}
    assert part.old is not None
    assert rows.old is not None
    assert np.array_equal(part.old, rows.old[member])
    assert part.coded("site").values == ("north",)


def test_decisions_are_each_models_at_its_own_threshold() -> None:
    rows = dataclasses.replace(
        of_column("a", "b", "c"), new=np.array([0.2, 0.5, 0.8]), old=np.array([0.2, 0.5, 0.8]), thresholds=(0.5, 0.6)
    )
    new, old = rows.decisions()
    assert new.tolist() == [0, 1, 1]
    assert old is not None
    assert old.tolist() == [0, 0, 1]
    several = dataclasses.replace(rows, task="multiclass", new=np.eye(3)[[2, 0, 1]], old=None)
    assert several.decisions()[0].tolist() == [2, 0, 1]
    assert several.decisions()[1] is None


def test_sides_of_different_length_are_refused() -> None:
    rows = make_rows(10)
    with pytest.raises(DataError, match="found 10 outcomes beside 9 values of predictions; expected one of each a row"):
        dataclasses.replace(rows, new=rows.new[1:])
    with pytest.raises(DataError, match="9 values of the last release's predictions"):
        dataclasses.replace(rows, old=rows.new[1:])
    with pytest.raises(DataError, match="9 values of column a"):
        dataclasses.replace(rows, columns={"a": np.full(9, "x")})
    with pytest.raises(DataError, match="at least one row"):
        rows.part(np.zeros(10, dtype=np.bool_))


def test_a_group_that_is_no_column_is_refused() -> None:
    with pytest.raises(SettingsError, match="group column 'dya'; did you mean 'day'"):
        dataclasses.replace(make_rows(10), group_by="dya")
