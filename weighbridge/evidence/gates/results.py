"""Verdicts: the words, the record of one gate, and what all of them come to."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weighbridge.manifest import GatePart, GateResult

PASS = "pass"  # noqa: S105 - a verdict, no password
FAIL = "fail"
INCONCLUSIVE = "inconclusive"
NOT_APPLICABLE = "not applicable"
AT_RELEASE = "at release"
NEEDS_APPROVAL = "needs approval"
WARN = "warn"

HEADER = ("gate", "rule", "value", "limit", "verdict", "short by")
FIRST_RELEASE = "there is no earlier release"
_LETS_THROUGH = {PASS, NOT_APPLICABLE, AT_RELEASE}
_NUMBERS = ("value", "bound", "limit", "short_by", "baseline", "difference", "low", "high")
_EXCUSED = "inconclusive: "


def result(name: str, kind: str, rule: str, found: str, reason: str = "", **fields: Any) -> GateResult:
    """Return a gate's record. A number that isn't finite is left out, since records hold none: the reason says so."""
    fields = dict.fromkeys(_NUMBERS) | fields
    numbers: dict[str, Any] = {key: finite(fields.pop(key)) for key in _NUMBERS}
    return GateResult(name=name, kind=kind, rule=rule, verdict=found, reason=reason, **numbers, **fields)


def part(name: str, found: str, reason: str = "", **fields: Any) -> GatePart:
    """Return a part's record, without numbers that aren't finite."""
    checked: dict[str, Any] = {
        key: finite(value) if isinstance(value, float) else value for key, value in fields.items()
    }
    return GatePart(name=name, verdict=found, reason=reason, **checked)


def finite(value: float | None) -> float | None:
    """Return *value*, or ``None`` where it is no finite number."""
    return value if value is not None and math.isfinite(value) else None


def limited(  # noqa: PLR0913 - the fields of a result
    name: str, kind: str, rule: str, value: float, limit: float, *, at_least: bool = False, **fields: Any
) -> GateResult:
    """Compare one exact value with its limit; what isn't finite fails."""
    if not math.isfinite(value):
        return result(name, kind, rule, FAIL, f"the value is {value}, no finite number", limit=limit, **fields)
    short = limit - value if at_least else value - limit
    missed = short if short > 0 else None
    return result(
        name, kind, rule, PASS if missed is None else FAIL, value=value, limit=limit, short_by=missed, **fields
    )


def counted(name: str, kind: str, rule: str, count: int, reason: str) -> GateResult:
    """Return the result of a gate that allows no exception: *count* of them were found."""
    return msgspec.structs.replace(limited(name, kind, rule, float(count), 0.0), reason=reason)


def worst(verdicts: Iterable[str]) -> str:
    """Return what parts come to: a fail, else one that can't tell, else a pass, else that none applies."""
    found = set(verdicts)
    if FAIL in found:
        return FAIL
    if not found <= {PASS, NOT_APPLICABLE, WARN}:
        return INCONCLUSIVE
    return PASS if found & {PASS, WARN} else NOT_APPLICABLE


def joined(results: Mapping[str, GateResult]) -> GateResult:
    """Return one result for the several rules of a gate, by the key of each: its numbers are of the first that decides.

    Each rule becomes a part, before the parts that it has itself.
    """
    first, *others = results.values()
    if not others:
        return first
    overall = worst(each.verdict for each in results.values())
    leading = next(each for each in results.values() if each.verdict == overall)
    rules = [
        part(
            key, each.verdict, each.reason, rows=each.rows, value=each.value, baseline=each.baseline,
            difference=each.difference, low=each.low, high=each.high,
        )
        for key, each in results.items()
    ]  # fmt: skip
    return msgspec.structs.replace(
        leading,
        rule="; ".join(each.rule for each in results.values()),
        reason="; ".join(dict.fromkeys(each.reason for each in results.values() if each.reason)),
        parts=(*rules, *(one for each in results.values() for one in each.parts)),
    )


def excused(name: str) -> str:
    """Return the words by which an inconclusive gate asks for approval."""
    return f"{_EXCUSED}{name}"


def verdict(results: Sequence[GateResult], needed: Sequence[str] = ()) -> str:
    """Return what the gates come to: ``fail``, else ``inconclusive``, else ``needs approval``, else ``pass``.

    Gates that aren't applicable, or are finished at release, don't stand in the way; no gates at all do.

    Args:
        results: of all gates, the self-test among them.
        needed: what :func:`weighbridge.evidence.gates.needs_approval` asks for. An inconclusive gate that is among it
            waits for the approval with the others; once an approval gate has passed, nothing waits.
    """
    counted_in = [each for each in results if not (each.verdict == INCONCLUSIVE and excused(each.name) in needed)]
    verdicts = {each.verdict for each in counted_in}
    if FAIL in verdicts:
        return FAIL
    if not results or not verdicts <= {*_LETS_THROUGH, NEEDS_APPROVAL}:
        return INCONCLUSIVE
    approved = any(each.kind == "approval" and each.verdict == PASS for each in results)
    waits = NEEDS_APPROVAL in verdicts or (bool(needed) and not approved)
    return NEEDS_APPROVAL if waits else PASS


def table(results: Sequence[GateResult]) -> list[tuple[str, ...]]:
    """Return one row a gate, in the columns of :data:`HEADER`, as text."""
    return [
        (each.name, each.rule, _number(each.value), _number(each.limit), each.verdict, _number(each.short_by))
        for each in results
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"
