"""The picture of slices that a gate has judged: each one's difference to the last release, beside the margin."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.gate_pictures import look
from weighbridge.evidence.page import (
    BLUE,
    INK,
    SHADE,
    SKY,
    STEPS,
    TEXT,
    VERMILION,
    Page,
    Sheet,
    fitted,
    metric_name,
    number,
    short,
    text_width,
    titled,
)
from weighbridge.evidence.scene import Scene
from weighbridge.manifest import Change, GatePart, GateResult

_ROWS, _VALUES, _DIFFERENCE, _VERDICT, _RIGHT = 0.6, 1.8, 2.0, 4.05, 5.1  # inches right of the axes
_WORDS = _ROWS + 0.2
_MOST = 40  # rows that a page has
_ALL = "all test rows"


class _Comparison(NamedTuple):
    """What the picture is of."""

    gate: GateResult
    metric: str | None
    release: str
    overall: Change | None
    upwards: bool
    margin: float | None
    """Where the margin lies; unknown where the gate's own numbers are those of a gap."""
    digits: int
    """Decimals that tell the ends of an interval apart."""

    def signed(self, value: float) -> str:
        """Return a difference with its sign and a proper minus."""
        return f"{value:+.{self.digits}f}".replace("-", "\N{MINUS SIGN}")


def has_differences(result: GateResult) -> bool:
    """Return whether a gate has slices with differences to the last release."""
    return result.kind == "slices" and any(_drawn(part) for part in result.parts)


def differences(scene: Scene, gate: GateResult) -> Figure:
    """Draw a forest plot of a gate's slices: this model's metric minus the last release's, on the same rows."""
    found = _comparison(scene, gate)
    # A gap between two slices is no slice: it has a value, and nothing that it differs from.
    slices = [part for part in gate.parts if _drawn(part) or part.value is None]
    shown = _chosen(slices, upwards=found.upwards)
    missing = sum(not _drawn(part) for part in slices)
    page = titled(
        _title(found, slices),
        f"{metric_name(found.metric) if found.metric else 'The metric'} of parts of the test rows, minus that of "
        f"{found.release} on the same rows. {'Left' if found.upwards else 'Right'} is worse.",
        f"Gate {short(gate.name)}. {scene.rows_in_words}. A bar is the gate's interval; the verdict allows for the "
        "number of slices (Holm)."
        + (f" Grey: {missing} not judged, most often for too few rows." if missing else "")
        + (f" Not shown: {len(slices) - len(shown)} that are better off." if len(shown) < len(slices) else ""),
        body=0.85 + 0.27 * (len(shown) + (1.3 if found.overall else 0)),
        width=10.4,
    )
    _forest(page, found, shown)
    return page.figure


def _drawn(part: GatePart) -> bool:
    return part.difference is not None and part.low is not None and part.high is not None


def _comparison(scene: Scene, gate: GateResult) -> _Comparison:
    comparison = scene.weighing.comparison
    metrics = comparison.metrics if comparison else {}
    # A record names the metric in the rule only; the longest name that stands there is it.
    named = [name for name in scene.weighing.metrics if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", gate.rule)]
    metric = max(named, key=len, default=None)
    margin = gate.limit if gate.difference is not None else None
    if margin:
        upwards = margin < 0
    elif margin is not None and gate.bound is not None and gate.bound in (gate.low, gate.high):
        upwards = gate.bound == gate.low
    else:
        upwards = metric is None or scene.more_is_better(metric)
    release = comparison.release if comparison else "the last release"
    overall = metrics.get(metric) if metric else None
    return _Comparison(gate, metric, short(release, 48), overall, upwards, margin, _digits(gate.parts))


def _digits(parts: Sequence[GatePart]) -> int:
    widths = [part.high - part.low for part in parts if part.high is not None and part.low is not None]
    narrowest = min((width for width in widths if 0 < width < math.inf), default=0.0)
    return max(0, min(6, 1 - math.floor(math.log10(narrowest)))) if narrowest else 3


def _chosen(parts: Sequence[GatePart], *, upwards: bool) -> list[GatePart]:
    """Return the parts to be shown, in their order: all, or where they are too many, those that are worst off."""
    if len(parts) <= _MOST:
        return list(parts)
    sign = 1.0 if upwards else -1.0

    def badness(i: int) -> tuple[bool, bool, float]:
        part = parts[i]
        return part.verdict == "pass", not _drawn(part), sign * (part.difference or 0.0)

    return [parts[i] for i in sorted(sorted(range(len(parts)), key=badness)[:_MOST])]


def _title(found: _Comparison, parts: Sequence[GatePart]) -> str:
    failed = [part for part in parts if part.verdict == "fail"]
    drawn = [part for part in parts if _drawn(part)]
    if failed:
        names = ", ".join(short(part.name) for part in failed[:3]) + (", …" if len(failed) > 3 else "")  # noqa: PLR2004
        return f"{len(failed)} of {len(drawn)} slices {'is' if len(failed) == 1 else 'are'} worse: {names}"
    untold = [short(part.name) for part in drawn if part.verdict == "inconclusive"]
    if untold:
        names = ", ".join(untold[:3]) + (", …" if len(untold) > 3 else "")  # noqa: PLR2004
        return f"No slice is proven worse, but {names} can't be told"
    sign = 1.0 if found.upwards else -1.0
    least = min(drawn, key=lambda part: sign * (part.difference or 0.0))
    return (
        f"No slice is proven worse; {short(least.name)} changed by {found.signed(least.difference or 0.0)}, the least"
    )


def _forest(page: Page, found: _Comparison, parts: Sequence[GatePart]) -> None:
    names = [*(short(part.name) for part in parts), _ALL]
    sheet = Sheet.on(page, left=text_width(page.figure, names, 9.5, "bold") + 0.25, right=_RIGHT, bottom=0.45, top=0.36)
    axes = sheet.axes
    heads = ((_ROWS, "rows", "right"), (_VALUES, "last → now", "right"), (_DIFFERENCE, "difference (interval)", "left"))
    for x, words, side in heads:
        sheet.head(x, words, side)
    axes.axvline(0, color=BLUE, lw=1.2, zorder=1)
    row = 0.0
    if found.overall:
        row = _overall_row(sheet, found, found.overall)
    for part in parts:
        _part_row(sheet, found, row, part)
        row += 1
    axes.set_ylim(row - 0.3, -0.6)
    axes.margins(x=0.06)
    _margin(sheet, found)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    axes.set_xlabel("difference")


def _margin(sheet: Sheet, found: _Comparison) -> None:
    """Draw the margin, and shade what lies beyond it."""
    axes, limit = sheet.axes, found.margin
    low, high = axes.get_xlim()
    if limit is not None:
        room = 0.06 * (high - low)
        low, high = min(low, limit - room), max(high, limit + room)
        edge = low if found.upwards else high
        axes.axvspan(min(edge, limit), max(edge, limit), color=SHADE, lw=0, zorder=0)
        axes.axvline(limit, color=INK, lw=1.2, ls=(0, (4, 2)), zorder=1)
        axes.text(limit, 1.0, f"margin {number(limit)}", transform=axes.get_xaxis_transform(), va="bottom",
                  ha="center", size=8.5, color=TEXT)  # fmt: skip
    axes.set_xlim(low, high)


def _overall_row(sheet: Sheet, found: _Comparison, overall: Change) -> float:
    """Draw the row of all test rows, and return where the next one is."""
    change = overall.difference
    sheet.before(0, _ALL, size=9.5, weight="bold")
    sheet.axes.axvspan(change.low, change.high, color=SKY, lw=0, alpha=0.7, zorder=0.5)
    sheet.axes.plot([change.low, change.high], [0, 0], color=BLUE, lw=2.0)
    sheet.axes.scatter(change.value, 0, s=40, marker="s", color=BLUE, edgecolor="white", lw=0.7, zorder=4)
    _figures(sheet, found, 0, overall, BLUE)
    return 1.3


def _part_row(sheet: Sheet, found: _Comparison, row: float, part: GatePart) -> None:
    drawn = _drawn(part)
    sheet.before(row, short(part.name), size=9.5, color=INK if drawn else TEXT)
    if part.rows is not None:
        sheet.after(_ROWS, row, f"{part.rows:,}", ha="right", color=TEXT)
    word, colour, marker = look(part.verdict)
    if part.difference is None or part.low is None or part.high is None:
        figure = sheet.axes.get_figure(root=True)
        reason = fitted(figure, part.reason or "not judged", 9, _VERDICT - _WORDS - 0.2) if figure else ""
        sheet.after(_WORDS, row, reason, color=TEXT, style="italic")
    else:
        colour = INK if part.verdict == "pass" else VERMILION if part.verdict == "fail" else colour
        sheet.axes.plot([part.low, part.high], [row, row], color=colour, lw=1.5)
        sheet.axes.scatter(part.difference, row, s=34, marker=marker, color=colour, edgecolor="white", lw=0.7, zorder=4)
        _figures(sheet, found, row, part, colour)
    if part.verdict != "pass":
        colour = colour if drawn else TEXT
        sheet.mark(_VERDICT, row, marker, colour)
        sheet.after(_VERDICT + 0.14, row, word, color=colour, size=7.8, weight="bold" if drawn else "normal")


def _figures(sheet: Sheet, found: _Comparison, row: float, change: Change | GatePart, colour: str) -> None:
    """Write what the last release has, what this model has, and the difference with its interval."""
    new: float | None
    old: float | None
    if isinstance(change, Change):
        old, new = change.baseline, change.baseline + change.difference.value
        figures = [change.difference.value, change.difference.low, change.difference.high]
    else:
        old, new = change.baseline, change.value
        figures = [figure for figure in (change.difference, change.low, change.high) if figure is not None]
    if old is not None and new is not None:
        sheet.after(_VALUES, row, f"{old:.{found.digits}f} → {new:.{found.digits}f}", ha="right", color=TEXT)
    middle, low, high = map(found.signed, figures)
    sheet.after(_DIFFERENCE, row, f"{middle} ({low} to {high})", color=colour)
