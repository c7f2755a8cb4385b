"""What was right and is wrong now, decisions that changed, critical cases."""

import dataclasses

import numpy as np
import pytest
from gate_evidence import RELEASE, interval, judge, make_comparison, make_evidence, make_rows, replace
from test_gates_intervals import regression

from weighbridge import manifest
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates import Evidence
from weighbridge.evidence.inference import clopper_pearson
from weighbridge.settings import Churn

EQUAL = make_evidence(make_rows(4000))
FIRST = make_evidence(make_rows(4000, old_noise=None))
CASES = "config/cases.csv"


def floor(value: float, low: float | None = None, high: float | None = None) -> manifest.Noise:
    found = interval(value, value if low is None else low, value if high is None else high)
    return manifest.Noise(seeds=3, pairs=3, changed_decisions=found, negative_flips=found)


def with_noise(noise: manifest.Noise | None, evidence: Evidence = EQUAL) -> Evidence:
    return dataclasses.replace(evidence, packaged=replace(evidence.packaged, noise=noise))


def same() -> Evidence:
    rows = make_rows(4000)
    return make_evidence(dataclasses.replace(rows, old=rows.new))


def test_negative_flips_are_limited_by_their_upper_bound() -> None:
    rows = EQUAL.rows
    new, old = rows.decisions()
    share = float(((old == rows.y) & (new != rows.y)).mean())
    found = judge(Churn(max_negative_flips=0.5), EQUAL)
    assert (found.verdict, found.rows) == ("pass", 4000)
    assert found.value == pytest.approx(share)
    assert found.bound == found.high
    assert found.high is not None
    assert found.high > share
    assert RELEASE in found.rule
    between = judge(Churn(max_negative_flips=(share + found.high) / 2), EQUAL)
    assert between.verdict == "inconclusive"
    assert between.rows_needed is not None
    assert between.rows_needed > 4000
    assert judge(Churn(max_negative_flips=share / 2), EQUAL).verdict == "fail"


def test_a_share_that_was_never_seen_is_not_taken_for_nothing() -> None:
    """Of no flips in 4,000 rows the exact bound says that there may be 0.07 %; a bootstrap alone would say none."""
    found = judge(Churn(max_negative_flips=0.001), same())
    assert (found.verdict, found.value) == ("pass", 0.0)
    assert found.high == pytest.approx(clopper_pearson(0, 4000, 0.95, upper=True))
    few = judge(Churn(max_negative_flips=0.0005), same())
    assert (few.verdict, few.rows_needed) == ("inconclusive", 5990)


def test_changed_decisions_are_held_against_the_noise_floor() -> None:
    new, old = EQUAL.rows.decisions()
    share = float((new != old).mean())
    found = judge(Churn(max_times_noise=2.0), with_noise(floor(share)))
    assert (found.verdict, found.baseline) == ("pass", share)
    assert found.value == pytest.approx(1.0)
    assert "times those that another seed changes" in found.rule
    assert judge(Churn(max_times_noise=2.0), with_noise(floor(share / 4))).verdict == "fail"
    between = judge(Churn(max_times_noise=1.01), with_noise(floor(share)))
    assert (between.verdict, between.rows_needed is not None) == ("inconclusive", True)


def test_seeds_that_disagree_about_the_floor_widen_the_ratio() -> None:
    new, old = EQUAL.rows.decisions()
    share = float((new != old).mean())
    sharp, wide = (
        judge(Churn(max_times_noise=2.0), with_noise(noise))
        for noise in (floor(share), floor(share, 0.4 * share, 2 * share))
    )
    assert sharp.low is not None
    assert sharp.high is not None
    assert wide.low == pytest.approx(sharp.low / 2)
    assert wide.high == pytest.approx(sharp.high / 0.4)
    assert wide.verdict == "inconclusive"


def test_a_floor_takes_two_seeds() -> None:
    found = judge(Churn(max_times_noise=2.0), with_noise(None))
    assert found.verdict == "inconclusive"
    assert "it needs two seeds at least" in found.reason


def test_where_seeds_change_nothing_any_change_is_more_than_noise() -> None:
    failed = judge(Churn(max_times_noise=2.0), with_noise(floor(0.0)))
    assert failed.verdict == "fail"
    assert "the 3 seeds decide every row alike, so that any change is more than noise" in failed.reason
    assert judge(Churn(max_times_noise=2.0), with_noise(floor(0.0), same())).verdict == "pass"
    maybe = judge(Churn(max_times_noise=9.0), with_noise(floor(0.1, 0.0, 0.2)))
    assert (maybe.verdict, "train more seeds" in maybe.reason) == ("inconclusive", True)


def test_a_floor_that_is_no_number_fails() -> None:
    assert judge(Churn(max_times_noise=2.0), with_noise(floor(np.nan))).verdict == "fail"


def case(name: str, found: str, expected: str = "late", file: str = CASES) -> manifest.Case:
    return manifest.Case(file=file, id=name, expected=expected, found=found)


def with_cases(*cases: manifest.Case, evidence: Evidence = FIRST) -> Evidence:
    return dataclasses.replace(evidence, weighing=replace(evidence.weighing, cases=cases))


def test_every_critical_case_counts() -> None:
    right, wrong = case("storm", "late"), case("holiday", "punctual")
    assert judge(Churn(cases=CASES), with_cases(right)).verdict == "pass"
    found = judge(Churn(cases=CASES), with_cases(right, wrong, case("other", "punctual", file="config/b.csv")))
    assert (found.verdict, found.value, found.limit, found.short_by, found.rows) == ("fail", 1.0, 0.0, 1.0, 2)
    assert found.reason == "1 of 2 cases are decided wrongly"
    (part,) = found.parts
    assert (part.name, part.verdict, part.reason) == ("case holiday", "fail", "decided punctual, expected late")


def test_a_file_without_cases_is_no_proof() -> None:
    found = judge(Churn(cases=CASES), with_cases())
    assert (found.verdict, found.reason.startswith(f"no case of {CASES} was decided")) == ("fail", True)


def test_many_wrong_cases_are_counted() -> None:
    found = judge(Churn(cases=CASES), with_cases(*(case(f"c{i}", "punctual") for i in range(80))))
    assert len(found.parts) == 51
    assert (found.parts[-1].name, found.parts[-1].rows) == ("(30 more cases)", 30)


def test_several_rules_are_parts_and_the_worst_decides() -> None:
    gate = Churn(max_negative_flips=0.5, max_times_noise=2.0, cases=CASES)
    found = judge(gate, with_cases(case("storm", "punctual"), evidence=with_noise(None)))
    verdicts = {part.name: part.verdict for part in found.parts}
    assert verdicts == {
        "max_negative_flips": "pass",
        "max_times_noise": "inconclusive",
        "cases": "fail",
        "case storm": "fail",
    }
    assert (found.verdict, found.limit) == ("fail", 0.0)
    assert "it needs two seeds" in found.reason
    assert "1 of 1 cases" in found.reason


def test_of_a_first_release_only_the_cases_are_judged() -> None:
    assert judge(Churn(max_negative_flips=0.1, max_times_noise=1.0), FIRST).verdict == "not applicable"
    found = judge(Churn(max_negative_flips=0.1, cases=CASES), with_cases(case("storm", "late")))
    assert (found.verdict, found.reason) == ("pass", "there is no earlier release")


def test_a_release_that_cannot_be_compared_is_no_proof() -> None:
    lost = make_comparison(comparable=False, reason="bundle lost")
    evidence = dataclasses.replace(FIRST, weighing=replace(FIRST.weighing, comparison=lost))
    found = judge(Churn(max_negative_flips=0.9), evidence)
    assert (found.verdict, found.reason) == ("inconclusive", "bundle lost")


def test_a_regression_decides_nothing() -> None:
    with pytest.raises(SettingsError, match="a regression makes none; expected kind 'change' or 'calibration'"):
        judge(Churn(max_negative_flips=0.1), regression(old_bias=0.0))


def test_a_gate_without_a_rule_is_refused() -> None:
    with pytest.raises(SettingsError, match="found none of max_negative_flips, max_times_noise and cases"):
        judge(Churn(), EQUAL)
