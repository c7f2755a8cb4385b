"""The tables of predicted numbers: prediction beside truth, and how far and where predictions are off.

An error is prediction minus truth, so that one above zero is a prediction that is too high.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from weighbridge.evidence import curves
from weighbridge.evidence.curves import Floats, Row, Tables
from weighbridge.evidence.predictions import Predicted

CELLS = 40  # hexagons side by side
RISE = 3**0.5  # of their lattice, which makes them regular: height over width
_FEWEST_BINS, _MOST_BINS, _STEPS = 11, 41, 20
_SHARES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
_TAIL = 0.005
_FAR = 3.0  # times the range of all but the tails: what lies outside is left out, and counted


def tables(predicted: Predicted) -> Tables:
    """Return the tables of predicted numbers.

    Args:
        predicted: truths [n], and predictions [n].

    Raises:
        DataError: where predictions don't match the truths, or aren't finite.
    """
    y, p = np.asarray(predicted.target, np.float64), np.asarray(predicted.new, np.float64)
    old = None if predicted.old is None else np.asarray(predicted.old, np.float64)
    for scores in (p, p if old is None else old):
        curves.check(y, scores)
    columns = ("actual", "predicted", "rows", "width")
    span = shown(np.concatenate([y, p, *([] if old is None else [old])]))
    return {
        "predicted_actual": (columns, cells(y, p, span)),
        "predicted_actual_before": (columns, [] if old is None else cells(y, old, span)),
        "residuals": (("error", "rows", "last_release"), _histogram(p - y, None if old is None else old - y)),
        "residuals_by_prediction": (("predicted", "low", "median", "high", "rows"), list(_by_prediction(y, p))),
        "residual_quantiles": (
            ("share", "error", "distance", "last_release"), _quantiles(p - y, None if old is None else old - y)
        ),
    }  # fmt: skip


def shown(values: Floats) -> tuple[float, float]:
    """Return the range that a picture shows: all of it, unless a few values lie far outside that of all others."""
    low, high = float(values.min()), float(values.max())
    start, end = np.quantile(values, [_TAIL, 1 - _TAIL]).tolist()
    if high - low > _FAR * (end - start) > 0:
        room = (end - start) / 3
        low, high = max(low, start - room), min(high, end + room)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def cells(x: Floats, y: Floats, span: tuple[float, float]) -> list[Row]:
    """Return the hexagonal cells that hold rows: centre in x and y, number of rows, and a cell's width in x.

    The two lattices of :meth:`matplotlib.axes.Axes.hexbin`: a row is in the cell whose centre is nearer.
    """
    low, high = span
    inside = (x >= low) & (x <= high) & (y >= low) & (y <= high)
    scale = np.array([CELLS, CELLS / RISE]) / (high - low)
    place = (np.stack([x[inside], y[inside]], axis=1) - low) * scale
    centres = np.round(place), np.floor(place) + 0.5
    near, other = (((place - centre) ** 2 * [1.0, 3.0]).sum(axis=1) for centre in centres)
    found, rows = np.unique(np.where((near < other)[:, None], *centres), axis=0, return_counts=True)
    width = (high - low) / CELLS
    return [
        (*centre, count, width) for centre, count in zip((found / scale + low).tolist(), rows.tolist(), strict=True)
    ]


def _histogram(error: Floats, before: Floats | None) -> Iterable[Row]:
    low, high = shown(np.concatenate([error, *([] if before is None else [before])]))
    bins = max(_FEWEST_BINS, min(_MOST_BINS, 2 * math.isqrt(len(error))))
    edges = np.linspace(low, high, bins + 1)
    middles = ((edges[:-1] + edges[1:]) / 2).tolist()
    rows = np.histogram(error, edges)[0].tolist()
    last = [None] * bins if before is None else np.histogram(before, edges)[0].tolist()
    return zip(middles, rows, last, strict=True)


def _by_prediction(target: Floats, predicted: Floats) -> Iterable[Row]:
    order: npt.NDArray[np.int64] = np.argsort(predicted, kind="stable")
    steps = max(1, min(_STEPS, len(order) // 10))
    for part in np.array_split(order, steps):
        low, median, high = np.quantile(predicted[part] - target[part], [0.1, 0.5, 0.9]).tolist()
        yield float(predicted[part].mean()), low, median, high, len(part)


def _quantiles(error: Floats, before: Floats | None) -> Iterable[Row]:
    for share in _SHARES:
        last = None if before is None else float(np.quantile(np.abs(before), share))
        yield share, float(np.quantile(error, share)), float(np.quantile(np.abs(error), share)), last
