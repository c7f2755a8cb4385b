"""Metrics with their resamples, each set of rows measured once in a judgement."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from weighbridge import settings
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import bootstrap, catalogue
from weighbridge.evidence.gates.checks import BEST_AT_ZERO
from weighbridge.evidence.inference import Bounds, Floats, bounds
from weighbridge.evidence.rows import Mask, Numbers, Rows

ALWAYS_TOLD = "accuracy"
"""The metric of decisions that rows of one class have as well."""
Measurement = tuple[dict[str, float], dict[str, Floats]]
"""Values, and samples [resamples], by metric."""


@dataclasses.dataclass(frozen=True)
class Measured:
    """One metric on some rows, of this model and of the last release, over the same resamples.

    Attributes:
        rows: number of rows.
        groups: number of groups that were resampled; ``None`` where rows were.
        new: this model's value and samples [resamples].
        old: the last release's; ``None`` where it can't be measured.
    """

    rows: int
    groups: int | None
    new: tuple[float, Floats]
    old: tuple[float, Floats] | None

    def value(self, confidence: float) -> Bounds:
        """Return this model's value between its bounds."""
        return bounds(*self.new, confidence, self.groups)

    @property
    def change(self) -> tuple[float, Floats]:
        """This model's value minus the last release's, and the samples of the difference."""
        assert self.old is not None  # noqa: S101 - callers ask only where there is a last release
        return self.new[0] - self.old[0], self.new[1] - self.old[1]

    def difference(self, confidence: float) -> Bounds:
        """Return this model's value minus the last release's, between its bounds."""
        return bounds(*self.change, confidence, self.groups)


class Measuring:
    """Measures metrics of :class:`Rows` as gates ask for them, and remembers what it measured.

    All metrics that the gates name are measured together, since one set of resamples serves them all.

    Args:
        rows: the test rows.
        resamples: how many.
        gates: all gates of the file: what they will ask for.
    """

    def __init__(self, rows: Rows, resamples: int, gates: Iterable[settings.Gate]) -> None:
        self.rows = rows
        self.resamples = resamples
        self._wanted: dict[str | None, dict[str, bool]] = {}
        for gate in gates:
            if isinstance(gate, settings.Absolute | settings.Change | settings.CalibrationGate):
                if gate.metric not in self._choices() or not self._groupable(gate):
                    continue  # refused when this very gate asks, so that no other is named for it
                asked = self._wanted.setdefault(self.group_by(gate), {})
                asked[gate.metric] = asked.get(gate.metric, False) or isinstance(gate, settings.Change)
        self._whole: dict[tuple[str | None, bool], tuple[Measurement, ...]] = {}
        self._shares: dict[tuple[str, str | None], tuple[float, Floats]] = {}

    def group_by(self, gate: Any) -> str | None:
        """Return the column that *gate* groups rows by; ``None`` for independent rows.

        Raises:
            SettingsError: where there is no such column, with the nearest.
        """
        asked: str | None = gate.group_by
        column = self.rows.group_by if asked is None else asked
        if column:
            self.rows.coded(column, "group_by column")
        return column or None

    def groups(self, group_by: str | None, place: Numbers | None = None) -> int | None:
        """Return how many groups there are among all rows, or among those at *place*; ``None`` without groups."""
        if group_by is None:
            return None
        coded = self.rows.coded(group_by)
        return len(coded.values) if place is None else int(np.count_nonzero(np.bincount(coded.numbers[place])))

    def known(self, metric: str) -> str:
        """Return *metric* where it is one of this task's, or the project's own.

        Raises:
            SettingsError: else, with the nearest.
        """
        return catalogue.require(
            metric, self._choices(), f"a gate on a metric that a {self.rows.task} task doesn't have:"
        )

    def _choices(self) -> tuple[str, ...]:
        return (*catalogue.names(self.rows.task), *self.rows.own)

    def _groupable(self, gate: Any) -> bool:
        return not gate.group_by or gate.group_by in self.rows.columns

    def upwards(self, metric: str) -> bool:
        """Return whether more of *metric* is better."""
        return catalogue.greater_is_better(metric, self.rows.own)

    def whole(self, metric: str, group_by: str | None) -> Measured:
        """Return *metric* on all rows.

        Raises:
            DataError: where outcomes or predictions can't be measured.
        """
        self.known(metric)
        wanted = self._wanted.get(group_by, {})
        paired = self.rows.old is not None and wanted.get(metric, False)
        key = (group_by, paired)
        if key not in self._whole:
            names = [name for name, both in wanted.items() if (both and self.rows.old is not None) == paired]
            try:
                self._whole[key] = self._measure(names, group_by, None, paired=paired)
            except (DataError, SettingsError):  # of which metric? Only its own gate is to be named.
                found = self._measure([metric], group_by, None, paired=paired)
                return self._measured(metric, found, len(self.rows), self.groups(group_by))
        return self._measured(metric, self._whole[key], len(self.rows), self.groups(group_by))

    def part(self, metric: str, group_by: str | None, place: Numbers) -> Measured:
        """Return *metric* on the rows at *place*.

        Raises:
            DataError: where these hold one class (but for accuracy) or one group only, or can't be measured.
        """
        if metric == ALWAYS_TOLD and self.one_class(place):
            return self._measured(metric, self._right(group_by, place), len(place), self.groups(group_by, place))
        found = self._measure([self.known(metric)], group_by, place, paired=self.rows.old is not None)
        return self._measured(metric, found, len(place), self.groups(group_by, place))

    def one_class(self, place: Numbers) -> bool:
        """Return whether the rows at *place* are all of one class."""
        outcomes = self.rows.y[place]
        return self.rows.task != "regression" and bool(np.all(outcomes == outcomes[0]))

    def _right(self, group_by: str | None, place: Numbers) -> tuple[Measurement, ...]:
        """Return the share of right decisions, of both models over the same resamples."""
        right = [(each == self.rows.y)[place] for each in self.rows.decisions() if each is not None]
        groups = None if group_by is None else self.rows.coded(group_by).numbers[place]
        values, samples = bootstrap.means(np.stack(right), groups, self.resamples, 0)
        return tuple(
            ({ALWAYS_TOLD: float(value)}, {ALWAYS_TOLD: drawn}) for value, drawn in zip(values, samples, strict=True)
        )

    def _measure(
        self, names: list[str], group_by: str | None, place: Numbers | None, *, paired: bool
    ) -> tuple[Measurement, ...]:
        rows, kept = self.rows, slice(None) if place is None else place
        predictions = [rows.new[kept], *([rows.old[kept]] if paired and rows.old is not None else [])]
        return bootstrap.measure(
            names,
            rows.y[kept],
            predictions,
            None if group_by is None else rows.coded(group_by).numbers[kept],
            list(rows.thresholds[: len(predictions)]),
            self.resamples,
            task=rows.task,
            own=dict(rows.own),
        )

    @staticmethod
    def _measured(metric: str, found: tuple[Measurement, ...], rows: int, groups: int | None) -> Measured:
        both = [(values[metric], samples[metric]) for values, samples in found]
        return Measured(rows=rows, groups=groups, new=both[0], old=both[1] if len(both) > 1 else None)

    def share(self, name: str, indicator: Mask, group_by: str | None) -> tuple[float, Floats]:
        """Return the share of rows where *indicator* [n] holds and its samples, remembered under *name*."""
        key = (name, group_by)
        if key not in self._shares:
            groups = None if group_by is None else self.rows.coded(group_by).numbers
            self._shares[key] = bootstrap.mean(indicator, groups, self.resamples, 0)
        return self._shares[key]


def distance_from_best(metric: str, measured: Measured) -> Measured:
    """Return *measured* as something of which less is better: a bias is as bad below 0 as above."""
    if metric != BEST_AT_ZERO:
        return measured
    new, old = measured.new, measured.old
    absolute = None if old is None else (abs(old[0]), np.abs(old[1]))
    return dataclasses.replace(measured, new=(abs(new[0]), np.abs(new[1])), old=absolute)


def refuse_no_gates(gate_file: settings.GateFile) -> None:
    """Refuse a file without gates, which would let anything through.

    Raises:
        SettingsError: where there is none.
    """
    gates: Mapping[str, Any] = gate_file.gates
    if not gates:
        raise SettingsError("config/gates.yaml: found no gates, which lets everything through; expected at least one")
