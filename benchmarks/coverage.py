"""How often an interval holds the truth, with the days of real flights as groups.

Measured: the example's flights of 2013 and a fixed logistic regression's predictions of them. The year's 365 days are
taken for the whole world: the area under the curve over all of them is the truth. Days are then drawn from it at
random, 30 and 60 at a time, over and over; each draw gets a 95 % interval by resampling its days, as a test set of a
month or two would. Printed is the share of intervals that hold the truth.

Peers: the same draws with the plain percentiles of the days, as ``stambo`` takes them, and with flights resampled one
by one, as if those of a day were independent.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import ROOT, Figure, finish
from weighbridge.data.batches import frame
from weighbridge.evidence import bootstrap, metrics

LOWEST_GOAL = 0.92
HIGHEST_GOAL = 0.97
_DAYS = (30, 60)
_DRAWS = 2000
_DRAWS_BY_ROW = 200
_RESAMPLES = 1000
_CONFIDENCE = 0.95
_COLUMNS = ("departure_minute", "distance", "departures_in_hour", "temperature", "humidity", "wind_speed", "pressure")

Floats = npt.NDArray[np.float64]


class Year:
    """The flights of a year: outcomes and predictions [n], and the rows of each day."""

    def __init__(self, y: npt.NDArray[np.int64], p: Floats, day: npt.NDArray[Any]) -> None:
        self.y, self.p = y, p
        _, numbers = np.unique(day.astype(str), return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        self.days = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
        self.truth = metrics.compute(["roc_auc"], y, p)["roc_auc"]


def main() -> None:
    """Run, print and judge."""
    year = _year(ROOT / "data" / "raw")
    print(f"  {len(year.y)} flights on {len(year.days)} days; roc_auc over all of them {year.truth:.4f}")
    figures = []
    for days in _DAYS:
        started = time.perf_counter()
        share, plain, by_row = _coverage(year, days)
        peers = f"plain percentiles {plain:.4f}, flights one by one {by_row:.4f}"
        print(f"  {days} days: {share:.4f}; {peers} ({time.perf_counter() - started:.0f} s)", flush=True)
        figures += [
            Figure(f"coverage_{days}_days", share, LOWEST_GOAL, at_least=True),
            Figure(f"coverage_{days}_days", share, HIGHEST_GOAL),
        ]
    finish(*figures)


def _year(folder: Path) -> Year:
    """Return all flights, predicted by a regression that saw every tenth of them."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from project import dataset

    if not (folder / "flights.csv.zip").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        dataset.fetch(folder)
    table = frame(dataset.load(folder)).dropna(subset=["late"])
    y = table["late"].to_numpy().astype(np.int64)
    x = table[list(_COLUMNS)].to_numpy(dtype=np.float64)
    model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(x[::10], y[::10])
    return Year(y, model.predict_proba(x)[:, 1], table["group"].to_numpy())


def _coverage(year: Year, days: int) -> tuple[float, float, float]:
    """Return the share of intervals that hold the truth: ours, by plain percentiles, and by rows."""
    random = np.random.default_rng(days)
    held = np.zeros(3)
    for draw in range(_DRAWS):
        chosen = random.integers(0, len(year.days), days)
        rows = np.concatenate([year.days[day] for day in chosen])
        groups = np.repeat(np.arange(days), [len(year.days[day]) for day in chosen])  # a day drawn twice is two
        value, samples = _measured(year, rows, groups, draw)
        held[0] += _holds(bootstrap.interval(value, samples, _CONFIDENCE, days), year.truth)
        held[1] += _holds(bootstrap.interval(value, samples, _CONFIDENCE), year.truth)
        if draw < _DRAWS_BY_ROW:
            value, samples = _measured(year, rows, None, draw)
            held[2] += _holds(bootstrap.interval(value, samples, _CONFIDENCE), year.truth)
    return float(held[0]) / _DRAWS, float(held[1]) / _DRAWS, float(held[2]) / _DRAWS_BY_ROW


def _measured(
    year: Year, rows: npt.NDArray[np.intp], groups: npt.NDArray[np.intp] | None, seed: int
) -> tuple[float, Floats]:
    ((values, samples),) = bootstrap.measure(["roc_auc"], year.y[rows], [year.p[rows]], groups, 0.5, _RESAMPLES, seed)
    return values["roc_auc"], samples["roc_auc"]


def _holds(interval: Any, truth: float) -> bool:
    return bool(interval.low <= truth <= interval.high)


if __name__ == "__main__":
    main()
