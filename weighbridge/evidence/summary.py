"""The end of a run on the terminal: plain text, the same in a file."""

from collections.abc import Iterator, Sequence

from weighbridge.evidence.markdown import CONTROL
from weighbridge.evidence.wording import difference, ends, number, percent, signed, span
from weighbridge.manifest import (
    CandidateScore,
    Comparison,
    GateResult,
    Gates,
    Interval,
    Lineage,
    Packaged,
    Released,
    Weighing,
)

_WIDTH = 110
_LINES, _FRAME = 25, 9  # the most, and those that are always there, where to look among them
_SHOWN_CANDIDATES, _SHOWN_GATES = 4, 6


def summary(  # noqa: PLR0913 - all that the end of a run tells of
    packaged: Packaged,
    weighing: Weighing,
    gates: Gates,
    released: Released | None,
    lineage: Lineage | None = None,
    *,
    version: str = "",
) -> str:
    """Return the end of a run in at most 25 lines of plain text: champion, measurements, verdict, where to look.

    *version* is the one that was derived, which a refusal's first line can't name as a tag.
    """
    serving = weighing.serving
    grouped = f" in {weighing.groups:,} groups" if weighing.groups else ""
    champion = (
        f"{packaged.champion}, seed {packaged.seed}, of {len(packaged.candidates)} by validation {packaged.primary}"
    )
    costs = (
        f"{serving.latency_ms_p50:.3g} ms a row, {serving.peak_memory_mib:.0f} MiB, {serving.size_mib:.2g} MiB on disk"
    )
    tested = f"{weighing.rows:,} rows{grouped}, {percent(weighing.confidence)} intervals{_beside(weighing.comparison)}"
    candidates, verdicts, persons = _candidate_lines(packaged), _gate_lines(gates.results), _person_lines(gates)
    room = _LINES - _FRAME - len(candidates) - len(verdicts) - len(persons)
    lines = [
        _outcome(packaged, gates, released),
        f"Version   {', '.join(filter(None, (version, lineage.bump)))}: {'; '.join(lineage.reasons)}"
        if lineage
        else "",
        f"Champion  {champion}",
        *candidates,
        f"Test      {tested}",
        *_metric_lines(packaged, weighing, room),
        f"Serving   {costs}",
        f"Gates     {gates.verdict}",
        *verdicts,
        *persons,
        "",
        *_next_lines(gates, released),
    ]
    return "\n".join(_cut(line) for line in lines)


def _cut(line: str) -> str:
    plain = CONTROL.sub(" ", line)
    return plain if len(plain) <= _WIDTH else plain[: _WIDTH - 2] + " …"


def _outcome(packaged: Packaged, gates: Gates, released: Released | None) -> str:
    if released is None:
        return f"{packaged.name}: not released, the verdict is {gates.verdict}"
    if not released.made:
        return f"{released.tag} holds this very content already; no new release"
    return f"{released.tag} released, commit {released.commit[:12]}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))] if rows else []
    return [("  " + "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True))).rstrip() for row in rows]


def _first(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[: most - 1], f"  … and {len(lines) - most + 1} more"]


def _candidate_lines(packaged: Packaged) -> list[str]:
    metric = packaged.primary
    scored = {name: score for name, score in packaged.candidates.items() if metric in score.mean}
    best = scored[packaged.champion].mean[metric] if packaged.champion in scored else 0.0
    order = sorted(scored, key=lambda name: (name != packaged.champion, abs(scored[name].mean[metric] - best)))
    rows = [
        (name, _mean(scored[name], metric),
         "over " + ("1 seed" if len(scored[name].seeds) == 1 else f"{len(scored[name].seeds)} seeds"))
        for name in order
    ]  # fmt: skip
    return _first(_aligned(rows), _SHOWN_CANDIDATES)


def _mean(score: CandidateScore, metric: str) -> str:
    spread = score.deviation.get(metric)
    return f"{score.mean[metric]:.4f}" + ("" if spread is None else f" ± {spread:.4f}")


def _beside(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    if not comparison.comparable:
        return f"; {comparison.release}: no comparison"
    unknown = len(comparison.unknown_labels)
    classes = f" ({unknown} {'class' if unknown == 1 else 'classes'} unknown to it)" if unknown else ""
    return f"; change against {comparison.release}{classes}"


def _metric_lines(packaged: Packaged, weighing: Weighing, most: int) -> list[str]:
    changes = weighing.comparison.metrics if weighing.comparison else {}
    rows = [
        (name, number(found.value), f"({span(found)})", _change(changes[name].difference) if name in changes else "")
        for name, found in sorted(weighing.metrics.items(), key=lambda item: item[0] != packaged.primary)
    ]
    return _first(_aligned(rows), most)


def _change(difference: Interval) -> str:
    return f"{signed(difference.value)} ({signed(difference.low)} to {signed(difference.high)})"


def _gate_lines(results: Sequence[GateResult]) -> list[str]:
    """Return a line for each gate that stands in the way, then one for each other verdict with the gates' names."""
    quiet = ("pass", "not applicable", "at release")
    blocking = sorted((result for result in results if result.verdict not in quiet), key=lambda r: r.verdict != "fail")
    loud = [f"  {result.verdict}: {result.name}{_why(result)}" for result in blocking]
    calm = [
        f"  {verdict}: {', '.join(names)}"
        for verdict in quiet
        if (names := [result.name for result in results if result.verdict == verdict])
    ]
    return [*_first(loud, max(1, _SHOWN_GATES - len(calm))), *calm]


def _why(result: GateResult) -> str:
    """Return what a gate compared with what, what it would need, and its reason."""
    compared = difference(result) or number(result.value)
    between = f" ({ends(result)})" if ends(result) else ""
    said = [
        f"{compared}{between} against {number(result.limit)}" if compared and result.limit is not None else "",
        f"short by {number(result.short_by)}" if result.short_by is not None and not between else "",
        f"{result.rows_needed:,} rows needed" if _untold(result) else "",
    ]
    return "".join(f", {words}" for words in said if words) + (f"; {result.reason}" if result.reason else "")


def _untold(result: GateResult) -> bool:
    """Return whether the number of rows that a gate needs isn't in its reason already."""
    return result.rows_needed is not None and str(result.rows_needed) not in result.reason


def _person_lines(gates: Gates) -> list[str]:
    """Return what a person has to look at: gates that guard nothing, and what needs an approval."""
    through = [f"{test.gate} ({test.damage})" for test in gates.self_test if not test.caught]
    return [
        *([f"Self-test {len(through)} of {len(gates.self_test)} damages went through: {', '.join(through)}"]
          if through else []),
        *_approval(gates),
    ]  # fmt: skip


def _next_lines(gates: Gates, released: Released | None) -> tuple[str, ...]:
    if released:
        first = f"weighbridge show {released.tag}"
    elif gates.verdict == "needs approval":
        first = "weighbridge approve, by another person; results/verdict.md says what and why"
    else:
        first = "results/verdict.md, what stands in the way and what to do about it"
    return f"Next      {first}", "          snakemake --report report.html, or results/figures/"


def _approval(gates: Gates) -> Iterator[str]:
    """Say who approved what, and what still waits for somebody."""
    by = {words: one.approver for one in gates.approvals for words in one.approves}
    given = [words for words in gates.needs_approval if words in by]
    missing = [words for words in gates.needs_approval if words not in by]
    if given:
        yield f"Approval  by {', '.join(dict.fromkeys(by[words] for words in given))}: {'; '.join(given)}"
    if missing:
        yield f"Approval  needed for {'; '.join(missing)}"
