"""What is drawn in a resample: rows within strata, or whole groups; and how metrics are summed over such draws.

A design divides the metrics into parts that can be measured in the same way. Each part is a job, which turns a chunk
of resamples into samples for every model; see :mod:`weighbridge.evidence.bootstrap` for what each way costs.
"""

import abc
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.group_totals import GroupSums, GroupTotals
from weighbridge.evidence.metrics.binary import Binary
from weighbridge.evidence.metrics.scored import Scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index, RowTotals
from weighbridge.evidence.resampling import Chunk, Job, Samples, counts, joined

MANY_GROUPS = 1024
"""Groups from which the pairs between any two of them cost more than each row's weight."""
_FEW_CODES = 1 << 20
Point = Callable[[Scored], dict[str, Floats]]
Part = tuple[Point, Job]
"""How to measure the value of a model, and its resamples; the first also computes what all of the second share."""


class Design(abc.ABC):
    """How rows of some models are resampled."""

    def __init__(self, models: Sequence[Scored]) -> None:
        self.models = models

    @abc.abstractmethod
    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """Yield the parts that together measure *names*."""

    def _patterns(self, owner: Index) -> tuple[Index, Index]:
        """Return a row of each pattern of owner, outcome and all decisions, and how many rows are alike [patterns]."""
        code, size = owner * 1, int(owner.max()) + 1
        first = self.models[0]
        for column in (first.y, *(model.decided for model in self.models)):
            code, size = code * first.classes + column, size * first.classes
        return alike(code, size)


class Independent(Design):
    """Rows are resampled within each class, or all as one where there are no classes.

    The models' rows are to be in the order of :meth:`order`.
    """

    def __init__(self, models: Sequence[Scored]) -> None:
        super().__init__(models)
        first = models[0]
        sizes = np.bincount(first.y.astype(np.intp)) if first.classes else np.array([len(first)])
        self._sizes: list[int] = [int(size) for size in sizes if size]

    @staticmethod
    def order(model: Scored, names: Sequence[str]) -> Index:
        """Return the rows by class; within it by score where *names* need ranks, which are then read side by side."""
        if not model.classes:
            return np.arange(len(model))
        ranked = any(name in model.by_rank or name in model.by_row for name in names)
        if ranked and isinstance(model, Binary):
            return np.lexsort((model.p, model.y))
        return np.argsort(model.y.astype(np.min_scalar_type(model.classes)), kind="stable")

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """Decisions by their patterns, all else by rows."""
        decided = [name for name in names if self.models[0].sees_decisions(name)]
        others = [name for name in names if name not in decided]
        if decided:
            yield self._by_pattern(decided)
        if others:
            ones = np.ones((1, len(self.models[0])), dtype=np.uint8)
            yield lambda model: model.finish(others, RowTotals(model, ones)), lambda chunk: self._rows(chunk, others)

    def _by_pattern(self, names: Sequence[str]) -> Part:
        stratum = np.repeat(np.arange(len(self._sizes)), self._sizes)
        rows, sizes = self._patterns(stratum)
        owners = stratum[rows]

        def job(chunk: Chunk) -> list[Samples]:
            weights = np.empty((chunk.resamples, len(rows)))
            for number, size in enumerate(self._sizes):
                mine = owners == number
                generator = chunk.generator(2 * number + 1)
                weights[:, mine] = generator.multinomial(size, sizes[mine] / size, size=chunk.resamples)
            return [model.finish(names, RowTotals(model, weights, rows, chunk.first)) for model in self.models]

        return lambda model: model.finish(names, RowTotals(model, sizes[np.newaxis], rows)), job

    def _rows(self, chunk: Chunk, names: Sequence[str]) -> list[Samples]:
        generators = [chunk.generator(2 * number) for number in range(len(self._sizes))]
        made: list[list[Samples]] = [[] for _ in self.models]
        for begin, end in chunk.batches(sum(self._sizes)):
            strata = zip(generators, self._sizes, strict=True)
            weights = np.concatenate([counts(generator, end - begin, size) for generator, size in strata], axis=1)
            for model, samples in zip(self.models, made, strict=True):
                samples.append(model.finish(names, RowTotals(model, weights, first=chunk.first + begin)))
        return [joined(samples) for samples in made]


class Grouped(Design):
    """Whole groups are resampled.

    Args:
        models: the models.
        members: the group of each row [n], as a number from 0.
        groups: how many there are.
    """

    def __init__(self, models: Sequence[Scored], members: Index, groups: int) -> None:
        super().__init__(models)
        self._members = members
        self._groups = groups

    def parts(self, names: Sequence[str]) -> Iterator[Part]:
        """Decisions by their patterns in each group, sums by group, and what needs them by the weights of rows."""
        first = self.models[0]
        decided = [name for name in names if first.sees_decisions(name)]
        rows = [name for name in names if name not in decided and self._needs_rows(first, name)]
        sums = [name for name in names if name not in decided and name not in rows]
        if decided:
            yield self._by_pattern(decided)
        if sums:
            yield self._by_sum(sums)
        if rows:
            yield self._by_row(rows)

    def _needs_rows(self, model: Scored, name: str) -> bool:
        pairs = self._groups**2
        return model.needs_rows(name) or (name in model.by_rank and pairs > min(MANY_GROUPS**2, len(self._members)))

    def _drawn(self, chunk: Chunk) -> Array:
        return counts(chunk.generator(0), chunk.resamples, self._groups)

    def _by_pattern(self, names: Sequence[str]) -> Part:
        rows, sizes = self._patterns(self._members)
        owners = self._members[rows]

        def weigh(drawn: Array) -> Array:
            return np.take(drawn, owners, axis=1) * sizes

        return self._weighed(names, weigh, rows)

    def _by_row(self, names: Sequence[str]) -> Part:
        return self._weighed(names, lambda drawn: np.take(drawn, self._members, axis=1), None)

    def _weighed(self, names: Sequence[str], weigh: Callable[[Array], Array], rows: Index | None) -> Part:
        width = len(self._members if rows is None else rows)

        def job(chunk: Chunk) -> list[Samples]:
            drawn = self._drawn(chunk)
            made: list[list[Samples]] = [[] for _ in self.models]
            for begin, end in chunk.batches(width):
                weights = weigh(drawn[begin:end])
                for model, samples in zip(self.models, made, strict=True):
                    samples.append(model.finish(names, RowTotals(model, weights, rows, chunk.first + begin)))
            return [joined(samples) for samples in made]

        once = np.ones((1, self._groups), dtype=np.uint8)
        return lambda model: model.finish(names, RowTotals(model, weigh(once), rows)), job

    def _by_sum(self, names: Sequence[str]) -> Part:
        sums = {id(model): GroupSums(model, self._members, self._groups) for model in self.models}

        def of(model: Scored, drawn: Array) -> Samples:
            return model.finish(names, GroupTotals(sums[id(model)], drawn))

        def job(chunk: Chunk) -> list[Samples]:
            drawn = self._drawn(chunk)
            return [of(model, drawn) for model in self.models]

        return lambda model: of(model, np.ones((1, self._groups))), job


def alike(code: Index, size: int) -> tuple[Index, Index]:
    """Return a row of each code that occurs [codes], and how many rows have it; *code* [n] is below *size*."""
    if size > _FEW_CODES:
        _, rows, sizes = np.unique(code, return_index=True, return_counts=True)
        return rows, sizes
    sizes = np.bincount(code, minlength=size)
    rows = np.zeros(size, dtype=np.intp)
    rows[code] = np.arange(len(code))
    return rows[sizes > 0], sizes[sizes > 0]


def group_numbers(groups: npt.ArrayLike, rows: int) -> tuple[Index, int]:
    """Return each row's group as a number from 0, and how many there are.

    Raises:
        DataError: where there isn't one group a row, or only one in all.
    """
    labels = np.asarray(groups)
    if labels.shape != (rows,):
        raise DataError(f"found groups of shape {labels.shape}; expected ({rows},): one group a row")
    if labels.dtype.kind in "iu" and rows and labels.min() >= 0 and labels.max() < 2 * rows:
        found = np.flatnonzero(np.bincount(labels))  # without sorting a million rows
        numbers = np.searchsorted(found, np.arange(labels.max() + 1))[labels]
    else:
        found, numbers = _by_text(labels)
    if len(found) < 2:  # noqa: PLR2004 - one group has nothing to vary by
        raise DataError(
            f"all {rows} rows are of one group ({found[0]}); expected at least two, and many for an honest interval. "
            "Measure a longer span, or leave out the schema's group"
        )
    return numbers.reshape(-1), len(found)


def _by_text(labels: Array) -> tuple[Array, Index]:
    """Number labels in the order of their texts: columns of objects (dates, missing values) have no other order."""
    import pandas as pd

    numbers, values = pd.factorize(labels, use_na_sentinel=False)
    found, inverse = np.unique(np.asarray(values).astype(str), return_inverse=True)
    return found, inverse[numbers]
