"""The weighing: the bundle on the test rows, as it ships, beside the last release on the same rows.

Predictions of test rows come from ``model.onnx`` alone, for both. Nothing of the training is at hand here.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge import manifest, settings
from weighbridge.data.schema import Schema
from weighbridge.errors import DataError, WeighbridgeError
from weighbridge.evidence import bootstrap, metrics, serving
from weighbridge.evidence.catalogue import require
from weighbridge.evidence.metrics import Floats

LISTED_SMALL_SLICES = 20
_MISSING = "(missing)"
Baseline = tuple[str, Path | None]
"""The last release: its tag, and its ``model.onnx`` where that could be had."""


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The test rows as the metrics need them, each array [n]."""

    y: npt.NDArray[Any]
    p: Floats
    groups: npt.NDArray[Any] | None
    wanted: settings.Metrics

    def measure(
        self, predictions: Sequence[Floats], thresholds: Sequence[float]
    ) -> tuple[tuple[dict[str, float], bootstrap.Samples], ...]:
        """Return values and samples of each of *predictions*, over one set of resamples."""
        wanted = self.wanted
        return bootstrap.measure(wanted.names, self.y, predictions, self.groups, thresholds, wanted.resamples)

    def part(self, member: npt.NDArray[np.bool_]) -> "_Rows":
        """Return the rows where *member* holds."""
        groups = None if self.groups is None else self.groups[member]
        return dataclasses.replace(self, y=self.y[member], p=self.p[member], groups=groups)


def weigh(  # noqa: PLR0913 - all that a weighing depends on, by name
    *,
    onnx: Path,
    test: pd.DataFrame,
    schema: Schema,
    metrics: settings.Metrics,
    content_sha256: str,
    test_sha256: str,
    baseline: Baseline | None = None,
    baseline_threshold: float | None = None,
) -> tuple[manifest.Weighing, pd.DataFrame]:
    """Return the weighing, and the predictions by row.

    Args:
        onnx: the bundle's ``model.onnx``.
        test: the test rows: id, time, group where there is one, features and target.
        schema: what the columns are.
        metrics: what is measured, and how.
        content_sha256: digest of the bundle.
        test_sha256: digest of the test rows' file.
        baseline: the last release, where there is one.
        baseline_threshold: the threshold of its decisions; that of *metrics* where not given.

    Returns:
        The record, and a table with ``id``, ``group`` (missing without one), ``target``, ``probability`` and
        ``baseline`` (NaN where the last release couldn't be run).

    Raises:
        DataError: where ids repeat, predictions aren't finite, or the rows hold one class or one group only.
        ModelError: where the bundle can't be run.
        SettingsError: where a slice's column isn't in the table.
    """
    _require_columns(test, schema, metrics.slices)
    p = serving.predict(onnx, test)
    groups = None if schema.group is None else test[schema.group].to_numpy()
    rows = _Rows(y=test[schema.target].to_numpy(), p=p, groups=groups, wanted=metrics)
    other, reason = _baseline_predictions(baseline, test)
    thresholds = (metrics.threshold, metrics.threshold if baseline_threshold is None else baseline_threshold)
    new, *old = rows.measure([p], thresholds[:1]) if other is None else rows.measure([p, other], thresholds)
    compared = None if baseline is None else _comparison(rows, baseline, test, other, reason, (new, *old), thresholds)
    record = manifest.Weighing(
        rows=len(test),
        groups=None if groups is None else int(test[schema.group].nunique()),
        group_by=schema.group,
        confidence=metrics.confidence,
        resamples=metrics.resamples,
        threshold=metrics.threshold,
        metrics=_intervals(new, metrics),
        slices=tuple(part for column in metrics.slices for part in _slices(rows, column, test[column])),
        calibration=_calibration(rows),
        serving=serving.measure(onnx, test),
        comparison=compared,
        test_sha256=test_sha256,
        content_sha256=content_sha256,
    )
    return record, _predictions(test, schema, p, other)


def _require_columns(test: pd.DataFrame, schema: Schema, slices: Sequence[str]) -> None:
    named = [schema.id, schema.target, *([schema.group] if schema.group else [])]
    missing = [name for name in named if name not in test.columns]
    if missing:
        raise DataError(f"the test rows lack {', '.join(missing)}; found {', '.join(map(str, test.columns))}")
    for column in slices:
        require(column, [name for name in test.columns if name not in {schema.id, schema.target}], "slice column")
    repeated = int(test[schema.id].duplicated().sum())
    if repeated:
        raise DataError(f"{repeated} of {len(test)} test rows repeat an id of {schema.id}; expected each row once")


def _baseline_predictions(baseline: Baseline | None, test: pd.DataFrame) -> tuple[Floats | None, str]:
    """Return the last release's predictions of the same rows, or why there are none."""
    if baseline is None:
        return None, ""
    tag, onnx = baseline
    if onnx is None:
        return None, (
            f"the bundle of {tag} isn't at hand: neither DVC's cache nor its remote has it. `dvc push` it where it was "
            "made, then run 'snakemake --cores all --forcerun package'"
        )
    try:
        return metrics.probabilities(serving.predict(onnx, test), len(test)), ""
    except WeighbridgeError as problem:
        return None, f"{tag} can't be run on these rows: {problem}"


def _intervals(
    measured: tuple[dict[str, float], bootstrap.Samples], wanted: settings.Metrics
) -> dict[str, manifest.Interval]:
    values, samples = measured
    return {name: bootstrap.interval(values[name], samples[name], wanted.confidence) for name in wanted.names}


def _comparison(  # noqa: PLR0913, PLR0917 - both sides
    rows: _Rows,
    baseline: Baseline,
    test: pd.DataFrame,
    other: Floats | None,
    reason: str,
    measured: Sequence[tuple[dict[str, float], bootstrap.Samples]],
    thresholds: tuple[float, float],
) -> manifest.Comparison:
    tag, onnx = baseline
    if other is None or onnx is None:
        return manifest.Comparison(
            release=tag, comparable=False, reason=reason, metrics={}, changed_decisions=None, serving=None
        )
    new, old = measured
    confidence = rows.wanted.confidence
    return manifest.Comparison(
        release=tag,
        comparable=True,
        reason="",
        metrics={name: bootstrap.change(name, new, old, confidence) for name in rows.wanted.names},
        changed_decisions=float(np.mean((rows.p >= thresholds[0]) != (other >= thresholds[1]))),
        serving=serving.measure(onnx, test),
    )


def _slices(rows: _Rows, column: str, values: "pd.Series[Any]") -> list[manifest.Slice]:
    """Return one slice a value, the largest first; of those too small to be measured only so many are named."""
    texts = np.array(
        [_MISSING if missing else _text(value) for value, missing in zip(values, values.isna(), strict=True)]
    )
    found, counts = np.unique(texts, return_counts=True)
    order = np.lexsort((found, -counts))
    large = [i for i in order if counts[i] >= rows.wanted.slice_min_rows]
    small = [i for i in order if counts[i] < rows.wanted.slice_min_rows]
    named, rest = small[:LISTED_SMALL_SLICES], small[LISTED_SMALL_SLICES:]
    measured = [_slice(rows.part(texts == found[i]), column, str(found[i])) for i in large]
    listed = [_unmeasured(column, str(found[i]), int(counts[i])) for i in named]
    pooled = [_unmeasured(column, f"({len(rest)} more values)", int(counts[rest].sum()))] if rest else []
    return [*measured, *listed, *pooled]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or _MISSING
    return f"{value:g}" if isinstance(value, float | np.floating) else str(value)


def _slice(rows: _Rows, column: str, value: str) -> manifest.Slice:
    try:
        (measured,) = rows.measure([rows.p], [rows.wanted.threshold])
        found = _intervals(measured, rows.wanted)
    except DataError:  # one class or one group: there is nothing to vary
        return _unmeasured(column, value, len(rows.y))
    return manifest.Slice(column=column, value=value, rows=len(rows.y), metrics=found)


def _unmeasured(column: str, value: str, rows: int) -> manifest.Slice:
    return manifest.Slice(column=column, value=value, rows=rows, metrics={})


def _calibration(rows: _Rows) -> manifest.Calibration:
    bins = metrics.reliability(rows.y, rows.p)
    error = metrics.expected_calibration_error(rows.y, rows.p)
    return manifest.Calibration(expected_calibration_error=error, bins=len(bins))


def _predictions(test: pd.DataFrame, schema: Schema, p: Floats, other: Floats | None) -> pd.DataFrame:
    group = test[schema.group].to_numpy() if schema.group else np.full(len(test), None, dtype=object)
    return pd.DataFrame(
        {
            "id": test[schema.id].to_numpy(),
            "group": group,
            "target": test[schema.target].to_numpy(),
            "probability": p,
            "baseline": np.full(len(test), np.nan) if other is None else other,
        }
    )
