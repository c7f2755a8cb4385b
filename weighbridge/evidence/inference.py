"""What follows from values and their resamples: bounds, chances, families of tests, and rows that would be enough.

Everything here is one-sided at ``1 - confidence``, since a gate asks one question: is it proven to be good enough?
``scipy.special`` only, which loads in a tenth of the time of ``scipy.stats``.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import special

from weighbridge.evidence import bootstrap

Floats = npt.NDArray[np.float64]
POWER = 0.8
"""Share of equal models that enough rows let through."""
_TWO = 2


class Bounds(NamedTuple):
    """A value between its two one-sided bounds, with its standard error."""

    value: float
    low: float
    high: float
    error: float


def bounds(value: float, samples: Floats, confidence: float, groups: int | None) -> Bounds:
    """Return *value* between the one-sided bounds that its bootstrap *samples* [resamples] give it.

    Of two bounds the more careful one counts: the percentile of the samples, and the value less (or plus) Student's
    quantile times the standard error. Where a distribution is skewed or comes in steps, as that of the decisions of a
    few hundred rows, percentiles lean to the wrong side, and 6.5 % instead of 5 % of the models at the limit would
    pass. The second bound is kept within the samples, so that no share ends above 1.

    Args:
        value: as measured on all rows.
        samples: the same over resamples of the rows.
        confidence: of each bound by itself; both together enclose ``2 * confidence - 1``.
        groups: number of groups that were resampled; ``None`` where rows were.

    Raises:
        DataError: where too many of the resamples are undefined.
    """
    low = bootstrap.bound(samples, confidence, upper=False, groups=groups)
    high = bootstrap.bound(samples, confidence, upper=True, groups=groups)
    error = standard_error(samples, groups)
    reach = quantile(confidence, groups) * error
    low = min(low, max(value - reach, float(np.nanmin(samples))))
    high = max(high, min(value + reach, float(np.nanmax(samples))))
    return Bounds(value=value, low=low, high=high, error=error)


def standard_error(samples: Floats, groups: int | None = None) -> float:
    """Return the standard deviation of the defined *samples* [resamples], made wider by few *groups*.

    Resampling G groups understates the variance of their mean by (G - 1) / G (Hesterberg 2015, section 3.2).
    """
    defined = samples[np.isfinite(samples)]
    if len(defined) < _TWO:
        return math.nan
    narrow = 1.0 if groups is None or groups < _TWO else math.sqrt(groups / (groups - 1))
    return float(defined.std(ddof=1)) * narrow


def quantile(confidence: float, groups: int | None) -> float:
    """Return the quantile of Student's t with ``groups - 1`` degrees of freedom, or of the normal without groups."""
    return float(special.ndtri(confidence) if groups is None else special.stdtrit(groups - 1, confidence))


def chance(excess: float, error: float, groups: int | None) -> float:
    """Return the one-sided p-value of an *excess* that has the standard error *error*, if there truly were none.

    Without any error the excess is what it is: a positive one is no chance, any other is. NaN where either is.
    """
    if not (math.isfinite(excess) and math.isfinite(error)):
        return math.nan
    if error <= 0:
        return 0.0 if excess > 0 else 1.0
    t = excess / error
    return float(special.ndtr(-t) if groups is None else special.stdtr(groups - 1, -t))


def holm(p: npt.ArrayLike) -> Floats:
    """Return the p-values [k] adjusted for their number, so that the whole family errs as rarely as one.

    Source: Holm 1979, Scandinavian Journal of Statistics 6(2): the smallest is multiplied by k, the next by k - 1,
    and so on, and none ends below one that was smaller. NaN counts as 1: what can't be told is no proof.
    """
    values = np.nan_to_num(np.asarray(p, dtype=np.float64), nan=1.0)
    order = np.argsort(values, kind="stable")
    scaled = values[order] * np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(scaled), 1.0)
    return adjusted


def clopper_pearson(count: int, rows: int, confidence: float, *, upper: bool) -> float:
    """Return the exact one-sided bound of a share of which *count* of *rows* were seen.

    Source: Clopper and Pearson 1934, Biometrika 26(4), by quantiles of the beta distribution.
    """
    if upper:
        return 1.0 if count >= rows else float(special.betaincinv(count + 1, rows - count, confidence))
    return 0.0 if count <= 0 else float(special.betaincinv(count, rows - count + 1, 1 - confidence))


def rows_needed(
    rows: int, error: float, distance: float | None, confidence: float, *, two_sided: bool = False
) -> int | None:
    """Return how many rows like these would settle it four times in five, or ``None`` where no number would.

    The standard error falls with the root of the rows, and has to fit into *distance* once for the confidence and
    once for the power: ``rows * ((z_confidence + z_power) * error / distance) ** 2``. For paired decisions this is
    ``(1.645 + 0.842)**2 * churn / margin**2``.

    Args:
        rows: that the error was measured on.
        error: standard error on these rows.
        distance: between the true value and the limit.
        confidence: of a bound, one-sided.
        two_sided: whether a limit on either side has to be kept (equivalence).
    """
    if distance is None or not distance > 0 or not math.isfinite(error):
        return None
    power = (1 + POWER) / 2 if two_sided else POWER
    times = (special.ndtri(confidence) + special.ndtri(power)) * error / distance
    needed = rows * float(times) ** 2
    return math.ceil(needed) if math.isfinite(needed) and needed < 1e15 else None  # noqa: PLR2004 - no such table
