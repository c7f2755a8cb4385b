"""The tables behind the pictures: small CSV files that people and ``dvc plots`` read.

Each table has at most :data:`POINTS` rows (``confusion.csv`` 1,000), figures of six digits, and a fixed order of
rows, so the same predictions give the same bytes. They hold no row of the data, only what its scores add up to.

======================  ==================================================================================
``roc``                 ``false_positive_rate, true_positive_rate, chance, last_release``
``precision_recall``    ``recall, precision, chance, last_release``
``calibration``         ``predicted, observed, low, high, rows, ideal``; bins of equal count
``confusion``           ``actual, predicted``: one line for each of at most 1,000 rows, in the test set's proportions
``confusion_counts``    ``actual, predicted, rows``: the exact counts
``slices``              ``slice, column, value, rows, metric, score, low, high``
``learning_curves``     ``run, epoch, train_loss, validation_loss``; at most 200 rows a run
``candidates``          ``run, candidate, seed, metric, score``; on validation rows
======================  ==================================================================================

``last_release`` is empty where there is none. To lay two versions over each other: ``dvc plots diff TAG``.
"""

import csv
import io
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from weighbridge.documents import write
from weighbridge.errors import DataError
from weighbridge.manifest import Packaged, Weighing

Floats = npt.NDArray[np.float64]
Row = Sequence[str | int | float | None]
Bin = tuple[float, float, float, float, int, float]
Curves = Mapping[str, Sequence[Mapping[str, Any]]]

POINTS = 200
CONFUSION_ROWS = 1000
FEWEST_CALLED = 30
LEARNING_COLUMNS = ("epoch", "train_loss", "validation_loss")


def rates(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return false and true positives' counts [k], cumulated from the highest score down, ties taken together."""
    order = np.argsort(-probability, kind="stable")
    positive = target[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    true = np.cumsum(positive)[last_of_tie]
    return 1.0 + last_of_tie - true, true


def _check(target: Floats, probability: Floats) -> None:
    if target.shape != probability.shape or target.ndim != 1 or not len(target):
        raise DataError(
            f"scores of shape {probability.shape} for targets of shape {target.shape}; expected one score a row; "
            "run the weigh stage again"
        )
    if not np.isfinite(probability).all():
        raise DataError(
            f"{int((~np.isfinite(probability)).sum())} scores are no finite number; run the weigh stage again"
        )
    if target.min() == target.max():
        raise DataError(f"all {len(target)} rows are of class {target[0]:g}; curves need both; check the split")


def roc(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rate [k] of the ROC curve, from (0, 0) to (1, 1)."""
    false, true = rates(target, probability)
    return np.append(0.0, false / false[-1]), np.append(0.0, true / true[-1])


def precision_recall(target: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision [k], recall rising to 1.

    The curve starts where :data:`FEWEST_CALLED` rows are called positive (or a tenth of all, where that is less):
    a precision over a handful of rows is noise.
    """
    false, true = rates(target, probability)
    called = true + false
    kept = called >= min(FEWEST_CALLED, len(target) / 10)
    return (true / true[-1])[kept], (true / called)[kept]


def thin(x: Floats, y: Floats, points: int = POINTS) -> tuple[Floats, Floats]:
    """Return at most *points* of a curve's points [k], evenly spread along its (taxicab) length, ends included."""
    if len(x) <= points:
        return x, y
    length = np.append(0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
    kept = np.unique(np.searchsorted(length, np.linspace(0.0, length[-1], points), side="left"))
    kept[0], kept[-1] = 0, len(x) - 1
    return x[kept], y[kept]


def wilson(successes: float, rows: int, confidence: float) -> tuple[float, float]:
    """Return Wilson's score interval for a share.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).
    """
    z = statistics.NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / rows
    centre = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    return max(0.0, centre - half), min(1.0, centre + half)


def calibration(target: Floats, probability: Floats, bins: int, confidence: float) -> list[Bin]:
    """Return a row a bin of equal count: mean prediction, share of positives, its interval, rows, ideal."""
    order = np.argsort(probability, kind="stable")
    table: list[Bin] = []
    for part in np.array_split(order, min(bins, len(order), POINTS)):
        low, high = wilson(float(target[part].sum()), len(part), confidence)
        predicted = float(probability[part].mean())
        table.append((predicted, float(target[part].mean()), low, high, len(part), predicted))
    return table


def confusion(target: Floats, probability: Floats, threshold: float) -> npt.NDArray[np.int64]:
    """Return the counts [2, 2]: row the actual class, column the predicted one."""
    decided = probability >= threshold
    actual = target > 0
    return np.array([[np.sum((actual == i) & (decided == j)) for j in (False, True)] for i in (False, True)])


def apportion(counts: npt.NDArray[np.int64], seats: int = CONFUSION_ROWS) -> npt.NDArray[np.int64]:
    """Return whole numbers in the proportions of *counts* that add up to *seats*, by largest remainders.

    Where there are no more counts than seats, they are returned as they are.
    """
    total = int(counts.sum())
    if total <= seats:
        return counts
    quota = counts.astype(np.float64) * seats / total
    whole = np.floor(quota).astype(np.int64)
    rest = np.argsort(-(quota - whole), axis=None, kind="stable")[: seats - int(whole.sum())]
    whole.reshape(-1)[rest] += 1
    return whole


def labels(packaged: Packaged) -> tuple[str, str]:
    """Return the words for class 0 and class 1, ``0`` and ``1`` where the interface has none."""
    for output in packaged.interface.outputs:
        if len(output.labels) == 2:  # noqa: PLR2004 - two classes
            return output.labels[0], output.labels[1]
    return "0", "1"


def metric_shown(packaged: Packaged, weighing: Weighing) -> str:
    """Return the metric that slices are shown by: the primary one, or the first that was measured."""
    return packaged.primary if packaged.primary in weighing.metrics else next(iter(weighing.metrics), packaged.primary)


def run_label(candidate: str, seed: int | str) -> str:
    """Return ``network seed 0``."""
    return f"{candidate} seed {seed}"


def write_all(  # noqa: PLR0913 - all that a weighing saw
    folder: Path,
    *,
    target: npt.ArrayLike,
    probability: npt.ArrayLike,
    packaged: Packaged,
    weighing: Weighing,
    baseline: npt.ArrayLike | None = None,
    learning_curves: Curves | None = None,
) -> tuple[Path, ...]:
    """Write all tables into *folder* and return their paths.

    Args:
        folder: ``models/plots``; made where absent. Each table is written, be it empty.
        target: 0 or 1 [n].
        probability: the bundle's score of class 1 [n].
        packaged: candidates' scores and labels.
        weighing: threshold, confidence, bins and slices.
        baseline: the last release's scores [n] on the same rows; ``None`` where there is none.
        learning_curves: rows of ``epoch``, ``train_loss`` and, where measured, ``validation_loss``, by
            :func:`run_label`.

    Raises:
        DataError: where scores don't match the targets, aren't finite, or the rows hold one class only.
    """
    y, p = np.asarray(target, np.float64), np.asarray(probability, np.float64)
    old = None if baseline is None else np.asarray(baseline, np.float64)
    for scores in (p, p if old is None else old):
        _check(y, scores)
    counts = confusion(y, p, weighing.threshold)
    tables = {
        "roc": (("false_positive_rate", "true_positive_rate", "chance", "last_release"), _roc_rows(y, p, old)),
        "precision_recall": (("recall", "precision", "chance", "last_release"), _precision_rows(y, p, old)),
        "calibration": (
            ("predicted", "observed", "low", "high", "rows", "ideal"),
            calibration(y, p, weighing.calibration.bins, weighing.confidence),
        ),
        "confusion": (("actual", "predicted"), _confusion_rows(counts, labels(packaged))),
        "confusion_counts": (("actual", "predicted", "rows"), _count_rows(counts, labels(packaged))),
        "slices": (
            ("slice", "column", "value", "rows", "metric", "score", "low", "high"),
            _slice_rows(weighing, metric_shown(packaged, weighing)),
        ),
        "learning_curves": (("run", *LEARNING_COLUMNS), _learning_rows(learning_curves or {})),
        "candidates": (("run", "candidate", "seed", "metric", "score"), _candidate_rows(packaged)),
    }
    paths = {name: folder / f"{name}.csv" for name in tables}
    for name, (columns, rows) in tables.items():
        write(paths[name], _csv(columns, rows))
    return tuple(paths.values())


def _roc_rows(target: Floats, probability: Floats, baseline: Floats | None) -> Iterable[Row]:
    x, y = thin(*roc(target, probability))
    old = _at(x, None if baseline is None else roc(target, baseline))
    return zip(x.tolist(), y.tolist(), x.tolist(), old, strict=True)


def _precision_rows(target: Floats, probability: Floats, baseline: Floats | None) -> Iterable[Row]:
    x, y = thin(*precision_recall(target, probability))
    old = _at(x, None if baseline is None else precision_recall(target, baseline))
    return zip(x.tolist(), y.tolist(), [float(target.mean())] * len(x), old, strict=True)


def _at(x: Floats, curve: tuple[Floats, Floats] | None) -> list[float] | list[None]:
    """Return the curve's height at each of *x*; the curve's abscissa rises."""
    return [None] * len(x) if curve is None else np.interp(x, *curve).tolist()


def _confusion_rows(counts: npt.NDArray[np.int64], names: tuple[str, str]) -> Iterable[Row]:
    seats = apportion(counts)
    return [(names[i], names[j]) for i in (0, 1) for j in (0, 1) for _ in range(int(seats[i, j]))]


def _count_rows(counts: npt.NDArray[np.int64], names: tuple[str, str]) -> Iterable[Row]:
    return [(names[i], names[j], int(counts[i, j])) for i in (0, 1) for j in (0, 1)]


def _slice_rows(weighing: Weighing, metric: str) -> Iterable[Row]:
    for part in weighing.slices:
        if metric in part.metrics:
            found = part.metrics[metric]
            name = f"{part.column} {part.value or '(missing)'}"
            yield name, part.column, part.value, part.rows, metric, found.value, found.low, found.high


def _learning_rows(curves: Curves) -> Iterable[Row]:
    for run in curves:
        rows = list(curves[run])
        for i in np.unique(np.linspace(0, len(rows) - 1, min(len(rows), POINTS)).round().astype(int)).tolist():
            losses = (rows[i].get(column) for column in LEARNING_COLUMNS[1:])
            yield run, int(rows[i]["epoch"]), *(None if loss in {None, ""} else float(loss) for loss in losses)


def _candidate_rows(packaged: Packaged) -> Iterable[Row]:
    for candidate, score in packaged.candidates.items():
        for seed in score.seeds:
            if packaged.primary in seed.metrics:
                value = seed.metrics[packaged.primary]
                yield run_label(candidate, seed.seed), candidate, seed.seed, packaged.primary, value


def _csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[f"{cell:.6g}" if isinstance(cell, float) else cell for cell in row] for row in rows])
    return text.getvalue()
