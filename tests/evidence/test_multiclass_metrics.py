import warnings
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import catalogue, metrics

NAMES = catalogue.names("multiclass")


@st.composite
def rows(draw: st.DrawFn) -> tuple[Any, Any, Any]:
    """Outcomes of all classes, probabilities with ties, weights above 0."""
    classes = draw(st.integers(2, 4))
    n = draw(st.integers(classes + 1, 40))
    y = draw(arrays.arrays(np.int64, n, elements=st.integers(0, classes - 1)))
    y[:classes] = np.arange(classes)
    parts = draw(arrays.arrays(np.float64, (n, classes), elements=st.integers(1, 5).map(float)))
    w = draw(arrays.arrays(np.float64, n, elements=st.integers(1, 5).map(float)))
    return y, parts / parts.sum(axis=1, keepdims=True), w


def expected(y: Any, p: Any, w: Any) -> dict[str, float]:
    d, labels = p.argmax(axis=1), list(range(p.shape[1]))
    averaged = {"sample_weight": w, "zero_division": 0}
    one_by_one = [reference.roc_auc_score(y == label, p[:, label], sample_weight=w) for label in labels]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            "accuracy": reference.accuracy_score(y, d, sample_weight=w),
            "balanced_accuracy": reference.balanced_accuracy_score(y, d, sample_weight=w),
            "f1_macro": reference.f1_score(y, d, average="macro", **averaged),
            "f1_weighted": reference.f1_score(y, d, average="weighted", **averaged),
            "precision_macro": reference.precision_score(y, d, average="macro", **averaged),
            "recall_macro": reference.recall_score(y, d, average="macro", **averaged),
            "roc_auc_ovr": float(np.mean(one_by_one)),
            "log_loss": reference.log_loss(y, p, sample_weight=w, labels=labels),
            "matthews_corrcoef": reference.matthews_corrcoef(y, d, sample_weight=w),
        }


def compute(names: Any, y: Any, p: Any, w: Any = None) -> dict[str, float]:
    return metrics.compute(names, y, p, sample_weight=w, task="multiclass")


@given(rows(), st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_metric_is_that_of_scikit_learn_with_weights_and_ties(drawn: Any, weighted: bool) -> None:  # noqa: FBT001 - drawn
    y, p, w = drawn
    weights = w if weighted else None
    assert set(NAMES) == set(expected(y, p, weights))
    assert compute(NAMES, y, p, weights) == pytest.approx(expected(y, p, weights), abs=1e-9)


def test_the_area_of_more_than_two_classes_is_scikit_learn_s_own_average() -> None:
    random = np.random.default_rng(0)
    y, p, w = random.integers(0, 4, 200), random.dirichlet(np.ones(4), 200), random.random(200)
    theirs = reference.roc_auc_score(y, p, multi_class="ovr", average="macro", sample_weight=w)
    assert compute(["roc_auc_ovr"], y, p, w)["roc_auc_ovr"] == pytest.approx(theirs, abs=1e-12)


@given(rows())
@settings(max_examples=25, deadline=None)
def test_a_weight_of_two_is_a_row_twice_and_of_none_is_no_row(drawn: Any) -> None:
    y, p, w = drawn
    times = w.astype(int)
    times[p.shape[1] :] -= 1
    repeated = compute(NAMES, y.repeat(times), p.repeat(times, axis=0))
    assert compute(NAMES, y, p, times) == pytest.approx(repeated, abs=1e-9)


def test_a_class_that_never_occurs_leaves_the_area_untold_and_nothing_else() -> None:
    y, p = np.array([0, 1, 0, 1]), np.full((4, 3), 1 / 3)
    with pytest.raises(DataError, match="roc_auc_ovr can't be told: found no row of class 2"):
        compute(NAMES, y, p)
    assert compute(["accuracy", "balanced_accuracy"], y, p) == {"accuracy": 0.5, "balanced_accuracy": 0.5}


@pytest.mark.parametrize(
    ("y", "p", "says"),
    [
        ([0, 1], [0.2, 0.8], r"shape \(2,\); expected \(2, classes\)"),
        ([0, 1, 2], np.full((2, 3), 1 / 3), r"shape \(2, 3\); expected \(3, classes\)"),
        ([0, 3], np.full((2, 3), 1 / 3), "outcome .*3.*from 0 to 2"),
        ([0, 0.5], np.full((2, 2), 0.5), "outcome .*0.5.*from 0 to 1"),
        (["a", "b"], np.full((2, 2), 0.5), "class numbers from 0 to 1"),
        ([1, 1], np.full((2, 2), 0.5), "all 2 outcomes are 1; expected several classes"),
        ([0, 1], [[0.5, 0.5], [0.9, 0.3]], "row 1's probabilities add up to 1.2; expected 1"),
        ([0, 1], [[0.5, 0.5], [1.5, -0.5]], "span -0.5 to 1.5"),
        ([0, 1], [[0.5, 0.5], [np.nan, 0.5]], "1 of 2 predictions are NaN or infinite, the first in row 1"),
        ([], np.zeros((0, 2)), "at least one row|shape"),
    ],
)
def test_rows_that_cannot_be_measured_are_refused(y: Any, p: Any, says: str) -> None:
    with pytest.raises(DataError, match=says):
        compute(("accuracy",), y, p)


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(SettingsError, match="found metric 'roc_auc'; did you mean 'roc_auc_ovr'"):
        compute(("roc_auc",), [0, 1], np.full((2, 2), 0.5))
    with pytest.raises(SettingsError, match="found task 'multi'; did you mean 'multiclass'"):
        metrics.compute(("accuracy",), [0, 1], np.full((2, 2), 0.5), task="multi")
