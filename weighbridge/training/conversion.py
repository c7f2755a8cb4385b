"""The parts of a model as ONNX graphs: columns to inputs, and an estimator or a network from these to predictions."""

import copy
from typing import Any

from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError
from weighbridge.training import models, prepare
from weighbridge.training.fitted import Fitted

OPSETS = {"": 18, "ai.onnx.ml": 3}
FEATURES = "model_inputs"
PROBABILITY = "probability"
PREDICTION = "prediction"
ADVICE = "choose another model, or leave it out of the candidates"


def preparation(transformer: Any, schema: Schema) -> Any:
    """Return the graph from the columns, its inputs in the schema's order, to the model's inputs."""
    table = prepare.without_arrays(transformer)
    before = _convert(table, _column_types(schema), {}) if table is not None else None
    return _with_arrays(before, schema) if schema.arrays else before


def _with_arrays(table: Any, schema: Schema) -> Any:
    """Return the graph *table* (or none) with arrays behind its columns, each one unrolled.

    Names have a slash, since skl2onnx makes none with it.
    """
    from onnx import TensorProto, helper

    graph = table.graph if table is not None else None
    parts = [graph.output[0].name] if graph is not None else []
    others = iter(graph.input if graph is not None else ())
    inputs, nodes = [], []
    for column in schema.features.values():
        if column.kind != "array":
            inputs.append(next(others))
            continue
        parts.append(f"array/{len(parts)}")
        inputs.append(helper.make_tensor_value_info(f"{parts[-1]}/in", TensorProto.FLOAT, ["rows", *column.shape]))
        nodes.append(helper.make_node("Flatten", [f"{parts[-1]}/in"], [parts[-1]], name=f"{parts[-1]}/unroll", axis=1))
    nodes.append(helper.make_node("Concat", parts, ["array/joined"], name="array/join", axis=1))
    joined = helper.make_graph(
        [*(graph.node if graph is not None else ()), *nodes],
        "columns",
        inputs,
        [helper.make_tensor_value_info("array/joined", TensorProto.FLOAT, ["rows", None])],
        [*(graph.initializer if graph is not None else ())],
    )
    opsets = table.opset_import if table is not None else [helper.make_opsetid("", OPSETS[""])]
    return helper.make_model(joined, opset_imports=opsets)


def _column_types(schema: Schema) -> list[tuple[str, Any]]:
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    shape = [None, 1]
    return [
        (name, FloatTensorType(shape) if column.kind == "number" else StringTensorType(shape))
        for name, column in schema.features.items()
        if column.kind != "array"
    ]


def _convert(model: Any, types: list[tuple[str, Any]], options: dict[Any, Any]) -> Any:
    """Return skl2onnx's graph of *model*; scalers divide in it as scikit-learn does, not by a factor."""
    import skl2onnx
    from sklearn.preprocessing import MaxAbsScaler, RobustScaler, StandardScaler

    exact = {scaler: {"div": "div"} for scaler in (StandardScaler, RobustScaler, MaxAbsScaler)}
    try:
        return skl2onnx.to_onnx(model, initial_types=types, options=exact | options, target_opset=OPSETS)
    except Exception as problem:  # noqa: BLE001 - a converter may fail with anything
        cause = " ".join(str(problem).split())[:300]
        name = type(model).__name__
        raise ModelError(f"{name} has no ONNX graph ({type(problem).__name__}: {cause}); {ADVICE}") from None


def estimator(fitted: Fitted) -> Any:
    """Return the estimator's graph, from ``model_inputs`` to (rows, classes) or (rows, 1) as its last output."""
    from skl2onnx.common.data_types import FloatTensorType

    types = [(FEATURES, FloatTensorType([None, prepare.width(fitted.preprocessing)]))]
    steps: list[_Step] = []
    model = _without_end(_convertible(fitted.model), steps)
    for part in models.nested(model):
        if _predicts_logarithm(part) and part is not _last(model):
            name = f"{type(part).__name__} with loss: {part.loss}"
            raise ModelError(f"{name} has an ONNX graph on its own or at a pipeline's end only; {ADVICE}")
    graph = _convert(model, types, {id(model): {"zipmap": False}} if fitted.schema.labels else {})
    if steps:
        _append(graph.graph, steps)
    return graph


_Step = tuple[str, float | None]
"""An operator that is applied to a prediction, with its second argument."""


def _without_end(model: Any, steps: list[_Step]) -> Any:
    """Return *model* less what skl2onnx would leave out at its end, which is added to *steps*.

    That is the way back from a transformed target, and from the logarithm that some boosted trees predict.
    """
    from sklearn.compose import TransformedTargetRegressor

    if hasattr(model, "steps"):
        name, last = model.steps[-1]
        model.steps[-1] = (name, _without_end(last, steps))
    elif isinstance(model, TransformedTargetRegressor):
        back = _inverse(model.transformer_)
        model = _without_end(model.regressor_, steps)
        steps += back
    elif _predicts_logarithm(model):
        steps.append(("Exp", None))
    return model


def _last(model: Any) -> Any:
    return model.steps[-1][1] if hasattr(model, "steps") else model


def _predicts_logarithm(estimator: Any) -> bool:
    return hasattr(estimator, "_predictors") and estimator.loss in {"poisson", "gamma"}


def _inverse(transformer: Any) -> list[_Step]:
    import numpy as np
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    if isinstance(transformer, StandardScaler):
        scale: list[_Step] = [("Mul", float(transformer.scale_[0]))] if transformer.with_std else []
        mean: list[_Step] = [("Add", float(transformer.mean_[0]))] if transformer.with_mean else []
        return scale + mean
    if isinstance(transformer, FunctionTransformer):
        if transformer.inverse_func is np.exp:
            return [("Exp", None)]
        if transformer.inverse_func is np.expm1:
            return [("Exp", None), ("Sub", 1.0)]
    raise ModelError(
        f"TransformedTargetRegressor has no ONNX graph with this {type(transformer).__name__}; expected transformer "
        "StandardScaler, or func and inverse_func of numpy:log and numpy:exp, or of numpy:log1p and numpy:expm1"
    )


def _append(graph: Any, steps: list[_Step]) -> None:
    """Add *steps* to the last output, in float64: a target may be large and vary little."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    found = graph.output[-1].name
    graph.node.append(helper.make_node("Cast", [found], ["end/0"], name="end/widen", to=TensorProto.DOUBLE))
    for number, (operator, value) in enumerate(steps):
        given = [f"end/{number}"]
        if value is not None:
            given.append(f"end/value{number}")
            graph.initializer.append(numpy_helper.from_array(np.array(value), given[1]))
        graph.node.append(helper.make_node(operator, given, [f"end/{number + 1}"], name=f"end/step{number}"))
    graph.output[-1].name = f"end/{len(steps)}"
    graph.output[-1].type.tensor_type.elem_type = TensorProto.DOUBLE


def _convertible(model: Any) -> Any:
    """Return a copy that predicts alike and that skl2onnx converts faithfully.

    Boosted trees split at float32 numbers in it. Inputs are float32, so ``x <= t`` holds exactly where x is at most
    the greatest float32 that is not above t; the graph, which rounds t to the nearest float32, could else decide
    otherwise for an x next to it.
    """
    copied = copy.deepcopy(model)
    for estimator in models.nested(copied):
        if hasattr(estimator, "flatten_transform"):  # of no effect on predictions, but refused by skl2onnx
            estimator.flatten_transform = False
        for stage in getattr(estimator, "_predictors", ()):
            for tree in stage:
                tree.nodes["num_threshold"] = floor32(tree.nodes["num_threshold"])
    return copied


def floor32(values: Any) -> Any:
    """Return the greatest float32 that is not above each of *values*."""
    import numpy as np

    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def network(fitted: Fitted) -> Any:
    """Return the network's graph, from ``model_inputs`` to its predictions."""
    import torch

    from weighbridge.training import objective, torch_fit

    example = torch.zeros(2, prepare.width(fitted.preprocessing))
    try:
        program = torch.onnx.export(
            torch_fit.Predicting(fitted.model, objective.of(fitted.schema)).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSETS[""],
            input_names=[FEATURES],
            output_names=[PROBABILITY if fitted.schema.labels else PREDICTION],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            verbose=False,
        )
    except Exception as problem:  # noqa: BLE001 - the exporter raises what its passes and the network raise
        cause = " ".join(str(problem).split())[:300]
        name = type(fitted.model).__name__
        raise ModelError(f"{name} can't be exported to ONNX ({cause}); use operations that ONNX has") from None
    return program.model_proto  # type: ignore[union-attr]  # with dynamo it is never None
