"""Rows for the tests of the tables: twelve in six days, as a project's ``load`` would return them."""

from typing import Any

import numpy as np
import pandas as pd
from whole_rows import prepare

from weighbridge.data.profile import profile
from weighbridge.data.schema import Column, Schema
from weighbridge.digest import FileEntry
from weighbridge.manifest import DataSection, Raw
from weighbridge.settings import Data, TimeSplit

SCHEMA = Schema(
    id="id",
    time="time",
    group="day",
    target="y",
    labels=("on time", "late"),
    features={
        "x": Column(type="number", known=2.0, unit="km", description="A length"),
        "s": Column(type="string", known=24.0),
    },
)
RAW = Raw(sha256="f" * 64, dvc="d.dir", files=(FileEntry(path="a.csv", bytes=2_000_000, sha256="e" * 64),))
SETTINGS = Data(
    fetch="p:f",
    load="p:l",
    schema="p:s",
    split=TimeSplit(validation="2026-01-03", test="2026-01-05", end="2026-01-07"),
    source="made | up",
    licence="CC0-1.0",
)
DIGESTS = {"train": "1" * 64, "validation": "2" * 64, "test": "3" * 64}


def table(**changes: Any) -> pd.DataFrame:
    """Six days, two rows each, in an order that isn't that of time."""
    times = pd.date_range("2026-01-01", periods=12, freq="12h", tz="UTC")
    columns = {
        "id": [f"r{i:02}" for i in range(12)],
        "time": times,
        "day": times.strftime("%Y-%m-%d"),
        "x": np.arange(12) / 4,
        "s": ["a", "b", None] * 4,
        "y": [0.0, 1.0] * 6,
        "arrival": 1.0,
    }
    return pd.DataFrame(columns | changes).iloc[::-1]


def parts(frame: pd.DataFrame | None = None) -> dict[str, pd.DataFrame]:
    rows, _ = prepare(table() if frame is None else frame, SCHEMA)
    cut = {"train": rows[:4], "validation": rows[4:8], "test": rows[8:]}
    return {name: part.reset_index(drop=True) for name, part in cut.items()}


def section(found: dict[str, pd.DataFrame]) -> DataSection:
    return profile(found, SCHEMA, RAW, SETTINGS, 3, DIGESTS)
