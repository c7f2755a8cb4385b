"""The split: every moment belongs to one part at most, and each part is older than the next."""

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import OUT, PARTS, assign, rule_in_words
from weighbridge.errors import DataError, SettingsError
from weighbridge.settings import TimeSplit

SCHEMA = Schema(
    id="id", time="time", target="y", labels=("no", "yes"), features={"x": Column(type="number", known=1.0)}
)
SPLIT = TimeSplit(start="2026-01-01", validation="2026-02-01", test="2026-03-01", end="2026-04-01")


def parts(times: pd.Series, split: TimeSplit = SPLIT) -> list[str | None]:
    found = assign(pd.DataFrame({"time": times}), SCHEMA, split)
    return [None if code == OUT else PARTS[code] for code in found]


def at(*times: str) -> pd.Series:
    return pd.Series(pd.to_datetime(list(times), utc=True, format="ISO8601"))


def test_a_part_begins_with_its_first_moment() -> None:
    times = at("2026-01-01T00:00:00", "2026-01-31T23:59:59.999999", "2026-02-01", "2026-03-01", "2026-03-31T23:59")
    assert parts(times) == ["train", "train", "validation", "test", "test"]


def test_rows_before_the_start_from_the_end_and_without_time_are_in_no_part() -> None:
    assert parts(at("2025-12-31T23:59:59", "2026-04-01", "2030-01-01", "NaT")) == [None, None, None, None]


def test_without_a_start_all_older_rows_train() -> None:
    split = TimeSplit(validation="2026-02-01", test="2026-03-01", end="2026-04-01", timezone="Asia/Tokyo")
    assert parts(at("1700-01-01"), split) == ["train"]


def test_days_begin_in_the_time_zone_of_the_split() -> None:
    split = TimeSplit(
        start="2026-01-01", validation="2026-02-01", test="2026-03-01", end="2026-04-01", timezone="America/New_York"
    )
    assert parts(at("2026-02-01T04:59", "2026-02-01T05:00", "2026-04-01T03:59", "2026-04-01T04:00"), split) == [
        "train",
        "validation",
        "test",
        None,
    ]


def test_times_without_a_zone_are_utc_and_other_zones_are_converted() -> None:
    aware = at("2026-01-31T23:30", "2026-02-01T00:30")
    assert parts(aware.dt.tz_localize(None)) == parts(aware.dt.tz_convert("Asia/Tokyo")) == ["train", "validation"]


@given(
    st.lists(st.datetimes(min_value=dt.datetime(2025, 11, 1), max_value=dt.datetime(2026, 5, 1)), min_size=1)  # noqa: DTZ001 - read as UTC
)
def test_each_part_is_older_than_the_next(moments: list[dt.datetime]) -> None:
    ranks = [(time, PARTS.index(part)) for time, part in zip(moments, parts(pd.Series(moments)), strict=True) if part]
    assert [rank for _, rank in sorted(ranks)] == sorted(rank for _, rank in ranks)


def test_all_faults_of_the_days_are_told_at_once() -> None:
    split = TimeSplit(
        start="2026-02-30", validation="2026-05-01", test="2026-05-01", end="2026-04-01", timezone="Mars/Base"
    )
    with pytest.raises(SettingsError) as refused:
        parts(at("2026-01-01"), split)
    message = str(refused.value)
    assert "data.split.start: there is no day '2026-02-30'" in message
    assert "data.split.test: 2026-05-01 isn't after validation (2026-05-01)" in message
    assert "data.split.end: 2026-04-01 isn't after test (2026-05-01)" in message
    assert "data.split.timezone: 'Mars/Base' is unknown" in message


@pytest.mark.parametrize("zone", ["../../etc/passwd", "America", "/etc/localtime", ""])
def test_a_path_is_no_time_zone(zone: str) -> None:
    split = TimeSplit(validation="2026-02-01", test="2026-03-01", end="2026-04-01", timezone=zone)
    with pytest.raises(SettingsError, match="timezone"):
        parts(at("2026-01-01"), split)


def test_text_is_no_time() -> None:
    with pytest.raises(DataError, match=r"convert with pandas\.to_datetime"):
        parts(pd.Series(["2026-01-01"]))


def test_a_missing_time_column_is_named() -> None:
    with pytest.raises(DataError, match="no column 'time'; the table has when"):
        assign(pd.DataFrame({"when": at("2026-01-01")}), SCHEMA, SPLIT)


def test_the_rule_in_words_names_every_day_and_the_zone() -> None:
    words = rule_in_words(SPLIT, SCHEMA)
    assert all(day in words for day in ("2026-01-01", "2026-02-01", "2026-03-01", "2026-04-01", "UTC", "'time'"))


def test_the_rule_in_words_leaves_out_a_start_that_was_not_set() -> None:
    assert "0001" not in rule_in_words(TimeSplit(validation="2026-02-01", test="2026-03-01", end="2026-04-01"), SCHEMA)
