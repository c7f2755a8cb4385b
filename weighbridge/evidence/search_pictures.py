"""The picture of a search: for each parameter that varies, the metric against its values."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from weighbridge.evidence.page import BLUE, GREY, INK, MARGIN, STEPS, TEXT, Page, metric_name, notice, short, titled
from weighbridge.evidence.search_page import Searched
from weighbridge.evidence.search_table import Parameter, Tried, in_words, is_number

_COLUMNS = 2
_ROW = 2.9
_DECADE = 10.0
_PLAIN = FuncFormatter(lambda value, _place: f"{value:g}")
_HEAD = 0.35
# The palest end is left out, since white paper shows it badly.
_SHADES = ListedColormap(colormaps["viridis"](np.linspace(0, 0.92, 256)))
_MOST_PANELS = 24


class _Scale(NamedTuple):
    """How a parameter's values become positions: themselves, or where they are no numbers, their place in a list."""

    log: bool
    names: tuple[str, ...]

    def at(self, value: Any) -> float:
        return float(self.names.index(in_words(value))) if self.names else float(value)


class _Panel(NamedTuple):
    base: str
    points: Sequence[Tried]
    parameter: Parameter
    second: Parameter | None


def draw(searched: Searched, metric: str, *, greater: bool) -> Figure:
    """Draw a panel for each parameter of each search, those that mattered most first.

    Args:
        searched: for each candidate that was searched its points and its parameters.
        metric: the metric that compares them.
        greater: whether more of it is better.
    """
    panels = list(_panels(searched))[:_MOST_PANELS]
    if not panels:
        return notice("Nothing to compare", "No parameter of the search varies, or no point has the metric.")
    lines = _lines(panels)
    page = titled(
        _title(searched, metric),
        f"{metric_name(metric)} on validation rows, {'more' if greater else 'less'} is better. A dot is a point of the "
        "search (mean over seeds), its thin line the deviation between seeds; the grey line joins the means of points "
        "with the same or neighbouring values.",
        "Test rows play no part in the search.",
        body=_HEAD + _ROW * len(lines),
    )
    marks = {"best of its search": "s"}
    if any(one.champion for points, _ in searched.values() for one in points):
        marks = {"champion": "o", **marks}
    page.figure.legend(
        handles=[Line2D([], [], ls="", marker=marker, ms=9, mfc="none", mec=INK, mew=1.2, label=label)
                 for label, marker in marks.items()],
        loc="upper left", bbox_to_anchor=((MARGIN - 0.1) / page.width, (page.top + 0.06) / page.height), ncols=2,
    )  # fmt: skip
    step = (page.width - 2 * MARGIN) / _COLUMNS
    before = ""
    for row, line in enumerate(lines):
        below = _ROW * (len(lines) - 1 - row) + 0.5
        limits = _limits(line[0].points)
        for column, panel in enumerate(line):
            left = MARGIN + 0.6 + step * column
            above = page.top - page.bottom - below - (_ROW - 0.9)
            axes = page.axes(left, page.width - left - step + 1.25, bottom=below, top=above)
            _draw_panel(axes, panel)
            axes.set_ylim(limits)
            axes.set_ylabel(metric_name(metric) if column == 0 else "")
            if panel.base != before:
                axes.set_title(short(panel.base), loc="left", size=10, color=INK, weight="bold", pad=10)
            before = panel.base
            if panel.second:
                _draw_colours(page, axes, panel)
    return page.figure


def _panels(searched: Searched) -> Iterator[_Panel]:
    for base, (points, parameters) in searched.items():
        measured = [one for one in points if one.mean is not None]
        for parameter in parameters if measured else ():
            others = [other for other in parameters if other.key != parameter.key]
            yield _Panel(base, measured, parameter, others[0] if others else None)


def _lines(panels: Sequence[_Panel]) -> list[list[_Panel]]:
    """Return the panels in lines; each search begins one."""
    lines: list[list[_Panel]] = []
    for panel in panels:
        if not lines or lines[-1][0].base != panel.base or len(lines[-1]) == _COLUMNS:
            lines.append([])
        lines[-1].append(panel)
    return lines


def _title(searched: Searched, metric: str) -> str:
    said = []
    for base, (_, parameters) in searched.items():
        told = [one for one in parameters if one.explained]
        if told:
            said.append(f"{told[0].key} explains {_share(told[0].explained or 0.0)} of {short(base)}'s differences")
    if said:
        return "; ".join(said)
    if all(one.explained is None for _, parameters in searched.values() for one in parameters):
        return "Too few points to tell which parameter matters"
    return f"No parameter alone explains the differences in {metric_name(metric)}"


def _share(value: float) -> str:
    return f"{value:.0%}".replace("%", "\N{NO-BREAK SPACE}%")


def _limits(points: Sequence[Tried]) -> tuple[float, float]:
    low = min((one.mean or 0.0) - (one.deviation or 0.0) for one in points)
    high = max((one.mean or 0.0) + (one.deviation or 0.0) for one in points)
    room = 0.08 * (high - low) or 0.01
    return low - room, high + room


def _scale(panel_points: Sequence[Tried], parameter: Parameter) -> _Scale:
    values = [one.values[parameter.key] for one in panel_points]
    if all(is_number(value) for value in values):
        return _Scale(parameter.log, ())
    return _Scale(log=False, names=tuple(sorted(set(map(in_words, values)))))


def _draw_panel(axes: Axes, panel: _Panel) -> None:
    key, points = panel.parameter.key, panel.points
    scale = _scale(points, panel.parameter)
    xs = [scale.at(one.values[key]) for one in points]
    means = [one.mean if one.mean is not None else math.nan for one in points]
    colours = _colours(panel)
    _draw_groups(axes, panel.parameter, scale)
    for one, x, colour in zip(points, xs, colours, strict=True):
        if one.mean is not None and one.deviation:
            axes.plot([x, x], [one.mean - one.deviation, one.mean + one.deviation], color=colour, lw=0.9, alpha=0.5)
    axes.scatter(xs, means, s=30, c=colours, edgecolor="white", linewidth=0.5, zorder=4)
    axes.scatter(xs[0], means[0], s=95, marker="s", facecolor="none", edgecolor=INK, linewidth=1.1, zorder=5)
    for x, mean, _ in (each for each in zip(xs, means, points, strict=True) if each[2].champion):
        axes.scatter(x, mean, s=95, facecolor="none", edgecolor=INK, linewidth=1.4, zorder=5)
    if scale.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_PLAIN)
        axes.xaxis.set_minor_formatter(_PLAIN if max(xs) / min(xs) < _DECADE else NullFormatter())
    elif scale.names:
        axes.set_xticks(range(len(scale.names)), [short(name, 12) for name in scale.names])
        axes.set_xlim(-0.6, len(scale.names) - 0.4)
    else:
        whole = all(float(x).is_integer() for x in xs)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS, integer=whole))
    alone = "" if panel.parameter.explained is None else f" (explains {_share(panel.parameter.explained)} alone)"
    axes.set_xlabel(f"{short(key, 30)}{alone}")
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))


def _draw_groups(axes: Axes, parameter: Parameter, scale: _Scale) -> None:
    """Join the means of groups; a group of neighbouring values stands at their middle."""
    places = []
    for group in parameter.groups:
        low, high = scale.at(group.low), scale.at(group.high)
        places.append((math.sqrt(low * high) if scale.log else (low + high) / 2, group.mean))
    places.sort()
    if len(places) > 1:
        style: Any = {"ls": "", "marker": "_", "ms": 22, "mew": 2} if scale.names else {"lw": 2.2}
        axes.plot(*zip(*places, strict=True), color=GREY, alpha=0.6, zorder=2, **style)


def _second_norm(panel: _Panel) -> tuple[_Scale, Normalize]:
    assert panel.second is not None  # noqa: S101 - callers look first
    scale = _scale(panel.points, panel.second)
    values = [scale.at(one.values[panel.second.key]) for one in panel.points]
    kind = LogNorm if scale.log else Normalize
    return scale, kind(min(values), max(values))


def _colours(panel: _Panel) -> list[Any]:
    if panel.second is None:
        return [BLUE] * len(panel.points)
    scale, norm = _second_norm(panel)
    return [_SHADES(float(norm(scale.at(one.values[panel.second.key])))) for one in panel.points]


def _draw_colours(page: Page, axes: Axes, panel: _Panel) -> None:
    """Draw what the colours say beside the panel."""
    assert panel.second is not None  # noqa: S101 - callers look first
    scale, norm = _second_norm(panel)
    box = axes.get_position()
    inset = page.figure.add_axes((box.x1 + 0.1 / page.width, box.y0, 0.09 / page.width, box.height))
    bar = page.figure.colorbar(ScalarMappable(norm=norm, cmap=_SHADES), cax=inset)
    bar.outline.set_visible(False)
    if scale.names:
        bar.set_ticks(list(range(len(scale.names))), labels=[short(name, 8) for name in scale.names])
    bar.ax.tick_params(labelsize=7, length=2, labelcolor=TEXT)
    bar.ax.minorticks_off()
    if scale.log:
        bar.ax.yaxis.set_major_formatter(_PLAIN)
    bar.ax.set_title(short(panel.second.key.partition(".")[2], 16), size=7.5, color=TEXT, loc="left", pad=7)
