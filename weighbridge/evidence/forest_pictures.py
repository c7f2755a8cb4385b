"""Pictures that are tables: a row a slice or a gate, with its interval drawn and its figures written."""

import math
import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.evidence.curves import metric_shown
from weighbridge.evidence.page import (
    AMBER,
    BLUE,
    GREEN,
    INK,
    SKY,
    STEPS,
    TEXT,
    VERMILION,
    Page,
    Sheet,
    metric_name,
    notice,
    number,
    one_line,
    short,
    text_width,
    titled,
    with_interval,
)
from weighbridge.evidence.scene import Scene
from weighbridge.manifest import GateResult, Interval, Slice

# The word, colour and marker of each verdict.
_VERDICTS = {
    "pass": ("PASS", GREEN, "o"),
    "fail": ("FAIL", VERMILION, "X"),
    "inconclusive": ("INCONCLUSIVE", AMBER, "D"),
    "not applicable": ("not applicable", TEXT, "_"),
    "at release": ("at release", TEXT, "_"),
}
_UNDECIDED = ("not applicable", "at release")
_GATE_COLUMNS = (0.8, 1.5, 2.2)  # inches right of the axes: value, bound, limit
_VERDICT_COLUMN = 2.5
_RULE_CHARACTERS, _RULE_LINES = 58, 3


def slices(scene: Scene) -> Figure:
    """Draw a forest plot: the shown metric of each slice with its interval, beside that of all test rows."""
    metric = metric_shown(scene.packaged, scene.weighing)
    overall = scene.weighing.metrics.get(metric)
    parts = scene.weighing.slices
    measured = [part for part in parts if metric in part.metrics]
    if not measured or overall is None:
        return notice("No slices were measured", "Name columns under metrics.slices in config/config.yaml.")
    sign = 1 if greater_is_better(metric) else -1
    weakest = min(measured, key=lambda part: sign * part.metrics[metric].value)
    worse = [part for part in measured if _wholly_worse(part.metrics[metric], overall.value, sign)]
    page = titled(
        f"Weakest slice: {short(weakest.column)} {short(_value(weakest))}, "
        f"{metric_name(metric)} {weakest.metrics[metric].value:.3f} against {overall.value:.3f} overall",
        f"{metric_name(metric)} of parts of the test rows. {_worse_in_words(len(worse), len(measured), sign)}",
        f"{scene.rows_in_words}. {scene.interval_in_words}. Blue band: all test rows, {with_interval(overall)}."
        + (" Not measured: too few rows, or one class only." if len(measured) < len(parts) else ""),
        body=0.75 + 0.27 * (len(parts) + len({part.column for part in parts}) * 1.3),
    )
    _forest(page, parts, metric, overall, worse)
    return page.figure


def _value(part: Slice) -> str:
    return part.value or "(missing)"


def _wholly_worse(found: Interval, overall: float, sign: int) -> bool:
    return found.high < overall if sign > 0 else found.low > overall


def _worse_in_words(worse: int, measured: int, sign: int) -> str:
    side = "below" if sign > 0 else "above"
    if not worse:
        return f"No interval lies wholly {side} the overall value."
    return (
        f"{worse} of {measured} intervals {'lies' if worse == 1 else 'lie'} wholly {side} the overall value (diamonds)."
    )


def _forest(page: Page, parts: Sequence[Slice], metric: str, overall: Interval, worse: Sequence[Slice]) -> None:
    names = [short(_value(part)) for part in parts] + [short(part.column) for part in parts]
    sheet = Sheet.on(page, left=text_width(page.figure, names, 9.5, "bold") + 0.45, right=2.45, bottom=0.45, top=0.22)
    axes = sheet.axes
    axes.axvspan(overall.low, overall.high, color=SKY, lw=0, alpha=0.7)
    axes.axvline(overall.value, color=BLUE, lw=1.2)
    for x, words, side in ((0.65, "rows", "right"), (0.85, f"{metric_name(metric)} (interval)", "left")):
        sheet.head(x, words, side)
    row, column = 0.0, None
    for part in parts:
        if part.column != column:
            column, row = part.column, row + (0.3 if row else 0.0)
            sheet.before(row, short(column), weight="bold", size=9.5)
            row += 1
        _forest_row(sheet, row, part, metric, worse=part in worse)
        row += 1
    axes.set_ylim(row - 0.3, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.set_xlabel(metric_name(metric))


def _forest_row(sheet: Sheet, row: float, part: Slice, metric: str, *, worse: bool) -> None:
    sheet.before(row, short(_value(part)), indent=0.2, size=9.5)
    sheet.after(0.65, row, f"{part.rows:,}", ha="right", color=TEXT)
    if metric not in part.metrics:
        sheet.after(0.85, row, "not measured", color=TEXT, style="italic")
        return
    found, colour = part.metrics[metric], VERMILION if worse else INK
    sheet.axes.plot([found.low, found.high], [row, row], color=colour, lw=1.5)
    marker, size = ("D", 38) if worse else ("o", 30)
    sheet.axes.scatter(found.value, row, s=size, marker=marker, color=colour, edgecolor="white", lw=0.7, zorder=4)
    sheet.after(0.85, row, with_interval(found), color=colour)


def gates(scene: Scene) -> Figure:
    """Draw each gate: how far value and bound lie from the limit, and the verdict in words."""
    results = scene.verdict.gates.results if scene.verdict else ()
    if not results:
        return notice("No gates were judged", "Name them in config/gates.yaml.")
    rules = [_rule_lines(result) for result in results]
    names = [short(result.name, 34) for result in results]
    tops = [sum(_row_height(lines) for lines in rules[:i]) for i in range(len(rules) + 1)]
    page = titled(
        _gates_title(results),
        "The mark is the value, the whisker ends at the unfavourable bound of its interval. Right of the upright line "
        "is the good side.",
        "Distance from the limit as a share of the largest of value, bound and limit, on a square-root scale. A limit "
        "on a value asks for the value; a comparison with the last release asks for the whole interval.",
        body=0.3 + tops[-1],
        width=10.0,
    )
    lines = [line for rule in rules for line in rule]
    left = max(text_width(page.figure, lines, 8), text_width(page.figure, names, 10)) + 0.3
    sheet = Sheet.on(page, left=left, right=3.85, bottom=0.0, top=0.3)
    for x, words in zip(_GATE_COLUMNS, ("value", "bound", "limit"), strict=True):
        sheet.head(x, words, "right")
    sheet.head(-sheet.width / 2, "short ◂  limit  ▸ good", "center")
    for i, result in enumerate(results):
        if i:
            sheet.rule(tops[i])
        sheet.before(tops[i] + 0.18, names[i], size=10)
        for j, line in enumerate(rules[i]):
            sheet.before(tops[i] + 0.36 + 0.15 * j, line, size=8, color=TEXT)
        _gate_row(sheet, (tops[i] + tops[i + 1]) / 2, result)
    sheet.axes.set_xlim(-1.06, 1.06)
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


def _gates_title(results: Sequence[GateResult]) -> str:
    decided = [result for result in results if result.verdict not in _UNDECIDED]
    missed = [result for result in decided if result.verdict != "pass"]
    if not missed:
        return f"All {len(decided)} gates hold" if decided else "No gate is decided yet"
    names = [short(result.name, 34) for result in missed[:3]] + (["…"] if len(missed) > 3 else [])  # noqa: PLR2004
    return f"{len(decided) - len(missed)} of {len(decided)} gates hold; missed: {', '.join(names)}"


def headroom(result: GateResult) -> tuple[float, float] | None:
    """Return how far value and bound lie on the good side of the limit (bad: negative), as shares in [-1, 1].

    A bound is the unfavourable end of an interval, so from it to the value runs the good side; without a bound, less is
    better, as of all costs. ``None`` where the gate has no numbers.
    """
    if result.value is None or result.limit is None:
        return None
    bound = result.value if result.bound is None else result.bound
    good = 1.0 if result.value > bound else -1.0
    size = max(abs(result.limit), abs(result.value), abs(bound)) or 1.0
    value, worst = (good * (place - result.limit) / size for place in (result.value, bound))
    return max(-1.0, min(1.0, value)), max(-1.0, min(1.0, worst))


def _gate_row(sheet: Sheet, row: float, result: GateResult) -> None:
    word, colour, marker = _VERDICTS.get(result.verdict, (result.verdict, INK, "o"))
    places = headroom(result)
    if places:
        value, bound = (math.copysign(abs(place) ** 0.5, place) for place in places)
        sheet.axes.plot([0, 0], [row - 0.18, row + 0.18], color=INK, lw=1.1)
        sheet.axes.plot([value, bound], [row, row], color=colour, lw=1.8, zorder=3)
        if value != bound:
            sheet.axes.plot([bound, bound], [row - 0.05, row + 0.05], color=colour, lw=1.8, zorder=3)
        sheet.axes.scatter(value, row, s=52, marker=marker, color=colour, lw=0.0, zorder=5)
        for x, figure in zip(_GATE_COLUMNS, (result.value, result.bound, result.limit), strict=True):
            sheet.after(x, row, "" if figure is None else number(figure), ha="right")
    sheet.mark(_VERDICT_COLUMN, row, marker, colour)
    sheet.after(_VERDICT_COLUMN + 0.16, row, word, color=colour, weight="bold", size=8.5)
