"""A feature's distribution as a few shares, short enough for a record: two of them tell whether rows have drifted."""

from typing import Any, NamedTuple

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


def _sorted(values: pd.Series) -> npt.NDArray[Any]:
    return np.sort(values.dropna().to_numpy())


def of_sorted(present: npt.NDArray[Any]) -> Bins:
    """Return edges between at most :data:`MOST` bins of about equal count; each is the greatest value of its bin.

    A value that many rows have gets a bin of its own; the greatest value of all is no edge. *present* are the numbers,
    sorted, missing ones left out.
    """
    count = _count(len(present))
    inner = [present[(i * len(present) - 1) // count] for i in range(1, count)] if len(present) else []
    return Bins(edges=tuple(float(edge) for edge in np.unique(inner) if edge < present[-1]))


def of_counted(counts: pd.Series, rows: int) -> Bins:
    """Return the most frequent texts, at most :data:`MOST`, most frequent first; a missing one counts as a text.

    Long ones are left to the rest: they are notes rather than categories. *counts* say how often each stands in the
    *rows*.
    """
    short = counts[counts.index.str.len() <= _LONGEST_TEXT]
    return Bins(texts=tuple(str(value) for value in most_frequent(short, _count(rows)).index))


def most_frequent(counts: pd.Series, most: int) -> pd.Series:
    """Return the *most* frequent values and how often they stand there; those alike often by name."""
    return counts.sort_index().sort_values(ascending=False, kind="stable").head(most)


def _count(rows: int) -> int:
    return max(1, min(MOST, rows // ROWS_A_BIN))


def number_counts(values: pd.Series, bins: Bins) -> Counts:
    """Return how many numbers are in each bin [edges + 2]: up to each edge, above the last, and missing."""
    present = _sorted(values)
    return np.append(sorted_counts(present, bins), len(values) - len(present)).astype(np.int64)


def sorted_counts(present: npt.NDArray[Any], bins: Bins) -> Counts:
    """Return how many sorted numbers are in each bin [edges + 1]: up to each edge, and above the last."""
    upto = np.searchsorted(present, np.array(bins.edges, dtype=np.float64), side="right")
    return np.diff(np.concatenate([[0], upto, [len(present)]])).astype(np.int64)


def text_counts(values: pd.Series, bins: Bins) -> Counts:
    """Return how many texts are in each bin [texts + 1]: each value, and the rest."""
    return counted(values.value_counts(), len(values), bins)


def counted(counts: pd.Series, rows: int, bins: Bins) -> Counts:
    """Return the most frequent texts, at most :data:`MOST`, most frequent first; a missing one counts as a text.

    Long ones are left to the rest: they are notes rather than categories. *counts* say how often each stands in the
    *rows*.
    """
    listed = [int(counts.get(value, 0)) for value in bins.texts]
    return np.array([*listed, rows - sum(listed)], dtype=np.int64)
