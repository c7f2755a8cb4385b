"""``absolute``: the bound of a metric's interval, not its value, against a limit."""

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.checks import BEST_AT_ZERO, problems_of
from weighbridge.evidence.gates.limits import judged
from weighbridge.evidence.gates.measuring import Measuring
from weighbridge.evidence.inference import rows_needed
from weighbridge.manifest import GateResult


def judge(name: str, gate: settings.Absolute, measuring: Measuring) -> GateResult:
    """Return whether the metric is proven to keep its limit; that of a bias holds in both directions.

    Raises:
        DataError: where outcomes or predictions can't be measured.
        SettingsError: for an unknown metric or column, or not exactly one limit.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    measured = measuring.whole(gate.metric, measuring.group_by(gate))
    found = measured.value(gate.confidence)
    at_least = gate.min is not None
    limit = gate.min if gate.min is not None else gate.max
    assert limit is not None  # noqa: S101 - problems_of has seen to it
    side, word = ("lower", "least") if at_least else ("upper", "most")
    distance = found.value - limit if at_least else limit - found.value
    both = gate.metric == BEST_AT_ZERO
    if both:
        distance = limit - abs(found.value)
    return judged(
        name,
        "absolute",
        f"{gate.metric} is at {word} {limit:g}{' in either direction' if both else ''} "
        f"({'both bounds' if both else f'{side} bound'}, {100 * gate.confidence:g} % confidence)",
        found,
        floor=-limit if both else gate.min,
        ceiling=gate.max,
        rows=measured.rows,
        needed=rows_needed(measured.rows, found.error, distance, gate.confidence),
    )
