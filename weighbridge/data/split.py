"""Which rows train, which choose, which weigh: divided by time, as the model will meet them."""

import datetime as dt
import itertools
import zoneinfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.data.columns import utc
from weighbridge.data.schema import Schema
from weighbridge.errors import DataError, SettingsError
from weighbridge.settings import TimeSplit

PARTS = ("train", "validation", "test")
_BOUNDARIES = ("start", "validation", "test", "end")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def assign(frame: pd.DataFrame, schema: Schema, split: TimeSplit) -> pd.Series:
    """Return for each row ``train``, ``validation`` or ``test``, and NA for rows outside of all three.

    Raises:
        SettingsError: where a day doesn't exist, the days aren't in order, or the time zone is unknown.
        DataError: where the time column is missing or holds no times.
    """
    if schema.time not in frame:
        raise DataError(f"no time column {schema.time!r}; the table has {', '.join(map(str, frame.columns))}")
    bounds = _boundaries(split)
    times = utc(frame[schema.time])
    moments = times.to_numpy("datetime64[us]").astype("int64")
    codes = np.searchsorted(bounds, moments, side="right") - 1
    codes = np.where((codes == len(PARTS)) | times.isna(), -1, codes)
    return pd.Series(pd.Categorical.from_codes(codes, categories=PARTS), index=frame.index, name="split").astype("str")


def _boundaries(split: TimeSplit) -> npt.NDArray[np.int64]:
    """Return the moments at which the parts begin and the last one ends, in microseconds since 1970."""
    problems = []
    days = {}
    for name in _BOUNDARIES:
        try:
            days[name] = dt.date.fromisoformat(getattr(split, name))
        except ValueError:
            problems.append(f"{name}: there is no day {getattr(split, name)!r}; write YYYY-MM-DD")
    problems += [
        f"{after}: {days[after]} isn't after {before} ({days[before]}); days must be in order"
        for before, after in itertools.pairwise(_BOUNDARIES)
        if before in days and after in days and days[before] >= days[after]
    ]
    zone = _zone(split.timezone, problems)
    if problems:
        raise SettingsError("\n".join(f"data.split.{problem}" for problem in problems))
    starts = [dt.datetime(day.year, day.month, day.day, tzinfo=zone) for day in days.values()]
    return np.array([(start - _EPOCH) // dt.timedelta(microseconds=1) for start in starts], dtype=np.int64)


def _zone(name: str, problems: list[str]) -> zoneinfo.ZoneInfo | None:
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        problems.append(f"timezone: {name!r} is unknown; expected a name such as 'UTC' or 'Europe/Berlin'")
        return None


def rule_in_words(split: TimeSplit, schema: Schema) -> str:
    """Return the rule as a sentence for people."""
    start = "" if split.start == TimeSplit.__struct_defaults__[0] else f" from {split.start}"
    return (
        f"by {schema.time!r}, days in {split.timezone}: train{start} before {split.validation}, "
        f"validation from {split.validation}, test from {split.test} and before {split.end}"
    )
