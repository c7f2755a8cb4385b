"""A column of arrays as columns of numbers: the step of the preprocessing that scikit-learn doesn't have."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, TransformerMixin

from weighbridge.errors import DataError


class Unrolled(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Give each number of a row's array a column, row-major, unscaled; there is nothing to learn."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape

    def fit(self, column: Any, _target: Any = None) -> "Unrolled":
        """Note the column's name."""
        self.name_ = str(column.columns[0])
        return self

    def transform(self, column: Any) -> npt.NDArray[np.float32]:
        """Return the one column of the frame *column* as float32 of shape (rows, numbers in an array).

        Raises:
            DataError: where a row's array is of another size.
        """
        return unrolled(column[self.name_], self.shape)

    def get_feature_names_out(self, _names: Any = None) -> npt.NDArray[np.object_]:
        """Return a name for each number."""
        return np.array([f"{self.name_}{i}" for i in range(math.prod(self.shape))], dtype=object)


def unrolled(column: Any, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return a column of arrays as float32 of shape (rows, numbers in an array).

    Raises:
        DataError: where a row's array is of another size than *shape*.
    """
    size = math.prod(shape)
    rows = column.to_numpy()
    if not len(rows):
        return np.empty((0, size), np.float32)
    other = next((np.size(row) for row in rows if np.size(row) != size), None)
    if other is not None:
        raise DataError(
            f"column {column.name!r}: found an array of {other} numbers; expected {size}, of shape {tuple(shape)}"
        )
    return np.stack(rows).astype(np.float32, copy=False).reshape(len(rows), size)
