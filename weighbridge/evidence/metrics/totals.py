"""What metrics are made of: weighted sums over rows, and weighted counts of pairs in rank order.

A metric is a formula over :class:`Totals`; where these come from, one weighting of the rows or a thousand resamples
of whole groups, is no concern of the formula.

Sums that must not depend on threads, on the BLAS or on the order of rows are sums of integers, which float64 holds
exactly below 2**53: columns are rounded to multiples of a power of two (:func:`exact`), and a resample's weights are
whole numbers.
"""

import dataclasses
import functools
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]
Index = npt.NDArray[np.intp]
_BITS = 50  # of float64's 53; the rest is room for resamples that hold more rows than there are
_SHORT = 1 << 24  # rows below which 32 bits hold all counts, where weights are of
_WIDE = 4  # fewer bytes than these


def exact(column: npt.ArrayLike) -> Floats:
    """Return the numbers [n] rounded to multiples of a power of two so coarse that any sum of n of them is exact.

    The rounding is at most 2**-51 of the sum of n times the largest number.
    """
    values = np.asarray(column, dtype=np.float64)
    largest = float(np.abs(values).max(initial=0.0))
    if not largest:
        return values
    unit = int(np.frexp(largest)[1]) + max(len(values) - 1, 1).bit_length() - _BITS
    return np.ldexp(np.rint(np.ldexp(values, -unit)), unit)


def exact_parts(column: npt.ArrayLike) -> tuple[Floats, ...]:
    """Return columns [n] whose sums are exact and add up to that of *column*: its leading digits, and those below.

    Without the second, a few enormous numbers would take the digits of all others.
    """
    values = np.asarray(column, dtype=np.float64)
    leading = exact(values)
    below = exact(values - leading)  # exact itself: what rounding to a coarser unit leaves
    return (leading, below) if below.any() else (leading,)


def ratio(numerator: Floats, denominator: Floats) -> Floats:
    """Return the quotient, and 0 where the denominator isn't above 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Rows of two kinds in rising order of their score.

    Attributes:
        positives: rows that ought to score high [a]; a slice where they lie side by side.
        negatives: all others [b], likewise.
        below: for each of *positives*, how many negatives score less [a].
        up_to: how many score less or the same [a]; the same array as *below* where no pair is tied.
        before: for each of *positives*, how many positives score less [a]; ``None`` where no two of them are tied.
    """

    positives: Index | slice
    negatives: Index | slice
    below: Index
    up_to: Index
    before: Index | None

    @classmethod
    def of(cls, positive: npt.NDArray[np.bool_], score: Floats) -> "Ranking":
        """Rank the rows [n] by *score* [n]; n log n."""
        rows, others = np.flatnonzero(positive), np.flatnonzero(~positive)
        rows, others = (at[np.argsort(score[at], kind="stable")] for at in (rows, others))
        high, low = score[rows], score[others]
        below, up_to = np.searchsorted(low, high, side="left"), np.searchsorted(low, high, side="right")
        up_to = below if np.array_equal(below, up_to) else up_to
        before = np.searchsorted(high, high, side="left") if len(high) > 1 and not np.diff(high).all() else None
        return cls(_side_by_side(rows), _side_by_side(others), below, up_to, before)


def _side_by_side(rows: Index) -> Index | slice:
    """Return *rows* as a slice where they are one: it needs no copy."""
    if len(rows) and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


class Totals(Protocol):
    """Sums over the rows of one model for *r* weightings; each array is [r] or [r, size]."""

    @property
    def classes(self) -> int:
        """Number of classes; 0 for numbers."""

    def sum(self, column: str) -> Floats:
        """Weighted sum of a column."""

    def table(self, codes: str, column: str = "one") -> Floats:
        """Weighted sum of a column's leading digits for each code, [r, codes]."""

    def positives(self, ranking: int) -> Floats:
        """Weight of the rows that ought to score high."""

    def pairs(self, ranking: int) -> Floats:
        """Weighted count of (positive, negative) pairs whose positive scores higher, ties counted half."""

    def gained(self, ranking: int) -> Floats:
        """Sum of precision times positives gained, over all thresholds."""

    def own(self, name: str) -> Floats:
        """A metric of the project's own."""


class Source(Protocol):
    """What a model's rows offer to be summed."""

    classes: int

    def column(self, name: str) -> tuple[Floats, ...]:
        """Return a column of numbers as parts [n] that add up to it."""

    def codes(self, name: str) -> tuple[Index, int]:
        """Return a column of codes [n] from 0, and how many codes there are."""

    def ranking(self, number: int) -> Ranking:
        """Return the rows in rank order, by the score for the class *number*."""

    def own_value(self, name: str, weights: Array, rows: Index | None, where: str) -> float:
        """Return the own metric under *weights* of all rows, or of *rows*; *where* is for errors."""


class RowTotals:
    """Totals by the weight of each row.

    Args:
        source: the model's rows.
        weights: of each row, [r, n]; or [r, m] where *rows* are given.
        rows: the rows [m] that have a weight, each perhaps standing for many alike; all of them for ``None``.
        first: number of the first resample, for errors; ``None`` where there is no resampling.
    """

    def __init__(self, source: Source, weights: Array, rows: Index | None = None, first: int | None = None) -> None:
        self._source = source
        self._weights = weights
        self._rows = rows
        self._first = first

    @property
    def classes(self) -> int:
        """See :class:`Totals`."""
        return self._source.classes

    @functools.cached_property
    def _floats(self) -> Floats:
        return np.asarray(self._weights, dtype=np.float64)

    def _column(self, name: str) -> list[Floats]:
        return [part if self._rows is None else part[self._rows] for part in self._source.column(name)]

    def sum(self, column: str) -> Floats:
        """See :class:`Totals`."""
        # Not ``weights @ column``: BLAS adds up in another order with another number of threads.
        if column == "one":
            return self._total(self._weights)
        parts = self._column(column)
        return np.array([sum(np.einsum("n,n->", row, part) for part in parts) for row in self._floats])

    def table(self, codes: str, column: str = "one") -> Floats:
        """See :class:`Totals`."""
        numbers, size = self._source.codes(codes)
        numbers = numbers if self._rows is None else numbers[self._rows]
        amounts = self._floats if column == "one" else self._floats * self._column(column)[0]
        return np.stack([np.bincount(numbers, row, size) for row in amounts])

    def positives(self, ranking: int) -> Floats:
        """See :class:`Totals`."""
        return self._total(self._of(self._source.ranking(ranking).positives))

    def pairs(self, ranking: int) -> Floats:
        """See :class:`Totals`."""
        ranked = self._source.ranking(ranking)
        below = self._cumulated(ranked.negatives)
        beaten = np.take(below, ranked.below, axis=1)
        if ranked.up_to is ranked.below:
            doubled = 2 * self._dot(ranked.positives, beaten)
        else:
            doubled = self._dot(ranked.positives, beaten + np.take(below, ranked.up_to, axis=1))
        return doubled / 2

    def gained(self, ranking: int) -> Floats:
        """See :class:`Totals`."""
        ranked = self._source.ranking(ranking)
        # All rows of one score are one threshold: from the first of them upwards, rows are decided positive.
        hits, others = self._cumulated(ranked.positives), self._cumulated(ranked.negatives)
        hits = hits[:, -1:] - (hits[:, :-1] if ranked.before is None else np.take(hits, ranked.before, axis=1))
        predicted = hits + (others[:, -1:] - np.take(others, ranked.below, axis=1))
        predicted += predicted == 0  # where there are no hits either
        unit = 2.0 ** (_BITS - max(len(ranked.below) - 1, 1).bit_length())  # rounded so that sums are exact
        precision = np.divide(hits, predicted, dtype=np.float64)
        precision *= unit
        return self._dot(ranked.positives, np.rint(precision, out=precision)) / unit

    def own(self, name: str) -> Floats:
        """See :class:`Totals`."""
        first, values = self._first, []
        for number, weights in enumerate(self._floats):
            where = "all rows" if first is None else f"resample {first + number}"
            values.append(self._source.own_value(name, weights, self._rows, where))
        return np.array(values, dtype=np.float64)

    def _of(self, rows: Index | slice) -> Array:
        """Return the weights of *rows*, [r, rows]."""
        return self._weights[:, rows] if isinstance(rows, slice) else np.take(self._weights, rows, axis=1)

    def _total(self, weights: Array) -> Floats:
        return np.asarray(weights.sum(axis=1, dtype=self._kind(weights)), dtype=np.float64)

    def _kind(self, weights: Array) -> type[np.generic]:
        """Return the type that holds sums of weights: whole numbers, where weights are, are added up much faster."""
        if weights.dtype.kind == "f":
            return np.float64
        return np.int32 if self._weights.shape[1] < _SHORT and weights.dtype.itemsize < _WIDE else np.int64

    def _cumulated(self, rows: Index | slice) -> Array:
        """Return the weight of the first 0, 1, 2, … of *rows*, [r, rows + 1]."""
        weights = self._of(rows)
        kind = self._kind(weights)
        sums = np.empty((len(weights), weights.shape[1] + 1), dtype=kind)
        sums[:, 0] = 0
        np.cumsum(weights, axis=1, dtype=kind, out=sums[:, 1:])
        return sums

    def _dot(self, rows: Index | slice, amounts: Array) -> Floats:
        return np.asarray(np.einsum("rn,rn->r", self._of(rows), amounts, dtype=np.float64), dtype=np.float64)
