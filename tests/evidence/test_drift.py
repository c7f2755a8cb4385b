"""Drift: none between samples of one population, plenty between two, and never infinite."""

from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import settings
from weighbridge.data.profile import profile
from weighbridge.data.schema import Column, Schema
from weighbridge.errors import RecordError
from weighbridge.evidence import drift
from weighbridge.manifest import DataSection, Raw

COLUMNS = {"x": Column(type="number", known=1), "c": Column(type="string", known=1)}
SCHEMA = Schema(id="id", time="time", target="y", labels=("no", "yes"), features=COLUMNS)
SPLIT = settings.TimeSplit(validation="2026-01-02", test="2026-01-03", end="2026-01-04")
DATA = settings.Data(fetch="p:f", load="p:l", schema="p:s", split=SPLIT, source="s", licence="CC0-1.0")


def rows(count: int, seed: int, shift: float = 0.0, often: float = 0.5) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    x = np.where(draw.random(count) < 0.1, np.nan, draw.normal(shift, 1, count)).astype("float32")
    c = pd.Series(draw.choice(["a", "b", ""], count, p=[often, 0.9 - often, 0.1]), dtype="str")
    ids = [f"{seed}-{i}" for i in range(count)]
    time = pd.Timestamp(f"2026-01-0{seed + 1}", tz="UTC")
    return pd.DataFrame({"id": ids, "time": time, "x": x, "c": c, "y": np.arange(count) % 2})


def section(train: pd.DataFrame) -> DataSection:
    parts = {"train": train, "validation": rows(50, 7), "test": rows(50, 8)}
    return profile(parts, SCHEMA, Raw(sha256="", dvc="", files=()), DATA, 0, dict.fromkeys(parts, ""))


def measured(old: DataSection, train: pd.DataFrame) -> dict[str, float]:
    return {found.feature: found.psi for found in drift.drift(old, train)}


def test_the_same_rows_have_not_drifted() -> None:
    train = rows(3000, 0)
    assert measured(section(train), train) == pytest.approx({"x": 0.0, "c": 0.0}, abs=1e-12)


@pytest.mark.parametrize("count", [100, 1000, 20_000])
def test_other_rows_of_the_same_population_are_alike(count: int) -> None:
    assert max(measured(section(rows(count, 0)), rows(count, 1)).values()) < 0.1


def test_rows_of_another_population_are_told_apart_by_feature() -> None:
    found = measured(section(rows(3000, 0)), rows(3000, 1, shift=1.0))
    assert found["x"] > 0.25
    assert found["c"] < 0.1
    assert measured(section(rows(3000, 0)), rows(3000, 1, often=0.1))["c"] > 0.25


def test_values_that_go_missing_are_drift() -> None:
    train = rows(3000, 1)
    found = measured(section(rows(3000, 0)), train.assign(x=train["x"].where(train["y"] == 0)))
    assert found["x"] > 0.25


def test_it_is_the_textbook_s_sum_over_the_bins() -> None:
    q, p = np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.3, 0.4])
    expected = 0.1 * np.log(1.5) + 0.1 * np.log(5 / 4)
    assert drift.psi(q * 1e9, p * 1e9) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 1000)), min_size=1, max_size=22))
def test_it_is_finite_and_never_negative(counts: list[tuple[int, int]]) -> None:
    old, new = np.array(counts, dtype=np.float64).T
    assert 0 <= drift.psi(old, new) < 50
    assert drift.psi(old, new) == pytest.approx(drift.psi(new, old))


def test_new_features_and_records_without_bins_are_left_out() -> None:
    old = section(rows(500, 0))
    without = [msgspec.structs.replace(feature, shares=()) for feature in old.features]
    assert drift.drift(msgspec.structs.replace(old, features=tuple(without)), rows(500, 1)) == ()
    only = msgspec.structs.replace(old, features=old.features[:1])
    assert set(measured(only, rows(500, 1))) == {"x"}


def test_features_of_both_releases_and_one_type_are_compared() -> None:
    new = section(rows(500, 0))
    x, c = new.features
    assert drift.features(new, new) == ["x", "c"]
    assert drift.features(new, msgspec.structs.replace(new, features=(x,))) == ["x"]
    assert drift.features(
        msgspec.structs.replace(new, features=(msgspec.structs.replace(x, type="string"), c)), new
    ) == ["c"]


@pytest.mark.parametrize("changed", [{"edges": (1.0,)}, {"shares": (0.5, 0.5)}])
def test_a_record_whose_shares_do_not_fit_is_refused(changed: dict[str, Any]) -> None:
    old = section(rows(500, 0))
    damaged = msgspec.structs.replace(old, features=(msgspec.structs.replace(old.features[0], **changed),))
    with pytest.raises(RecordError, match=r"data\.features: x has \d+ shares, expected \d+ for its bins"):
        drift.drift(damaged, rows(500, 1))
