"""The verdict as a page for people: what was decided and why, and what to do about it.

Every word of others (names of gates, slices and cases, reasons, approvals) is escaped, so that none breaks out.
"""

import shlex
from collections.abc import Iterator, Sequence

from weighbridge.evidence.advice import advice, more_rows, stands_in_the_way
from weighbridge.evidence.markdown import clause, code, fenced, inline, table
from weighbridge.evidence.wording import count, difference, ends, number
from weighbridge.manifest import GatePart, GateResult, Gates, Packaged, SelfTest, Verdict, Weighing

_ORDER = {"fail": 0, "inconclusive": 1, "warn": 2, "pass": 4, "not applicable": 5, "at release": 6}
_SHOWN_PARTS = 60


def page(verdict: Verdict, packaged: Packaged, weighing: Weighing) -> str:
    """Return the page as Markdown; the same records give the same text."""
    gates = verdict.gates
    blocks = [
        f"# {inline(packaged.name)} {inline(verdict.version)}: {inline(gates.verdict)}",
        *_outcome(verdict, packaged, weighing),
        *_gate_table(gates.results),
        *_in_the_way(gates.results),
        *_approvals(gates, packaged),
        *_parts(gates.results),
        *_self_test(gates.self_test),
        *_reading(gates.results),
    ]
    return "\n\n".join(blocks) + "\n"


def _outcome(verdict: Verdict, packaged: Packaged, weighing: Weighing) -> Iterator[str]:
    yield _in_a_sentence(verdict.gates)
    lineage = verdict.lineage
    after = f"after {code(lineage.previous)}" if lineage.previous else "with no release before it"
    yield f"Version: **{inline(verdict.version)}**, {inline(lineage.bump)}, {after}:"
    yield "\n".join(f"- {inline(reason)}" for reason in lineage.reasons) or "- no reason was recorded"
    made = f"champion {code(packaged.champion)}, seed {packaged.seed}"
    facts = [
        f"Bundle: {code(packaged.artifacts.content_sha256)}, {made}.",
        f"Judged on {_rows(weighing)}, at threshold {weighing.threshold:g}.",
        f"Limits: {code(verdict.gates.gates_sha256[:12])}.",
        _decisions(verdict.gates.test_decisions),
    ]
    yield "\n".join(f"- {fact}" for fact in facts if fact)


def _in_a_sentence(gates: Gates) -> str:
    blocking = [result for result in gates.results if stands_in_the_way(result)]
    names = ", ".join(f"{code(result.name)} ({inline(result.verdict)})" for result in _sorted(blocking))
    missed = [test for test in gates.self_test if not test.caught]
    parts = []
    if blocking:
        verb = "1 gate stands" if len(blocking) == 1 else f"{len(blocking)} gates stand"
        parts.append(f"{verb} in the way: {names}.")
    if gates.needs_approval:
        parts.append("A person has to approve it.")
    if missed:
        parts.append("The self-test found a gate that lets a damaged model through.")
    if not parts:
        parts.append("Every gate passed or did not apply." if gates.results else "There are no gates.")
    return f"**{inline(gates.verdict)}**. {' '.join(parts)}"


def _sorted(results: Sequence[GateResult]) -> list[GateResult]:
    return sorted(results, key=lambda result: _ORDER.get(result.verdict, 3))


def _rows(weighing: Weighing) -> str:
    by = f" by {code(weighing.group_by)}" if weighing.group_by and weighing.group_by != "group" else ""
    return f"{weighing.rows:,} test rows" + (f" in {weighing.groups:,} groups{by}" if weighing.groups else "")


def _decisions(times: int | None) -> str:
    if times is None:
        return ""
    if times <= 1:
        return "These test rows have not decided before."
    return (
        f"These test rows have decided on {times:,} bundles, this one included. The more they decide, the less they "
        "prove; new rows make up for it."
    )


def _gate_table(results: Sequence[GateResult]) -> Iterator[str]:
    yield "## Gates"
    yield table(
        ("gate", "kind", "verdict", "value", "last release", "difference", "interval", "limit", "rows", "rows needed"),
        [
            (code(result.name), inline(result.kind), _word(result.verdict), number(result.value),
             number(result.baseline), difference(result), ends(result), number(result.limit), count(result.rows),
             count(result.rows_needed))
            for result in results
        ],
        right=(3, 4, 5, 6, 7, 8, 9),
    )  # fmt: skip


def _word(verdict: str) -> str:
    return inline(verdict) if verdict in ("pass", "not applicable", "at release") else f"**{inline(verdict)}**"


def _in_the_way(results: Sequence[GateResult]) -> Iterator[str]:
    blocking = _sorted([result for result in results if stands_in_the_way(result)])
    if not blocking:
        return
    yield "## What stands in the way"
    for result in blocking:
        yield f"### {code(result.name)}: {inline(result.verdict)}"
        yield "\n".join(f"- {line}" for line in _explained(result))


def _explained(result: GateResult) -> Iterator[str]:
    yield f"Rule: {clause(result.rule)}."
    if result.reason:
        yield f"Found: {clause(result.reason)}."
    numbers = [
        f"{what} {found}"
        for what, found in (
            ("value", number(result.value)), ("last release", number(result.baseline)),
            ("difference", difference(result)), ("interval", ends(result)), ("limit", number(result.limit)),
            ("short by", number(result.short_by)),
        ) if found
    ]  # fmt: skip
    if numbers:
        yield f"Numbers: {', '.join(numbers)}."
    if result.verdict == "inconclusive" and (needed := more_rows(result)):
        yield f"{needed}."
    if what_to_do := advice(result):
        yield f"What to do: {what_to_do}"


def _approvals(gates: Gates, packaged: Packaged) -> Iterator[str]:
    if gates.loosened:
        yield "## Loosened since the last release"
        yield "\n".join(f"- {inline(change)}" for change in gates.loosened)
    if gates.needs_approval:
        yield "## Needs approval"
        yield "\n".join(f"- {inline(what)}" for what in gates.needs_approval)
        digest = packaged.artifacts.content_sha256
        yield (
            "Another person than the author approves this very bundle, commits the file that it writes, and the run "
            "goes on:"
        )
        yield fenced("sh", f"weighbridge approve {shlex.quote(digest[:16])} --reason '…'\nsnakemake --cores all")
    if gates.approvals:
        yield "## Approvals"
        yield table(
            ("by", "when", "approves", "why", "bundle"),
            [
                (inline(one.approver), inline(one.when), inline("; ".join(one.approves)), inline(one.reason),
                 code(one.content_sha256[:16]))
                for one in gates.approvals
            ],
        )  # fmt: skip


def _parts(results: Sequence[GateResult]) -> Iterator[str]:
    several = [result for result in results if result.parts]
    if not several:
        return
    yield "## Parts"
    for result in several:
        yield f"### Parts of {code(result.name)}"
        yield _part_table(result.parts)
        if len(result.parts) > _SHOWN_PARTS:
            yield f"And {len(result.parts) - _SHOWN_PARTS:,} more, in `results/verdict.yaml`."


def _part_table(parts: Sequence[GatePart]) -> str:
    """Return the table of a gate's parts, those first that stand in the way; columns that would be empty are left."""
    shown = sorted(parts, key=lambda part: _ORDER.get(part.verdict, 3))[:_SHOWN_PARTS]
    columns = {
        "part": [code(part.name) for part in shown],
        "verdict": [_word(part.verdict) for part in shown],
        "rows": [count(part.rows) for part in shown],
        "value": [number(part.value) for part in shown],
        "last release": [number(part.baseline) for part in shown],
        "difference": [difference(part) for part in shown],
        "interval": [ends(part) for part in shown],
        "p (Holm)": ["" if part.p is None else f"{part.p:.2g}" for part in shown],
        "reason": [inline(part.reason) for part in shown],
    }
    kept = {head: cells for head, cells in columns.items() if head in {"part", "verdict"} or any(cells)}
    right = [i for i, head in enumerate(kept) if head not in {"part", "verdict", "reason"}]
    return table(tuple(kept), list(zip(*kept.values(), strict=True)), right=right)


def _self_test(tests: Sequence[SelfTest]) -> Iterator[str]:
    if not tests:
        return
    missed = sum(not test.caught for test in tests)
    yield "## Self-test"
    yield (
        "Each gate was shown a model that was damaged on purpose. "
        + (f"**{missed} of {len(tests)} damages went through.**" if missed else f"All {len(tests)} were caught.")
    )  # fmt: skip
    yield table(
        ("gate", "damage", "said no"),
        [
            (code(test.gate), inline(test.damage), "yes" if test.caught else "**no**")
            for test in sorted(tests, key=lambda test: test.caught)
        ],
    )


def _reading(results: Sequence[GateResult]) -> Iterator[str]:
    if not results:
        return
    yield "## How to read it"
    yield (
        "Both ends of an interval are one-sided bounds at the gate's confidence; the one on the unfavourable side is "
        "held against the limit. With an earlier release the interval is that of the difference, both models scored "
        "on the same rows. Only *pass* lets a release through, and *not applicable*, with its reason. "
        "*At release* means that the gate is judged when the tag is made. Each rule in words:"
    )
    yield "\n".join(f"- {code(result.name)}: {clause(result.rule)}. {_because(result)}".rstrip() for result in results)


def _because(result: GateResult) -> str:
    return f"({clause(result.reason)}.)" if result.reason and not stands_in_the_way(result) else ""
