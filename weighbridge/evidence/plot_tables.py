"""The tables behind the pictures: small CSV files that people and ``dvc plots`` read.

Each has figures of six digits and a fixed order of rows, so the same predictions give the same bytes. They hold no row
of the data, only what its scores add up to.

=============================  ===============================================================================
of any task
------------------------------------------------------------------------------------------------------------
``slices``                     ``slice, column, value, rows, metric, score, low, high``
``learning_curves``            ``run, epoch, train_loss, validation_loss``; at most 200 rows a run
``candidates``                 ``run, candidate, seed, metric, score``; on validation rows
of classes
------------------------------------------------------------------------------------------------------------
``calibration``                ``predicted, observed, low, high, rows, ideal``; bins of equal count. Of several
                               classes: the probability of the called one, and how often the call is right
``confusion``                  ``actual, predicted``: one line for each of at most 1,000 rows, in the test set's
                               proportions
``confusion_counts``           ``actual, predicted, rows``: the exact counts (of several classes: and
                               ``last_release``, and no line for what never happened)
of two classes
------------------------------------------------------------------------------------------------------------
``roc``                        ``false_positive_rate, true_positive_rate, chance, last_release``
``precision_recall``           ``recall, precision, chance, last_release``
of several classes
------------------------------------------------------------------------------------------------------------
``roc``                        ``false_positive_rate, mean, lowest, chance, last_release``: the mean of the
                               classes' curves, each against the rest, and the curve of the lowest class;
                               that of the last release without classes that it doesn't know
``roc_by_class``               ``class, area, last_release, false_positive_rate, true_positive_rate``: at most
                               ten classes, those of the smallest areas
of numbers
------------------------------------------------------------------------------------------------------------
``predicted_actual``           ``actual, predicted, rows, width``: rows in hexagonal cells
``predicted_actual_before``    the same of the last release
``residuals``                  ``error, rows, last_release``: a histogram
``residuals_by_prediction``    ``predicted, low, median, high, rows``: bins of equal count, the middle 80 %
``residual_quantiles``         ``share, error, distance, last_release``: distances are errors without their sign
=============================  ===============================================================================

``last_release`` is empty where there is none. To lay two versions over each other: ``dvc plots diff TAG``.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.documents import write
from weighbridge.evidence import class_tables, curves, number_tables
from weighbridge.evidence.curves import POINTS, Row, Tables
from weighbridge.evidence.predictions import Predicted
from weighbridge.manifest import Packaged, Weighing

Curves = Mapping[str, Sequence[Mapping[str, Any]]]

LEARNING_COLUMNS = ("epoch", "train_loss", "validation_loss")


def labels(packaged: Packaged) -> tuple[str, ...]:
    """Return the word for each class, ``0`` and ``1`` where the interface has none."""
    return next((output.labels for output in packaged.interface.outputs if len(output.labels) > 1), ("0", "1"))


def metric_shown(packaged: Packaged, weighing: Weighing) -> str:
    """Return the metric that slices are shown by: the primary one, or the first that was measured."""
    return packaged.primary if packaged.primary in weighing.metrics else next(iter(weighing.metrics), packaged.primary)


def run_label(candidate: str, seed: int | str) -> str:
    """Return ``network seed 0``."""
    return f"{candidate} seed {seed}"


def write_all(
    folder: Path,
    *,
    predicted: Predicted,
    packaged: Packaged,
    weighing: Weighing,
    learning_curves: Curves | None = None,
) -> tuple[Path, ...]:
    """Write all tables of the task into *folder* and return their paths.

    Args:
        folder: ``models/plots``; made where absent. Each table is written, be it empty.
        predicted: outcomes, and what this model and the last release say of them.
        packaged: candidates' scores and labels.
        weighing: task, threshold, confidence, bins and slices.
        learning_curves: rows of ``epoch``, ``train_loss`` and, where measured, ``validation_loss``, by
            :func:`run_label`.

    Raises:
        DataError: where scores don't match the targets, aren't finite, or the rows hold one class only.
    """
    tables = {
        **_of_task(predicted, packaged, weighing),
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


def _of_task(predicted: Predicted, packaged: Packaged, weighing: Weighing) -> Tables:
    if weighing.task == "regression":
        return number_tables.tables(predicted)
    if weighing.task == "multiclass":
        return class_tables.tables(predicted, labels(packaged), weighing)
    return curves.tables(predicted, labels(packaged), weighing)


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
