"""The page of a search: what mattered, and every point, the best first."""

import statistics
from collections.abc import Iterator, Mapping, Sequence

from weighbridge.evidence.markdown import code, table
from weighbridge.evidence.page import metric_name
from weighbridge.evidence.search_table import Parameter, Tried, in_words, keys_of

Searched = Mapping[str, tuple[Sequence[Tried], Sequence[Parameter]]]


def page(searched: Searched, metric: str, champion: str, *, greater: bool) -> str:
    """Return ``results/search.md``.

    Args:
        searched: for each candidate that was searched its points, the best first, and its parameters.
        metric: the metric that compares them.
        champion: the candidate that was chosen, of all.
        greater: whether more of the metric is better.
    """
    better = "more" if greater else "less"
    said = f"Compared by {metric_name(metric)} on the validation rows ({better} is better). The champion of all"
    lines = ["# Search", "", f"{said} candidates is {code(champion)}. Test rows play no part in it."]
    for base, (points, parameters) in searched.items():
        lines += ["", *_search(base, points, parameters, greater=greater)]
    return "\n".join(lines) + "\n"


def _search(base: str, points: Sequence[Tried], parameters: Sequence[Parameter], *, greater: bool) -> Iterator[str]:
    yield f"## {base}: {len(points)} points"
    yield ""
    measured = [one for one in points if one.mean is not None]
    if not measured:
        yield "No point has the metric."
        return
    best = measured[0]
    yield f"Best: {code(best.name)}, {_score(best)}{', the champion' if best.champion else ''}. {_spread(measured)}"
    yield ""
    if parameters:
        yield "### What mattered"
        yield ""
        head = ("parameter", "explains alone", "best where", "")
        yield table(head, [_row(one, greater=greater) for one in parameters], right=(1,))
        yield ""
        yield (
            "How much of the differences between points a parameter explains alone, adjusted for chance. What is "
            "missing is due to the others, to their interplay and to noise; few points tell little."
        )
        yield ""
    yield "### Points"
    yield ""
    keys = keys_of(points)
    columns = ("", "candidate", "mean", "deviation", "seconds", *map(code, keys))
    yield table(columns, [_point(place, one, keys) for place, one in enumerate(points, 1)], right=(0, 2, 3, 4))


def _spread(measured: Sequence[Tried]) -> str:
    """Say whether points differ by more than seeds do: else their order is chance."""
    means = [one.mean for one in measured if one.mean is not None]
    seeds = [one.deviation for one in measured if one.deviation is not None]
    if len(means) < 2:  # noqa: PLR2004 - two to compare
        return ""
    between = statistics.stdev(means)
    if not seeds:
        return f"Points deviate by ± {between:.4f}; with one seed each nothing tells how much of that is noise."
    noise = statistics.fmean(one**2 for one in seeds) ** 0.5
    text = f"Points deviate by ± {between:.4f}, seeds of one point by ± {noise:.4f}"
    return f"{text}." if between > noise else f"{text}: the order of the points may be chance."


def _score(one: Tried) -> str:
    if one.mean is None:
        return "not measured"
    return f"{one.mean:.4f}" + (f" ± {one.deviation:.4f}" if one.deviation is not None else "")


def _row(one: Parameter, *, greater: bool) -> tuple[str, ...]:
    explained = "too few points" if one.explained is None else f"{one.explained:.0%}".replace("%", " %")
    best = sorted(one.groups, key=lambda group: group.mean, reverse=greater)[:1]
    where = f"{code(best[0].words)}, mean {best[0].mean:.4f}" if best else ""
    at_end = "the best point lies at an end of what was tried: look further" if one.at_end else ""
    return code(one.key), explained, where, at_end


def _point(place: int, one: Tried, keys: Sequence[str]) -> tuple[str, ...]:
    name = f"**{code(one.name)}** (champion)" if one.champion else code(one.name)
    mean = "" if one.mean is None else f"{one.mean:.4f}"
    deviation = "" if one.deviation is None else f"{one.deviation:.4f}"
    values = [code(in_words(one.values[key])) if key in one.values else "" for key in keys]
    return str(place), name, mean, deviation, f"{one.seconds:.1f}", *values
