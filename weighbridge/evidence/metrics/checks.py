"""Outcomes and predictions as arrays that can be measured, or a refusal that says why not."""

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.metrics.totals import Array, Floats, Index

_TOLERANCE = 1e-6  # a float32 mean of trees may end a little above 1
_SUM_TOLERANCE = 1e-3  # and so may the sum of many classes
_VALUE_LOW_HIGH = 3


def outcomes(y: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Return *y* [n] as booleans.

    Raises:
        DataError: where it isn't one column of 0 and 1, is empty, or holds one class only.
    """
    values = column(y)
    positive: npt.NDArray[np.bool_] = values == 1
    if not np.all(positive | (values == 0)):
        raise DataError(f"found an outcome {values[~(positive | (values == 0))][0]!r}; expected 0 or 1 in every row")
    if positive.all() or not positive.any():
        raise DataError(
            f"all {values.size} outcomes are {int(positive[0])}; expected both classes. Take a longer span of rows"
        )
    return positive


def class_numbers(y: npt.ArrayLike, classes: int) -> Index:
    """Return *y* [n] as class numbers from 0 to *classes* - 1.

    Raises:
        DataError: where it isn't one column of these, is empty, or holds one class only.
    """
    values = column(y)
    if values.dtype.kind not in "iufb":
        raise DataError(f"found outcomes of type {values.dtype}; expected class numbers from 0 to {classes - 1}")
    known = (values == np.rint(values)) & (values >= 0) & (values < classes)
    if not known.all():
        raise DataError(
            f"found an outcome {values[~known][0]!r}; expected a class number from 0 to {classes - 1} in each row, one "
            "for each column of the predictions"
        )
    if (values == values[0]).all():
        raise DataError(
            f"all {values.size} outcomes are {int(values[0])}; expected several classes. Take a longer span of rows"
        )
    return values.astype(np.intp)


def numbers(y: npt.ArrayLike) -> Floats:
    """Return *y* [n] as finite numbers.

    Raises:
        DataError: where it isn't one column of these, or is empty.
    """
    values = column(y)
    if values.dtype.kind not in "iufb":
        raise DataError(f"found outcomes of type {values.dtype}; expected numbers")
    return _finite(values.astype(np.float64), "outcomes", "Leave out rows without an outcome")


def probabilities(p: npt.ArrayLike, rows: int) -> Floats:
    """Return *p* as float64 [rows], kept to 0..1.

    Raises:
        DataError: where it isn't of that shape, or holds NaN, an infinity, or a number outside 0..1.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(f"found predictions of shape {values.shape}; expected ({rows},): one probability a row")
    return _within_unit(_finite(values, "predictions"))


def class_probabilities(p: npt.ArrayLike, rows: int) -> Floats:
    """Return *p* as float64 [rows, classes], kept to 0..1.

    Raises:
        DataError: where it isn't of that shape, or a row holds no probabilities that add up to 1.
    """
    values = np.asarray(p, dtype=np.float64)
    if values.ndim != 2 or len(values) != rows or values.shape[1] < 2:  # noqa: PLR2004 - rows by at least two classes
        raise DataError(
            f"found predictions of shape {values.shape}; expected ({rows}, classes): a probability for each class a row"
        )
    values = _within_unit(_finite(values, "predictions"))
    off = np.abs(values.sum(axis=1) - 1)
    if off.max() > _SUM_TOLERANCE:
        row = int(off.argmax())
        raise DataError(
            f"row {row}'s probabilities add up to {values[row].sum():g}; expected 1. End the model with a softmax"
        )
    return values


def predicted(predictions: npt.ArrayLike, rows: int) -> Floats:
    """Return predicted numbers as float64 [rows].

    Raises:
        DataError: where they are of another shape, or not finite.
    """
    values = np.asarray(predictions, dtype=np.float64)
    if values.shape != (rows,):
        raise DataError(f"found predictions of shape {values.shape}; expected ({rows},): one number a row")
    return _finite(values, "predictions")


def predicted_numbers(predictions: npt.ArrayLike, rows: int) -> tuple[Floats, Floats | None]:
    """Return predicted numbers [rows], and their low and high ends [rows, 2] where *predictions* are [rows, 3].

    Raises:
        DataError: where they are of another shape, not finite, or a low end is above its high end.
    """
    values = np.asarray(predictions, dtype=np.float64)
    if values.shape not in {(rows,), (rows, 1), (rows, _VALUE_LOW_HIGH)}:
        raise DataError(
            f"found predictions of shape {values.shape}; expected ({rows},): one number a row, or ({rows}, 3) with the "
            "ends of its interval"
        )
    values = _finite(values, "predictions").reshape(rows, -1)
    if values.shape[1] < _VALUE_LOW_HIGH:
        return values[:, 0], None
    crossed = values[:, 1] > values[:, 2]
    if crossed.any():
        row = int(crossed.argmax())
        raise DataError(
            f"{int(crossed.sum())} of {rows} predicted intervals end below their beginning, the first in row {row} "
            f"({values[row, 1]:g} to {values[row, 2]:g}); expected (value, low, high)"
        )
    return values[:, 0], values[:, 1:]


def sample_weights(weights: npt.ArrayLike | None, rows: int) -> Floats:
    """Return the weights [rows], or ones.

    Raises:
        DataError: where one is missing, negative or not finite, or all are 0.
    """
    found = np.ones(rows) if weights is None else np.asarray(weights, dtype=np.float64)
    if found.shape != (rows,) or not np.isfinite(found).all() or found.min() < 0:
        raise DataError("found weights that are missing, not finite or negative; expected one number a row, 0 or more")
    if not found.any():
        raise DataError("no row has a weight; expected at least one above 0")
    return found


def column(y: npt.ArrayLike) -> Array:
    """Return *y* as an array [n].

    Raises:
        DataError: where it isn't one column, or is empty.
    """
    values = np.asarray(y)
    if values.ndim != 1 or values.size == 0:
        raise DataError(f"found outcomes of shape {values.shape}; expected one column with at least one row")
    return values


def _finite(values: Floats, what: str, step: str = "Look for overflow or missing inputs in the model") -> Floats:
    bad = ~np.isfinite(values)
    if bad.any():
        rows = np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))
        raise DataError(
            f"{len(rows)} of {len(values)} {what} are NaN or infinite, the first in row {rows[0]}; expected finite "
            f"{'probabilities' if what == 'predictions' else 'numbers'}. {step}"
        )
    return values


def _within_unit(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise DataError(f"predictions span {low:g} to {high:g}; expected probabilities from 0 to 1")
    return np.clip(values, 0.0, 1.0)
