"""weigh: the bundle, as it ships, measured on the test rows beside the last release."""

import dataclasses
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.digest import folder_entries, sha256_bytes, sha256_file, sha256_folder
from weighbridge.errors import DataError, RecordError
from weighbridge.evidence import cases, drift, feeding, golden, serving, weighing
from weighbridge.evidence.predictions import incomparable
from weighbridge.stages import baseline
from weighbridge.tasks import WeighTask

if TYPE_CHECKING:
    import pandas as pd

_RUNTIME = "onnxruntime"


def run(root: Path, task: WeighTask) -> manifest.Weighing:
    """Run ``model.onnx``, and the last release's, on the test rows; write metrics and predictions.

    Raises:
        DataError: where the test rows were edited or hold one class only, or predictions are no finite numbers.
        ModelError: where the bundle can't be run, here or where nothing but onnxruntime is installed.
        RecordError: where golden samples or the last release's records are damaged.
        SettingsError: where a file of critical cases can't be read, or doesn't fit the schema.
    """
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    schema = schema_at(task.data_schema)
    bundle = root / paths.bundle(task.name)
    onnx = bundle / "model.onnx"
    decided, digests = cases.decide(root, task.cases, onnx, schema, task.metrics.threshold)
    previous = baseline.read(root, packaged.baseline)
    before = previous.interface.inputs if previous else ()
    wanted = {*serving.inputs(onnx), *(each.name for each in before)}
    inputs = feeding.Parts(root / paths.split("test"), wanted, schema.id)
    whole = [schema.id, schema.target, *([schema.group] if schema.group else []), *task.metrics.slices]
    test = tables.read_split(root, "test", data, [name for name in inputs.columns if name in whole])
    rows = root / paths.BASELINE_ROWS / paths.split("test").name
    beside, hint = retired(test[schema.id], inputs.columns, previous, rows)
    measured, predictions = weighing.weigh(
        onnx=onnx,
        test=test,
        inputs=dataclasses.replace(inputs, beside=beside),
        schema=schema,
        metrics=task.metrics,
        content_sha256=sha256_folder(folder_entries(bundle)),
        test_sha256=data.splits["test"].sha256,
        baseline=_baseline(root, packaged.baseline, previous, data, hint),
    )
    tables.write_parquet(predictions, root / paths.PREDICTIONS)
    measured = msgspec.structs.replace(
        measured,
        predictions_sha256=sha256_file(root / paths.PREDICTIONS),
        outcomes_sha256=outcomes(predictions),
        golden=golden.repeat(onnx, bundle / "golden.json"),
        cases=decided,
        cases_sha256=digests,
        drift=_drift(root, data, previous),
    )
    documents.write_record(root / paths.METRICS, measured.flat())
    documents.write_record(root / paths.WEIGHING, measured)
    return measured


def outcomes(predictions: "pd.DataFrame") -> str:
    """Return a digest of ids and outcomes: what names these test rows, whichever columns they have."""
    rows = predictions[["id", "target"]].sort_values("id")
    return sha256_bytes(rows.to_csv(index=False, lineterminator="\n").encode())


def retired(
    ids: "pd.Series[Any]", columns: Collection[str], previous: manifest.Manifest | None, path: Path
) -> tuple["pd.DataFrame | None", str]:
    """Return the inputs that only the last release has, from its own test rows, by id; ``None`` where there are none.

    Without this a model that does without a column could never be compared with the one before. The second value
    says why a column could not be had.

    Args:
        ids: of the test rows, named as their column.
        columns: names of the columns that the test rows have.
        previous: manifest of the last release.
        path: the file of its own test rows, which may be absent.

    Raises:
        RecordError: where that file isn't the one of its manifest.
    """
    gone = [each.name for each in previous.interface.inputs if each.name not in columns] if previous else []
    if previous is None or not gone:
        return None, ""
    if not path.is_file():
        return None, "its own test rows aren't at hand: `dvc push` them where they were made"
    if sha256_file(path) != previous.data.splits["test"].sha256:
        raise RecordError(f"{path}: edited; run 'snakemake --cores all --forcerun package'")
    try:
        before = tables.read_parquet(path, [str(ids.name), *gone]).set_index(str(ids.name))
    except DataError as problem:  # it named its rows by another column
        return None, str(problem)
    unknown = int((~ids.isin(before.index)).sum())
    if unknown:
        return None, (
            f"{', '.join(gone)} can be had for its own test rows only, and {unknown} of these {len(ids)} rows are "
            "not among them. Keep data.split as it was for one release, and move it with the next"
        )
    return before, ""


def _baseline(
    root: Path, release: str | None, previous: manifest.Manifest | None, data: manifest.DataSection, hint: str
) -> weighing.Baseline | None:
    if release is None or previous is None:
        return None
    onnx = root / baseline.MODEL
    installed = {one.name: one.version for one in previous.environment.distributions}
    return weighing.Baseline(
        release,
        onnx if onnx.is_file() else None,
        threshold=previous.performance.test.threshold,
        onnxruntime=installed.get(_RUNTIME),
        hint=hint,
        labels=previous.data.labels,
        unlike=incomparable(previous.data, data),
    )


def _drift(root: Path, data: manifest.DataSection, previous: manifest.Manifest | None) -> tuple[manifest.Drift, ...]:
    """Return how far the training rows are from those of the last release; what both have is read column by column."""
    shared = drift.features(previous.data, data) if previous else []
    if previous is None or not shared:
        return ()
    tables.read_split(root, "train", data, shared[:1])  # which sees that they are the rows on record
    columns = (tables.read_parquet(root / paths.split("train"), [name]) for name in shared)
    return tuple(one for column in columns for one in drift.drift(previous.data, column))
