"""``approval``: what a machine should not decide alone."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from weighbridge import settings
from weighbridge.digest import sha256_bytes
from weighbridge.evidence.gates.results import (
    AT_RELEASE,
    INCONCLUSIVE,
    NEEDS_APPROVAL,
    NOT_APPLICABLE,
    PASS,
    excused,
    part,
    result,
)
from weighbridge.manifest import Approval, GateResult

_MAJOR = "major"
_ALWAYS = {"loosened", "lowered"}
"""What nobody does alone, whether or not a gate asks."""
_LONGEST = 200
_DIGITS = 8


def judge(name: str, gate: settings.ApprovalGate) -> GateResult:
    """Leave it to the release, which looks for approvals."""
    return result(name, "approval", _rule(gate), AT_RELEASE)


def needs_approval(  # noqa: PLR0913 - all that a person may have to decide
    gate_file: settings.GateFile,
    results: Sequence[GateResult],
    loosened: Sequence[str],
    bump: str,
    lowered: str = "",
    *,
    old_gates: Mapping[str, Any] | None = None,
    reasons: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return, in words, what a person has to approve; each begins with what it is, as ``major: ...``.

    A loosened limit and a lowered version always do; a major version and an inconclusive gate do where an approval
    gate lists them.

    Args:
        gate_file: the gates.
        results: their results.
        loosened: what :func:`weighbridge.evidence.gates.loosened` found.
        bump: which part of the version is raised.
        lowered: in words, where someone asks for a lower version than was derived; else empty.
        old_gates: the last release's gates, plain or as records: what they ask approval for still asks for it, or
            taking the approval gate away would need no approval.
        reasons: why that part of the version is raised, so that the approval of a major version is one of its reasons.
    """
    asked = _ALWAYS | _asked(gate_file.gates.values()) | _asked((old_gates or {}).values())
    undecided = [
        excused(each.name)
        for each in results
        if each.verdict == INCONCLUSIVE and getattr(gate_file.gates.get(each.name), "inconclusive", "") == "approve"
    ]
    found = {
        "major": [_major(reasons)] if bump == _MAJOR else [],
        "loosened": [f"loosened: {words}" for words in loosened],
        # Only a gate that is there today can be waited for; without one an inconclusive gate blocks.
        "inconclusive": undecided if "inconclusive" in _asked(gate_file.gates.values()) else [],
        "lowered": [f"lowered: {lowered}"] if lowered else [],
    }
    return tuple(words for what, listed in found.items() if what in asked for words in listed)


def _major(reasons: Sequence[str]) -> str:
    """Return why a version is major, on one line; of what is too long the digest stands for the rest."""
    text = " ".join("; ".join(reasons).split()) or "a new major version"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({sha256_bytes(text.encode())[:_DIGITS]})"
    return f"{_MAJOR}: {text}"


def _asked(gates: Iterable[Any]) -> set[str]:
    found: set[str] = set()
    for gate in gates:
        plain = msgspec.to_builtins(gate)
        if isinstance(plain, dict) and plain.get("kind") == "approval":
            found |= set(plain.get("required_for", settings.ApprovalGate().required_for))
    return found


def approval_gate(
    name: str,
    gate: settings.ApprovalGate,
    needed: Sequence[str],
    approvals: Sequence[Approval],
    problems: Sequence[str] = (),
) -> GateResult:
    """Return the finished result of an ``approval`` gate.

    Args:
        name: of the gate.
        gate: its settings.
        needed: what :func:`needs_approval` found.
        approvals: those that count: of this very bundle, and by another person where the gate asks for it.
        problems: in words, why others don't count.
    """
    mine = [words for words in needed if words.partition(":")[0] in gate.required_for]
    if not mine:
        return result(name, "approval", _rule(gate), NOT_APPLICABLE, "nothing asks for an approval", limit=0.0)
    by = {words: each.approver for each in approvals for words in each.approves}
    parts = tuple(
        part(words, PASS, f"approved by {by[words]}") if words in by else part(words, NEEDS_APPROVAL, "not approved")
        for words in mine
    )
    missing = [words for words in mine if words not in by]
    why = "; ".join([f"not approved: {', '.join(missing)}", *problems]) if missing else ""
    reason = (
        f"{why}. Let another person run 'weighbridge approve'"
        if missing and gate.by_another
        else (
            f"{why}. Run 'weighbridge approve'" if missing else f"approved by {', '.join(dict.fromkeys(by.values()))}"
        )
    )
    count = float(len(missing))
    found = NEEDS_APPROVAL if missing else PASS
    short = count or None
    return result(name, "approval", _rule(gate), found, reason, value=count, limit=0.0, short_by=short, parts=parts)


def _rule(gate: settings.ApprovalGate) -> str:
    words = {
        "major": "a major version",
        "loosened": "a loosened limit",
        "inconclusive": "a gate that can't tell and asks",
        "lowered": "a lowered version",
    }
    who = "another person than the authors" if gate.by_another else "a person"
    return f"{', '.join(words[what] for what in gate.required_for) or 'nothing'}: approved by {who}"
