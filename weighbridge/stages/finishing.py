"""What only the release can know: trailers of commits, approvals, the card's age, completeness and a clean tree.

The judge sees no Git and no clock, so that its verdict is the same twice. Here its verdict is finished: first the
version that people ask for, and from it what a person has to approve (:func:`ahead`); then the gates that the judge
left ``at release`` (:func:`finish`). The commands ``version`` and ``approve`` look ahead by the same function.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from weighbridge import documents, manifest, paths
from weighbridge.evidence import gates, version
from weighbridge.registry import approvals, decisions, history, releases, signers
from weighbridge.registry.tags import Tag
from weighbridge.settings import ApprovalGate, Card, Documents, GateFile

_ALONE_NEVER = ("loosened", "lowered")
"""What asks for an approval though no gate does."""


class Ahead(NamedTuple):
    """What a release would be.

    *packaged* is the bundle, *judged* what the judge says of it; *derived* is the version with people's trailers
    applied; *needed* is what a person has to approve, in the words that an approval has to repeat; *approval* is how;
    *previous* is the last release's manifest; *subject* is what approvals have to be about.
    """

    packaged: manifest.Packaged
    judged: manifest.Gates
    derived: version.Derived
    needed: tuple[str, ...]
    approval: ApprovalGate
    previous: manifest.Manifest | None
    subject: approvals.Subject


class Known(NamedTuple):
    """What the release has found out: fields that are empty, files that aren't committed, the card, and the day."""

    missing: tuple[str, ...]
    dirty: tuple[str, ...]
    card: Card
    today: dt.date


def today() -> dt.date:
    """Return the day, UTC."""
    return dt.datetime.now(dt.UTC).date()


def ahead(root: Path, gate_file: GateFile, packaged: manifest.Packaged, verdict: manifest.Verdict) -> Ahead:
    """Return the version that would be released, and what a person has to approve first.

    Args:
        root: the project's root.
        gate_file: the gates.
        packaged: the bundle.
        verdict: the judge's.

    Raises:
        RecordError: where the last release isn't to be found, or the weighing; or a list of signers is damaged.
        SettingsError: where a trailer asks for no known part of the version.
        SetupError: where the history isn't all there.
    """
    baseline = packaged.baseline
    previous = releases.manifest_of(root, baseline) if baseline else None
    verdict = with_signers(root, verdict, baseline)
    seen = foreseen(gate_file, verdict, previous, history.trailers(root, version.TRAILER, baseline))
    test_sha256 = documents.read_record(root / paths.WEIGHING, manifest.Weighing).test_sha256
    subject = approvals.Subject(packaged.artifacts.content_sha256, verdict.gates.gates_sha256, test_sha256)
    return Ahead(packaged, verdict.gates, seen.derived, seen.needed, seen.approval, previous, subject)


def with_signers(root: Path, verdict: manifest.Verdict, since: str | None, until: str = "HEAD") -> manifest.Verdict:
    """Return the verdict with whom the lists of signers let in besides: the judge, who sees no Git, can't name them.

    Who may release and who may approve is a limit as any gate is, and widened it waits for another person as well.

    Args:
        root: the project's root.
        verdict: the judge's.
        since: tag of the last release; none before the first.
        until: the commit that is released.

    Raises:
        RecordError: where a list is damaged.
    """
    added = signers.loosened(root, since, until) if since else ()
    judged = msgspec.structs.replace(verdict.gates, loosened=(*verdict.gates.loosened, *added))
    return msgspec.structs.replace(verdict, gates=judged)


class Foreseen(NamedTuple):
    """The version that people make of a verdict, what a person has to approve of it, and how."""

    derived: version.Derived
    needed: tuple[str, ...]
    approval: ApprovalGate


def foreseen(
    gate_file: GateFile,
    verdict: manifest.Verdict,
    previous: manifest.Manifest | None,
    trailers: Sequence[tuple[str, str]],
) -> Foreseen:
    """Return what follows from a verdict and the *trailers* of the commits since the last release; nothing is read.

    Raises:
        SettingsError: where a trailer asks for no known part of the version.
    """
    lineage, judged = verdict.lineage, verdict.gates
    derived = version.Derived(verdict.version, lineage.bump, lineage.reasons, lineage.data_changes)
    before = str(Tag.parse(lineage.previous).version) if lineage.previous else None
    derived = version.asked(derived, before, trailers)
    old_gates = _gates_of(previous)
    # What is called less than it is needs the approval of what it is as well; so does what is called more.
    whole = derived if derived.bump == version.MAJOR else lineage
    needed = gates.needs_approval(
        gate_file,
        judged.results,
        judged.loosened,
        whole.bump,
        derived.lowered,
        old_gates=old_gates,
        reasons=whole.reasons,
    )
    return Foreseen(derived, needed, _covering(_approval_rule(gate_file, old_gates, needed), needed))


def _gates_of(previous: manifest.Manifest | None) -> dict[str, Any]:
    """Return the gates that the last release had to pass, plain."""
    settings = previous.parameters.settings if previous else {}
    return dict(settings.get("gates", {}).get("gates", {}))


def _approval_rule(gate_file: GateFile, old_gates: dict[str, Any], needed: tuple[str, ...]) -> ApprovalGate:
    """Return how approvals are given: as strictly as the strictest gate asks, the last release's among them.

    Otherwise the change that no longer asks for another person would itself need none. For the same reason a gate
    that is new doesn't let anyone approve of what waited for another person before it was there.
    """
    found = [gate for gate in gate_file.gates.values() if isinstance(gate, ApprovalGate)]
    plain = [gate for gate in old_gates.values() if isinstance(gate, dict) and gate.get("kind") == "approval"]
    unasked = not plain and any(words.partition(":")[0] in _ALONE_NEVER for words in needed)
    strict = unasked or any(gate.by_another for gate in found) or any(gate.get("by_another", True) for gate in plain)
    asked = dict.fromkeys(what for gate in found for what in gate.required_for)
    return ApprovalGate(required_for=tuple(asked), by_another=strict)


def _covering(rule: ApprovalGate, needed: tuple[str, ...]) -> ApprovalGate:
    """Return the rule with all kinds of what is *needed*: an earlier release's gates may ask for more than today's."""
    kinds: Any = dict.fromkeys([*rule.required_for, *(words.partition(":")[0] for words in needed)])
    return msgspec.structs.replace(rule, required_for=tuple(kinds))


def who_may_not(root: Path, plan: Ahead, owner: str | None = None) -> dict[str, str]:
    """Return who may not approve and why, by e-mail address; empty where anyone may.

    *owner* is given when the release is made: then who makes it is among them.
    """
    if not plan.approval.by_another:
        return {}
    releaser = history.releaser(root, owner) if owner is not None else None
    return approvals.not_by(root, plan.packaged.baseline, releaser=releaser)


def found_approvals(root: Path, plan: Ahead, owner: str | None = None) -> approvals.Verified:
    """Return which approvals of the bundle count, and why others don't; none where nothing needs one."""
    if not plan.needed:
        return approvals.Verified((), ())
    baseline = plan.packaged.baseline
    allowed = signers.at(root, baseline, "approve") if baseline else None
    return approvals.verify(root, plan.subject, who_may_not(root, plan, owner), allowed)


def outlook(plan: Ahead, found: approvals.Verified) -> str:
    """Return the verdict as far as it can be told before the release: with approvals, without Git and the card."""
    asked = gates.approval_gate("approval", plan.approval, plan.needed, found.approvals, found.problems)
    others = [result for result in plan.judged.results if result.kind != "approval"]
    return gates.verdict([*others, asked], plan.needed)


def finish(root: Path, gate_file: GateFile, plan: Ahead, known: Known) -> manifest.Gates:
    """Return the verdict with the gates that the judge left open, whether or not the gate file names them.

    Raises:
        SettingsError: where ``card.reviewed`` is no day.
        SetupError: where Git can't be asked.
    """
    found = found_approvals(root, plan, known.card.owner)
    seen = Foreseen(plan.derived, plan.needed, plan.approval)
    results = tuple(finished(gate_file, plan.judged.results, seen, known, found))
    return msgspec.structs.replace(
        plan.judged,
        results=results,
        verdict=gates.verdict(results, plan.needed),
        needs_approval=plan.needed,
        approvals=tuple(given for given in found.approvals if set(given.approves) & set(plan.needed)),
    )


def finished(
    gate_file: GateFile,
    judged: Sequence[manifest.GateResult],
    seen: Foreseen,
    known: Known,
    found: approvals.Verified,
) -> Iterator[manifest.GateResult]:
    """Yield each result, in the order of the file; then the gates that no file can leave out.

    Args:
        gate_file: the gates.
        judged: the judge's results.
        seen: what a person has to approve, and how.
        known: what the other gates look at that the judge left open.
        found: the approvals.

    Raises:
        SettingsError: where ``card.reviewed`` is no day.
    """

    def one(kind: str, name: str) -> manifest.GateResult:
        if kind == "complete":
            return gates.complete_gate(name, known.missing)
        if kind == "clean":
            return gates.clean_gate(name, known.dirty)
        return gates.approval_gate(name, seen.approval, seen.needed, found.approvals, found.problems)

    always = {"complete", "clean", *(["approval"] if seen.needed else [])}
    for result in judged:
        gate = gate_file.gates.get(result.name)
        if isinstance(gate, Documents):
            yield gates.documents_gate(result.name, gate, known.card, known.today)
        elif result.kind in {"complete", "clean", "approval"}:
            yield one(result.kind, result.name)
        else:
            yield result
    for kind in sorted(always - {result.kind for result in judged}):
        yield one(kind, kind)


def decided(root: Path, outcomes_sha256: str, plan: Ahead) -> int:
    """Return how many bundles the test rows with this digest have decided on, this one included."""
    packaged = plan.packaged
    content = packaged.artifacts.content_sha256
    return decisions.count(root, outcomes_sha256, content, plan.previous, packaged.baseline)
