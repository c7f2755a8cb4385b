"""Columns in canonical form: text that is never null, numbers as ``float32``."""

from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

MISSING_LABEL = "(missing)"


def text(values: pd.Series) -> pd.Series:
    """Return text, with the empty string where a value is missing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    return values.astype("str").fillna("")


def numbers(values: pd.Series) -> pd.Series:
    """Return ``float32``, with NaN where a value is missing."""
    if values.isna().all():
        return pd.Series(np.float32(np.nan), index=values.index, name=values.name, dtype="float32")
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is then refused
        floats = values.to_numpy("float32", na_value=np.nan)
    return pd.Series(floats, index=values.index, name=values.name)


def missing(values: pd.Series) -> pd.Series:
    """Return where a feature in canonical form has no value."""
    return values.isna() if values.dtype.kind == "f" else values == ""


def is_number(values: pd.Series) -> bool:
    """Tell whether the values are real numbers; a column without any value passes for one."""
    real = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype)
    return real or bool(values.isna().all())


def labels(values: pd.Series) -> npt.NDArray[np.str_]:
    """Return the values [n] as people name them: text as it is, ``3`` for 3.0, :data:`MISSING_LABEL` for none."""
    codes, found = pd.factorize(values, use_na_sentinel=True)
    names = np.array([*(label(value) for value in found), MISSING_LABEL], dtype=str)
    return cast("npt.NDArray[np.str_]", names[codes])


def label(value: object) -> str:
    """Return one value as people name it; see :func:`labels`."""
    if value is None or value != value or value == "":  # noqa: PLR0124 - only NaN differs from itself
        return MISSING_LABEL
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)
