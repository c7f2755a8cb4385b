"""Metrics of the test rows, whole and by slices: one set of rows, with all that is needed to measure them."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge import manifest, settings
from weighbridge.data.columns import labels
from weighbridge.errors import DataError
from weighbridge.evidence import bootstrap
from weighbridge.evidence.metrics import Floats

LISTED_SMALL_SLICES = 20


@dataclasses.dataclass(frozen=True)
class HeldOut:
    """The test rows as the metrics need them.

    Attributes:
        y: outcomes [n].
        p: the bundle's predictions, [n] or of several classes [n, k].
        groups: group of each row [n]; none where rows are independent.
        wanted: what is measured, and how.
        task: ``binary``, ``multiclass`` or ``regression``.
    """

    y: npt.NDArray[Any]
    p: Floats
    groups: npt.NDArray[Any] | None
    wanted: settings.Metrics
    task: str = "binary"

    def measure(self, predictions: Sequence[Floats], thresholds: Sequence[float]) -> tuple[bootstrap.Measured, ...]:
        """Return values and samples of each of *predictions*, over one set of resamples."""
        wanted = self.wanted
        return bootstrap.measure(
            wanted.names, self.y, predictions, self.groups, thresholds, wanted.resamples, task=self.task, own=wanted.own
        )

    def intervals(self, measured: bootstrap.Measured) -> dict[str, manifest.Interval]:
        """Return each metric's value with its interval."""
        values, samples = measured
        confidence, groups = self.wanted.confidence, self.count_groups()
        return {name: bootstrap.interval(values[name], samples[name], confidence, groups) for name in self.wanted.names}

    def shares(self, indicators: Sequence[npt.NDArray[np.bool_]]) -> list[manifest.Interval]:
        """Return the share of rows that each of *indicators* [n] holds for, with its interval; of classes only."""
        strata = None if self.groups is not None else self.y
        values, samples = bootstrap.means(indicators, self.groups, self.wanted.resamples, strata=strata)
        confidence, groups = self.wanted.confidence, self.count_groups()
        return [
            bootstrap.interval(float(value), found, confidence, groups)
            for value, found in zip(values, samples, strict=True)
        ]

    def count_groups(self) -> int | None:
        """Return how many groups are resampled; none where rows are."""
        return None if self.groups is None else int(pd.Series(self.groups).nunique())

    def part(self, member: npt.NDArray[np.bool_]) -> "HeldOut":
        """Return the rows where *member* holds."""
        groups = None if self.groups is None else self.groups[member]
        return dataclasses.replace(self, y=self.y[member], p=self.p[member], groups=groups)


def slices(rows: HeldOut, column: str, values: "pd.Series[Any]") -> list[manifest.Slice]:
    """Return one slice a value, the largest first; of those too small to be measured only so many are named."""
    texts = labels(values)
    found, counts = np.unique(texts, return_counts=True)
    order = np.lexsort((found, -counts))
    large = [i for i in order if counts[i] >= rows.wanted.slice_min_rows]
    small = [i for i in order if counts[i] < rows.wanted.slice_min_rows]
    named, rest = small[:LISTED_SMALL_SLICES], small[LISTED_SMALL_SLICES:]
    measured = [_slice(rows.part(texts == found[i]), column, str(found[i])) for i in large]
    listed = [_unmeasured(column, str(found[i]), int(counts[i])) for i in named]
    pooled = [_unmeasured(column, f"({len(rest)} more values)", int(counts[rest].sum()))] if rest else []
    return [*measured, *listed, *pooled]


def _slice(rows: HeldOut, column: str, value: str) -> manifest.Slice:
    try:
        (measured,) = rows.measure([rows.p], [rows.wanted.threshold])
        found = rows.intervals(measured)
    except DataError:  # one class or one group: there is nothing to vary
        return _unmeasured(column, value, len(rows.y))
    return manifest.Slice(column=column, value=value, rows=len(rows.y), metrics=found)


def _unmeasured(column: str, value: str, rows: int) -> manifest.Slice:
    return manifest.Slice(column=column, value=value, rows=rows, metrics={})
