"""A machine's state by its sensors: made of random numbers, the same each time. From 2025 on there is a fourth state.

A folder of CSV files, one a year; ``load`` reads those that are there, ``write_year`` brings another.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = Schema(
    id="id",
    group="machine",
    target="state",
    labels=("idle", "running", "jammed"),
    weight="seconds",
    features={
        "vibration": Column(type="number", unit="mm/s", minimum=0, description="Speed of the casing"),
        "current": Column(type="number", unit="A", minimum=0, description="Of the motor; sometimes not sent"),
        "warmth": Column(type="number", unit="K", description="Above that of the hall"),
        "serviced": Column(type="time", description="Day of the last service"),
        "covered": Column(type="boolean", description="Whether its cover is closed"),
    },
)
_MEANS = {  # of the first three columns
    "idle": (0.4, 1, 1), "running": (2, 6, 9), "jammed": (0.9, 9, 12), "overheated": (2.2, 7.5, 25),
}  # fmt: skip


def fetch(folder: Path) -> None:
    """Write the first year."""
    write_year(folder, 2024)


def write_year(folder: Path, year: int, rows: int = 1200) -> None:
    """Write the readings of a year, the same bytes each time."""
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(year)
    states = random.choice(list(_MEANS)[: min(year - 2021, 4)], rows)
    values = np.array([_MEANS[state] for state in states]) * random.gamma(9, 1 / 9, (rows, 3))
    table = pd.DataFrame(values.round(2), columns=["vibration", "current", "warmth"])
    table["current"] = table["current"].mask(random.choice([True, False], rows, p=[0.03, 0.97]))
    table["serviced"] = pd.Timestamp(f"{year}-01-01") + pd.to_timedelta(random.integers(0, 300, rows), unit="D")
    table["covered"] = random.choice([True, False], rows, p=[0.9, 0.1])
    table["seconds"] = random.integers(1, 60, rows)
    table["machine"] = random.integers(0, 60, rows)
    table["state"] = states
    write(folder / f"readings-{year}.csv", table.to_csv(index=False))


def load(folder: Path) -> "pd.DataFrame":
    """Return a row a reading, of all years."""
    import pandas as pd

    files = sorted(folder.glob("readings-*.csv"))
    years = {path.stem[-4:]: pd.read_csv(path, parse_dates=["serviced"]) for path in files}
    table = pd.concat([rows.assign(id=[f"{year}-{i:04}" for i in range(len(rows))]) for year, rows in years.items()])
    return table.assign(machine=table["machine"].astype("str"), serviced=table["serviced"].dt.tz_localize("UTC"))
