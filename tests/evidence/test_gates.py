import itertools
import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import documents, manifest, settings
from weighbridge.errors import SettingsError
from weighbridge.evidence import gates
from weighbridge.settings import Budget, Clean, Complete, Floor, GateFile, NotWorse, ParityGate

METRICS = settings.Metrics(names=("roc_auc", "accuracy", "log_loss"))
PARITY = manifest.Parity(rows=100, largest_difference=2e-7, changed_decisions=0)
SERVING = manifest.Serving(
    latency_ms_p50=0.1,
    latency_ms_p95=0.2,
    latency_ms_p99=0.4,
    rows_per_second=1e5,
    load_seconds=0.05,
    peak_memory_mib=90.0,
    size_mib=1.5,
)


def interval(value: float, low: float, high: float) -> manifest.Interval:
    return manifest.Interval(value=value, low=low, high=high)


def compared(**differences: manifest.Interval) -> manifest.Comparison:
    return manifest.Comparison(
        release="m@v1.0.0",
        comparable=True,
        reason="",
        metrics={name: manifest.Change(baseline=0.7, difference=found) for name, found in differences.items()},
        changed_decisions=0.05,
        serving=SERVING,
    )


def make_weighing(**changes: Any) -> manifest.Weighing:
    values: dict[str, Any] = {
        "rows": 1000,
        "groups": 30,
        "group_by": "day",
        "confidence": 0.95,
        "resamples": 1000,
        "threshold": 0.5,
        "metrics": {"roc_auc": interval(0.70, 0.66, 0.74), "log_loss": interval(0.50, 0.45, 0.55)},
        "slices": (),
        "calibration": manifest.Calibration(expected_calibration_error=0.01, bins=10),
        "serving": SERVING,
        "comparison": None,
        "test_sha256": "a" * 64,
        "content_sha256": "b" * 64,
    }
    return manifest.Weighing(**values | changes)


def judge(gate: settings.Gate, weighing: manifest.Weighing | None = None, parity: Any = PARITY) -> manifest.GateResult:
    (result,) = gates.judge(GateFile(gates={"it": gate}), weighing or make_weighing(), parity)
    # Whatever the numbers are, the result can be recorded.
    assert documents.typed(documents.parse(documents.dump(result), "r"), manifest.GateResult) == result
    return result


@pytest.mark.parametrize(
    ("gate", "verdict", "bound", "short_by", "rule"),
    [
        (Floor(metric="roc_auc", min=0.65), "pass", 0.66, None, "roc_auc is at least 0.65"),
        (Floor(metric="roc_auc", min=0.70), "pass", 0.66, None, "roc_auc is at least 0.7"),
        (Floor(metric="roc_auc", min=0.72), "fail", 0.66, 0.02, "roc_auc is at least 0.72"),
        (Floor(metric="log_loss", max=0.60), "pass", 0.55, None, "log_loss is at most 0.6"),
        (Floor(metric="log_loss", max=0.45), "fail", 0.55, 0.05, "log_loss is at most 0.45"),
    ],
)
def test_a_floor_compares_the_value_and_shows_the_bound(
    gate: Floor, verdict: str, bound: float, short_by: float | None, rule: str
) -> None:
    found = judge(gate)
    assert (found.verdict, found.bound, found.kind) == (verdict, bound, "floor")
    assert found.short_by == (None if short_by is None else pytest.approx(short_by))
    assert found.rule == f"{rule} (its value on the test rows)"
    assert found.limit == (gate.max if gate.min is None else gate.min)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("gate", [Floor(metric="roc_auc", min=0.1), Floor(metric="roc_auc", max=0.1)])
def test_a_value_that_is_no_number_fails_every_floor(gate: Floor, value: float) -> None:
    found = judge(gate, make_weighing(metrics={"roc_auc": interval(value, value, value)}))
    assert (found.verdict, found.value, found.bound) == ("fail", None, None)
    assert "no finite number" in found.reason


@pytest.mark.parametrize(
    ("metric", "low", "high", "verdict", "short_by"),
    [
        ("roc_auc", -0.004, 0.006, "pass", None),
        ("roc_auc", -0.005, 0.001, "pass", None),
        ("roc_auc", -0.008, 0.004, "inconclusive", 0.003),
        ("roc_auc", -0.020, -0.006, "fail", 0.015),
        ("log_loss", -0.006, 0.004, "pass", None),
        ("log_loss", -0.020, -0.006, "pass", None),
        ("log_loss", -0.004, 0.008, "inconclusive", 0.003),
        ("log_loss", 0.006, 0.020, "fail", 0.015),
    ],
)
def test_not_worse_asks_for_proof_within_the_margin(
    metric: str, low: float, high: float, verdict: str, short_by: float | None
) -> None:
    upwards = metric == "roc_auc"
    weighing = make_weighing(comparison=compared(**{metric: interval((low + high) / 2, low, high)}))
    found = judge(NotWorse(metric=metric, margin=0.005), weighing)
    assert found.verdict == verdict
    assert found.bound == (low if upwards else high)
    assert found.limit == (-0.005 if upwards else 0.005)
    assert found.short_by == (None if short_by is None else pytest.approx(short_by))
    assert bool(found.reason) is (verdict != "pass")
    side = "lower" if upwards else "upper"
    assert found.rule == (
        f"{metric} is worse than that of m@v1.0.0 by at most 0.005 ({side} bound of the 95 % interval of the "
        "paired difference)"
    )


def test_an_inconclusive_comparison_says_how_many_rows_would_settle_it() -> None:
    weighing = make_weighing(comparison=compared(roc_auc=interval(0.0, -0.010, 0.010)))
    assert "about 4 times the test rows" in judge(NotWorse(metric="roc_auc", margin=0.005), weighing).reason
    worse = make_weighing(comparison=compared(roc_auc=interval(-0.008, -0.018, 0.002)))
    assert "more test rows or another model" in judge(NotWorse(metric="roc_auc", margin=0.005), worse).reason


def test_not_worse_does_not_apply_to_a_first_release() -> None:
    found = judge(NotWorse(metric="roc_auc", margin=0.005))
    assert (found.verdict, found.reason) == ("not applicable", "there is no earlier release")
    assert found.value is None


def test_a_release_that_cannot_be_compared_is_no_proof() -> None:
    broken = msgspec.structs.replace(compared(), comparable=False, reason="inputs missing: wind")
    found = judge(NotWorse(metric="roc_auc", margin=0.005), make_weighing(comparison=broken))
    assert (found.verdict, found.reason) == ("inconclusive", "inputs missing: wind")
    other = judge(NotWorse(metric="roc_auc", margin=0.005), make_weighing(comparison=compared()))
    assert (other.verdict, other.reason) == ("inconclusive", "m@v1.0.0 has no roc_auc on these rows")


@pytest.mark.parametrize("numbers", list(itertools.permutations([0.0, 0.1, math.nan])))
def test_a_difference_that_is_no_number_fails(numbers: tuple[float, float, float]) -> None:
    found = judge(
        NotWorse(metric="roc_auc", margin=1.0), make_weighing(comparison=compared(roc_auc=interval(*numbers)))
    )
    assert (found.verdict, found.reason) == ("fail", "the difference is no finite number")


@pytest.mark.parametrize("quantity", [f for f in manifest.Serving.__struct_fields__ if f != "rows_per_second"])
def test_a_budget_limits_each_cost_of_serving(quantity: Any) -> None:
    cost = getattr(SERVING, quantity)
    assert judge(Budget(quantity=quantity, max=cost)).verdict == "pass"
    found = judge(Budget(quantity=quantity, max=cost / 2))
    assert (found.verdict, found.value, found.limit) == ("fail", cost, cost / 2)
    assert found.short_by == pytest.approx(cost / 2)
    nothing = make_weighing(serving=msgspec.structs.replace(SERVING, **{quantity: math.nan}))
    assert judge(Budget(quantity=quantity, max=1e9), nothing).verdict == "fail"


def test_every_budget_of_the_settings_is_measured() -> None:
    (annotation,) = (field.type for field in msgspec.structs.fields(Budget) if field.name == "quantity")
    assert set(annotation.__args__) <= set(manifest.Serving.__struct_fields__)


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
    found = judge(ParityGate(max_difference=1e-5), parity=msgspec.structs.replace(PARITY, **changes))
    assert found.verdict == verdict
    assert says in found.reason
    if "decisions" in says:
        assert (found.value, found.limit, found.short_by) == (3, 0, 3)
    else:
        assert found.limit == 1e-5


def test_what_only_the_release_can_know_is_finished_there() -> None:
    assert judge(Complete()).verdict == judge(Clean()).verdict == "at release"
    assert gates.complete_gate("whole", ()).verdict == "pass"
    assert gates.clean_gate("tidy", ()).verdict == "pass"
    incomplete = gates.complete_gate("whole", ("card.licence", "code.commit"))
    assert (incomplete.verdict, incomplete.value, incomplete.short_by) == ("fail", 2.0, 2.0)
    assert incomplete.reason == "not filled: card.licence, code.commit"
    dirty = gates.clean_gate("tidy", ("project/models.py",))
    assert dirty.verdict == "fail"
    assert dirty.reason == "not committed: project/models.py; commit or restore them"
    assert "f9 and 5 more;" in gates.clean_gate("tidy", tuple(f"f{i}" for i in range(15))).reason
    assert judge(Complete()).rule == incomplete.rule


def test_every_kind_of_the_settings_has_its_judge() -> None:
    assert set(gates._JUDGES) == set(settings.Gate.__args__)


def test_results_are_in_the_order_of_the_file() -> None:
    file = GateFile(gates={"z": Clean(), "a": Complete(), "m": Floor(metric="roc_auc", min=0.1)})
    assert [found.name for found in gates.judge(file, make_weighing(), PARITY)] == ["z", "a", "m"]


def of_verdict(verdict: str) -> manifest.GateResult:
    return msgspec.structs.replace(gates.clean_gate("it", ()), verdict=verdict)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (("pass",), "pass"),
        (("pass", "not applicable", "at release"), "pass"),
        (("pass", "inconclusive"), "inconclusive"),
        (("inconclusive", "fail", "pass"), "fail"),
        (("pass", "something else"), "inconclusive"),
        ((), "inconclusive"),
    ],
)
def test_only_proof_passes(verdicts: tuple[str, ...], overall: str) -> None:
    assert gates.verdict([of_verdict(verdict) for verdict in verdicts]) == overall


def refusal(gate: settings.Gate, metrics: settings.Metrics = METRICS, metric: str = "roc_auc") -> str:
    with pytest.raises(SettingsError) as problem:
        gates.check(GateFile(gates={"it": gate}), metrics, settings.Select(metric=metric))
    return str(problem.value)


def test_settings_that_can_be_judged_are_let_through() -> None:
    file = GateFile(gates={"a": Floor(metric="roc_auc", min=0.5), "b": NotWorse(metric="log_loss", margin=0.1)})
    gates.check(file, METRICS, settings.Select())


def test_a_gate_on_a_metric_that_is_not_measured_names_the_nearest() -> None:
    assert "config/gates.yaml: gates.it.metric: " in refusal(Floor(metric="roc_auk", min=0.5))
    assert "'roc_auk'; did you mean 'roc_auc'?" in refusal(Floor(metric="roc_auk", min=0.5))
    assert "'brier_score_loss'; expected one of roc_auc, accuracy, log_loss" in refusal(
        NotWorse(metric="brier_score_loss", margin=0)
    )
    with pytest.raises(SettingsError, match="'accuracy'; expected one of roc_auc, log_loss"):
        judge(Floor(metric="accuracy", min=0.5))


@pytest.mark.parametrize(("limits", "found"), [({}, "neither"), ({"min": 0.1, "max": 0.2}, "both")])
def test_a_floor_has_exactly_one_limit(limits: dict[str, float], found: str) -> None:
    gate = Floor(metric="roc_auc", **limits)
    assert f"gates.it: found {found} of min and max; expected exactly one" in refusal(gate)
    with pytest.raises(SettingsError, match="exactly one of min and max"):
        judge(gate)


def test_all_problems_of_the_settings_are_reported_at_once() -> None:
    metrics = settings.Metrics(names=("roc_auc", "acuracy", "roc_auc"))
    lines = refusal(Floor(metric="roc"), metrics, metric="brier_score_loss").splitlines()
    assert len(lines) == 5
    assert lines[0] == "config/config.yaml: metrics.names: found metric 'acuracy'; did you mean 'accuracy'?"
    assert "select.metric" in lines[1]
    assert "expected each once" in lines[2]


def test_the_table_has_a_row_a_gate_in_words_and_numbers() -> None:
    file = GateFile(gates={"useful": Floor(metric="roc_auc", min=0.72), "tidy": Clean()})
    rows = gates.table(gates.judge(file, make_weighing(), PARITY))
    assert rows[0] == ("useful", "roc_auc is at least 0.72 (its value on the test rows)", "0.7", "0.72", "fail", "0.02")
    assert rows[1] == ("tidy", "all that the release is made of is committed", "", "0", "at release", "")
    assert {len(row) for row in rows} == {len(gates.HEADER)}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (Floor(metric="roc_auc", min=0.7), Floor(metric="roc_auc", min=0.65), ["it: min went from 0.7 to 0.65"]),
        (Floor(metric="roc_auc", min=0.7), Floor(metric="roc_auc", min=0.75), []),
        (
            Floor(metric="brier_score_loss", max=0.2),
            Floor(metric="brier_score_loss", max=0.3),
            ["it: max went from 0.2 to 0.3"],
        ),
        (
            Floor(metric="brier_score_loss", max=0.2),
            Floor(metric="brier_score_loss", min=0.2),
            ["it: max 0.2 was removed"],
        ),
        (NotWorse(metric="f1", margin=0.0), NotWorse(metric="f1", margin=0.1), ["it: margin went from 0 to 0.1"]),
        (
            Budget(quantity="size_mib", max=5),
            Budget(quantity="load_seconds", max=5),
            ["it: replaced (kind budget, quantity size_mib, max 5 became kind budget, quantity load_seconds, max 5)"],
        ),
        (Complete(), Clean(), ["it: replaced (kind complete became kind clean)"]),
        (
            ParityGate(max_difference=1e-5),
            ParityGate(max_difference=1e-4, max_changed_decisions=2),
            ["it: max_difference went from 1e-05 to 0.0001", "it: max_changed_decisions went from 0 to 2"],
        ),
    ],
)
def test_a_loosened_limit_is_said_in_words(old: settings.Gate, new: settings.Gate, says: list[str]) -> None:
    assert list(gates.loosened({"it": old}, {"it": new})) == says
    assert list(gates.loosened({"it": msgspec.to_builtins(old)}, {"it": msgspec.to_builtins(new)})) == says


def test_a_removed_gate_is_said_and_a_renamed_one_is_not() -> None:
    old = {"useful": Floor(metric="roc_auc", min=0.7), "tidy": Clean()}
    assert gates.loosened(old, {"tidy": Clean()}) == ("useful: removed (kind floor, metric roc_auc, min 0.7)",)
    assert gates.loosened(old, {"good": old["useful"], "tidy": Clean(), "whole": Complete()}) == ()


def test_a_gate_of_an_unknown_kind_that_went_is_said() -> None:
    assert gates.loosened({"fair": {"kind": "fairness", "max": 0.1}}, {}) == ("fair: removed (kind fairness, max 0.1)",)


def test_a_default_left_out_is_no_change() -> None:
    old = {"it": {"kind": "parity", "max_difference": 1e-5}}
    assert gates.loosened(old, {"it": ParityGate(max_difference=1e-5)}) == ()


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_whatever_passes_a_loosened_floor_passed_or_the_limit_is_named(
    a: float, b: float, value: float, w: float
) -> None:
    """A floor that starts to let a model through has been loosened, and is reported."""
    weighing = make_weighing(metrics={"roc_auc": interval(value, value - w, value + w)})
    old, new = Floor(metric="roc_auc", min=a), Floor(metric="roc_auc", min=b)
    before, after = (gates.judge(GateFile(gates={"it": g}), weighing, PARITY)[0].verdict for g in (old, new))
    if (before, after) == ("fail", "pass"):
        assert gates.loosened({"it": old}, {"it": new})
