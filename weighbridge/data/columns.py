"""Columns in canonical form: text that is never null, numbers as ``float32``, arrays flat and of one length."""

import math
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.errors import DataError

MISSING_LABEL = "(missing)"
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "boolean"}
_TIMES = {"date", "datetime", "datetime64"}
_EXACT = 2**53  # up to here whole numbers are told apart as floats
_MICROSECONDS_A_DAY = 86_400_000_000


def text(values: pd.Series) -> pd.Series:
    """Return text, with the empty string where a value is missing."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    return values.astype("str").fillna("")


def key(values: pd.Series) -> pd.Series:
    """Return the text of ids or groups: the same value is the same text, whatever else is in its batch.

    So 3.0 is ``3``, for a batch may hold whole numbers and the next one floats; and a moment at midnight is a day.
    """
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        codes, found = pd.factorize(values)
        texts = np.array([*(str(moment).removesuffix(" 00:00:00") for moment in found), ""], dtype=object)
        return pd.Series(texts[codes], index=values.index, name=values.name, dtype="str")
    texts_of = text(values)
    return texts_of.str.removesuffix(".0") if pd.api.types.is_float_dtype(values.dtype) else texts_of


def numbers(values: pd.Series) -> pd.Series:
    """Return ``float32``, with NaN where a value is missing."""
    if values.dtype == object and values.isna().all():
        return pd.Series(np.float32(np.nan), index=values.index, name=values.name, dtype="float32")
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is then refused
        floats = values.to_numpy("float32", na_value=np.nan)
    return pd.Series(floats, index=values.index, name=values.name)


def utc(times: pd.Series) -> pd.Series:
    """Return times as ``datetime64[us, UTC]``; those without a zone are taken as UTC.

    Raises:
        DataError: where they are no times.
    """
    if not is_time(times):
        raise DataError(f"column {times.name!r}: found {times.dtype}, expected times; convert with pandas.to_datetime")
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        times = pd.to_datetime(times, utc=True)
    aware = times.dt.tz_localize("UTC") if times.dt.tz is None else times.dt.tz_convert("UTC")
    return aware.dt.as_unit("us")


def days(times: pd.Series) -> pd.Series:
    """Return times as days since 1970 (UTC), ``float32`` with NaN where missing: to within some three minutes."""
    moments = utc(times)
    count = moments.to_numpy("datetime64[us]").astype(np.int64) / _MICROSECONDS_A_DAY
    floats = np.where(moments.isna(), np.nan, count).astype(np.float32)
    return pd.Series(floats, index=times.index, name=times.name)


def stacked(values: pd.Series, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return an array column in canonical form as one array [n, *shape]."""
    flat = np.concatenate(values.to_numpy()) if len(values) else np.empty(0)
    return flat.astype(np.float32, copy=False).reshape(len(values), *shape)


def unstacked(values: npt.NDArray[np.float32]) -> pd.Series:
    """Return rows of arrays [n, ...] as a column in canonical form, each row flat; see :func:`stacked`."""
    rows = np.empty(len(values), dtype=object)
    rows[:] = list(values.reshape(len(values), math.prod(values.shape[1:])))
    return pd.Series(rows, dtype=object)


def missing(values: pd.Series) -> pd.Series:
    """Return where a feature in canonical form has no value; an array always has one."""
    if is_array(values):
        return pd.Series(data=False, index=values.index)
    return values.isna() if values.dtype.kind == "f" else values == ""


def is_array(values: pd.Series) -> bool:
    """Tell whether a column in canonical form holds an array in each row."""
    return values.dtype == object and len(values) > 0 and isinstance(values.iloc[0], np.ndarray)


def is_number(values: pd.Series) -> bool:
    """Tell whether the values are real numbers; a column without any value passes for one."""
    if pd.api.types.is_numeric_dtype(values.dtype):
        return not pd.api.types.is_complex_dtype(values.dtype)
    return _holds(values, _NUMBERS)


def is_time(values: pd.Series) -> bool:
    """Tell whether the values are times or days; a column without any value passes for one."""
    return pd.api.types.is_datetime64_any_dtype(values.dtype) or _holds(values, _TIMES)


def is_text(values: pd.Series) -> bool:
    """Tell whether the values are text; a column without any value passes for one."""
    if isinstance(values.dtype, pd.StringDtype):
        return True
    if isinstance(values.dtype, pd.CategoricalDtype):
        return is_text(values.cat.categories.to_series())
    return _holds(values, {"string"})


def _holds(values: pd.Series, kinds: set[str]) -> bool:
    """Tell whether a column of objects holds one of *kinds* and gaps, or nothing at all."""
    if values.dtype == object and pd.api.types.infer_dtype(values, skipna=True) in kinds:
        return True
    return bool(values.isna().all())


def labels(values: pd.Series) -> npt.NDArray[np.str_]:
    """Return the values [n] as people name them: text as it is, ``3`` for 3.0, :data:`MISSING_LABEL` for none."""
    codes, found = pd.factorize(values, use_na_sentinel=True)
    names = np.array([*(label(value) for value in found), MISSING_LABEL], dtype=str)
    return cast("npt.NDArray[np.str_]", names[codes])


def label(value: object) -> str:
    """Return one value as people name it; see :func:`labels`."""
    if value is None or value != value or value == "":  # noqa: PLR0124 - only NaN differs from itself
        return MISSING_LABEL
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    return f"{number:.0f}" if number.is_integer() and abs(number) < _EXACT else f"{value:g}"
