"""Metrics of the probability of one of two classes.

Definitions, with weights w, outcomes y in {0, 1}, probabilities p, decisions d = [p >= threshold]:

- ``roc_auc``: chance that a positive row has a greater p than a negative one, ties counted half
  (Hanley and McNeil 1982).
- ``average_precision``: sum over thresholds of (recall gained) x precision, without interpolation; rows of
  equal p are one threshold (as scikit-learn defines it).
- ``accuracy``, ``precision``, ``recall``, ``f1``: of the decisions; 0 where the denominator is.
- ``balanced_accuracy``: mean of the recalls of both classes, or of the one that has a weight.
- ``matthews_corrcoef``: correlation of d and y (Matthews 1975); 0 where one of them doesn't vary.
- ``log_loss``: mean of -log(probability of the outcome), p kept off 0 and 1 by float64's epsilon (Good 1952).
- ``brier_score_loss``: mean of (p - y)^2 (Brier 1950).
- ``expected_calibration_error``: see :mod:`weighbridge.evidence.metrics.calibration`; the bins are those of all rows,
  whatever their weights.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from weighbridge.evidence.metrics.calibration import places
from weighbridge.evidence.metrics.checks import outcomes, probabilities
from weighbridge.evidence.metrics.scored import Formula, Scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index, Ranking, Totals, ratio
from weighbridge.settings import OwnMetric


def _roc_auc(t: Totals) -> Floats:
    positive = t.positives(1)
    possible = positive * (t.sum("one") - positive)
    return np.where(possible > 0, ratio(t.pairs(1), possible), np.nan)


def _average_precision(t: Totals) -> Floats:
    positive = t.positives(1)
    return np.where(positive > 0, ratio(t.gained(1), positive), np.nan)


def _balanced_accuracy(t: Totals) -> Floats:
    positive, hits = t.sum("outcome"), t.sum("hit")
    negative = t.sum("one") - positive
    recalls = ratio(hits, positive) + ratio(t.sum("right") - hits, negative)
    return ratio(recalls, (positive > 0).astype(np.float64) + (negative > 0))


def _matthews_corrcoef(t: Totals) -> Floats:
    total, positive, decided = t.sum("one"), t.sum("outcome"), t.sum("decision")
    spread = positive * (total - positive) * decided * (total - decided)
    return ratio(total * t.sum("hit") - positive * decided, np.sqrt(np.maximum(spread, 0)))


def _calibration(t: Totals) -> Floats:
    return ratio(np.abs(t.table("bin", "excess")).sum(axis=1), t.sum("one"))


class Binary(Scored):
    """Rows with outcome and probability.

    Args:
        y: outcomes [n], 0 or 1, both of them present.
        p: probabilities [n] of 1.
        threshold: probability from which a row is decided to be positive.
        own: the project's own metrics, by name.

    Raises:
        DataError: as :func:`outcomes` and :func:`probabilities`.
    """

    formulas: ClassVar[Mapping[str, Formula]] = {
        "roc_auc": _roc_auc,
        "average_precision": _average_precision,
        "accuracy": lambda t: ratio(t.sum("right"), t.sum("one")),
        "balanced_accuracy": _balanced_accuracy,
        "f1": lambda t: ratio(2 * t.sum("hit"), t.sum("outcome") + t.sum("decision")),
        "precision": lambda t: ratio(t.sum("hit"), t.sum("decision")),
        "recall": lambda t: ratio(t.sum("hit"), t.sum("outcome")),
        "matthews_corrcoef": _matthews_corrcoef,
        "log_loss": lambda t: ratio(t.sum("log_loss"), t.sum("one")),
        "brier_score_loss": lambda t: ratio(t.sum("squared_error"), t.sum("one")),
        "expected_calibration_error": _calibration,
    }
    by_decision = frozenset({"accuracy", "balanced_accuracy", "f1", "precision", "recall", "matthews_corrcoef"})
    by_rank = frozenset({"roc_auc"})
    by_row = frozenset({"average_precision"})
    classes = 2

    def __init__(
        self, y: npt.ArrayLike, p: npt.ArrayLike, threshold: float, own: Mapping[str, OwnMetric] | None = None
    ) -> None:
        super().__init__(own)
        self.y: npt.NDArray[np.bool_] = outcomes(y)
        self.p = self.predictions = probabilities(p, len(self.y))
        self.decided: Array = (self.p >= threshold).astype(np.int64)

    def _make_column(self, name: str) -> Array:
        columns: dict[str, Callable[[], Array]] = {
            "outcome": lambda: self.y,
            "decision": lambda: self.decided,
            "hit": lambda: np.logical_and(self.y, self.decided),
            "right": lambda: np.equal(self.y, self.decided),
            "excess": lambda: self.p - self.y,
            "squared_error": lambda: np.square(self.p - self.y),
            "log_loss": self._log_loss,
        }
        return columns[name]()

    def _log_loss(self) -> Array:
        epsilon = np.finfo(np.float64).eps
        losses: Floats = -np.log(np.where(self.y, self.p, 1 - self.p).clip(epsilon, 1 - epsilon))
        return losses

    def _make_codes(self, name: str) -> tuple[Index, int]:
        return places(self.p) if name == "bin" else (self.decided, 2)

    def _make_ranking(self, number: int) -> Ranking:
        return Ranking.of(self.y == bool(number), self.p)
