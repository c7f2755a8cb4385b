"""Pictures of several classes: each against the rest, who is taken for whom, and what a call is worth."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from weighbridge.evidence.curve_pictures import mix, name_axes, reliability, unit_square
from weighbridge.evidence.page import (
    AMBER,
    BLUE,
    FAINT,
    GREEN,
    GREY,
    INK,
    MARGIN,
    PURPLE,
    STEPS,
    TEXT,
    VERMILION,
    Page,
    Sheet,
    fitted,
    notice,
    percent,
    short,
    text_width,
    titled,
    with_interval,
)
from weighbridge.evidence.plot_tables import labels
from weighbridge.evidence.scene import Scene

_MOST_CELLS = 30  # classes whose matrix people can read
_MOST_PAIRS = 25
_MOST_CURVES = 10
_FEW_CURVES = 5  # of more classes than that, the lowest
_WIDEST = 5.6  # inches of a matrix whose columns are as wide as their names
_SIDE = 4.9  # inches of the ROC curves' square
_LABEL = 20  # characters of a class's name
# Told apart by colour and, beyond five, by dashes; blue and grey are this model's mean and the last release's.
_LINES = [(colour, dash) for dash in ("-", (0, (3, 1.5))) for colour in (VERMILION, GREEN, AMBER, PURPLE, INK)]


def roc(scene: Scene) -> Figure:
    """Draw the ROC curve of each class against the rest, of many classes the lowest, and their mean."""
    curves = _curves(scene)
    classes = len(labels(scene.packaged))
    if not curves:
        return notice("No ROC curve", "No class has rows.")
    shown = curves if len(curves) <= _MOST_CURVES and classes <= _MOST_CURVES else curves[:_FEW_CURVES]
    lowest = curves[0]
    which = "" if shown is curves else f" Of {classes} classes the {len(shown)} lowest are drawn."
    table = scene.table("roc")
    found = scene.weighing.metrics.get("roc_auc_ovr")
    unknown = f"{scene.unknown_in_words} Its mean is that of the others." if scene.unknown else ""
    rates, mean, last = (table.numbers(name) for name in ("false_positive_rate", "mean", "last_release"))
    area = with_interval(found) if found else f"{_area(rates, mean):.3f}"
    page = titled(
        f"“{lowest.name}” is the hardest to tell: ROC AUC {lowest.area:.3f} against the rest",
        "ROC curve of each class against all others, by the probability of the class; the thick line is their mean."
        + which,
        f"{scene.rows_in_words}. {scene.interval_in_words}.{unknown}" if found else f"{scene.rows_in_words}.{unknown}",
        body=5.4,
        width=9.2,
    )
    axes = page.axes(MARGIN + 0.6, page.width - MARGIN - 0.6 - _SIDE, bottom=0.5)
    axes.plot([0, 1], [0, 1], color=FAINT, lw=1, ls=(0, (1, 2)), label="chance 0.500")
    if last:
        before = f"{scene.release or 'last release'}, mean {_before(scene, rates, last)}"
        axes.plot(rates, last, color=GREY, lw=2.2, label=before)
    for curve, (colour, dash) in reversed(list(zip(shown, _LINES, strict=False))):
        axes.plot(curve.x, curve.y, color=colour, lw=1.3, ls=dash, label=_named(page, curve))
    own = f"{short(scene.packaged.name, 16)}, mean {area}"
    axes.plot(rates, mean, color=BLUE, lw=2.8, alpha=0.85, label=own)
    name_axes(page, axes, "share of all others called the class (false positive rate)",
              "share of the class called so (true positive rate)")  # fmt: skip
    unit_square(axes)
    handles, names = axes.get_legend_handles_labels()
    axes.legend(handles[::-1], names[::-1], loc="upper left",
                bbox_to_anchor=(1.02, 1.0), handlelength=1.8, borderaxespad=0.0, labelcolor=INK)  # fmt: skip
    return page.figure


def _named(page: Page, curve: "_Curve") -> str:
    """Return a class's name, shortened where the legend has no room for it, and its area."""
    room = page.width - 2 * MARGIN - 0.6 - _SIDE - 0.75 - text_width(page.figure, [f"“” {_was(curve)}"], 9)
    return f"“{fitted(page.figure, curve.name, 9, room)}” {_was(curve)}"


class _Curve(NamedTuple):
    name: str
    area: float
    before: float | None
    x: list[float]
    y: list[float]


def _curves(scene: Scene) -> list[_Curve]:
    table = scene.table("roc_by_class")
    columns = ("class", "area", "last_release", "false_positive_rate", "true_positive_rate")
    found: dict[str, _Curve] = {}
    for name, area, before, x, y in zip(*(table.columns[column] for column in columns), strict=True):
        curve = found.setdefault(
            name, _Curve(short(name, _LABEL), float(area), float(before) if before else None, [], [])
        )
        curve.x.append(float(x))
        curve.y.append(float(y))
    return list(found.values())


def _was(curve: _Curve) -> str:
    return f"{curve.area:.3f}" + ("" if curve.before is None else f" (was {curve.before:.3f})")


def _area(x: Sequence[float], y: Sequence[float]) -> float:
    return sum((x[i + 1] - x[i]) * (y[i + 1] + y[i]) / 2 for i in range(len(x) - 1))


def _before(scene: Scene, x: Sequence[float], y: Sequence[float]) -> str:
    change = scene.weighing.comparison.metrics.get("roc_auc_ovr") if scene.weighing.comparison else None
    if change is None or scene.unknown:  # the metric counts classes that it doesn't know, told as by chance
        return f"{_area(x, y):.3f}"
    return f"{change.baseline:.3f}"


def calibration(scene: Scene) -> Figure:
    """Draw how often the called class is right against its probability."""
    return reliability(
        scene,
        "Share of rows decided rightly among rows whose called class has about the same probability; on the line, they "
        "agree.",
        x="probability of the called class (mean of the bin)",
        y="share decided rightly (observed)",
        from_0=False,
    )


class _Counts(NamedTuple):
    """How often which class is called which: ``{(actual, called): (rows, rows with the last release)}``."""

    names: tuple[str, ...]
    cells: dict[tuple[int, int], tuple[int, int | None]]

    @classmethod
    def of(cls, scene: Scene) -> "_Counts":
        names = labels(scene.packaged)
        number = {name: i for i, name in enumerate(names)}
        table = scene.table("confusion_counts")
        columns = (table.columns[name] for name in ("actual", "predicted", "rows", "last_release"))
        cells = {
            (number[actual], number[called]): (int(rows), int(before) if before else None)
            for actual, called, rows, before in zip(*columns, strict=True)
        }
        return cls(names, cells)

    def rows(self, actual: int) -> int:
        return sum(rows for (i, _), (rows, _) in self.cells.items() if i == actual)

    def hits(self, actual: int) -> int:
        return self.cells.get((actual, actual), (0, 0))[0]

    def hits_before(self, actual: int) -> int | None:
        compared = any(before is not None for _, before in self.cells.values())
        return (self.cells.get((actual, actual), (0, 0))[1] or 0) if compared else None

    def mistakes(self) -> list[tuple[int, int, int, int | None]]:
        """Return (actual, called, rows, rows before), the most frequent first."""
        wrong = [(i, j, rows, before) for (i, j), (rows, before) in self.cells.items() if i != j and rows]
        return sorted(wrong, key=lambda one: (-one[2], one[0], one[1]))


def confusion(scene: Scene) -> Figure:
    """Draw which class is called which: a matrix, or of many classes a list of those that are taken for each other."""
    counts = _Counts.of(scene)
    return _matrix(scene, counts) if len(counts.names) <= _MOST_CELLS else _pairs(scene, counts)


def _finding(counts: _Counts) -> str:
    whole = sum(rows for rows, _ in counts.cells.values())
    right = sum(counts.hits(i) for i in range(len(counts.names)))
    said = f"{percent(right, whole)} of rows are decided rightly"
    wrong = counts.mistakes()
    if not wrong:
        return said
    i, j, rows, _ = wrong[0]
    names = (short(counts.names[i], _LABEL), short(counts.names[j], _LABEL))
    return f"{said}; most often “{names[0]}” is called “{names[1]}”, {rows:,} of {counts.rows(i):,} times"


def _matrix(scene: Scene, counts: _Counts) -> Figure:
    classes = len(counts.names)
    height = max(0.32, min(0.62, 5.4 / classes))
    names = [short(name, _LABEL) for name in counts.names]
    size = min(9.5, 26 * height)
    longest = text_width(Figure(figsize=(8, 1)), names, size)
    upright = (longest + 0.15) * classes > _WIDEST
    side = height if upright else max(height, longest + 0.15)
    above = (longest if upright else 0.18) + 0.35
    right = 2.3 if scene.release else 1.35
    start = MARGIN + 0.25 + longest + 0.15
    page = titled(
        _finding(counts),
        "Test rows by what they are (down) and what they are called (across). Shade: share of the row's class; blue is "
        "right, vermilion wrong.",
        f"{scene.rows_in_words}. The class of the greatest probability is called.{scene.unknown_in_words}",
        body=above + height * classes,
        width=max(7.4, start + side * classes + right + MARGIN),
    )
    axes = page.axes(start, page.width - start - side * classes, top=above)
    for (i, j), (rows, _) in counts.cells.items():
        if rows:
            _cell(axes, (i, j), rows, rows / counts.rows(i), size=min(9.5, 24 * height))
    axes.set_xlim(0, classes)
    axes.set_ylim(classes, 0)
    axes.axis("off")
    axes.add_patch(Rectangle((0, 0), classes, classes, facecolor="none", edgecolor=FAINT, lw=0.8, clip_on=False))
    inches = _Inches(axes, side, height, classes)
    for i, name in enumerate(names):
        inches.beside(i, -0.1, name, ha="right", size=size)
        axes.text(i + 0.5, -0.07 / height, name, ha="center", va="bottom", size=size, rotation=90 if upright else 0)
        found, before, whole = counts.hits(i), counts.hits_before(i), counts.rows(i)
        inches.beside(i, 0.62, f"{whole:,}", ha="right", size=size, color=TEXT)
        inches.beside(i, 0.74, percent(found, whole) if whole else "no rows", ha="left", size=size)
        if before is not None and whole:
            was = "not known" if counts.names[i] in scene.unknown else f"was {percent(before, whole)}"
            inches.beside(i, 1.4, was, ha="left", size=size, color=TEXT)
    quiet: Any = {"va": "bottom", "size": 8.5, "color": TEXT}
    axes.text(classes + 0.62 / side, -0.07 / height, "rows", ha="right", **quiet)
    axes.text(classes + 0.74 / side, -0.07 / height, "found", ha="left", **quiet)
    axes.text(classes / 2, -(above - 0.2) / height, "called", ha="center", **quiet)
    axes.text(-(longest + 0.3) / side, classes / 2, "is", ha="center", **{**quiet, "va": "center"}, rotation=90)
    return page.figure


class _Inches(NamedTuple):
    """A matrix's axes, whose unit is a cell, and the cell's size in inches."""

    axes: Axes
    width: float
    height: float
    classes: int

    def beside(self, row: int, x: float, text: str, **style: Any) -> None:
        """Write *x* inches right of the matrix, or left of it where *x* is below 0."""
        at = self.classes + x / self.width if x > 0 else x / self.width
        self.axes.text(at, row + 0.5, text, va="center", **style)


def _cell(axes: Axes, place: tuple[int, int], count: int, share: float, *, size: float) -> None:
    row, column = place
    # By the root, so that a mistake in a hundred shows.
    shade = mix("#ffffff", BLUE if row == column else VERMILION, 0.08 + 0.52 * share**0.5)
    axes.add_patch(Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=shade, edgecolor="none"))
    text = f"{count:,}"
    axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", size=size * min(1.0, 3.6 / len(text)))


def _pairs(scene: Scene, counts: _Counts) -> Figure:
    wrong = counts.mistakes()
    shown = wrong[:_MOST_PAIRS]
    if not shown:
        return notice(f"All {scene.weighing.rows:,} rows are decided rightly", f"{len(counts.names)} classes.")
    page = titled(
        _finding(counts),
        f"Of {len(counts.names)} classes, those most often called another. A bar is the share of the class's rows.",
        f"{scene.rows_in_words}. The class of the greatest probability is called."
        + (f" Not shown: {len(wrong) - len(shown):,} rarer mistakes." if len(wrong) > len(shown) else "")
        + (f" Grey marks: {scene.release}.{scene.unknown_in_words}" if scene.release else ""),
        body=0.7 + 0.27 * len(shown),
    )
    words = [f"“{short(counts.names[i], _LABEL)}” called “{short(counts.names[j], _LABEL)}”" for i, j, *_ in shown]
    sheet = Sheet.on(page, left=text_width(page.figure, words, 9.5) + 0.2, right=1.9, bottom=0.45, top=0.05)
    for row, (i, j, rows, found) in enumerate(shown):
        whole, before = counts.rows(i), None if counts.names[j] in scene.unknown else found
        sheet.before(row, words[row], size=9.5)
        sheet.axes.barh(row, rows / whole, height=0.62, color=VERMILION, alpha=0.75)
        if before is not None:
            sheet.axes.plot([before / whole] * 2, [row - 0.36, row + 0.36], color=GREY, lw=2.5)
        last = "" if before is None else f", was {before:,}"
        sheet.after(0.12, row, f"{rows:,} of {whole:,} rows{last}", color=TEXT)
    sheet.axes.set_ylim(len(shown) - 0.4, -0.6)
    sheet.axes.set_xlim(left=0)
    sheet.axes.set_yticks([])
    sheet.axes.grid(visible=False, axis="y")
    sheet.axes.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    sheet.axes.xaxis.set_major_formatter(lambda value, _: percent(value))
    sheet.axes.set_xlabel("share of the class's rows")
    return page.figure
