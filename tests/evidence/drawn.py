"""What a drawn figure says, and whether all of it can be read."""

import csv
import itertools
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from weighbridge import paths
from weighbridge.evidence import pictures
from weighbridge.evidence.scene import Scene


def words(figure: Figure) -> list[tuple[str, Any]]:
    """Return each visible text of a figure and the box that it takes, in pixels."""
    canvas: Any = FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    ticks = {tick.label1 for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for tick in _drawn(axis)}
    every = {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in axis.get_ticklabels()}
    texts: list[Any] = [text for text in figure.findobj(Text) if text in ticks or text not in every]
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in shown]


def _drawn(axis: Any) -> list[Any]:
    """Return the ticks inside the axes; an axis keeps some outside that it never draws."""
    ticks: list[Any] = axis._update_ticks() if axis.axes.axison else []
    return ticks


def said(figure: Figure) -> str:
    """Return all words of a figure, a line a text."""
    return "\n".join(text.replace("\n", " ") for text, _ in words(figure))


def assert_readable(figure: Figure) -> None:
    """No word leaves the page, and none covers another."""
    found = words(figure)
    width, height = figure.get_size_inches() * figure.dpi
    for text, box in found:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= width, text
        assert box.y1 <= height, text
    for (one, a), (other, b) in itertools.combinations(found, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
        assert apart, f"{one!r} covers {other!r}"


def assert_all_drawn(found: Scene, folder: Path, task: str) -> None:
    """All pictures of the task are drawn into *folder*, and the tables behind them are there."""
    drawn = pictures.draw_all(
        folder, packaged=found.packaged, weighing=found.weighing, plots=found.plots, verdict=found.verdict
    )
    assert tuple(path.stem for path in drawn) == paths.figure_names(task)
    assert {f"{name}.csv" for name in paths.plot_names(task)} <= {path.name for path in found.plots.iterdir()}


def table(path: Path) -> list[dict[str, str]]:
    """Return a table's rows."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
