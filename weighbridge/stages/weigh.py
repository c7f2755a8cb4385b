"""weigh: the bundle, as it ships, measured on the test rows beside the last release."""

from pathlib import Path

from weighbridge import documents, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.digest import folder_entries, sha256_folder
from weighbridge.evidence import weighing
from weighbridge.manifest import DataSection, Packaged, Weighing
from weighbridge.tasks import WeighTask


def run(root: Path, task: WeighTask) -> Weighing:
    """Run ``model.onnx``, and the last release's, on the test rows; write metrics and predictions.

    Raises:
        DataError: where the test rows were edited or hold one class only, or predictions are no finite numbers.
    """
    packaged = documents.read_record(root / paths.PACKAGE, Packaged)
    data = documents.read_record(root / paths.PROFILE, DataSection)
    schema = schema_at(task.data_schema)
    bundle = root / paths.bundle(task.name)
    baseline = root / paths.BASELINE / "model.onnx"
    measured, predictions = weighing.weigh(
        onnx=bundle / "model.onnx",
        test=tables.read_split(root, "test", data),
        schema=schema,
        metrics=task.metrics,
        content_sha256=sha256_folder(folder_entries(bundle)),
        test_sha256=data.splits["test"].sha256,
        baseline=(packaged.baseline, baseline if baseline.is_file() else None) if packaged.baseline else None,
        baseline_threshold=_threshold(baseline.with_name("bundle.yaml")),
    )
    tables.write_parquet(predictions, root / paths.PREDICTIONS)
    documents.write_record(root / paths.METRICS, measured.flat())
    documents.write_record(root / paths.WEIGHING, measured)
    return measured


def _threshold(bundle: Path) -> float | None:
    """Return the threshold at which the last release decides, which may be another than this one's."""
    return float(documents.read(bundle).value["threshold"]) if bundle.is_file() else None
