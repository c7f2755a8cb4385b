"""The picture of the slices: a row a part of the test rows, its interval drawn and its figures written out.

Where a gate has judged the slices against the last release, their differences are shown, else the metric itself.
"""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.difference_pictures import differences, has_differences
from weighbridge.evidence.page import (
    BLUE,
    INK,
    SKY,
    STEPS,
    TEXT,
    VERMILION,
    Page,
    Sheet,
    in_figures,
    metric_name,
    notice,
    short,
    text_width,
    titled,
    with_interval,
)
from weighbridge.evidence.plot_tables import metric_shown
from weighbridge.evidence.scene import Scene
from weighbridge.manifest import Interval, Slice

_FIGURES = 0.85  # inches right of the axes


def slices(scene: Scene) -> Figure:
    """Draw a forest plot: each slice's difference to the last release where a gate judged it, else its metric."""
    results = scene.verdict.gates.results if scene.verdict else ()
    judged = next((result for result in results if has_differences(result)), None)
    return by_metric(scene) if judged is None else differences(scene, judged)


def by_metric(scene: Scene) -> Figure:
    """Draw a forest plot: the shown metric of each slice with its interval, beside that of all test rows."""
    metric = metric_shown(scene.packaged, scene.weighing)
    overall = scene.weighing.metrics.get(metric)
    parts = scene.weighing.slices
    measured = [part for part in parts if metric in part.metrics]
    if not measured or overall is None:
        return notice("No slices were measured", "Name columns under metrics.slices in config/config.yaml.")
    sign = 1 if scene.more_is_better(metric) else -1
    alone = "" if scene.weighing.task == "regression" else ", or one class only"
    weakest = min(measured, key=lambda part: sign * part.metrics[metric].value)
    worse = [part for part in measured if _wholly_worse(part.metrics[metric], overall.value, sign)]
    page = titled(
        f"Weakest slice: {short(weakest.column)} {short(_value(weakest))}, "
        f"{metric_name(metric)} {in_figures(weakest.metrics[metric].value)} against "
        f"{in_figures(overall.value)} overall",
        f"{metric_name(metric)} of parts of the test rows. {_worse_in_words(len(worse), len(measured), sign)}",
        f"{scene.rows_in_words}. {scene.interval_in_words}. Blue band: all test rows, {with_interval(overall)}."
        + (f" Not measured: too few rows{alone}." if len(measured) < len(parts) else ""),
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
    figures = [with_interval(part.metrics[metric]) for part in parts if metric in part.metrics]
    room = max(1.55, text_width(page.figure, figures, 9))
    left = text_width(page.figure, names, 9.5, "bold") + 0.45
    sheet = Sheet.on(page, left=left, right=_FIGURES + room + 0.05, bottom=0.45, top=0.22)
    axes = sheet.axes
    axes.axvspan(overall.low, overall.high, color=SKY, lw=0, alpha=0.7)
    axes.axvline(overall.value, color=BLUE, lw=1.2)
    value = f"{metric_name(metric)} (interval)"
    value = value if text_width(page.figure, [value], 8.5) <= room else "value (interval)"
    for x, words, side in ((0.65, "rows", "right"), (_FIGURES, value, "left")):
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
        sheet.after(_FIGURES, row, "not measured", color=TEXT, style="italic")
        return
    found, colour = part.metrics[metric], VERMILION if worse else INK
    sheet.axes.plot([found.low, found.high], [row, row], color=colour, lw=1.5)
    marker, size = ("D", 38) if worse else ("o", 30)
    sheet.axes.scatter(found.value, row, s=size, marker=marker, color=colour, edgecolor="white", lw=0.7, zorder=4)
    sheet.after(_FIGURES, row, with_interval(found), color=colour)
