"""The pictures of a weighing, each with its finding as the title; drawn from the tables and records alone.

One style for all: what is being released in blue, the last release in grey, intervals always shown, and nothing
told by colour only (markers and words say it too; the colours are those of Okabe and Ito, which colour-blind
readers can tell apart). The same tables give the same bytes: one font that comes with matplotlib, a fixed
resolution, no reader's own ``matplotlibrc``, no date or software in the file.
"""

import csv
import io
import math
import re
import textwrap
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from weighbridge.documents import write
from weighbridge.errors import RecordError
from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.evidence.curves import LEARNING_COLUMNS, metric_shown, run_label
from weighbridge.manifest import CandidateScore, GateResult, Interval, Packaged, Slice, Verdict, Weighing

INK, TEXT, FAINT, GRID = "#1b1f24", "#57606a", "#8c959f", "#e4e7eb"
BLUE, GREY, SKY, VERMILION, GREEN, AMBER = "#0072b2", "#9aa0a6", "#d6e8f4", "#c44e00", "#00795a", "#8a6100"
DPI = 144
_MARGIN = 0.35  # inches, on all sides
_STEPS = [1, 2, 5, 10]  # between ticks: numbers that people count in
_STYLE = {
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
    "brier": "Brier score",
    "log_loss": "log loss",
}
_VERDICTS = {
    "pass": ("PASS", GREEN, "o"),
    "fail": ("FAIL", VERMILION, "X"),
    "inconclusive": ("INCONCLUSIVE", AMBER, "D"),
    "not applicable": ("not applicable", FAINT, "_"),
}


class Table(NamedTuple):
    """One CSV table: its columns' values by name, all as text, and the number of rows."""

    columns: dict[str, list[str]]
    rows: int

    def numbers(self, name: str) -> list[float]:
        """Return a column as numbers; an empty list where its cells are empty."""
        cells = self.columns[name]
        return [float(cell) for cell in cells] if cells and cells[0] else []


class Scene(NamedTuple):
    """Everything that a picture may show."""

    packaged: Packaged
    weighing: Weighing
    plots: Path
    verdict: Verdict | None

    def table(self, name: str) -> Table:
        """Read the table *name* of :mod:`weighbridge.evidence.curves`."""
        path = self.plots / f"{name}.csv"
        try:
            with path.open(encoding="utf-8", newline="") as stream:
                header, *rows = list(csv.reader(stream))
        except (OSError, ValueError) as problem:
            raise RecordError(f"{path}: no table ({problem}); run the weigh stage again") from None
        return Table({column: [row[i] for row in rows] for i, column in enumerate(header)}, len(rows))

    @property
    def labels(self) -> tuple[str, str]:
        """Words for class 0 and class 1, as the confusion table has them."""
        names = self.table("confusion_counts").columns["actual"]
        return _short(names[0], 24), _short(names[-1], 24)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """True negatives, false positives, false negatives, true positives."""
        tn, fp, fn, tp = (int(number) for number in self.table("confusion_counts").numbers("rows"))
        return tn, fp, fn, tp

    @property
    def rows_in_words(self) -> str:
        """What was measured, for the foot of a picture."""
        weighing = self.weighing
        grouped = f" in {weighing.groups:,} groups by {weighing.group_by}" if weighing.groups else ""
        return f"{weighing.rows:,} test rows{grouped}"

    @property
    def interval_in_words(self) -> str:
        """How the intervals were made."""
        weighing = self.weighing
        what = f"whole groups ({weighing.group_by})" if weighing.groups else "rows"
        return f"{_percent(weighing.confidence)} intervals: bootstrap of {what}, {weighing.resamples:,} resamples"


def draw_all(
    folder: Path, *, packaged: Packaged, weighing: Weighing, plots: Path, verdict: Verdict | None = None
) -> tuple[Path, ...]:
    """Draw every picture into *folder* as PNG and return their paths; ``gates.png`` only where there is a verdict.

    Args:
        folder: ``results/figures``; made where absent.
        packaged: the candidates' scores.
        weighing: metrics, slices and the comparison with the last release.
        plots: the folder of tables that :func:`weighbridge.evidence.curves.write_all` wrote.
        verdict: the gates' results, once they were judged.

    Raises:
        RecordError: where a table is missing or empty.
    """
    scene = Scene(packaged, weighing, plots, verdict)
    painters: dict[str, Callable[[Scene], Figure]] = {
        "candidates": candidates,
        "learning_curves": learning_curves,
        "roc": roc,
        "precision_recall": precision_recall,
        "calibration": calibration,
        "confusion": confusion,
        "slices": slices,
        **({"gates": gates} if verdict else {}),
    }
    paths = []
    with _style():
        for name, paint in painters.items():
            path = folder / f"{name}.png"
            write(path, _png(paint(scene)))
            paths.append(path)
    return tuple(paths)


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)  # a box stands for a rare letter
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(stream, format="png", dpi=DPI, metadata={"Software": None})
    return stream.getvalue()


# ---------------------------------------------------------------------------------------------------------------
# The page: title, subtitle, a box for the axes in inches, a foot


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
        axes = page.axes(_MARGIN + left, _MARGIN + right, bottom=bottom, top=top)
        return cls(axes, page.width - 2 * _MARGIN - left - right, left, right)

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


def _page(title: str, subtitle: str, foot: str, *, body: float, width: float = 8.0) -> Page:
    """Return a page with room of height *body* (inches) for the picture; long words are wrapped."""
    probe, room = Figure(figsize=(width, 1)), width - 2 * _MARGIN
    heads = _wrap(probe, title, 13, room, weight="bold")
    subs = _wrap(probe, subtitle, 9.5, room)
    feet = _wrap(probe, foot, 7.8, room)
    above = _MARGIN + 0.25 * len(heads) + 0.19 * len(subs) + 0.2
    below = _MARGIN * 0.8 + 0.16 * len(feet) + (0.08 if feet else 0)
    height = above + body + below
    figure = Figure(figsize=(width, height))
    x = _MARGIN / width
    y = height - _MARGIN
    figure.text(x, y / height, "\n".join(heads), size=13, weight="bold", va="top", linespacing=1.25)
    y -= 0.25 * len(heads) + 0.03
    figure.text(x, y / height, "\n".join(subs), size=9.5, color=TEXT, va="top", linespacing=1.3)
    figure.text(x, _MARGIN * 0.7 / height, "\n".join(feet), size=7.8, color=TEXT, va="bottom", linespacing=1.3)
    return Page(figure, width, height, below, below + body)


def _notice(title: str, subtitle: str) -> Figure:
    """Return a page of words only, where there's nothing to draw."""
    return _page(title, subtitle, "", body=0.1).figure


def _wrap(figure: Figure, text: str, size: float, room: float, weight: str = "normal") -> list[str]:
    """Return *text* in lines that are at most *room* inches wide."""
    line = _one_line(text)
    width = _text_width(figure, [line], size, weight) if line else 0.0
    if width <= room:
        return [line] if line else []
    for characters in range(int(len(line) * room / width) + 4, 20, -2):
        lines = textwrap.wrap(line, characters)
        if _text_width(figure, lines, size, weight) <= room:
            return lines
    return textwrap.wrap(line, 20)


def _text_width(figure: Figure, texts: Sequence[str], size: float, weight: str = "normal") -> float:
    """Return the width of the widest text in inches."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    probes = [figure.text(0, 0, text, size=size, weight=weight) for text in texts]
    width = max((probe.get_window_extent(renderer).width for probe in probes), default=0.0)
    for probe in probes:
        probe.remove()
    return float(width) / DPI


def _one_line(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip()


def _short(text: str, length: int = 32) -> str:
    """Return *text* on one line, its middle left out where it is too long."""
    line = _one_line(text)
    return line if len(line) <= length else f"{line[: length - length // 3 - 1]}…{line[-(length // 3) :]}"


def _metric(name: str) -> str:
    return _METRIC_NAMES.get(name, name.replace("_", " "))


def _number(value: float) -> str:
    """Return a measured value in as many figures as people read, with a proper minus."""
    size = abs(value)
    text = f"{value:.1e}" if 0 < size < 1e-3 or size >= 1e6 else f"{value:,.0f}" if size >= 1000 else f"{value:.3g}"  # noqa: PLR2004
    return text.replace("-", "\N{MINUS SIGN}", 1) if value < 0 else text


def _with_interval(found: Interval) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def _percent(part: float, whole: float = 1.0) -> str:
    """Return a share as ``72 %``; with one figure more next to 0 and 100, which it may not claim wrongly."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    near_an_end = 0 < share < 1 or 99 < share < 100  # noqa: PLR2004 - percent
    return f"{share:.1f} %" if near_an_end else f"{share:.0f} %"


# ---------------------------------------------------------------------------------------------------------------
# Candidates and learning curves: validation rows


def candidates(scene: Scene) -> Figure:
    """Draw the primary metric of each candidate: a dot a seed, a bar for their mean."""
    metric, champion = scene.packaged.primary, scene.packaged.champion
    scored = {name: score for name, score in scene.packaged.candidates.items() if metric in score.mean}
    if champion not in scored:
        return _notice(f"{champion} was chosen", f"No candidate has {_metric(metric)} on validation rows.")
    best = scored[champion].mean[metric]
    # The champion has the best mean, so the distance from it is the rank, whichever way the metric runs.
    order = sorted(scored, key=lambda name: (abs(scored[name].mean[metric] - best), name != champion))
    page = _page(
        _candidates_title(scored, order, metric),
        f"{_metric(metric)} on validation rows. A dot is a seed, the upright bar their mean; the best mean wins.",
        "The champion is filled blue. Test rows play no part in this choice.",
        body=0.55 + 0.42 * len(order),
    )
    names = [_short(name) for name in order]
    right = [_mean_in_words(scored[name], metric) for name in order]
    axes = page.axes(
        _MARGIN + _text_width(page.figure, names, 10) + 0.15, _MARGIN + _text_width(page.figure, right, 9) + 0.1,
        bottom=0.45,
    )  # fmt: skip
    for row, name in enumerate(order):
        _candidate_row(axes, row, scored[name], metric, chosen=name == champion)
        axes.text(1.01, row, right[row], transform=axes.get_yaxis_transform(), va="center", color=TEXT)
    axes.set_yticks(range(len(order)), names)
    axes.tick_params(axis="y", length=0, labelsize=10, labelcolor=INK)
    axes.set_ylim(len(order) - 0.5, -0.5)
    axes.margins(x=0.06)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axes.set_xlabel(f"{_metric(metric)}, {'more' if greater_is_better(metric) else 'less'} is better")
    return page.figure


def _candidates_title(scored: dict[str, CandidateScore], order: list[str], metric: str) -> str:
    means = [scored[name].mean[metric] for name in order]
    if len(order) == 1:
        return f"{order[0]}, the only candidate, reaches {_metric(metric)} {means[0]:.4f}"
    return f"{order[0]} wins with {_metric(metric)} {means[0]:.4f}, {abs(means[0] - means[1]):.4f} ahead of {order[1]}"


def _mean_in_words(score: CandidateScore, metric: str) -> str:
    spread = score.deviation.get(metric)
    several = spread is not None and len(score.seeds) > 1
    return f"{score.mean[metric]:.4f}" + (f" ± {spread:.4f}" if several else "")


def _candidate_row(axes: Axes, row: int, score: CandidateScore, metric: str, *, chosen: bool) -> None:
    colour = BLUE if chosen else TEXT
    values = [seed.metrics[metric] for seed in score.seeds if metric in seed.metrics]
    axes.plot([score.mean[metric]] * 2, [row - 0.26, row + 0.26], color=colour, lw=2.2, zorder=3)
    axes.scatter(values, [row] * len(values), s=46, facecolor=colour if chosen else "white", edgecolor=colour,
                 linewidth=1.2, alpha=0.85, zorder=4)  # fmt: skip


def learning_curves(scene: Scene) -> Figure:
    """Draw training and validation loss by epoch, a panel a candidate, a line a seed."""
    panels = _panels(scene)
    if not panels:
        names = ", ".join(_short(name) for name in scene.packaged.candidates)
        return _notice("No learning curve", f"{names}: fitted in one go, not epoch by epoch.")
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    page = _page(
        _learning_title(panels),
        "Loss by epoch, a line a seed. The dot marks the lowest validation loss; its weights are kept.",
        "Loss: mean negative log-likelihood per row (nats).",
        body=0.2 + 2.9 * lines,
    )
    page.figure.legend(
        handles=[Line2D([], [], color=BLUE, lw=1.8, label="validation"),
                 Line2D([], [], color=GREY, lw=1.5, ls=(0, (4, 2)), label="training")],
        loc="upper left", bbox_to_anchor=((_MARGIN - 0.1) / page.width, (page.top + 0.06) / page.height), ncols=2,
    )  # fmt: skip
    step = (page.width - 2 * _MARGIN) / columns
    for i, (name, runs) in enumerate(panels.items()):
        left, below = _MARGIN + 0.6 + step * (i % columns), 2.9 * (lines - 1 - i // columns) + 0.45
        axes = page.axes(left, page.width - left - step + 0.7, bottom=below, top=page.top - page.bottom - below - 2.1)
        _learning_panel(axes, runs, labelled=i % columns == 0)
        if len(panels) > 1:
            axes.set_title(_short(name, 28), loc="left", size=10, color=INK)
    return page.figure


class _Run(NamedTuple):
    """One run's epochs and losses; NaN where none was measured."""

    epochs: list[float]
    train: list[float]
    validation: list[float]

    @property
    def best(self) -> int | None:
        """Position of the lowest validation loss."""
        measured = [i for i, loss in enumerate(self.validation) if math.isfinite(loss)]
        return min(measured, key=lambda i: self.validation[i]) if measured else None


def _panels(scene: Scene) -> dict[str, list[_Run]]:
    """Return, by candidate, each run's epochs, training losses and validation losses."""
    table = scene.table("learning_curves")
    runs: dict[str, _Run] = {}
    for name, *cells in zip(*(table.columns[column] for column in ("run", *LEARNING_COLUMNS)), strict=True):
        epoch, train, validation = (float(cell) if cell else math.nan for cell in cells)
        run = runs.setdefault(name, _Run([], [], []))
        run.epochs.append(epoch)
        run.train.append(train)
        run.validation.append(validation)
    panels: dict[str, list[_Run]] = {}
    for candidate, score in scene.packaged.candidates.items():
        own = [runs[label] for seed in score.seeds if (label := run_label(candidate, seed.seed)) in runs]
        if own:
            panels[candidate] = own
    return panels


def _learning_title(panels: dict[str, list[_Run]]) -> str:
    lowest = {
        name: [(run.validation[best], round(run.epochs[best])) for run in runs if (best := run.best) is not None]
        for name, runs in panels.items()
    }
    measured = {name: found for name, found in lowest.items() if found}
    if not measured:
        return "Training loss only: no validation loss was measured"
    if len(panels) > 1:
        best = ", ".join(f"{_short(name)} {min(found)[0]:.3f}" for name, found in measured.items())
        return f"Lowest validation loss: {best}"
    [(name, found)] = measured.items()
    epochs = sorted(epoch for _, epoch in found)
    when = f"{epochs[0]}" if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]}"
    last = round(max(run.epochs[-1] for run in panels[name]))
    return f"{_short(name)}: validation loss is lowest after {when} of {last} epochs"


def _learning_panel(axes: Axes, runs: list[_Run], *, labelled: bool) -> None:
    for run in runs:
        axes.plot(run.epochs, run.train, color=GREY, lw=1.3, ls=(0, (4, 2)))
        axes.plot(run.epochs, run.validation, color=BLUE, lw=1.6, alpha=0.9)
        best = run.best
        if best is not None:
            axes.scatter(run.epochs[best], run.validation[best], s=34, color=BLUE, edgecolor="white", zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    axes.set_xlabel("epoch")
    axes.margins(x=0.04, y=0.08)
    axes.set_ylabel("loss" if labelled else "")


# ---------------------------------------------------------------------------------------------------------------
# Curves of the test rows


def roc(scene: Scene) -> Figure:
    """Draw the ROC curve beside the last release's, with the decision threshold marked."""
    table = scene.table("roc")
    x, y, old = table.numbers("false_positive_rate"), table.numbers("true_positive_rate"), table.numbers("last_release")
    area = scene.weighing.metrics.get("roc_auc")
    negative, positive = scene.labels
    pairs = area.value if area else _area(x, y)
    page = _page(
        f"“{positive}” scores above “{negative}” in {_percent(pairs)} of pairs",
        "ROC curve: share of each class that is called positive as the threshold falls from 1 to 0.",
        f"{scene.rows_in_words}. {scene.interval_in_words}." if area else f"{scene.rows_in_words}.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(_MARGIN + 0.6, _MARGIN + 0.15, bottom=0.5)
    tn, fp, fn, tp = scene.counts
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (1, 2)), label="chance 0.500")
    if old:
        axes.plot(x, old, color=GREY, lw=1.8, label=_old_label(scene, "roc_auc", _area(x, old)))
    axes.plot(x, y, color=BLUE, lw=2.2, label=_new_label(scene, "roc_auc", pairs))
    _mark_threshold(axes, fp / (fp + tn), tp / (tp + fn), scene.weighing.threshold, above=False)
    axes.set_xlabel(f"share of “{negative}” called “{positive}” (false positive rate)")
    axes.set_ylabel(f"share of “{positive}” called so (true positive rate)")
    _unit_square(axes)
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
    page = _page(
        f"Average precision {value:.3f}, where chance would give {share:.3f}",
        f"Precision (calling “{positive}” is right) against recall (“{positive}” is found).",
        f"{scene.rows_in_words}. {scene.interval_in_words}." if found else f"{scene.rows_in_words}.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(_MARGIN + 0.6, _MARGIN + 0.15, bottom=0.5)
    axes.axhline(share, color=FAINT, lw=1, ls=(0, (1, 2)), label=f"chance {share:.3f}")
    if old:
        axes.plot(x, old, color=GREY, lw=1.8, label=_old_label(scene, "average_precision", _area(x, old)))
    axes.plot(x, y, color=BLUE, lw=2.2, label=_new_label(scene, "average_precision", value))
    if tp + fp:
        _mark_threshold(axes, tp / (tp + fn), tp / (tp + fp), scene.weighing.threshold, above=True)
    axes.set_xlabel(f"share of “{positive}” found (recall)")
    axes.set_ylabel(f"share of those called “{positive}” that are (precision)")
    _unit_square(axes)
    _legend(axes, "upper right")
    return page.figure


def _area(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the area under a curve by the trapezoidal rule."""
    return sum((x[i + 1] - x[i]) * (y[i + 1] + y[i]) / 2 for i in range(len(x) - 1))


def _new_label(scene: Scene, metric: str, value: float) -> str:
    found = scene.weighing.metrics.get(metric)
    return f"{_short(scene.packaged.name, 24)} {_with_interval(found) if found else f'{value:.3f}'}"


def _old_label(scene: Scene, metric: str, value: float) -> str:
    comparison = scene.weighing.comparison
    change = comparison.metrics.get(metric) if comparison else None
    name = _short(comparison.release, 28) if comparison else "last release"
    return f"{name} {change.baseline if change else value:.3f}"


def _mark_threshold(axes: Axes, x: float, y: float, threshold: float, *, above: bool) -> None:
    axes.scatter([x], [y], s=52, color="white", edgecolor=BLUE, linewidth=2, zorder=5, clip_on=False)
    side = "left" if x < 0.75 else "right"  # noqa: PLR2004 - room for the words
    axes.annotate(f"threshold {threshold:g}", (x, y), textcoords="offset points", ha=side, size=8.5, color=BLUE,
                  xytext=(9 if side == "left" else -9, 8 if above else -13), zorder=6,
                  path_effects=[withStroke(linewidth=3, foreground="white")])  # fmt: skip


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.005)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1])


def _legend(axes: Axes, where: str) -> None:
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc=where, handlelength=1.6, borderaxespad=0.8, labelcolor=INK)


def calibration(scene: Scene) -> Figure:
    """Draw the share of positives against the predicted probability, with intervals and the ideal line."""
    table = scene.table("calibration")
    x, y, low, high = (table.numbers(name) for name in ("predicted", "observed", "low", "high"))
    rows = table.numbers("rows")
    _, positive = scene.labels
    off = 100 * scene.weighing.calibration.expected_calibration_error
    page = _page(
        f"Probabilities are {off:.1f} percentage points off on average",
        f"Share of “{positive}” among rows with about the same prediction; on the line, they agree.",
        f"{scene.rows_in_words}, {len(x)} bins of {_span(rows)} rows each. Upright bars: "
        f"{_percent(scene.weighing.confidence)} intervals (Wilson), rows taken as independent.",
        body=5.4, width=6.6,
    )  # fmt: skip
    axes = page.axes(_MARGIN + 0.6, _MARGIN + 0.15, bottom=0.5)
    limit = min(1.0, math.ceil(max(*x, *high) * 1.06 * 10) / 10)
    axes.plot([0, limit], [0, limit], color=FAINT, lw=1.2, ls=(0, (1, 2)))
    axes.vlines(x, low, high, color=BLUE, lw=1.8, alpha=0.55)
    axes.plot(x, y, color=BLUE, lw=1.2, alpha=0.55)
    axes.scatter(x, y, s=34, color=BLUE, edgecolor="white", linewidth=0.8, zorder=4)
    corner = {"size": 8.5, "color": TEXT, "style": "italic", "transform": axes.transAxes}
    axes.text(0.03, 0.96, "above the line: more than predicted", va="top", **corner)
    axes.text(0.97, 0.04, "below the line: fewer than predicted", ha="right", **corner)
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit * 1.005)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=_STEPS))
    axes.set_xlabel("predicted probability (mean of the bin)")
    axes.set_ylabel(f"share of “{positive}” (observed)")
    return page.figure


def _span(rows: Sequence[float]) -> str:
    low, high = round(min(rows)), round(max(rows))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def confusion(scene: Scene) -> Figure:
    """Draw the four counts, shaded by their share of the actual class."""
    tn, fp, fn, tp = scene.counts
    negative, positive = scene.labels
    threshold = scene.weighing.threshold
    right = f"calling so is right in {_percent(tp, tp + fp)}" if tp + fp else "nothing is called so"
    page = _page(
        f"At {threshold:g}, {_percent(tp, tp + fn)} of “{positive}” are found; {right}",
        "Test rows by what they are and what they are called. Shade and percentage: share of the row's class.",
        f"{scene.rows_in_words}. Called “{positive}” where the probability is {threshold:g} or more.",
        body=3.7,
    )
    names = [f"is “{negative}”", f"is “{positive}”"]
    left = _MARGIN + _text_width(page.figure, names, 10) + 0.3
    axes = page.axes(left, _MARGIN, top=0.3)
    for row, (whole, cells) in enumerate(((tn + fp, (tn, fp)), (fn + tp, (fn, tp)))):
        for column, count in enumerate(cells):
            _cell(axes, column, row, count, whole)
        axes.text(-0.04, row + 0.46, names[row], ha="right", va="center", size=10)
        axes.text(-0.04, row + 0.6, f"{whole:,} rows", ha="right", va="center", size=8.5, color=TEXT)
    for column, name in enumerate((negative, positive)):
        axes.text(column + 0.5, -0.06, f"called “{name}”", ha="center", va="bottom", size=10)
    axes.set_xlim(0, 2)
    axes.set_ylim(2, 0)
    axes.axis("off")
    return page.figure


def _cell(axes: Axes, column: int, row: int, count: int, whole: int) -> None:
    share = count / whole if whole else 0.0
    right = column == row
    # Right decisions in blue, wrong ones in vermilion, both from white to their full colour.
    shade = _mix("#ffffff", BLUE if right else VERMILION, 0.06 + 0.49 * share)
    axes.add_patch(Rectangle((column + 0.01, row + 0.015), 0.98, 0.97, facecolor=shade, edgecolor="none"))
    axes.text(column + 0.5, row + 0.42, f"{count:,}", ha="center", va="center", size=19)
    words = f"{_percent(count, whole)}, {'right' if right else 'wrong'}"
    axes.text(column + 0.5, row + 0.62, words, ha="center", va="center", size=9.5)


def _mix(low: str, high: str, share: float) -> str:
    parts = ((int(low[i : i + 2], 16), int(high[i : i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


# ---------------------------------------------------------------------------------------------------------------
# Slices and gates: rows of a table, each with its interval


def slices(scene: Scene) -> Figure:
    """Draw a forest plot: the shown metric of each slice with its interval, beside that of all test rows."""
    metric = metric_shown(scene.packaged, scene.weighing)
    overall = scene.weighing.metrics.get(metric)
    parts = scene.weighing.slices
    measured = [part for part in parts if metric in part.metrics]
    if not measured or overall is None:
        return _notice("No slices were measured", "Name columns under metrics.slices in config/config.yaml.")
    sign = 1 if greater_is_better(metric) else -1
    weakest = min(measured, key=lambda part: sign * part.metrics[metric].value)
    worse = [part for part in measured if _wholly_worse(part.metrics[metric], overall.value, sign)]
    page = _page(
        f"Weakest slice: {_short(weakest.column)} {_short(_value(weakest))}, "
        f"{_metric(metric)} {weakest.metrics[metric].value:.3f} against {overall.value:.3f} overall",
        f"{_metric(metric)} of parts of the test rows. {_worse_in_words(len(worse), len(measured), sign)}",
        f"{scene.rows_in_words}. {scene.interval_in_words}. Blue band: all test rows, {_with_interval(overall)}.",
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
    names = [_short(_value(part)) for part in parts] + [_short(part.column) for part in parts]
    sheet = Sheet.on(page, left=_text_width(page.figure, names, 9.5, "bold") + 0.45, right=2.45, bottom=0.45, top=0.22)
    axes = sheet.axes
    axes.axvspan(overall.low, overall.high, color=SKY, lw=0, alpha=0.7)
    axes.axvline(overall.value, color=BLUE, lw=1.2)
    for x, words, side in ((0.65, "rows", "right"), (0.85, f"{_metric(metric)} (interval)", "left")):
        sheet.head(x, words, side)
    row, column = 0.0, None
    for part in parts:
        if part.column != column:
            column, row = part.column, row + (0.3 if row else 0.0)
            sheet.before(row, _short(column), weight="bold", size=9.5)
            row += 1
        _forest_row(sheet, row, part, metric, worse=part in worse)
        row += 1
    axes.set_ylim(row - 0.3, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=_STEPS))
    axes.set_xlabel(_metric(metric))


def _forest_row(sheet: Sheet, row: float, part: Slice, metric: str, *, worse: bool) -> None:
    sheet.before(row, _short(_value(part)), indent=0.2, size=9.5)
    sheet.after(0.65, row, f"{part.rows:,}", ha="right", color=TEXT)
    if metric not in part.metrics:
        sheet.after(0.85, row, "one class only", color=TEXT, style="italic")
        return
    found, colour = part.metrics[metric], VERMILION if worse else INK
    sheet.axes.plot([found.low, found.high], [row, row], color=colour, lw=1.5)
    marker, size = ("D", 38) if worse else ("o", 30)
    sheet.axes.scatter(found.value, row, s=size, marker=marker, color=colour, edgecolor="white", lw=0.7, zorder=4)
    sheet.after(0.85, row, _with_interval(found), color=colour)


_GATE_COLUMNS = (0.75, 1.45, 2.15, 2.4)  # inches right of the axes: value, bound, limit, verdict


def gates(scene: Scene) -> Figure:
    """Draw each gate: how far value and bound lie from the limit, and the verdict in words."""
    results = scene.verdict.gates.results if scene.verdict else ()
    if not results:
        return _notice("No gates were judged", "Name them in config/gates.yaml.")
    page = _page(
        _gates_title(results),
        "Right of the line holds, left of it falls short. The filled mark is the bound, which decides; the ring is the "
        "value.",
        "Distance from the limit, as a share of the largest of value, bound and limit, on a square-root scale. A bound "
        f"is the unfavourable end of the {_percent(scene.weighing.confidence)} interval; without one, the value counts.",
        body=0.35 + 0.5 * len(results),
        width=9.6,
    )
    rules, names = [_short(result.rule, 44) for result in results], [_short(result.name, 30) for result in results]
    left = max(_text_width(page.figure, rules, 8), _text_width(page.figure, names, 10)) + 0.3
    sheet = Sheet.on(page, left=left, right=3.8, bottom=0.0, top=0.3)
    for x, words in zip(_GATE_COLUMNS, ("value", "bound", "limit"), strict=False):
        sheet.head(x, words, "right")
    middle = {"transform": sheet.axes.transAxes, "va": "bottom", "size": 8.5, "color": TEXT}
    sheet.axes.text(0.5, 1.0, "limit", ha="center", **middle)
    sheet.axes.text(0.42, 1.0, "short ◂", ha="right", **middle)
    sheet.axes.text(0.58, 1.0, "▸ holds", ha="left", **middle)
    for row, result in enumerate(results):
        _gate_row(sheet, row, result, names[row], rules[row])
    sheet.axes.set_xlim(-1.06, 1.06)
    sheet.axes.set_ylim(len(results) - 0.5, -0.5)
    sheet.axes.axis("off")
    return page.figure


def _gates_title(results: Sequence[GateResult]) -> str:
    counted = [result for result in results if result.verdict != "not applicable"]
    missed = [result for result in counted if result.verdict != "pass"]
    if not missed:
        return f"All {len(counted)} gates hold" if len(counted) > 1 else "The gate holds"
    names = [_short(result.name, 30) for result in missed[:3]] + (["…"] if len(missed) > 3 else [])  # noqa: PLR2004
    return f"{len(counted) - len(missed)} of {len(counted)} gates hold, but not {', '.join(names)}"


def headroom(result: GateResult) -> tuple[float, float] | None:
    """Return how far value and bound lie on the good side of the limit (bad: negative), as shares in [-1, 1].

    A result does not say which side is good, but its verdict tells: a gate passes if and only if its bound is there.
    ``None`` where the gate has no numbers.
    """
    value = result.bound if result.value is None else result.value
    bound = value if result.bound is None else result.bound
    if value is None or bound is None or result.limit is None:
        return None
    gap = bound - result.limit
    good = math.copysign(1.0, gap or value - result.limit)
    if gap and result.verdict != "pass":
        good = -good
    size = max(abs(result.limit), abs(value), abs(bound)) or 1.0
    shares = (good * (value - result.limit) / size, good * gap / size)
    return max(-1.0, min(1.0, shares[0])), max(-1.0, min(1.0, shares[1]))


def _gate_row(sheet: Sheet, row: int, result: GateResult, name: str, rule: str) -> None:
    word, colour, marker = _VERDICTS.get(result.verdict, (result.verdict, INK, "o"))
    sheet.before(row - 0.14, name, size=10)
    sheet.before(row + 0.2, rule, size=8, color=TEXT)
    if row:
        sheet.rule(row - 0.5)
    places = headroom(result)
    if places:
        value, bound = (math.copysign(abs(place) ** 0.5, place) for place in places)
        axes = sheet.axes
        axes.plot([0, 0], [row - 0.36, row + 0.36], color=INK, lw=1.1)
        axes.plot([value, bound], [row, row], color=colour, lw=1.6)
        if value != bound:
            axes.scatter(value, row, s=40, facecolor="white", edgecolor=colour, linewidth=1.5, zorder=4)
        axes.scatter(bound, row, s=50, marker=marker, color=colour, lw=0.0, zorder=5)
        for x, number in zip(_GATE_COLUMNS, (result.value, result.bound, result.limit), strict=False):
            sheet.after(x, row, "" if number is None else _number(number), ha="right")
    elif result.reason:
        sheet.after(_GATE_COLUMNS[2], row, _short(result.reason, 52), ha="right", color=TEXT, size=8)
    sheet.after(_GATE_COLUMNS[3] + 0.22, row, word, color=colour, weight="bold", size=8.5)
    sheet.mark(_GATE_COLUMNS[3] + 0.06, row, marker, colour)
