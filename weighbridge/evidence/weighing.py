"""The weighing: the bundle on the test rows, as it ships, beside the last release on the same rows.

Predictions of test rows come from ``model.onnx`` alone, for both. Nothing of the training is at hand here.
"""

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from weighbridge import manifest, settings
from weighbridge.data.schema import Schema
from weighbridge.errors import DataError, ModelError, WeighbridgeError
from weighbridge.evidence import bootstrap, feeding, graph, metrics, predictions, serving
from weighbridge.evidence.catalogue import require
from weighbridge.evidence.measuring import HeldOut, slices
from weighbridge.evidence.metrics import Floats
from weighbridge.evidence.rows import decided
from weighbridge.evidence.wording import UNLIKE


class Baseline(NamedTuple):
    """The last release, as it lies beside the bundle."""

    release: str
    """Its tag."""
    onnx: Path | None
    """Its ``model.onnx``, where that could be had."""
    threshold: float | None = None
    """Probability from which it decides a row to be positive; that of the bundle where not known."""
    onnxruntime: str | None = None
    """The version of onnxruntime that it records."""
    hint: str = ""
    """What to say besides where it can't be run on these rows."""
    labels: tuple[str, ...] | None = None
    """The classes that it tells; those of the bundle where not known."""
    unlike: str = ""
    """Why its predictions can't be compared with the bundle's, whatever they are."""


def weigh(  # noqa: PLR0913 - all that a weighing depends on, by name
    *,
    onnx: Path,
    test: pd.DataFrame,
    schema: Schema,
    metrics: settings.Metrics,
    content_sha256: str,
    test_sha256: str,
    baseline: Baseline | None = None,
    inputs: feeding.Rows | None = None,
) -> tuple[manifest.Weighing, pd.DataFrame]:
    """Return the weighing, and the predictions by row.

    Args:
        onnx: the bundle's ``model.onnx``.
        test: the test rows: id, target, group where there is one, and the columns that they are cut by.
        schema: what the columns are.
        metrics: what is measured, and how.
        content_sha256: digest of the bundle.
        test_sha256: digest of the test rows' file.
        baseline: the last release, where there is one.
        inputs: the models' inputs of the same rows, in their order; *test* has them where left out.

    Returns:
        The record, and a table as :func:`weighbridge.evidence.predictions.table` makes it.

    Raises:
        DataError: where ids repeat, predictions aren't finite, or the rows hold one class or one group only.
        ModelError: where the bundle can't be run.
        SettingsError: where a slice's column isn't in the table.
    """
    _require_columns(test, schema, metrics.slices)
    made_of = graph.describe(onnx)
    inputs = test if inputs is None else inputs
    p = checked(schema.task, serving.predict(onnx, inputs), len(test))
    groups = None if schema.group is None else test[schema.group].to_numpy()
    rows = HeldOut(y=test[schema.target].to_numpy(), p=p, groups=groups, wanted=metrics, task=schema.task)
    other, reason = _baseline_predictions(baseline, inputs, len(test), schema)
    seen = _Seen(rows, *_both(rows, baseline, other), *_costs(onnx, baseline, other, inputs))
    unknown = predictions.unknown_labels((baseline and baseline.labels) or schema.labels, schema.labels)
    record = manifest.Weighing(
        rows=len(test),
        groups=rows.count_groups(),
        group_by=schema.group,
        confidence=metrics.confidence,
        resamples=metrics.resamples,
        threshold=metrics.threshold,
        metrics=rows.intervals(seen.new),
        slices=tuple(part for column in metrics.slices for part in slices(rows, column, test[column])),
        calibration=calibration(rows),
        serving=seen.cost,
        comparison=None if baseline is None else _comparison(seen, baseline, other, reason, made_of, unknown),
        test_sha256=test_sha256,
        content_sha256=content_sha256,
        task=schema.task,
        graph=made_of,
    )
    return record, predictions.table(test[schema.id], groups, rows.y, p, other, schema.task)


class _Seen(NamedTuple):
    """What was measured of the bundle, and of the last release where that could be run."""

    rows: HeldOut
    new: bootstrap.Measured
    old: bootstrap.Measured | None
    cost: manifest.Serving
    beside: serving.Beside | None


def _both(
    rows: HeldOut, baseline: Baseline | None, other: Floats | None
) -> tuple[bootstrap.Measured, bootstrap.Measured | None]:
    """Return the metrics of the bundle, and of the last release at its own threshold, over the same resamples."""
    threshold = rows.wanted.threshold
    if baseline is None or other is None:
        return rows.measure([rows.p], [threshold])[0], None
    new, old = rows.measure([rows.p, other], [threshold, _threshold(baseline, threshold)])
    return new, old


def _threshold(baseline: Baseline, otherwise: float) -> float:
    return otherwise if baseline.threshold is None else baseline.threshold


def _costs(
    onnx: Path, baseline: Baseline | None, other: Floats | None, test: feeding.Rows
) -> tuple[manifest.Serving, serving.Beside | None]:
    if baseline is None or baseline.onnx is None or other is None:
        return serving.measure(onnx, test), None
    beside = serving.measure_beside(onnx, baseline.onnx, test)
    return beside.new, beside


def _require_columns(test: pd.DataFrame, schema: Schema, slices: Sequence[str]) -> None:
    named = [schema.id, schema.target, *([schema.group] if schema.group else [])]
    missing = [name for name in named if name not in test.columns]
    if missing:
        raise DataError(f"the test rows lack {', '.join(missing)}; found {', '.join(map(str, test.columns))}")
    known = [schema.time, schema.group, *(name for name, one in schema.features.items() if one.kind != "array")]
    for column in slices:
        require(column, [name for name in known if name], "slice column")
    repeated = int(test[schema.id].duplicated().sum())
    if repeated:
        raise DataError(f"{repeated} of {len(test)} test rows repeat an id of {schema.id}; expected each row once")


def _baseline_predictions(
    baseline: Baseline | None, inputs: feeding.Rows, rows: int, schema: Schema
) -> tuple[Floats | None, str]:
    """Return the last release's predictions of the same rows, of this one's classes, or why there are none."""
    if baseline is None:
        return None, ""
    tag, onnx = baseline.release, baseline.onnx
    if baseline.unlike:
        return None, f"{tag} {UNLIKE}: {baseline.unlike}"
    if onnx is None:
        return None, (
            f"the bundle of {tag} isn't at hand: neither DVC's cache nor its remote has it. `dvc push` it where it was "
            "made, then run 'snakemake --cores all --forcerun package'"
        )
    try:
        found = checked(schema.task, serving.predict(onnx, inputs), rows)
        return predictions.onto_labels(found, baseline.labels or schema.labels, schema.labels), ""
    except WeighbridgeError as problem:
        return None, "; ".join(filter(None, [f"{tag} can't be run on these rows: {problem}", baseline.hint]))


def _comparison(  # noqa: PLR0913, PLR0917 - what a comparison is made of
    seen: _Seen,
    baseline: Baseline,
    other: Floats | None,
    reason: str,
    made_of: manifest.Graph,
    unknown: tuple[str, ...],
) -> manifest.Comparison:
    old_graph = _graph_of(baseline)
    installed = importlib.metadata.version("onnxruntime")
    runs, because = graph.runs_there(made_of, old_graph, installed, baseline.onnxruntime, baseline.release)
    comparison = manifest.Comparison(
        release=baseline.release,
        comparable=False,
        reason=reason,
        metrics={},
        changed_decisions=None,
        serving=None,
        threshold=baseline.threshold,
        graph=old_graph,
        runs_there=runs,
        runs_there_because=because,
    )
    if other is None or seen.old is None or seen.beside is None:
        return comparison
    return msgspec.structs.replace(
        comparison, comparable=True, unknown_labels=unknown, **_changes(seen, baseline, other, seen.old, seen.beside)
    )


def _changes(
    seen: _Seen, baseline: Baseline, other: Floats, old: bootstrap.Measured, beside: serving.Beside
) -> dict[str, Any]:
    """Return what could be measured of both, by the comparison's fields."""
    threshold = _threshold(baseline, seen.rows.wanted.threshold)
    changed = changes(seen.rows, (seen.new, old), other, threshold)
    return {**changed, "serving": beside.old, "threshold": threshold, "ratios": beside.ratios}


def changes(
    rows: HeldOut, measured: tuple[bootstrap.Measured, bootstrap.Measured], other: Floats, threshold: float
) -> dict[str, Any]:
    """Return what the predictions alone say of a comparison, by its fields.

    Args:
        rows: the test rows, with the bundle's predictions.
        measured: the metrics of the bundle and of the last release, over the same resamples.
        other: the last release's predictions, likewise.
        threshold: probability from which it decides a row to be positive, of two classes.
    """
    wanted, (new, old) = rows.wanted, measured
    groups = rows.count_groups()
    found = {"metrics": {name: bootstrap.change(name, new, old, wanted.confidence, groups) for name in wanted.names}}
    if rows.task == "regression":
        return found
    now, before = decided(rows.task, rows.p, wanted.threshold), decided(rows.task, other, threshold)
    changed, flips = rows.shares([now != before, (before == rows.y) & (now != rows.y)])
    return {**found, "changed_decisions": changed.value, "changed": changed, "negative_flips": flips}


def _graph_of(baseline: Baseline) -> manifest.Graph | None:
    """Return what the last release is made of; ``None`` where that can't be read."""
    try:
        return graph.describe(baseline.onnx) if baseline.onnx else None
    except ModelError:
        return None


def calibration(rows: HeldOut) -> manifest.Calibration | None:
    """Return how far the probabilities can be taken at their word; ``None`` where there are not just two classes."""
    if rows.task != "binary":
        return None
    bins = metrics.reliability(rows.y, rows.p)
    error = metrics.expected_calibration_error(rows.y, rows.p)
    return manifest.Calibration(expected_calibration_error=error, bins=len(bins))


def checked(task: str, found: Floats, rows: int) -> Floats:
    """Return what a graph has predicted, as *task* has it.

    Raises:
        DataError: where it has another shape, isn't finite, or no probabilities are where some belong.
    """
    if task == "binary":
        return metrics.probabilities(found, rows)
    return metrics.class_probabilities(found, rows) if task == "multiclass" else metrics.predicted(found, rows)
