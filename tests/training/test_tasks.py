"""Models of several classes and of numbers, from columns to the graph that ships."""

import re
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pandas as pd
import pytest
from sample_rows import silent
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from task_rows import CLASSES, IMAGES, NUMBERS, PRICES, Example, weighted

from weighbridge.data.schema import Column, Schema
from weighbridge.errors import DataError, ModelError
from weighbridge.manifest import Input, Output
from weighbridge.settings import Candidate, Fit
from weighbridge.training import export, fitting, native, prepare
from weighbridge.training.arrays import unrolled
from weighbridge.training.fitted import Fitted, describe


def sklearn(path: str, *, strings: str = "one_hot", **params: Any) -> Candidate:
    return msgspec.convert({"model": f"sklearn.{path}", "params": params, "strings": strings}, Candidate)


NETWORK = Candidate(
    model="project.models:MLP", params={"hidden": [16]}, fit=Fit(epochs=12, batch_size=32, lr=0.01, patience=12)
)
CONVOLUTION = Candidate(model="fitting_models:Convolution", fit=Fit(epochs=6, batch_size=32, lr=0.01))
ESTIMATORS = {
    "logistic of classes": (CLASSES, sklearn("linear_model:LogisticRegression")),
    "forest of classes": (CLASSES, sklearn("ensemble:RandomForestClassifier", n_estimators=10)),
    "boosting of classes": (
        CLASSES,
        sklearn("ensemble:HistGradientBoostingClassifier", strings="ordinal", max_iter=10, early_stopping=True),
    ),
    "gradient of classes": (CLASSES, sklearn("ensemble:GradientBoostingClassifier", n_estimators=5)),
    "calibrated vectors of classes": (CLASSES, Candidate(model="fitting_models:calibrated_vectors")),
    "vectors of classes": (CLASSES, sklearn("svm:SVC", probability=True)),
    "perceptron of classes": (CLASSES, sklearn("neural_network:MLPClassifier", max_iter=40)),
    "pipeline of classes": (CLASSES, Candidate(model="fitting_models:pipeline")),
    "voting of classes": (CLASSES, Candidate(model="fitting_models:voting")),
    "logistic of images": (IMAGES, sklearn("linear_model:LogisticRegression")),
    "ridge": (NUMBERS, sklearn("linear_model:Ridge")),
    "lasso": (NUMBERS, sklearn("linear_model:Lasso")),
    "poisson": (NUMBERS, sklearn("linear_model:PoissonRegressor", alpha=0.0)),
    "tweedie": (NUMBERS, sklearn("linear_model:TweedieRegressor", power=0, alpha=0.0)),
    "forest of numbers": (NUMBERS, sklearn("ensemble:RandomForestRegressor", n_estimators=10)),
    "boosting of numbers": (
        NUMBERS,
        sklearn("ensemble:HistGradientBoostingRegressor", strings="ordinal", max_iter=40, early_stopping=True),
    ),
    "boosting of logarithms": (
        NUMBERS,
        sklearn("ensemble:HistGradientBoostingRegressor", max_iter=40, loss="poisson", early_stopping=True),
    ),
    "gradient of numbers": (NUMBERS, sklearn("ensemble:GradientBoostingRegressor", n_estimators=40)),
    "vectors of numbers": (NUMBERS, sklearn("svm:SVR", C=1e5)),
    "perceptron of numbers": (NUMBERS, sklearn("neural_network:MLPRegressor", max_iter=200, learning_rate_init=10)),
    "pipeline of numbers": (NUMBERS, Candidate(model="fitting_models:pipeline_of_numbers")),
    "search of numbers": (NUMBERS, Candidate(model="fitting_models:search_of_numbers")),
    "perceptron of a scaled target": (NUMBERS, Candidate(model="fitting_models:perceptron_of_a_scaled_target")),
    "pipeline of a logarithm": (NUMBERS, Candidate(model="fitting_models:pipeline_of_a_logarithm")),
    "boosting of a scaled logarithm": (
        NUMBERS,
        Candidate(model="fitting_models:boosted_logarithm_of_a_scaled_target"),
    ),
    "stacking of numbers": (NUMBERS, Candidate(model="fitting_models:stacking_of_numbers")),
    "voting of numbers": (NUMBERS, Candidate(model="fitting_models:voting_of_numbers")),
}
NETWORKS = {
    "network of classes": (CLASSES, NETWORK),
    "network of numbers": (NUMBERS, NETWORK),
    "convolution": (IMAGES, CONVOLUTION),
}
CURVES = {"boosting of classes", "perceptron of classes", "boosting of numbers", "boosting of logarithms"}
ONLY_TRAINED = {
    "perceptron of a scaled target",
    "gradient of classes",
    "gradient of numbers",
    "perceptron of classes",
    "perceptron of numbers",
}


def fit(example: Example, candidate: Candidate) -> Fitted:
    train, validation = example.rows(600), example.rows(200, 1)
    return fitting.fit(candidate, example.schema, train, validation, seed=0, threads=1, progress=silent)


def feed(schema: Schema, frame: pd.DataFrame) -> dict[str, Any]:
    return {
        name: np.stack(frame[name].to_list()).reshape(-1, *column.shape)
        if column.kind == "array"
        else frame[[name]].to_numpy("float32" if column.kind == "number" else object)
        for name, column in schema.features.items()
    }


def run(path: Path, schema: Schema, frame: pd.DataFrame) -> dict[str, Any]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed(schema, frame)), strict=True))


def score(predicted: Any, target: Any) -> float:
    """Return the share of rows decided rightly, or the share of the variance that is explained."""
    if predicted.ndim == 2:
        return float((predicted.argmax(axis=1) == target).mean())
    return float(1 - ((predicted - target) ** 2).mean() / target.var())


def whole_life(example: Example, candidate: Candidate, folder: Path) -> Fitted:
    """Fit, save, load and export, twice; return the model."""
    schema, frame = example.schema, example.rows(300, 2)
    fitted = fit(example, candidate)
    for name, model in (("first", fitted), ("second", fit(example, candidate))):
        native.save(model, folder / name)
        export.export(model, schema, folder / name / "model.onnx")
    files = [{path.name: path.read_bytes() for path in (folder / name).iterdir()} for name in ("first", "second")]
    assert files[0] == files[1]

    predicted = fitted.predictions(frame)
    loaded = native.load(folder / "first", candidate, schema, seed=0, threads=1)
    assert loaded.predictions(frame).tobytes() == predicted.tobytes()
    assert loaded.parameter_count == fitted.parameter_count
    assert score(predicted, frame[schema.target].to_numpy()) > 0.85

    found = export.parity(fitted, folder / "first" / "model.onnx", frame, 0.5)
    assert (found.rows, found.changed_decisions) == (300, 0)
    assert found.largest_difference < 1e-6 * max(1.0, 10 * np.abs(predicted).max() if predicted.ndim == 1 else 1.0)
    for part in (frame, frame.head(1)):
        given = run(folder / "first" / "model.onnx", schema, part)
        shapes = {name: (value.dtype.name, value.shape) for name, value in given.items()}
        if schema.task == "regression":
            assert shapes == {"prediction": ("float32", (len(part),))}
        else:
            assert shapes == {"label": ("int64", (len(part),)), "probability": ("float32", (len(part), 3))}
            assert given["label"].tolist() == given["probability"].argmax(axis=1).tolist()
    return fitted


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_of_any_task_learns_and_ships(name: str, tmp_path: Path) -> None:
    fitted = whole_life(*ESTIMATORS[name], tmp_path)
    names = set(fitted.curve[0]) if fitted.curve else set()
    expected = {"epoch", "train_loss"} if name in ONLY_TRAINED else set()
    assert names == ({"epoch", "train_loss", "validation_loss"} if name in CURVES - ONLY_TRAINED else expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_any_task_learns_and_ships(name: str, tmp_path: Path) -> None:
    fitted = whole_life(*NETWORKS[name], tmp_path)
    assert {"epoch", "train_loss", "validation_loss"} == set(fitted.curve[0])


def test_the_target_of_a_regression_is_scaled_for_a_network_and_its_numbers_are_not(tmp_path: Path) -> None:
    """Its weights would else have to learn that prices are near 280,000."""
    fitted = fit(NUMBERS, NETWORK)
    assert fitted.curve[0]["train_loss"] < 2
    target = NUMBERS.rows(600)["price"]
    assert (float(fitted.model.mean), float(fitted.model.deviation)) == pytest.approx(
        (target.mean(), target.std(ddof=0))
    )
    native.save(fitted, tmp_path)
    with pytest.raises(ModelError, match=r"no weights for 'project\.models:MLP'"):
        native.load(tmp_path, NETWORK, msgspec.structs.replace(PRICES, labels=("low", "high")), seed=0, threads=1)


WEIGHTED = {
    "logistic": (CLASSES, sklearn("linear_model:LogisticRegression")),
    "boosting": (CLASSES, sklearn("ensemble:HistGradientBoostingClassifier", max_iter=30, early_stopping=True)),
    "voting": (CLASSES, Candidate(model="fitting_models:voting")),
    "network of classes": (CLASSES, NETWORK),
    "ridge": (NUMBERS, sklearn("linear_model:Ridge")),
    "pipeline": (NUMBERS, Candidate(model="fitting_models:pipeline_of_numbers")),
    "scaled target": (NUMBERS, Candidate(model="fitting_models:perceptron_of_a_scaled_target")),
    "search": (NUMBERS, Candidate(model="fitting_models:search_of_numbers")),
    "boosting of numbers": (
        NUMBERS,
        sklearn("ensemble:HistGradientBoostingRegressor", max_iter=40, early_stopping=True),
    ),
    "network of numbers": (NUMBERS, NETWORK),
}

WATCHED = {"boosting", "network of classes", "network of numbers"}  # whose losses are of one scale


@pytest.mark.parametrize("name", WEIGHTED)
def test_rows_of_no_weight_teach_nothing(name: str) -> None:
    example, candidate = WEIGHTED[name]
    fitted = fit(weighted(example), candidate)
    frame = example.rows(300, 2)
    assert score(fitted.predictions(frame), frame[example.schema.target].to_numpy()) > 0.8
    if name in WATCHED:
        assert fitted.curve[-1]["validation_loss"] < 0.5


@pytest.mark.parametrize(
    ("example", "model", "named"),
    [
        (CLASSES, "sklearn.neighbors:KNeighborsClassifier", "KNeighborsClassifier"),
        (CLASSES, "fitting_models:voting_neighbours", "VotingClassifier"),
        (NUMBERS, "fitting_models:pipeline_of_neighbours", "Pipeline"),
    ],
    ids=["plain", "voting", "pipeline"],
)
def test_weights_that_a_model_can_not_take_are_refused(example: Example, model: str, named: str) -> None:
    expected = rf"{named} takes no weights of rows \(sample_weight\), and the schema declares the weight 'weight'"
    with pytest.raises(ModelError, match=expected):
        fit(weighted(example), Candidate(model=model))
    fit(example, Candidate(model=model))


def test_rows_none_of_which_counts_are_refused() -> None:
    example = weighted(NUMBERS)
    nothing = example.rows(50).assign(weight=0.0)
    with pytest.raises(DataError, match="'weight': found the weight 0 in all validation rows"):
        fitting.fit(NETWORK, example.schema, example.rows(50), nothing, seed=0, threads=1, progress=silent)


def test_a_class_without_rows_is_reported() -> None:
    train = CLASSES.rows(90).query("kind != 1")
    logistic = sklearn("linear_model:LogisticRegression")
    with pytest.raises(
        ModelError, match="learned the classes 0, 2; expected 0 to 2, each of them in the training rows"
    ):
        fitting.fit(logistic, CLASSES.schema, train, CLASSES.rows(30), seed=0, threads=1, progress=silent)


@pytest.mark.parametrize("example", [CLASSES, NUMBERS], ids=["classes", "numbers"])
def test_every_number_falls_on_its_side_of_a_split(example: Example, tmp_path: Path) -> None:
    """A threshold between two neighbouring float32 numbers must not be rounded past either of them."""
    low = np.float32(1.0)
    high = np.nextafter(low, np.float32(2))
    features = {"x": Column(type="number")}
    schema = msgspec.structs.replace(example.schema, features=features)
    turn = np.arange(400) % 2
    frame = pd.DataFrame({"x": np.where(turn, low, high)})
    target = turn + turn * (np.arange(400) // 2 % 2) if schema.labels else 10.0 * turn
    transformer = prepare.preprocessing(schema, "ordinal")
    kind = HistGradientBoostingClassifier if schema.labels else HistGradientBoostingRegressor
    model = kind(max_iter=30).fit(prepare.fit_transform(transformer, frame), target)
    fitted = describe(transformer, model, schema)
    predicted = fitted.predictions(frame)
    assert np.ptp(predicted[:, 0] if schema.labels else predicted) > 0.7
    export.export(fitted, schema, tmp_path / "model.onnx")
    assert export.parity(fitted, tmp_path / "model.onnx", frame, 0.5).largest_difference < 1e-5


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "stacking_of_logarithms",
            "HistGradientBoostingRegressor with loss: poisson has an ONNX graph on its own or at",
        ),
        ("ranked_target", "has no ONNX graph with this QuantileTransformer; expected transformer StandardScaler"),
    ],
    ids=["logarithm", "ranks"],
)
def test_a_way_back_to_the_target_that_has_no_graph_is_refused(model: str, message: str, tmp_path: Path) -> None:
    fitted = fit(NUMBERS, Candidate(model=f"fitting_models:{model}"))
    with pytest.raises(ModelError, match=message):
        export.export(fitted, PRICES, tmp_path / "model.onnx")


def test_parity_counts_rows_of_which_another_class_is_the_most_probable(tmp_path: Path) -> None:
    path, frame = tmp_path / "model.onnx", CLASSES.rows(200, 4)
    fitted, other = (fit(CLASSES, sklearn("tree:DecisionTreeClassifier", max_depth=depth)) for depth in (1, 4))
    export.export(other, CLASSES.schema, path)
    changed = fitted.predictions(frame).argmax(axis=1) != other.predictions(frame).argmax(axis=1)
    assert export.parity(fitted, path, frame, 0.5).changed_decisions == changed.sum() > 0


@pytest.mark.parametrize("strings", ["one_hot", "ordinal"])
def test_a_schema_of_text_alone_ships(strings: str, tmp_path: Path) -> None:
    schema = msgspec.structs.replace(PRICES, features={"street": Column(type="string")})
    fitted = fit(Example(schema, NUMBERS.rows), sklearn("tree:DecisionTreeRegressor", strings=strings))
    export.export(fitted, schema, tmp_path / "model.onnx")
    assert export.parity(fitted, tmp_path / "model.onnx", NUMBERS.rows(50, 3), 0.5).largest_difference < 0.02


@pytest.mark.parametrize(
    ("example", "name"),
    [(CLASSES, "label"), (CLASSES, "probability"), (NUMBERS, "prediction")],
    ids=["label", "probability", "prediction"],
)
def test_no_column_has_the_name_of_an_output(example: Example, name: str, tmp_path: Path) -> None:
    schema = msgspec.structs.replace(example.schema, features={name: Column(type="number")})
    fitted = fit(example, sklearn(f"tree:DecisionTree{'Classifier' if schema.labels else 'Regressor'}"))
    with pytest.raises(ModelError, match=f"feature '{name}' has the name of an output"):
        export.export(fitted, schema, tmp_path / "model.onnx")


def test_arrays_are_unrolled_by_rows_behind_all_other_columns() -> None:
    transformer = prepare.preprocessing(CLASSES.schema, "ordinal")
    frame = CLASSES.rows(20)
    inputs = prepare.fit_transform(transformer, frame)
    assert inputs.shape == (20, 3 + 6) == (20, prepare.width(transformer))
    assert inputs.dtype == np.float32
    assert np.array_equal(inputs[:, 3:], np.stack(frame["grid of 6"].to_list()))
    assert prepare.arrays(transformer) == {"grid of 6": (2, 3)}


def test_an_array_of_another_size_is_refused() -> None:
    column = pd.Series([np.zeros(6), np.zeros(5)], name="grid")
    with pytest.raises(DataError, match=re.escape("'grid': found an array of 5 numbers; expected 6, of shape (2, 3)")):
        unrolled(column, (2, 3))
    assert unrolled(column.head(0), (2, 3)).shape == (0, 6)


def test_an_array_of_another_shape_needs_another_training(tmp_path: Path) -> None:
    candidate = sklearn("linear_model:LogisticRegression")
    native.save(fit(IMAGES, candidate), tmp_path)
    features = {"image": Column(type="array", shape=(6, 6))}
    other = msgspec.structs.replace(IMAGES.schema, features=features)
    with pytest.raises(ModelError, match=r"differ from the schema's \(their order, type or shape\); train again"):
        native.load(tmp_path, candidate, other, seed=0, threads=1)


def test_the_interface_tells_shapes_and_meanings() -> None:
    classes = export.interface(CLASSES.schema, {"width": 0.1})
    assert [(value.name, value.type, value.unit, value.shape, value.may_be_missing) for value in classes.inputs] == [
        ("grid of 6", "float32", "", (2, 3), False),
        ("width", "float32", "mm", (), True),
        ("place", "string", "", (), False),
        ("seen", "float32", "days since 1970-01-01 UTC", (), False),
    ]
    labels = ("round", "flat", "long")
    assert classes.outputs == (
        Output(name="label", type="int64", labels=labels, meaning="the most probable: 0: round; 1: flat; 2: long"),
        Output(
            name="probability", type="float32", labels=labels, meaning="probability of each label, in their order",
            shape=(3,),
        ),
    )  # fmt: skip
    numbers = export.interface(PRICES, {})
    assert numbers.inputs[0] == Input(name="area", type="float32", unit="", may_be_missing=False)
    assert numbers.outputs == (Output(name="prediction", type="float32", labels=(), meaning="price, in EUR"),)
