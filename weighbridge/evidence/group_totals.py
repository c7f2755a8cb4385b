"""Totals over resamples of whole groups: each group is summed once, whatever becomes of it in the resamples."""

import numpy as np

from weighbridge.evidence.metrics.scored import Scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index


class GroupSums:
    """A model's rows summed by group, each sum when it is first asked for.

    Args:
        model: the rows [n].
        members: the group of each row [n], as a number from 0.
        groups: how many there are.
    """

    def __init__(self, model: Scored, members: Index, groups: int) -> None:
        self.classes = model.classes
        self._model = model
        self._members = members
        self._groups = groups
        self._sums: dict[str, tuple[Floats, ...]] = {}
        self._tables: dict[tuple[str, str], Floats] = {}
        self._positives: dict[int, Floats] = {}
        self._pairs: dict[int, Floats] = {}

    def sum(self, column: str) -> tuple[Floats, ...]:
        """Return the sum of each part of the column in each group [groups]."""
        if column not in self._sums:
            sums = (np.bincount(self._members, part, self._groups) for part in self._model.column(column))
            self._sums[column] = tuple(np.asarray(part, dtype=np.float64) for part in sums)
        return self._sums[column]

    def table(self, codes: str, column: str) -> Floats:
        """Return the sum of the column for each code in each group [groups, codes]."""
        if (codes, column) not in self._tables:
            numbers, size = self._model.codes(codes)
            cells = np.bincount(self._members * size + numbers, self._model.column(column)[0], self._groups * size)
            self._tables[codes, column] = cells.reshape(self._groups, size).astype(np.float64)
        return self._tables[codes, column]

    def positives(self, ranking: int) -> Floats:
        """Return how many rows of each group ought to score high [groups]."""
        if ranking not in self._positives:
            winners = self._members[self._model.ranking(ranking).positives]
            self._positives[ranking] = np.bincount(winners, minlength=self._groups).astype(np.float64)
        return self._positives[ranking]

    def pairs(self, ranking: int) -> Floats:
        """Return how often a positive of one group beats a negative of another, twice, ties once [groups, groups]."""
        if ranking not in self._pairs:
            ranked = self._model.ranking(ranking)
            winners, losers = self._members[ranked.positives], self._members[ranked.negatives]
            found = np.empty((self._groups, self._groups))
            seen = np.zeros(len(losers) + 1, dtype=np.int64)
            for group in range(self._groups):
                np.cumsum(losers == group, out=seen[1:])
                beaten = seen[ranked.below] + seen[ranked.up_to]
                found[:, group] = np.bincount(winners, beaten, self._groups)
            self._pairs[ranking] = found
        return self._pairs[ranking]


class GroupTotals:
    """Totals where each group of *sums* is drawn as often as *drawn* [r, groups] says."""

    def __init__(self, sums: GroupSums, drawn: Array) -> None:
        self._sums = sums
        self._drawn = np.asarray(drawn, dtype=np.float64)

    @property
    def classes(self) -> int:
        """See :class:`weighbridge.evidence.metrics.totals.Totals`."""
        return self._sums.classes

    def sum(self, column: str) -> Floats:
        """See :class:`weighbridge.evidence.metrics.totals.Totals`."""
        # All of these are sums of whole multiples of one power of two: exact, in whatever order BLAS adds them up.
        leading, *below = [self._drawn @ part for part in self._sums.sum(column)]
        return np.asarray(sum(below, leading), dtype=np.float64)

    def table(self, codes: str, column: str = "one") -> Floats:
        """See :class:`weighbridge.evidence.metrics.totals.Totals`."""
        return np.asarray(self._drawn @ self._sums.table(codes, column), dtype=np.float64)

    def positives(self, ranking: int) -> Floats:
        """See :class:`weighbridge.evidence.metrics.totals.Totals`."""
        return np.asarray(self._drawn @ self._sums.positives(ranking), dtype=np.float64)

    def pairs(self, ranking: int) -> Floats:
        """See :class:`weighbridge.evidence.metrics.totals.Totals`."""
        beaten = self._drawn @ self._sums.pairs(ranking)
        return np.asarray(np.einsum("rg,rg->r", beaten, self._drawn) / 2, dtype=np.float64)

    def gained(self, ranking: int) -> Floats:
        """Unknown from sums alone: precision depends on all groups above a threshold."""
        raise NotImplementedError

    def own(self, name: str) -> Floats:
        """Unknown from sums alone."""
        raise NotImplementedError
