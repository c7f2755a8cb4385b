"""Whether probabilities can be taken at their word: bins of like probability, and how far they are off."""

import dataclasses

import numpy as np
import numpy.typing as npt

from weighbridge.evidence.metrics.checks import outcomes, probabilities
from weighbridge.evidence.metrics.totals import Floats, Index

CALIBRATION_BINS = 10


@dataclasses.dataclass(frozen=True)
class Bin:
    """Rows of like probability: how many, their mean probability, and the share of positives among them."""

    rows: int
    predicted: float
    observed: float


def places(p: Floats, bins: int = CALIBRATION_BINS) -> tuple[Index, int]:
    """Return each row's bin [n] from 0, and how many bins there are.

    The cuts are the quantiles of *p*, so the order of rows has no influence, and many ties make fewer bins.
    """
    cuts = np.unique(np.quantile(p, np.arange(1, bins) / bins))
    return np.searchsorted(cuts, p, side="left"), len(cuts) + 1


def reliability(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Return bins of equal count from the least probable rows up; equal probabilities are in one bin.

    Raises:
        DataError: as :func:`outcomes` and :func:`probabilities`.
    """
    positive = outcomes(y)
    values = probabilities(p, len(positive))
    place, count = places(values, bins)
    members = (place == number for number in range(count))
    return tuple(
        Bin(rows=int(member.sum()), predicted=float(values[member].mean()), observed=float(positive[member].mean()))
        for member in members
        if member.any()
    )


def expected_calibration_error(y: npt.ArrayLike, p: npt.ArrayLike, bins: int = CALIBRATION_BINS) -> float:
    """Return the mean distance of probability and observed share, over bins of equal count weighted by rows.

    Source: Naeini, Cooper and Hauskrecht 2015, with bins of equal count in place of equal width, which are
    empty or crowded where probabilities bunch.

    Raises:
        DataError: as :func:`reliability`.
    """
    parts = reliability(y, p, bins)
    return sum(part.rows * abs(part.predicted - part.observed) for part in parts) / sum(part.rows for part in parts)
