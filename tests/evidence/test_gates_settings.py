"""Settings that could never be judged are refused before any job runs."""

from typing import Any

import pytest

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence import gates
from weighbridge.settings import (
    Absolute,
    ApprovalGate,
    Budget,
    CalibrationGate,
    Change,
    Churn,
    Clean,
    DataGate,
    Documents,
    GateFile,
    OwnMetric,
    Slices,
)

METRICS = settings.Metrics(names=("roc_auc", "accuracy", "log_loss"))


def check(gate: settings.Gate, metrics: settings.Metrics = METRICS, name: str = "it", **cost: Any) -> None:
    gates.check(GateFile(gates={name: gate}), metrics, settings.Select(metric="roc_auc"), **cost)


@pytest.mark.parametrize(
    "gate",
    [
        Absolute(metric="roc_auc", min=0.5),
        Change(metric="log_loss"),
        Change(metric="accuracy", test="equivalent", margin=0.1),
        Slices(metric="accuracy", columns=("a",), crossings=(("a", "b"),), must_pass=({"a": "x"},), max_gap=0.1),
        CalibrationGate(metric="expected_calibration_error", max=0.1),
        Churn(cases="config/cases.csv"),
        Budget(quantity="latency_ms_p95", max=5.0, max_ratio=2.0),
        Budget(quantity="rows_per_second", min=5.0),
        Budget(quantity="rows_per_second", min_ratio=0.8),
        DataGate(checks=(), max_psi=0.1),
        Documents(sections=(), max_age_days=3),
        ApprovalGate(),
        Clean(),
    ],
)
def test_settings_that_can_be_judged_are_let_through(gate: settings.Gate) -> None:
    check(gate)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Absolute(metric="roc_auk", min=0.5),
            "gates.it.metric: found metric that isn't measured: 'roc_auk'; did you mean 'roc_auc'?"),
        (Change(metric="f1"),
            "gates.it.metric: found metric that isn't measured: 'f1'; expected one of roc_auc, accuracy, log_loss"),
        (Slices(metric="f1", columns=("a",)), "gates.it.metric: found metric that isn't measured: 'f1'"),
        (Absolute(metric="roc_auc"), "gates.it: found neither of min and max; expected exactly one of them"),
        (Absolute(metric="roc_auc", min=0.1, max=0.2), "gates.it: found both of min and max; expected exactly one"),
        (Change(metric="roc_auc", test="equivalent"), "expected a margin above 0"),
        (Change(metric="roc_auc", confidence=0.5), "found confidence 0.5, no more than a coin's; expected more"),
        (Slices(metric="roc_auc"), "found none of columns, crossings and must_pass; expected at least one"),
        (Slices(metric="roc_auc", crossings=(("a", "a"),)), "found crossing ['a', 'a']; expected different columns"),
        (Slices(metric="roc_auc", columns=("a", "a")), "found columns ['a', 'a']; expected each once"),
        (Slices(metric="roc_auc", must_pass=({},)), "found an empty slice in must_pass"),
        (Slices(metric="roc_auc", must_pass=({"a": "x"},), max_gap=0.1), "found max_gap without columns or crossings"),
        (CalibrationGate(metric="log_loss"), "found log_loss without max; expected max alone"),
        (CalibrationGate(metric="bias", min=0.1, max=0.2), "found bias with min; expected max alone"),
        (CalibrationGate(metric="bias", max=-0.1), "found max -0.1; expected a number above 0"),
        (CalibrationGate(metric="interval_coverage"), "found neither of min and max; expected at least one"),
        (CalibrationGate(metric="interval_coverage", min=0.9, max=0.8), "expected min below max"),
        (Churn(), "found none of max_negative_flips, max_times_noise and cases; expected at least one"),
        (Budget(quantity="size_mib"), "found none of max, min, max_ratio and min_ratio; expected at least one"),
        (Budget(quantity="size_mib", min=1.0), "found min for size_mib, of which less is better"),
        (Budget(quantity="rows_per_second", max=1.0), "max for rows_per_second, of which more is better; expected min"),
        (Budget(quantity="rows_per_second", min=1.0, max_ratio=1.0),
            "found max_ratio for rows_per_second, of which more is better; expected min_ratio"),
        (Budget(quantity="latency_ms_p95", min_ratio=1.0),
            "found min_ratio for latency_ms_p95, of which less is better; expected max_ratio"),
        (DataGate(checks=()), "found neither checks nor max_psi; expected at least one"),
        (Documents(sections=()), "found neither sections nor max_age_days; expected at least one"),
        (ApprovalGate(required_for=()), "found nothing in required_for; expected at least one of"),
    ],
)  # fmt: skip
def test_a_gate_that_could_never_be_judged_is_refused(gate: settings.Gate, says: str) -> None:
    with pytest.raises(SettingsError) as problem:
        check(gate)
    assert says in str(problem.value)
    assert str(problem.value).startswith("config/gates.yaml: gates.it")


@pytest.mark.parametrize(
    "gate", [CalibrationGate(metric="bias", max=0.1), CalibrationGate(metric="interval_coverage", min=0.9, max=0.99)]
)
def test_calibration_of_numbers_is_refused_for_classes(gate: CalibrationGate) -> None:
    """Else it would be told by ``judge``, after hours of training."""
    with pytest.raises(SettingsError) as problem:
        check(gate)
    assert str(problem.value) == (
        f"config/gates.yaml: gates.it.metric: found {gate.metric!r}, which a binary task doesn't have; expected one of "
        "expected_calibration_error, brier_score_loss, log_loss"
    )


def test_calibration_of_numbers_is_their_bias() -> None:
    check_numbers(CalibrationGate(metric="bias", max=0.1))
    with pytest.raises(SettingsError, match="'interval_coverage', which needs predicted intervals"):
        check_numbers(CalibrationGate(metric="interval_coverage", min=0.9))
    numbers = settings.Metrics(names=("r2", "interval_coverage"))
    with pytest.raises(SettingsError, match=r"metrics\.names: found 'interval_coverage', which needs"):
        gates.check(GateFile(gates={"it": Clean()}), numbers, settings.Select(metric="r2"), task="regression")


def check_numbers(gate: settings.Gate, metric: str = "r2") -> None:
    names = settings.Metrics(names=("r2", "bias"))
    gates.check(GateFile(gates={"it": gate}), names, settings.Select(metric=metric), task="regression")


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Churn(max_negative_flips=0.1), "found kind 'churn', but a regression makes no decisions"),
        (Absolute(metric="bias", min=-1.0), "found bias with min, but it is best at 0; expected max"),
        (Absolute(metric="bias", max=-1.0), "found max -1; expected a number above 0"),
        (CalibrationGate(metric="log_loss", max=0.1), "found 'log_loss', which a regression task doesn't have"),
        (Absolute(metric="accuracy", min=0.1), "metric that isn't measured: 'accuracy'"),
    ],
)
def test_gates_that_make_no_sense_of_numbers_are_refused(gate: settings.Gate, says: str) -> None:
    check_numbers(Absolute(metric="bias", max=1.0))
    with pytest.raises(SettingsError, match=says):
        check_numbers(gate)


def test_a_bias_chooses_no_champion() -> None:
    with pytest.raises(SettingsError, match=r"select\.metric: found 'bias', best at 0 and not below"):
        check_numbers(Clean(), metric="bias")


def test_a_noise_floor_of_folds_is_refused() -> None:
    check(Churn(max_negative_flips=0.1), folds=True)
    with pytest.raises(
        SettingsError, match="found max_times_noise, but in a cross-validation each seed has other rows"
    ):
        check(Churn(max_times_noise=2.0), folds=True)


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"config/config.yaml: metrics.names: found metric 'r2'; "):
        check(Clean(), settings.Metrics(names=("roc_auc", "r2")))


def test_all_problems_of_the_settings_are_reported_at_once() -> None:
    metrics = settings.Metrics(names=("roc_auc", "acuracy", "roc_auc"))
    file = GateFile(gates={"it": Absolute(metric="roc")})
    with pytest.raises(SettingsError) as problem:
        gates.check(file, metrics, settings.Select(metric="brier_score_loss"))
    lines = str(problem.value).splitlines()
    assert len(lines) == 5
    assert lines[0] == "config/config.yaml: metrics.names: found metric 'acuracy'; did you mean 'accuracy'?"
    assert "select.metric" in lines[1]
    assert "expected each once" in lines[2]
    assert "gates.it.metric" in lines[3]
    assert "found neither of min and max" in lines[4]


def test_own_metrics_are_known() -> None:
    own = {"profit": OwnMetric(function="shop.money:profit")}
    check(Absolute(metric="profit", min=1.0), settings.Metrics(names=("roc_auc", "profit"), own=own))
    with pytest.raises(SettingsError, match="'profit'; expected one of roc_auc"):
        check(Absolute(metric="profit", min=1.0), settings.Metrics(names=("roc_auc",), own=own))


def test_an_own_metric_may_not_hide_one_that_is_there() -> None:
    own = {"accuracy": OwnMetric(function="shop.money:profit")}
    with pytest.raises(SettingsError, match=r"metrics\.own: found 'accuracy', the name of a metric that is there"):
        check(Clean(), settings.Metrics(names=("roc_auc", "accuracy"), own=own))


def test_the_name_of_the_self_test_is_taken() -> None:
    with pytest.raises(SettingsError, match=r"gates\.self_test: found the name of the self-test's own result"):
        check(Clean(), name="self_test")


def test_a_limit_on_a_price_takes_a_price() -> None:
    gate = Budget(quantity="training_price", max=5.0)
    check(gate)
    check(gate, cost=settings.Cost(cpu_hour=0.1))
    with pytest.raises(SettingsError, match=r"cost\.cpu_hour is 0; expected the price of a core for an hour"):
        check(gate, cost=settings.Cost())


def test_the_columns_that_gates_need_are_named_once() -> None:
    slices = Slices(metric="f1", columns=("a",), crossings=(("a", "b"),), must_pass=({"c": "x"},), group_by="day")
    file = GateFile(
        gates={"s": slices, "t": Clean(), "u": Absolute(metric="f1", min=0.1, group_by=""), "v": Change(metric="f1")}
    )
    assert gates.columns(file) == {"s": ("a", "b", "c", "day")}
