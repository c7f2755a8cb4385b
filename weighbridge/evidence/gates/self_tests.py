"""The self-test: gates against models that were damaged on purpose. A gate that lets its damage through is no gate.

Each damaged model is judged as if the undamaged one were the last release, so that it works for a first release too.

===============  ============================================================================================
kind             damage, to which it has to say fail or inconclusive
===============  ============================================================================================
``absolute``     labels flipped
``change``       labels flipped
``churn``        labels flipped; not where only critical cases are named
``slices``       labels flipped in one slice, a large one; once more for ``max_gap`` alone, where there is one
``calibration``  probabilities shifted
``budget``       latency tripled, with ``max_ratio`` on a latency or ``min_ratio`` on the throughput
===============  ============================================================================================

Where a metric doesn't suffer from flipped labels (the recall of a timid model even gains), the gate gets the first
damage of :data:`.damages.DAMAGES` that makes it worse. Not asked are an absolute budget (a tripled latency may well be
within it), an ``absolute`` gate that limits a metric from its good side, a gap that is too wide already or that the
damage narrows, and kinds that don't look at predictions. At least one gate has to notice damaged predictions.
"""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import numpy as np

from weighbridge import manifest, settings
from weighbridge.evidence import catalogue, metrics
from weighbridge.evidence.gates import damages, judging, slices
from weighbridge.evidence.gates.checks import BEST_AT_ZERO, SELF_TEST
from weighbridge.evidence.gates.cuts import Cut
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.measuring import Measuring, refuse_no_gates
from weighbridge.evidence.gates.results import FAIL, INCONCLUSIVE, PASS, counted, part, result
from weighbridge.evidence.rows import Numbers, Rows
from weighbridge.manifest import GateResult, SelfTest

UNDAMAGED = "the undamaged model"
RESAMPLES = 200
"""Resamples behind a bound here: gross damage needs no fine bounds."""

_ROUNDING = 1e-6
_RULE = "every gate says no to the model that is damaged in what the gate guards"
_LATENCIES = ("latency_ms_p50", "latency_ms_p95", "latency_ms_p99")


def run(gate_file: settings.GateFile, evidence: Evidence) -> tuple[SelfTest, ...]:
    """Return, for each gate that guards against a damage, whether it says no; in the order of the file."""
    refuse_no_gates(gate_file)
    evidence.rows.require_measurable()
    judged = list(_judged(gate_file, evidence))
    return tuple(
        SelfTest(gate=name, damage=damage, caught=found in {FAIL, INCONCLUSIVE})
        for name in gate_file.gates
        for tested, (damage, found) in judged
        if tested == name
    )


def gate(tests: tuple[SelfTest, ...]) -> GateResult:
    """Return the self-test as one more result: it fails where a gate missed its damage, or none guards predictions.

    A latency that is noticed is no such guard.
    """
    missed = [test for test in tests if not test.caught]
    parts = tuple(part(f"{test.gate}: {test.damage}", PASS if test.caught else FAIL) for test in tests)
    named = "; ".join(f"gate {test.gate} lets a model through with {test.damage}" for test in missed)
    reason = f"{named}. Tighten its limit" if missed else f"{len(tests)} of {len(tests)} damaged models were refused"
    if all(test.damage == damages.TRIPLED for test in tests):
        blind = (
            "no gate looks at what the model predicts, so that flipped labels would be released; add one of kind "
            "absolute, change, slices, calibration or churn"
        )
        reason = f"{blind}; {reason}" if missed else blind
        if not missed:
            return result(SELF_TEST, SELF_TEST, _RULE, FAIL, reason, limit=0.0, parts=parts)
    return msgspec.structs.replace(counted(SELF_TEST, SELF_TEST, _RULE, len(missed), reason), parts=parts)


def _judged(gate_file: settings.GateFile, evidence: Evidence) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each tested gate's name with its damage and its verdict; gates of one damage share what is measured."""
    points = _Points(evidence.rows)
    by_damage: dict[str, dict[str, settings.Gate]] = {}
    for name, each in gate_file.gates.items():
        if isinstance(each, settings.Slices):
            with judging.naming(name):
                found = [*_broken_slice(name, each, evidence), *_broken_gap(name, each, evidence)]
            yield from found
        else:
            with judging.naming(name):
                damage, narrowed = _asked(each, points)
            if damage is not None:
                by_damage.setdefault(damage, {})[name] = narrowed
    for damage, asked in by_damage.items():
        broken = _slow(evidence) if damage == damages.TRIPLED else _damaged(evidence, damage, None)
        measuring = Measuring(broken.rows, broken.resamples, asked.values())
        for name, each in asked.items():
            yield name, (damage, judging.one(name, each, broken, measuring).verdict)


def _asked(each: settings.Gate, points: "_Points") -> tuple[str | None, settings.Gate]:
    """Return the damage that a gate guards against (``None``: none), and the gate without what would say no anyway."""
    if isinstance(each, settings.Absolute):
        guards = (each.min is not None) == points.upwards(each.metric)
        return (points.worse(each.metric) if guards else None), each
    if isinstance(each, settings.Change):
        return points.worse(each.metric), each
    if isinstance(each, settings.CalibrationGate):
        return points.worse(each.metric, (damages.SHIFTED, *damages.DAMAGES)), each
    if isinstance(each, settings.Churn):
        guards = each.max_negative_flips is not None or each.max_times_noise is not None
        return (damages.FLIPPED if guards else None), msgspec.structs.replace(each, cases="")
    if isinstance(each, settings.Budget):
        guards = each.min_ratio is not None or (each.max_ratio is not None and each.quantity in _LATENCIES)
        return (damages.TRIPLED if guards else None), msgspec.structs.replace(each, max=None, min=None)
    return None, each


def _broken_slice(name: str, each: settings.Slices, evidence: Evidence) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the verdict of a gate on slices on a model that fails in the largest slice of those it judges."""
    as_it_is = Measuring(evidence.rows, min(RESAMPLES, evidence.resamples), ())
    found = next((one for one in slices.broken(each, evidence.rows) if slices.can_tell(each, as_it_is, one[0])), None)
    if found is None:
        return
    cut, narrowed = found
    damage, broken = _broken_in(cut, each.metric, evidence)
    yield name, (f"{damage} where {cut.name}", _verdict(name, narrowed, broken).verdict)


def _broken_gap(name: str, each: settings.Slices, evidence: Evidence) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the verdict of ``max_gap`` alone, where it lets the undamaged model through and the damage widens it."""
    if each.max_gap is None:
        return
    alone = _without_release(dataclasses.replace(evidence, resamples=min(RESAMPLES, evidence.resamples)))
    as_it_is = Measuring(alone.rows, alone.resamples, ())
    spread = slices.spread(each, evidence.rows)
    found = next((one for one in spread if slices.can_tell(each, as_it_is, one[0])), None)
    if found is None:
        return
    cut, narrowed = found
    damage, broken = _broken_in(cut, each.metric, evidence)
    before, after = (_verdict(name, narrowed, one) for one in (alone, _without_release(broken)))
    if before.verdict == PASS and (before.value or 0.0) < (after.value or 0.0):
        yield name, (f"{damage} where {cut.name} (max_gap)", after.verdict)


def _broken_in(cut: Cut, metric: str, evidence: Evidence) -> tuple[str, Evidence]:
    """Return the damage that makes *metric* worse in a slice, and evidence of a model that is damaged there."""
    part_of = np.zeros(len(evidence.rows), dtype=np.bool_)
    part_of[cut.place] = True
    damage = _Points(evidence.rows.part(part_of)).worse(metric)
    return damage, _damaged(evidence, damage, cut.place)


def _verdict(name: str, narrowed: settings.Slices, evidence: Evidence) -> GateResult:
    return slices.judge(name, narrowed, evidence, Measuring(evidence.rows, evidence.resamples, ()))


def _without_release(evidence: Evidence) -> Evidence:
    """Return evidence as of a first release, where of a gate on slices only the gap is judged."""
    rows = evidence.rows
    return dataclasses.replace(
        evidence,
        rows=rows.with_new(rows.new, None, rows.thresholds),
        weighing=msgspec.structs.replace(evidence.weighing, comparison=None),
    )


class _Points:
    """Point values of metrics, on rows as they are and under each damage; what is sorted for one serves all."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._scored: dict[str, Any] = {}

    def upwards(self, metric: str) -> bool:
        """Return whether more of a metric is better."""
        return catalogue.greater_is_better(metric, self._rows.own)

    def value(self, metric: str, damage: str = "") -> float:
        """Return a metric's value under a damage, or of the rows as they are; a bias by its distance from 0."""
        rows = self._rows
        if damage not in self._scored:
            predictions = damages.DAMAGES[damage](rows, rows.new) if damage else rows.new
            self._scored[damage] = metrics.scored(
                rows.task, rows.y, predictions, rows.thresholds[0], own=dict(rows.own)
            )
        value = float(self._scored[damage].under([metric], np.ones((1, len(rows))))[metric][0])
        return abs(value) if metric == BEST_AT_ZERO else value

    def worse(self, metric: str, order: Iterable[str] = tuple(damages.DAMAGES)) -> str:
        """Return the first damage that makes a metric worse, by more than rounding; the first where none does."""
        sign = 1 if self.upwards(metric) else -1
        before = self.value(metric)
        limit = sign * before - _ROUNDING * abs(before)
        tried = list(order)
        return next((name for name in tried if sign * self.value(metric, name) < limit), tried[0])


def _damaged(evidence: Evidence, damage: str, place: Numbers | None) -> Evidence:
    """Return evidence of the damaged model (at *place* only, where given) beside the undamaged one."""
    rows = evidence.rows
    damaged = damages.DAMAGES[damage](rows, rows.new)
    if place is not None:
        whole = np.array(rows.new, dtype=np.float64)
        whole[place] = damaged[place]
        damaged = whole
    threshold = rows.thresholds[0]
    return dataclasses.replace(
        evidence,
        rows=rows.with_new(damaged, rows.new, (threshold, threshold)),
        weighing=msgspec.structs.replace(evidence.weighing, comparison=_beside({}, None)),
        resamples=min(RESAMPLES, evidence.resamples),
    )


def _slow(evidence: Evidence) -> Evidence:
    """Return evidence of a model that takes three times as long, beside the undamaged one."""
    serving = evidence.weighing.serving
    times = {**dict.fromkeys(_LATENCIES, damages.TIMES), "rows_per_second": 1 / damages.TIMES}
    slow = {name: by * getattr(serving, name) for name, by in times.items()}
    ratios = {name: manifest.Interval(value=by, low=by, high=by) for name, by in times.items()}
    weighing = msgspec.structs.replace(
        evidence.weighing,
        serving=msgspec.structs.replace(serving, **slow),
        comparison=_beside(ratios, serving),
    )
    return dataclasses.replace(evidence, weighing=weighing)


def _beside(ratios: dict[str, manifest.Interval], serving: manifest.Serving | None) -> manifest.Comparison:
    return manifest.Comparison(
        release=UNDAMAGED,
        comparable=True,
        reason="",
        metrics={},
        changed_decisions=None,
        serving=serving,
        ratios=ratios,
    )
