"""What is done to a model on purpose, to see whether the gates notice.

=====================  ============================================================================================
labels flipped         the chances of both classes change places (of several classes: each passes its own on; of
                       numbers: they are mirrored at their mean)
probabilities shifted  the odds are 7.4 times as high, or as low where most rows are positive (of numbers: a standard
                       deviation of the outcomes is added)
decided all alike      the odds shrink, or grow, a thousandfold: what a gate on recall, or on precision, has to see
latency tripled        each time for one row
=====================  ============================================================================================
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from weighbridge.evidence.rows import Array, Rows

FLIPPED = "labels flipped"
SHIFTED = "probabilities shifted"
NEGATIVE = "decided all alike, negative"
POSITIVE = "decided all alike, positive"
TRIPLED = "latency tripled"
TIMES = 3.0
_ODDS = 2.0  # on the scale of log odds
_ALL = 7.0
_HALF = 0.5


def flipped(rows: Rows, predictions: Array) -> Array:
    """Return *predictions* of *rows* as of a model whose labels were flipped."""
    if rows.task == "binary":
        return np.asarray(1.0 - predictions)
    return np.roll(predictions, 1, axis=-1) if rows.task == "multiclass" else _mirrored(predictions)


def _mirrored(predictions: Array) -> Array:
    """Return numbers [n] mirrored at their mean; of those with an interval [n, 3] the ends change places."""
    if predictions.ndim == 1:
        return np.asarray(2 * predictions.mean() - predictions)
    return np.asarray(2 * predictions[:, 0].mean() - predictions[:, [0, 2, 1]])


def shifted(rows: Rows, predictions: Array) -> Array:
    """Return *predictions* of *rows*, further from the truth on average."""
    if rows.task == "binary":
        return _odds(predictions, -_ODDS if np.mean(rows.y == 1) > _HALF else _ODDS)
    if rows.task == "multiclass":
        rarest = int(np.bincount(rows.y.astype(np.intp), minlength=predictions.shape[1]).argmin())
        more = predictions.astype(np.float64)
        more[:, rarest] = _odds(more[:, rarest], _ODDS)
        return np.asarray(more / more.sum(axis=1, keepdims=True))
    return np.asarray(predictions + rows.y.std())


def _odds(p: Array, by: float) -> Array:
    """Return probabilities whose log odds are greater by *by*; 0 and 1 stay."""
    kept = np.asarray(p, dtype=np.float64)
    return np.asarray(kept / (kept + (1.0 - kept) * np.exp(-by)))


def _negative(rows: Rows, predictions: Array) -> Array:
    return _odds(predictions, -_ALL) if rows.task == "binary" else shifted(rows, predictions)


def _positive(rows: Rows, predictions: Array) -> Array:
    return _odds(predictions, _ALL) if rows.task == "binary" else shifted(rows, predictions)


DAMAGES: dict[str, Callable[[Rows, Any], Array]] = {
    FLIPPED: flipped,
    SHIFTED: shifted,
    NEGATIVE: _negative,
    POSITIVE: _positive,
}
"""The damages to predictions, the grossest first."""
