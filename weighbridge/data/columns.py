"""Columns in canonical form: text that is never null, numbers as ``float32``."""

import numpy as np
import pandas as pd


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
