"""Metrics by scikit-learn's names, for one weighting of the rows or for many at once.

:func:`scored` prepares the rows of a task once (:mod:`.binary`, :mod:`.multiclass`, :mod:`.regression`, where the
definitions stand); the result measures them under as many weightings as wanted, which is what makes a bootstrap
cheap. Plain numpy: scikit-learn takes longer to import than all of this takes to run; the tests compare with it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.catalogue import TASKS, greater_is_better, names, require
from weighbridge.evidence.metrics.binary import Binary
from weighbridge.evidence.metrics.calibration import CALIBRATION_BINS, Bin, expected_calibration_error, reliability
from weighbridge.evidence.metrics.checks import (
    class_probabilities,
    outcomes,
    predicted,
    probabilities,
    sample_weights,
)
from weighbridge.evidence.metrics.multiclass import Multiclass
from weighbridge.evidence.metrics.regression import Regression
from weighbridge.evidence.metrics.scored import Scored
from weighbridge.evidence.metrics.totals import Floats
from weighbridge.settings import OwnMetric

__all__ = [
    "CALIBRATION_BINS",
    "Bin",
    "Floats",
    "Scored",
    "class_probabilities",
    "compute",
    "expected_calibration_error",
    "greater_is_better",
    "names",
    "outcomes",
    "predicted",
    "probabilities",
    "reliability",
    "scored",
]


def scored(
    task: str,
    y: npt.ArrayLike,
    predictions: npt.ArrayLike,
    threshold: float = 0.5,
    own: Mapping[str, OwnMetric] | None = None,
) -> Scored:
    """Return the rows of *task*, ready to be measured.

    Args:
        task: ``binary``, ``multiclass`` or ``regression``.
        y: outcomes [n]: 0 or 1, class numbers from 0, or numbers.
        predictions: probabilities of 1 [n], of each class [n, k], or numbers [n] (with their interval [n, 3]).
        threshold: probability from which a row is decided to be positive; of no meaning for other tasks.
        own: the project's own metrics, by name.

    Raises:
        DataError: where outcomes or predictions can't be measured.
        SettingsError: for an unknown task, with the nearest.
    """
    require(task, TASKS, "task")
    if task == "binary":
        return Binary(y, predictions, threshold, own)
    return Multiclass(y, predictions, own) if task == "multiclass" else Regression(y, predictions, own)


def compute(  # noqa: PLR0913 - rows, their weights, and what they mean
    wanted: Sequence[str],
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    threshold: float = 0.5,
    sample_weight: npt.ArrayLike | None = None,
    *,
    task: str = "binary",
    own: Mapping[str, OwnMetric] | None = None,
) -> dict[str, float]:
    """Return the metrics by name, of outcomes and predictions as :func:`scored` takes them, weighted or not.

    Raises:
        DataError: where a prediction isn't finite, (with the weights) a class is missing that a metric needs, or an own
            metric fails.
        SettingsError: for an unknown metric, with the nearest.
    """
    rows = scored(task, y, p, threshold, own)
    weights = sample_weights(sample_weight, len(rows))
    if task == "binary" and not (weights[rows.y].any() and weights[~rows.y].any()):
        raise DataError("one class has no weight; expected rows of both classes with a weight above 0")
    values = {name: float(value[0]) for name, value in rows.under(wanted, weights[np.newaxis]).items()}
    return defined(values, rows)


def defined(values: Mapping[str, float], rows: Scored) -> dict[str, float]:
    """Return *values*, each of them finite.

    Raises:
        DataError: where a metric can't be told of these rows, since a class is missing.
    """
    for name, value in values.items():
        if not np.isfinite(value):
            absent = sorted(set(range(rows.classes)) - set(np.unique(rows.y).tolist()))
            said = f"no row of class {', '.join(map(str, absent))}" if absent else "a class without a weight"
            raise DataError(f"{name} can't be told: found {said}; expected rows of each. Take a longer span of rows")
    return dict(values)
