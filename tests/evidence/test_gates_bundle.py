"""Gates on the bundle and the data: budget, data, golden, parity."""

import dataclasses
import math
from typing import Any

import msgspec
import pytest
from flights_sample import make_manifest
from gate_evidence import RELEASE, SERVING, interval, judge, make_comparison, make_evidence, make_rows, replace

from weighbridge import manifest, settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates import Evidence
from weighbridge.settings import Budget, DataGate, GoldenGate, ParityGate

ROWS = make_rows(50)
BESIDE = make_evidence(ROWS)
FIRST = make_evidence(make_rows(50, old_noise=None))
COST = manifest.TrainingCost(runs=9, cpu_seconds=7200.0, wall_seconds=3600.0)
TIMES = sorted({*manifest.Serving.__struct_fields__} - {"rows_per_second"})


def with_weighing(evidence: Evidence = BESIDE, **changes: Any) -> Evidence:
    return dataclasses.replace(evidence, weighing=replace(evidence.weighing, **changes))


def with_packaged(evidence: Evidence = BESIDE, **changes: Any) -> Evidence:
    return dataclasses.replace(evidence, packaged=replace(evidence.packaged, **changes))


@pytest.mark.parametrize("quantity", TIMES)
def test_a_budget_limits_each_cost_of_serving(quantity: Any) -> None:
    cost = getattr(SERVING, quantity)
    assert judge(Budget(quantity=quantity, max=cost), FIRST).verdict == "pass"
    found = judge(Budget(quantity=quantity, max=cost / 2), FIRST)
    assert (found.verdict, found.value, found.limit) == ("fail", cost, cost / 2)
    assert found.short_by == pytest.approx(cost / 2)
    for bad in (math.nan, math.inf):
        nothing = with_weighing(serving=replace(SERVING, **{quantity: bad}))
        assert judge(Budget(quantity=quantity, max=1e9), nothing).verdict == "fail"


def test_throughput_has_a_smallest_value() -> None:
    rate = SERVING.rows_per_second
    assert judge(Budget(quantity="rows_per_second", min=rate), FIRST).verdict == "pass"
    found = judge(Budget(quantity="rows_per_second", min=2 * rate), FIRST)
    assert (found.verdict, found.short_by, found.rule) == ("fail", rate, f"rows_per_second is at least {2 * rate:g}")


def test_every_budget_of_the_settings_is_measured() -> None:
    (annotation,) = (field.type for field in msgspec.structs.fields(Budget) if field.name == "quantity")
    evidence = with_packaged(cost=COST)
    for quantity in annotation.__args__:
        limit: Any = {"min": 1e-9} if quantity == "rows_per_second" else {"max": 1e9}
        assert judge(Budget(quantity=quantity, **limit), evidence).verdict == "pass"


def test_parameters_are_those_that_were_learned_on_both_sides() -> None:
    """A graph holds other numbers too; a ratio of its count to the learned ones would compare nothing."""
    graph = manifest.Graph(operators={}, structure_sha256="0" * 64, parameter_count=77, opsets={})
    previous = make_manifest()
    beside = with_weighing(graph=graph, comparison=make_comparison(graph=replace(graph, parameter_count=7)))
    assert judge(Budget(quantity="parameter_count", max=1e6), beside).value == 6200
    gate = Budget(quantity="parameter_count", max_ratio=1.0)
    found = judge(gate, dataclasses.replace(beside, previous=previous))
    assert (found.verdict, found.value, found.baseline) == ("pass", 6200, previous.artifacts.parameter_count)
    unknown = judge(gate, beside)
    assert (unknown.verdict, "what flights@v1.0.0 costs is not known" in unknown.reason) == ("inconclusive", True)


@pytest.mark.parametrize(
    ("quantity", "value"), [("training_cpu_hours", 2.0), ("training_wall_hours", 1.0), ("training_price", 0.2)]
)
def test_training_costs_are_in_hours_and_in_money(quantity: Any, value: float) -> None:
    evidence = with_packaged(cost=COST)
    found = judge(Budget(quantity=quantity, max=value), evidence)
    assert found.verdict == "pass"
    assert found.value == pytest.approx(value)
    assert ("(EUR)" in found.rule) is (quantity == "training_price")
    assert judge(Budget(quantity=quantity, max=value / 2), evidence).verdict == "fail"
    unknown = judge(Budget(quantity=quantity, max=9), BESIDE)
    assert (unknown.verdict, "wasn't measured" in unknown.reason) == ("inconclusive", True)


def test_a_price_takes_a_price() -> None:
    free = dataclasses.replace(with_packaged(cost=COST), cost=settings.Cost())
    with pytest.raises(SettingsError, match=r"cost\.cpu_hour is 0; expected the price of a core for an hour"):
        judge(Budget(quantity="training_price", max=1), free)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(1.0, 1.9, "pass"), (1.0, 2.0, "pass"), (1.5, 2.5, "inconclusive"), (2.1, 2.5, "fail"), (math.nan, 1.0, "fail")],
)
def test_times_beside_the_last_release_are_limited_by_the_upper_bound(low: float, high: float, verdict: str) -> None:
    ratio = interval((low + high) / 2, low, high)
    evidence = with_weighing(comparison=make_comparison(ratios={"latency_ms_p95": ratio}))
    found = judge(Budget(quantity="latency_ms_p95", max_ratio=2.0), evidence)
    assert (found.verdict, found.limit) == (verdict, 2.0)
    assert (found.value, found.baseline) == (SERVING.latency_ms_p95, SERVING.latency_ms_p95)
    assert found.rule == f"latency_ms_p95 is at most 2 times that of {RELEASE} (upper bound, measured in turns)"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.9, 1.1, "pass"), (0.8, 1.0, "pass"), (0.7, 0.9, "inconclusive"), (0.5, 0.79, "fail"), (math.nan, 1.0, "fail")],
)
def test_throughput_beside_the_last_release_is_limited_by_the_lower_bound(
    low: float, high: float, verdict: str
) -> None:
    ratio = interval((low + high) / 2, low, high)
    evidence = with_weighing(comparison=make_comparison(ratios={"rows_per_second": ratio}))
    found = judge(Budget(quantity="rows_per_second", min_ratio=0.8), evidence)
    assert (found.verdict, found.limit) == (verdict, 0.8)
    assert found.rule == f"rows_per_second is at least 0.8 times that of {RELEASE} (lower bound, measured in turns)"
    both = judge(Budget(quantity="rows_per_second", min=1.0, min_ratio=0.8), evidence)
    assert [part.name for part in both.parts] == ["min", "min_ratio"]


def test_a_ratio_of_times_without_its_bounds_is_no_proof() -> None:
    for gate in (Budget(quantity="rows_per_second", min_ratio=0.1), Budget(quantity="load_seconds", max_ratio=9.0)):
        assert judge(gate, BESIDE).verdict == "inconclusive"
        assert judge(gate, FIRST).verdict == "not applicable"


def test_sizes_are_compared_as_they_are() -> None:
    smaller = replace(SERVING, size_mib=SERVING.size_mib / 2)
    evidence = with_weighing(comparison=make_comparison(serving=smaller))
    assert judge(Budget(quantity="size_mib", max_ratio=2.0), evidence).verdict == "pass"
    found = judge(Budget(quantity="size_mib", max_ratio=1.5), evidence)
    assert (found.verdict, found.difference, found.short_by) == ("fail", 2.0, 0.5)
    nothing = with_weighing(comparison=make_comparison(serving=replace(SERVING, size_mib=0.0)))
    assert judge(Budget(quantity="size_mib", max_ratio=1e9), nothing).verdict == "fail"


def test_what_the_last_release_took_comes_from_its_manifest() -> None:
    before = make_manifest()
    previous = replace(before, performance=replace(before.performance, cost=COST))
    evidence = dataclasses.replace(with_packaged(cost=replace(COST, cpu_seconds=14_400.0)), previous=previous)
    found = judge(Budget(quantity="training_cpu_hours", max_ratio=1.5), evidence)
    assert (found.verdict, found.value, found.baseline, found.difference) == ("fail", 4.0, 2.0, 2.0)
    count = judge(Budget(quantity="parameter_count", max_ratio=1.0), evidence)
    assert (count.verdict, count.baseline) == ("pass", previous.artifacts.parameter_count)


def test_a_ratio_needs_an_earlier_release() -> None:
    gate = Budget(quantity="size_mib", max_ratio=1.5)
    found = judge(gate, FIRST)
    assert (found.verdict, found.reason) == ("not applicable", "there is no earlier release")
    lost = with_weighing(comparison=make_comparison(comparable=False, reason="bundle lost", serving=None))
    found = judge(gate, lost)
    assert (found.verdict, "bundle lost" in found.reason) == ("inconclusive", True)


def test_an_absolute_and_a_relative_limit_are_two_parts() -> None:
    found = judge(Budget(quantity="size_mib", max=0.1, max_ratio=1.5), FIRST)
    assert [(part.name, part.verdict) for part in found.parts] == [("max", "fail"), ("max_ratio", "not applicable")]
    assert (found.verdict, found.limit) == ("fail", 0.1)
    assert judge(Budget(quantity="size_mib", max=9, max_ratio=1.5), FIRST).verdict == "pass"


def test_a_budget_without_a_limit_is_refused() -> None:
    with pytest.raises(SettingsError, match="found none of max, min, max_ratio and min_ratio; expected at least one"):
        judge(Budget(quantity="size_mib"), FIRST)


def checks(*failed: str, but: tuple[str, ...] = (), groups: int | None = 3) -> Evidence:
    data = BESIDE.data
    keys = [key for key in settings.DataGate().checks if key not in but]
    found = tuple(manifest.Check(name=key, passed=key not in failed, found=f"saw {key}", key=key) for key in keys)
    splits = {name: replace(split, groups=groups) for name, split in data.splits.items()}
    return dataclasses.replace(BESIDE, data=replace(data, checks=found, splits=splits))


def drifted(*psi: float, evidence: Evidence | None = None) -> Evidence:
    drift = tuple(manifest.Drift(feature=f"f{i}", psi=each) for i, each in enumerate(psi))
    return with_weighing(checks() if evidence is None else evidence, drift=drift)


def test_checks_of_the_data_must_hold() -> None:
    assert judge(DataGate(), checks()).verdict == "pass"
    found = judge(DataGate(), checks("finite", "ranges"))
    assert (found.verdict, found.reason) == ("fail", "finite: saw finite; ranges: saw ranges")
    assert [part.name for part in found.parts if part.verdict == "fail"] == ["finite", "ranges"]
    assert judge(DataGate(checks=("unique_ids",)), checks("finite")).verdict == "pass"


def test_a_check_that_was_not_made_is_no_proof() -> None:
    found = judge(DataGate(), checks(but=("ranges",)))
    assert (found.verdict, found.reason.startswith("ranges: was not checked; run")) == ("inconclusive", True)


def test_rows_without_groups_need_no_groups_apart() -> None:
    found = judge(DataGate(), checks(but=("groups_apart",), groups=None))
    assert (found.verdict, found.reason) == ("pass", "groups_apart: the rows have no groups")
    assert judge(DataGate(), checks(but=("groups_apart",))).verdict == "inconclusive"


def test_drift_warns_or_blocks() -> None:
    assert judge(DataGate(max_psi=0.25), drifted(0.1, 0.25)).verdict == "pass"
    warned = judge(DataGate(max_psi=0.25), drifted(0.1, 0.3))
    assert (warned.verdict, warned.reason) == ("pass", "warning, drift of f1: PSI 0.3, above 0.25")
    assert [part.verdict for part in warned.parts[-2:]] == ["pass", "warn"]
    blocked = judge(DataGate(max_psi=0.25, on_drift="block"), drifted(0.1, 0.3))
    assert (blocked.verdict, blocked.value, blocked.limit) == ("fail", 0.3, 0.25)
    assert blocked.short_by == pytest.approx(0.05)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_drift_that_is_no_number_fails_even_where_drift_warns(bad: float) -> None:
    assert judge(DataGate(max_psi=0.25), drifted(bad)).verdict == "fail"


def test_drift_needs_a_release_to_drift_from() -> None:
    first = dataclasses.replace(checks(), weighing=FIRST.weighing)
    found = judge(DataGate(max_psi=0.25), first)
    assert (found.verdict, found.reason) == ("pass", "drift: there is no earlier release")
    assert judge(DataGate(checks=(), max_psi=0.25), first).verdict == "not applicable"
    assert judge(DataGate(max_psi=0.25), drifted()).verdict == "inconclusive"


def test_golden_samples_are_repeated() -> None:
    def repeated(difference: float, samples: int = 32) -> Evidence:
        return with_weighing(golden=manifest.Golden(samples=samples, largest_difference=difference, packages={}))

    found = judge(GoldenGate(), repeated(1e-7))
    assert (found.verdict, found.value, found.rows) == ("pass", 1e-7, 32)
    assert judge(GoldenGate(), repeated(1e-5)).verdict == "fail"
    assert judge(GoldenGate(), repeated(math.nan)).verdict == "fail"
    assert judge(GoldenGate(), repeated(0.0, samples=0)).verdict == "inconclusive"
    assert judge(GoldenGate(), with_weighing(golden=None)).verdict == "inconclusive"


def test_parity_speaks_of_decisions_where_there_are_some() -> None:
    assert judge(ParityGate(max_difference=1e-5), with_weighing()).rule.endswith(
        "by at most 1e-05 and in at most 0 decisions"
    )
    assert judge(ParityGate(max_difference=1e-5), with_weighing(task="regression")).rule.endswith("by at most 1e-05")


@pytest.mark.parametrize(
    ("changes", "verdict", "says"),
    [
        ({}, "pass", ""),
        ({"largest_difference": 2e-5}, "fail", ""),
        ({"largest_difference": math.nan}, "fail", "no finite number"),
        ({"changed_decisions": 3}, "fail", "3 of 100 decisions differ; at most 0 may"),
        ({"rows": 0}, "inconclusive", "no rows were compared"),
    ],
)
def test_parity_limits_differences_and_decisions(changes: dict[str, Any], verdict: str, says: str) -> None:
    parity = manifest.Parity(rows=100, largest_difference=2e-7, changed_decisions=0)
    found = judge(ParityGate(max_difference=1e-5), with_packaged(parity=replace(parity, **changes)))
    assert found.verdict == verdict
    assert says in found.reason
    if "decisions" in says:
        assert (found.value, found.limit, found.short_by) == (3, 0, 3)
    else:
        assert found.limit == 1e-5
