"""Pictures of predicted numbers: prediction beside truth, and how far and where predictions are off."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.curve_pictures import mix, name_axes
from weighbridge.evidence.number_tables import RISE
from weighbridge.evidence.page import (
    BLUE,
    INK,
    MARGIN,
    STEPS,
    in_figures,
    metric_name,
    number,
    short,
    titled,
    with_interval,
)
from weighbridge.evidence.scene import Scene, Table

_MANY = 1000  # rows from which shades tell more than sizes
_SIDE = 3.6  # inches of a square beside another
_LONE = 4.9  # inches of a square that is alone
_BEFORE = "#4b5157"  # the last release's grey, deep enough to be shaded
_HEXAGON = np.array([[0.5, -0.5], [0.5, 0.5], [0, 1], [-0.5, 0.5], [-0.5, -0.5], [0, -1]])


class _Look(NamedTuple):
    """How cells are drawn: their deepest colour, and whether rows are so many that shades tell more than sizes."""

    colour: str
    many: bool


def predicted_actual(scene: Scene) -> Figure:
    """Draw predictions against truths with the ideal line, by the number of rows; beside it the last release."""
    table, before = scene.table("predicted_actual"), scene.table("predicted_actual_before")
    drawn = [
        (short(scene.packaged.name, 24), table),
        *([(scene.release or "last release", before)] if before.rows else []),
    ]
    side = _LONE if len(drawn) == 1 else _SIDE
    many = scene.weighing.rows >= _MANY
    page = titled(
        _title(scene),
        f"Predicted against actual {_target(scene)}; on the dotted line, they agree. "
        + ("The darker a cell, the more rows (logarithmic)." if many else "The larger a dot, the more rows."),
        f"{scene.rows_in_words}.{_left_out(scene, table)}{_shades(table, many=many)}",
        body=side + 0.55 + (0.3 if len(drawn) > 1 else 0.0),
        width=max(6.6, 2 * MARGIN + len(drawn) * (side + 0.85)),
    )
    span = _span([cells for _, cells in drawn])
    deepest = max(max(cells.numbers("rows"), default=1.0) for _, cells in drawn)
    for i, (name, cells) in enumerate(drawn):
        look = _Look(_BEFORE if i else BLUE, many)
        left = MARGIN + 0.75 + i * (side + 0.85)
        axes = page.axes(left, page.width - left - side, bottom=0.5, top=0.3 if len(drawn) > 1 else 0.0)
        _cells(axes, cells, span, deepest, look=look)
        axes.plot(span, span, color=INK, lw=1.1, ls=(0, (1, 2)), zorder=3)
        name_axes(page, axes, f"actual {_target(scene)}", f"predicted {_target(scene)}" if i == 0 else "")
        if len(drawn) > 1:
            axes.set_title(name, loc="left", size=10, color=INK)
    return page.figure


def _target(scene: Scene) -> str:
    unit = f" ({short(scene.target.unit, 16)})" if scene.target.unit else ""
    return f"{short(scene.target.name, 28)}{unit}"


def _with_unit(scene: Scene, value: float) -> str:
    return f"{number(value)} {short(scene.target.unit, 16)}".rstrip()


def _title(scene: Scene) -> str:
    error = scene.weighing.metrics.get("mean_absolute_error")
    share = scene.weighing.metrics.get("r2")
    explained = f"; R² is {in_figures(share.value)}" if share else ""
    if error:
        return f"Predictions are off by {_with_unit(scene, error.value)} on average{explained}"
    name, found = next(iter(scene.weighing.metrics.items()), ("", None))
    return f"{metric_name(name)} {with_interval(found)}" if found else "Predicted and actual"


def _left_out(scene: Scene, table: Table) -> str:
    missing = scene.weighing.rows - round(sum(table.numbers("rows")))
    return f" {missing:,} rows far outside are not drawn." if missing > 0 else ""


def _shades(table: Table, *, many: bool) -> str:
    rows = table.numbers("rows")
    what = "cell" if many else "dot"
    return f" A {what} stands for {min(rows):,.0f} to {max(rows):,.0f} rows." if rows and max(rows) > 1 else ""


def _span(tables: Sequence[Table]) -> tuple[float, float]:
    values = [value for table in tables for name in ("actual", "predicted") for value in table.numbers(name)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = (high - low) * 0.04 or 0.5
    return low - room, high + room


def _cells(axes: Axes, table: Table, span: tuple[float, float], deepest: float, *, look: _Look) -> None:
    x, y, rows = (np.array(table.numbers(name)) for name in ("actual", "predicted", "rows"))
    if look.many and len(rows):
        width = table.numbers("width")[0]
        corners = _HEXAGON * [width, width * RISE / 3]
        depth = math.log(deepest) or 1.0
        shades = [mix("#ffffff", look.colour, 0.16 + 0.84 * math.log(count) / depth) for count in rows]
        hexagons = [corners + centre for centre in zip(x, y, strict=True)]
        axes.add_collection(PolyCollection(hexagons, facecolors=shades, edgecolors=shades, linewidths=0.4))
    elif len(rows):
        axes.scatter(x, y, s=16 * rows, color=look.colour, alpha=0.6, lw=0)
    axes.set_xlim(*span)
    axes.set_ylim(*span)
    _ticks(axes)


def _ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, steps=STEPS))
        axis.set_major_formatter(lambda value, _: _round(value))


def _round(value: float) -> str:
    """Return a round number as short as a tick's label has to be, millions as ``1.5M``."""
    millions = 1e6 <= abs(value) < 1e12  # noqa: PLR2004 - beyond, its exponent
    text = f"{value / 1e6:,.6g}M" if millions else f"{value:,.6g}"
    return f"\N{MINUS SIGN}{text[1:]}" if text.startswith("-") else text


def residuals(scene: Scene) -> Figure:
    """Draw the distribution of errors beside the last release's, and errors against predictions."""
    errors = scene.table("residuals")
    bias = scene.weighing.metrics.get("bias")
    mean = "" if bias is None else f" Mean error (bias): {with_interval(bias)}."
    page = titled(
        _spread(scene),
        f"Error: prediction minus actual {_target(scene)}; above 0, the prediction is too high.{mean}",
        f"{scene.rows_in_words}.{_left_out(scene, errors)} Right: rows in bins of equal count by their prediction."
        + (f" {scene.interval_in_words}." if bias else ""),
        body=3.9,
        width=9.2,
    )
    room = (page.width - 2 * MARGIN - 0.7 - 0.85) / 2
    left = page.axes(MARGIN + 0.7, page.width - MARGIN - 0.7 - room, bottom=0.5, top=0.3)
    _distribution(left, errors, scene)
    name_axes(page, left, f"error{_unit(scene)}", "rows")
    right = page.axes(page.width - MARGIN - room, MARGIN, bottom=0.5, top=0.3)
    _by_prediction(right, scene.table("residuals_by_prediction"))
    name_axes(page, right, f"predicted {_target(scene)}", f"error{_unit(scene)}")
    return page.figure


def _unit(scene: Scene) -> str:
    return f" ({short(scene.target.unit, 16)})" if scene.target.unit else ""


def _spread(scene: Scene) -> str:
    table = scene.table("residual_quantiles")
    shares, distances, last = (table.numbers(name) for name in ("share", "distance", "last_release"))
    half, most = shares.index(0.5), shares.index(0.9)
    was = f" ({number(last[half])} with {scene.release or 'the last release'})" if last else ""
    return (
        f"Half of the predictions are off by at most {_with_unit(scene, distances[half])}{was}, "
        f"nine in ten by {number(distances[most])}"
    )


def _distribution(axes: Axes, errors: Table, scene: Scene) -> None:
    middles, rows, last = (errors.numbers(name) for name in ("error", "rows", "last_release"))
    step = (middles[-1] - middles[0]) / (len(middles) - 1)
    axes.bar(middles, rows, width=step, color=BLUE, alpha=0.75, lw=0, label=short(scene.packaged.name, 24))
    if last:
        edges = [middle - step / 2 for middle in middles] + [middles[-1] + step / 2]
        axes.stairs(last, edges, color=INK, lw=1.4, label=scene.release or "last release")
    axes.axvline(0, color=INK, lw=1.1, ls=(0, (1, 2)))
    axes.set_xlim(middles[0] - step, middles[-1] + step)
    axes.set_ylim(0, max(*rows, *last, 1) * 1.06)
    axes.grid(visible=False, axis="x")
    _ticks(axes)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=True))
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=2, handlelength=1.4, borderaxespad=0.2,
                columnspacing=1.2, labelcolor=INK)  # fmt: skip


def _by_prediction(axes: Axes, table: Table) -> None:
    predicted, low, median, high = (table.numbers(name) for name in ("predicted", "low", "median", "high"))
    axes.axhline(0, color=INK, lw=1.1, ls=(0, (1, 2)))
    axes.vlines(predicted, low, high, color=BLUE, lw=2.2, alpha=0.45, label="middle 80 %")
    axes.scatter(predicted, median, s=30, color=BLUE, edgecolor="white", linewidth=0.7, zorder=4, label="median")
    axes.margins(x=0.05, y=0.06)
    _ticks(axes)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.99), ncols=2, handlelength=1.4, borderaxespad=0.2,
                columnspacing=1.2, labelcolor=INK)  # fmt: skip
