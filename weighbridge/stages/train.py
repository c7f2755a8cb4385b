"""train: one candidate, one seed; weights, learning curve and the record of the run."""

import platform
from pathlib import Path
from typing import Any

from weighbridge import cluster, documents, machine, manifest, paths
from weighbridge.digest import folder_entries, sha256_file, sha256_json
from weighbridge.root import lock as lock_of
from weighbridge.tasks import TrainTask, plain
from weighbridge.training import memory, trained
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.trained import LEARNED_FROM, Trained


def inputs(root: Path, seed: int, task: TrainTask, code: str) -> dict[str, Any]:
    """Return all that goes into a training, as digests and plain values; two with the same are the same run.

    Nothing that is slow to import is needed for it. The lock counts, since the record of the run names it; whether
    an earlier run may be taken over does not. Of the memory only what follows from it does: whether rows are streamed.

    Raises:
        RecordError: where the profile of the rows is missing or damaged.
    """
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    lock = lock_of(root)
    return {
        "data": {name: data.splits[name].sha256 for name in LEARNED_FROM} | _roles(data, seed),
        "code": code,
        "settings": _settings(task, data),
        "environment": {
            "installed": machine.environment_digest(),
            "lock": sha256_file(lock) if lock.is_file() else "",
        },
        "seed": seed,
    }


def _roles(data: manifest.DataSection, seed: int) -> dict[str, Any]:
    """Return what the rows are to this run; what a plain table of two classes lacks is left out."""
    columns = [[feature.name, feature.type, *feature.shape] for feature in data.features]
    roles: dict[str, Any] = {"columns": sha256_json([data.target, *columns])}
    if data.task != "binary":
        roles |= {"task": data.task, "classes": len(data.labels)}
    if data.weight:
        roles["weight"] = data.weight
    if data.folds:
        roles["fold"] = seed % data.folds
    return roles


def _settings(task: TrainTask, data: manifest.DataSection) -> dict[str, Any]:
    given = {key: value for key, value in plain(task).items() if key not in {"reuse", "memory_mb"}}
    # How many processes there are changes the bits; with gloo not how they are spread over machines.
    fit = given["candidate"]["fit"]
    fit["processes"] = fit.pop("nodes") * fit.pop("processes_per_node")
    if memory.streams(data, task.candidate, task.memory_mb):
        given["streams"] = True
    return given


def run_id(candidate: str, given: dict[str, Any]) -> str:
    """Return the run's id: the candidate's name and a digest of its :func:`inputs`."""
    return f"{candidate}-{sha256_json(given)[:12]}"


def run(  # noqa: PLR0913 - what a run is made of
    root: Path,
    candidate: str,
    seed: int,
    task: TrainTask,
    *,
    code: str,
    identity: str,
    checkpoints: Checkpoints,
    into: Path,
) -> manifest.RunRecord:
    """Train, and write the run's files into the folder *into*, ``run.yaml`` last.

    Raises:
        DataError: where the rows were edited since ``preprocess`` wrote them.
        ModelError: where the model can't be built, fitted or saved.
    """
    watch = machine.Stopwatch()
    if task.candidate.fit.processes > 1:
        from weighbridge.training import launch

        made = launch.train(root, seed, task, identity=identity, into=into, progress=_progress)
    else:
        made = trained.train(root, seed, task, checkpoints=checkpoints, into=into, progress=_progress)
    files = folder_entries(into)
    curve = next(entry.sha256 for entry in files if entry.path == "curve.csv")
    record = manifest.RunRecord(
        run=identity,
        kind=made.kind,
        framework=made.framework,
        parameter_count=made.parameter_count,
        environment=machine.environment(lock_of(root)),
        hardware=made.hardware,
        parameters=_parameters(candidate, seed, task, made.kind),
        training=_training(watch, made, curve if made.has_curve else None, task.candidate.fit.processes),
        stage_code=code,
        files=files,
    )
    documents.write_record(into / "run.yaml", record)
    return record


def _progress(text: str) -> None:
    print(text, flush=True)


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


def _training(watch: machine.Stopwatch, made: Trained, curve: str | None, processes: int) -> manifest.Training:
    """Return how it went, the starts before the one that came to an end included."""
    before = made.spent
    return manifest.Training(
        started=before.started or watch.started,
        ended=documents.utc_now(),
        wall_seconds=round(before.wall_seconds + watch.wall_seconds(), 3),
        cpu_seconds=round(before.cpu_seconds + made.cpu_seconds, 3),
        peak_memory_mib=made.peak_memory_mib,
        epochs=made.epochs,
        best_epoch=made.best_epoch,
        curve_sha256=curve,
        resumed_from=made.resumed_from,
        cluster_job=cluster.job_id(),
        host=platform.node(),
        cluster=cluster.job(),
        processes=processes,
    )
