"""Preprocessing as data grow: memory, time, and how time grows with the rows.

Measured: the stage ``preprocess`` in a process of its own, on the example's flights replicated to 10,000,000 rows
(``--rows``) with days shifted by whole years, so that ids differ: peak memory, seconds on the clock beside the peer's,
and how the time of a row changes from the smallest size to the largest. The input is a folder of Parquet files
(``--format csv``: of CSV files), one a copy of the year. **The rows are made for timing only**: they are the same
flights over and over, and nothing can be learnt from them.

Peer: ``benchmarks/plain_pandas.py``, a plain script with pandas: the same features, sort, split, Parquet files and
the usual statistics, of the same input. It takes the largest size once, after ours.

Usage: ``python -m benchmarks.growing [--rows 10000000] [--format parquet]``; needs some 6 GB of disk and, for the
peer, 12 GB of memory at the full size.
"""

import argparse
import datetime as dt
import sys
import tempfile
from pathlib import Path

import msgspec
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from benchmarks.measure import ROOT, Cost, Figure, environment, finish, run
from project import dataset
from weighbridge import documents, paths, tasks
from weighbridge.manifest import Raw
from weighbridge.settings import Data, TimeSplit
from weighbridge.stages import preprocess

MEMORY_GOAL = 2048.0
RATIO_GOAL = 3.0
GROWTH_GOAL = 1.25
_ROWS = 10_000_000
_FRACTIONS = (0.03, 0.1, 0.3, 1.0)
_DAYS = 365
_TASK = "task.json"
_ZONE = "America/New_York"


def main() -> None:
    """Make rows of each size, prepare them, print and judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.growing")
    parser.add_argument("--rows", type=int, default=_ROWS)
    parser.add_argument("--format", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--prepare", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.prepare:
        _prepare(asked.prepare)
        return
    sizes = [int(asked.rows * fraction) for fraction in _FRACTIONS]
    ours = []
    with tempfile.TemporaryDirectory(prefix="weighbridge-growing-") as folder:
        published = Path(folder, "published")
        dataset.fetch(published)
        for rows in sizes:
            root = Path(folder, str(rows))
            last = make(published, root, rows, asked.format)
            bounds = _bounds(last)
            ours.append(_say(f"preprocess, {rows:,} rows", run(_ours(root, bounds), ROOT, environment(ROOT))))
        output = Path(folder, "peer")
        output.mkdir()
        script = [sys.executable, "-m", "benchmarks.plain_pandas", str(root / paths.RAW), str(output), *bounds]
        theirs = _say(f"plain pandas, {rows:,} rows", run(script, ROOT, environment(ROOT)))
    finish(
        Figure("growing_peak_mib", ours[-1].peak_mib, MEMORY_GOAL),
        Figure("growing_time_ratio_to_pandas", theirs.wall / ours[-1].wall, RATIO_GOAL, at_least=True),
        Figure("growing_cpu_a_row_ratio", _of_a_row(ours, sizes, 2, 3) / _of_a_row(ours, sizes, 0, 2), GROWTH_GOAL),
    )


def _prepare(root: Path) -> None:
    """Run the stage, as ``weighbridge preprocess`` does."""
    preprocess.run(root, tasks.decode((root / _TASK).read_text(encoding="utf-8"), tasks.PreprocessTask))


def _say(name: str, cost: Cost) -> Cost:
    print(f"  {name}: {cost.wall:.1f} s, {cost.cpu:.1f} s of CPU, {cost.peak_mib:.0f} MiB", flush=True)
    return cost


def _of_a_row(costs: list[Cost], sizes: list[int], smaller: int, larger: int) -> float:
    """Return seconds of CPU that each row more costs between two sizes: what a start costs drops out."""
    return (costs[larger].cpu - costs[smaller].cpu) / (sizes[larger] - sizes[smaller])


def make(published: Path, root: Path, rows: int, kind: str) -> int:
    """Write raw files with *rows* flights, and return how many copies of the year they are."""
    flights = _read(published / "flights.csv.zip")
    weather = csv.read_csv(published / "weather.csv", convert_options=_OPTIONS)
    folder = root / paths.RAW / "flights"
    folder.mkdir(parents=True)
    copies = -(-rows // len(flights))
    for number in range(copies):
        count = rows // copies + (number < rows % copies)
        some = flights.take(pa.array([place * len(flights) // count for place in range(count)]))
        _write(_shifted(some, number), folder / f"{number:03}.{kind}")
    _write(pa.concat_tables([_hours_later(weather, number) for number in range(copies)]), root / "data/raw/weather.csv")
    (root / "data/raw/planes.csv").write_bytes((published / "planes.csv").read_bytes())
    return copies


_OPTIONS = csv.ConvertOptions(
    column_types={"time_hour": pa.timestamp("s", tz="UTC"), "tailnum": pa.string()}, strings_can_be_null=False
)


def _read(archive: Path) -> pa.Table:
    return csv.read_csv(pa.py_buffer(dataset._content(archive)), convert_options=_OPTIONS)  # noqa: SLF001 - our own


def _shifted(flights: pa.Table, years: int) -> pa.Table:
    """Return flights of *years* times 365 days later."""
    dates = pd.to_datetime(flights.select(["year", "month", "day"]).to_pandas()) + pd.Timedelta(days=_DAYS * years)
    for name in ("year", "month", "day"):
        flights = flights.set_column(
            flights.column_names.index(name), name, pa.array(getattr(dates.dt, name), pa.int64())
        )
    return _hours_later(flights, years)


def _hours_later(rows: pa.Table, years: int) -> pa.Table:
    later = pc.add(rows["time_hour"], pa.scalar(dt.timedelta(days=_DAYS * years), pa.duration("s")))
    return rows.set_column(rows.column_names.index("time_hour"), "time_hour", later)


def _write(rows: pa.Table, path: Path) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(rows, path)
    else:
        csv.write_csv(rows, path)


def _bounds(copies: int) -> list[str]:
    """Return the first days of validation and test, and the first one left out: 70, 15 and 15 % of all days."""
    first = dt.date(2013, 1, 1)
    return [str(first + dt.timedelta(days=int(_DAYS * copies * share))) for share in (0.7, 0.85, 1.1)]


def _ours(root: Path, bounds: list[str]) -> list[str | Path]:
    """Write what the stage is told, and return the command that runs it."""
    validation, test, end = bounds
    data = Data(
        fetch="project.dataset:fetch",
        load="project.dataset:load",
        schema="project.dataset:SCHEMA",
        split=TimeSplit(validation=validation, test=test, end=end, timezone=_ZONE),
        source="flights over and over, for timing only",
        licence="CC0-1.0",
    )
    documents.write_record(root / paths.RAW_RECORD, Raw(sha256="", dvc="", files=()))
    documents.write(root / _TASK, msgspec.json.encode(tasks.PreprocessTask(data=data)))
    return [sys.executable, "-m", "benchmarks.growing", "--prepare", root]


if __name__ == "__main__":
    main()
