"""A network's rows, read from disk a few row groups at a time; see :class:`weighbridge.training.torch_fit.Source`."""

import dataclasses
import functools
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from weighbridge.training import objective
from weighbridge.training.objective import Objective
from weighbridge.training.streaming import GROUPS_AT_ONCE
from weighbridge.training.torch_fit import Batch

_SEEDS = 2**62


@dataclasses.dataclass(frozen=True)
class Stream:
    """A :class:`weighbridge.training.torch_fit.Source` of the rows of *part*, which fit into memory in parts only.

    *standard* is the mean and deviation by which the targets of a regression are standardised.
    """

    part: Any
    objective: Objective
    standard: tuple[float, float]

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.part)

    def shuffled(self, order: torch.Generator, size: int) -> Iterator[Batch]:
        """Yield the row groups in a new order, and the rows of :data:`GROUPS_AT_ONCE` of them in a new order."""
        # One number at once, however far the batches are taken: so the next epoch's order doesn't hang on it.
        own = torch.Generator().manual_seed(int(torch.randint(_SEEDS, (1,), generator=order)))
        return _cut(self._mixed(own), size)

    def _mixed(self, order: torch.Generator) -> Iterator[Batch]:
        numbers = torch.randperm(self.part.groups, generator=order).tolist()
        for first in range(0, len(numbers), GROUPS_AT_ONCE):
            some = _joined([self._read(number) for number in numbers[first : first + GROUPS_AT_ONCE]])
            drawn = torch.randperm(len(some.targets), generator=order)
            yield _each(some, functools.partial(_taken, drawn))

    def in_turn(self, size: int) -> Iterator[Batch]:
        """Yield the rows in the order of the table."""
        return _cut((self._read(number) for number in range(self.part.groups)), size)

    def _read(self, number: int) -> Batch:
        found = self.part.read(number)
        targets = objective.standardised(found.targets, self.standard)
        weights = (
            None
            if found.weights is None
            else torch.from_numpy((found.weights / self.part.mean_weight).astype("float32"))
        )
        return Batch(torch.from_numpy(found.inputs), self.objective.targets(targets), weights)


def _joined(batches: Sequence[Batch]) -> Batch:
    weights = [batch.weights for batch in batches if batch.weights is not None]
    inputs, targets = (torch.cat(fields) for fields in zip(*(batch[:2] for batch in batches), strict=True))
    return Batch(inputs, targets, torch.cat(weights) if weights else None)


def _each(batch: Batch, change: Callable[[torch.Tensor], torch.Tensor]) -> Batch:
    weights = None if batch.weights is None else change(batch.weights)
    return Batch(change(batch.inputs), change(batch.targets), weights)


def _taken(rows: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    return field.index_select(0, rows)


def _cut(pieces: Iterator[Batch], size: int) -> Iterator[Batch]:
    """Yield the rows of all *pieces*, one after the other, in batches of *size*; the last may be smaller."""
    rest: list[Batch] = []
    for piece in pieces:
        whole = _joined([*rest, piece])
        full = len(whole.targets) // size * size
        for first in range(0, full, size):
            yield _each(whole, operator.itemgetter(slice(first, first + size)))
        rest = [_each(whole, operator.itemgetter(slice(full, None)))]
    if rest and len(rest[0].targets):
        yield rest[0]
