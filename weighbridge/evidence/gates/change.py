"""``change``: this model against the last release on the same rows: not worse, better, or equivalent.

Differences are taken within each resample, where what makes rows hard or easy cancels out. A metric of which less is
better is mirrored; of a bias, distances from 0 are compared.
"""

import math

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.checks import problems_of
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.limits import judged
from weighbridge.evidence.gates.measuring import Measuring, distance_from_best
from weighbridge.evidence.gates.results import FIRST_RELEASE, INCONCLUSIVE, NOT_APPLICABLE, result
from weighbridge.evidence.inference import Bounds, rows_needed
from weighbridge.manifest import GateResult

KIND = "change"


def judge(name: str, gate: settings.Change, evidence: Evidence, measuring: Measuring) -> GateResult:
    """Return whether the change of the metric is proven to be what the gate asks for.

    Raises:
        DataError: where outcomes or predictions can't be measured.
        SettingsError: for an unknown metric or column, or an equivalence without a margin.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    metric, upwards = measuring.known(gate.metric), measuring.upwards(gate.metric)
    floor, ceiling = _limits(gate, upwards=upwards)
    group_by = measuring.group_by(gate)
    rule = _rule(gate, other(evidence), upwards=upwards)
    shown = floor if floor is not None else ceiling
    lacking = no_comparison(evidence)
    if lacking is not None:
        return result(name, KIND, rule, *lacking, limit=shown)
    measured = distance_from_best(metric, measuring.whole(metric, group_by))
    if measured.old is None:
        return result(name, KIND, rule, INCONCLUSIVE, f"{other(evidence)} has no {metric} on these rows", limit=shown)
    found = measured.difference(gate.confidence)
    return judged(
        name,
        KIND,
        rule,
        found,
        floor=floor,
        ceiling=ceiling,
        rows=measured.rows,
        needed=_needed(gate, found, measured.rows, upwards=upwards),
        value=measured.new[0],
        baseline=measured.old[0],
        difference=found.value,
    )


def other(evidence: Evidence) -> str:
    """Return what the model is compared with, in words."""
    comparison = evidence.weighing.comparison
    return comparison.release if comparison else "the last release"


def no_comparison(evidence: Evidence) -> tuple[str, str] | None:
    """Return the verdict and why where nothing can be compared; ``None`` where it can."""
    comparison = evidence.weighing.comparison
    if comparison is None:
        return NOT_APPLICABLE, FIRST_RELEASE
    if not comparison.comparable or evidence.rows.old is None:
        return INCONCLUSIVE, comparison.reason or f"{comparison.release} has no predictions of these rows"
    return None


def _limits(gate: settings.Change, *, upwards: bool) -> tuple[float | None, float | None]:
    """Return what the difference must not fall below, and what it must not exceed."""
    margin = gate.margin
    if gate.test == "equivalent":
        return -margin, margin
    least_gain = margin if gate.test == "superior" else -margin
    return (least_gain, None) if upwards else (None, -least_gain)


def _rule(gate: settings.Change, release: str, *, upwards: bool) -> str:
    side = "lower" if upwards else "upper"
    how = f"({side} bound of the paired difference, {100 * gate.confidence:g} % confidence)"
    if gate.test == "equivalent":
        how = how.replace(f"{side} bound", "both bounds")
        return f"{gate.metric} differs from that of {release} by at most {gate.margin:g} {how}"
    if gate.test == "superior":
        return f"{gate.metric} is better than that of {release} by at least {gate.margin:g} {how}"
    return f"{gate.metric} is worse than that of {release} by at most {gate.margin:g} {how}"


def _needed(gate: settings.Change, found: Bounds, rows: int, *, upwards: bool) -> int | None:
    """Return the rows that would be enough: for equal models, or, to be superior, for models that differ as seen."""
    if not math.isfinite(found.error):
        return None
    distance = gate.margin
    if gate.test == "superior":
        distance = (found.value if upwards else -found.value) - gate.margin
    return rows_needed(rows, found.error, distance, gate.confidence, two_sided=gate.test == "equivalent")
