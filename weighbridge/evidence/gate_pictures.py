"""The picture of the gates: a row a gate, its interval drawn beside its limit and all figures written out."""

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure

from weighbridge.evidence.advice import QUIET
from weighbridge.evidence.page import (
    AMBER,
    GREEN,
    INK,
    SHADE,
    TEXT,
    VERMILION,
    Sheet,
    notice,
    number,
    one_line,
    short,
    text_width,
    titled,
)
from weighbridge.evidence.scene import Scene
from weighbridge.manifest import GateResult

# The word, colour and marker of each verdict.
_LOOKS = {
    "pass": ("PASS", GREEN, "o"),
    "fail": ("FAIL", VERMILION, "X"),
    "inconclusive": ("INCONCLUSIVE", AMBER, "D"),
    "warn": ("WARN", AMBER, "^"),
    "needs approval": ("NEEDS APPROVAL", AMBER, "s"),
    "not applicable": ("not applicable", TEXT, "_"),
    "at release": ("at release", TEXT, "|"),
}
_UNDECIDED = ("not applicable", "at release")
_VALUE, _COMPARED, _LIMIT, _VERDICT, _RIGHT = 0.75, 2.2, 3.1, 3.35, 4.7  # inches right of the axes
_RULE_CHARACTERS, _RULE_LINES = 50, 3
_ROOM = 1.08  # the farthest mark stays this much inside the strip
_HALVES = 2.5  # a strip shows at least this many half widths of its interval on either side of the limit


def look(verdict: str) -> tuple[str, str, str]:
    """Return the word, the colour and the marker of a verdict."""
    return _LOOKS.get(verdict, (short(verdict, 16), INK, "o"))


class Place(NamedTuple):
    """Where a gate's numbers lie on its strip, from -1 to 1: the limit at 0, the good side above it."""

    point: float
    worst: float
    best: float
    upwards: bool
    """Whether more is better, or the strip is drawn the other way round."""
    width: float
    """What the strip's half stands for, in the gate's own unit."""


def gates(scene: Scene) -> Figure:
    """Draw each gate: where its interval lies beside its limit, the figures, and the verdict in words."""
    results = scene.verdict.gates.results if scene.verdict else ()
    if not results:
        return notice("No gates were judged", "Name them in config/gates.yaml.")
    rules = [_rule_lines(result) for result in results]
    names = [short(result.name, 34) for result in results]
    tops = [sum(_row_height(lines) for lines in rules[:i]) for i in range(len(rules) + 1)]
    page = titled(
        _title(results),
        "A mark is what was measured, or its difference to the last release; the bar is the interval that the gate "
        "judges by. It has to lie right of the upright line, the limit, as a whole.",
        "Each gate on a scale of its own; where less is better, the scale is turned round. Both ends of an interval "
        "are one-sided bounds at the gate's confidence. A gate with no bar was measured without an interval. Of slices "
        "the worst is drawn; it fails only where a loss beyond the margin is proven.",
        body=0.35 + tops[-1],
        width=10.8,
    )
    lines = [line for rule in rules for line in rule]
    left = max(text_width(page.figure, lines, 8), text_width(page.figure, names, 10, "bold")) + 0.25
    sheet = Sheet.on(page, left=left, right=_RIGHT, bottom=0.0, top=0.35)
    for x, words in ((_VALUE, "value"), (_COMPARED, "difference, interval"), (_LIMIT, "limit")):
        sheet.head(x, words, "right")
    sheet.head(-sheet.width / 2, "bad ◂ limit ▸ good", "center")
    for i, result in enumerate(results):
        if i:
            sheet.rule(tops[i])
        sheet.before(tops[i] + 0.18, names[i], size=10, weight="bold")
        for j, line in enumerate(rules[i]):
            sheet.before(tops[i] + 0.36 + 0.15 * j, line, size=8, color=TEXT)
        _gate_row(sheet, (tops[i], tops[i + 1]), result)
    sheet.axes.set_xlim(-1.04, 1.04)
    sheet.axes.set_ylim(tops[-1], 0.0)
    sheet.axes.axis("off")
    return page.figure


def _rule_lines(result: GateResult) -> list[str]:
    """Return a gate's rule, and below it the reason for its verdict."""
    lines = []
    for text in (result.rule, f"→ {result.reason}" if result.reason else ""):
        lines += textwrap.wrap(one_line(text), _RULE_CHARACTERS, max_lines=_RULE_LINES, placeholder=" …")
    return lines


def _row_height(lines: Sequence[str]) -> float:
    """Return the height in inches of a gate whose rule takes these lines; the axes' unit is the inch."""
    return 0.34 + 0.15 * max(1, len(lines))


def _title(results: Sequence[GateResult]) -> str:
    decided = [result for result in results if result.verdict not in _UNDECIDED]
    missed = [result for result in decided if result.verdict not in QUIET]
    if not missed:
        return f"All {len(decided)} gates hold" if decided else "No gate is decided yet"
    names = [short(result.name, 34) for result in missed[:3]] + (["…"] if len(missed) > 3 else [])  # noqa: PLR2004
    return f"{len(decided) - len(missed)} of {len(decided)} gates hold; missed: {', '.join(names)}"


def _gate_row(sheet: Sheet, span: tuple[float, float], result: GateResult) -> None:
    word, colour, marker = look(result.verdict)
    place, row = placed(result), sum(span) / 2
    if place:
        sheet.axes.fill_betweenx(span, -1, 0, color=SHADE, lw=0, zorder=0)
        _strip(sheet, row, result, place)
    _cell(sheet, _VALUE, row, _figure(result.value), _baseline(result))
    _cell(sheet, _COMPARED, row, _difference(result), _interval(result))
    if result.limit is not None and (place or result.value is not None):
        sheet.after(_LIMIT, row, _limit(result.limit, result, place), ha="right")
    sheet.mark(_VERDICT, row, marker, colour)
    needed = f"{number(result.rows_needed)} rows needed" if result.rows_needed is not None else ""
    sheet.after(_VERDICT + 0.16, row - (0.07 if needed else 0), word, color=colour, weight="bold", size=8.5)
    if needed:
        sheet.after(_VERDICT + 0.16, row + 0.08, needed, color=TEXT, size=7.5)


def _strip(sheet: Sheet, row: float, result: GateResult, place: Place) -> None:
    axes, (_, colour, marker) = sheet.axes, look(result.verdict)
    axes.plot([0, 0], [row - 0.19, row + 0.19], color=INK, lw=1.3, zorder=2)
    other = other_limit(result, place)
    if other is not None:
        axes.fill_betweenx([row - 0.19, row + 0.19], other, 1, color=SHADE, lw=0, zorder=0)
        axes.plot([other, other], [row - 0.19, row + 0.19], color=INK, lw=1.3, zorder=2)
    axes.plot([place.worst, place.best], [row, row], color=colour, lw=2.2, zorder=3)
    if place.worst != place.best:
        for end in (place.worst, place.best):
            axes.plot([end, end], [row - 0.06, row + 0.06], color=colour, lw=1.8, zorder=3)
    axes.scatter(place.point, row, s=46, marker=marker, color=colour, lw=1.5 if marker in "_|" else 0, zorder=5)


def other_limit(result: GateResult, place: Place) -> float | None:
    """Return where the limit on the other side lies, of what must be within a margin on both sides of 0."""
    if result.limit is None or not _two_sided(result):
        return None
    return min(1.0, 2 * abs(result.limit) / place.width)


def _two_sided(result: GateResult) -> bool:
    return "both bounds" in result.rule


def _cell(sheet: Sheet, x: float, row: float, first: str, second: str) -> None:
    """Write one or two lines that end *x* inches right of the axes."""
    if first and second:
        sheet.after(x, row - 0.075, first, ha="right")
        sheet.after(x, row + 0.085, second, ha="right", color=TEXT, size=7.8)
    elif first or second:
        sheet.after(x, row, first or second, ha="right")


def _limit(limit: float, result: GateResult, place: Place | None) -> str:
    if place is None:
        return number(limit)
    if other_limit(result, place) is not None:
        return f"± {number(abs(limit))}"
    return f"{'≥' if place.upwards else '≤'} {number(limit)}"


def _figure(value: float | None) -> str:
    return "" if value is None else number(value)


def _baseline(result: GateResult) -> str:
    """Return what the value is compared with: the last release's, of changed decisions the noise floor."""
    if result.baseline is None:
        return ""
    return f"{'floor' if result.kind == 'churn' else 'last'} {number(result.baseline)}"


def _difference(result: GateResult) -> str:
    if result.difference is None:
        return ""
    if result.kind == "budget":
        return f"{number(result.difference)} times"
    return ("+" if result.difference > 0 else "") + number(result.difference)


def _interval(result: GateResult) -> str:
    if result.low is None or result.high is None:
        return ""
    return f"{number(result.low)} to {number(result.high)}"


def placed(result: GateResult) -> Place | None:
    """Return where a gate's numbers lie on its strip; ``None`` where it has none.

    What the rule compares is the difference, or else the value. The bound is the unfavourable end of its interval, so
    it tells which side of the limit is good; without one, the verdict does.
    """
    point = _point(result)
    if point is None or result.limit is None:
        return None
    low, high = _ends(result, point)
    upwards = _upwards(result, point, low, high)
    size = max(map(abs, (point, low, high, result.limit))) or 1.0  # first, lest a distance be beyond all floats
    sign = 1.0 if upwards else -1.0
    limit = result.limit / size
    distances = [sign * (number / size - limit) for number in (point, low, high)]
    half = (high / size - low / size) / 2
    least = _HALVES * half if half else abs(limit)
    across = 2 * abs(limit) if _two_sided(result) else 0.0  # the limit on the other side is on the strip as well
    width = max(least, _ROOM * max(across, *map(abs, distances))) or 1.0
    at, *ends = (max(-1.0, min(1.0, distance / width)) for distance in distances)
    return Place(at, min(ends), max(ends), upwards, width * size)


def _point(result: GateResult) -> float | None:
    """Return the number that the rule compares: the difference where there is one, unless the interval is another's."""
    if result.difference is None or result.value is None or result.low is None or result.high is None:
        return result.value if result.difference is None else result.difference
    elsewhere = not result.low <= result.difference <= result.high and result.low <= result.value <= result.high
    return result.value if elsewhere else result.difference


def _ends(result: GateResult, point: float) -> tuple[float, float]:
    if result.low is not None and result.high is not None:
        return min(result.low, result.high), max(result.low, result.high)
    bound = point if result.bound is None else result.bound
    return min(point, bound), max(point, bound)


def _upwards(result: GateResult, point: float, low: float, high: float) -> bool:
    """Return whether the good side of the limit is above it."""
    if result.bound is not None and low < high and result.bound in (low, high):
        return result.bound == low
    # Costs, counts, drift, days: of what is measured without an interval less is better, but for a throughput.
    at_least = result.kind == "budget" and result.limit is not None and point != result.limit
    return at_least and (point > (result.limit or 0.0)) == (result.verdict != "fail")
