"""What is in each feature of each part: gaps, range, frequent values and bins, one column in memory at a time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from weighbridge.data import bins, tables
from weighbridge.data.schema import Column, Schema

_FREQUENT = 3
THREADS = 2
"""Threads that look at columns, each at one."""


class Part(Protocol):
    """Prepared rows as they are looked at: a data frame, or a file of :mod:`weighbridge.data.parts`."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def __getitem__(self, name: str) -> pd.Series:
        """Return one column."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's values in one part, for people.

    Attributes:
        missing_share: share of rows without a value.
        distinct: number of different values; 0 for arrays, whose values aren't counted.
        low: smallest value; ``None`` for text and where all are missing, as are *mean* and *high*.
        mean: mean value.
        high: largest value.
        frequent: the most frequent values of a text feature with their shares of all rows, most frequent first.
    """

    missing_share: float
    distinct: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    frequent: tuple[tuple[str, float], ...] = ()


class Values(NamedTuple):
    """One feature's values in one part.

    Attributes:
        summary: the same for people.
        missing: rows without a value.
        outside: rows with a value that the schema doesn't allow.
        bins: bins of about equal count; without any for arrays.
        counts: rows in each of them.
    """

    summary: Summary
    missing: int
    outside: int
    bins: bins.Bins
    counts: tuple[int, ...]


Seen = dict[str, dict[str, Values]]
"""What was seen, by part, then by feature."""


def examine(parts: Mapping[str, Part], schema: Schema) -> Seen:
    """Return what is in each feature of each part."""
    with ThreadPoolExecutor(THREADS) as pool:
        found = {
            part_name: {name: pool.submit(_values, part, name, column) for name, column in schema.features.items()}
            for part_name, part in parts.items()
        }
        return {
            part_name: {name: values.result() for name, values in features.items()}
            for part_name, features in found.items()
        }


def batches(part: Part, names: Sequence[str]) -> list[Callable[[], pa.Table]]:
    """Return what reads these columns of some rows each: of a file a row group, of a data frame all."""
    if isinstance(part, pd.DataFrame):
        return [lambda: tables.to_arrow(part[list(names)])]
    found: list[Callable[[], pa.Table]] = part.batches(names)  # type: ignore[attr-defined]
    return found


def _values(part: Part, name: str, column: Column) -> Values:
    if column.kind == "array":
        return _of_arrays(part, name, column)
    if column.kind == "string":
        return _of_text(text_counts(part, name), len(part), column)
    return _of_numbers(part[name], column)


def text_counts(part: Part, name: str) -> pd.Series:
    """Return how often each text of a column stands there."""
    found = [read()[name].value_counts() for read in batches(part, [name])]
    texts = pa.chunked_array([each.field("values").cast(pa.string()) for each in found], pa.string())
    counts = pa.chunked_array([each.field("counts") for each in found], pa.int64())
    return pd.Series(counts.to_numpy(), index=texts.to_pandas()).groupby(level=0).sum()


def _of_numbers(values: pd.Series, column: Column) -> Values:
    ordered = np.sort(values.to_numpy())  # NaN comes last
    present = ordered[: len(ordered) - int(np.isnan(ordered).sum())]
    missing = len(ordered) - len(present)
    found = bins.of_sorted(present)
    # Limits are rounded as the values are.
    below = 0 if column.minimum is None else np.searchsorted(present, np.float32(column.minimum), side="left")
    upto = len(present)
    if column.maximum is not None:
        upto = int(np.searchsorted(present, np.float32(column.maximum), side="right"))
    share = missing / max(len(ordered), 1)
    summary = Summary(missing_share=share, distinct=0)
    if len(present):
        summary = Summary(
            missing_share=share,
            distinct=1 + int(np.count_nonzero(present[1:] != present[:-1])),
            low=float(present[0]),
            mean=float(present.mean(dtype=np.float64)),
            high=float(present[-1]),
        )
    counts = (*bins.sorted_counts(present, found).tolist(), missing)
    return Values(summary, missing, int(below) + len(present) - upto, found, counts)


def _of_text(counts: pd.Series, length: int, column: Column) -> Values:
    missing = int(counts.get("", 0))
    ranked = bins.most_frequent(counts[counts.index != ""], _FREQUENT)
    found = bins.of_counted(counts, length)
    rows = max(length, 1)
    outside = int(counts[~counts.index.isin([*column.values, ""])].sum()) if column.ranged else 0  # noqa: PD011 - the schema's
    summary = Summary(
        missing_share=missing / rows,
        distinct=len(counts) - ("" in counts.index),
        frequent=tuple((str(value), int(count) / rows) for value, count in ranked.items()),
    )
    return Values(summary, missing, outside, found, tuple(bins.counted(counts, length, found).tolist()))


def _of_arrays(part: Part, name: str, column: Column) -> Values:
    low, high = np.inf, -np.inf
    total, size, outside = 0.0, 0, 0
    for read in batches(part, [name]):
        rows = stacked(read()[name])
        if not len(rows):
            continue
        low, high = min(low, float(rows.min())), max(high, float(rows.max()))
        total, size = total + float(rows.sum(dtype=np.float64)), size + rows.size
        least = -np.inf if column.minimum is None else np.float32(column.minimum)
        most = np.inf if column.maximum is None else np.float32(column.maximum)
        outside += int(((rows < least) | (rows > most)).any(axis=1).sum())
    summary = Summary(missing_share=0.0, distinct=0)
    if size:
        summary = Summary(missing_share=0.0, distinct=0, low=low, mean=total / size, high=high)
    return Values(summary, 0, outside, bins.Bins(), ())


def stacked(arrays: pa.ChunkedArray) -> npt.NDArray[np.float32]:
    """Return the rows of a column of arrays [n, values]; none as [0, 0]."""
    whole = arrays.combine_chunks()
    return np.asarray(whole.flatten().to_numpy().reshape(len(whole), -1 if len(whole) else 0))
