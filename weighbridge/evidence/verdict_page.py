"""The verdict as a page for people: what was decided and why, and what to do about it.

Every word of others (names of gates, slices and cases, reasons, approvals) is escaped, so that none breaks out.
"""

from collections.abc import Iterator, Sequence

from weighbridge.evidence.advice import advice, stands_in_the_way
from weighbridge.evidence.gate_tables import (
    approval_table,
    by_gravity,
    decisions,
    gate_table,
    in_words,
    part_table,
    rule,
    self_test_table,
)
from weighbridge.evidence.markdown import clause, code, fenced, inline
from weighbridge.evidence.wording import difference, ends, number, unknown
from weighbridge.manifest import GateResult, Gates, Packaged, Verdict, Weighing

_READING = (
    "Both ends of an interval are one-sided bounds at the gate's confidence; the one on the unfavourable side is held "
    "against the limit. The baseline is the last release's value, of changed decisions the noise floor. Beside an "
    "earlier release the interval is that of the difference, both models scored on the same rows. Only *pass* lets a "
    "release through, and *not applicable*, for the reason that is given. *At release* means that the gate is judged "
    "when the tag is made. `docs/gates.md` says more. Each rule in words:"
)


def page(verdict: Verdict, packaged: Packaged, weighing: Weighing) -> str:
    """Return the page as Markdown; the same records give the same text."""
    gates = verdict.gates
    blocks = [
        f"# {inline(packaged.name)} {inline(verdict.version)}: {inline(gates.verdict)}",
        *_outcome(verdict, packaged, weighing),
        "## Gates",
        gate_table(gates.results),
        *_in_the_way(gates),
        *_approvals(gates, packaged),
        *_parts(gates.results),
        *_self_test(gates),
        "## How to read it",
        _READING,
        "\n".join(f"- {rule(result)}" for result in gates.results) or "- no gates",
    ]
    return "\n\n".join(blocks) + "\n"


def _outcome(verdict: Verdict, packaged: Packaged, weighing: Weighing) -> Iterator[str]:
    yield _in_a_sentence(verdict.gates)
    lineage = verdict.lineage
    after = f"after {code(lineage.previous)}" if lineage.previous else "with no release before it"
    yield f"Version: **{inline(verdict.version)}**, {inline(lineage.bump)}, {after}:"
    yield "\n".join(f"- {inline(reason)}" for reason in lineage.reasons) or "- no reason was recorded"
    made = f"champion {code(packaged.champion)}, seed {packaged.seed}"
    decides = f", decided at {weighing.threshold:g}" if weighing.task == "binary" else ""
    facts = [
        f"Bundle {code(packaged.artifacts.content_sha256)}, {made}.",
        f"Judged on {_rows(weighing)}{decides}.",
        f"Limits {code(verdict.gates.gates_sha256[:12])}.",
        decisions(verdict.gates),
    ]
    yield " ".join(fact for fact in facts if fact)
    if not_known := unknown(weighing.comparison):
        yield inline(not_known)
    if lineage.data_changes:
        yield "In the data:"
        yield "\n".join(f"- {inline(change)}" for change in lineage.data_changes)


def _in_a_sentence(gates: Gates) -> str:
    blocking = _in_order(gates)
    names = ", ".join(f"{code(result.name)} ({inline(result.verdict)})" for result in blocking)
    said = []
    if blocking:
        said.append(f"{_counted(blocking)} in the way: {names}.")
    if gates.needs_approval:
        said.append("A person has to approve it.")
    if not all(test.caught for test in gates.self_test):
        said.append("The self-test found a gate that lets a damaged model through.")
    if not said:
        said.append("Every gate passed or did not apply." if gates.results else "There are no gates.")
    return f"**{inline(gates.verdict)}**. {' '.join(said)}"


def _counted(results: Sequence[GateResult]) -> str:
    return "1 gate stands" if len(results) == 1 else f"{len(results)} gates stand"


def _in_order(gates: Gates) -> list[GateResult]:
    """Return the gates that stand in the way, failures first."""
    blocking = [result for result in gates.results if stands_in_the_way(result)]
    return sorted(blocking, key=lambda result: by_gravity(result.verdict))


def _rows(weighing: Weighing) -> str:
    by = f" by {code(weighing.group_by)}" if weighing.group_by and weighing.group_by != "group" else ""
    return f"{weighing.rows:,} test rows" + (f" in {weighing.groups:,} groups{by}" if weighing.groups else "")


def _in_the_way(gates: Gates) -> Iterator[str]:
    blocking = _in_order(gates)
    if not blocking:
        return
    yield "## What stands in the way"
    for result in blocking:
        yield f"### {code(result.name)}: {inline(result.verdict)}"
        yield "\n".join(f"- {line}" for line in _explained(result, gates.needs_approval))


def _explained(result: GateResult, needed: Sequence[str]) -> Iterator[str]:
    yield f"Rule: {clause(result.rule)}."
    if result.reason:
        yield f"Found: {clause(result.reason)}."
    numbers = [
        f"{what} {found}"
        for what, found in (
            ("value", number(result.value)), ("baseline", number(result.baseline)),
            ("difference", difference(result)), ("interval", ends(result)), ("limit", number(result.limit)),
            ("short by", number(result.short_by)),
        ) if found
    ]  # fmt: skip
    if numbers:
        yield f"Numbers: {', '.join(numbers)}."
    if what_to_do := advice(result):
        yield f"What to do: {what_to_do}"
    if f"inconclusive: {result.name}" in needed:
        yield "By its policy an approval lets it through."


def _approvals(gates: Gates, packaged: Packaged) -> Iterator[str]:
    if gates.loosened:
        yield "## Loosened since the last release"
        yield "\n".join(f"- {inline(change)}" for change in gates.loosened)
    if gates.needs_approval:
        yield "## Needs approval"
        yield "\n".join(f"- {inline(what)}" for what in gates.needs_approval)
        yield (
            f"A person approves this very bundle, {code(packaged.artifacts.content_sha256[:16])}, and commits the file "
            "that the command writes. Where the gate asks for it, that person is another one than the author."
        )
        yield fenced("sh", "weighbridge approve --reason '…'\nsnakemake --cores all")
    if gates.approvals:
        yield "## Approvals"
        yield approval_table(gates.approvals)


def _parts(results: Sequence[GateResult]) -> Iterator[str]:
    several = [result for result in results if result.parts]
    if several:
        yield "## Parts"
    for result in several:
        yield from part_table(result)


def _self_test(gates: Gates) -> Iterator[str]:
    if gates.self_test:
        yield "## Self-test"
        yield in_words(gates.self_test)
        yield self_test_table(gates.self_test)
