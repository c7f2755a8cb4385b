"""Graphs of real models: the same operators after a new training, other ones after another model."""

from pathlib import Path

import onnx
import pytest
from fitting_models import TwoLogits
from sample_rows import LOGISTIC, SCHEMA, rows, silent
from sklearn.linear_model import LogisticRegression
from torch import nn

from project.models import MLP
from weighbridge.evidence import graph
from weighbridge.manifest import Graph
from weighbridge.settings import Candidate
from weighbridge.training import export, fitting, prepare
from weighbridge.training.fitted import describe

FOREST = "sklearn.ensemble:RandomForestClassifier"


def trained(folder: Path, candidate: Candidate, seed: int = 0) -> Graph:
    fitted = fitting.fit(candidate, SCHEMA, rows(400, seed), rows(200, 1), seed=seed, threads=1, progress=silent)
    export.export(fitted, SCHEMA, folder / "model.onnx")
    return graph.describe(folder / "model.onnx")


def network(folder: Path, model: nn.Module) -> Graph:
    """Return the graph of a network that has learned nothing, for its operators do not depend on that."""
    transformer = prepare.preprocessing(SCHEMA, "one_hot")
    prepare.fit_transform(transformer, rows(400))
    export.export(describe(transformer, model, SCHEMA), SCHEMA, folder / "model.onnx")
    return graph.describe(folder / "model.onnx")


def width() -> int:
    transformer = prepare.preprocessing(SCHEMA, "one_hot")
    return int(prepare.fit_transform(transformer, rows(400)).shape[1])


def test_another_training_changes_nothing(tmp_path: Path) -> None:
    for candidate in (LOGISTIC, Candidate(model=FOREST, params={"n_estimators": 5})):
        first, second = trained(tmp_path, candidate), trained(tmp_path, candidate, seed=3)
        assert (first.operators, first.structure_sha256) == (second.operators, second.structure_sha256)


def test_twice_as_many_trees_are_the_same_family_and_hold_more_numbers(tmp_path: Path) -> None:
    few = trained(tmp_path, Candidate(model=FOREST, params={"n_estimators": 60, "max_depth": 3}))
    many = trained(tmp_path, Candidate(model=FOREST, params={"n_estimators": 120, "max_depth": 3}))
    assert few.operators == {"TreeEnsembleClassifier": 1}
    assert graph.similarity(few, many) == 1.0
    assert 1.8 < many.parameter_count / few.parameter_count < 2.2


@pytest.mark.slow
def test_one_more_layer_is_much_alike_and_trees_are_not_at_all(tmp_path: Path) -> None:
    two, three = (network(tmp_path, MLP(width(), hidden)) for hidden in ([8, 8], [8, 8, 8]))
    assert two.operators == {"Gemm": 3, "Relu": 2, "Reshape": 1, "Sigmoid": 1}
    assert graph.similarity(two, three) == pytest.approx(7 / 9)
    assert two.structure_sha256 != three.structure_sha256
    wider = network(tmp_path, MLP(width(), [9, 8]))
    assert graph.similarity(two, wider) == 1.0
    assert two.structure_sha256 != wider.structure_sha256
    assert two.parameter_count == sum(value.numel() for value in MLP(width(), [8, 8]).parameters())
    trees = trained(tmp_path, Candidate(model=FOREST, params={"n_estimators": 3}))
    assert graph.similarity(trees, two) == 0.0
    assert graph.similarity(two, network(tmp_path, TwoLogits(width()))) < 1.0


def test_a_forest_holds_a_number_a_node(tmp_path: Path) -> None:
    fitted = fitting.fit(
        Candidate(model=FOREST, params={"n_estimators": 4}),
        SCHEMA,
        rows(400),
        rows(200, 1),
        seed=0,
        threads=1,
        progress=silent,
    )
    export.export(fitted, SCHEMA, tmp_path / "model.onnx")
    nodes = sum(tree.tree_.node_count for tree in fitted.model.estimators_)
    assert graph.describe(tmp_path / "model.onnx").parameter_count == nodes


def test_preprocessing_and_the_decision_are_no_part_of_the_model(tmp_path: Path) -> None:
    transformer = prepare.preprocessing(SCHEMA, "one_hot")
    frame = rows(400)
    model = LogisticRegression().fit(prepare.fit_transform(transformer, frame), frame["late"])
    fitted = describe(transformer, model, SCHEMA)
    found = []
    for threshold in (0.3, 0.7):
        export.export(fitted, SCHEMA, tmp_path / "model.onnx", threshold=threshold)
        found.append(graph.describe(tmp_path / "model.onnx"))
    assert found[0] == found[1]
    assert found[0].operators == {"LinearClassifier": 1}
    names = {name for node in onnx.load(tmp_path / "model.onnx").graph.node for name in node.output}
    assert {name.split("/")[0] + "/" for name in names if "/" in name} == {graph.PREPARE, graph.MODEL, graph.DECIDE}
