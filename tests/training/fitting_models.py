"""Models of a user, named by import path in the tests."""

import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from torch import nn


def pipeline(inputs: int) -> Pipeline:
    """Return a pipeline that is itself the model."""
    return Pipeline([("turn", PCA(inputs)), ("decide", LogisticRegression())])


def calibrated() -> CalibratedClassifierCV:
    """Return a classifier whose scores become probabilities."""
    return CalibratedClassifierCV(LinearSVC(), cv=2)


def stacking() -> StackingClassifier:
    """Return a classifier of classifiers, boosted trees among them."""
    parts = [("boosting", HistGradientBoostingClassifier(max_iter=3)), ("forest", RandomForestClassifier(3))]
    return StackingClassifier(parts, cv=2)


def search() -> GridSearchCV:
    """Return a search over parameters, which measures times."""
    return GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2)


def with_lambda() -> Pipeline:
    """Return a model that holds code."""
    return Pipeline([("twice", FunctionTransformer(lambda rows: rows * 2)), ("decide", LogisticRegression())])


class Endless(nn.Linear):
    """A network whose loss is NaN."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return the logarithm of a negative number."""
        return super().forward(rows) + torch.log(torch.tensor(-1.0))


class TwoLogits(nn.Sequential):
    """A network with batch normalisation and two logits a row."""

    def __init__(self, inputs: int) -> None:
        super().__init__(nn.Linear(inputs, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))


class Tied(nn.Module):
    """A network two of whose layers share their weights."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(inputs, inputs), nn.Linear(inputs, inputs), nn.Linear(inputs, 1)
        self.second.weight = self.first.weight

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one logit a row, shape (batch,)."""
        logits: torch.Tensor = self.last(torch.relu(self.second(torch.relu(self.first(rows))))).squeeze(1)
        return logits


class ThreeLogits(nn.Linear):
    """A network with an output that is no binary decision."""

    def __init__(self, inputs: int) -> None:
        super().__init__(inputs, 3)


class Own(LogisticRegression):  # type: ignore[misc]  # scikit-learn has no types
    """An estimator of the project's own, which the trusted list doesn't know."""


class Sorted(nn.Module):
    """A network with an operation that depends on the data in a way that ONNX can't say."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(inputs, 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one logit a row, computed by a branch on the values."""
        return self.last(rows) * 2 if rows.sum() > 0 else self.last(rows)  # type: ignore[no-any-return]  # a tensor
