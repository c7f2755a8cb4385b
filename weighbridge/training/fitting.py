"""Fit a candidate: preprocessing on the training rows, then the model by its kind.

:func:`fit` has all rows in memory. For rows that don't fit (:func:`weighbridge.training.memory.streams`) nothing of it
but the tables is in the way: a transformer that was fitted in passes, :func:`weighbridge.training.models.build`, and
:func:`fit_network`, which takes any :class:`weighbridge.training.torch_fit.Source`; or an estimator's ``partial_fit``
with :func:`weighbridge.training.fitted.describe`. :func:`table` makes a batch's inputs, targets and weights of a frame.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weighbridge.data.schema import Schema
from weighbridge.errors import DataError, ModelError
from weighbridge.settings import Candidate
from weighbridge.training import models, prepare, sklearn_fit
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.fitted import Fitted, describe
from weighbridge.training.sklearn_fit import Table

if TYPE_CHECKING:
    from weighbridge.training.torch_fit import Group, Source


def fit(  # noqa: PLR0913 - what a run is made of
    candidate: Candidate,
    schema: Schema,
    train: Any,
    validation: Any,
    *,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None = None,
    group: "Group | None" = None,
) -> Fitted:
    """Fit *candidate* on the frame *train*; *validation* is for early stopping only.

    The same arguments give the same bits on one machine. *progress* is called with a line of text now and then. A
    network's training is saved to *checkpoints* and goes on from there; an estimator's fit is one call, and begins
    anew.

    Raises:
        DataError: where all rows of a part have the weight 0.
        ModelError: where the model can't be built or fitted.
    """
    transformer = prepare.preprocessing(schema, candidate.strings)
    learned = table(train, prepare.fit_transform(transformer, train), schema)
    held_out = table(validation, prepare.transform(transformer, validation), schema)
    for part, rows in (("training", learned), ("validation", held_out)):
        if rows.weights is not None and not rows.weights.any():
            raise DataError(f"column {schema.weight!r}: found the weight 0 in all {part} rows; expected some above it")
    rows, columns = learned.inputs.shape
    model = models.build(candidate.model, candidate.params, schema, seed=seed, threads=threads, inputs=columns)
    progress(f"{type(model).__name__} on {rows:,} rows of {columns} columns, seed {seed}")
    if not models.is_network(model):
        refuse_several(model, group)
        sklearn_fit.fit(model, learned, held_out, schema, seed=seed, threads=threads, progress=progress)
        curve = sklearn_fit.curve(model)
        return describe(transformer, model, schema, curve=curve, best_epoch=_best(curve))

    from weighbridge.training import objective, torch_fit  # imports torch

    wanted = objective.of(schema)
    standard = objective.standard(learned.targets, learned.weights) if schema.task == "regression" else (0.0, 1.0)
    source, watched = (
        torch_fit.rows(part.inputs, objective.standardised(part.targets, standard), part.weights, wanted)
        for part in (learned, held_out)
    )
    return fit_network(
        candidate,
        schema,
        model,
        transformer=transformer,
        learned=source,
        held_out=watched,
        standard=standard,
        seed=seed,
        threads=threads,
        progress=progress,
        checkpoints=checkpoints,
        group=group,
    )


def refuse_several(model: Any, group: "Group | None") -> None:
    """Refuse to fit the estimator *model* in several processes: each would do the same.

    Raises:
        ModelError: where there is a *group* of them.
    """
    if group:
        raise ModelError(
            f"{type(model).__name__} can't be trained in {group.size} processes, only a network can: set fit.nodes and "
            "fit.processes_per_node of this candidate to 1, and give it threads instead"
        )


def table(frame: Any, inputs: Any, schema: Schema) -> Table:
    """Return *inputs* with the targets and, where *schema* declares them, the weights of the rows of *frame*."""
    weights = frame[schema.weight].to_numpy("float64") if schema.weight else None
    return Table(inputs, frame[schema.target].to_numpy(), weights)


def fit_network(  # noqa: PLR0913 - what a network's training is made of
    candidate: Candidate,
    schema: Schema,
    network: Any,
    *,
    transformer: Any,
    learned: "Source",
    held_out: "Source",
    standard: tuple[float, float],
    seed: int,
    threads: int,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None = None,
    group: "Group | None" = None,
) -> Fitted:
    """Fit *network* on two sources of rows behind *transformer*.

    A regression's targets in them are :func:`weighbridge.training.objective.standardised` by *standard*, the mean and
    deviation of the training rows.

    Raises:
        ModelError: where it can't be fitted.
    """
    from weighbridge.training import objective, torch_fit

    history = torch_fit.fit(
        network,
        learned,
        held_out,
        candidate.fit,
        objective=objective.of(schema),
        seed=seed,
        threads=threads,
        progress=progress,
        checkpoints=checkpoints,
        group=group or torch_fit.ALONE,
    )
    whole = objective.Standardised(network, *standard).eval() if schema.task == "regression" else network
    return describe(transformer, whole, schema, curve=history.curve, best_epoch=history.best_epoch)


def _best(curve: list[dict[str, float]]) -> int | None:
    measured = [row for row in curve if "validation_loss" in row]
    return int(min(measured, key=lambda row: row["validation_loss"])["epoch"]) if measured else None
