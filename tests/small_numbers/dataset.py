"""Rows with a number to predict for the tests: weighted, with dates, and depending on each other by cook."""

from pathlib import Path

import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

ROWS = 2000
SCHEMA = Schema(
    id="batch",
    group="cook",
    target="days",
    unit="d",
    weight="jars",
    features={
        "sugar": Column(type="number", unit="g", description="Sugar in a jar; sometimes not written down"),
        "sealed": Column(type="time", description="When the jars were closed"),
        "store": Column(type="string", description="Where they stand"),
    },
)


def fetch(folder: Path) -> None:
    """Write one CSV file, the same bytes each time."""
    random = np.random.default_rng(5)
    rows = pd.DataFrame(
        {
            "batch": [f"b{i:04d}" for i in range(ROWS)],
            "cook": [f"c{i:02d}" for i in random.integers(0, 60, ROWS)],
            "sugar": random.normal(50, 10, ROWS).round(1),
            "sealed": (pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 300, ROWS), unit="D")).strftime(
                "%Y-%m-%d"
            ),
            "store": random.choice(["cellar", "loft"], ROWS),
            "jars": random.integers(1, 9, ROWS),
        }
    )
    rows["days"] = (20 + 0.5 * rows["sugar"] + 5 * (rows["store"] == "cellar") + random.normal(0, 3, ROWS)).round(2)
    rows.loc[random.uniform(size=ROWS) < 0.05, "sugar"] = np.nan
    rows.loc[random.uniform(size=ROWS) < 0.01, "days"] = np.nan
    write(folder / "batches.csv", rows.to_csv(index=False))


def load(folder: Path) -> pd.DataFrame:
    """Return the rows as they are in the file."""
    return pd.read_csv(folder / "batches.csv", parse_dates=["sealed"], dtype={"store": "str"})
