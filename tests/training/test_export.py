from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_rows import BOOSTING, LOGISTIC, NETWORK, SCHEMA, rows, silent, unusual
from sklearn.ensemble import HistGradientBoostingClassifier

from weighbridge.data.schema import Column, Schema
from weighbridge.errors import ModelError
from weighbridge.manifest import Input
from weighbridge.settings import Candidate, Fit
from weighbridge.training import conversion, export, fitting, prepare
from weighbridge.training.fitted import Fitted, describe

CANDIDATES = {
    "logistic": LOGISTIC,
    "boosting": BOOSTING,
    "boosting on columns": Candidate(model=BOOSTING.model, params=BOOSTING.params),
    "forest": Candidate(model="sklearn.ensemble:RandomForestClassifier", params={"n_estimators": 5}),
    "ordinal logistic": Candidate(model=LOGISTIC.model, strings="ordinal"),
    "pipeline": Candidate(model="fitting_models:pipeline"),
    "calibrated": Candidate(model="fitting_models:calibrated"),
    "stacking": Candidate(model="fitting_models:stacking"),
}
NETWORKS = {"network": NETWORK, "two logits": Candidate(model="fitting_models:TwoLogits", fit=Fit(epochs=1))}


def fit(candidate: Candidate, schema: Schema = SCHEMA) -> Fitted:
    return fitting.fit(candidate, schema, rows(500), rows(200, 1), seed=0, threads=1, progress=silent)


def run(path: Path, frame: Any) -> tuple[Any, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {
        name: frame[[name]].to_numpy("float32" if column.type == "number" else object)
        for name, column in SCHEMA.features.items()
    }
    label, probability = session.run(["label", "probability"], feed)
    return label, probability


@pytest.mark.parametrize("candidate", CANDIDATES.values(), ids=CANDIDATES)
def test_the_graph_agrees_on_missing_and_unseen_values_too(candidate: Candidate, tmp_path: Path) -> None:
    agrees(candidate, tmp_path / "model.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("candidate", NETWORKS.values(), ids=NETWORKS)
def test_the_graph_of_a_network_agrees_too(candidate: Candidate, tmp_path: Path) -> None:
    agrees(candidate, tmp_path / "model.onnx")


def agrees(candidate: Candidate, path: Path) -> None:
    fitted = fit(candidate)
    export.export(fitted, SCHEMA, path)
    frame = unusual()
    found = export.parity(fitted, path, frame, 0.5)
    assert (found.rows, found.changed_decisions) == (len(frame), 0)
    assert found.largest_difference < 1e-6
    served = frame.assign(dest=frame["dest"].fillna(""))
    for part in (served, served.head(1)):
        label, probability = run(path, part)
        assert (label.dtype, label.shape) == (np.int64, (len(part),))
        assert (probability.dtype, probability.shape) == (np.float32, (len(part),))
        assert label.tolist() == (probability >= 0.5).astype(int).tolist()


def test_the_graph_names_columns_in_order_and_holds_nothing_of_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export.export(fit(LOGISTIC), SCHEMA, path)
    model = onnx.load(path)
    assert [value.name for value in model.graph.input] == list(SCHEMA.features)
    assert [value.name for value in model.graph.output] == ["label", "probability"]
    assert {entry.domain: entry.version for entry in model.opset_import} == conversion.OPSETS
    assert (model.producer_name, model.producer_version, model.ir_version) == ("weighbridge", "", export.IR_VERSION)
    assert not model.metadata_props
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    fitted = fit(BOOSTING)
    for name in ("first.onnx", "second.onnx"):
        export.export(fitted, SCHEMA, tmp_path / name)
    assert (tmp_path / "first.onnx").read_bytes() == (tmp_path / "second.onnx").read_bytes()


def test_the_fitted_model_is_left_as_it_was(tmp_path: Path) -> None:
    fitted = fit(BOOSTING)
    before = [tree.nodes.tobytes() for (tree,) in fitted.model._predictors]
    export.export(fitted, SCHEMA, tmp_path / "model.onnx")
    assert [tree.nodes.tobytes() for (tree,) in fitted.model._predictors] == before


def test_the_threshold_is_part_of_the_graph(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    export.export(fit(LOGISTIC), SCHEMA, path, threshold=0.3)
    label, probability = run(path, rows(300, 5))
    assert label.tolist() == (probability.astype(np.float64) >= 0.3).astype(int).tolist()
    assert ((probability >= 0.3) & (probability < 0.5)).any()


def test_numbers_at_the_very_edge_of_a_split_fall_on_the_same_side(tmp_path: Path) -> None:
    """A threshold between two neighbouring float32 numbers must not be rounded past either of them."""
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    schema = Schema(
        id="id", time="time", target="late", labels=("a", "b"), features={"x": Column(type="number", known=1)}
    )
    frame = rows(400)[["late"]].assign(x=np.where(np.arange(400) % 2, low, high), late=np.arange(400) % 2)
    transformer = prepare.preprocessing(schema, "ordinal")
    inputs = prepare.fit_transform(transformer, frame)
    model = HistGradientBoostingClassifier(max_iter=5).fit(inputs, frame["late"])
    fitted = describe(transformer, model, schema)
    assert set(np.round(fitted.predictions(frame))) == {0.0, 1.0}
    export.export(fitted, schema, tmp_path / "model.onnx")
    assert export.parity(fitted, tmp_path / "model.onnx", frame, 0.5).largest_difference < 1e-6


@given(st.floats(-(2.0**99), 2.0**99), st.floats(-(2.0**99), 2.0**99, width=32))
def test_rounding_a_limit_to_float32_changes_no_comparison(limit: float, value: float) -> None:
    neighbours = np.nextafter(np.float32(limit), np.array([-np.inf, np.inf], dtype=np.float32)).tolist()
    for number in (value, *neighbours):
        assert (number <= limit) == (np.float32(number) <= np.float32(conversion.floor32(np.array(limit))))
        assert (number >= limit) == (np.float32(number) >= np.float32(export._ceil32(limit)))


def test_parity_counts_changed_decisions(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    fitted, other = fit(LOGISTIC), fit(BOOSTING)
    export.export(other, SCHEMA, path)
    frame = rows(300, 5)
    found = export.parity(fitted, path, frame, 0.5)
    expected = (fitted.predictions(frame) >= 0.5) != (other.predictions(frame) >= 0.5)
    assert found.changed_decisions == expected.sum() > 0
    assert found.largest_difference > 0.01


@pytest.mark.parametrize("name", ["label", "probability"])
def test_a_column_named_as_an_output_is_refused(name: str, tmp_path: Path) -> None:
    features = {name: SCHEMA.features["age"]}
    schema = Schema(id="id", time="time", target="late", labels=("a", "b"), features=features)
    with pytest.raises(ModelError, match=f"feature '{name}' has the name of an output"):
        export.export(fit(LOGISTIC), schema, tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate(model="sklearn.dummy:DummyClassifier"), "DummyClassifier has no ONNX graph"),
        (Candidate(model="fitting_models:with_lambda"), "Pipeline has no ONNX graph"),
    ],
)
def test_what_has_no_graph_is_reported_with_the_reason(candidate: Candidate, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        export.export(fit(candidate), SCHEMA, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_network_that_branches_on_values_is_reported(tmp_path: Path) -> None:
    fitted = fit(Candidate(model="fitting_models:Sorted", fit=Fit(epochs=1)))
    with pytest.raises(ModelError, match="Sorted can't be exported to ONNX"):
        export.export(fitted, SCHEMA, tmp_path / "model.onnx")


def test_the_interface_has_units_and_says_what_may_be_missing() -> None:
    interface = export.interface(SCHEMA, {"age": 0.1, "carrier": 0.0})
    assert interface.inputs[0] == Input(name="Wind speed (kt)", type="float32", unit="kt", may_be_missing=False)
    assert [(value.name, value.type) for value in interface.inputs if value.may_be_missing] == [("age", "float32")]
    assert [(value.name, value.type, value.labels) for value in interface.outputs] == [
        ("label", "int64", ("on time", "late")),
        ("probability", "float32", ()),
    ]
