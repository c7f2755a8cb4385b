"""The message of a refused release: what fell short, by how much, and what to do."""

from collections.abc import Iterator

from weighbridge import paths
from weighbridge.evidence import advice, wording
from weighbridge.manifest import GateResult, Gates

_HEADER = ("gate", "value", "baseline", "difference", "interval", "limit", "short by", "rows needed", "verdict")
_APPROVE = (
    "Let another person look, run 'weighbridge approve' and commit the file that it writes; then run snakemake again."
)


def refusal(judged: Gates, dirty: tuple[str, ...]) -> str:
    """Return the message: a table of all gates, what stands in the way and why, and the next step.

    Args:
        judged: the finished verdict.
        dirty: files that aren't committed.
    """
    standing = [result for result in judged.results if advice.stands_in_the_way(result)]
    lines = [f"no release: the verdict is {judged.verdict}", *table(judged.results)]
    for result in standing:
        lines += _explained(result)
    lines += [f"  uncommitted: {file}" for file in dirty]
    lines += [f"  loosened since the last release: {words}" for words in judged.loosened]
    if judged.test_decisions:
        lines.append(f"These test rows have decided on {_bundles(judged.test_decisions)}, this one included.")
    lines.append(f"Everything before the release stays. {_next_step(judged, dirty)}")
    return "\n".join(lines)


def table(results: tuple[GateResult, ...]) -> list[str]:
    """Return all gates as lines of aligned columns; columns in which nothing stands are left out."""
    rows = [_HEADER, *map(_row, results)]
    kept = [i for i in range(len(_HEADER)) if any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in kept}
    return ["  ".join(row[i].ljust(widths[i]) for i in kept).rstrip() for row in rows]


def _row(result: GateResult) -> tuple[str, ...]:
    needed = result.rows_needed if result.verdict == "inconclusive" else None
    return (
        result.name,
        wording.number(result.value),
        wording.number(result.baseline),
        wording.difference(result),
        wording.ends(result),
        wording.number(result.limit),
        wording.number(result.short_by),
        wording.count(needed),
        result.verdict,
    )


def _explained(result: GateResult) -> Iterator[str]:
    reason = f"; {result.reason}" if result.reason and result.kind != "clean" else ""
    yield f"{result.name}: {result.rule}{reason}"
    said = advice.advice(result)
    if said and result.kind not in {"clean", "approval"}:
        yield f"  {said}"


def _bundles(count: int) -> str:
    return "one bundle" if count == 1 else f"{count} bundles"


def _next_step(judged: Gates, dirty: tuple[str, ...]) -> str:
    if dirty:
        return "Commit these files and run snakemake again."
    return _APPROVE if judged.verdict == "needs approval" else f"See {paths.VERDICT_PAGE} and {paths.FIGURES}."
