"""Every gate of the file, judged by the function of its kind; what they measure in common is measured once."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from weighbridge import settings
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence.gates import (
    absolute,
    approval,
    budget,
    calibration,
    change,
    churn,
    data,
    documents,
    finished,
    golden,
    slices,
)
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.measuring import Measuring, refuse_no_gates
from weighbridge.manifest import GateResult

Judge = Callable[[str, Any, Evidence, Measuring], GateResult]

JUDGES: dict[type, Judge] = {
    settings.Absolute: lambda name, gate, _, measuring: absolute.judge(name, gate, measuring),
    settings.Change: change.judge,
    settings.Slices: slices.judge,
    settings.CalibrationGate: lambda name, gate, _, measuring: calibration.judge(name, gate, measuring),
    settings.Churn: churn.judge,
    settings.Budget: lambda name, gate, evidence, _: budget.judge(name, gate, evidence),
    settings.DataGate: lambda name, gate, evidence, _: data.judge(name, gate, evidence),
    settings.GoldenGate: lambda name, gate, evidence, _: golden.judge_golden(name, gate, evidence),
    settings.ParityGate: lambda name, gate, evidence, _: golden.judge_parity(name, gate, evidence),
    settings.Documents: lambda name, gate, *_: documents.judge(name, gate),
    settings.ApprovalGate: lambda name, gate, *_: approval.judge(name, gate),
    settings.Complete: lambda name, gate, *_: finished.judge_complete(name, gate),
    settings.Clean: lambda name, gate, *_: finished.judge_clean(name, gate),
}


def judge(gate_file: settings.GateFile, evidence: Evidence) -> tuple[GateResult, ...]:
    """Return each gate's result, in the order of the file; see :func:`weighbridge.evidence.gates.judge`."""
    refuse_no_gates(gate_file)
    evidence.rows.require_measurable()
    measuring = Measuring(evidence.rows, evidence.resamples, gate_file.gates.values())
    return tuple(one(name, gate, evidence, measuring) for name, gate in gate_file.gates.items())


def one(name: str, gate: settings.Gate, evidence: Evidence, measuring: Measuring) -> GateResult:
    """Return the result of one gate.

    Raises:
        DataError: as :func:`judge`, naming the gate.
        SettingsError: likewise.
    """
    with naming(name):
        return JUDGES[type(gate)](name, gate, evidence, measuring)


@contextlib.contextmanager
def naming(name: str) -> Iterator[None]:
    """Name the gate in what is refused while it is judged.

    Raises:
        DataError: as it came, after the file and the gate.
        SettingsError: likewise.
    """
    where = f"config/gates.yaml: gates.{name}: "
    try:
        yield
    except (DataError, SettingsError) as problem:
        if str(problem).startswith(where):
            raise
        raise type(problem)(f"{where}{problem}") from None
