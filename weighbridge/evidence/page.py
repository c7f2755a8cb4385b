"""The page on which a picture is drawn: one style for all, its words, and room for the axes in inches.

The same words and numbers give the same bytes: one font that comes with matplotlib, a fixed resolution, none of the
reader's own ``matplotlibrc``, no date or software in the file. Colours are those of Okabe and Ito, which colour-blind
readers can tell apart, darkened where they serve as ink.
"""

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from weighbridge.evidence.markdown import CONTROL
from weighbridge.manifest import Interval

INK, TEXT, FAINT, GRID = "#1b1f24", "#57606a", "#8c959f", "#e4e7eb"
BLUE, GREY, SKY, VERMILION, GREEN, AMBER = "#0072b2", "#9aa0a6", "#d6e8f4", "#c44e00", "#00795a", "#8a6100"
PURPLE = "#a0568c"
SHADE = "#f3f0ec"  # behind the bad side of a limit
DPI = 144
MARGIN = 0.35  # inches, on all sides
STEPS = [1, 2, 5, 10]  # between ticks: numbers that people count in
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,  # a label may hold a dollar sign
    "axes.edgecolor": FAINT,
    "axes.labelcolor": TEXT,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": TEXT,
    "ytick.labelcolor": TEXT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "lines.solid_capstyle": "round",
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "figure.facecolor": "white",
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
}
_METRIC_NAMES = {
    "roc_auc": "ROC AUC",
    "average_precision": "average precision",
    "f1": "F1",
    "brier_score_loss": "Brier score",
    "log_loss": "log loss",
    "roc_auc_ovr": "ROC AUC (each class against the rest)",
    "f1_macro": "F1 (macro)",
    "f1_weighted": "F1 (weighted)",
    "precision_macro": "precision (macro)",
    "recall_macro": "recall (macro)",
    "matthews_corrcoef": "Matthews correlation",
    "r2": "R²",
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house's style, whatever the reader's own says."""
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a box stands for a rare letter
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


class Page(NamedTuple):
    """A figure with its words set; the free room between them is in inches from the lower left corner."""

    figure: Figure
    width: float
    height: float
    bottom: float
    top: float

    def axes(self, left: float, right: float, *, bottom: float = 0.0, top: float = 0.0) -> Axes:
        """Return axes that leave these inches free inside the room."""
        low, high = self.bottom + bottom, self.top - top
        return self.figure.add_axes(
            (left / self.width, low / self.height, (self.width - left - right) / self.width, (high - low) / self.height)
        )


class Sheet(NamedTuple):
    """Axes whose rows have words left and right of them, placed in inches."""

    axes: Axes
    width: float
    left: float
    right: float

    @classmethod
    def on(cls, page: Page, *, left: float, right: float, bottom: float, top: float) -> "Sheet":
        """Return axes on *page* with room for words (inches, inside the margins)."""
        axes = page.axes(MARGIN + left, MARGIN + right, bottom=bottom, top=top)
        return cls(axes, page.width - 2 * MARGIN - left - right, left, right)

    def _put(self, x: float, row: float, text: str, **style: Any) -> None:
        self.axes.text(x, row, text, transform=self.axes.get_yaxis_transform(), **{"va": "center", **style})

    def before(self, row: float, text: str, *, indent: float = 0.0, **style: Any) -> None:
        """Write left of the axes, from the page's margin on."""
        self._put((indent - self.left) / self.width, row, text, **style)

    def after(self, x: float, row: float, text: str, **style: Any) -> None:
        """Write *x* inches right of the axes."""
        self._put(1 + x / self.width, row, text, **style)

    def head(self, x: float, text: str, side: str) -> None:
        """Name the column *x* inches right of the axes."""
        self.axes.text(1 + x / self.width, 1.0, text, transform=self.axes.transAxes, va="bottom", ha=side, size=8.5,
                       color=TEXT)  # fmt: skip

    def rule(self, row: float) -> None:
        """Draw a thin line over the page's whole width."""
        ends = [-self.left / self.width, 1 + self.right / self.width]
        self.axes.plot(ends, [row, row], color=GRID, lw=0.8, transform=self.axes.get_yaxis_transform(), clip_on=False)

    def mark(self, x: float, row: float, marker: str, colour: str) -> None:
        """Draw a marker *x* inches right of the axes."""
        self.axes.scatter(1 + x / self.width, row, s=36, marker=marker, color=colour, clip_on=False,
                          transform=self.axes.get_yaxis_transform())  # fmt: skip


def titled(title: str, subtitle: str, foot: str, *, body: float, width: float = 8.0) -> Page:
    """Return a page with room of height *body* (inches) for the picture; long words are wrapped."""
    probe, room = Figure(figsize=(width, 1)), width - 2 * MARGIN
    heads = _wrap(probe, title, 13, room, weight="bold")
    subs = _wrap(probe, subtitle, 9.5, room)
    feet = _wrap(probe, foot, 7.8, room)
    above = MARGIN + 0.25 * len(heads) + 0.19 * len(subs) + 0.2
    below = MARGIN * 0.8 + 0.16 * len(feet) + (0.08 if feet else 0)
    height = above + body + below
    figure = Figure(figsize=(width, height))
    x = MARGIN / width
    y = height - MARGIN
    figure.text(x, y / height, "\n".join(heads), size=13, weight="bold", va="top", linespacing=1.25)
    y -= 0.25 * len(heads) + 0.03
    figure.text(x, y / height, "\n".join(subs), size=9.5, color=TEXT, va="top", linespacing=1.3)
    figure.text(x, MARGIN * 0.7 / height, "\n".join(feet), size=7.8, color=TEXT, va="bottom", linespacing=1.3)
    return Page(figure, width, height, below, below + body)


def notice(title: str, subtitle: str) -> Figure:
    """Return a page of words only, where there's nothing to draw."""
    return titled(title, subtitle, "", body=0.1).figure


def _wrap(figure: Figure, text: str, size: float, room: float, weight: str = "normal") -> list[str]:
    """Return *text* in lines that are at most *room* inches wide."""
    line = one_line(text)
    width = text_width(figure, [line], size, weight) if line else 0.0
    if width <= room:
        return [line] if line else []
    for characters in range(int(len(line) * room / width) + 4, 20, -2):
        lines = textwrap.wrap(line, characters)
        if text_width(figure, lines, size, weight) <= room:
            return lines
    return textwrap.wrap(line, 20)


def text_width(figure: Figure, texts: Sequence[str], size: float, weight: str = "normal") -> float:
    """Return the width of the widest text in inches."""
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call] # matplotlib lacks its types
    probes = [figure.text(0, 0, text, size=size, weight=weight) for text in texts]
    width = max((probe.get_window_extent(renderer).width for probe in probes), default=0.0)
    for probe in probes:
        probe.remove()
    return float(width) / DPI


def fitted(figure: Figure, text: str, size: float, room: float) -> str:
    """Return *text* on one line, shortened until it is at most *room* inches wide."""
    length = len(text)
    line = short(text, length)
    while text_width(figure, [line], size) > room and length > 3:  # noqa: PLR2004 - a letter, dots, a letter
        length -= 1
        line = short(text, length)
    return line


def one_line(text: str) -> str:
    """Return *text* without line breaks and control characters."""
    return " ".join(CONTROL.sub(" ", text).split())


def short(text: str, length: int = 32) -> str:
    """Return *text* on one line, its middle left out where it is too long."""
    line = one_line(text)
    return line if len(line) <= length else f"{line[: length - length // 3 - 1]}…{line[-(length // 3) :]}"


def metric_name(name: str) -> str:
    """Return what people call a metric."""
    return _METRIC_NAMES.get(name, name.replace("_", " "))


def number(value: float) -> str:
    """Return a measured value in as many figures as people read, with a proper minus."""
    size, value = abs(value), value + 0.0  # no zero below zero
    text = f"{value:.1e}" if 0 < size < 1e-3 or size >= 1e6 else f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"  # noqa: PLR2004
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def in_figures(value: float, decimals: int = 3) -> str:
    """Return a value with so many decimals, with fewer of them from ten on: a share and a price are read alike."""
    fewer = math.floor(math.log10(abs(value))) if math.isfinite(value) and abs(value) >= 10 else 0  # noqa: PLR2004
    return f"{value:,.{max(0, decimals - fewer)}f}"


def with_interval(found: Interval) -> str:
    """Return a value and its interval's ends."""
    return f"{in_figures(found.value)} ({in_figures(found.low)} to {in_figures(found.high)})"


def percent(part: float, whole: float = 1.0) -> str:
    """Return a share as ``72 %``; with one figure more next to 0 and 100, which it may not claim wrongly."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    near_an_end = 0 < share < 1 or 99 < share < 100  # noqa: PLR2004 - percent
    return f"{share:.1f} %" if near_an_end else f"{share:.0f} %"
