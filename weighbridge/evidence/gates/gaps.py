"""The largest gap of a metric between two parts of the rows, with bounds.

The gap is at most g exactly where every pair's difference is, so that each pair may be bounded at the gate's own
confidence (Berger 1982, Technometrics 24(4): intersection-union test); it is larger than g where one pair's is, which
over all pairs takes Bonferroni's correction.
"""

from collections.abc import Sequence

import numpy as np

from weighbridge.evidence.gates.measuring import Measured
from weighbridge.evidence.inference import Bounds, Floats, quantile, standard_error

_TWO = 2


def gap(parts: Sequence[Measured], confidence: float, all_groups: int | None) -> Bounds:
    """Return the gap between the largest and the smallest of *parts* (two at least), between its bounds.

    Args:
        parts: the metric in each part of the rows; no row is in two parts.
        confidence: of each bound, one-sided.
        all_groups: number of groups among all rows; ``None`` where rows are independent.
    """
    values = np.array([part.new[0] for part in parts])
    groups = None if all_groups is None else min(part.groups or 0 for part in parts)
    errors = _errors(parts, together=groups is not None and groups == all_groups)
    differences = values[:, np.newaxis] - values
    pairs = len(parts) * (len(parts) - 1)
    high = (differences + quantile(confidence, groups) * errors)[~np.eye(len(parts), dtype=bool)].max()
    low = (differences - quantile(1 - (1 - confidence) / pairs, groups) * errors).max()
    value = float(values.max() - values.min())
    largest = np.unravel_index(int(differences.argmax()), differences.shape)
    return Bounds(value=value, low=max(0.0, float(low)), high=float(high), error=float(errors[largest]))


def _errors(parts: Sequence[Measured], *, together: bool) -> Floats:
    """Return the standard error of each pair's difference [parts, parts].

    Parts that all hold the very same groups are resampled *together*, and what moves both alike cancels out; parts
    without common rows or groups vary independently; for parts that share some groups, that is the larger.
    """
    alone = np.array([standard_error(part.new[1], part.groups) for part in parts]) ** 2
    variances = alone[:, np.newaxis] + alone
    samples = np.array([part.new[1] for part in parts])
    if together and np.isfinite(samples).all():
        count = parts[0].groups or _TWO
        variances = variances - 2 * np.cov(samples) * count / (count - 1)  # as in standard_error
    np.fill_diagonal(variances, 0.0)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)))
