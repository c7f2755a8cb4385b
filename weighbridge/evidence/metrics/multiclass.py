"""Metrics of the probabilities of several classes.

Decisions are the most probable class, the first of equals. Averages over classes go over those that have a weight
among the outcomes, or (``f1_macro``, ``precision_macro``, ``recall_macro``) among outcomes or decisions, as
scikit-learn does where the rows without a weight are left out. Quotients are 0 where their denominator is.

- ``roc_auc_ovr``: area under the curve of each class against all others, averaged; NaN where a class has no weight.
- ``matthews_corrcoef``: Gorodkin 2004, Computational Biology and Chemistry 28(5-6).
- ``log_loss``: mean of -log(probability of the outcome), kept off 0 and 1 by float64's epsilon.
"""

from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from weighbridge.evidence.metrics.checks import class_numbers, class_probabilities, column
from weighbridge.evidence.metrics.scored import Formula, Scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index, Ranking, Totals, ratio
from weighbridge.settings import OwnMetric


class _Counts(NamedTuple):
    """Weight of rows by class [r, k]: of this outcome, decided so, and both."""

    outcome: Floats
    decided: Floats
    hits: Floats

    @classmethod
    def of(cls, t: Totals) -> "_Counts":
        cells = t.table("confusion")
        classes = round(cells.shape[1] ** 0.5)
        square = cells.reshape(-1, classes, classes)
        return cls(square.sum(axis=2), square.sum(axis=1), np.einsum("rii->ri", square))

    def mean(self, values: Floats) -> Floats:
        """Average over the classes that have a weight among outcomes or decisions."""
        present = (self.outcome + self.decided > 0).astype(np.float64)
        return ratio((values * present).sum(axis=1), present.sum(axis=1))

    def f1(self) -> Floats:
        return ratio(2 * self.hits, self.outcome + self.decided)


def _balanced_accuracy(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return ratio(ratio(counts.hits, counts.outcome).sum(axis=1), (counts.outcome > 0).sum(axis=1).astype(np.float64))


def _f1_weighted(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return ratio((counts.f1() * counts.outcome).sum(axis=1), counts.outcome.sum(axis=1))


def _precision_macro(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return counts.mean(ratio(counts.hits, counts.decided))


def _recall_macro(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return counts.mean(ratio(counts.hits, counts.outcome))


def _f1_macro(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return counts.mean(counts.f1())


def _accuracy(t: Totals) -> Floats:
    counts = _Counts.of(t)
    return ratio(counts.hits.sum(axis=1), counts.outcome.sum(axis=1))


def _matthews_corrcoef(t: Totals) -> Floats:
    outcome, decided, hits = _Counts.of(t)
    total = outcome.sum(axis=1)
    agreement = hits.sum(axis=1) * total - (outcome * decided).sum(axis=1)
    spreads = [np.maximum(total**2 - (counts**2).sum(axis=1), 0) for counts in (outcome, decided)]
    return ratio(agreement, np.sqrt(spreads[0] * spreads[1]))


def _roc_auc_ovr(t: Totals) -> Floats:
    areas = []
    for number in range(t.classes):
        positive = t.positives(number)
        possible = positive * (t.sum("one") - positive)
        areas.append(np.where(possible > 0, ratio(t.pairs(number), possible), np.nan))
    return np.asarray(np.mean(areas, axis=0))


class Multiclass(Scored):
    """Rows with outcome and the probability of each class.

    Args:
        y: outcomes [n], class numbers from 0 to k - 1, at least two different ones.
        p: probabilities [n, k].
        own: the project's own metrics, by name.

    Raises:
        DataError: as :func:`class_numbers` and :func:`class_probabilities`.
    """

    formulas: ClassVar[Mapping[str, Formula]] = {
        "accuracy": _accuracy,
        "balanced_accuracy": _balanced_accuracy,
        "f1_macro": _f1_macro,
        "f1_weighted": _f1_weighted,
        "precision_macro": _precision_macro,
        "recall_macro": _recall_macro,
        "roc_auc_ovr": _roc_auc_ovr,
        "log_loss": lambda t: ratio(t.sum("log_loss"), t.sum("one")),
        "matthews_corrcoef": _matthews_corrcoef,
    }
    by_decision = frozenset(formulas) - {"roc_auc_ovr", "log_loss"}
    by_rank = frozenset({"roc_auc_ovr"})

    def __init__(self, y: npt.ArrayLike, p: npt.ArrayLike, own: Mapping[str, OwnMetric] | None = None) -> None:
        super().__init__(own)
        self.p = self.predictions = class_probabilities(p, len(column(y)))
        self.classes = self.p.shape[1]
        self.y: Index = class_numbers(y, self.classes)
        self.decided: Array = self.p.argmax(axis=1)

    def _make_column(self, name: str) -> Array:  # noqa: ARG002 - there is only one
        epsilon = np.finfo(np.float64).eps
        losses: Floats = -np.log(self.p[np.arange(len(self.y)), self.y].clip(epsilon, 1 - epsilon))
        return losses

    def _make_codes(self, name: str) -> tuple[Index, int]:  # noqa: ARG002 - there is only one
        return self.y * self.classes + self.decided, self.classes**2

    def _make_ranking(self, number: int) -> Ranking:
        return Ranking.of(self.y == number, self.p[:, number])
