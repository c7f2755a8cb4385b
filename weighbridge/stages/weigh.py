"""weigh: the bundle, as it ships, measured on the test rows beside the last release."""

from pathlib import Path

import msgspec

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.digest import folder_entries, sha256_file, sha256_folder
from weighbridge.errors import RecordError
from weighbridge.evidence import cases, drift, golden, weighing
from weighbridge.tasks import WeighTask

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
    previous = _previous(root, packaged.baseline)
    measured, predictions = weighing.weigh(
        onnx=onnx,
        test=tables.read_split(root, "test", data),
        schema=schema,
        metrics=task.metrics,
        content_sha256=sha256_folder(folder_entries(bundle)),
        test_sha256=data.splits["test"].sha256,
        baseline=_baseline(root, packaged.baseline, previous),
    )
    tables.write_parquet(predictions, root / paths.PREDICTIONS)
    measured = msgspec.structs.replace(
        measured,
        predictions_sha256=sha256_file(root / paths.PREDICTIONS),
        golden=golden.repeat(onnx, bundle / "golden.json"),
        cases=decided,
        cases_sha256=digests,
        drift=_drift(root, data, previous),
    )
    documents.write_record(root / paths.METRICS, measured.flat())
    documents.write_record(root / paths.WEIGHING, measured)
    return measured


def _previous(root: Path, release: str | None) -> manifest.Manifest | None:
    """Return the last release's manifest; ``None`` before the first."""
    if release is None:
        return None
    path = root / paths.BASELINE / "manifest.yaml"
    if not path.is_file():
        raise RecordError(f"{paths.BASELINE}: no manifest of {release}; run 'snakemake --cores all --forcerun package'")
    return documents.read_record(path, manifest.Manifest)


def _baseline(root: Path, release: str | None, previous: manifest.Manifest | None) -> weighing.Baseline | None:
    if release is None or previous is None:
        return None
    onnx = root / paths.BASELINE / "model.onnx"
    installed = {one.name: one.version for one in previous.environment.distributions}
    return weighing.Baseline(
        release,
        onnx if onnx.is_file() else None,
        threshold=previous.performance.test.threshold,
        onnxruntime=installed.get(_RUNTIME),
    )


def _drift(root: Path, data: manifest.DataSection, previous: manifest.Manifest | None) -> tuple[manifest.Drift, ...]:
    """Return how far the training rows are from those of the last release; only what both have is read."""
    shared = drift.features(previous.data, data) if previous else []
    if previous is None or not shared:
        return ()
    return drift.drift(previous.data, tables.read_split(root, "train", data, shared))
