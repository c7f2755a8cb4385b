"""Models of images: a small convolutional network, and a support vector machine with probabilities."""

from typing import Any

import torch
from torch import nn


class CNN(nn.Module):
    """Two convolutions and two linear layers; takes rows as they come, flat, and lays them out as images again."""

    def __init__(self, shape: tuple[int, ...], outputs: int, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Unflatten(1, shape),
            nn.Conv2d(shape[0], width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout(0.25),
            nn.Flatten(),
            nn.Linear(2 * width * (shape[1] // 2) * (shape[2] // 2), 64),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(64, outputs),
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return logits: shape (batch, outputs)."""
        logits: torch.Tensor = self.layers(rows / 16)
        return logits


def support_vectors(gamma: float) -> Any:
    """Return a support vector machine; its probabilities are learned by cross-validation."""
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.svm import SVC

    return CalibratedClassifierCV(SVC(gamma=gamma), ensemble=False)
