import itertools
import re
from typing import Any

import msgspec
import pytest
from flights_sample import gate, make_gates, make_packaged, make_parts, make_verdict, make_weighing, part
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from weighbridge import manifest, settings
from weighbridge.evidence.advice import QUIET, advice, more_rows
from weighbridge.evidence.verdict_page import page

READER = MarkdownIt("commonmark").enable("table")
HOSTILE = "</td><script>alert(1)</script> | x\n\n# A heading\n---\n```\n[l](http://e.org) *b* `c` <!-- &amp; $x$"
KINDS = sorted(each.__struct_config__.tag for each in settings.Gate.__args__)


def text(**changes: Any) -> str:
    """The flights' page, with other fields in its gates."""
    gates = msgspec.structs.replace(make_gates(), **changes)
    return page(msgspec.structs.replace(make_verdict(), gates=gates), make_packaged(), make_weighing())


def headings(markdown: str) -> list[str]:
    tokens = READER.parse(markdown)
    return [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]


def worsened(value: Any) -> Any:
    """The same record with the worst that people may write wherever it holds text."""
    if isinstance(value, dict):
        return {name: worsened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [worsened(item) for item in value]
    return HOSTILE if isinstance(value, str) else value


def kinds(markdown: str) -> list[str]:
    found = [token.type for token in READER.parse(markdown)]
    return [kind for kind in found if kind not in {"paragraph_open", "paragraph_close", "inline"}]


def test_the_verdict_the_version_and_its_reasons_come_first() -> None:
    first, sentence, version, reasons, *_ = text().split("\n\n")
    assert first == "# flights 1.1.0: fail"
    assert sentence.startswith("**fail**. 3 gates stand in the way: `no-slice-worse` (fail), `small` (fail), ")
    assert version == "Version: **1.1.0**, minor, after `flights@v1.0.0`:"
    assert reasons == "- another algorithm: boosting instead of logistic"


def test_each_gate_that_does_not_pass_is_explained_with_what_to_do() -> None:
    found = text()
    assert {"`no-step-back`: inconclusive", "`small`: fail", "`no-slice-worse`: fail"} <= set(headings(found))
    for expected in (
        "value 0.7181, baseline 0.7163, difference +0.0018, interval -0.0071 to 0.0107, limit -0.0050",
        "About 41,300 rows would settle it four times in five, 28,000 are there.",
        "What to do: Take a smaller model or fewer inputs",
        "1.05 times",
    ):
        assert expected in found, expected


def test_parts_self_test_approvals_and_how_often_the_rows_have_decided_are_shown() -> None:
    found = text()
    for expected in (
        "| `carrier=MQ` | **fail** | 2,170 |", "fewer than 1,000 rows", "| `drift of wind_gust` | **warn** |",
        "**1 of 2 damages went through.**", "| `fast` | latency tripled | **no** |", "Grace Example",
        "- loosened: small: max went from 0.8 to 1", "weighbridge approve", "decided on 3 bundles",
    ):  # fmt: skip
        assert expected in found, expected


def test_a_pass_says_so_and_explains_nothing() -> None:
    results = tuple(result for result in make_gates().results if result.verdict in QUIET)
    found = text(verdict="pass", results=results, self_test=(), needs_approval=(), loosened=(), approvals=())
    assert "**pass**. Every gate passed or did not apply." in found
    assert not {"What stands in the way", "Needs approval", "Self-test", "Approvals"} & set(headings(found))


def test_no_gates_are_told() -> None:
    found = text(verdict="inconclusive", results=(), self_test=(), needs_approval=())
    assert "**inconclusive**. There are no gates." in found


def test_parts_that_stand_in_the_way_come_first_and_the_rest_is_counted() -> None:
    result = gate("many", "slices", "fail", "none is worse", parts=make_parts(200))
    found = text(results=(result,))
    rows = re.findall(r"^\| `(?:carrier|origin)=.*", found, re.MULTILINE)
    assert len(rows) == 60
    assert "**fail**" in rows[0]
    assert "And 140 more, in the record of the verdict." in found


def test_columns_of_parts_that_hold_nothing_are_left_out() -> None:
    found = text(results=(gate("rows-hold", "data", "pass", "", parts=(part("unique_ids", "pass"),)),))
    assert "| part | verdict |\n" in found


def test_no_word_of_others_breaks_out_of_its_place() -> None:
    calm = make_verdict()
    wild = msgspec.convert(worsened(msgspec.to_builtins(calm)), manifest.Verdict)
    # A verdict and a kind are words of ours, and decide what is on the page.
    results = tuple(
        msgspec.structs.replace(bad, verdict=good.verdict, kind=good.kind)
        for bad, good in zip(wild.gates.results, calm.gates.results, strict=True)
    )
    wild = msgspec.structs.replace(wild, gates=msgspec.structs.replace(wild.gates, results=results))
    packaged = make_packaged(name=HOSTILE, champion=HOSTILE)
    found = page(wild, packaged, make_weighing(group_by=HOSTILE))
    usual = [kind for kind in kinds(text()) if "list_item" not in kind]
    assert [kind for kind in kinds(found) if "list_item" not in kind] == usual
    inner = [child.type for token in READER.parse(found) for child in token.children or []]
    assert not {"html_inline", "link_open", "image"} & set(inner)
    assert "<script>" not in READER.render(found)


def test_the_same_records_give_the_same_page() -> None:
    assert text() == text()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verdict", ["fail", "inconclusive", "needs approval"])
def test_every_kind_that_stands_in_the_way_says_what_to_do(kind: str, verdict: str) -> None:
    assert advice(gate("a", kind, verdict, "", low=0.1, high=0.2))
    assert advice(gate("a", kind, verdict, ""))


def test_a_comparison_that_counts_classes_unknown_to_the_last_release_says_so() -> None:
    compared = make_weighing().comparison
    assert compared is not None
    weighing = make_weighing(comparison=msgspec.structs.replace(compared, unknown_labels=("diverted", "a<b>")))
    said = "The comparison counts classes that flights@v1.0.0 couldn't name, diverted, a"
    assert said in READER.render(page(make_verdict(), make_packaged(), weighing))
    assert "<b>" not in READER.render(page(make_verdict(), make_packaged(), weighing))
    assert "couldn't name" not in text()


@pytest.mark.parametrize("kind", ["change", "slices", "churn", "budget"])
def test_what_to_do_where_the_last_release_predicts_something_else(kind: str) -> None:
    reason = "m@v1.0.0 can't be compared with: it predicts in k€, this in €"
    said = advice(msgspec.structs.replace(gate("not_worse", kind, "inconclusive", ""), reason=reason))
    for words in (
        "Take the gate out of config/gates.yaml",
        "inconclusive: approve",
        "weighbridge approve",
        "than the author",
    ):
        assert words in said


@pytest.mark.parametrize("verdict", QUIET)
def test_what_does_not_stand_in_the_way_needs_no_advice(verdict: str) -> None:
    assert advice(gate("a", "absolute", verdict, "")) == ""


@given(st.one_of(st.none(), st.integers(0, 10**12)), st.one_of(st.none(), st.integers(1, 10**12)))
def test_rows_needed_are_told_only_where_known(rows: int | None, needed: int | None) -> None:
    result = gate("a", "change", "inconclusive", "", low=-1.0, high=1.0, rows=rows, rows_needed=needed)
    assert (more_rows(result) == "") == (needed is None)
    assert "can't tell" in advice(result)
