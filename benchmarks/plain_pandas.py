"""The peer of ``growing``: a script that prepares the flights with pandas, as one writes it who has the memory.

Both read the same raw files, make the same features, drop flights without a target, sort by time and id, split by
time and write a Parquet file a part. Both see that ids are unique and numbers finite, count rows whose features
are those of an earlier row and days that stand in two parts, and sum up each feature of each part: range, mean,
quantiles, share of missing and number of different values, of text the most frequent ones.

This script does it as pandas does unless told otherwise: all rows in memory, files of Snappy (ours are of zstd, which
takes longer), quartiles (ours are twentieths). It doesn't refuse columns of another type, declared ranges left, or an
aircraft told of twice, and takes no digest of the files: ``preprocess`` does.

Usage: ``python -m benchmarks.plain_pandas RAW_FOLDER OUTPUT_FOLDER VALIDATION TEST END``, the last three being days.
"""

import itertools
import sys
from pathlib import Path

import numpy as np
import pandas as pd

_READ = [
    "year", "month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "carrier", "tailnum", "origin",
    "dest", "time_hour", "arr_delay",
]  # fmt: skip
_OBSERVED = {
    "temp": "temperature", "dewp": "dew_point", "humid": "humidity", "wind_speed": "wind_speed",
    "wind_gust": "wind_gust", "precip": "precipitation", "pressure": "pressure", "visib": "visibility",
}  # fmt: skip
_FEATURES = [
    "departure_minute", "arrival_minute", "weekday", "distance", "departures_in_hour", "carrier", "origin", "dest",
    "plane_age", "seats", "temperature", "dew_point", "humidity", "wind_speed", "wind_gust", "wind_sin", "wind_cos",
    "precipitation", "pressure", "visibility",
]  # fmt: skip
_ZONE = "America/New_York"


def main(raw: Path, output: Path, *days: str) -> None:
    """Read, join, sort, split, write and sum up."""
    rows = _with_weather(_with_aircraft(_scheduled(_flights(raw)), raw), raw)
    rows = rows[rows["arr_delay"].notna()]
    rows = rows.assign(late=(rows["arr_delay"] > 15).astype("int8"))
    rows = rows[["id", "time", "group", *_FEATURES, "late"]]
    numbers = rows[_FEATURES].select_dtypes("number").columns
    rows = rows.astype(dict.fromkeys(numbers, "float32")).sort_values(["time", "id"])
    if not rows["id"].is_unique:
        raise ValueError("ids are repeated")
    if np.isinf(rows[numbers]).any(axis=None):
        raise ValueError("numbers are infinite")
    print("rows like an earlier one", rows.duplicated(_FEATURES).sum())
    validation, test, end = (pd.Timestamp(day, tz=_ZONE) for day in days)
    parts = {
        "train": rows[rows["time"] < validation],
        "validation": rows[(rows["time"] >= validation) & (rows["time"] < test)],
        "test": rows[(rows["time"] >= test) & (rows["time"] < end)],
    }
    days_of = {name: set(part["group"].unique()) for name, part in parts.items()}
    print("days in two parts", sum(len(days_of[a] & days_of[b]) for a, b in itertools.combinations(days_of, 2)))
    for name, part in parts.items():
        part.to_parquet(output / f"{name}.parquet", index=False)
        print(name, len(part), len(days_of[name]), part["late"].mean())
        print(part[numbers].describe().T.assign(missing=part[numbers].isna().mean(), distinct=part[numbers].nunique()))
        for column in ("carrier", "origin", "dest"):
            print(part[column].value_counts(normalize=True).head(3))


def _flights(raw: Path) -> pd.DataFrame:
    found = [_read(path) for path in sorted((raw / "flights").iterdir())]
    return pd.concat(found, ignore_index=True)


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path, columns=_READ)
    return pd.read_csv(path, usecols=_READ, parse_dates=["time_hour"])


def _scheduled(flights: pd.DataFrame) -> pd.DataFrame:
    departure, arrival = flights["sched_dep_time"], flights["sched_arr_time"]
    date = pd.to_datetime(flights[["year", "month", "day"]])
    day = date.astype("str").str[:10]
    number = flights["flight"].astype("str")
    clock = departure.astype("str").str.zfill(4)
    return flights.assign(
        id=day + "-" + flights["carrier"] + "-" + number + "-" + flights["origin"] + "-" + clock,
        time=flights["time_hour"] + pd.to_timedelta(departure % 100, unit="min"),
        group=day,
        departure_minute=departure // 100 * 60 + departure % 100,
        arrival_minute=arrival // 100 * 60 + arrival % 100,
        weekday=date.dt.day_of_week,
        departures_in_hour=flights.groupby(["origin", "time_hour"])["flight"].transform("size"),
    )


def _with_aircraft(flights: pd.DataFrame, raw: Path) -> pd.DataFrame:
    planes = pd.read_csv(raw / "planes.csv", usecols=["tailnum", "year", "seats"]).rename(columns={"year": "built"})
    joined = flights.merge(planes, on="tailnum", how="left")
    return joined.assign(plane_age=joined["year"] - joined["built"])


def _with_weather(flights: pd.DataFrame, raw: Path) -> pd.DataFrame:
    names = ["origin", "time_hour", "wind_dir", *_OBSERVED]
    weather = pd.read_csv(raw / "weather.csv", usecols=names, parse_dates=["time_hour"]).rename(columns=_OBSERVED)
    angle = np.deg2rad(weather.pop("wind_dir"))
    weather = weather.assign(
        time_hour=weather["time_hour"] + pd.Timedelta(hours=1), wind_sin=np.sin(angle), wind_cos=np.cos(angle)
    )
    return flights.merge(weather, on=["origin", "time_hour"], how="left")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
