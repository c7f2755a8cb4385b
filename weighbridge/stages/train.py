"""train: one candidate, one seed; weights, learning curve and the record of the run."""

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from weighbridge import documents, machine, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.digest import folder_entries, sha256_json
from weighbridge.tasks import TrainTask, plain
from weighbridge.training import fitting, native

_LEARNED_FROM = ("train", "validation")  # the latter for early stopping
_JOB_VARIABLES = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")


def run_id(data: manifest.DataSection, candidate: str, seed: int, task: TrainTask, code: str) -> str:
    """Return the run's id: the candidate's name and a digest of everything that goes into the training."""
    inputs = {
        "data": {name: data.splits[name].sha256 for name in _LEARNED_FROM},
        "code": code,
        "settings": plain(task),
        "seed": seed,
        "environment": machine.environment_digest(),
    }
    return f"{candidate}-{sha256_json(inputs)[:12]}"


def run(root: Path, candidate: str, seed: int, task: TrainTask, code: str) -> manifest.RunRecord:
    """Train, and write the run's folder; each file appears whole, ``run.yaml`` last.

    Raises:
        DataError: where the rows were edited since ``preprocess`` wrote them.
        ModelError: where the model can't be built, fitted or saved.
    """
    watch = machine.Stopwatch()
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    identity = run_id(data, candidate, seed, task, code)
    print(f"run {identity}")
    schema = schema_at(task.data_schema)
    columns = [*schema.features, schema.target]
    train, validation = (tables.read_split(root, name, data, columns) for name in _LEARNED_FROM)
    fitted = fitting.fit(task.candidate, schema, train, validation, seed=seed, threads=task.threads, progress=_progress)
    folder = root / paths.run(candidate, seed)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".train-", dir=folder))
    try:
        native.save(fitted, temporary)
        documents.write(temporary / "curve.csv", _curve(fitted.curve))
        files = folder_entries(temporary)
        for entry in files:
            (temporary / entry.path).replace(folder / entry.path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    curve = next(entry.sha256 for entry in files if entry.path == "curve.csv")
    record = manifest.RunRecord(
        run=identity,
        kind=fitted.kind,
        framework=fitted.framework,
        parameter_count=fitted.parameter_count,
        environment=machine.environment(root / paths.LOCK),
        hardware=machine.hardware(),
        parameters=_parameters(candidate, seed, task, fitted.kind),
        training=_training(watch, fitted, curve if fitted.curve else None),
        stage_code=code,
        files=files,
    )
    documents.write_record(folder / "run.yaml", record)
    return record


def _progress(text: str) -> None:
    print(text, flush=True)


def _curve(points: list[dict[str, Any]]) -> str:
    """Return the learning curve as CSV: a header and a row an epoch; a lone header where there is none."""
    names = list(points[0]) if points else ["epoch", "train_loss", "validation_loss"]
    rows = [",".join("" if point.get(name) is None else repr(point[name]) for name in names) for point in points]
    return "\n".join([",".join(names), *rows]) + "\n"


def _parameters(candidate: str, seed: int, task: TrainTask, kind: str) -> manifest.Parameters:
    """Record what had an effect: settings of a network's training say nothing of an estimator."""
    fit = plain(task.candidate.fit) if kind == "torch" else {}
    return manifest.Parameters(
        candidate=candidate,
        model=task.candidate.model,
        hyperparameters=task.candidate.params,
        fit=fit | {"strings": task.candidate.strings},
        seed=seed,
        threads=task.threads,
        settings={},
    )


def _training(watch: machine.Stopwatch, fitted: Any, curve: str | None) -> manifest.Training:
    return manifest.Training(
        started=watch.started,
        ended=documents.utc_now(),
        wall_seconds=watch.wall_seconds(),
        cpu_seconds=watch.cpu_seconds(),
        peak_memory_mib=watch.peak_memory_mib(),
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        curve_sha256=curve,
        resumed_from=None,
        cluster_job=next((os.environ[name] for name in _JOB_VARIABLES if name in os.environ), None),
        host=platform.node(),
    )
