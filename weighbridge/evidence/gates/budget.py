"""``budget``: what serving and training cost, by itself and beside the last release.

Times of serving were measured in alternation with the last release, so that a noisy machine hits both alike: their
ratio has an interval, and its bound is limited. Sizes and counts are exact and are compared as they are; so are the
peak of memory and the costs of training, which were measured once and have no bound. Parameters are those that were
learned, as both manifests count them.
"""

import math

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.checks import price_problems, problems_of
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.limits import judged
from weighbridge.evidence.gates.results import FIRST_RELEASE, INCONCLUSIVE, NOT_APPLICABLE, joined, limited, result
from weighbridge.evidence.inference import Bounds
from weighbridge.manifest import GateResult, Serving, TrainingCost

KIND = "budget"
_HOUR = 3600.0
_COUNT = "parameter_count"
_TIMED = {"latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "rows_per_second", "load_seconds"}
"""What is measured in turns with the last release; by points alone, a ratio of these would be noise."""


def judge(name: str, gate: settings.Budget, evidence: Evidence) -> GateResult:
    """Return whether the cost keeps its limits, each of them a part where there are several.

    Raises:
        SettingsError: where no limit is given, or one on a price without a price.
    """
    problems = problems_of(gate)
    if gate.quantity == "training_price":
        problems += price_problems(evidence.cost)
    for problem in problems:
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    value = _measured(gate.quantity, evidence)
    found = {}
    for key, limit in (("min", gate.min), ("max", gate.max)):
        if limit is not None:
            rule = f"{_shown(gate, evidence)} is at {'least' if key == 'min' else 'most'} {limit:g}"
            found[key] = _absolute(name, rule, value, limit, at_least=key == "min")
    if gate.max_ratio is not None:
        found["max_ratio"] = _relative(name, gate, gate.max_ratio, value, evidence)
    if gate.min_ratio is not None:
        found["min_ratio"] = _relative(name, gate, gate.min_ratio, value, evidence, at_least=True)
    return joined(found)


def _shown(gate: settings.Budget, evidence: Evidence) -> str:
    priced = gate.quantity == "training_price" and evidence.cost.currency
    return f"{gate.quantity} ({evidence.cost.currency})" if priced else gate.quantity


def _absolute(name: str, rule: str, value: float | None, limit: float, *, at_least: bool) -> GateResult:
    if value is None:
        reason = "it wasn't measured; run 'snakemake --cores all --forcerun package'"
        return result(name, KIND, rule, INCONCLUSIVE, reason, limit=limit)
    return limited(name, KIND, rule, value, limit, at_least=at_least)


def _measured(quantity: str, evidence: Evidence) -> float | None:
    """Return the cost of this model; ``None`` where it wasn't measured."""
    if quantity == _COUNT:
        return float(evidence.packaged.artifacts.parameter_count)
    if quantity.startswith("training_"):
        return _training(quantity, evidence.packaged.cost, evidence.cost)
    return _serving(quantity, evidence.weighing.serving)


def _before(quantity: str, evidence: Evidence) -> float | None:
    """Return the cost of the last release, measured beside where it could be, else as its manifest has it."""
    comparison, previous = evidence.weighing.comparison, evidence.previous
    if quantity == _COUNT:
        return None if previous is None else float(previous.artifacts.parameter_count)
    if quantity.startswith("training_"):
        return None if previous is None else _training(quantity, previous.performance.cost, evidence.cost)
    return None if comparison is None or comparison.serving is None else _serving(quantity, comparison.serving)


def _serving(quantity: str, serving: Serving) -> float:
    return float(getattr(serving, quantity))


def _training(quantity: str, cost: TrainingCost | None, rates: settings.Cost) -> float | None:
    if cost is None:
        return None
    hours = (cost.wall_seconds if quantity == "training_wall_hours" else cost.cpu_seconds) / _HOUR
    return hours * rates.cpu_hour if quantity == "training_price" else hours


def _relative(  # noqa: PLR0913 - both sides, and which way is better
    name: str, gate: settings.Budget, limit: float, value: float | None, evidence: Evidence, *, at_least: bool = False
) -> GateResult:
    comparison, timed = evidence.weighing.comparison, gate.quantity in _TIMED
    release = comparison.release if comparison else "the last release"
    side, word = ("lower", "least") if at_least else ("upper", "most")
    by = f" ({side} bound, measured in turns)" if timed else ""
    rule = f"{gate.quantity} is at {word} {limit:g} times that of {release}{by}"
    if comparison is None:
        return result(name, KIND, rule, NOT_APPLICABLE, FIRST_RELEASE, limit=limit)
    ratio, before = comparison.ratios.get(gate.quantity), _before(gate.quantity, evidence)
    if timed and ratio is not None:
        found = Bounds(ratio.value, ratio.low, ratio.high, math.nan)
        floor, ceiling = (limit, None) if at_least else (None, limit)
        return judged(
            name, KIND, rule, found, floor=floor, ceiling=ceiling, value=value, baseline=before, difference=ratio.value
        )
    if timed or before is None or value is None:
        reason = f"what {release} costs is not known; {comparison.reason or 'it was not measured'}"
        return result(name, KIND, rule, INCONCLUSIVE, reason, limit=limit)
    return _of_points(name, rule, value, before, limit)


def _of_points(name: str, rule: str, value: float, before: float, limit: float) -> GateResult:
    times = value / before if before > 0 else 1.0 if value == before else math.inf
    plain = limited(name, KIND, rule, times, limit, baseline=before)
    return result(
        name, KIND, rule, plain.verdict, plain.reason, value=value, baseline=before, difference=times, limit=limit,
        short_by=plain.short_by,
    )  # fmt: skip
