"""The curves of one score per row, thinned to what a picture shows: ROC, precision and recall, calibration.

:func:`tables` makes the tables of one of two classes of them; :mod:`weighbridge.evidence.plot_tables` writes them.
"""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.predictions import Predicted
from weighbridge.manifest import Weighing

Floats = npt.NDArray[np.float64]
Row = Sequence[str | int | float | None]
Bin = tuple[float, float, float, float, int, float]
Tables = dict[str, tuple[Sequence[str], Iterable[Row]]]
"""By name, a table's columns and its rows."""

POINTS = 200
CONFUSION_ROWS = 1000
FEWEST_CALLED = 30
CALIBRATION_BINS = 10
CALIBRATION_COLUMNS = ("predicted", "observed", "low", "high", "rows", "ideal")


def rates(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return false and true positives' counts [k], cumulated from the highest score down, ties taken together."""
    order = np.argsort(-probability, kind="stable")
    positive = target[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    true = np.cumsum(positive)[last_of_tie]
    return 1.0 + last_of_tie - true, true


def check(target: npt.NDArray[Any], scores: Floats) -> None:
    """Refuse scores that are none of these rows'.

    Raises:
        DataError: where there isn't one score (or one of each class) a row, or one is no finite number.
    """
    if len(target) != len(scores) or target.ndim != 1 or not len(target):
        raise DataError(
            f"scores of shape {scores.shape} for targets of shape {target.shape}; expected one score a row; "
            "run the weigh stage again"
        )
    if not np.isfinite(scores).all():
        raise DataError(f"{int((~np.isfinite(scores)).sum())} scores are no finite number; run the weigh stage again")


def roc(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rate [k] of the ROC curve, from (0, 0) to (1, 1)."""
    false, true = rates(target, probability)
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def precision_recall(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision [k], recall rising to 1.

    The curve starts where :data:`FEWEST_CALLED` rows are called positive (or a tenth of all, where that is less):
    a precision over a handful of rows is noise.
    """
    false, true = rates(target, probability)
    called = true + false
    kept = called >= min(FEWEST_CALLED, len(target) / 10)
    return (true / true[-1])[kept], (true / called)[kept]


def thin(x: Floats, y: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """Return at most *points* of a curve's points [k], evenly spread along its (taxicab) length, ends included."""
    if len(x) <= points:
        return x, y
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], points), side="left"))
    kept[0], kept[-1] = 0, len(x) - 1
    return x[kept], y[kept]


def wilson(successes: float, rows: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval for a share.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration(target: Floats, probability: Floats, bins: int, confidence: float) -> list[Bin]:
    """Return a row a bin of equal count: mean prediction, share of positives, its interval, rows, ideal."""
    order = np.argsort(probability, kind="stable")
    table: list[Bin] = []
    for part in np.array_split(order, min(bins, len(order), POINTS)):
        low, high = wilson(float(target[part].sum()), len(part), confidence)
        predicted = float(probability[part].mean())
        table.append((predicted, float(target[part].mean()), low, high, len(part), predicted))
    return table


def confusion(target: Floats, probability: Floats, threshold: float) -> npt.NDArray[np.int64]:
    """Return the counts [2, 2]: row the actual class, column the predicted one."""
    decided = probability >= threshold
    actual = target > 0
    return np.array([[np.sum((actual == i) & (decided == j)) for j in (False, True)] for i in (False, True)])


def apportion(counts: npt.NDArray[np.int64], seats: int = CONFUSION_ROWS) -> npt.NDArray[np.int64]:
    """Return whole numbers in the proportions of *counts* that add up to *seats*, by largest remainders.

    Where there are no more counts than seats, they are returned as they are.
    """
    total = int(counts.sum())
    if total <= seats:
        return counts
    quota = counts.astype(np.float64) * seats / total
    whole = np.floor(quota).astype(np.int64)
    rest = np.argsort(-(quota - whole), axis=None, kind="stable")[: seats - int(whole.sum())]
    whole.reshape(-1)[rest] += 1
    return whole


def tables(predicted: Predicted, names: Sequence[str], weighing: Weighing) -> Tables:
    """Return the tables of one of two classes.

    Args:
        predicted: outcomes, and probabilities of class 1.
        names: words for class 0 and class 1.
        weighing: threshold, confidence and bins.

    Raises:
        DataError: where scores don't match the targets, aren't finite, or the rows hold one class only.
    """
    y, p = np.asarray(predicted.target, np.float64), np.asarray(predicted.new, np.float64)
    old = None if predicted.old is None else np.asarray(predicted.old, np.float64)
    for scores in (p, p if old is None else old):
        check(y, scores)
        if y.min() == y.max():
            raise DataError(f"all {len(y)} rows are of class {y[0]:g}; curves need both; check the split")
    counts = confusion(y, p, weighing.threshold)
    bins = weighing.calibration.bins if weighing.calibration else CALIBRATION_BINS
    return {
        "roc": (("false_positive_rate", "true_positive_rate", "chance", "last_release"), _roc_rows(y, p, old)),
        "precision_recall": (("recall", "precision", "chance", "last_release"), _precision_rows(y, p, old)),
        "calibration": (CALIBRATION_COLUMNS, calibration(y, p, bins, weighing.confidence)),
        "confusion": (("actual", "predicted"), confusion_rows(counts, names)),
        "confusion_counts": (("actual", "predicted", "rows"), _count_rows(counts, names)),
    }


def _roc_rows(target: Floats, probability: Floats, baseline: Floats | None) -> Iterable[Row]:
    x, y = thin(*roc(target, probability))
    old = _at(x, None if baseline is None else roc(target, baseline))
    return zip(x.tolist(), y.tolist(), x.tolist(), old, strict=True)


def _precision_rows(target: Floats, probability: Floats, baseline: Floats | None) -> Iterable[Row]:
    x, y = thin(*precision_recall(target, probability))
    old = _at(x, None if baseline is None else precision_recall(target, baseline))
    return zip(x.tolist(), y.tolist(), [float(target.mean())] * len(x), old, strict=True)


def _at(x: Floats, curve: tuple[Floats, Floats] | None) -> list[float] | list[None]:
    """Return the curve's height at each of *x*; the curve's abscissa rises."""
    return [None] * len(x) if curve is None else np.interp(x, *curve).tolist()


def confusion_rows(counts: npt.NDArray[np.int64], names: Sequence[str]) -> list[Row]:
    """Return (actual, predicted) for at most :data:`CONFUSION_ROWS` rows, in the proportions of *counts* [k, k]."""
    seats = apportion(counts)
    return [(names[i], names[j]) for i, j in np.argwhere(seats).tolist() for _ in range(int(seats[i, j]))]


def _count_rows(counts: npt.NDArray[np.int64], names: Sequence[str]) -> Iterable[Row]:
    return [(names[i], names[j], int(counts[i, j])) for i in (0, 1) for j in (0, 1)]
