"""The verdict is finished by what only the release can know: trailers, approvals, the card, and a clean tree."""

import datetime as dt
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge import documents, manifest, paths, plan
from weighbridge.errors import RecordError, SettingsError
from weighbridge.manifest import Approval, Verdict
from weighbridge.registry import approvals
from weighbridge.settings import ApprovalGate, Card, Documents, GateFile, Settings
from weighbridge.stages import finishing

replace = msgspec.structs.replace
Release = Callable[..., manifest.Manifest]
Waiting = Callable[..., Verdict]
MAJOR = "major: input origin removed"
LOWERED = "lowered: version lowered from major to minor"
TODAY = dt.date(2026, 2, 1)
GRACE = {"GIT_AUTHOR_NAME": "Grace", "GIT_AUTHOR_EMAIL": "grace@example.org"}


def git(root: Path, *arguments: str, **env: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, env={**os.environ, **env}, check=True, capture_output=True)


def ask(root: Path, bump: str) -> None:
    git(root, "commit", "--quiet", "--allow-empty", "--message", f"Think again\n\nSemver: {bump}")


def gates(**kinds: Any) -> GateFile:
    return msgspec.convert({"gates": {name: {"kind": kind} for name, kind in kinds.items()}}, GateFile)


def looked(root: Path, verdict: Verdict, gate_file: GateFile | None = None) -> finishing.Ahead:
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    return finishing.ahead(root, gate_file or plan.load(root).gates, packaged, verdict)


def card(root: Path, **changes: Any) -> Card:
    return replace(plan.load(root).config.card, **changes)


def finished(
    root: Path, verdict: Verdict, gate_file: GateFile | None = None, **known: Any
) -> manifest.Gates:  # fmt: skip
    told = finishing.Known(**{"missing": (), "dirty": (), "card": card(root), "today": TODAY, **known})
    used = gate_file or plan.load(root).gates
    return finishing.finish(root, used, looked(root, verdict, used), told)


def approve(root: Path, *words: str, commit: bool = True) -> Approval:
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    weighing = documents.read_record(root / paths.WEIGHING, manifest.Weighing)
    verdict = documents.read_record(root / paths.VERDICT, manifest.Verdict)
    given = Approval(
        content_sha256=packaged.artifacts.content_sha256,
        approver="Grace <grace@example.org>",
        approves=words,
        reason="",
        when="2026-01-31T12:00:00Z",
        gates_sha256=verdict.gates.gates_sha256,
        test_sha256=weighing.test_sha256,
    )
    file = approvals.write(root, given)
    if commit:
        git(root, "add", file.as_posix())
        git(root, "commit", "--quiet", "--message=Approve", **GRACE)
    return given


def by_kind(judged: manifest.Gates) -> dict[str, manifest.GateResult]:
    return {result.kind: result for result in judged.results}


class TestAhead:
    def test_the_judges_version_stands_where_nobody_asks_for_another(self, project: Path, waiting: Waiting) -> None:
        ahead = looked(project, waiting())
        assert ahead.derived == ("2.0.0", "major", ("input origin removed",), (), "")
        assert ahead.needed == (MAJOR,)
        assert ahead.previous is not None
        assert ahead.previous.model_info.version == "1.0.0"

    def test_a_trailer_that_raises_to_major_asks_for_approval(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting({"lineage.bump": "patch", "version": "1.0.1"})
        assert looked(project, verdict).needed == ()
        ask(project, "major")
        ahead = looked(project, verdict)
        assert ahead.derived.version == "2.0.0"
        assert ahead.derived.reasons[0].startswith("raised to major by ")
        assert ahead.needed == (f"major: {ahead.derived.reasons[0]}; input origin removed",)

    def test_a_trailer_that_lowers_asks_for_another_approval(self, project: Path, waiting: Waiting) -> None:
        ask(project, "minor")
        ahead = looked(project, waiting())
        assert (ahead.derived.version, ahead.needed) == ("1.1.0", (MAJOR, LOWERED))

    def test_lowering_asks_even_where_no_gate_is_there_to_ask(self, project: Path, waiting: Waiting) -> None:
        ask(project, "minor")
        assert looked(project, waiting(), gates(complete="complete")).needed == (LOWERED,)

    @pytest.mark.parametrize(("kinds", "needed"), [(["major"], (MAJOR, LOWERED)), (["inconclusive"], (LOWERED,))])
    def test_lowering_asks_whatever_the_gate_lists_and_takes_no_approval_away(
        self, project: Path, waiting: Waiting, kinds: list[str], needed: tuple[str, ...]
    ) -> None:
        ask(project, "minor")
        gate_file = msgspec.convert({"gates": {"a": {"kind": "approval", "required_for": kinds}}}, GateFile)
        ahead = looked(project, waiting(), gate_file)
        assert ahead.needed == needed
        assert "lowered" in ahead.approval.required_for

    def test_a_loosened_limit_asks_another_person_though_no_gate_does(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting({"lineage.bump": "patch", "gates.loosened": ["ranks: min went from 0.7 to 0.6"]})
        ahead = looked(project, verdict, gates(complete="complete"))
        assert ahead.needed == ("loosened: ranks: min went from 0.7 to 0.6",)
        assert ahead.approval == ApprovalGate(required_for=("loosened",), by_another=True)

    def test_a_gate_that_is_new_lets_nobody_approve_of_his_own_loosening(self, project: Path, waiting: Waiting) -> None:
        trusting = msgspec.convert({"gates": {"a": {"kind": "approval", "by_another": False}}}, GateFile)
        loosened = waiting({"gates.loosened": ["ranks: min went from 0.7 to 0.6"]})
        assert looked(project, loosened, trusting).approval.by_another
        assert not looked(project, waiting(), trusting).approval.by_another, "nothing waited for another person"

    def test_a_gate_that_was_there_before_says_who_may(self, project: Path, release: Release, waiting: Waiting) -> None:
        trusting = {"gates": {"a": {"kind": "approval", "by_another": False}}}
        verdict = waiting({"gates.loosened": ["ranks: min went from 0.7 to 0.6"]})
        release("1.1.0", {"parameters.settings": {"gates": trusting}, "artifacts.content_sha256": "e" * 64})
        packaged = documents.read_record(project / paths.PACKAGE, manifest.Packaged)
        packaged = replace(packaged, baseline="flights@v1.1.0")
        ahead = finishing.ahead(project, msgspec.convert(trusting, GateFile), packaged, verdict)
        assert not ahead.approval.by_another

    def test_a_trailer_of_another_word_is_refused(self, project: Path, waiting: Waiting) -> None:
        ask(project, "huge")
        with pytest.raises(SettingsError, match="found 'Semver: huge'"):
            looked(project, waiting())

    def test_before_the_first_release_trailers_have_no_effect(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting({"version": "1.0.0", "lineage.bump": "first"})
        ask(project, "major")
        packaged = replace(documents.read_record(project / paths.PACKAGE, manifest.Packaged), baseline=None)
        ahead = finishing.ahead(project, plan.load(project).gates, packaged, verdict)
        assert (ahead.derived.version, ahead.needed, ahead.previous) == ("1.0.0", (), None)

    def test_a_last_release_that_is_gone_is_named(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting()
        packaged = documents.read_record(project / paths.PACKAGE, manifest.Packaged)
        with pytest.raises(RecordError, match=r"flights@v9\.0\.0"):
            finishing.ahead(project, gates(a="complete"), replace(packaged, baseline="flights@v9.0.0"), verdict)

    def test_taking_the_gate_away_takes_no_approval_away(
        self, project: Path, release: Release, waiting: Waiting
    ) -> None:
        verdict = waiting()
        old = {"parameters.settings": {"gates": {"gates": {"asks": {"kind": "approval", "by_another": True}}}}}
        release("1.1.0", {**old, "artifacts.content_sha256": "e" * 64})
        packaged = documents.read_record(project / paths.PACKAGE, manifest.Packaged)
        trusting = msgspec.convert(
            {"gates": {"a": {"kind": "approval", "by_another": False, "required_for": []}}}, GateFile
        )
        for gate_file in (trusting, gates(a="complete")):
            ahead = finishing.ahead(project, gate_file, replace(packaged, baseline="flights@v1.1.0"), verdict)
            assert ahead.needed == (MAJOR,)
            assert ahead.approval == ApprovalGate(required_for=("major",), by_another=True)


class TestFinish:
    def test_without_an_approval_it_waits_and_says_for_what(self, project: Path, waiting: Waiting) -> None:
        judged = finished(project, waiting())
        assert (judged.verdict, judged.needs_approval, judged.approvals) == ("needs approval", (MAJOR,), ())
        assert f"not approved: {MAJOR}" in by_kind(judged)["approval"].reason

    def test_with_it_the_verdict_is_a_pass_and_the_approval_on_record(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting()
        given = approve(project, MAJOR)
        judged = finished(project, verdict)
        assert (judged.verdict, judged.approvals) == ("pass", (given,))
        assert by_kind(judged)["approval"].verdict == "pass"

    @pytest.mark.parametrize(
        "words", ["major", "major: a new major version", "major: input gate removed", "lowered: something"]
    )
    def test_an_approval_of_something_else_helps_nothing(self, project: Path, waiting: Waiting, words: str) -> None:
        verdict = waiting()
        approve(project, words)
        judged = finished(project, verdict)
        assert (judged.verdict, judged.approvals) == ("needs approval", ())

    def test_an_approval_that_is_not_committed_is_named_with_what_to_do(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting()
        approve(project, MAJOR, commit=False)
        judged = finished(project, verdict)
        assert judged.verdict == "needs approval"
        assert "not committed; let Grace <grace@example.org> run 'git add" in by_kind(judged)["approval"].reason

    def test_who_releases_can_not_be_who_approves(
        self, project: Path, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verdict = waiting()
        approve(project, MAJOR)
        for key, value in GRACE.items():
            monkeypatch.setenv(key, value)
        judged = finished(project, verdict)
        assert judged.verdict == "needs approval"
        assert "Grace <grace@example.org> makes this release" in by_kind(judged)["approval"].reason

    def test_lowering_passes_with_its_approval_beside_that_of_the_major_version(
        self, project: Path, waiting: Waiting
    ) -> None:
        verdict = waiting()
        ask(project, "minor")
        approve(project, MAJOR)
        assert finished(project, verdict).verdict == "needs approval"
        approve(project, MAJOR, LOWERED)
        assert finished(project, verdict).verdict == "pass"

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"gates.gates_sha256": "e" * 64}, "the gates changed since"),
            ({"gates.loosened": ["ranks: min went from 0.7 to 0.6"]}, "not approved: loosened: ranks"),
            ({"lineage.reasons": ["input gate removed"]}, "not approved: major: input gate removed"),
        ],
    )
    def test_an_approval_does_not_outlive_what_it_was_given_for(
        self, project: Path, waiting: Waiting, changes: dict[str, Any], says: str
    ) -> None:
        waiting()
        approve(project, MAJOR)
        judged = finished(project, waiting(changes))
        assert judged.verdict == "needs approval"
        assert says in by_kind(judged)["approval"].reason

    def test_an_approval_does_not_outlive_the_test_rows(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting()
        approve(project, MAJOR)
        weighing = documents.read_record(project / paths.WEIGHING, manifest.Weighing)
        documents.write_record(project / paths.WEIGHING, replace(weighing, test_sha256="e" * 64))
        judged = finished(project, verdict)
        assert judged.verdict == "needs approval"
        assert "the test rows changed since" in by_kind(judged)["approval"].reason

    def test_lowering_can_be_approved_where_no_gate_asks(self, project: Path, waiting: Waiting) -> None:
        verdict, plain = waiting(), gates(complete="complete")
        ask(project, "minor")
        assert finished(project, verdict, plain).verdict == "needs approval"
        approve(project, LOWERED)
        judged = finished(project, verdict, plain)
        assert judged.verdict == "pass"
        assert by_kind(judged)["approval"].verdict == "pass"

    def test_an_approval_does_not_mend_a_gate_that_fails(self, project: Path, waiting: Waiting) -> None:
        verdict = waiting({"gates.results.0.verdict": "fail"})
        approve(project, MAJOR)
        assert finished(project, verdict).verdict == "fail"

    @pytest.mark.parametrize(
        ("known", "kind"), [({"missing": ("card.owner",)}, "complete"), ({"dirty": ("config/x",)}, "clean")]
    )
    def test_completeness_and_a_clean_tree_are_judged_though_no_gate_names_them(
        self, project: Path, waiting: Waiting, known: dict[str, Any], kind: str
    ) -> None:
        verdict = waiting({"lineage.bump": "patch"})
        plain = gates(ranks="documents")
        assert finished(project, verdict, plain).verdict == "pass"
        judged = finished(project, verdict, plain, **known)
        assert judged.verdict == "fail"
        assert by_kind(judged)[kind].verdict == "fail"

    @pytest.mark.parametrize(
        ("changes", "verdict"),
        [
            ({"reviewed": "2026-01-15"}, "pass"),
            ({"reviewed": "2025-12-31"}, "fail"),
            ({"reviewed": None}, "fail"),
            ({"reviewed": "2026-01-15", "limitations": "TODO"}, "fail"),
        ],
    )
    def test_the_card_is_held_against_the_day(
        self, project: Path, waiting: Waiting, changes: dict[str, Any], verdict: str
    ) -> None:
        open_gate = {"name": "card", "kind": "documents", "verdict": "at release", "rule": "", "reason": ""}
        numbers: dict[str, Any] = dict.fromkeys(("value", "bound", "limit", "short_by"))
        judged = waiting({"lineage.bump": "patch", "gates.results": [open_gate | numbers]})
        gate_file = GateFile(gates={"card": Documents(max_age_days=30)})
        done = finished(project, judged, gate_file, card=card(project, **changes))
        assert by_kind(done)["documents"].verdict == verdict
        assert done.verdict == verdict


def test_the_outlook_is_a_pass_once_all_is_approved(project: Path, waiting: Waiting) -> None:
    ahead = looked(project, waiting())
    assert finishing.outlook(ahead, finishing.found_approvals(project, ahead)) == "needs approval"
    approve(project, MAJOR)
    assert finishing.outlook(ahead, finishing.found_approvals(project, ahead)) == "pass"


def test_settings_are_those_of_the_project(project: Path) -> None:
    """The tests above stand on the gates of the example."""
    loaded: Settings = plan.load(project)
    assert any(isinstance(gate, ApprovalGate) for gate in loaded.gates.gates.values())
