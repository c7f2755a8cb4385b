"""What gates come to together, and what is refused before any is judged."""

import dataclasses
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from gate_evidence import judge, make_evidence, make_rows, replace, with_rows

from weighbridge import manifest, settings
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import gates
from weighbridge.evidence.gates import judging
from weighbridge.evidence.gates.results import part, result
from weighbridge.settings import Absolute, Change, Churn, Clean, Complete, GateFile

ABSOLUTE = Absolute(metric="roc_auc", min=0.7)


def test_checking_settings_loads_no_numpy() -> None:
    """Snakemake starts often."""
    code = "import sys, weighbridge.evidence.gates; sys.exit(bool({'numpy', 'scipy', 'pandas'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_kind_of_the_settings_has_its_judge() -> None:
    assert set(judging.JUDGES) == set(settings.Gate.__args__)


def test_results_are_in_the_order_of_the_file() -> None:
    file = GateFile(gates={"z": Clean(), "a": Complete(), "m": ABSOLUTE})
    assert [found.name for found in gates.judge(file, make_evidence())] == ["z", "a", "m"]


def test_no_gates_at_all_is_an_error() -> None:
    for function in (gates.judge, gates.self_test):
        with pytest.raises(SettingsError, match="found no gates, which lets everything through; expected at least one"):
            function(GateFile(gates={}), make_evidence())


def test_equal_evidence_gives_equal_results() -> None:
    file = GateFile(gates={"a": ABSOLUTE, "c": Change(metric="accuracy", margin=0.02, group_by="day")})
    assert gates.judge(file, make_evidence()) == gates.judge(file, make_evidence())


def test_a_gate_is_judged_alike_whatever_stands_beside_it() -> None:
    alone = judge(ABSOLUTE)
    file = GateFile(gates={"it": ABSOLUTE, "c": Change(metric="log_loss"), "a": Change(metric="accuracy")})
    assert gates.judge(file, make_evidence())[0] == alone


def of_verdict(verdict: str, name: str = "it", kind: str = "clean") -> manifest.GateResult:
    return result(name, kind, "a rule", verdict)


@pytest.mark.parametrize(
    ("verdicts", "overall"),
    [
        (("pass",), "pass"),
        (("pass", "not applicable", "at release"), "pass"),
        (("pass", "inconclusive"), "inconclusive"),
        (("inconclusive", "fail", "pass"), "fail"),
        (("needs approval", "pass"), "needs approval"),
        (("needs approval", "inconclusive"), "inconclusive"),
        (("pass", "something else"), "inconclusive"),
        ((), "inconclusive"),
    ],
)
def test_only_proof_passes(verdicts: tuple[str, ...], overall: str) -> None:
    assert gates.verdict([of_verdict(verdict) for verdict in verdicts]) == overall


def test_what_needs_approval_waits_for_the_approval_gate() -> None:
    passed, asked = of_verdict("pass"), of_verdict("at release", kind="approval")
    assert gates.verdict([passed, asked], ("major: a new major version",)) == "needs approval"
    assert gates.verdict([passed, asked], ()) == "pass"
    assert gates.verdict([passed, replace(asked, verdict="needs approval")], ("major: x",)) == "needs approval"
    assert gates.verdict([passed, replace(asked, verdict="pass")], ("major: x",)) == "pass"


def test_an_inconclusive_gate_that_asks_waits_with_the_others() -> None:
    undecided, asked = of_verdict("inconclusive"), of_verdict("at release", "ask", kind="approval")
    assert gates.verdict([undecided, asked], ("inconclusive: it",)) == "needs approval"
    assert gates.verdict([undecided, asked], ("inconclusive: other",)) == "inconclusive"
    assert gates.verdict([undecided, replace(asked, verdict="pass")], ("inconclusive: it",)) == "pass"
    assert gates.verdict([undecided, of_verdict("fail"), asked], ("inconclusive: it",)) == "fail"


def test_the_table_has_a_row_a_gate_in_words_and_numbers() -> None:
    file = GateFile(gates={"useful": Absolute(metric="roc_auc", min=0.99), "tidy": Clean()})
    rows = gates.table(gates.judge(file, make_evidence()))
    assert rows[0][:2] == ("useful", "roc_auc is at least 0.99 (lower bound, 95 % confidence)")
    assert rows[0][3:5] == ("0.99", "fail")
    assert float(rows[0][5]) > 0.1
    assert rows[1] == ("tidy", "all that the release is made of is committed", "", "0", "at release", "")
    assert {len(row) for row in rows} == {len(gates.HEADER)}


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["new", "old"])
@pytest.mark.parametrize("gate", [ABSOLUTE, Change(metric="accuracy", margin=1.0), Churn(max_negative_flips=0.9)])
def test_predictions_that_are_no_numbers_are_refused(gate: settings.Gate, side: str, bad: float) -> None:
    rows = make_rows(400)
    broken = np.array(getattr(rows, side))
    broken[[7, 9]] = bad
    changes: dict[str, Any] = {side: broken}
    with pytest.raises(DataError, match=r"2 of 400 .* are NaN or infinite, the first in test row 7"):
        judge(gate, make_evidence(dataclasses.replace(rows, **changes)))


def test_test_rows_of_one_class_are_refused() -> None:
    evidence = with_rows(make_evidence(make_rows(300)), y=np.ones(300, dtype=np.int64))
    with pytest.raises(DataError, match="all 300 outcomes of the test rows are 1; expected several classes"):
        judge(ABSOLUTE, evidence)


def test_a_metric_of_another_task_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"a metric that a binary task doesn't have: 'r2'"):
        judge(Absolute(metric="r2", min=0.5))


@pytest.mark.parametrize("gate", [Absolute(metric="f1", min=0.1, group_by="dya"), Change(metric="f1", group_by="dya")])
def test_an_unknown_group_column_names_the_nearest(gate: settings.Gate) -> None:
    with pytest.raises(SettingsError, match="found group_by column 'dya'; did you mean 'day'"):
        judge(gate)


OWN = {"words": settings.OwnMetric(function="own_metrics:words"), "lost": settings.OwnMetric(function="own_metrics:no")}


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Absolute(metric="r2", min=0.5), "found a gate on a metric that a binary task doesn't have: 'r2'"),
        (Change(metric="f1", group_by="dya"), "found group_by column 'dya'"),
        (settings.CalibrationGate(metric="bias", max=0.1), "found a gate on a metric that a binary task doesn't have"),
        (settings.Slices(metric="f1", columns=("sight",)), "found slice column 'sight'"),
        (settings.Slices(metric="r2", columns=("site",)), "found a gate on a metric that a binary task doesn't have"),
        (Churn(max_negative_flips=0.1, group_by="dya"), "found group_by column 'dya'"),
        (Absolute(metric="words", min=0.5), "metric words (own_metrics:words) gives a str"),
        (Absolute(metric="lost", min=0.5), ""),
    ],
)
def test_what_is_wrong_with_a_gate_names_that_gate_and_no_other(gate: settings.Gate, says: str) -> None:
    file = GateFile(gates={"fine": ABSOLUTE, "compared": Change(metric="accuracy"), "wrong": gate, "tidy": Clean()})
    for rows in (make_rows(300), make_rows(300, old_noise=None)):
        with pytest.raises((SettingsError, DataError)) as problem:
            gates.judge(file, make_evidence(dataclasses.replace(rows, own=OWN)))
        assert str(problem.value).startswith(f"config/gates.yaml: gates.wrong: {says}")
        assert str(problem.value).count("gates.wrong") == 1


def test_the_self_test_names_the_gate_too() -> None:
    file = GateFile(gates={"fine": ABSOLUTE, "wrong": settings.Slices(metric="f1", columns=("sight",))})
    with pytest.raises(SettingsError, match=r"^config/gates\.yaml: gates\.wrong: found slice column 'sight'"):
        gates.self_test(file, make_evidence())


def test_one_group_only_is_refused() -> None:
    rows = make_rows(300)
    evidence = make_evidence(dataclasses.replace(rows, columns={"day": np.full(300, "monday")}, group_by="day"))
    with pytest.raises(DataError, match="group"):
        judge(ABSOLUTE, evidence)


def test_no_record_holds_a_number_that_is_not_finite() -> None:
    found = result("it", "clean", "a rule", "fail", value=float("nan"), low=float("inf"), limit=1.0)
    assert (found.value, found.low, found.limit) == (None, None, 1.0)
    assert part("it", "fail", value=float("nan"), rows=3).value is None
