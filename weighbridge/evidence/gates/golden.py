"""``golden`` and ``parity``: what ships gives the answers that it gave, and those of the model that was trained."""

import msgspec

from weighbridge import settings
from weighbridge.evidence.gates.evidence import Evidence
from weighbridge.evidence.gates.results import INCONCLUSIVE, PASS, limited, result
from weighbridge.manifest import GateResult


def judge_golden(name: str, gate: settings.GoldenGate, evidence: Evidence) -> GateResult:
    """Return whether the bundle repeats its golden samples where nothing but onnxruntime is installed."""
    rule = f"in a process with nothing but onnxruntime the golden samples are repeated within {gate.max_difference:g}"
    golden = evidence.weighing.golden
    if golden is None or golden.samples < 1:
        reason = "no golden sample was repeated; run 'snakemake --cores all --forcerun package weigh'"
        return result(name, "golden", rule, INCONCLUSIVE, reason, limit=gate.max_difference)
    return limited(name, "golden", rule, golden.largest_difference, gate.max_difference, rows=golden.samples)


def judge_parity(name: str, gate: settings.ParityGate, evidence: Evidence) -> GateResult:
    """Return whether ``model.onnx`` agrees with the native model."""
    parity = evidence.packaged.parity
    decisions = f" and in at most {gate.max_changed_decisions} decisions"
    rule = f"model.onnx differs from the native model by at most {gate.max_difference:g}" + (
        "" if evidence.weighing.task == "regression" else decisions
    )
    found = limited(name, "parity", rule, parity.largest_difference, gate.max_difference, rows=parity.rows)
    if parity.rows < 1:
        return msgspec.structs.replace(found, verdict=INCONCLUSIVE, reason="no rows were compared")
    changed, allowed = parity.changed_decisions, gate.max_changed_decisions
    if changed > allowed:
        reason = f"{changed} of {parity.rows} decisions differ; at most {allowed} may"
        if found.verdict == PASS:  # then the decisions are what falls short
            found = limited(name, "parity", rule, changed, allowed, rows=parity.rows)
        return msgspec.structs.replace(found, reason="; ".join(filter(None, [found.reason, reason])))
    return found
