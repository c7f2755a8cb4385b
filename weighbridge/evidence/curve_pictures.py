"""Pictures of the test rows' scores: ROC, precision and recall, calibration, decisions."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.page import (
    BLUE,
    FAINT,
    GREY,
    INK,
    MARGIN,
    STEPS,
    TEXT,
    VERMILION,
    Page,
    fitted,
    percent,
    short,
    text_width,
    titled,
    with_interval,
)
from weighbridge.evidence.scene import Scene


def roc(scene: Scene) -> Figure:
    """Draw the ROC curve beside the last release's, with the decision threshold marked."""
    table = scene.table("roc")
    x, y, old = table.numbers("false_positive_rate"), table.numbers("true_positive_rate"), table.numbers("last_release")
    area = scene.weighing.metrics.get("roc_auc")
    negative, positive = scene.labels
    pairs = area.value if area else _area(x, y)
    page = titled(
        f"“{positive}” scores above “{negative}” in {percent(pairs)} of pairs",
        "ROC curve: share of each class that is called positive as the threshold falls from 1 to 0.",
        f"{scene.rows_in_words}. {scene.interval_in_words}." if area else f"{scene.rows_in_words}.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(MARGIN + 0.6, MARGIN + 0.15, bottom=0.5)
    tn, fp, fn, tp = scene.counts
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (1, 2)), label="chance 0.500")
    if old:
        axes.plot(x, old, color=GREY, lw=1.8, label=_old_label(scene, "roc_auc", _area(x, old)))
    axes.plot(x, y, color=BLUE, lw=2.2, label=_new_label(scene, "roc_auc", pairs))
    _mark_threshold(axes, fp / (fp + tn), tp / (tp + fn), scene.weighing.threshold, above=False)
    name_axes(
        page,
        axes,
        f"share of “{negative}” called “{positive}” (false positive rate)",
        f"share of “{positive}” called so (true positive rate)",
    )
    unit_square(axes)
    _legend(axes, "lower right")
    return page.figure


def precision_recall(scene: Scene) -> Figure:
    """Draw precision against recall beside the last release's, with the decision threshold marked."""
    table = scene.table("precision_recall")
    x, y, old = table.numbers("recall"), table.numbers("precision"), table.numbers("last_release")
    found = scene.weighing.metrics.get("average_precision")
    _, positive = scene.labels
    value = found.value if found else _area(x, y)
    tn, fp, fn, tp = scene.counts
    share = (tp + fn) / (tn + fp + fn + tp)
    page = titled(
        f"Average precision {value:.3f}, where chance would give {share:.3f}",
        f"Precision (calling “{positive}” is right) against recall (“{positive}” is found).",
        f"{scene.rows_in_words}. {scene.interval_in_words}." if found else f"{scene.rows_in_words}.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(MARGIN + 0.6, MARGIN + 0.15, bottom=0.5)
    axes.axhline(share, color=FAINT, lw=1, ls=(0, (1, 2)), label=f"chance {share:.3f}")
    if old:
        axes.plot(x, old, color=GREY, lw=1.8, label=_old_label(scene, "average_precision", _area(x, old)))
    axes.plot(x, y, color=BLUE, lw=2.2, label=_new_label(scene, "average_precision", value))
    if tp + fp:
        _mark_threshold(axes, tp / (tp + fn), tp / (tp + fp), scene.weighing.threshold, above=True)
    name_axes(
        page, axes, f"share of “{positive}” found (recall)", f"share of those called “{positive}” that are (precision)"
    )
    unit_square(axes)
    _legend(axes, "upper right")
    return page.figure


def _area(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the area under a curve by the trapezoidal rule."""
    return sum((x[i + 1] - x[i]) * (y[i + 1] + y[i]) / 2 for i in range(len(x) - 1))


def _new_label(scene: Scene, metric: str, value: float) -> str:
    found = scene.weighing.metrics.get(metric)
    return f"{short(scene.packaged.name, 24)} {with_interval(found) if found else f'{value:.3f}'}"


def _old_label(scene: Scene, metric: str, value: float) -> str:
    comparison = scene.weighing.comparison
    change = comparison.metrics.get(metric) if comparison else None
    name = short(comparison.release, 28) if comparison else "last release"
    return f"{name} {change.baseline if change else value:.3f}"


def _mark_threshold(axes: Axes, x: float, y: float, threshold: float, *, above: bool) -> None:
    axes.scatter([x], [y], s=52, color="white", edgecolor=BLUE, linewidth=2, zorder=5, clip_on=False)
    side = "left" if x < 0.75 else "right"  # noqa: PLR2004 - room for the words
    axes.annotate(f"threshold {threshold:g}", (x, y), textcoords="offset points", ha=side, size=8.5, color=BLUE,
                  xytext=(9 if side == "left" else -9, 8 if above else -13), zorder=6,
                  path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip


def name_axes(page: Page, axes: Axes, x: str, y: str) -> None:
    """Name both axes, in words that may be too long for them."""
    place = axes.get_position()
    axes.set_xlabel(fitted(page.figure, x, 9, float(place.width) * page.width))
    axes.set_ylabel(fitted(page.figure, y, 9, float(place.height) * page.height))


def unit_square(axes: Axes) -> None:
    """Let both axes run from 0 to 1."""
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def _legend(axes: Axes, where: Literal["lower right", "upper right"]) -> None:
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc=where, handlelength=1.6, borderaxespad=0.8, labelcolor=INK)


def calibration(scene: Scene) -> Figure:
    """Draw the share of positives against the predicted probability, with intervals and the ideal line."""
    _, positive = scene.labels
    return reliability(
        scene,
        f"Share of “{positive}” among rows with about the same prediction; on the line, they agree.",
        x="predicted probability (mean of the bin)",
        y=f"share of “{positive}” (observed)",
    )


def reliability(scene: Scene, subtitle: str, *, x: str, y: str, from_0: bool = True) -> Figure:
    """Draw how often what was given a probability comes true, with intervals and the ideal line.

    Args:
        scene: with the table ``calibration``.
        subtitle: what is shown, in a sentence.
        x: what the probabilities are of.
        y: what the shares are of.
        from_0: whether axes begin at 0, or where the bins do.
    """
    table = scene.table("calibration")
    predicted, observed, low, high = (table.numbers(name) for name in ("predicted", "observed", "low", "high"))
    rows = table.numbers("rows")
    page = titled(
        f"Probabilities are {100 * _off(scene, predicted, observed, rows):.1f} percentage points off on average",
        subtitle,
        f"{scene.rows_in_words}, {len(predicted)} bins of {_span(rows)} rows each. Upright bars: "
        f"{percent(scene.weighing.confidence)} intervals (Wilson), rows taken as independent.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(MARGIN + 0.6, MARGIN + 0.15, bottom=0.5)
    limit = min(1.0, math.ceil(max(*predicted, *high) * 1.06 * 10) / 10)
    start = 0.0 if from_0 else max(0.0, min(math.floor(min(*predicted, *low) * 10) / 10, limit - 0.1))
    axes.plot([start, limit], [start, limit], color=FAINT, lw=1.2, ls=(0, (1, 2)))
    axes.vlines(predicted, low, high, color=BLUE, lw=1.8, alpha=0.55)
    axes.plot(predicted, observed, color=BLUE, lw=1.2, alpha=0.55)
    axes.scatter(predicted, observed, s=34, color=BLUE, edgecolor="white", linewidth=0.8, zorder=4, clip_on=False)
    corner: dict[str, Any] = {"size": 8.5, "color": TEXT, "style": "italic", "transform": axes.transAxes}
    axes.text(0.03, 0.96, "above the line: more than predicted", va="top", **corner)
    axes.text(0.97, 0.04, "below the line: fewer than predicted", ha="right", **corner)
    axes.set_xlim(start, limit)
    axes.set_ylim(start, limit + 0.005 * (limit - start))
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    name_axes(page, axes, x, y)
    return page.figure


def _off(scene: Scene, predicted: Sequence[float], observed: Sequence[float], rows: Sequence[float]) -> float:
    """Return the mean distance of probability and share: as it was weighed, else that of the bins that are drawn."""
    if scene.weighing.calibration:
        return scene.weighing.calibration.expected_calibration_error
    far = (count * abs(a - b) for a, b, count in zip(predicted, observed, rows, strict=True))
    return sum(far) / sum(rows)


def _span(rows: Sequence[float]) -> str:
    low, high = round(min(rows)), round(max(rows))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def confusion(scene: Scene) -> Figure:
    """Draw the four counts, shaded by their share of the actual class."""
    tn, fp, fn, tp = scene.counts
    negative, positive = scene.labels
    threshold = scene.weighing.threshold
    right = f"calling so is right in {percent(tp, tp + fp)}" if tp + fp else "nothing is called so"
    page = titled(
        f"At {threshold:g}, {percent(tp, tp + fn)} of “{positive}” are found; {right}",
        "Test rows by what they are and what they are called. Shade and percentage: share of the row's class.",
        f"{scene.rows_in_words}. Called “{positive}” where the probability is {threshold:g} or more.",
        body=3.7,
    )
    names = [f"is “{negative}”", f"is “{positive}”"]
    left = MARGIN + text_width(page.figure, names, 10) + 0.3
    axes = page.axes(left, MARGIN, top=0.3)
    for row, (whole, cells) in enumerate(((tn + fp, (tn, fp)), (fn + tp, (fn, tp)))):
        for column, count in enumerate(cells):
            _cell(axes, column, row, count, whole)
        axes.text(-0.04, row + 0.46, names[row], ha="right", va="center", size=10)
        axes.text(-0.04, row + 0.6, f"{whole:,} rows", ha="right", va="center", size=8.5, color=TEXT)
    for column, name in enumerate((negative, positive)):
        head = fitted(page.figure, f"called “{name}”", 10, float(axes.get_position().width) * page.width / 2 - 0.1)
        axes.text(column + 0.5, -0.06, head, ha="center", va="bottom", size=10)
    axes.set_xlim(0, 2)
    axes.set_ylim(2, 0)
    axes.axis("off")
    return page.figure


def _cell(axes: Axes, column: int, row: int, count: int, whole: int) -> None:
    share = count / whole if whole else 0.0
    right = column == row
    # Right decisions in blue, wrong ones in vermilion, both from white to their full colour.
    shade = mix("#ffffff", BLUE if right else VERMILION, 0.06 + 0.49 * share)
    axes.add_patch(Rectangle((column + 0.01, row + 0.015), 0.98, 0.97, facecolor=shade, edgecolor="none"))
    axes.text(column + 0.5, row + 0.42, f"{count:,}", ha="center", va="center", size=19)
    words = f"{percent(count, whole)}, {'right' if right else 'wrong'}"
    axes.text(column + 0.5, row + 0.62, words, ha="center", va="center", size=9.5)


def mix(low: str, high: str, share: float) -> str:
    """Return the colour that lies this *share* of the way from *low* to *high*."""
    parts = ((int(low[i : i + 2], 16), int(high[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)
