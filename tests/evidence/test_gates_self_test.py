"""Gates against models that were damaged on purpose."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from gate_evidence import make_evidence, make_rows, replace
from test_gates_churn import floor
from test_gates_intervals import regression

from weighbridge import settings
from weighbridge.evidence import gates
from weighbridge.evidence.gates import Evidence, damages
from weighbridge.evidence.rows import Rows
from weighbridge.manifest import SelfTest
from weighbridge.settings import (
    Absolute,
    Budget,
    CalibrationGate,
    Change,
    Churn,
    Clean,
    DataGate,
    GateFile,
    GoldenGate,
    Slices,
)

FIRST = make_evidence(make_rows(4000, old_noise=None))
LATER = make_evidence(make_rows(4000))
SITES = Slices(metric="accuracy", columns=("site",), min_rows=500, margin=0.05)


def asked(gate: settings.Gate, evidence: Evidence = FIRST) -> tuple[SelfTest, ...]:
    return gates.self_test(GateFile(gates={"it": gate}), evidence)


@pytest.mark.parametrize("evidence", [FIRST, LATER], ids=["first", "later"])
@pytest.mark.parametrize(
    ("sharp", "blunt", "damage"),
    [
        (Absolute(metric="roc_auc", min=0.7), Absolute(metric="roc_auc", min=0.1), "labels flipped"),
        (Absolute(metric="log_loss", max=0.7), Absolute(metric="log_loss", max=9.0), "labels flipped"),
        (Change(metric="accuracy", margin=0.05), Change(metric="accuracy", margin=0.9), "labels flipped"),
        (
            Change(metric="roc_auc", test="superior"),
            Change(metric="roc_auc", test="equivalent", margin=0.99),
            "labels flipped",
        ),
        (Churn(max_negative_flips=0.1), Churn(max_negative_flips=0.99), "labels flipped"),
        (SITES, replace(SITES, margin=0.99), "labels flipped where site=south"),
        (
            CalibrationGate(metric="expected_calibration_error", max=0.1),
            CalibrationGate(metric="expected_calibration_error", max=0.9),
            "probabilities shifted",
        ),
        (
            CalibrationGate(metric="brier_score_loss", max=0.2),
            CalibrationGate(metric="brier_score_loss", max=0.9),
            "probabilities shifted",
        ),
        (
            Budget(quantity="latency_ms_p95", max_ratio=2.0),
            Budget(quantity="latency_ms_p95", max_ratio=3.5),
            "latency tripled",
        ),
        (
            Budget(quantity="rows_per_second", min=1e-9, min_ratio=0.5),
            Budget(quantity="rows_per_second", min=1e9, min_ratio=0.3),
            "latency tripled",
        ),
    ],
)
def test_a_sharp_gate_catches_its_damage_and_a_blunt_one_stops_the_release(
    sharp: settings.Gate, blunt: settings.Gate, damage: str, evidence: Evidence
) -> None:
    assert asked(sharp, evidence) == (SelfTest(gate="it", damage=damage, caught=True),)
    missed = asked(blunt, evidence)
    assert missed == (SelfTest(gate="it", damage=damage, caught=False),)
    result = gates.self_test_gate(missed)
    assert (result.name, result.kind, result.verdict, result.value) == ("self_test", "self_test", "fail", 1.0)
    assert f"gate it lets a model through with {damage}" in result.reason
    assert gates.verdict([result]) == "fail"


@pytest.mark.parametrize(
    "gate",
    [
        Clean(),
        GoldenGate(),
        DataGate(),
        Budget(quantity="latency_ms_p95", max=5.0),
        Budget(quantity="size_mib", max_ratio=2.0),
        Churn(cases="config/cases.csv"),
        Absolute(metric="roc_auc", max=0.99),
        replace(SITES, min_rows=4000),
    ],
)
def test_gates_that_guard_against_no_damage_are_not_asked(gate: settings.Gate) -> None:
    assert asked(gate) == ()


def test_a_file_in_which_no_gate_looks_at_predictions_fails() -> None:
    result = gates.self_test_gate(asked(Clean()))
    assert result.verdict == "fail"
    assert "flipped labels would be released" in result.reason


def test_a_file_that_guards_nothing_but_latency_fails() -> None:
    budget = Budget(quantity="latency_ms_p95", max_ratio=2.0)
    tests = asked(budget)
    result = gates.self_test_gate(tests)
    assert [test.caught for test in tests] == [True]
    assert (result.verdict, len(result.parts)) == ("fail", 1)
    assert "no gate looks at what the model predicts" in result.reason
    both = gates.self_test_gate(asked(replace(budget, max_ratio=9.0)))
    assert "gate it lets a model through with latency tripled" in both.reason
    file = GateFile(gates={"quick": budget, "a": Absolute(metric="roc_auc", min=0.7)})
    assert gates.self_test_gate(gates.self_test(file, FIRST)).verdict == "pass"


@pytest.mark.parametrize("evidence", [FIRST, LATER], ids=["first", "later"])
def test_a_gap_is_asked_by_itself(evidence: Evidence) -> None:
    sharp, blunt = (asked(replace(SITES, max_gap=gap), evidence) for gap in (0.2, 0.9))
    assert [test.damage for test in sharp] == [
        "labels flipped where site=south",
        "labels flipped where site=south (max_gap)",
    ]
    assert [test.caught for test in sharp] == [True, True]
    assert [test.caught for test in blunt] == [True, False]
    assert "lets a model through with labels flipped where site=south (max_gap)" in gates.self_test_gate(blunt).reason


def test_a_gap_that_says_no_anyway_claims_nothing() -> None:
    assert len(asked(replace(SITES, max_gap=0.001))) == 1
    assert len(asked(replace(SITES, columns=("shop",), max_gap=0.2))) == 1, "one slice has no gap"


def test_a_pass_says_how_many_were_caught() -> None:
    file = GateFile(gates={"tidy": Clean(), "a": Absolute(metric="roc_auc", min=0.7), "s": SITES, "b": SITES})
    tests = gates.self_test(file, FIRST)
    assert [test.gate for test in tests] == ["a", "s", "b"]
    result = gates.self_test_gate(tests)
    assert (result.verdict, result.reason) == ("pass", "3 of 3 damaged models were refused")
    assert len(result.parts) == 3


def test_a_metric_that_gains_by_flipped_labels_gets_a_damage_that_it_loses_by() -> None:
    """The recall of a timid model is better with flipped labels: its gate has to see a model that never says yes."""
    rows = make_rows(4000, old_noise=None)
    timid = make_evidence(dataclasses.replace(rows, new=0.4 * rows.new, thresholds=(0.35, 0.35)))
    (found,) = asked(Absolute(metric="recall", min=0.01), timid)
    assert (found.damage, found.caught) == ("decided all alike, negative", True)
    (missed,) = asked(Change(metric="recall", margin=0.9), timid)
    assert not missed.caught


def test_cases_and_other_limits_do_not_count_as_a_no() -> None:
    """A churn gate whose critical cases fail anyway may still be blind to flipped labels."""
    (found,) = asked(Churn(max_negative_flips=0.99, cases="config/cases.csv"))
    assert not found.caught
    (found,) = asked(Budget(quantity="latency_ms_p95", max=1e-9, max_ratio=9.0))
    assert not found.caught


def test_changed_decisions_catch_flipped_labels() -> None:
    noisy = dataclasses.replace(FIRST, packaged=replace(FIRST.packaged, noise=floor(0.05)))
    assert [test.caught for test in asked(Churn(max_times_noise=3.0), noisy)] == [True]
    assert [test.caught for test in asked(Churn(max_times_noise=99.0), noisy)] == [False]


def test_only_the_rule_that_judges_the_broken_slice_is_asked() -> None:
    """A slice that must pass and is too small always says no, which proves nothing of the others."""
    blind = replace(SITES, margin=0.99, must_pass=({"shop": "main"},), max_gap=0.001)
    assert [test.caught for test in asked(blind)] == [False]
    named = Slices(metric="accuracy", must_pass=({"site": "west"}, {"site": "east"}), min_rows=500, margin=0.05)
    (found,) = asked(named)
    assert (found.damage, found.caught) == ("labels flipped where site=east", True)


def test_a_slice_that_cannot_be_measured_is_not_the_one_that_is_broken() -> None:
    """The largest slice holds one class, the next one group: the third is broken."""
    rows = make_rows(4000, old_noise=None)
    sizes = np.repeat(["first", "second", "third", "rest"], [1600, 1200, 800, 400])
    y = np.where(sizes == "first", 1, rows.y)
    days = np.where(sizes == "second", "day0", rows.columns["day"])
    made = dataclasses.replace(rows, y=y, columns={"size": sizes, "day": days}, group_by="day")
    gate = Slices(metric="accuracy", columns=("size",), min_rows=500, margin=0.05)
    (found,) = asked(gate, make_evidence(made))
    assert (found.damage, found.caught) == ("labels flipped where size=third", True)
    assert asked(replace(gate, min_rows=1000), make_evidence(made)) == ()


def test_several_classes_and_numbers_are_damaged_too() -> None:
    random = np.random.default_rng(4)
    y = random.integers(0, 3, 2000)
    p = np.full((2000, 3), 0.15)
    p[np.arange(2000), y] = 0.7
    classes = Rows(task="multiclass", y=y, new=p, old=None, thresholds=(0.5, 0.5), columns={})
    evidence = make_evidence(classes)
    assert asked(Absolute(metric="accuracy", min=0.5), evidence)[0].caught
    assert asked(Churn(max_negative_flips=0.2), evidence)[0].caught
    assert asked(CalibrationGate(metric="log_loss", max=0.4), evidence)[0].caught
    numbers: Any
    for numbers in (regression(), regression(old_bias=0.0)):
        assert asked(Absolute(metric="r2", min=0.5), numbers)[0].caught
        assert asked(Change(metric="mean_absolute_error", margin=0.1), numbers)[0].caught
        (shifted,) = asked(CalibrationGate(metric="bias", max=0.5), numbers)
        assert (shifted.damage, shifted.caught) == ("probabilities shifted", True)
    covered = asked(CalibrationGate(metric="interval_coverage", min=0.9), regression())
    assert covered[0].caught


@pytest.mark.parametrize("damage", list(damages.DAMAGES))
def test_damaged_probabilities_stay_probabilities(damage: str) -> None:
    rows = dataclasses.replace(FIRST.rows, new=np.clip(FIRST.rows.new, 0.3, 0.6))
    extremes = np.concatenate([[0.0, 1.0], rows.new[2:]])
    found = damages.DAMAGES[damage](rows, extremes)
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.isfinite(found).all()
