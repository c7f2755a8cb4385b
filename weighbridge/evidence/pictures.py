"""The pictures of a weighing, each with its finding as the title; drawn from the tables and records alone.

What is being released is blue, the last release grey, intervals are always shown, and nothing is told by colour only:
markers and words say it too.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from weighbridge import paths
from weighbridge.documents import write
from weighbridge.evidence import class_pictures, curve_pictures, forest_pictures, gate_pictures, number_pictures
from weighbridge.evidence.page import (
    BLUE,
    GREY,
    INK,
    MARGIN,
    STEPS,
    TEXT,
    in_figures,
    metric_name,
    notice,
    png,
    short,
    style,
    text_width,
    titled,
)
from weighbridge.evidence.plot_tables import LEARNING_COLUMNS, run_label
from weighbridge.evidence.scene import Scene, Target
from weighbridge.manifest import CandidateScore, Packaged, Verdict, Weighing


def draw_all(  # noqa: PLR0913 - all that a picture may show
    folder: Path,
    *,
    packaged: Packaged,
    weighing: Weighing,
    plots: Path,
    verdict: Verdict | None = None,
    target: Target | None = None,
) -> tuple[Path, ...]:
    """Draw every picture of the task into *folder* as PNG and return their paths.

    Args:
        folder: ``results/figures``; made where absent.
        packaged: the candidates' scores.
        weighing: task, metrics, slices and the comparison with the last release.
        plots: the folder of tables that :func:`weighbridge.evidence.plot_tables.write_all` wrote.
        verdict: the gates' results, once they were judged; without it, ``gates.png`` isn't drawn.
        target: what is predicted.

    Raises:
        RecordError: where a table is missing or empty.
    """
    scene = Scene(packaged, weighing, plots, verdict, target or Target())
    drawn = []
    with style():
        for name in paths.figure_names(weighing.task):
            if name == "gates" and verdict is None:
                continue
            path = folder / f"{name}.png"
            write(path, png(painter(name, weighing.task)(scene)))
            drawn.append(path)
    return tuple(drawn)


def painter(name: str, task: str) -> Callable[[Scene], Figure]:
    """Return what draws the picture *name* of a *task*."""
    return (_OF_CLASSES.get(name) if task == "multiclass" else None) or _PAINTERS[name]


def candidates(scene: Scene) -> Figure:
    """Draw the primary metric of each candidate: a dot a seed, a bar for their mean."""
    metric, champion = scene.packaged.primary, scene.packaged.champion
    scored = {name: score for name, score in scene.packaged.candidates.items() if metric in score.mean}
    if champion not in scored:
        return notice(f"{champion} was chosen", f"No candidate has {metric_name(metric)} on validation rows.")
    best = scored[champion].mean[metric]
    # The champion has the best mean, so the distance from it is the rank, whichever way the metric runs.
    order = sorted(scored, key=lambda name: (abs(scored[name].mean[metric] - best), name != champion))
    page = titled(
        _candidates_title(scored, order, metric),
        f"{metric_name(metric)} on validation rows. A dot is a seed, the upright bar their mean; the best mean wins.",
        "The champion is filled blue. Test rows play no part in this choice.",
        body=0.55 + 0.42 * len(order),
    )
    names = [short(name) for name in order]
    right = [_mean_in_words(scored[name], metric) for name in order]
    axes = page.axes(
        MARGIN + text_width(page.figure, names, 10) + 0.15, MARGIN + text_width(page.figure, right, 9) + 0.1,
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
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS))
    axes.set_xlabel(f"{metric_name(metric)}, {'more' if scene.more_is_better(metric) else 'less'} is better")
    return page.figure


def _candidates_title(scored: dict[str, CandidateScore], order: list[str], metric: str) -> str:
    means = [scored[name].mean[metric] for name in order]
    if len(order) == 1:
        return f"{order[0]}, the only candidate, reaches {metric_name(metric)} {in_figures(means[0], 4)}"
    ahead = in_figures(abs(means[0] - means[1]), 4)
    return f"{order[0]} wins with {metric_name(metric)} {in_figures(means[0], 4)}, {ahead} ahead of {order[1]}"


def _mean_in_words(score: CandidateScore, metric: str) -> str:
    spread = score.deviation.get(metric)
    several = spread is not None and len(score.seeds) > 1
    return in_figures(score.mean[metric], 4) + (f" ± {in_figures(spread or 0.0, 4)}" if several else "")


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
        names = ", ".join(short(name) for name in scene.packaged.candidates)
        return notice("No learning curve", f"{names}: fitted in one go, not epoch by epoch.")
    columns = min(len(panels), 3)
    lines = -(-len(panels) // columns)
    page = titled(
        _learning_title(panels),
        "Loss by epoch or boosting round, a line a seed. The dot marks the lowest validation loss.",
        "Loss: squared error, in the scale in which the estimator counts it."
        if scene.weighing.task == "regression"
        else "Loss: mean negative log-likelihood per row (nats).",
        body=0.2 + 2.9 * lines,
    )
    page.figure.legend(
        handles=[Line2D([], [], color=BLUE, lw=1.8, label="validation"),
                 Line2D([], [], color=GREY, lw=1.5, ls=(0, (4, 2)), label="training")],
        loc="upper left", bbox_to_anchor=((MARGIN - 0.1) / page.width, (page.top + 0.06) / page.height), ncols=2,
    )  # fmt: skip
    step = (page.width - 2 * MARGIN) / columns
    for i, (name, runs) in enumerate(panels.items()):
        left, below = MARGIN + 0.6 + step * (i % columns), 2.9 * (lines - 1 - i // columns) + 0.45
        axes = page.axes(left, page.width - left - step + 0.7, bottom=below, top=page.top - page.bottom - below - 2.1)
        _learning_panel(axes, runs, labelled=i % columns == 0)
        if len(panels) > 1:
            axes.set_title(short(name, 28), loc="left", size=10, color=INK)
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
        losses = {name: min(found)[0] for name, found in measured.items()}
        winner = min(losses, key=lambda name: losses[name])
        return f"{short(winner)} reaches the lowest validation loss, {in_figures(losses[winner])}"
    [(name, found)] = measured.items()
    epochs = sorted(epoch for _, epoch in found)
    when = f"{epochs[0]}" if epochs[0] == epochs[-1] else f"{epochs[0]} to {epochs[-1]}"
    last = round(max(run.epochs[-1] for run in panels[name]))
    return f"{short(name)}: validation loss is lowest after {when} of {last} epochs"


def _learning_panel(axes: Axes, runs: list[_Run], *, labelled: bool) -> None:
    for run in runs:
        axes.plot(run.epochs, run.train, color=GREY, lw=1.3, ls=(0, (4, 2)))
        axes.plot(run.epochs, run.validation, color=BLUE, lw=1.6, alpha=0.9)
        lowest = run.best
        if lowest is not None:
            axes.scatter(run.epochs[lowest], run.validation[lowest], s=34, color=BLUE, edgecolor="white", zorder=4)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axes.set_xlabel("epoch")
    axes.margins(x=0.04, y=0.08)
    axes.set_ylabel("loss" if labelled else "")


_PAINTERS: dict[str, Callable[[Scene], Figure]] = {
    "candidates": candidates,
    "learning_curves": learning_curves,
    "roc": curve_pictures.roc,
    "precision_recall": curve_pictures.precision_recall,
    "calibration": curve_pictures.calibration,
    "confusion": curve_pictures.confusion,
    "predicted_actual": number_pictures.predicted_actual,
    "residuals": number_pictures.residuals,
    "slices": forest_pictures.slices,
    "gates": gate_pictures.gates,
}
_OF_CLASSES: dict[str, Callable[[Scene], Figure]] = {
    "roc": class_pictures.roc,
    "calibration": class_pictures.calibration,
    "confusion": class_pictures.confusion,
}
