"""Gates on a metric of all rows: absolute, change, calibration."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from gate_evidence import RELEASE, judge, make_comparison, make_evidence, make_rows, replace

from weighbridge.errors import SettingsError
from weighbridge.evidence.gates import Evidence
from weighbridge.evidence.gates.limits import compare, judged
from weighbridge.evidence.inference import Bounds
from weighbridge.evidence.rows import Rows
from weighbridge.settings import Absolute, CalibrationGate, Change, OwnMetric

EQUAL = make_evidence(make_rows(6000))
WORSE = make_evidence(make_rows(6000, noise=1.5))
BETTER = make_evidence(make_rows(6000, old_noise=1.5))
FIRST = make_evidence(make_rows(6000, old_noise=None))


@pytest.mark.parametrize(
    ("floor", "ceiling", "bounds", "verdict", "short"),
    [
        (0.5, None, (0.6, 0.5, 0.7), "pass", 0.0),
        (0.5, None, (0.6, 0.49, 0.7), "inconclusive", 0.01),
        (0.5, None, (0.4, 0.3, 0.5), "inconclusive", 0.2),
        (0.5, None, (0.4, 0.3, 0.49), "fail", 0.2),
        (None, 0.5, (0.4, 0.3, 0.5), "pass", 0.0),
        (None, 0.5, (0.4, 0.3, 0.6), "inconclusive", 0.1),
        (None, 0.5, (0.6, 0.51, 0.7), "fail", 0.2),
        (-1.0, 1.0, (0.0, -1.0, 1.0), "pass", 0.0),
        (-1.0, 1.0, (0.5, -1.0, 1.5), "inconclusive", 0.5),
        (-1.0, 1.0, (2.0, 1.5, 2.5), "fail", 1.5),
        (None, None, (0.0, np.nan, 1.0), "fail", np.inf),
        (0.5, None, (np.inf, 0.6, 0.7), "fail", np.inf),
    ],
)
def test_an_interval_passes_fails_or_cannot_tell(
    floor: float | None, ceiling: float | None, bounds: tuple[float, float, float], verdict: str, short: float
) -> None:
    found, by = compare(Bounds(*bounds, 0.1), floor=floor, ceiling=ceiling)
    assert found == verdict
    assert by == pytest.approx(short)


def test_what_is_no_number_fails_and_says_so() -> None:
    found = judged("it", "absolute", "a rule", Bounds(np.nan, 0.1, 0.2, 0.1), floor=0.0, rows=10)
    assert (found.verdict, found.value, found.short_by) == ("fail", None, None)
    assert "no finite number" in found.reason


def test_absolute_compares_the_bound_and_not_the_value() -> None:
    value = judge(Absolute(metric="accuracy", min=0.1), FIRST)
    assert value.verdict == "pass"
    assert value.value is not None
    assert value.low is not None
    assert value.high is not None
    assert value.low < value.value < value.high
    assert (value.bound, value.rows, value.reason, value.short_by) == (value.low, 6000, "", None)
    between = judge(Absolute(metric="accuracy", min=(value.value + value.low) / 2), FIRST)
    assert between.verdict == "inconclusive", "the value is above the limit, the bound isn't"
    assert between.rows_needed is not None
    assert between.rows_needed > 6000
    assert f"about {between.rows_needed} such rows would settle it, 6000 are there" in between.reason
    above = judge(Absolute(metric="accuracy", min=(value.value + value.high) / 2), FIRST)
    assert (above.verdict, above.rows_needed) == ("inconclusive", None)
    assert "no number of such rows would settle it" in above.reason
    failed = judge(Absolute(metric="accuracy", min=value.high + 0.01), FIRST)
    assert (failed.verdict, failed.reason) == ("fail", "the whole interval is beyond the limit")
    assert failed.short_by == pytest.approx(value.high + 0.01 - value.low)


def test_absolute_holds_a_metric_below_max() -> None:
    found = judge(Absolute(metric="log_loss", max=2.0), FIRST)
    assert (found.verdict, found.bound, found.limit) == ("pass", found.high, 2.0)
    assert found.rule == "log_loss is at most 2 (upper bound, 95 % confidence)"
    assert judge(Absolute(metric="log_loss", max=0.1), FIRST).verdict == "fail"


@pytest.mark.parametrize("limits", [{}, {"min": 0.1, "max": 0.2}])
def test_absolute_has_exactly_one_limit(limits: Any) -> None:
    with pytest.raises(SettingsError, match="expected exactly one of them"):
        judge(Absolute(metric="roc_auc", **limits), FIRST)


def test_groups_widen_the_interval() -> None:
    """Rows of a day that share their luck tell less than their number."""
    rows = make_rows(6000)
    day = np.array([int(name[3:]) for name in rows.columns["day"]])
    luck = np.random.default_rng(5).random(40)[day] < 0.3
    same = dataclasses.replace(rows, new=np.where(luck, 1 - rows.new, rows.new), group_by="day")
    grouped = judge(Absolute(metric="accuracy", min=0.1), make_evidence(same))
    alone = judge(Absolute(metric="accuracy", min=0.1, group_by=""), make_evidence(same))
    assert grouped.high is not None
    assert grouped.low is not None
    assert alone.high is not None
    assert alone.low is not None
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)


@pytest.mark.parametrize("metric", ["roc_auc", "accuracy", "log_loss"])
@pytest.mark.parametrize(
    ("test", "margin", "verdicts"),
    [
        ("non_inferior", 0.05, ("pass", "fail", "pass")),
        ("non_inferior", 0.0, ("inconclusive", "fail", "pass")),
        ("superior", 0.0, ("inconclusive", "fail", "pass")),
        ("superior", 0.01, ("fail", "fail", "pass")),
        ("equivalent", 0.05, ("pass", "fail", "fail")),
        ("equivalent", 0.001, ("inconclusive", "fail", "fail")),
    ],
)
def test_a_change_is_proven_either_way_for_metrics_of_either_direction(
    metric: str, test: Any, margin: float, verdicts: tuple[str, str, str]
) -> None:
    gate = Change(metric=metric, test=test, margin=margin)
    found = tuple(judge(gate, evidence).verdict for evidence in (EQUAL, WORSE, BETTER))
    assert found == verdicts or (test == "superior" and margin and found == ("inconclusive", *verdicts[1:]))


def test_a_change_shows_both_models_and_their_difference() -> None:
    found = judge(Change(metric="log_loss", margin=0.01), WORSE)
    assert found.value is not None
    assert found.baseline is not None
    assert found.difference == pytest.approx(found.value - found.baseline)
    assert (found.bound, found.limit, found.kind) == (found.high, 0.01, "change")
    assert found.low is not None
    assert found.high is not None
    assert found.difference is not None
    assert found.low < found.difference < found.high
    assert found.rule == (
        f"log_loss is worse than that of {RELEASE} by at most 0.01 (upper bound of the paired difference, 95 % "
        "confidence)"
    )


def test_an_undecided_change_says_how_many_rows_would_settle_it_for_equal_models() -> None:
    rows = make_rows(2000)
    found = judge(Change(metric="accuracy", margin=0.004), make_evidence(rows))
    new, old = rows.decisions()
    churn = float(((new == rows.y) != (old == rows.y)).mean())
    assert found.verdict == "inconclusive"
    assert found.rows_needed == pytest.approx((1.645 + 0.842) ** 2 * churn / 0.004**2, rel=0.15)
    nothing = judge(Change(metric="accuracy", margin=0.0), make_evidence(rows))
    assert nothing.rows_needed is None


def test_a_change_does_not_apply_to_a_first_release() -> None:
    found = judge(Change(metric="roc_auc", margin=0.005), FIRST)
    assert (found.verdict, found.reason, found.value) == ("not applicable", "there is no earlier release", None)


def test_a_release_that_cannot_be_compared_is_no_proof() -> None:
    broken = make_comparison(comparable=False, reason="inputs missing: wind")
    evidence = dataclasses.replace(FIRST, weighing=replace(FIRST.weighing, comparison=broken))
    found = judge(Change(metric="roc_auc", margin=1.0), evidence)
    assert (found.verdict, found.reason) == ("inconclusive", "inputs missing: wind")
    silent = dataclasses.replace(FIRST, weighing=replace(FIRST.weighing, comparison=make_comparison()))
    assert judge(Change(metric="roc_auc", margin=1.0), silent).reason == f"{RELEASE} has no predictions of these rows"


def test_the_old_release_is_scored_at_its_own_threshold() -> None:
    rows = make_rows(2000)
    moved = dataclasses.replace(rows, old=rows.new * 0.5, thresholds=(0.5, 0.25))
    assert judge(Change(metric="accuracy", margin=0.001), make_evidence(moved)).difference == 0.0


def test_equivalence_without_a_margin_is_refused() -> None:
    with pytest.raises(SettingsError, match="expected a margin above 0"):
        judge(Change(metric="f1", test="equivalent"))


def own_accuracy(y: Any, p: Any, sample_weight: Any = None) -> float:
    return float(np.average(y == p, weights=sample_weight))


def test_own_metrics_are_judged_as_any_other() -> None:
    own = {"mine": OwnMetric(function="test_gates_intervals:own_accuracy", sees="decisions")}
    evidence = make_evidence(dataclasses.replace(make_rows(1000), own=own), resamples=200)
    mine = judge(Change(metric="mine", margin=0.5), evidence)
    theirs = judge(Change(metric="accuracy", margin=0.5), evidence)
    assert (mine.verdict, mine.value, mine.difference) == ("pass", theirs.value, theirs.difference)


def regression(error: float = 1.0, bias: float = 0.0, old_bias: float | None = None, rows: int = 2000) -> Evidence:
    random = np.random.default_rng(3)
    y = random.normal(10, 5, rows)
    f = y + bias + error * random.normal(size=rows)
    old = None if old_bias is None else y + old_bias + random.normal(size=rows)
    ends = np.stack([f, f - 1.96, f + 1.96], axis=1)
    made = Rows(task="regression", y=y, new=ends if old is None else f, old=old, thresholds=(0.5, 0.5), columns={})
    return make_evidence(made)


@pytest.mark.parametrize(
    ("gate", "evidence", "verdict"),
    [
        (CalibrationGate(metric="expected_calibration_error", max=0.06), FIRST, "pass"),
        (CalibrationGate(metric="expected_calibration_error", max=0.001), FIRST, "fail"),
        (CalibrationGate(metric="brier_score_loss", max=0.3), FIRST, "pass"),
        (CalibrationGate(metric="brier_score_loss", max=0.01), FIRST, "fail"),
        (CalibrationGate(metric="log_loss", max=0.9), FIRST, "pass"),
        (CalibrationGate(metric="bias", max=0.1), regression(), "pass"),
        (CalibrationGate(metric="bias", max=0.1), regression(bias=0.5), "fail"),
        (CalibrationGate(metric="bias", max=0.1), regression(bias=-0.5), "fail"),
        (CalibrationGate(metric="bias", max=0.02), regression(), "inconclusive"),
        (CalibrationGate(metric="interval_coverage", min=0.92), regression(), "pass"),
        (CalibrationGate(metric="interval_coverage", min=0.92, max=0.98), regression(), "pass"),
        (CalibrationGate(metric="interval_coverage", max=0.98), regression(error=0.5), "fail"),
        (CalibrationGate(metric="interval_coverage", min=0.92), regression(error=2.0), "fail"),
    ],
)
def test_calibration_is_judged_by_its_bounds(gate: CalibrationGate, evidence: Evidence, verdict: str) -> None:
    found = judge(gate, evidence)
    assert found.verdict == verdict
    assert gate.metric in found.rule


def test_a_bias_says_that_it_is_limited_in_both_directions() -> None:
    found = judge(CalibrationGate(metric="bias", max=0.1), regression(bias=-0.5))
    assert (found.limit, found.bound) == (-0.1, found.low)
    assert "in either direction" in found.rule


def test_a_bias_that_moved_to_the_other_side_of_zero_is_no_change_for_the_worse() -> None:
    assert judge(Change(metric="bias", margin=0.1), regression(bias=0.5, old_bias=-0.5)).verdict == "pass"
    assert judge(Change(metric="bias", margin=0.1), regression(bias=-0.5, old_bias=0.1)).verdict == "fail"


def test_calibration_of_another_task_is_refused() -> None:
    with pytest.raises(SettingsError, match="a metric that a binary task doesn't have: 'bias'"):
        judge(CalibrationGate(metric="bias", max=0.1), FIRST)
    with pytest.raises(SettingsError, match="expected max alone"):
        judge(CalibrationGate(metric="log_loss", min=0.1), FIRST)
