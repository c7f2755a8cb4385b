"""A run as its training leaves it: model and learning curve as files, and the facts that its record tells."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from weighbridge import documents, machine, manifest, paths, scratch
from weighbridge.tasks import TrainTask
from weighbridge.training import memory
from weighbridge.training.checkpoints import Checkpoints, Spent

if TYPE_CHECKING:
    from weighbridge.training.torch_fit import Group

LEARNED_FROM = ("train", "validation")
"""Splits that a training sees; the latter for early stopping."""


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a run once it is trained; of several processes, all of them together.

    Attributes:
        kind: ``"sklearn"`` or ``"torch"``.
        framework: library and version that fitted it.
        parameter_count: how many numbers were learned.
        has_curve: whether it was measured epoch by epoch.
        epochs: passes over the training rows; ``None`` where there is no such thing.
        best_epoch: the epoch whose weights were kept, or ``None``.
        hardware: the machine that it was trained on.
        spent: what earlier starts took.
        resumed_from: the checkpoint that the last start went on from, or ``None``.
        cpu_seconds: CPU time of the last start.
        peak_memory_mib: most memory on one machine.
    """

    kind: str
    framework: manifest.Framework
    parameter_count: int
    has_curve: bool
    epochs: int | None
    best_epoch: int | None
    hardware: manifest.Hardware
    spent: Spent
    resumed_from: str | None
    cpu_seconds: float
    peak_memory_mib: float


def train(  # noqa: PLR0913 - what a run is made of
    root: Path,
    seed: int,
    task: TrainTask,
    *,
    checkpoints: Checkpoints,
    into: Path,
    progress: Callable[[str], None],
    group: "Group | None" = None,
) -> Trained:
    """Read the rows, fit the candidate, and write model and learning curve into the folder *into*.

    Of a *group* of processes the first one writes.

    Raises:
        DataError: where the rows were edited since ``preprocess`` wrote them.
        ModelError: where the model can't be built, fitted or saved.
    """
    from weighbridge.data import tables
    from weighbridge.data.schema import schema_at
    from weighbridge.training import fitting, native, streaming

    watch = machine.Stopwatch()
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    schema = schema_at(task.data_schema)
    columns = [*schema.features, schema.target, *([schema.weight] if schema.weight else [])]
    given: dict[str, Any] = {
        "seed": seed, "threads": task.threads, "progress": progress, "checkpoints": checkpoints, "group": group,
    }  # fmt: skip
    splits = {name: data.splits[name].sha256 for name in LEARNED_FROM}
    with scratch.staged(root, splits, progress) as place:
        if memory.streams(data, task.candidate, task.memory_mb):
            needed = memory.needed_mib(data, task.candidate)
            on_disk = streaming.of_run(place, data, seed)
            fitted = streaming.fit(task.candidate, schema, *on_disk, needed_mib=needed, **given)
        else:
            fitted = fitting.fit(task.candidate, schema, *tables.read_training(place, data, columns, seed), **given)
    if group is None or not group.rank:
        native.save(fitted, into)
        documents.write(into / "curve.csv", _curve(fitted.curve))
    return Trained(
        kind=fitted.kind,
        framework=fitted.framework,
        parameter_count=fitted.parameter_count,
        has_curve=bool(fitted.curve),
        epochs=fitted.epochs,
        best_epoch=fitted.best_epoch,
        hardware=machine.hardware(),
        spent=checkpoints.spent,
        resumed_from=checkpoints.resumed_from,
        cpu_seconds=watch.cpu_seconds(),
        peak_memory_mib=watch.peak_memory_mib(),
    )


def _curve(points: list[dict[str, Any]]) -> str:
    """Return the learning curve as CSV: a header and a row an epoch; a lone header where there is none."""
    names = list(points[0]) if points else ["epoch", "train_loss", "validation_loss"]
    rows = [",".join("" if point.get(name) is None else repr(point[name]) for name in names) for point in points]
    return "\n".join([",".join(names), *rows]) + "\n"
