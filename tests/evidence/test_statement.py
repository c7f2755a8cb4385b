"""The verdict as others read it: an in-toto statement that never says more than the gates do."""

import json
from typing import Any

import msgspec
import pytest
from flights_sample import gate, make_gates, make_packaged, make_weighing, part
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import manifest
from weighbridge.evidence import statement

VERDICTS = ("pass", "fail", "inconclusive", "not applicable", "at release", "needs approval")


def judged(verdict: str, *results: manifest.GateResult) -> manifest.Gates:
    return manifest.Gates(verdict=verdict, results=results, gates_sha256="5" * 64, loosened=())


def predicate(gates: manifest.Gates) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(statement.statement(gates, make_packaged()))["predicate"]
    return found


def test_it_is_a_statement_about_each_file_of_the_bundle() -> None:
    packaged = make_packaged()
    found = json.loads(statement.statement(make_gates("pass"), packaged))
    assert found["_type"] == "https://in-toto.io/Statement/v1"
    assert found["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert found["subject"] == [
        {"name": f"models/flights/{file.path}", "digest": {"sha256": file.sha256}} for file in packaged.artifacts.files
    ]
    assert set(found) == {"_type", "subject", "predicateType", "predicate"}


def test_it_names_the_gates_and_the_test_rows_by_digest() -> None:
    weighing = make_weighing()
    found = json.loads(statement.statement(make_gates(), make_packaged(), weighing))["predicate"]["configuration"]
    assert [(each["name"], each["digest"]["sha256"]) for each in found] == [
        ("config/gates.yaml", make_gates().gates_sha256),
        ("data/processed/test.parquet", weighing.test_sha256),
    ]


def test_each_gate_that_was_judged_is_in_one_list() -> None:
    found = predicate(judged("fail", *(gate(verdict, "absolute", verdict, "a rule") for verdict in VERDICTS)))
    assert found["result"] == "FAILED"
    assert found["passedTests"] == ["pass"]
    assert found["warnedTests"] == []
    assert found["failedTests"] == ["fail", "inconclusive", "needs approval"]


def test_all_gates_passed_is_passed() -> None:
    found = predicate(judged("pass", gate("a", "absolute", "pass", ""), gate("b", "change", "not applicable", "")))
    assert (found["result"], found["passedTests"], found["failedTests"]) == ("PASSED", ["a"], [])


def test_a_drift_that_only_warns_is_warned() -> None:
    drift = gate("rows", "data", "pass", "", parts=(part("drift of wind_gust", "warn", value=0.3),))
    found = predicate(judged("pass", drift, gate("a", "absolute", "pass", "")))
    assert (found["result"], found["warnedTests"], found["passedTests"]) == ("WARNED", ["rows"], ["a"])


def test_a_gate_that_could_not_tell_and_was_approved_is_warned() -> None:
    found = predicate(judged("pass", gate("a", "change", "inconclusive", ""), gate("b", "approval", "pass", "")))
    assert (found["result"], found["warnedTests"], found["failedTests"]) == ("WARNED", ["a"], [])


@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "needs approval", "anything else"])
def test_whatever_is_no_pass_is_failed(verdict: str) -> None:
    assert predicate(judged(verdict, gate("a", "absolute", "pass", "")))["result"] == "FAILED"


@given(st.sampled_from(VERDICTS), st.lists(st.sampled_from(VERDICTS), max_size=6))
def test_passed_is_said_of_a_pass_alone(verdict: str, verdicts: list[str]) -> None:
    results = [gate(f"g{i}", "absolute", found, "") for i, found in enumerate(verdicts)]
    found = predicate(judged(verdict, *results))
    assert (found["result"] == "FAILED") == (verdict != "pass")
    named = [*found["passedTests"], *found["warnedTests"], *found["failedTests"]]
    assert sorted(named) == sorted(r.name for r in results if r.verdict not in {"not applicable", "at release"})


def test_the_same_verdict_gives_the_same_bytes_whatever_the_order_of_files() -> None:
    packaged = make_packaged()
    files = tuple(reversed(packaged.artifacts.files))
    other = msgspec.structs.replace(packaged, artifacts=msgspec.structs.replace(packaged.artifacts, files=files))
    assert statement.statement(make_gates(), packaged) == statement.statement(make_gates(), other)
