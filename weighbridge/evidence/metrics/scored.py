"""Rows with outcomes and predictions, made ready to be measured under many weightings."""

import abc
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np

from weighbridge.errors import DataError
from weighbridge.evidence.catalogue import require
from weighbridge.evidence.metrics import own as owned
from weighbridge.evidence.metrics.totals import Array, Floats, Index, Ranking, RowTotals, Totals, exact_parts
from weighbridge.settings import OwnMetric

Formula = Callable[[Totals], Floats]


class Scored(abc.ABC):
    """Rows of one task; each kind of task knows its columns and its formulas.

    Attributes:
        y: outcomes [n].
        decided: what is decided of each row [n], as values of *y*; the predictions themselves for a regression.
        predictions: what own metrics see.
        classes: number of classes; 0 for a regression.
    """

    formulas: ClassVar[Mapping[str, Formula]]
    by_decision: ClassVar[frozenset[str]] = frozenset()
    """Metrics for which only outcome and decision matter."""
    by_rank: ClassVar[frozenset[str]] = frozenset()
    """Metrics for which only the order of all predictions matters, by pairs."""
    by_row: ClassVar[frozenset[str]] = frozenset()
    """Metrics that need each row's weight: sums by group aren't enough."""
    classes: int
    y: Array
    decided: Array
    predictions: Array

    def __init__(self, own: Mapping[str, OwnMetric] | None = None) -> None:
        self._own = dict(own or {})
        self._columns: dict[str, tuple[Floats, ...]] = {}
        self._codes: dict[str, tuple[Index, int]] = {}
        self._rankings: dict[int, Ranking] = {}

    def __len__(self) -> int:
        return len(self.y)

    @abc.abstractmethod
    def _make_column(self, name: str) -> Array:
        """Return a column that formulas ask for."""

    @abc.abstractmethod
    def _make_codes(self, name: str) -> tuple[Index, int]:
        """Return codes that formulas ask for, and how many there are."""

    @abc.abstractmethod
    def _make_ranking(self, number: int) -> Ranking:
        """Return the rows in rank order for the class *number*."""

    def column(self, name: str) -> tuple[Floats, ...]:
        """Return a column as parts [n] whose sums are exact.

        Raises:
            DataError: where it isn't finite, since a square or a quotient overflows.
        """
        if name not in self._columns:
            with np.errstate(over="ignore"):  # it is refused below
                values = np.ones(len(self)) if name == "one" else self._make_column(name)
            if not np.isfinite(values).all():
                row = int(np.argmin(np.isfinite(values)))
                raise DataError(
                    f"row {row}'s {name.replace('_', ' ')} is too large to be a number; expected outcomes and "
                    "predictions of a size that can be squared and divided. Look for overflow in the model"
                )
            self._columns[name] = exact_parts(values)
        return self._columns[name]

    def codes(self, name: str) -> tuple[Index, int]:
        """Return codes [n] from 0, and how many there are."""
        if name not in self._codes:
            self._codes[name] = self._make_codes(name)
        return self._codes[name]

    def ranking(self, number: int) -> Ranking:
        """Return the rows in rank order, by the score for the class *number*."""
        if number not in self._rankings:
            self._rankings[number] = self._make_ranking(number)
        return self._rankings[number]

    def own_value(self, name: str, weights: Array, rows: Index | None, where: str) -> float:
        """Return the own metric *name* under *weights* of all rows, or of *rows*.

        Raises:
            DataError: where it fails or isn't finite, naming it and *where*.
        """
        metric = self._own[name]
        seen = self.decided if metric.sees == "decisions" else self.predictions
        outcomes = self.y.astype(np.int64) if self.classes else self.y
        if rows is not None:
            outcomes, seen = outcomes[rows], seen[rows]
        return owned.call(name, metric, (outcomes, seen, weights), where)

    def sees_decisions(self, name: str) -> bool:
        """Return whether only outcome and decision matter for the metric *name*."""
        if name in self._own:
            return bool(self.classes) and self._own[name].sees == "decisions"
        return name in self.by_decision

    def needs_rows(self, name: str) -> bool:
        """Return whether the metric *name* needs each row's weight."""
        return name in self._own or name in self.by_row

    def require(self, names: Sequence[str]) -> None:
        """Refuse names that are none of this task's metrics, nor own ones.

        Raises:
            SettingsError: with the nearest.
        """
        for name in names:
            require(name, [*self._own, *self.formulas])

    def finish(self, names: Sequence[str], totals: Totals) -> dict[str, Floats]:
        """Return each metric [r] of the totals."""
        self.require(names)
        return {name: totals.own(name) if name in self._own else self.formulas[name](totals) for name in names}

    def under(self, names: Sequence[str], weights: Floats) -> dict[str, Floats]:
        """Return each metric [r] under the weightings *weights* [r, n] (each not negative, with a sum above 0).

        A metric that can't be told, such as ``roc_auc`` where a weighting leaves one class only, is NaN.

        Raises:
            DataError: where an own metric fails.
            SettingsError: for an unknown metric, with the nearest.
        """
        return self.finish(names, RowTotals(self, weights))
