"""A fitted model: what turns raw rows into predictions, and how it came to be."""

import dataclasses
import importlib.metadata
from typing import Any, Literal

from weighbridge.data.schema import Schema
from weighbridge.manifest import Framework
from weighbridge.training import models, prepare

_NOT_LEARNED = {"_bin_mapper", "train_score_", "validation_score_", "loss_curve_", "validation_scores_"}
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "torch": "torch"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fitted:
    """A fitted model with its preprocessing.

    Attributes:
        kind: ``"sklearn"`` or ``"torch"``.
        schema: what goes in, and what is predicted.
        preprocessing: the fitted ``ColumnTransformer`` from raw columns to float32 columns.
        model: the fitted estimator, or the network in evaluation mode.
        parameter_count: how many numbers were learned.
        framework: library and version that fitted it.
        epochs: passes over the training rows (or boosting rounds); ``None`` where there is no such thing.
        best_epoch: the epoch whose weights were kept, or ``None``.
        curve: a row an epoch: ``epoch``, ``train_loss`` and, where measured, ``validation_loss``.
    """

    kind: Literal["sklearn", "torch"]
    schema: Schema
    preprocessing: Any
    model: Any
    parameter_count: int
    framework: Framework
    epochs: int | None = None
    best_epoch: int | None = None
    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def predictions(self, frame: Any) -> Any:
        """Return float64 for the rows of *frame*, in shapes as in the graph that ships.

        Of two classes it is P(class 1), of shape (rows,); of several, each one's probability, (rows, classes); of a
        regression the number, (rows,).
        """
        inputs = prepare.transform(self.preprocessing, frame)
        if self.kind == "torch":
            from weighbridge.training import objective, torch_fit

            return torch_fit.predictions(self.model, inputs, objective.of(self.schema))
        if self.schema.task == "regression":
            return self.model.predict(inputs).reshape(len(inputs)).astype("float64")
        probabilities = self.model.predict_proba(inputs).astype("float64")
        return probabilities if self.schema.task == "multiclass" else probabilities[:, 1]


def describe(
    preprocessing: Any,
    model: Any,
    schema: Schema,
    *,
    curve: list[dict[str, float]] | None = None,
    best_epoch: int | None = None,
) -> Fitted:
    """Return the :class:`Fitted` of a fitted transformer and model, with what can be read off the model."""
    kind: Literal["sklearn", "torch"] = "torch" if models.is_network(model) else "sklearn"
    distribution = _DISTRIBUTIONS[kind]
    return Fitted(
        kind=kind,
        schema=schema,
        preprocessing=preprocessing,
        model=model,
        parameter_count=parameter_count(model),
        framework=Framework(name=distribution, version=importlib.metadata.version(distribution)),
        epochs=int(curve[-1]["epoch"]) if curve else None,
        best_epoch=best_epoch,
        curve=curve or [],
    )


def parameter_count(model: Any) -> int:
    """Return how many numbers *model* learned.

    A network's parameters; of an estimator, the floats in its fitted arrays and one for each node of a tree.
    """
    if models.is_network(model):
        return sum(value.numel() for value in model.parameters())
    return _count(model, set())


def _count(value: Any, seen: set[int]) -> int:
    import numpy as np

    if id(value) in seen:
        return 0
    seen.add(id(value))
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.size if value.dtype.kind == "f" or value.dtype.names else 0
    if hasattr(value, "node_count"):
        return int(value.node_count)
    return sum(_count(part, seen) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    """Return what a container or a fitted object is made of, without its parameters."""
    import numpy as np

    if isinstance(value, list | tuple | np.ndarray):
        return list(np.ravel(value)) if isinstance(value, np.ndarray) else list(value)
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, type) or type(value).__module__.startswith("numpy") or not hasattr(value, "__dict__"):
        return []
    # a pipeline's steps are fitted in place; other estimators fit copies of those that they are given
    params = set(value.get_params(deep=False)) - {"steps"} if hasattr(value, "get_params") else set()
    return [part for name, part in vars(value).items() if name not in params | _NOT_LEARNED]
