"""The points of a search side by side, and how much each parameter mattered."""

import csv
import io
import itertools
import json
import math
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

from weighbridge.settings import Grid, Random, Span

_MOST_GROUPS = 4
_IN_A_GROUP = 3
_NEAR_AN_END = 0.05
_LOG_FROM = 20.0
_FEWEST_ENDS = 3


class Tried(NamedTuple):
    """A point: what was set (by dotted key), the metric's mean and deviation over seeds, and its cost in seconds.

    *mean* is ``None`` where the metric could not be measured, *deviation* with a single seed.
    """

    name: str
    base: str
    values: dict[str, Any]
    mean: float | None
    deviation: float | None
    seconds: float
    champion: bool


class Group(NamedTuple):
    """Points with the same value of a parameter, or with neighbouring ones: in words, from where to where, the mean."""

    words: str
    low: Any
    high: Any
    mean: float


class Parameter(NamedTuple):
    """What a search says of one parameter.

    *explained* is the share of the differences between points that it explains alone (None where too few points tell),
    *groups* the points by its values, *at_end* whether the best point lies at an end of what was tried, *log* whether
    its values are to be seen on a logarithmic axis.
    """

    key: str
    explained: float | None
    groups: tuple[Group, ...]
    at_end: bool
    log: bool


def ranked(points: Sequence[Tried], *, greater: bool) -> list[Tried]:
    """Return the points, the best first; those without the metric last."""
    sign = -1.0 if greater else 1.0
    return sorted(points, key=lambda one: (one.mean is None, sign * (one.mean or 0.0)))


def keys_of(points: Sequence[Tried]) -> list[str]:
    """Return what the points set, in the order of the search."""
    return list(dict.fromkeys(key for one in points for key in one.values))


def table(points: Sequence[Tried], metric: str) -> str:
    """Return the points as CSV, in their order; values that are neither text nor number as JSON."""
    keys = keys_of(points)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ["candidate", "search", f"{metric}_mean", f"{metric}_deviation", "seconds", "champion"]
    writer.writerow([*head, *keys])
    for one in points:
        own = [in_words(one.values[key]) if key in one.values else "" for key in keys]
        figures = ["" if figure is None else repr(figure) for figure in (one.mean, one.deviation, one.seconds)]
        writer.writerow([one.name, one.base, *figures, "true" if one.champion else "false", *own])
    return stream.getvalue()


def in_words(value: Any) -> str:
    """Return a parameter's value as one writes it in the configuration."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def parameters(search: Grid | Random, points: Sequence[Tried], *, greater: bool) -> list[Parameter]:
    """Return what the points of one search say of each parameter that varies, the one that matters most first."""
    measured = [one for one in ranked(points, greater=greater) if one.mean is not None]
    found = []
    for key in keys_of(points):
        if len({in_words(one.values[key]) for one in points}) < 2:  # noqa: PLR2004 - it varies
            continue
        place, _, name = key.partition(".")
        tried = getattr(search, place)[name]
        grouped = _grouped(key, measured)
        groups = tuple(_group(key, members) for members in grouped)
        at_end = bool(measured) and _is_at_end(tried, measured[0].values[key])
        found.append(Parameter(key, _explained(grouped), groups, at_end, _is_log(tried)))
    return sorted(found, key=lambda one: -1.0 if one.explained is None else -1.0 - one.explained)


def is_number(value: Any) -> bool:
    """Return whether *value* is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _grouped(key: str, points: Sequence[Tried]) -> list[list[Tried]]:
    """Return the points by the value of *key*; by ranges of as many points each where it has too many values."""
    values = {in_words(one.values[key]) for one in points}
    numbers = all(is_number(one.values[key]) for one in points)
    if numbers:
        points = sorted(points, key=lambda one: one.values[key])
    if numbers and len(values) > max(_MOST_GROUPS, len(points) // 2):
        count = max(1, min(_MOST_GROUPS, len(points) // _IN_A_GROUP))
        ends = [round(len(points) * i / count) for i in range(count + 1)]
        return [list(points[low:high]) for low, high in itertools.pairwise(ends)]
    groups: dict[str, list[Tried]] = {}
    for one in points:
        groups.setdefault(in_words(one.values[key]), []).append(one)
    return list(groups.values())


def _group(key: str, members: Sequence[Tried]) -> Group:
    low, high = members[0].values[key], members[-1].values[key]
    ends = [in_words(low), in_words(high)]
    words = ends[0] if ends[0] == ends[1] else " to ".join(ends)
    return Group(words, low, high, statistics.fmean(one.mean for one in members if one.mean is not None))


def _explained(groups: Sequence[Sequence[Tried]]) -> float | None:
    """Return the share of the variance between points that the groups explain, adjusted for chance.

    Kelley's epsilon squared: 1 - (within / (n - k)) / (total / (n - 1)); none below zero.
    """
    samples = [[one.mean for one in group if one.mean is not None] for group in groups]
    every = [value for sample in samples for value in sample]
    n, k = len(every), len(samples)
    if k < 2 or n <= k:  # noqa: PLR2004 - two groups to compare
        return None
    total = math.fsum((value - statistics.fmean(every)) ** 2 for value in every) / (n - 1)
    within = math.fsum((value - statistics.fmean(sample)) ** 2 for sample in samples for value in sample) / (n - k)
    return max(0.0, 1.0 - within / total) if total > 0 else None


def _is_log(tried: tuple[Any, ...] | Span) -> bool:
    if isinstance(tried, Span):
        return tried.log
    positive = all(is_number(value) and value > 0 for value in tried)
    return positive and max(tried) / min(tried) >= _LOG_FROM


def _is_at_end(tried: tuple[Any, ...] | Span, value: Any) -> bool:
    """Return whether *value* is the least or greatest that was tried, or next to it: the best may lie beyond."""
    if isinstance(tried, Span):
        low, high, at = (math.log(one) if tried.log else one for one in (tried.low, tried.high, value))
        return min(at - low, high - at) <= _NEAR_AN_END * (high - low)
    numbers = all(is_number(one) for one in tried) and len(set(tried)) >= _FEWEST_ENDS
    return numbers and value in {min(tried), max(tried)}
