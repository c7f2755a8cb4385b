"""A refusal says by how much, on how many rows, and what to do next."""

import re
from typing import Any

import pytest

from weighbridge.manifest import GateResult, Gates
from weighbridge.stages.refusal import refusal, table


def gate(name: str, verdict: str, kind: str = "change", **fields: Any) -> GateResult:
    empty: dict[str, Any] = dict.fromkeys(("value", "bound", "limit", "short_by"))
    return GateResult(
        **({"name": name, "kind": kind, "verdict": verdict, "rule": f"rule of {name}", "reason": ""} | empty | fields)
    )


def judged(verdict: str, *results: GateResult, **fields: Any) -> Gates:
    return Gates(**({"verdict": verdict, "results": results, "gates_sha256": "", "loosened": ()} | fields))


INCONCLUSIVE = gate(
    "not_worse", "inconclusive", value=0.7181, baseline=0.7163, difference=0.0018, bound=-0.0071, limit=-0.005,
    low=-0.0071, high=0.0107, short_by=0.0021, rows=28_000, rows_needed=41_300, reason="the margin lies within",
)  # fmt: skip


def test_an_inconclusive_gate_is_shown_with_all_its_numbers() -> None:
    text = refusal(judged("inconclusive", INCONCLUSIVE), ())
    header, row = text.splitlines()[1:3]
    assert re.split(r"\s{2,}", header) == [
        "gate", "value", "baseline", "difference", "interval", "limit", "short by", "rows needed", "verdict",
    ]  # fmt: skip
    assert re.split(r"\s{2,}", row) == [
        "not_worse", "0.7181", "0.7163", "+0.0018", "-0.0071 to 0.0107", "-0.0050", "0.0021", "41,300", "inconclusive",
    ]  # fmt: skip
    assert text.startswith("no release: the verdict is inconclusive\n")
    assert "not_worse: rule of not_worse; the margin lies within" in text
    assert "41,300 rows" in text


def test_rows_are_asked_for_only_where_more_would_help() -> None:
    failed = gate("a", "fail", value=0.1, limit=0.2, rows_needed=500)
    assert not any("rows needed" in line for line in table((failed,)))


def test_columns_in_which_nothing_stands_are_left_out() -> None:
    lines = table((gate("a", "pass", value=1.0, limit=2.0), gate("bb", "fail", value=3.0, limit=2.0, short_by=1.0)))
    assert lines[0].split() == ["gate", "value", "limit", "short", "by", "verdict"]
    assert len({line.index(word) for line, word in zip(lines, ("verdict", "pass", "fail"), strict=True)}) == 1


def test_gates_that_hold_are_in_the_table_and_not_explained() -> None:
    text = refusal(judged("fail", gate("good", "pass", value=1.0), gate("bad", "fail", value=1.0)), ())
    assert "rule of good" not in text
    assert "rule of bad" in text
    assert re.search(r"^good\s", text, re.MULTILINE)


def test_what_is_not_committed_is_listed_once_each() -> None:
    dirty = gate("clean", "fail", "clean", value=2.0, limit=0.0, reason="not committed: a, b; commit or restore them")
    text = refusal(judged("fail", dirty), ("a", "b"))
    assert text.count("uncommitted: ") == 2
    assert text.endswith("Commit these files and run snakemake again.")


def test_what_waits_for_a_person_says_whom_and_how() -> None:
    reason = "not approved: major: a new major version; approvals/x.yaml: not committed"
    text = refusal(judged("needs approval", gate("asks", "needs approval", "approval", reason=reason)), ())
    assert reason in text
    assert "Let another person look, run 'weighbridge approve' and commit" in text


@pytest.mark.parametrize(("count", "words"), [(1, "one bundle"), (12, "12 bundles"), (None, "")])
def test_the_number_of_decisions_is_shown(count: int | None, words: str) -> None:
    text = refusal(judged("fail", gate("a", "fail"), test_decisions=count), ())
    assert ("have decided on" in text) == (count is not None)
    assert words in text


def test_loosened_limits_are_named() -> None:
    assert "a: min went from 0.7 to 0.6" in refusal(judged("fail", loosened=("a: min went from 0.7 to 0.6",)), ())
