import subprocess
import sys
import warnings
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import catalogue, metrics

THRESHOLD = 0.5
Rows = tuple[npt.NDArray[np.int8], npt.NDArray[np.float64], npt.NDArray[np.float64]]


@st.composite
def rows(draw: st.DrawFn, *, ties: bool) -> Rows:
    """Outcomes of both classes, probabilities (with or without many equal ones), weights (some of them 0)."""
    n = draw(st.integers(2, 60))
    y = draw(arrays.arrays(np.int8, n, elements=st.integers(0, 1)))
    first, second = draw(st.permutations(range(n)))[:2]
    y[first], y[second] = 0, 1
    unit = st.integers(0, 6).map(lambda k: k / 6) if ties else st.floats(0, 1, allow_subnormal=False)
    p = draw(arrays.arrays(np.float64, n, elements=unit))
    w = draw(arrays.arrays(np.float64, n, elements=st.integers(0, 5).map(float)))
    w[first], w[second] = 1.0, 2.0
    return y, p, w


def calibration_error(y: Any, p: Any, w: Any) -> float:
    """The formula, bin by bin: scikit-learn has none."""
    w = np.ones(len(y)) if w is None else w
    place = np.searchsorted(np.unique(np.quantile(p, np.arange(1, 10) / 10)), p, side="left")
    parts = [place == number for number in range(10)]
    return sum(float(abs((w[part] * (p[part] - y[part])).sum())) for part in parts) / float(w.sum())


def expected(y: Any, p: Any, w: Any) -> dict[str, float]:
    d = p >= THRESHOLD
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "roc_auc": reference.roc_auc_score(y, p, sample_weight=w),
            "average_precision": reference.average_precision_score(y, p, sample_weight=w),
            "accuracy": reference.accuracy_score(y, d, sample_weight=w),
            "balanced_accuracy": reference.balanced_accuracy_score(y, d, sample_weight=w),
            "matthews_corrcoef": reference.matthews_corrcoef(y, d, sample_weight=w),
            "expected_calibration_error": calibration_error(y, p, w),
            "f1": reference.f1_score(y, d, sample_weight=w, zero_division=0),
            "precision": reference.precision_score(y, d, sample_weight=w, zero_division=0),
            "recall": reference.recall_score(y, d, sample_weight=w, zero_division=0),
            "log_loss": reference.log_loss(y, p, sample_weight=w, labels=[0, 1]),
            "brier_score_loss": reference.brier_score_loss(y, p, sample_weight=w),
        }


@given(rows(ties=True) | rows(ties=False), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_metric_is_that_of_scikit_learn_with_weights_and_ties(drawn: Rows, weighted: bool) -> None:  # noqa: FBT001 - drawn
    y, p, w = drawn
    weights = w if weighted else None
    assert metrics.compute(metrics.names(), y, p, THRESHOLD, weights) == pytest.approx(
        expected(y, p, weights), abs=1e-9
    )


@given(rows(ties=True))
@settings(max_examples=25, deadline=None)
def test_many_weightings_at_once_equal_one_at_a_time(drawn: Rows) -> None:
    y, p, w = drawn
    together = metrics.scored("binary", y, p, THRESHOLD).under(metrics.names(), np.stack([w, np.ones_like(w)]))
    for row, weights in enumerate((w, None)):
        alone = metrics.compute(metrics.names(), y, p, THRESHOLD, weights)
        assert {name: values[row] for name, values in together.items()} == pytest.approx(alone, abs=1e-12)


@given(rows(ties=True))
@settings(max_examples=25, deadline=None)
def test_a_weight_of_two_is_a_row_twice(drawn: Rows) -> None:
    y, p, w = drawn
    times = w.astype(int)
    names = [
        name for name in metrics.names() if name != "expected_calibration_error"
    ]  # whose bins are those of all rows
    repeated = metrics.compute(names, y.repeat(times), p.repeat(times), THRESHOLD)
    assert metrics.compute(names, y, p, THRESHOLD, w) == pytest.approx(repeated, abs=1e-9)


def test_the_names_and_directions_are_those_of_scikit_learn() -> None:
    assert set(metrics.names()) == set(expected(np.array([0, 1]), np.array([0.2, 0.8]), None))
    assert [name for name in metrics.names() if not metrics.greater_is_better(name)] == [
        "log_loss", "brier_score_loss", "expected_calibration_error",
    ]  # fmt: skip


def test_each_direction_is_true_of_a_better_prediction() -> None:
    y = np.array([0, 0, 1, 1, 0, 1])
    bad, good = np.array([0.4, 0.7, 0.3, 0.6, 0.2, 0.45]), np.array([0.1, 0.2, 0.9, 0.8, 0.1, 0.7])
    worse, better = (metrics.compute(metrics.names(), y, p, THRESHOLD) for p in (bad, good))
    for name in metrics.names():
        assert (better[name] > worse[name]) is metrics.greater_is_better(name)


def test_a_weighting_that_leaves_one_class_makes_the_area_undefined() -> None:
    scored = metrics.scored("binary", [0, 1, 1], [0.1, 0.6, 0.9], THRESHOLD)
    found = scored.under(metrics.names(), np.array([[0.0, 1.0, 2.0], [2.0, 0.0, 0.0]]))
    assert np.isnan(found["roc_auc"]).all()
    assert np.isnan(found["average_precision"]).tolist() == [False, True]
    assert found["accuracy"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([0, 1], [0.1, np.nan], "1 of 2 predictions are NaN or infinite, the first in row 1"),
        ([0, 1], [np.inf, 0.3], "NaN or infinite"),
        ([0, 1], [0.1, 1.2], "span 0.1 to 1.2; expected probabilities"),
        ([0, 1], [[0.1], [0.2]], r"shape \(2, 1\)"),
        ([0, 1], [0.1], r"shape \(1,\)"),
        ([1, 1], [0.1, 0.2], "all 2 outcomes are 1"),
        ([0, 0], [0.1, 0.2], "all 2 outcomes are 0"),
        ([0, 2], [0.1, 0.2], "found an outcome .*2.*expected 0 or 1"),
        ([0, np.nan], [0.1, 0.2], "found an outcome .*nan"),
        ([], [], "at least one row"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(y: Any, p: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        metrics.compute(("accuracy",), y, p, THRESHOLD)


@pytest.mark.parametrize("weights", [[1.0], [1.0, -1.0], [1.0, np.nan], [1.0, 0.0]])
def test_weights_that_make_no_sense_are_refused(weights: Any) -> None:
    with pytest.raises(DataError, match="weight"):
        metrics.compute(("accuracy",), [0, 1], [0.2, 0.9], THRESHOLD, weights)


def test_an_unknown_metric_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="'roc_auk'; did you mean 'roc_auc'"):
        metrics.compute(("roc_auk",), [0, 1], [0.2, 0.9], THRESHOLD)
    with pytest.raises(SettingsError, match="expected one of roc_auc, "):
        metrics.greater_is_better("xyz")


def test_a_mean_of_trees_a_little_above_one_is_a_probability() -> None:
    assert metrics.compute(("brier_score_loss",), [0, 1], [0.0, 1 + 2e-7], THRESHOLD) == {"brier_score_loss": 0.0}


def test_bins_of_reliability_hold_equal_counts_and_all_rows() -> None:
    p = np.random.default_rng(0).random(1003)
    y = (np.random.default_rng(1).random(1003) < p).astype(int)
    bins = metrics.reliability(y, p)
    assert len(bins) == metrics.CALIBRATION_BINS
    assert sum(part.rows for part in bins) == 1003
    assert {part.rows for part in bins} <= {100, 101}


def test_calibration_error_is_the_distance_of_probability_and_share() -> None:
    y = np.array([1] * 30 + [0] * 70)
    assert metrics.expected_calibration_error(y, np.full(100, 0.5)) == pytest.approx(0.2)
    assert metrics.expected_calibration_error(y, np.full(100, 0.3)) == pytest.approx(0.0)


@given(rows(ties=True), st.randoms(use_true_random=False))
@settings(max_examples=25, deadline=None)
def test_calibration_error_does_not_depend_on_the_order_of_rows(drawn: Rows, random: Any) -> None:
    y, p, _ = drawn
    order = np.array(random.sample(range(len(y)), len(y)))
    assert metrics.expected_calibration_error(y, p) == pytest.approx(
        metrics.expected_calibration_error(y[order], p[order]), abs=1e-12
    )


def test_the_names_alone_need_no_numpy() -> None:
    code = f"import sys, {catalogue.__name__}, weighbridge.evidence.gates; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
