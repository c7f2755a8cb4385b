"""Fit a candidate: preprocessing on the training rows, then the model by its kind."""

from collections.abc import Callable
from typing import Any

from weighbridge.data.schema import Schema
from weighbridge.settings import Candidate
from weighbridge.training import models, prepare, sklearn_fit
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.fitted import Fitted, describe


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
) -> Fitted:
    """Fit *candidate* on the frame *train*; *validation* is for early stopping only.

    The same arguments give the same bits on one machine. *progress* is called with a line of text now and then. A
    network's training is saved to *checkpoints* and goes on from there; an estimator's fit is one call, and begins
    anew.

    Raises:
        ModelError: where the model can't be built or fitted.
    """
    transformer = prepare.preprocessing(schema, candidate.strings)
    inputs = prepare.fit_transform(transformer, train)
    targets = train[schema.target].to_numpy()
    model = models.build(candidate.model, candidate.params, seed=seed, threads=threads, inputs=inputs.shape[1])
    progress(f"{type(model).__name__} on {len(targets):,} rows of {inputs.shape[1]} columns, seed {seed}")
    held_out = prepare.transform(transformer, validation), validation[schema.target].to_numpy()
    if not models.is_network(model):
        sklearn_fit.fit(model, (inputs, targets), held_out, seed=seed, threads=threads, progress=progress)
        curve = sklearn_fit.curve(model)
        return describe(transformer, model, curve=curve, best_epoch=_best(curve))

    from weighbridge.training import torch_fit  # imports torch

    history = torch_fit.fit(
        model,
        torch_fit.rows(inputs, targets),
        torch_fit.rows(*held_out),
        candidate.fit,
        seed=seed,
        threads=threads,
        progress=progress,
        checkpoints=checkpoints,
    )
    return describe(transformer, model, curve=history.curve, best_epoch=history.best_epoch)


def _best(curve: list[dict[str, float]]) -> int | None:
    measured = [row for row in curve if "validation_loss" in row]
    return int(min(measured, key=lambda row: row["validation_loss"])["epoch"]) if measured else None
