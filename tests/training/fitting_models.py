"""Models of a user, named by import path in the tests."""

import numpy as np
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC
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


def calibrated_vectors() -> CalibratedClassifierCV:
    """Return support vectors whose scores become probabilities."""
    return CalibratedClassifierCV(SVC(), cv=2)


def voting() -> VotingClassifier:
    """Return a classifier that means others' probabilities."""
    return VotingClassifier([("line", LogisticRegression()), ("forest", RandomForestClassifier(3))], voting="soft")


def voting_neighbours() -> VotingClassifier:
    """Return a classifier one part of which takes no weights."""
    return VotingClassifier([("line", LogisticRegression()), ("near", KNeighborsClassifier())], voting="soft")


def pipeline_of_numbers() -> Pipeline:
    """Return a pipeline that predicts numbers."""
    return Pipeline([("scale", StandardScaler()), ("line", Ridge())])


def pipeline_of_neighbours() -> Pipeline:
    """Return a pipeline whose last step takes no weights."""
    return Pipeline([("scale", StandardScaler()), ("near", KNeighborsRegressor())])


def search_of_numbers() -> GridSearchCV:
    """Return a search over the parameters of a pipeline."""
    return GridSearchCV(pipeline_of_numbers(), {"line__alpha": [0.1, 1.0]}, cv=2)


def stacking_of_numbers() -> StackingRegressor:
    """Return a regressor of regressors, boosted trees among them."""
    parts = [("boosting", HistGradientBoostingRegressor(max_iter=20)), ("forest", RandomForestRegressor(3))]
    return StackingRegressor(parts, cv=2)


def perceptron_of_a_scaled_target() -> TransformedTargetRegressor:
    """Return a perceptron that learns a target of mean 0 and deviation 1."""
    learner = MLPRegressor(max_iter=100, learning_rate_init=0.01)
    return TransformedTargetRegressor(learner, transformer=StandardScaler())


def pipeline_of_a_logarithm() -> Pipeline:
    """Return a pipeline that learns the logarithm of one more than the target."""
    learner = TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1)
    return Pipeline([("scale", StandardScaler()), ("learn", learner)])


def boosted_logarithm_of_a_scaled_target() -> TransformedTargetRegressor:
    """Return boosted trees of a logarithm, of a target that is scaled as well."""
    learner = HistGradientBoostingRegressor(loss="gamma", max_iter=40)
    return TransformedTargetRegressor(learner, transformer=StandardScaler(with_mean=False))


def ranked_target() -> TransformedTargetRegressor:
    """Return a regressor of a target's quantiles."""
    return TransformedTargetRegressor(Ridge(), transformer=QuantileTransformer(n_quantiles=10))


def stacking_of_logarithms() -> StackingRegressor:
    """Return a regressor of which a part learns a number's logarithm."""
    return StackingRegressor([("counts", HistGradientBoostingRegressor(loss="poisson", max_iter=3))], cv=2)


def voting_of_numbers() -> VotingRegressor:
    """Return a regressor that means others' numbers."""
    return VotingRegressor([("line", Ridge()), ("forest", RandomForestRegressor(3))])


class Convolution(nn.Module):
    """A small convolutional network."""

    def __init__(self, outputs: int, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.Sequential(
            nn.Conv2d(shape[0], 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.LazyLinear(outputs),
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return a logit for each class, shape (batch, outputs)."""
        logits: torch.Tensor = self.layers(rows.reshape(-1, *self.shape))
        return logits


class Mixed(nn.Module):
    """A network that gives no rows of its own: it reshapes the batch away."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.last = nn.Linear(inputs, outputs)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return every row twice."""
        return torch.cat([self.last(rows), self.last(rows)])


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
