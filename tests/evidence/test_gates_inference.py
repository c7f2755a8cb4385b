"""Bounds, chances, families and rows, beside other implementations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests  # type: ignore[import-untyped]  # has no types
from statsmodels.stats.proportion import proportion_confint  # type: ignore[import-untyped]  # has no types

from weighbridge.evidence.inference import (
    bounds,
    chance,
    clopper_pearson,
    holm,
    quantile,
    rows_needed,
    standard_error,
)


@settings(max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_holm_takes_what_cannot_be_told_for_no_proof() -> None:
    assert holm([0.01, math.nan, 0.02]).tolist() == [0.03, 1.0, 0.04]
    assert holm([]).tolist() == []


@given(st.integers(0, 300), st.integers(0, 300), st.sampled_from([0.8, 0.95, 0.99]))
def test_clopper_pearson_agrees_with_statsmodels(count: int, others: int, confidence: float) -> None:
    rows = count + others
    if not rows:
        return
    low, high = proportion_confint(count, rows, 2 * (1 - confidence), "beta")
    assert clopper_pearson(count, rows, confidence, upper=False) == pytest.approx(low, abs=1e-12)
    assert clopper_pearson(count, rows, confidence, upper=True) == pytest.approx(high, abs=1e-12)


@pytest.mark.parametrize("groups", [2, 5, 30, None])
@pytest.mark.parametrize("excess", [-1.0, 0.0, 0.3, 2.0])
def test_chances_are_those_of_students_t(groups: int | None, excess: float) -> None:
    expected = stats.norm.sf(excess / 0.5) if groups is None else stats.t.sf(excess / 0.5, groups - 1)
    assert chance(excess, 0.5, groups) == pytest.approx(expected)
    low = stats.norm.ppf(0.9) if groups is None else stats.t.ppf(0.9, groups - 1)
    assert quantile(0.9, groups) == pytest.approx(low)


def test_without_error_an_excess_is_what_it_is() -> None:
    assert [chance(excess, 0.0, None) for excess in (0.1, 0.0, -0.1)] == [0.0, 1.0, 1.0]
    assert math.isnan(chance(math.nan, 1.0, None))
    assert math.isnan(chance(1.0, math.nan, None))


def test_the_error_of_a_mean_of_few_groups_is_that_of_its_groups() -> None:
    """The bootstrap of G means understates their variance by (G - 1) / G, which is made up for."""
    random = np.random.default_rng(0)
    values = random.normal(size=6)
    samples = random.choice(values, size=(200_000, 6)).mean(axis=1)
    assert standard_error(samples, 6) == pytest.approx(values.std(ddof=1) / math.sqrt(6), rel=0.01)
    assert standard_error(samples) < standard_error(samples, 6)
    assert math.isnan(standard_error(np.array([math.nan, 1.0])))


def test_bounds_enclose_the_middle_ninety_percent() -> None:
    samples = np.random.default_rng(0).normal(size=100_000)
    found = bounds(0.0, samples, 0.95, None)
    assert (found.low, found.high, found.error) == pytest.approx((-1.645, 1.645, 1.0), abs=0.02)
    few = bounds(0.0, samples, 0.95, 5)
    assert few.high > 2.2


def test_of_two_bounds_the_more_careful_one_counts() -> None:
    """Percentiles of skewed samples lean to the wrong side; Student's bound doesn't, and no share ends above 1."""
    random = np.random.default_rng(1)
    skewed = random.gamma(2.0, size=100_000)
    found = bounds(2.0, skewed, 0.95, None)
    assert found.low == pytest.approx(float(skewed.min()), abs=0.01), "2 - 1.645 * 1.414 < 0"
    assert found.high == pytest.approx(float(np.quantile(skewed, 0.95)))
    share = bounds(1.0, np.ones(1000), 0.95, None)
    assert (share.low, share.high) == (1.0, 1.0)
    nearly = np.minimum(1.0, 0.99 + 0.01 * random.normal(size=1000))
    assert bounds(0.99, nearly, 0.95, 3).high == 1.0


def test_rows_needed_are_those_of_the_formula() -> None:
    """For a margin of a point and a churn of 8 %: 4,947 rows."""
    churn, rows = 0.08, 1000
    error = math.sqrt(churn / rows)
    assert rows_needed(rows, error, 0.01, 0.95) == pytest.approx(4947, abs=1)
    assert rows_needed(rows, error, 0.01, 0.95, two_sided=True) == pytest.approx((1.6449 + 1.2816) ** 2 * 800, rel=1e-3)


@pytest.mark.parametrize("distance", [None, 0.0, -0.1, math.nan])
def test_no_rows_settle_what_is_at_the_limit_or_beyond(distance: float | None) -> None:
    assert rows_needed(1000, 0.01, distance, 0.95) is None
    assert rows_needed(1000, math.nan, 0.1, 0.95) is None
    assert rows_needed(1000, 1.0, 1e-12, 0.95) is None
