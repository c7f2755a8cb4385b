import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from sample_rows import SCHEMA
from task_rows import PLANTS, PRICES, STRIPES

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError
from weighbridge.training import models

FOREST = "sklearn.ensemble:RandomForestClassifier"
PROJECT = """
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

READY = LogisticRegression()

class Lazy(torch.nn.Sequential):
    def __init__(self, outputs):
        super().__init__(torch.nn.LazyLinear(4), torch.nn.BatchNorm1d(4), torch.nn.LazyLinear(outputs))

class Square(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.LazyLinear(4)
    def forward(self, rows):
        return self.first(rows) @ rows

class Shaped(torch.nn.Linear):
    def __init__(self, shape):
        super().__init__(5, 1)
        self.shape = shape

def pipeline(c):
    return make_pipeline(StandardScaler(), LogisticRegression(C=c))

def text():
    return "a model"

def broken():
    raise OSError("no such file")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "made_models.py").write_text(PROJECT)
    (tmp_path / "broken_models.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    monkeypatch.delitem(sys.modules, "made_models", raising=False)
    return "made_models"


def build(
    path: str, params: dict[str, Any] | None = None, schema: Schema = SCHEMA, *, seed: int = 7, threads: int = 1
) -> Any:
    return models.build(path, params or {}, schema, seed=seed, threads=threads, inputs=5)


def test_an_estimator_gets_the_seed_and_the_threads() -> None:
    forest = build(FOREST, threads=2)
    assert (forest.random_state, forest.n_jobs) == (7, 2)


def test_a_random_state_that_is_set_stays() -> None:
    assert build(FOREST, {"random_state": 3}).random_state == 3


def test_nested_estimators_get_the_seed_and_the_threads_too(project: str) -> None:
    pipeline = build(f"{project}:pipeline", {"c": 2.0}, threads=2)
    assert pipeline.get_params()["logisticregression__random_state"] == 7
    assert pipeline.get_params()["logisticregression__C"] == 2.0


def test_a_network_is_told_its_inputs_and_its_weights_come_from_the_seed() -> None:
    first, again, other = (build("project.models:MLP", {"hidden": [3]}, seed=seed) for seed in (1, 1, 2))
    weights = [network.layers[0].weight for network in (first, again, other)]
    assert weights[0].shape == (3, 5)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(("schema", "outputs"), [(SCHEMA, 1), (PLANTS, 3), (PRICES, 1)], ids=["two", "three", "number"])
def test_a_network_is_told_its_outputs(schema: Schema, outputs: int) -> None:
    assert build("project.models:MLP", {"hidden": [3]}, schema).layers[-1].weight.shape == (outputs, 3)


def test_a_builder_is_told_the_shape_of_the_one_array(project: str) -> None:
    assert build(f"{project}:Shaped", None, STRIPES).shape == (1, 6, 6)
    assert build(f"{project}:Shaped", {"shape": [36]}, STRIPES).shape == [36]


@pytest.mark.parametrize(
    ("path", "schema", "message"),
    [
        ("sklearn.linear_model:Ridge", PLANTS, "Ridge is no classifier; data.task is multiclass, and 'kind' is the cl"),
        (FOREST, PRICES, "RandomForestClassifier is no regressor; data.task is regression, and 'price' is a number"),
        ("made_models:text", PRICES, "expected a scikit-learn regressor or a torch.nn.Module"),
        ("made_models:Shaped", PRICES, "filled in where the schema has exactly one column of type array"),
        ("made_models:Shaped", SCHEMA, "filled in where the schema has exactly one column of type array"),
    ],
    ids=["regressor for classes", "classifier for numbers", "text", "no array for numbers", "no array"],
)
@pytest.mark.usefixtures("project")
def test_a_model_of_another_task_is_refused_by_its_name(path: str, schema: Schema, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        build(path, None, schema)
    assert message in str(caught.value)


def test_lazy_layers_are_given_their_shapes_and_running_means_stay_untouched(project: str) -> None:
    network = build(f"{project}:Lazy")
    assert network[0].weight.shape == (4, 5)
    assert network[2].weight.shape == (1, 4)
    assert network[1].num_batches_tracked == 0
    assert network.training


def test_is_network_tells_networks_from_estimators() -> None:
    assert models.is_network(torch.nn.Linear(1, 1))
    assert not models.is_network(build(FOREST))


@pytest.mark.parametrize(
    ("path", "params", "message"),
    [
        ("no_such_module:Model", {}, "can't import 'no_such_module'"),
        ("broken_models:Model", {}, "nothing_of_that_name"),
        ("sklearn.ensemble:RandomForestClasifier", {}, "did you mean 'RandomForestClassifier'"),
        ("sklearn.ensemble:RandomForestRegressor", {}, "is no classifier"),
        ("sklearn.preprocessing:StandardScaler", {}, "is no classifier"),
        ("sklearn.svm:LinearSVC", {}, "gives no probabilities"),
        ("sklearn.linear_model:SGDClassifier", {"loss": "hinge"}, "gives no probabilities"),
        (FOREST, {"n_estimator": 3}, "did you mean 'n_estimators'"),
        (FOREST, {"zzzzzz": 3}, "expected some of n_estimators"),
        ("project.models:MLP", {"hiden": [3]}, "did you mean 'hidden'"),
        ("project.models:MLP", {"hidden": ["x"]}, "can't be built with (inputs=5, outputs=1, hidden=['x'])"),
        ("made_models:READY", {}, "expected a class, or a function"),
        ("made_models:text", {}, "expected a scikit-learn classifier or a torch.nn.Module"),
        ("made_models:text", {"loud": True}, "it takes no parameters"),
        ("made_models:broken", {}, "OSError: no such file"),
        ("made_models:pipeline", {}, "parameter 'c' is missing"),
        ("made_models:Square", {}, "fails on an input of shape (2, 5)"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_no_model_is_refused_with_the_next_step(path: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        build(path, params)
    assert path in str(caught.value)
    assert message in str(caught.value)
