"""A limit that became easier since the last release is found and named."""

from typing import Any

import msgspec
import pytest
from flights_sample import make_manifest
from gate_evidence import make_evidence, make_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.evidence import gates
from weighbridge.evidence.gates.loosening import _CHOICES, _IDENTITY, _LIMITS, _LISTS
from weighbridge.manifest import Manifest
from weighbridge.settings import (
    Absolute,
    ApprovalGate,
    Budget,
    CalibrationGate,
    Change,
    Churn,
    Clean,
    Complete,
    Cost,
    DataGate,
    Documents,
    Gate,
    GateFile,
    GoldenGate,
    OwnMetric,
    ParityGate,
    Slices,
)

SLICES = Slices(metric="f1", columns=("a", "b"), crossings=(("a", "b"),), must_pass=({"a": "x"},), max_gap=0.1)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (Absolute(metric="f1", min=0.7), Absolute(metric="f1", min=0.65), ["min went from 0.7 to 0.65"]),
        (Absolute(metric="f1", min=0.7), Absolute(metric="f1", min=0.75), []),
        (Absolute(metric="f1", max=0.2), Absolute(metric="f1", max=0.3), ["max went from 0.2 to 0.3"]),
        (Absolute(metric="f1", max=0.2), Absolute(metric="f1", min=0.2), ["max 0.2 was removed"]),
        (Absolute(metric="f1", min=0.7), Absolute(metric="f1", min=0.7, confidence=0.9),
            ["confidence went from 0.95 to 0.9"]),
        (Absolute(metric="f1", min=0.7), Absolute(metric="f1", min=0.7, inconclusive="approve"),
            ["inconclusive went from block to approve"]),
        (Absolute(metric="f1", min=0.7, inconclusive="approve"), Absolute(metric="f1", min=0.7), []),
        (Absolute(metric="f1", min=0.7), Absolute(metric="f1", min=0.7, group_by=""),
            ['group_by went from none to ""']),
        (Absolute(metric="f1", min=0.7, group_by=""), Absolute(metric="f1", min=0.7, group_by="day"), []),
        (Absolute(metric="f1", min=0.7, group_by="day"), Absolute(metric="f1", min=0.7, group_by="hour"),
            ["group_by went from day to hour"]),
        (Change(metric="f1"), Change(metric="f1", margin=0.1), ["margin went from 0 to 0.1"]),
        (Change(metric="f1", test="superior", margin=0.1), Change(metric="f1", test="superior", margin=0.2), []),
        (Change(metric="f1", test="superior", margin=0.2), Change(metric="f1", test="superior", margin=0.1),
            ["margin went from 0.2 to 0.1"]),
        (Change(metric="f1", test="superior"), Change(metric="f1"), ["test went from superior to non_inferior"]),
        (Change(metric="f1"), Change(metric="f1", test="superior"), []),
        (Change(metric="f1"), Change(metric="log_loss"), [
            "replaced (kind change, metric f1 became kind change, metric log_loss)"]),
        (SLICES, msgspec.structs.replace(SLICES, columns=("a",)), ["columns lost b"]),
        (SLICES, msgspec.structs.replace(SLICES, columns=("a", "b", "c")), []),
        (SLICES, msgspec.structs.replace(SLICES, crossings=()), ["crossings lost [a, b]"]),
        (SLICES, msgspec.structs.replace(SLICES, must_pass=({"a": "y"},)), ["must_pass lost a=x"]),
        (SLICES, msgspec.structs.replace(SLICES, min_rows=2000), ["min_rows went from 1000 to 2000"]),
        (SLICES, msgspec.structs.replace(SLICES, max_gap=None), ["max_gap 0.1 was removed"]),
        (CalibrationGate(metric="log_loss", max=0.5), CalibrationGate(metric="log_loss", max=0.6),
            ["max went from 0.5 to 0.6"]),
        (Churn(max_negative_flips=0.1, max_times_noise=2.0, cases="config/a.csv"), Churn(max_times_noise=3.0),
            ["max_negative_flips 0.1 was removed", "max_times_noise went from 2 to 3",
             'cases went from config/a.csv to ""']),
        (Churn(max_times_noise=2.0), Churn(max_times_noise=2.0, cases="config/a.csv"), []),
        (Budget(quantity="size_mib", max=5.0), Budget(quantity="load_seconds", max=5.0), [
            "replaced (kind budget, quantity size_mib, max 5 became kind budget, quantity load_seconds, max 5)"]),
        (Budget(quantity="size_mib", max=5.0, max_ratio=2.0), Budget(quantity="size_mib", max=5.0, max_ratio=2.5),
            ["max_ratio went from 2 to 2.5"]),
        (DataGate(max_psi=0.1, on_drift="block"), DataGate(checks=("finite",), max_psi=0.2), [
            "checks lost unique_ids", "checks lost known_in_time", "checks lost time_order", "checks lost groups_apart",
            "checks lost ranges", "max_psi went from 0.1 to 0.2", "on_drift went from block to warn"]),
        (GoldenGate(), GoldenGate(max_difference=1e-3), ["max_difference went from 1e-06 to 0.001"]),
        (Documents(max_age_days=90), Documents(sections=("owner",), max_age_days=180), [
            "sections lost intended_use", "sections lost business_requirements", "sections lost limitations",
            "max_age_days went from 90 to 180"]),
        (ApprovalGate(), ApprovalGate(required_for=("major",), by_another=False), [
            "required_for lost loosened", "required_for lost inconclusive", "required_for lost lowered",
            "by_another went from true to false"]),
        (ApprovalGate(by_another=False), ApprovalGate(), []),
        (ParityGate(max_difference=1e-5), ParityGate(max_difference=1e-4, max_changed_decisions=2),
            ["max_difference went from 1e-05 to 0.0001", "max_changed_decisions went from 0 to 2"]),
        (Complete(), Clean(), ["replaced (kind complete became kind clean)"]),
    ],
)  # fmt: skip
def test_a_loosened_limit_is_said_in_words(old: Gate, new: Gate, says: list[str]) -> None:
    expected = [f"it: {words}" for words in says]
    assert list(gates.loosened({"it": old}, {"it": new})) == expected
    assert list(gates.loosened({"it": msgspec.to_builtins(old)}, {"it": msgspec.to_builtins(new)})) == expected


def test_a_removed_gate_is_said_and_a_renamed_one_is_not() -> None:
    old = {"useful": Absolute(metric="f1", min=0.7), "tidy": Clean()}
    assert gates.loosened(old, {"tidy": Clean()}) == ("useful: removed (kind absolute, metric f1, min 0.7)",)
    assert gates.loosened(old, {"good": old["useful"], "tidy": Clean(), "whole": Complete()}) == ()


def test_a_gate_of_an_unknown_kind_that_went_is_said() -> None:
    fair = {"fair": {"kind": "fairness", "max": 0.1}}
    assert gates.loosened(fair, {}) == ("fair: removed (kind fairness, max 0.1)",)
    assert gates.loosened(fair, fair) == ()
    floor = {"it": {"kind": "floor", "metric": "f1", "min": 0.7}}
    assert gates.loosened(floor, {"it": Absolute(metric="f1", min=0.7)}) == (
        "it: replaced (kind floor, metric f1, min 0.7 became kind absolute, metric f1, min 0.7)",
    )


def test_a_default_left_out_is_no_change() -> None:
    old = {"it": {"kind": "parity", "max_difference": 1e-5}}
    assert gates.loosened(old, {"it": ParityGate(max_difference=1e-5)}) == ()


def before(**changes: Any) -> Manifest:
    """Return a last release's manifest with these gates, settings, critical cases and column of groups."""
    made = make_manifest()
    test = msgspec.structs.replace(
        made.performance.test,
        cases_sha256=changes.get("cases", {}),
        group_by=changes.get("group_by"),
    )
    config = {"metrics": {"own": changes.get("own", {})}, "cost": changes.get("cost", {})}
    recorded = {"config": config, "gates": {"gates": changes.get("gates", {})}}
    return msgspec.structs.replace(
        made,
        performance=msgspec.structs.replace(made.performance, test=test),
        parameters=msgspec.structs.replace(made.parameters, settings=recorded),
    )


def beside(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, ...]:
    weighing = before(**{key: new[key] for key in ("cases", "group_by") if key in new}).performance.test
    own = msgspec.convert(new.get("own", {}), dict[str, OwnMetric])
    return gates.loosened_beside(
        before(**old), weighing=weighing, own=own, cost=msgspec.convert(new.get("cost", {}), Cost)
    )


PRICE = {"gates": {"dear": {"kind": "budget", "quantity": "training_price", "max": 5.0}}}
OWN = {"cost_of_errors": {"function": "project.metrics:cost", "better": "lower"}}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ({}, {}, ()),
        ({"cases": {"config/x.csv": "a"}}, {"cases": {"config/x.csv": "b"}}, (
            "critical cases of config/x.csv changed",)),
        ({"cases": {"config/x.csv": "a"}}, {}, ("critical cases of config/x.csv are no longer decided",)),
        ({"cases": {"config/x.csv": "a"}}, {"cases": {"config/y.csv": "a"}}, ()),
        ({}, {"cases": {"config/x.csv": "a"}}, ()),
        ({"group_by": "day"}, {}, ("rows are no longer grouped by day",)),
        ({"group_by": "day"}, {"group_by": "hour"}, ("rows are grouped by hour, no longer by day",)),
        ({}, {"group_by": "day"}, ()),
        ({"own": OWN}, {"own": OWN}, ()),
        ({"own": OWN}, {}, ()),
        ({"own": OWN}, {"own": {"cost_of_errors": {"function": "project.metrics:cost"}}}, (
            "metric cost_of_errors: better went from lower to greater",)),
        ({"own": OWN}, {"own": {"cost_of_errors": {**OWN["cost_of_errors"], "function": "project.metrics:nil"}}}, (
            "metric cost_of_errors: function went from project.metrics:cost to project.metrics:nil",)),
        ({**PRICE, "cost": {"cpu_hour": 0.1}}, {"cost": {"cpu_hour": 0.01}}, ("cost: cpu_hour went from 0.1 to 0.01",)),
        ({**PRICE, "cost": {"cpu_hour": 0.1}}, {"cost": {"cpu_hour": 0.2}}, ()),
        ({**PRICE, "cost": {"cpu_hour": 0.1, "currency": "EUR"}}, {"cost": {"cpu_hour": 0.1, "currency": "VND"}}, (
            "cost: currency went from EUR to VND",)),
        ({"cost": {"cpu_hour": 0.1}}, {"cost": {"cpu_hour": 0.01}}, ()),
    ],
)  # fmt: skip
def test_what_became_easier_beside_the_gates_is_said(
    old: dict[str, Any], new: dict[str, Any], says: tuple[str, ...]
) -> None:
    assert beside(old, new) == says


def test_a_release_without_recorded_settings_says_nothing_of_them() -> None:
    made = before()
    bare = msgspec.structs.replace(made, parameters=msgspec.structs.replace(made.parameters, settings={}))
    found = gates.loosened_beside(bare, weighing=bare.performance.test, own={}, cost=Cost())
    assert found == ()


def test_a_smaller_ratio_is_looser() -> None:
    assert _LIMITS["min_ratio"] == -1


@pytest.mark.parametrize("kind", Gate.__args__)
def test_every_key_of_every_gate_is_looked_at(kind: Any) -> None:
    """A key that is added to the settings must be told how it loosens."""
    keys = {field.name for field in msgspec.structs.fields(kind)}
    assert keys <= {*_LIMITS, *_LISTS, *_CHOICES, *_IDENTITY}


EVIDENCE = make_evidence(make_rows(300), resamples=200)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.5, 1), st.floats(0.5, 1), st.sampled_from([0.8, 0.95]), st.sampled_from([0.8, 0.95]))
def test_whatever_passes_a_loosened_gate_passed_or_the_limit_is_named(
    a: float, b: float, before: float, after: float
) -> None:
    """A gate that starts to let a model through has been loosened, and is reported."""
    old, new = (Absolute(metric="accuracy", min=limit, confidence=c) for limit, c in ((a, before), (b, after)))
    found = [gates.judge(GateFile(gates={"it": gate}), EVIDENCE)[0].verdict for gate in (old, new)]
    if found[0] != "pass" and found[1] == "pass":
        assert gates.loosened({"it": old}, {"it": new})
