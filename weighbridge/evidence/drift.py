"""How far the training rows have moved since the last release: the population stability index of each feature.

``PSI = Σ (p - q) · ln(p / q)`` over bins, q the shares that the last release records and p those of the new rows
(Siddiqi 2006, Credit Risk Scorecards). A bin that is empty on one side would make it infinite; so each bin
is given half a row more, on both sides.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.data import bins
from weighbridge.errors import RecordError
from weighbridge.manifest import DataSection, Drift, Feature

_HALF_A_ROW = 0.5


def features(old: DataSection, new: DataSection) -> list[str]:
    """Return the names of the features that both releases have, of one type, and whose bins the old one records."""
    types = {feature.name: feature.type for feature in new.features}
    return [feature.name for feature in old.features if feature.shares and types.get(feature.name) == feature.type]


def drift(old: DataSection, train: pd.DataFrame) -> tuple[Drift, ...]:
    """Return the distance of each of *train*'s columns from the last release's training rows, in its order.

    Args:
        old: what the last release records of its data.
        train: the new training rows in canonical form, with the columns of :func:`features`.

    Raises:
        RecordError: where the record's shares don't fit its bins.
    """
    return tuple(_each(old, train))


def _each(old: DataSection, train: pd.DataFrame) -> Iterator[Drift]:
    rows = old.splits["train"].rows if "train" in old.splits else 0
    for feature in old.features:
        if feature.name in train.columns and feature.shares:
            counts = _counts(feature, train[feature.name])
            yield Drift(feature=feature.name, psi=psi(np.array(feature.shares) * rows, counts.astype(np.float64)))


def _counts(feature: Feature, values: pd.Series) -> bins.Counts:
    found = bins.Bins(edges=feature.edges, texts=feature.values)
    count = bins.text_counts if feature.type == "string" else bins.number_counts
    expected = len(feature.values) + 1 if feature.type == "string" else len(feature.edges) + 2
    if len(feature.shares) != expected:
        raise RecordError(
            f"the last release's manifest: data.features: {feature.name} has {len(feature.shares)} shares, expected "
            f"{expected} for its bins; restore the manifest from the release's tag"
        )
    return count(values, found)


def psi(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> float:
    """Return the population stability index of two sets of counts [bins]; 0 where the shares are equal."""
    q, p = (_shares(counts) for counts in (old, new))
    return round(float(np.sum((p - q) * np.log(p / q))), 9)  # no trace of rounding where nothing drifted


def _shares(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    full = counts + _HALF_A_ROW
    shares: npt.NDArray[np.float64] = full / full.sum()
    return shares
