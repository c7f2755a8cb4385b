from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from weighbridge.errors import DataError
from weighbridge.evidence import catalogue, metrics

NAMES = catalogue.names("regression")
POINTS = tuple(name for name in NAMES if name != "interval_coverage")


@st.composite
def rows(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Truths, predictions and weights; some truths equal, some at 0, some weights 0."""
    n = draw(st.integers(2, 40))
    number = st.integers(-50, 50).map(lambda k: k / 8)
    w = draw(arrays.arrays(np.float64, n, elements=st.integers(0, 4).map(float)))
    w[:2] = 1, 2
    return *(draw(arrays.arrays(np.float64, n, elements=number)) for _ in range(2)), w  # type: ignore[return-value]  # three


def expected(y: Any, p: Any, w: Any) -> dict[str, float]:
    return {
        "mean_absolute_error": reference.mean_absolute_error(y, p, sample_weight=w),
        "mean_squared_error": reference.mean_squared_error(y, p, sample_weight=w),
        "root_mean_squared_error": reference.root_mean_squared_error(y, p, sample_weight=w),
        "r2": reference.r2_score(y, p, sample_weight=w),
        "explained_variance": reference.explained_variance_score(y, p, sample_weight=w),
        "mean_absolute_percentage_error": reference.mean_absolute_percentage_error(y, p, sample_weight=w),
        "bias": float(np.average(p - y, weights=w)),
    }


def compute(names: Any, y: Any, p: Any, w: Any = None) -> dict[str, float]:
    return metrics.compute(names, y, p, sample_weight=w, task="regression")


@given(rows(), st.booleans())
@settings(max_examples=30, deadline=None)
def test_every_metric_is_that_of_scikit_learn_with_weights(drawn: Any, weighted: bool) -> None:  # noqa: FBT001 - drawn
    y, p, w = drawn
    weights = w if weighted else None
    assert compute(POINTS, y, p, weights) == pytest.approx(expected(y, p, weights), rel=1e-9, abs=1e-9)


def test_the_names_are_those_of_scikit_learn_and_two_of_gates() -> None:
    assert set(NAMES) == {*expected(np.array([1.0, 2.0]), np.array([1.0, 3.0]), None), "interval_coverage"}


def test_a_far_away_mean_costs_no_digits() -> None:
    random = np.random.default_rng(0)
    y = 1e6 + random.normal(size=1000)
    p = y + 100 + random.normal(size=1000)
    assert compute(POINTS, y, p) == pytest.approx(expected(y, p, None), rel=1e-7)


def test_coverage_counts_truths_within_their_intervals_ends_included() -> None:
    predictions = np.array([[1, 0, 2], [1, 1, 1], [5, 4, 6], [0, -1, 0]])
    assert compute(["interval_coverage", "bias"], [2, 1, 3, 1], predictions, [1, 1, 1, 5]) == {
        "interval_coverage": 0.25,
        "bias": pytest.approx((-1 + 0 + 2 - 5) / 8),
    }


def test_coverage_without_intervals_is_refused() -> None:
    with pytest.raises(DataError, match="interval_coverage was asked for, but predictions hold no intervals"):
        compute(["interval_coverage"], [1, 2], [1, 2])


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([1, np.nan], [1, 2], "1 of 2 outcomes are NaN or infinite, the first in row 1"),
        ([1, 2], [np.inf, 2], "1 of 2 predictions are NaN or infinite, the first in row 0"),
        ([1, 2], [1, 2, 3], r"shape \(3,\); expected \(2,\)"),
        ([1, 2], [[1, 2], [1, 2]], r"expected \(2,\): one number a row, or \(2, 3\)"),
        ([1, 2], [[1, 0, 2], [1, 2, 1]], r"1 of 2 predicted intervals end below .* row 1 \(2 to 1\)"),
        (["a", "b"], [1, 2], "expected numbers"),
        ([], [], "at least one row"),
        ([1e200, 2], [1, 2], "row 0's squared error is too large"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(y: Any, p: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        compute(("mean_squared_error",), y, p)


def test_no_weight_at_all_is_refused() -> None:
    with pytest.raises(DataError, match="no row has a weight"):
        compute(("bias",), [1, 2], [1, 2], [0, 0])
