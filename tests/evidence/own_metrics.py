"""Metrics as a project would write them, and some that no project should."""

from typing import Any

import numpy as np
from sklearn import metrics


def hits_per_row(outcomes: Any, decisions: Any, *, sample_weight: Any) -> float:
    """Accuracy, written out."""
    return float(np.average(outcomes == decisions, weights=sample_weight))


def area(outcomes: Any, predictions: Any, *, sample_weight: Any) -> float:
    """Scikit-learn's own."""
    return float(metrics.roc_auc_score(outcomes, predictions, sample_weight=sample_weight))


def median_error(outcomes: Any, predictions: Any, *, sample_weight: Any) -> float:
    """Scikit-learn's, which isn't among ours."""
    return float(metrics.median_absolute_error(outcomes, predictions, sample_weight=sample_weight))


def not_a_number(outcomes: Any, predictions: Any, *, sample_weight: Any) -> float:  # noqa: ARG001 - as it is called
    """What a division by zero gives."""
    return float("nan")


def words(outcomes: Any, predictions: Any, *, sample_weight: Any) -> str:  # noqa: ARG001 - as it is called
    """No number at all."""
    return "good"


def fragile(outcomes: Any, predictions: Any, *, sample_weight: Any) -> float:  # noqa: ARG001 - as it is called
    """Fails where a row isn't drawn."""
    if not sample_weight.all():
        raise ZeroDivisionError("no weight")
    return 1.0


NO_FUNCTION = 3
