"""What a network's output means for each task: its shape, its loss, and the prediction that it stands for."""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError
from weighbridge.settings import Task

_PAIR = 2
_LOSSES: dict[Task, Callable[..., torch.Tensor]] = {
    "binary": functional.binary_cross_entropy_with_logits,
    "multiclass": functional.cross_entropy,
    "regression": functional.mse_loss,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """What is learned: one of two classes, one of several, or a number.

    Attributes:
        task: which of them.
        classes: how many classes there are; of no effect on a regression.
    """

    task: Task = "binary"
    classes: int = 2

    def targets(self, values: Any) -> torch.Tensor:
        """Return the array *values* as the loss takes it: int64 for several classes, float32 for all else."""
        return torch.from_numpy(values.astype("int64" if self.task == "multiclass" else "float32"))

    def shaped(self, output: torch.Tensor) -> torch.Tensor:
        """Return a network's output as float of shape (rows, classes) for several classes, (rows,) for all else.

        Two logits a row for two classes become their difference: a sigmoid of it equals the softmax of the two.

        Raises:
            ModelError: where *output* is of another shape than the task asks for.
        """
        shape = tuple(output.shape)
        if self.task == "multiclass":
            if shape[1:] == (self.classes,):
                return output
            expected = f"a logit for each of the {self.classes} classes, (rows, {self.classes})"
        elif len(shape) == 1 or shape[1:] == (1,):
            return output.reshape(-1)
        elif self.task == "binary":
            if shape[1:] == (_PAIR,):
                return output[:, 1] - output[:, 0]
            expected = "one logit a row, (rows, 1), or two, (rows, 2)"
        else:
            expected = "one number a row, (rows, 1)"
        raise ModelError(f"the network returned shape {shape}; expected {expected}, since data.task is {self.task}")

    def loss(
        self,
        output: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None,
        reduction: Literal["mean", "sum"] = "mean",
    ) -> torch.Tensor:
        """Return cross-entropy (natural logarithm) or squared error: its mean or sum over rows, each times its weight.

        Raises:
            ModelError: where *output* is of another shape than the task asks for, or of other rows than *targets*.
        """
        values = self.shaped(output)
        if len(values) != len(targets):
            raise ModelError(
                f"the network returned {len(values)} rows for {len(targets)}; expected as many: keep the first "
                "dimension where you reshape"
            )
        if weights is None:
            return _LOSSES[self.task](values, targets, reduction=reduction)
        each = _LOSSES[self.task](values, targets, reduction="none") * weights
        return each.mean() if reduction == "mean" else each.sum()

    def predictions(self, output: torch.Tensor) -> torch.Tensor:
        """Return P(class 1) of shape (rows,), the classes' probabilities of (rows, classes), or numbers of (rows,)."""
        values = self.shaped(output)
        if self.task == "regression":
            return values
        return torch.softmax(values, 1) if self.task == "multiclass" else torch.sigmoid(values)


def of(schema: Schema) -> Objective:
    """Return what *schema* asks to learn."""
    return Objective(task=schema.task, classes=len(schema.labels))


class Standardised(nn.Module):
    """A network that learned a target of mean 0 and deviation 1, and what turns its output into the target's numbers.

    Both are buffers, so they are saved with the weights. The last step computes in float64, since a target may be
    large and vary little.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, network: nn.Module, mean: float = 0.0, deviation: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float64))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float64))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return numbers in the target's unit: float64 of shape (rows,) or (rows, 1), as the network does."""
        numbers: torch.Tensor = self.network(inputs).double() * self.deviation + self.mean
        return numbers


def standard(targets: Any, weights: Any | None) -> tuple[float, float]:
    """Return the mean and the standard deviation (n) of *targets*, each row by its weight; 1 where all are equal."""
    mean = float(np.average(targets, weights=weights))
    if targets.min() == targets.max():  # rounding would else leave a deviation of next to nothing
        return mean, 1.0
    return mean, float(np.sqrt(np.average((targets - mean) ** 2, weights=weights))) or 1.0


def standardised(targets: Any, standard: tuple[float, float]) -> Any:
    """Return *targets* less the mean and over the deviation of *standard*; as they are where these are 0 and 1."""
    mean, deviation = standard
    return targets if standard == (0.0, 1.0) else (targets - mean) / deviation
