"""Yours: networks and functions that build models, named in ``config/config.yaml`` by their import path.

A network gets float32 rows of shape (batch, inputs) and returns one logit a row where there are two classes, a logit
for each of several classes, or one number (of a target that is scaled meanwhile). What it asks for by name is filled
in: ``inputs``, the number of columns after preprocessing, numbers first, then text, then arrays; ``outputs``, 1 or
the number of several classes; ``shape``, that of the array where the schema has one. All other arguments come from the
candidate's ``params``.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import nn


class MLP(nn.Module):
    """Fully connected layers with ReLU between them.

    Args:
        inputs: number of columns.
        hidden: width of each hidden layer.
        dropout: share of the hidden values that is dropped in training.
        outputs: logits or numbers a row.
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int] = (64, 32), dropout: float = 0.0, *, outputs: int = 1
    ) -> None:
        super().__init__()
        widths = [inputs, *hidden]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits, or numbers: shape (batch, outputs)."""
        given: torch.Tensor = self.layers(rows)
        return given
