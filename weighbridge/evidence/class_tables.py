"""The tables of several classes: who is taken for whom, each class against the rest, and what a call is worth."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence import curves
from weighbridge.evidence.curves import Floats, Row, Tables
from weighbridge.evidence.predictions import Predicted
from weighbridge.manifest import Weighing

MOST_CURVES = 10
_CURVE_POINTS = 80
_GRID = np.linspace(0.0, 1.0, 101) ** 2  # false positive rates; closest where curves rise


class _Curve(NamedTuple):
    """One class against the rest."""

    number: int
    x: Floats
    y: Floats

    @property
    def area(self) -> float:
        return float(np.trapezoid(self.y, self.x))


def tables(predicted: Predicted, names: Sequence[str], weighing: Weighing) -> Tables:
    """Return the tables of several classes.

    Args:
        predicted: class numbers [n], and probabilities [n, k].
        names: words for the classes [k].
        weighing: confidence, and bins where they were counted.

    Raises:
        DataError: where probabilities don't match the targets or the labels, aren't finite, or the rows hold one class
            only.
    """
    y, p = np.asarray(predicted.target).astype(np.int64), np.asarray(predicted.new, np.float64)
    old = None if predicted.old is None else np.asarray(predicted.old, np.float64)
    for scores in (p, p if old is None else old):
        curves.check(y, scores)
        if scores.ndim != 2 or scores.shape[1] != len(names):  # noqa: PLR2004 - rows and classes
            raise DataError(
                f"probabilities of shape {scores.shape} for {len(names)} labels; expected one a label; run the package "
                "and the weigh stage again"
            )
    if y.min() == y.max():
        raise DataError(f"all {len(y)} rows are of class {names[int(y[0])]}; curves need others; check the split")
    called = p.argmax(axis=1)
    counts = confusion(y, called, len(names))
    before = None if old is None else confusion(y, old.argmax(axis=1), len(names))
    bins = weighing.calibration.bins if weighing.calibration else curves.CALIBRATION_BINS
    worth = curves.calibration((called == y).astype(np.float64), p.max(axis=1), bins, weighing.confidence)
    unknown = weighing.comparison.unknown_labels if weighing.comparison else ()
    found = _by_area(y, p)
    last = {
        each.number: each for each in ([] if old is None else _by_area(y, old)) if names[each.number] not in unknown
    }
    return {
        "roc": (("false_positive_rate", "mean", "lowest", "chance", "last_release"), _roc_rows(found, last)),
        "roc_by_class": (
            ("class", "area", "last_release", "false_positive_rate", "true_positive_rate"),
            _class_rows(found[:MOST_CURVES], last, names),
        ),
        "calibration": (curves.CALIBRATION_COLUMNS, worth),
        "confusion": (("actual", "predicted"), curves.confusion_rows(counts, names)),
        "confusion_counts": (("actual", "predicted", "rows", "last_release"), _count_rows(counts, before, names)),
    }


def confusion(target: npt.NDArray[np.int64], called: npt.NDArray[np.int64], classes: int) -> npt.NDArray[np.int64]:
    """Return the counts [k, k]: row the actual class, column the called one."""
    counts: npt.NDArray[np.int64] = np.bincount(target * classes + called, minlength=classes**2)
    return counts.reshape(classes, classes)


def _by_area(target: npt.NDArray[np.int64], probability: Floats) -> list[_Curve]:
    """Return the curve of each class that has rows, the smallest area first."""
    found = [
        _Curve(number, *curves.roc((target == number).astype(np.float64), probability[:, number]))
        for number in np.unique(target).tolist()
    ]
    return sorted(found, key=lambda curve: (curve.area, curve.number))


def _mean(found: Iterable[_Curve]) -> Floats:
    heights: Floats = np.mean([np.interp(_GRID, curve.x, curve.y) for curve in found], axis=0)
    return heights


def _roc_rows(found: Sequence[_Curve], last: dict[int, _Curve]) -> Iterable[Row]:
    lowest = np.interp(_GRID, found[0].x, found[0].y)
    before = _mean(last.values()).tolist() if last else [None] * len(_GRID)
    rows = zip(_GRID.tolist(), _mean(found).tolist(), lowest.tolist(), _GRID.tolist(), before, strict=True)
    start = (0.0, 0.0, 0.0, 0.0, 0.0 if last else None)
    return [start, *rows]


def _class_rows(found: Sequence[_Curve], last: dict[int, _Curve], names: Sequence[str]) -> Iterable[Row]:
    for curve in found:
        before = last[curve.number].area if curve.number in last else None
        for x, y in zip(*curves.thin(curve.x, curve.y, _CURVE_POINTS), strict=True):
            yield names[curve.number], curve.area, before, float(x), float(y)


def _count_rows(
    counts: npt.NDArray[np.int64], before: npt.NDArray[np.int64] | None, names: Sequence[str]
) -> Iterable[Row]:
    for i, j in np.argwhere(counts if before is None else counts + before).tolist():
        yield names[i], names[j], int(counts[i, j]), None if before is None else int(before[i, j])
