"""What people have to say: documents, approvals, and what only the release can know."""

import datetime as dt
from typing import Any

import msgspec
import pytest
from gate_evidence import judge, replace
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import manifest, settings
from weighbridge.errors import SettingsError
from weighbridge.evidence import gates
from weighbridge.evidence.gates.documents import is_filled
from weighbridge.evidence.gates.results import result
from weighbridge.settings import ApprovalGate, Clean, Complete, Documents, GateFile

TODAY = dt.date(2026, 5, 1)
CARD = settings.Card(
    owner="Ada Example <ada@example.org>",
    project="Flights",
    description="Foretells late departures.",
    intended_use="To warn passengers. Not for pricing.",
    business_requirements="Rank late flights above punctual ones.",
    limitations="Knows New York only.",
)
ASK = ApprovalGate()


@pytest.mark.parametrize(
    "text",
    [
        "", " \n", "TODO", "todo.", "To do", "TBD", "tba", "...", "…", "-", "?", "???", "n/a", "N/A", "none",
        "fill in", "Fill me in!", "<what it is for>", "<owner>", "{{ intended_use }}", "[describe here]", "TODO: write",
        "tbd, ask Ada", "FIXME", "xxx", "lorem ipsum dolor sit amet", "To be defined", "please describe", "*TODO*",
    ],
)  # fmt: skip
def test_a_placeholder_is_no_text(text: str) -> None:
    assert not is_filled(text)


@pytest.mark.parametrize(
    "text",
    [
        "To warn passengers.", "Ada Example <ada@example.org>", "MIT", "None of the other airports are known.",
        "Fills in missing times.", "Tells <what was said> of a flight", "Todos of a team are ranked", "KI",
        "Unknown carriers are refused.", "für Fluggäste", "予測",
    ],
)  # fmt: skip
def test_words_are(text: str) -> None:
    assert is_filled(text)


@given(st.text(max_size=40))
def test_any_text_is_one_or_the_other(text: str) -> None:
    assert is_filled(text) in {True, False}


def test_documents_are_judged_at_release() -> None:
    gate = Documents(max_age_days=90)
    found = judge(gate)
    assert found.verdict == "at release"
    finished = gates.documents_gate("it", gate, replace(CARD, reviewed="2026-03-01"), TODAY)
    assert (finished.verdict, finished.value, finished.limit, finished.rule) == ("pass", 61.0, 90.0, found.rule)
    assert len(finished.parts) == 5


def test_a_section_that_is_not_filled_is_named() -> None:
    found = gates.documents_gate("it", Documents(), replace(CARD, limitations="TODO", intended_use=" "), TODAY)
    assert found.verdict == "fail"
    assert found.reason == "card.intended_use not filled; card.limitations not filled. Edit card in config/config.yaml"
    assert gates.documents_gate("it", Documents(sections=("owner",)), replace(CARD, limitations=""), TODAY).verdict == (
        "pass"
    )


@pytest.mark.parametrize(
    ("reviewed", "verdict", "says"),
    [
        ("2026-04-30", "pass", ""),
        ("2026-01-31", "pass", ""),
        ("2026-01-30", "fail", "card.reviewed is 91 days ago, at most 90 are allowed"),
        ("2026-05-02", "fail", "card.reviewed is 2026-05-02, a day to come"),
        (None, "fail", "card.reviewed isn't set"),
    ],
)
def test_a_card_grows_old(reviewed: str | None, verdict: str, says: str) -> None:
    found = gates.documents_gate("it", Documents(max_age_days=90), replace(CARD, reviewed=reviewed), TODAY)
    assert found.verdict == verdict
    assert says in found.reason


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="found '2026-02-31'; expected a day of the calendar"):
        gates.documents_gate("it", Documents(max_age_days=90), replace(CARD, reviewed="2026-02-31"), TODAY)


def test_what_only_the_release_can_know_is_finished_there() -> None:
    assert judge(Complete()).verdict == judge(Clean()).verdict == judge(ASK).verdict == "at release"
    assert gates.complete_gate("whole", ()).verdict == "pass"
    assert gates.clean_gate("tidy", ()).verdict == "pass"
    incomplete = gates.complete_gate("whole", ("card.licence", "code.commit"))
    assert (incomplete.verdict, incomplete.value, incomplete.short_by) == ("fail", 2.0, 2.0)
    assert incomplete.reason == "not filled: card.licence, code.commit"
    dirty = gates.clean_gate("tidy", ("project/models.py",))
    assert (dirty.verdict, dirty.reason) == ("fail", "not committed: project/models.py; commit or restore them")
    assert "f9 and 5 more;" in gates.clean_gate("tidy", tuple(f"f{i}" for i in range(15))).reason
    assert judge(Complete()).rule == incomplete.rule


def undecided(name: str = "it") -> manifest.GateResult:
    return result(name, "change", "a rule", "inconclusive")


def asking(inconclusive: Any = "approve", ask: ApprovalGate = ASK) -> GateFile:
    return GateFile(gates={"it": settings.Change(metric="f1", inconclusive=inconclusive), "ask": ask})


def test_what_needs_approval_is_said_in_words() -> None:
    found = gates.needs_approval(asking(), [undecided()], ["it: margin went from 0 to 0.1"], "major", "minor for major")
    assert found == (
        "major: a new major version",
        "loosened: it: margin went from 0 to 0.1",
        "inconclusive: it",
        "lowered: minor for major",
    )
    assert gates.needs_approval(asking(), [], [], "minor") == ()


def test_only_what_an_approval_gate_asks_for_needs_approval() -> None:
    file = asking(ask=ApprovalGate(required_for=("loosened",)))
    assert gates.needs_approval(file, [undecided()], ["x"], "major") == ("loosened: x",)
    without = GateFile(gates={"it": settings.Change(metric="f1", inconclusive="approve")})
    assert gates.needs_approval(without, [undecided()], [], "major") == ()


@pytest.mark.parametrize("ask", [Clean(), ApprovalGate(required_for=("major",)), ApprovalGate(required_for=())])
def test_loosening_and_lowering_need_approval_whatever_the_gates_say(ask: settings.Gate) -> None:
    found = gates.needs_approval(GateFile(gates={"ask": ask}), [], ["x"], "patch", "y")
    assert found == ("loosened: x", "lowered: y")


def test_a_major_version_is_approved_for_its_reasons() -> None:
    def major(*reasons: str) -> str:
        (words,) = gates.needs_approval(asking(), [], [], "major", reasons=reasons)
        return words

    assert major("input a removed", "another\n  use") == "major: input a removed; another use"
    long = "x" * 199
    assert major(long, "one") != major(long, "two"), "what was cut off counts as well"
    assert len(major(long, "one")) < 230
    assert "\n" not in major("one\ntwo")


def test_an_inconclusive_gate_asks_only_by_its_policy_and_blocks_otherwise() -> None:
    blocked = gates.needs_approval(asking("block"), [undecided()], [], "patch")
    assert (blocked, gates.verdict([undecided()], blocked)) == ((), "inconclusive")
    asked = gates.needs_approval(asking(), [undecided()], [], "patch")
    assert gates.verdict([undecided()], asked) == "needs approval"
    file = GateFile(gates={"it": settings.Change(metric="f1", inconclusive="approve")})
    nobody = gates.needs_approval(file, [undecided()], [], "patch")
    assert gates.verdict([undecided()], nobody) == "inconclusive", "there is no gate to wait for"


def test_taking_the_approval_gate_away_needs_the_approval_that_it_asked_for() -> None:
    file = GateFile(gates={"tidy": Clean()})
    old = {"ask": {"kind": "approval"}, "tidy": {"kind": "clean"}}
    loosened = gates.loosened(old, file.gates)
    assert loosened == ("ask: removed (kind approval)",)
    found = gates.needs_approval(file, [], loosened, "patch", old_gates=old)
    assert found == ("loosened: ask: removed (kind approval)",)
    assert gates.verdict([gates.clean_gate("tidy", ())], found) == "needs approval"


def approval(*words: str, who: str = "Bea <bea@example.org>") -> manifest.Approval:
    return manifest.Approval(content_sha256="0" * 64, approver=who, approves=words, reason="fine", when="2026-05-01")


def test_an_approval_gate_passes_where_everything_is_approved() -> None:
    needed = ("major: a new major version", "loosened: x")
    found = gates.approval_gate("ask", ASK, needed, [approval(*needed)])
    assert (found.verdict, found.value, found.reason) == ("pass", 0.0, "approved by Bea <bea@example.org>")
    both = [approval(needed[0]), approval(needed[1], who="Cy <cy@example.org>")]
    assert gates.approval_gate("ask", ASK, needed, both).verdict == "pass"


def test_an_approval_gate_names_what_is_missing_and_why() -> None:
    needed = ("major: a new major version", "loosened: x")
    problem = "approvals/a.yaml: not committed"
    found = gates.approval_gate("ask", ASK, needed, [approval(needed[0])], [problem])
    assert (found.verdict, found.value, found.short_by) == ("needs approval", 1.0, 1.0)
    assert found.reason == f"not approved: loosened: x; {problem}. Let another person run 'weighbridge approve'"
    assert [part.verdict for part in found.parts] == ["pass", "needs approval"]
    assert gates.verdict([found], needed) == "needs approval"
    own = gates.approval_gate("ask", ApprovalGate(by_another=False), needed, [])
    assert own.reason.endswith("Run 'weighbridge approve'")


def test_an_approval_gate_without_anything_to_approve_does_not_apply() -> None:
    assert gates.approval_gate("ask", ASK, (), []).verdict == "not applicable"
    other = ApprovalGate(required_for=("major",))
    assert gates.approval_gate("ask", other, ("loosened: x",), []).verdict == "not applicable"


def test_results_of_people_can_be_recorded() -> None:
    found = gates.approval_gate("ask", ASK, ("major: a new major version",), [])
    assert msgspec.convert(msgspec.to_builtins(found), manifest.GateResult) == found
