"""Fit a scikit-learn classifier, and read its learning curve where it keeps one."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

from weighbridge.errors import ModelError
from weighbridge.training.models import nested, seed_everything, without_probabilities


def fit(  # noqa: PLR0913 - the parts of one fit
    estimator: Any,
    learned: tuple[Any, Any],
    held_out: tuple[Any, Any],
    *,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
) -> None:
    """Fit *estimator* in place on *threads* threads; its warnings become lines of *progress*.

    *learned* and *held_out* are inputs and targets. The latter go to estimators that take ``X_val`` for early
    stopping: left alone these hold out a random part of the training rows, which tells little of later days.

    Raises:
        ModelError: where it refuses its parameters or the rows, or gives no probabilities once fitted.
    """
    from threadpoolctl import threadpool_limits

    name = type(estimator).__name__
    seed_everything(seed)
    try:
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=threads):
            warnings.simplefilter("default")
            taken = inspect.signature(estimator.fit).parameters
            watched = dict(zip(("X_val", "y_val"), held_out, strict=True)) if {"X_val", "y_val"} <= taken.keys() else {}
            estimator.fit(*learned, **watched)
    except Exception as problem:  # noqa: BLE001 - any estimator, also a project's own, may fail with anything
        text = f"{name} can't be fitted: {type(problem).__name__}: {problem}; check the candidate's params"
        raise ModelError(text) from None
    for warning in caught:
        first_line = str(warning.message).strip().splitlines()[0]
        progress(f"warning of {name}: {first_line}")
    if not hasattr(estimator, "predict_proba"):
        raise without_probabilities(f"{type(estimator).__module__}:{name}", estimator)
    _forget_times(estimator)


def _forget_times(estimator: Any) -> None:
    """Take the measured seconds out of a parameter search, so that equal models are saved as equal bytes."""
    for part in nested(estimator):
        results = getattr(part, "cv_results_", None)
        if isinstance(results, dict):
            part.cv_results_ = {name: values for name, values in results.items() if not name.endswith("_time")}
            part.refit_time_ = 0.0


def curve(estimator: Any) -> list[dict[str, float]]:
    """Return a row an epoch or boosting round: ``epoch``, ``train_loss`` and ``validation_loss`` where kept.

    Read from the losses of ``MLPClassifier`` and of both gradient boostings (of a pipeline's last step); empty for
    all others.
    """
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    first, train, validation = _losses(final)
    rows = [{"epoch": epoch, "train_loss": float(value)} for epoch, value in enumerate(train, start=first)]
    for row, value in zip(rows, validation, strict=False):
        row["validation_loss"] = float(value)
    return rows


def _losses(estimator: Any) -> tuple[int, Any, Any]:
    """Return the number of the first epoch, and the losses on the rows learned from and on those held out."""
    if hasattr(estimator, "loss_curve_"):
        return 1, estimator.loss_curve_, ()
    if getattr(estimator, "scoring", None) == "loss":  # histogram boosting: negative losses, from round 0 on
        return 0, -estimator.train_score_, -estimator.validation_score_
    if hasattr(estimator, "train_score_") and not hasattr(estimator, "scoring"):
        return 1, estimator.train_score_, ()
    return 1, (), ()
