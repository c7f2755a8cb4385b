"""The predictions of the test rows as a table on disk, and back: of both models, for any task.

Of one of two classes a row has the probability of class 1, of several the probability of each in a list of fixed
size, and of a regression the number. What the last release says is brought onto the classes of this one first.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from weighbridge.errors import DataError
from weighbridge.evidence.metrics.totals import Array, Floats
from weighbridge.manifest import DataSection

BASELINE = "baseline"
_SHARED = 2  # classes that two models must both know to be compared


class Predicted(NamedTuple):
    """Outcomes [n], and what this model and the last release say of them: [n], or [n, k] for k classes."""

    target: Array
    new: Floats
    old: Floats | None
    """None where the last release couldn't be run on these rows, or there is none."""


def column_of(task: str) -> str:
    """Return the name of the column with this model's predictions."""
    return "prediction" if task == "regression" else "probability"


def table(  # noqa: PLR0913, PLR0917 - the columns
    ids: npt.ArrayLike, group: npt.ArrayLike | None, target: npt.ArrayLike, new: Floats, old: Floats | None, task: str
) -> pd.DataFrame:
    """Return the table of ``models/predictions.parquet``.

    Args:
        ids: of the rows [n].
        group: of the rows [n]; ``None`` without one.
        target: outcomes [n].
        new: this model's predictions, [n] or [n, k].
        old: the last release's, likewise; ``None`` where there are none.
        task: ``binary``, ``multiclass`` or ``regression``.

    Returns:
        The columns ``id``, ``group`` (missing without one), ``target``, ``probability`` (``prediction`` of a
        regression) and ``baseline`` (NaN where there are none).
    """
    return pd.DataFrame(
        {
            "id": np.asarray(ids),
            "group": np.full(len(new), None, dtype=object) if group is None else np.asarray(group),
            "target": np.asarray(target),
            column_of(task): cells(new),
            BASELINE: cells(np.full(new.shape, np.nan) if old is None else old),
        }
    )


def cells(predictions: Floats) -> Any:
    """Return predictions as a column: numbers [n], or a list of fixed size a row for [n, k]."""
    if predictions.ndim == 1:
        return predictions
    flat = pa.array(np.ascontiguousarray(predictions, dtype=np.float64).reshape(-1))
    return pd.array(pa.FixedSizeListArray.from_arrays(flat, predictions.shape[1]), dtype=_lists(predictions.shape[1]))


def _lists(size: int) -> pd.ArrowDtype:
    return pd.ArrowDtype(pa.list_(pa.float64(), size))


def arrays(frame: pd.DataFrame, task: str) -> Predicted:
    """Return what a table of predictions holds.

    Raises:
        DataError: where it lacks a column, or its rows hold other than *task* has.
    """
    name = column_of(task)
    missing = [each for each in ("target", name, BASELINE) if each not in frame.columns]
    if missing:
        raise DataError(f"the predictions lack {', '.join(missing)}; found {', '.join(map(str, frame.columns))}")
    new, old = values(frame[name], task), values(frame[BASELINE], task)
    return Predicted(frame["target"].to_numpy(), new, None if np.isnan(old).all() else old)


def values(column: "pd.Series[Any]", task: str) -> Floats:
    """Return a column of predictions as float64, [n] or, for classes, [n, k].

    Raises:
        DataError: where it holds lists and shouldn't, or lists of several sizes.
    """
    wanted = "a list of probabilities, one a class," if task == "multiclass" else "one number"
    cause = f"the column {column.name} holds something else; expected {wanted} a row"
    try:
        found = (
            np.stack([np.asarray(each, dtype=np.float64) for each in column])
            if task == "multiclass"
            else column.to_numpy(dtype=np.float64)
        )
    except (TypeError, ValueError):
        raise DataError(cause) from None
    if found.ndim != (2 if task == "multiclass" else 1):
        raise DataError(cause)
    return found


def incomparable(before: DataSection, now: DataSection) -> str:
    """Return why models of these data can't be compared on the same rows, in words; empty where they can.

    They can where they predict the same thing: numbers of one unit, or several classes of which two are known to both
    at least (with fewer, all that the one says of the other's would be certain, or even). Two classes have to be the
    same two, in their order, since the threshold is a probability of the second.
    """
    if before.task != now.task:
        return f"it is a {before.task} and this a {now.task} task"
    if before.target_unit != now.target_unit:
        return f"it predicts in {before.target_unit or '(no unit)'}, this in {now.target_unit or '(no unit)'}"
    shared = set(before.labels) & set(now.labels)
    if before.labels == now.labels or (now.task == "multiclass" and len(shared) >= _SHARED):
        return ""
    return f"it tells {', '.join(before.labels)}, this {', '.join(now.labels)}"


def unknown_labels(before: Sequence[str], now: Sequence[str]) -> tuple[str, ...]:
    """Return the classes of *now* that a model of *before* can't name."""
    return tuple(label for label in now if label not in before)


def onto_labels(predictions: Floats, before: Sequence[str], now: Sequence[str]) -> Floats:
    """Return the probabilities of the classes *before* as those of the classes *now*, by the labels' texts.

    A class that wasn't there gets 0. One that is gone is left out, and the rest divided by its sum; where nothing is
    left, all classes get the same. Numbers, which have no classes, stay as they are.

    Args:
        predictions: [n] of class 1 where there are two, else [n, k].
        before: the label of each of its classes.
        now: the labels that are wanted; the result is [n] where they are two.
    """
    if tuple(before) == tuple(now):
        return predictions
    known = np.stack([1 - predictions, predictions], axis=1) if predictions.ndim == 1 else predictions
    place = {label: number for number, label in enumerate(before)}
    found = np.zeros((len(known), len(now)))
    for number, label in enumerate(now):
        if label in place:
            found[:, number] = known[:, place[label]]
    total = found.sum(axis=1, keepdims=True)
    found = np.where(total > 0, found / np.where(total > 0, total, 1), 1 / len(now))
    return found[:, 1] if len(now) == _SHARED else found
