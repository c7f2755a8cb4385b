"""Metrics of the project's own, by import path, called as those of ``sklearn.metrics`` are."""

from typing import Any

import numpy as np

from weighbridge.data.schema import resolve
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence.metrics.totals import Array
from weighbridge.settings import OwnMetric


def call(name: str, metric: OwnMetric, seen: tuple[Array, Array, Array], where: str) -> float:
    """Return what *metric* says of (outcomes, predictions or decisions, weights), each with one entry a row.

    Raises:
        DataError: where it raises, or returns anything but a finite number; *where* tells which rows these were.
        SettingsError: where it can't be imported or called.
    """
    function = resolve(metric.function)
    if not callable(function):
        raise SettingsError(
            f"{metric.function}: found a {type(function).__name__}; expected a function (outcomes, predictions, "
            f"sample_weight=…). Edit metrics.own.{name} in config/config.yaml"
        )
    outcomes, predictions, weights = seen
    try:
        value: Any = function(outcomes, predictions, sample_weight=weights)
    except Exception as problem:
        said = f"{type(problem).__name__}: {problem}"
        raise DataError(f"metric {name} ({metric.function}) fails on {where}: {said}. {_STEP}") from problem
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise DataError(
            f"metric {name} ({metric.function}) gives a {type(value).__name__} on {where}; expected a number. {_STEP}"
        ) from None
    if not np.isfinite(number):
        raise DataError(f"metric {name} ({metric.function}) is {number} on {where}; expected a finite number. {_STEP}")
    return number


_STEP = "It is called with whole numbers as weights, some of them 0: a row of weight 2 is a row twice"
