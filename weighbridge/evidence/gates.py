"""The gates: what a release must prove, applied to a weighing.

Each kind of gate has one function that judges it, in :data:`_JUDGES`; a new kind is a record in
:mod:`weighbridge.settings` and a function here. A gate passes only on proof: what can't be measured, or isn't a
finite number, never passes.

==================  ==========================================================================================
``pass``            proven
``fail``            proven not to hold
``inconclusive``    these rows can't tell; blocks the release as a fail does
``not applicable``  nothing to compare with (a first release)
``at release``      known only when the release is made, which finishes it
==================  ==========================================================================================
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.catalogue import greater_is_better, require
from weighbridge.manifest import GateResult, Interval, Parity, Weighing

PASS = "pass"  # noqa: S105 - a verdict, no password
FAIL = "fail"
INCONCLUSIVE = "inconclusive"
NOT_APPLICABLE = "not applicable"
AT_RELEASE = "at release"

HEADER = ("gate", "rule", "value", "limit", "verdict", "short by")
_COMPLETE_RULE = "every field of the manifest is filled"
_CLEAN_RULE = "all that the release is made of is committed"
_SHOWN_FILES = 10


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What gates are judged on."""

    weighing: Weighing
    parity: Parity


def check(
    gate_file: settings.GateFile, metrics: settings.Metrics, select: settings.Select, source: str = "config/gates.yaml"
) -> None:
    """Refuse settings that could never be judged, before anything runs.

    Raises:
        SettingsError: listing each unknown metric (with the nearest), a metric in a gate or in ``select`` that isn't
            measured, and each floor without exactly one of min and max.
    """
    problems = [
        *_refusals("config/config.yaml: metrics.names", ((name, None) for name in metrics.names)),
        *_refusals("config/config.yaml: select.metric", [(select.metric, metrics.names)]),
    ]
    if len(set(metrics.names)) != len(metrics.names) or not metrics.names:
        problems.append(
            f"config/config.yaml: metrics.names: found {list(metrics.names)}; expected each once, at least one"
        )
    for name, gate in gate_file.gates.items():
        where = f"{source}: gates.{name}"
        if isinstance(gate, settings.Floor | settings.NotWorse):
            problems += _refusals(f"{where}.metric", [(gate.metric, metrics.names)])
        if isinstance(gate, settings.Floor) and (gate.min is None) == (gate.max is None):
            found = "neither" if gate.min is None else "both"
            problems.append(f"{where}: found {found} of min and max; expected exactly one of them")
    if problems:
        raise SettingsError("\n".join(problems))


def _refusals(where: str, asked: Iterable[tuple[str, Sequence[str] | None]]) -> list[str]:
    found = []
    for name, known in asked:
        try:
            require(name) if known is None else require(name, known, "metric that isn't measured:")
        except SettingsError as problem:
            found.append(f"{where}: {problem}")
    return found


def judge(gate_file: settings.GateFile, weighing: Weighing, parity: Parity) -> tuple[GateResult, ...]:
    """Return each gate's result, in the order of the file.

    ``complete`` and ``clean`` come back as ``at release``: :func:`complete_gate` and :func:`clean_gate` finish them.

    Raises:
        SettingsError: where a gate names a metric that wasn't measured.
    """
    evidence = Evidence(weighing=weighing, parity=parity)
    return tuple(_JUDGES[type(gate)](name, gate, evidence) for name, gate in gate_file.gates.items())


def verdict(results: Sequence[GateResult]) -> str:
    """Return ``fail`` if any gate fails, ``pass`` if none stands in the way, else ``inconclusive``.

    Gates that aren't applicable, or are finished at release, don't stand in the way; no gates at all do.
    """
    verdicts = {result.verdict for result in results}
    if FAIL in verdicts:
        return FAIL
    return PASS if verdicts and verdicts <= {PASS, NOT_APPLICABLE, AT_RELEASE} else INCONCLUSIVE


def complete_gate(name: str, missing: tuple[str, ...]) -> GateResult:
    """Return the finished result of a ``complete`` gate: *missing* are the fields that aren't filled."""
    reason = f"not filled: {', '.join(missing)}" if missing else ""
    return _counted(name, "complete", _COMPLETE_RULE, len(missing), reason)


def clean_gate(name: str, files: tuple[str, ...]) -> GateResult:
    """Return the finished result of a ``clean`` gate: *files* are those that differ from the commit or the pointer."""
    more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    reason = f"not committed: {', '.join(files[:_SHOWN_FILES])}{more}; commit or restore them" if files else ""
    return _counted(name, "clean", _CLEAN_RULE, len(files), reason)


def table(results: Sequence[GateResult]) -> list[tuple[str, ...]]:
    """Return one row a gate, in the columns of :data:`HEADER`, as text."""
    return [
        (
            result.name,
            result.rule,
            _number(result.value),
            _number(result.limit),
            result.verdict,
            _number(result.short_by),
        )
        for result in results
    ]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _result(  # noqa: PLR0913 - the fields of a result
    name: str,
    kind: str,
    rule: str,
    verdict: str,
    *,
    value: float | None = None,
    bound: float | None = None,
    limit: float | None = None,
    short_by: float | None = None,
    reason: str = "",
) -> GateResult:
    return GateResult(
        name=name,
        kind=kind,
        verdict=verdict,
        rule=rule,
        value=_finite(value),
        bound=_finite(bound),
        limit=limit,
        short_by=_finite(short_by),
        reason=reason,
    )


def _finite(value: float | None) -> float | None:
    """Return *value*, or ``None`` where it is no finite number: a record holds no NaN, the reason says so."""
    return value if value is not None and math.isfinite(value) else None


def _counted(name: str, kind: str, rule: str, count: int, reason: str) -> GateResult:
    return _result(
        name,
        kind,
        rule,
        FAIL if count else PASS,
        value=float(count),
        limit=0.0,
        short_by=float(count) if count else None,
        reason=reason,
    )


def _limited(  # noqa: PLR0913 - the fields of a result
    name: str, kind: str, rule: str, value: float, limit: float, *, at_least: bool, bound: float | None = None
) -> GateResult:
    """Compare one value with its limit; what isn't finite fails."""
    if not math.isfinite(value):
        reason = f"the value is {value}, no finite number"
        return _result(name, kind, rule, FAIL, bound=bound, limit=limit, reason=reason)
    short = limit - value if at_least else value - limit
    return _result(
        name,
        kind,
        rule,
        FAIL if short > 0 else PASS,
        value=value,
        bound=bound,
        limit=limit,
        short_by=short if short > 0 else None,
    )


def _measured(metric: str, weighing: Weighing) -> Interval:
    return weighing.metrics[require(metric, weighing.metrics, "gate on a metric that isn't measured:")]


def _judge_floor(name: str, gate: settings.Floor, evidence: Evidence) -> GateResult:
    """Compare the point value; the interval's bound on the side of the limit is reported beside it."""
    interval = _measured(gate.metric, evidence.weighing)
    limit = gate.max if gate.min is None else gate.min
    if limit is None or (gate.min is not None and gate.max is not None):
        raise SettingsError(f"gate {name}: expected exactly one of min and max")
    at_least = gate.min is not None
    rule = f"{gate.metric} is at {'least' if at_least else 'most'} {limit:g} (its value on the test rows)"
    bound = interval.low if at_least else interval.high
    return _limited(name, "floor", rule, interval.value, limit, at_least=at_least, bound=bound)


def _judge_not_worse(name: str, gate: settings.NotWorse, evidence: Evidence) -> GateResult:
    """Ask for proof of non-inferiority: the whole interval of the paired difference on the right side of the margin.

    It fails where the whole interval lies on the wrong side, and is inconclusive where the margin lies within.
    """
    weighing = evidence.weighing
    _measured(gate.metric, weighing)
    comparison = weighing.comparison
    other = comparison.release if comparison else "the last release"
    upwards = greater_is_better(gate.metric)
    limit = -gate.margin if upwards else gate.margin
    side = "lower" if upwards else "upper"
    rule = (
        f"{gate.metric} is worse than that of {other} by at most {gate.margin:g} "
        f"({side} bound of the {100 * weighing.confidence:g} % interval of the paired difference)"
    )
    if comparison is None:
        return _result(name, "not_worse", rule, NOT_APPLICABLE, limit=limit, reason="there is no earlier release")
    if not comparison.comparable or gate.metric not in comparison.metrics:
        reason = comparison.reason or f"{other} has no {gate.metric} on these rows"
        return _result(name, "not_worse", rule, INCONCLUSIVE, limit=limit, reason=reason)
    difference = comparison.metrics[gate.metric].difference
    return _compared(name, rule, gate.margin, limit, difference, upwards=upwards)


def _compared(  # noqa: PLR0913 - the fields of a result
    name: str, rule: str, margin: float, limit: float, difference: Interval, *, upwards: bool
) -> GateResult:
    bound, far = (difference.low, difference.high) if upwards else (difference.high, difference.low)
    if not all(map(math.isfinite, (difference.value, bound, far))):
        reason = "the difference is no finite number"
        return _result(name, "not_worse", rule, FAIL, value=difference.value, bound=bound, limit=limit, reason=reason)
    # As gains, so that one rule serves both directions.
    sign = 1 if upwards else -1
    gain, least, most = sign * difference.value, sign * bound, sign * far
    short = -margin - least
    if short <= 0:
        found, reason = PASS, ""
    elif most < -margin:
        found, reason = FAIL, "the whole interval is beyond the margin"
    else:
        found, reason = INCONCLUSIVE, f"the margin lies within the interval; {_remedy(gain, least, margin)}"
    return _result(
        name,
        "not_worse",
        rule,
        found,
        value=difference.value,
        bound=bound,
        limit=limit,
        short_by=short if short > 0 else None,
        reason=reason,
    )


def _remedy(gain: float, least: float, margin: float) -> str:
    """Say how many times the test rows would settle it, as an interval narrows with their square root."""
    if gain <= -margin:
        return "more test rows or another model may settle it"
    times = ((gain - least) / (gain + margin)) ** 2
    return f"about {times:.2g} times the test rows (or groups) would settle it, at this difference"


def _judge_budget(name: str, gate: settings.Budget, evidence: Evidence) -> GateResult:
    value: float = getattr(evidence.weighing.serving, gate.quantity)
    rule = f"{gate.quantity} is at most {gate.max:g}"
    return _limited(name, "budget", rule, value, gate.max, at_least=False)


def _judge_parity(name: str, gate: settings.ParityGate, evidence: Evidence) -> GateResult:
    parity = evidence.parity
    rule = (
        f"model.onnx differs from the native model by at most {gate.max_difference:g} "
        f"and in at most {gate.max_changed_decisions} decisions"
    )
    result = _limited(name, "parity", rule, parity.largest_difference, gate.max_difference, at_least=False)
    if parity.rows < 1:
        return msgspec.structs.replace(result, verdict=INCONCLUSIVE, reason="no rows were compared")
    changed, allowed = parity.changed_decisions, gate.max_changed_decisions
    if changed > allowed:
        reason = f"{changed} of {parity.rows} decisions differ; at most {allowed} may"
        if result.verdict == PASS:  # then the decisions are what falls short
            result = _limited(name, "parity", rule, changed, allowed, at_least=False)
        return msgspec.structs.replace(result, reason="; ".join(filter(None, [result.reason, reason])))
    return result


def _judge_complete(name: str, _gate: settings.Complete, _evidence: Evidence) -> GateResult:
    return _result(name, "complete", _COMPLETE_RULE, AT_RELEASE, limit=0.0)


def _judge_clean(name: str, _gate: settings.Clean, _evidence: Evidence) -> GateResult:
    return _result(name, "clean", _CLEAN_RULE, AT_RELEASE, limit=0.0)


_JUDGES: dict[type, Callable[[str, Any, Evidence], GateResult]] = {
    settings.Floor: _judge_floor,
    settings.NotWorse: _judge_not_worse,
    settings.Budget: _judge_budget,
    settings.ParityGate: _judge_parity,
    settings.Complete: _judge_complete,
    settings.Clean: _judge_clean,
}

_LIMITS = {"min": -1, "max": 1, "margin": 1, "max_difference": 1, "max_changed_decisions": 1}
"""The limits of gates by name, and the direction in which a change loosens them."""


def loosened(old_gates: Mapping[str, Any], new_gates: Mapping[str, Any]) -> tuple[str, ...]:
    """Return, in words, each gate that was removed or replaced, and each limit that was loosened.

    Gates are records, or plain mappings with ``kind``, by name. One that was only renamed isn't removed.
    """
    old = {name: _plain(gate) for name, gate in old_gates.items()}
    new = {name: _plain(gate) for name, gate in new_gates.items()}
    found: list[str] = []
    for name, gate in old.items():
        if name in new:
            found += _loosenings(name, gate, new[name])
        elif gate not in new.values():
            found.append(f"{name}: removed ({_words(gate)})")
    return tuple(found)


def _plain(gate: Any) -> dict[str, Any]:
    """Return a gate as a mapping with its defaults filled in."""
    plain: dict[str, Any] = msgspec.to_builtins(gate)
    try:
        return dict(msgspec.to_builtins(msgspec.convert(plain, settings.Gate)))
    except msgspec.ValidationError:  # of a kind that this version doesn't know
        return plain


def _words(gate: Mapping[str, Any]) -> str:
    shown = {key: f"{value:g}" if isinstance(value, float) else value for key, value in gate.items()}
    return ", ".join(f"{key} {value}" for key, value in shown.items() if value is not None)


def _loosenings(name: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if {key: value for key, value in old.items() if key not in _LIMITS} != {
        key: value for key, value in new.items() if key not in _LIMITS
    }:
        return [f"{name}: replaced ({_words(old)} became {_words(new)})"]
    found = []
    for limit, direction in _LIMITS.items():
        before, after = old.get(limit), new.get(limit)
        if before is None or before == after:
            continue
        if after is None:
            found.append(f"{name}: {limit} {before:g} was removed")
        elif direction * (after - before) > 0:
            found.append(f"{name}: {limit} went from {before:g} to {after:g}")
    return found
