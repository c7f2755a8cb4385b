"""``data``: the rows hold what the dataset's page claims, and resemble those of the last release."""

import math

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.checks import problems_of
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.results import (
    FAIL,
    FIRST_RELEASE,
    INCONCLUSIVE,
    NOT_APPLICABLE,
    PASS,
    WARN,
    part,
    result,
    worst,
)
from weighbridge.manifest import GatePart, GateResult

KIND = "data"
_GROUPS, _ORDER = "groups_apart", "time_order"


def judge(name: str, gate: settings.DataGate, evidence: Evidence) -> GateResult:
    """Return whether all checks hold and no feature has drifted too far; a drift that only warns is told.

    Raises:
        SettingsError: where nothing is checked.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    checks = [_check(key, evidence) for key in gate.checks]
    drift = [] if gate.max_psi is None else _drift(gate.max_psi, gate.on_drift, evidence)
    parts = [*checks, *drift]
    largest = max((each.value for each in drift if each.value is not None), default=None)
    return result(
        name,
        KIND,
        _rule(gate),
        worst(each.verdict for each in parts),
        _reason(parts),
        value=largest,
        limit=gate.max_psi,
        short_by=_missed(largest, gate),
        parts=tuple(parts),
    )


def _missed(largest: float | None, gate: settings.DataGate) -> float | None:
    if largest is None or gate.max_psi is None or largest <= gate.max_psi or gate.on_drift == WARN:
        return None
    return largest - gate.max_psi


def _rule(gate: settings.DataGate) -> str:
    held = f"holds: {', '.join(gate.checks)}" if gate.checks else ""
    if gate.max_psi is None:
        return held
    does = "warns" if gate.on_drift == WARN else "blocks"
    return "; ".join(filter(None, [held, f"no feature has drifted by a PSI above {gate.max_psi:g} ({does})"]))


def _check(key: str, evidence: Evidence) -> GatePart:
    found = next((check for check in evidence.data.checks if check.key == key), None)
    if found is not None:
        return part(key, PASS if found.passed else FAIL, found.found)
    if key == _GROUPS and all(split.groups is None for split in evidence.data.splits.values()):
        return part(key, NOT_APPLICABLE, "the rows have no groups")
    if key == _ORDER and not evidence.data.time:
        return part(key, NOT_APPLICABLE, "the rows have no times")
    return part(key, INCONCLUSIVE, "was not checked; run 'snakemake --cores all --forcerun preprocess'")


def _drift(limit: float, on_drift: str, evidence: Evidence) -> list[GatePart]:
    if evidence.weighing.comparison is None:
        return [part("drift", NOT_APPLICABLE, FIRST_RELEASE)]
    if not evidence.weighing.drift:
        reason = f"what {evidence.weighing.comparison.release} was trained on is not known"
        return [part("drift", INCONCLUSIVE, reason)]
    found = []
    for drift in evidence.weighing.drift:
        name = f"drift of {drift.feature}"
        if not math.isfinite(drift.psi):
            found.append(part(name, FAIL, f"the PSI is {drift.psi}, no finite number"))
        elif drift.psi <= limit:
            found.append(part(name, PASS, value=drift.psi))
        else:
            reason = f"PSI {drift.psi:.3g}, above {limit:g}"
            found.append(part(name, WARN if on_drift == WARN else FAIL, reason, value=drift.psi))
    return found


def _reason(parts: list[GatePart]) -> str:
    told = [each for each in parts if each.verdict in {FAIL, INCONCLUSIVE, WARN}]
    alone = [each for each in parts if each.verdict == NOT_APPLICABLE] if not told else []
    return "; ".join(
        f"{'warning, ' if each.verdict == WARN else ''}{each.name}: {each.reason}" for each in (*told, *alone)
    )
