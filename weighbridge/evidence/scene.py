"""What a picture may show: the records of a weighing, and the tables made from its predictions."""

import csv
from pathlib import Path
from typing import NamedTuple

from weighbridge.errors import RecordError, SettingsError
from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.evidence.page import percent, short
from weighbridge.manifest import Packaged, Verdict, Weighing


class Table(NamedTuple):
    """One CSV table: its columns' values by name, all as text, and the number of rows."""

    columns: dict[str, list[str]]
    rows: int

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers; an empty list where its cells are empty."""
        cells = self.columns[name]
        return [float(cell) for cell in cells] if cells and cells[0] else []


class Target(NamedTuple):
    """What the column is called that is predicted, and the unit of its numbers."""

    name: str = "the target"
    unit: str = ""


class Scene(NamedTuple):
    """Everything that a picture may show."""

    packaged: Packaged
    weighing: Weighing
    plots: Path
    verdict: Verdict | None
    target: Target = Target()

    def table(self, name: str) -> Table:
        """Read the table *name* of :mod:`weighbridge.evidence.curves`."""
        path = self.plots / f"{name}.csv"
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                header, *rows = list(csv.reader(stream))
        except (OSError, ValueError) as problem:
            raise RecordError(f"{path}: no table ({problem}); run the draw stage again") from None
        return Table({column: [row[i] for row in rows] for i, column in enumerate(header)}, len(rows))

    @property
    def labels(self) -> tuple[str, str]:
        """Words for class 0 and class 1 of two, as the confusion table has them."""
        names = self.table("confusion_counts").columns["actual"]
        return short(names[0], 24), short(names[-1], 24)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """True negatives, false positives, false negatives, true positives, of two classes."""
        tn, fp, fn, tp = (int(number) for number in self.table("confusion_counts").numbers("rows"))
        return tn, fp, fn, tp

    @property
    def rows_in_words(self) -> str:
        """What was measured, for the foot of a picture."""
        weighing = self.weighing
        by = f" by {weighing.group_by}" if weighing.group_by not in {None, "group"} else ""
        grouped = f" in {weighing.groups:,} groups{by}" if weighing.groups else ""
        return f"{weighing.rows:,} test rows{grouped}"

    @property
    def interval_in_words(self) -> str:
        """How the intervals were made."""
        weighing = self.weighing
        what = "whole groups" if weighing.groups else "rows"
        return f"{percent(weighing.confidence)} intervals: bootstrap of {what}, {weighing.resamples:,} resamples"

    @property
    def release(self) -> str:
        """Name of the last release, where this model was measured beside it; else empty."""
        comparison = self.weighing.comparison
        return short(comparison.release, 28) if comparison and comparison.comparable else ""

    @property
    def unknown(self) -> tuple[str, ...]:
        """Classes that the last release couldn't name."""
        comparison = self.weighing.comparison
        return comparison.unknown_labels if comparison else ()

    @property
    def unknown_in_words(self) -> str:
        """How many these are, for the foot of a picture; empty where none."""
        count = len(self.unknown)
        return f" {self.release} doesn't know {count} of the classes." if count else ""

    def more_is_better(self, metric: str) -> bool:
        """Return which way a metric runs; of one's own, what the choice of the champion tells of it."""
        try:
            return greater_is_better(metric)
        except SettingsError:
            means = {
                name: score.mean[metric] for name, score in self.packaged.candidates.items() if metric in score.mean
            }
        best = means.get(self.packaged.champion)
        decided = metric == self.packaged.primary and best is not None and max(means.values()) > best
        return not decided
