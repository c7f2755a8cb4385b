"""An interval held against limits: the one rule behind every statistical gate."""

import math
from typing import Any

from weighbridge.evidence.gates.results import FAIL, INCONCLUSIVE, PASS, result
from weighbridge.evidence.inference import Bounds
from weighbridge.manifest import GateResult

NO_NUMBER = "the value or a bound is no finite number"


def compare(bounds: Bounds, *, floor: float | None = None, ceiling: float | None = None) -> tuple[str, float]:
    """Return the verdict on an interval, and by how much it falls short of the limits (0 or less: not at all).

    It passes where the bounds reach each limit there is, and fails where it lies beyond one as a whole. What isn't
    finite fails, short of everything.
    """
    if not all(math.isfinite(number) for number in (bounds.value, bounds.low, bounds.high)):
        return FAIL, math.inf
    below = -math.inf if floor is None else floor - bounds.low
    above = -math.inf if ceiling is None else bounds.high - ceiling
    beyond = (floor is not None and bounds.high < floor) or (ceiling is not None and bounds.low > ceiling)
    short = max(below, above)
    return (PASS if short <= 0 else FAIL if beyond else INCONCLUSIVE), short


def judged(  # noqa: PLR0913 - an interval, its limits, and what a result tells of them
    name: str,
    kind: str,
    rule: str,
    bounds: Bounds,
    *,
    floor: float | None = None,
    ceiling: float | None = None,
    rows: int | None = None,
    needed: int | None = None,
    **fields: Any,
) -> GateResult:
    """Return the result of a gate whose *bounds* must lie between *floor* and *ceiling*.

    Args:
        name: of the gate.
        kind: of the gate.
        rule: in words.
        bounds: of what the rule compares.
        floor: what the lower bound has to reach.
        ceiling: what the upper bound must not exceed.
        rows: number of rows behind it.
        needed: number of rows that would settle it, for the record of an inconclusive gate.
        fields: others of :class:`weighbridge.manifest.GateResult`.
    """
    found, short = compare(bounds, floor=floor, ceiling=ceiling)
    lower_counts = ceiling is None or (floor is not None and floor - bounds.low >= bounds.high - ceiling)
    return result(
        name,
        kind,
        rule,
        found,
        _reason(found, bounds, rows, needed),
        bound=bounds.low if lower_counts else bounds.high,
        limit=floor if lower_counts else ceiling,
        short_by=short if short > 0 else None,
        low=bounds.low,
        high=bounds.high,
        rows=rows,
        rows_needed=needed if found == INCONCLUSIVE else None,
        **({"value": bounds.value} | fields),
    )


def _reason(found: str, bounds: Bounds, rows: int | None, needed: int | None) -> str:
    if found == PASS:
        return ""
    if found == FAIL:
        finite = all(map(math.isfinite, bounds[:3]))
        return "the whole interval is beyond the limit" if finite else NO_NUMBER
    if rows is None:
        return "the limit lies within the interval"
    if needed is None:
        return f"the limit lies within the interval of these {rows} rows, and no number of such rows would settle it"
    return f"the limit lies within the interval; about {needed} such rows would settle it, {rows} are there"
