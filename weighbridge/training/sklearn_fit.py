"""Fit an estimator of scikit-learn, and read its learning curve where it keeps one."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError
from weighbridge.training.models import nested, seed_everything, without_probabilities

_WEIGHT = "sample_weight"


class Table(NamedTuple):
    """Model inputs, float32 of shape (rows, columns), with targets and weights (or none) of shape (rows,)."""

    inputs: Any
    targets: Any
    weights: Any | None = None


def fit(  # noqa: PLR0913 - the parts of one fit
    estimator: Any,
    learned: Table,
    held_out: Table,
    schema: Schema,
    *,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
) -> None:
    """Fit *estimator* in place on *threads* threads; its warnings become lines of *progress*.

    *held_out* goes to estimators that take ``X_val`` for early stopping: left alone these hold out a random part of
    the training rows, which tells little of later days.

    Raises:
        ModelError: where it takes no weights and there are some, refuses its parameters or the rows, gives no
            probabilities once fitted, or has learned other classes than the schema's.
    """
    from threadpoolctl import threadpool_limits

    name = type(estimator).__name__
    seed_everything(seed)
    given = _given(estimator, learned, held_out, schema)
    try:
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=threads):
            warnings.simplefilter("default")
            estimator.fit(learned.inputs, learned.targets, **given)
    except Exception as problem:  # noqa: BLE001 - any estimator, also a project's own, may fail with anything
        text = f"{name} can't be fitted: {type(problem).__name__}: {problem}; check the candidate's params"
        raise ModelError(text) from None
    for warning in caught:
        first_line = str(warning.message).strip().splitlines()[0]
        progress(f"warning of {name}: {first_line}")
    if schema.labels:
        _check_classes(estimator, schema)
    _forget_times(estimator)


def _given(estimator: Any, learned: Table, held_out: Table, schema: Schema) -> dict[str, Any]:
    """Return what ``fit`` gets besides inputs and targets: weights, and the rows held out."""
    given = {}
    if learned.weights is not None:
        key = _weight_key(estimator)
        if not key:
            raise ModelError(
                f"{type(estimator).__name__} takes no weights of rows ({_WEIGHT}), and the schema declares the weight "
                f"{schema.weight!r}: choose a model that does, or take the weight out of the schema"
            )
        given[key] = learned.weights
    taken = _parameters(estimator)
    if {"X_val", "y_val"} <= taken:
        given |= {"X_val": held_out.inputs, "y_val": held_out.targets}
        if held_out.weights is not None:
            given[f"{_WEIGHT}_val"] = held_out.weights
    return given


def _parameters(estimator: Any) -> set[str]:
    return set(inspect.signature(estimator.fit).parameters)


def _weight_key(estimator: Any) -> str:
    """Return the name under which ``fit`` takes weights; empty where it, or a part that it fits, takes none."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
    from sklearn.model_selection import GridSearchCV, RandomizedSearchCV

    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        inner = _weight_key(last)
        return f"{name}__{inner}" if inner else ""
    if isinstance(estimator, GridSearchCV | RandomizedSearchCV):
        return _weight_key(estimator.estimator)
    if isinstance(estimator, TransformedTargetRegressor):
        return _weight_key(estimator.regressor) if estimator.regressor is not None else _WEIGHT
    if isinstance(estimator, StackingClassifier | StackingRegressor | VotingClassifier | VotingRegressor):
        parts = [part for _, part in estimator.estimators if not isinstance(part, str)]
        return _WEIGHT if all(_WEIGHT in _parameters(part) for part in parts) else ""
    return _WEIGHT if _WEIGHT in _parameters(estimator) else ""


def _check_classes(estimator: Any, schema: Schema) -> None:
    """Refuse a classifier that gives no probabilities, or other ones than of the schema's classes in their order."""
    name = type(estimator).__name__
    if not hasattr(estimator, "predict_proba"):
        raise without_probabilities(f"{type(estimator).__module__}:{name}", estimator)
    found = [int(value) for value in estimator.classes_]
    if found != list(range(len(schema.labels))):
        raise ModelError(
            f"{name} learned the classes {', '.join(map(str, found))}; expected 0 to {len(schema.labels) - 1}, each of "
            "them in the training rows: look at the split"
        )


def _forget_times(estimator: Any) -> None:
    """Take the measured seconds out of a parameter search, so that equal models are saved as equal bytes."""
    for part in nested(estimator):
        results = getattr(part, "cv_results_", None)
        if isinstance(results, dict):
            part.cv_results_ = {name: values for name, values in results.items() if not name.endswith("_time")}
            part.refit_time_ = 0.0


def curve(estimator: Any) -> list[dict[str, float]]:
    """Return a row an epoch or boosting round: ``epoch``, ``train_loss`` and ``validation_loss`` where kept.

    Read from the losses of multilayer perceptrons and of both gradient boostings (of a pipeline's last step, or
    of a transformed target, whose scale they have then); empty for all others.
    """
    final = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    final = getattr(final, "regressor_", final)  # of a transformed target
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
