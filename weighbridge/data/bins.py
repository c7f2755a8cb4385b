"""A feature's distribution as a few shares, short enough for a record: two of them tell whether rows have drifted."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

MOST = 20
ROWS_A_BIN = 50
"""Fewest training rows that a bin is made for: with fewer, chance alone would look like drift."""
_LONGEST_TEXT = 100
Counts = npt.NDArray[np.int64]


class Bins(NamedTuple):
    """How a feature's values are put into bins: numbers by *edges*, text by *texts*."""

    edges: tuple[float, ...] = ()
    texts: tuple[str, ...] = ()


def of_numbers(values: pd.Series) -> Bins:
    """Return edges between at most :data:`MOST` bins of about equal count; each is the greatest value of its bin.

    A value that many rows have gets a bin of its own; the greatest value of all is no edge.
    """
    present = np.sort(values.dropna().to_numpy(np.float64))
    count = _count(len(present))
    inner = [present[(i * len(present) - 1) // count] for i in range(1, count)] if len(present) else []
    return Bins(edges=tuple(float(edge) for edge in np.unique(inner) if edge < present[-1]))


def of_text(values: pd.Series) -> Bins:
    """Return the most frequent values, at most :data:`MOST`, most frequent first; a missing one counts as a value.

    Long values are left to the rest: they are notes rather than categories.
    """
    counts = values.value_counts()
    ranked = sorted(counts.items(), key=lambda pair: (-int(pair[1]), str(pair[0])))
    short = [str(value) for value, _ in ranked if len(str(value)) <= _LONGEST_TEXT]
    return Bins(texts=tuple(short[: _count(len(values))]))


def _count(rows: int) -> int:
    return max(1, min(MOST, rows // ROWS_A_BIN))


def number_counts(values: pd.Series, bins: Bins) -> Counts:
    """Return how many numbers are in each bin [edges + 2]: up to each edge, above the last, and missing."""
    numbers = values.to_numpy(np.float64)
    missing = np.isnan(numbers)
    place = np.searchsorted(np.array(bins.edges, dtype=np.float64), numbers[~missing], side="left")
    return np.append(np.bincount(place, minlength=len(bins.edges) + 1), missing.sum()).astype(np.int64)


def text_counts(values: pd.Series, bins: Bins) -> Counts:
    """Return how many texts are in each bin [texts + 1]: each value, and the rest."""
    counts = values.value_counts()
    listed = [int(counts.get(value, 0)) for value in bins.texts]
    return np.array([*listed, len(values) - sum(listed)], dtype=np.int64)
