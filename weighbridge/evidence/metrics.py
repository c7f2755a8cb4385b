"""Metrics of a binary classifier's probabilities, for one weighting of the rows or for many at once.

All metrics come from two things: weighted sums over rows, and the curve of true and false positives over
all thresholds. :class:`Scored` sorts and prepares the rows once; :meth:`Scored.under` then measures them
under as many weightings as wanted, which is what makes a bootstrap cheap. Plain numpy: scikit-learn takes
longer to import than all of this takes to run; the tests compare with it.

Definitions, with weights w, outcomes y in {0, 1}, probabilities p, decisions d = [p >= threshold]:

- ``roc_auc``: chance that a positive row has a greater p than a negative one, ties counted half
  (Hanley and McNeil 1982), as area under the trapezoids of the ROC curve.
- ``average_precision``: sum over thresholds of (recall gained) x precision, without interpolation; rows of
  equal p are one threshold (as scikit-learn defines it).
- ``accuracy``, ``precision``, ``recall``, ``f1``: of the decisions; 0 where the denominator is.
- ``log_loss``: mean of -log(probability of the outcome), p kept off 0 and 1 by float64's epsilon (Good 1952).
- ``brier_score_loss``: mean of (p - y)^2 (Brier 1950).
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.catalogue import greater_is_better, names, require

__all__ = [
    "Scored",
    "compute",
    "expected_calibration_error",
    "greater_is_better",
    "names",
    "outcomes",
    "probabilities",
    "reliability",
]

Floats = npt.NDArray[np.float64]
CALIBRATION_BINS = 10
_TOLERANCE = 1e-6  # a float32 mean of trees may end a little above 1


def outcomes(y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return *y* [n] as booleans.

    Raises:
        DataError: where it isn't one column of 0 and 1, is empty, or holds one class only.
    """
    values = np.asarray(y)
    if values.ndim != 1 or values.size == 0:
        raise DataError(f"found outcomes of shape {values.shape}; expected one column with at least one row")
    positive: npt.NDArray[np.bool_] = values == 1
    if not np.all(positive | (values == 0)):
        raise DataError(f"found an outcome {values[~(positive | (values == 0))][0]!r}; expected 0 or 1 in every row")
    if positive.all() or not positive.any():
        raise DataError(
            f"all {values.size} outcomes are {int(positive[0])}; expected both classes. Take a longer span of rows"
        )
    return positive


def probabilities(p: npt.ArrayLike, rows: int) -> Floats:
    """Return *p* as float64 [rows], kept to 0..1.

    Raises:
        DataError: where it isn't of that shape, or holds NaN, an infinity, or a number outside 0..1.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(f"found predictions of shape {values.shape}; expected ({rows},): one probability a row")
    bad = ~np.isfinite(values)
    if bad.any():
        raise DataError(
            f"{int(bad.sum())} of {rows} predictions are NaN or infinite, the first in row {int(bad.argmax())}; "
            "expected finite probabilities. Look for overflow or missing inputs in the model"
        )
    low, high = float(values.min()), float(values.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise DataError(f"predictions span {low:g} to {high:g}; expected probabilities from 0 to 1")
    return np.clip(values, 0.0, 1.0)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)


@dataclasses.dataclass(frozen=True)
class _Order:
    """Rows from the greatest probability down; *ends* are the last rows of each run of equal ones."""

    rows: npt.NDArray[np.intp]
    positive: Floats
    ends: npt.NDArray[np.intp] | None


class _Sums:
    """Weighted sums of the rows and the curve over thresholds, for *r* weightings; each array is [r] or [r, steps]."""

    def __init__(self, scored: "Scored", weights: Floats) -> None:
        self._scored = scored
        self._weights = weights
        # Not ``weights @ columns``: BLAS adds up in another order with another number of threads.
        sums = np.einsum("rn,kn->kr", weights, scored.columns)
        self.total, self.positive, self.predicted, self.hits, self.right, self.log_loss, self.squared = sums

    @functools.cached_property
    def curve(self) -> tuple[Floats, Floats, Floats]:
        """True and all predicted positives at each threshold, and the true ones gained there."""
        order = self._scored.order
        weights = np.take(self._weights, order.rows, axis=1)
        hits, predicted = np.cumsum(weights * order.positive, axis=1), np.cumsum(weights, axis=1)
        if order.ends is not None:
            hits, predicted = hits[:, order.ends], predicted[:, order.ends]
        return hits, predicted, np.diff(hits, axis=1, prepend=0.0)

    def roc_auc(self) -> Floats:
        """Area under the ROC curve; NaN where a class has no weight."""
        hits, predicted, gained = self.curve
        # Each positive beats the negatives after its threshold, and half of those at it.
        misses = predicted - hits
        above = misses.copy()
        above[:, 1:] += misses[:, :-1]
        beaten = np.einsum("rs,rs->r", gained, above) / 2
        negative = self.total - self.positive
        pairs = self.positive * negative
        return np.where(pairs > 0, 1 - _ratio(beaten, pairs), np.nan)

    def average_precision(self) -> Floats:
        """Sum of precision times recall gained; NaN where the positives have no weight."""
        hits, predicted, gained = self.curve
        precision = _ratio(hits, predicted)
        return np.where(self.positive > 0, _ratio(np.einsum("rs,rs->r", gained, precision), self.positive), np.nan)


_FORMULAS: dict[str, Callable[[_Sums], Floats]] = {
    "roc_auc": _Sums.roc_auc,
    "average_precision": _Sums.average_precision,
    "accuracy": lambda s: _ratio(s.right, s.total),
    "f1": lambda s: _ratio(2 * s.hits, s.positive + s.predicted),
    "precision": lambda s: _ratio(s.hits, s.predicted),
    "recall": lambda s: _ratio(s.hits, s.positive),
    "log_loss": lambda s: s.log_loss / s.total,
    "brier_score_loss": lambda s: s.squared / s.total,
}


class Scored:
    """Rows with outcome and probability, made ready to be measured under many weightings.

    Args:
        y: outcomes [n], 0 or 1, both of them present.
        p: probabilities [n] of 1.
        threshold: probability from which a row is decided to be positive.

    Raises:
        DataError: as :func:`outcomes` and :func:`probabilities`.
    """

    def __init__(self, y: npt.ArrayLike, p: npt.ArrayLike, threshold: float) -> None:
        self.y = outcomes(y)
        self.p = probabilities(p, len(self.y))
        self.decided: npt.NDArray[np.bool_] = self.p >= threshold

    @functools.cached_property
    def columns(self) -> Floats:
        """What is summed over rows, [7, n]: one, outcome, decision, hit, right, log loss, squared error."""
        y, p = self.y, self.p
        epsilon = np.finfo(np.float64).eps
        of_outcome = np.where(y, p, 1 - p).clip(epsilon, 1 - epsilon)
        columns = [np.ones(len(y)), y, self.decided, y & self.decided, y == self.decided, -np.log(of_outcome)]
        return np.array([*columns, (p - y) ** 2], dtype=np.float64)

    @functools.cached_property
    def order(self) -> _Order:
        """The rows sorted once, from the greatest probability down."""
        rows = np.argsort(-self.p, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(self.p[rows])), len(rows) - 1)
        tied = len(ends) < len(rows)
        return _Order(rows=rows, positive=self.y[rows].astype(np.float64), ends=ends if tied else None)

    def under(self, wanted: Sequence[str], weights: Floats) -> dict[str, Floats]:
        """Return each metric [r] under the weightings *weights* [r, n] (each not negative, with a sum above 0).

        ``roc_auc`` is NaN where a weighting leaves one class only, ``average_precision`` where it leaves no positive.

        Raises:
            SettingsError: for an unknown metric, with the nearest.
        """
        sums = _Sums(self, weights)
        return {name: _FORMULAS[require(name)](sums) for name in wanted}


def compute(
    wanted: Sequence[str],
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    threshold: float,
    sample_weight: npt.ArrayLike | None = None,
) -> dict[str, float]:
    """Return the metrics by name, of outcomes *y* [n] and probabilities *p* [n], weighted or not.

    Raises:
        DataError: where a prediction isn't finite, or (with the weights) one class only is present.
        SettingsError: for an unknown metric, with the nearest.
    """
    scored = Scored(y, p, threshold)
    weights = np.ones(len(scored.y)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != scored.y.shape or not np.isfinite(weights).all() or weights.min() < 0:
        raise DataError("found weights that are missing, not finite or negative; expected one number a row, 0 or more")
    if not weights[scored.y].sum() or not weights[~scored.y].sum():
        raise DataError("one class has no weight; expected rows of both classes with a weight above 0")
    return {name: float(values[0]) for name, values in scored.under(wanted, weights[np.newaxis]).items()}


@dataclasses.dataclass(frozen=True)
class Bin:
    """Rows of like probability: how many, their mean probability, and the share of positives among them."""

    rows: int
    predicted: float
    observed: float


def reliability(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Return bins of equal count from the least probable rows up; equal probabilities are in one bin.

    The cuts are the quantiles of *p*, so the order of rows has no influence, and many ties make fewer bins.

    Raises:
        DataError: as :func:`outcomes` and :func:`probabilities`.
    """
    positive = outcomes(y)
    values = probabilities(p, len(positive))
    cuts = np.unique(np.quantile(values, np.arange(1, bins) / bins))
    place = np.searchsorted(cuts, values, side="left")
    members = (place == number for number in range(len(cuts) + 1))
    return tuple(
        Bin(rows=int(member.sum()), predicted=float(values[member].mean()), observed=float(positive[member].mean()))
        for member in members
        if member.any()
    )


def expected_calibration_error(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean distance of probability and observed share, over bins of equal count weighted by rows.

    Source: Naeini, Cooper and Hauskrecht 2015, with bins of equal count in place of equal width, which are
    empty or crowded where probabilities bunch.

    Raises:
        DataError: as :func:`reliability`.
    """
    parts = reliability(y, p, bins)
    return sum(part.rows * abs(part.predicted - part.observed) for part in parts) / sum(part.rows for part in parts)
