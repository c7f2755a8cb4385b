"""Metrics of predicted numbers.

Definitions, with weights w, truths y, predictions f, errors e = f - y, all means and variances weighted:

- ``mean_absolute_error``, ``mean_squared_error``, ``root_mean_squared_error``: of e.
- ``r2``: 1 - mean(e^2) / var(y); ``explained_variance``: 1 - var(e) / var(y). Where y doesn't vary they are 1 for a
  perfect prediction and 0 for any other, as with scikit-learn.
- ``mean_absolute_percentage_error``: mean of |e| / |y|, as a share; |y| is kept off 0 by float64's epsilon.
- ``bias``: mean of e.
- ``interval_coverage``: share of rows with low <= y <= high.
"""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence.metrics.checks import numbers, predicted_numbers
from weighbridge.evidence.metrics.scored import Formula, Scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index, Ranking, Totals, ratio
from weighbridge.settings import OwnMetric


def _mean(t: Totals, column: str) -> Floats:
    return ratio(t.sum(column), t.sum("one"))


def _variance(t: Totals, what: str) -> Floats:
    return np.maximum(_mean(t, f"squared_centred_{what}") - _mean(t, f"centred_{what}") ** 2, 0.0)


def _share_left(left: Floats, variation: Floats) -> Floats:
    share = np.divide(left, variation, out=(left > 0).astype(np.float64), where=variation > 0)
    return 1.0 - share


class Regression(Scored):
    """Rows with truth and predicted number.

    Args:
        y: truths [n].
        predictions: numbers [n], or with the ends of their interval [n, 3]: value, low, high.
        own: the project's own metrics, by name.

    Raises:
        DataError: as :func:`numbers` and :func:`predicted_numbers`.
    """

    formulas: ClassVar[Mapping[str, Formula]] = {
        "mean_absolute_error": lambda t: _mean(t, "absolute_error"),
        "mean_squared_error": lambda t: _mean(t, "squared_error"),
        "root_mean_squared_error": lambda t: np.sqrt(_mean(t, "squared_error")),
        "r2": lambda t: _share_left(_mean(t, "squared_error"), _variance(t, "outcome")),
        "explained_variance": lambda t: _share_left(_variance(t, "error"), _variance(t, "outcome")),
        "mean_absolute_percentage_error": lambda t: _mean(t, "relative_error"),
        "bias": lambda t: _mean(t, "error"),
        "interval_coverage": lambda t: _mean(t, "covered"),
    }
    classes = 0

    def __init__(
        self, y: npt.ArrayLike, predictions: npt.ArrayLike, own: Mapping[str, OwnMetric] | None = None
    ) -> None:
        super().__init__(own)
        self.y: Floats = numbers(y)
        self.decided, self.ends = predicted_numbers(predictions, len(self.y))
        self.predictions = self.decided
        self.error = self.decided - self.y

    def _make_column(self, name: str) -> Array:
        if name == "covered":
            return self._covered()
        if name == "relative_error":
            return np.abs(self.error) / np.maximum(np.abs(self.y), np.finfo(np.float64).eps)
        values: Floats = self.y if name.endswith("outcome") else self.error
        if "centred_" in name:
            values = values - np.median(values)  # any centre will do; one close by keeps digits
        if name.startswith("absolute_"):
            return np.abs(values)
        return values**2 if name.startswith("squared_") else values

    def _covered(self) -> Array:
        if self.ends is None:
            raise DataError(
                "interval_coverage was asked for, but predictions hold no intervals; expected value, low and high for "
                "each row. Let the model give them, or leave the metric out of config/config.yaml"
            )
        return (self.ends[:, 0] <= self.y) & (self.y <= self.ends[:, 1])

    def _make_codes(self, name: str) -> tuple[Index, int]:
        raise SettingsError(f"found {name!r} for numbers; expected a task with classes")  # pragma: no cover

    def _make_ranking(self, number: int) -> Ranking:
        raise SettingsError(f"found class {number} for numbers; expected a task with classes")  # pragma: no cover
