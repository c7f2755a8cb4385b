"""A small project's rows for the tests: made of random numbers, quick to learn, with missing values and text."""

from pathlib import Path

import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

ROWS = 3000
DAYS = 60
SCHEMA = Schema(
    id="id",
    time="time",
    group="day",
    target="spoiled",
    labels=("fresh", "spoiled"),
    features={
        "warmth": Column(type="number", known=2.0, unit="K", description="Warmth above the store's"),
        "age": Column(type="number", known=24.0, unit="d", description="Age of the batch; sometimes not written down"),
        "weight": Column(type="number", known=24.0, unit="kg", description="Weight of the batch"),
        "store": Column(type="string", known=24.0, description="Where it lies"),
    },
)


def fetch(folder: Path) -> None:
    """Write one CSV file, the same bytes each time."""
    random = np.random.default_rng(7)
    time = pd.Timestamp("2024-01-01") + pd.to_timedelta(
        np.sort(random.uniform(0, DAYS * 86400, ROWS)).round(), unit="s"
    )
    rows = pd.DataFrame(
        {
            "id": [f"b{i:05d}" for i in range(ROWS)],
            "time": time,
            "day": time.strftime("%Y-%m-%d"),
            "warmth": random.normal(size=ROWS).round(3),
            "age": random.normal(size=ROWS).round(3),
            "weight": random.normal(size=ROWS).round(3),
            "store": random.choice(["cellar", "loft", "yard"], ROWS),
        }
    )
    score = 1.5 * rows["warmth"] + rows["age"] + (rows["store"] == "yard") - 0.5
    rows["spoiled"] = (random.uniform(size=ROWS) < 1 / (1 + np.exp(-score))).astype(int)
    rows.loc[random.uniform(size=ROWS) < 0.05, "age"] = np.nan
    rows.loc[random.uniform(size=ROWS) < 0.02, "store"] = None
    rows.loc[random.uniform(size=ROWS) < 0.01, "spoiled"] = np.nan
    write(folder / "batches.csv", rows.to_csv(index=False))


def load(folder: Path) -> pd.DataFrame:
    """Return the rows as they are in the file."""
    rows = pd.read_csv(folder / "batches.csv", parse_dates=["time"], dtype={"store": "str"})
    return rows.assign(time=rows["time"].dt.tz_localize("UTC"))
