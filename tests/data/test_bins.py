"""Bins: of about equal count, none that chance alone would move, and every row in one of them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.data import bins

NUMBERS = st.lists(st.one_of(st.none(), st.floats(width=32, allow_nan=False, allow_infinity=False)), max_size=300)


def of_numbers(values: pd.Series) -> bins.Bins:
    return bins.of_sorted(np.sort(values.dropna().to_numpy()))


def of_text(values: pd.Series) -> bins.Bins:
    return bins.of_counted(values.value_counts(), len(values))


def numbers(values: object) -> pd.Series:
    return pd.Series(values, dtype="float32")


def test_bins_of_different_numbers_hold_equally_many() -> None:
    values = numbers(np.random.default_rng(0).permutation(2000))
    found = of_numbers(values)
    assert len(found.edges) == bins.MOST - 1
    assert bins.number_counts(values, found).tolist() == [100] * 20 + [0]


def test_each_frequent_number_has_a_bin_of_its_own() -> None:
    values = numbers(list(range(7)) * 100)
    found = of_numbers(values)
    assert found.edges == (0, 1, 2, 3, 4, 5)
    assert bins.number_counts(values, found).tolist() == [100] * 7 + [0]


@pytest.mark.parametrize(("values", "counts"), [([3.0] * 9, [9, 0]), ([np.nan] * 4, [0, 4]), ([1, 2, np.nan], [2, 1])])
def test_few_or_equal_numbers_are_one_bin_and_the_missing_one(values: list[float], counts: list[int]) -> None:
    found = of_numbers(numbers(values))
    assert found.edges == ()
    assert bins.number_counts(numbers(values), found).tolist() == counts


@given(NUMBERS, NUMBERS)
def test_every_row_is_in_one_bin_and_edges_rise(train: list[float | None], others: list[float | None]) -> None:
    found = of_numbers(numbers(train))
    assert list(found.edges) == sorted(set(found.edges))
    for values in (train, others):
        counts = bins.number_counts(numbers(values), found)
        assert (len(counts), counts.sum()) == (len(found.edges) + 2, len(values))
        assert counts[-1] == sum(value is None for value in values)


@pytest.mark.parametrize("rows", [100, 500, 999])
def test_no_bin_of_different_numbers_is_smaller_than_chance_allows(rows: int) -> None:
    values = numbers(np.arange(rows))
    assert bins.number_counts(values, of_numbers(values))[:-1].min() >= bins.ROWS_A_BIN


def test_the_most_frequent_texts_are_listed_and_the_rest_counted() -> None:
    texts = [f"t{i:02}" for i in range(30) for _ in range(100 - i)]
    found = of_text(pd.Series(texts, dtype="str"))
    assert found.texts == tuple(f"t{i:02}" for i in range(20))
    counts = bins.text_counts(pd.Series([*texts, "new"], dtype="str"), found)
    assert (counts[0], counts[-1], counts.sum()) == (100, sum(range(71, 81)) + 1, len(texts) + 1)


def test_equally_frequent_texts_are_listed_by_name_and_a_missing_one_is_a_value() -> None:
    assert of_text(pd.Series(["b", "a", ""] * 100, dtype="str")).texts == ("", "a", "b")


def test_notes_are_not_listed() -> None:
    found = of_text(pd.Series(["x" * 101] * 90 + ["y"] * 60, dtype="str"))
    assert found.texts == ("y",)
