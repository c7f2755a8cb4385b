"""evaluate: one run's metrics and predictions on the validation rows."""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import Schema, schema_at
from weighbridge.evidence import feeding, metrics, predictions
from weighbridge.tasks import EvaluateTask
from weighbridge.training import native

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.evidence.metrics import Floats
    from weighbridge.training.fitted import Fitted


def run(root: Path, candidate: str, seed: int, task: EvaluateTask) -> manifest.Evaluation:
    """Score the validation rows with the native weights.

    Raises:
        RecordError: where the run's files are others than its record says.
        DataError: where the rows were edited, a prediction or a metric is no finite number.
    """
    import pandas as pd

    schema = schema_at(task.data_schema)
    folder = root / paths.run(candidate, seed)
    record = documents.read_record(folder / "run.yaml", manifest.RunRecord)
    native.require_unchanged(folder, record.files)
    fitted = native.load(folder, task.candidate, schema, seed=seed, threads=task.threads)
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    rows, found = _predicted(root, fitted, schema, data, seed)
    target = rows[schema.target].to_numpy()
    measured = metrics.compute(task.names, target, found, task.threshold, task=schema.task, own=task.own)
    columns = {"id": rows[schema.id], "target": target, predictions.column_of(schema.task): predictions.cells(found)}
    tables.write_parquet(pd.DataFrame(columns), folder / "validation.parquet")
    evaluation = manifest.Evaluation(run=record.run, candidate=candidate, seed=seed, metrics=measured)
    documents.write_record(folder / "validation.yaml", evaluation)
    print(", ".join(f"{name} {value:.4f}" for name, value in measured.items()))
    return evaluation


def _predicted(
    root: Path, fitted: "Fitted", schema: Schema, data: manifest.DataSection, seed: int
) -> tuple["pd.DataFrame", "Floats"]:
    """Return the rows that a run of *seed* is validated on, as far as they are measured, and what is predicted of them.

    In a cross-validation they are the fold of that seed.
    """
    import numpy as np

    named = [schema.id, schema.target]
    if data.folds:
        _, rows = tables.read_training(root, data, [*named, *schema.features], seed)
        return rows, fitted.predictions(rows)
    rows = tables.read_split(root, "validation", data, named)
    parts = feeding.Parts(root / paths.split("validation"), list(schema.features), schema.id)
    return rows, np.concatenate([fitted.predictions(part) for part in parts])
