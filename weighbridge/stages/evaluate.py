"""evaluate: one run's metrics and predictions on the validation rows."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.evidence import metrics
from weighbridge.tasks import EvaluateTask
from weighbridge.training import native


def run(root: Path, candidate: str, seed: int, task: EvaluateTask) -> manifest.Evaluation:
    """Score the validation rows with the native weights.

    Raises:
        RecordError: where the run's files are others than its record says.
        DataError: where the rows were edited, a probability or a metric is no finite number.
    """
    import pandas as pd

    schema = schema_at(task.data_schema)
    folder = root / paths.run(candidate, seed)
    record = documents.read_record(folder / "run.yaml", manifest.RunRecord)
    native.require_unchanged(folder, record.files)
    fitted = native.load(folder, task.candidate, schema, seed=seed, threads=task.threads)
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    rows = tables.read_split(root, "validation", data, [schema.id, *schema.features, schema.target])
    probability = fitted.predictions(rows)
    measured = metrics.compute(task.names, rows[schema.target].to_numpy(), probability, task.threshold, own=task.own)
    predictions = pd.DataFrame({"id": rows[schema.id], "target": rows[schema.target], "probability": probability})
    tables.write_parquet(predictions, folder / "validation.parquet")
    evaluation = manifest.Evaluation(run=record.run, candidate=candidate, seed=seed, metrics=measured)
    documents.write_record(folder / "validation.yaml", evaluation)
    print(", ".join(f"{name} {value:.4f}" for name, value in measured.items()))
    return evaluation
