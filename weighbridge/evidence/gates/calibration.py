"""``calibration``: probabilities worth their word, and numbers that aren't off on average, by the bound."""

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.checks import problems_of
from weighbridge.evidence.gates.limits import judged
from weighbridge.evidence.gates.measuring import Measuring
from weighbridge.evidence.inference import rows_needed
from weighbridge.manifest import GateResult


def judge(name: str, gate: settings.CalibrationGate, measuring: Measuring) -> GateResult:
    """Return whether the calibration is proven to keep its limits; those of a bias hold in both directions.

    Raises:
        DataError: where outcomes or predictions can't be measured.
        SettingsError: for a metric that the task doesn't have, an unknown column, or limits that contradict.
    """
    for problem in problems_of(gate):
        raise SettingsError(f"config/gates.yaml: gates.{name}: {problem}")
    measured = measuring.whole(gate.metric, measuring.group_by(gate))
    found = measured.value(gate.confidence)
    floor, ceiling = gate.min, gate.max
    if gate.metric == "bias" and ceiling is not None:
        floor = -ceiling
    distances = [found.value - floor] if floor is not None else []
    distances += [ceiling - found.value] if ceiling is not None else []
    return judged(
        name,
        "calibration",
        _rule(gate),
        found,
        floor=floor,
        ceiling=ceiling,
        rows=measured.rows,
        needed=rows_needed(measured.rows, found.error, min(distances), gate.confidence),
    )


def _rule(gate: settings.CalibrationGate) -> str:
    confidence = f"{100 * gate.confidence:g} % confidence"
    if gate.metric == "bias":
        return f"bias is at most {gate.max:g} in either direction (both bounds, {confidence})"
    limits = [f"at least {gate.min:g} (lower bound" if gate.min is not None else ""]
    limits += [f"at most {gate.max:g} (upper bound" if gate.max is not None else ""]
    return f"{gate.metric} is {' and '.join(f'{limit}, {confidence})' for limit in limits if limit)}"
