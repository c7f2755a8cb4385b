"""Tables of gates, their parts, self-tests and approvals in Markdown, for the verdict's page and for the card."""

from collections.abc import Callable, Iterator, Sequence

from weighbridge.evidence.advice import QUIET
from weighbridge.evidence.markdown import clause, code, inline, table
from weighbridge.evidence.wording import count, difference, ends, number
from weighbridge.manifest import Approval, GatePart, GateResult, Gates, SelfTest

_ORDER = {"fail": 0, "inconclusive": 1, "needs approval": 2, "warn": 3, "pass": 5, "not applicable": 6, "at release": 7}
_SHOWN_PARTS = 60


def gate_section(gates: Gates) -> Iterator[str]:
    """Yield what a model card says of its gates: each with its numbers, the slices, and who approved what."""
    yield "## Gates"
    yield f"Verdict: **{inline(gates.verdict)}**. Limits: {code(gates.gates_sha256[:12])}. {decisions(gates)}".rstrip()
    yield gate_table(gates.results)
    yield "\n".join(f"- {rule(result)}" for result in gates.results) or "- no gates"
    for result in gates.results:
        if result.kind == "slices" and result.parts:
            yield from part_table(result)
    if gates.self_test:
        yield f"Self-test: {in_words(gates.self_test)}"
    if gates.loosened:
        yield "Loosened since the last release:"
        yield "\n".join(f"- {inline(change)}" for change in gates.loosened)
    if gates.approvals:
        yield "Approved:"
        yield approval_table(gates.approvals)


def by_gravity(verdict: str) -> int:
    """Return where a verdict stands in a list that begins with what stands in the way."""
    return _ORDER.get(verdict, 4)


def word(verdict: str) -> str:
    """Return a verdict, bold where it stands in the way."""
    return inline(verdict) if verdict in QUIET else f"**{inline(verdict)}**"


def gate_table(results: Sequence[GateResult]) -> str:
    """Return the table of all gates with their numbers."""
    return table(
        ("gate", "kind", "verdict", "value", "baseline", "difference", "interval", "limit", "rows", "rows needed"),
        [
            (code(result.name), inline(result.kind), word(result.verdict), number(result.value),
             number(result.baseline), difference(result), ends(result), number(result.limit), count(result.rows),
             count(result.rows_needed))
            for result in results
        ],
        right=(3, 4, 5, 6, 7, 8, 9),
    )  # fmt: skip


def rule(result: GateResult) -> str:
    """Return a gate's rule in words, and where it doesn't stand in the way, why not."""
    because = f" ({clause(result.reason)}.)" if result.reason and result.verdict in QUIET else ""
    return f"{code(result.name)}: {clause(result.rule)}.{because}"


def part_table(result: GateResult) -> Iterator[str]:
    """Yield a heading and the table of a gate's parts, those first that stand in the way, without empty columns."""
    shown = sorted(result.parts, key=lambda part: by_gravity(part.verdict))[:_SHOWN_PARTS]
    columns = {head: [cell(part) for part in shown] for head, cell in _PART_COLUMNS.items()}
    kept = {head: cells for head, cells in columns.items() if head in {"part", "verdict"} or any(cells)}
    right = [i for i, head in enumerate(kept) if head not in {"part", "verdict", "reason"}]
    yield f"### Parts of {code(result.name)}"
    yield table(tuple(kept), list(zip(*kept.values(), strict=True)), right=right)
    if len(result.parts) > len(shown):
        yield f"And {len(result.parts) - len(shown):,} more, in the record of the verdict."


def _p(part: GatePart) -> str:
    return "" if part.p is None else f"{part.p:.2g}"


_PART_COLUMNS: dict[str, Callable[[GatePart], str]] = {
    "part": lambda part: code(part.name),
    "verdict": lambda part: word(part.verdict),
    "rows": lambda part: count(part.rows),
    "value": lambda part: number(part.value),
    "baseline": lambda part: number(part.baseline),
    "difference": difference,
    "interval": ends,
    "p (Holm)": _p,
    "reason": lambda part: inline(part.reason),
}


def approval_table(approvals: Sequence[Approval]) -> str:
    """Return the table of who approved what, and why."""
    return table(
        ("by", "when", "approves", "why", "bundle"),
        [
            (inline(one.approver), inline(one.when), inline("; ".join(one.approves)), inline(one.reason),
             code(one.content_sha256[:16]))
            for one in approvals
        ],
    )  # fmt: skip


def self_test_table(tests: Sequence[SelfTest]) -> str:
    """Return the table of what gates said to damaged models, those first that let one through."""
    return table(
        ("gate", "damage", "said no"),
        [
            (code(test.gate), inline(test.damage), "yes" if test.caught else "**no**")
            for test in sorted(tests, key=lambda test: test.caught)
        ],
    )


def in_words(tests: Sequence[SelfTest]) -> str:
    """Return what came of the self-test, in a sentence or two."""
    missed = sum(not test.caught for test in tests)
    found = f"**{missed} of {len(tests)} damages went through.**" if missed else f"All {len(tests)} were caught."
    return f"Gates were shown models that were damaged on purpose. {found}"


def decisions(gates: Gates) -> str:
    """Return how often these test rows have decided; empty where unknown."""
    times = gates.test_decisions
    if times is None:
        return ""
    if times <= 1:
        return "These test rows have not decided before."
    return (
        f"These test rows have decided on {times:,} bundles, this one included. The more they decide, the less they "
        "prove."
    )
