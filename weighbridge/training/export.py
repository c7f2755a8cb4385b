"""One ONNX graph from raw columns to a decision: what ships, and what is evaluated.

Preprocessing and estimator are converted by skl2onnx, a network by ``torch.onnx.export``; the graphs are joined, and
get the same outputs whatever the framework. What differs from one machine or run to the next (paths, sources,
producers) is taken out, so equal models give equal bytes.
"""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge import documents
from weighbridge.data.schema import Schema
from weighbridge.errors import ModelError
from weighbridge.manifest import Input, Interface, Output, Parity
from weighbridge.training import models, prepare
from weighbridge.training.fitted import Fitted

OPSETS = {"": 18, "ai.onnx.ml": 3}
IR_VERSION = 10
LABEL = "label"
PROBABILITY = "probability"
PREDICTION = "prediction"
_FEATURES = "model_inputs"
_BATCH = 8192


def export(fitted: Fitted, schema: Schema, path: Path, *, threshold: float = 0.5) -> None:
    """Write *fitted* as one ONNX graph.

    It has an input a feature column, missing as NaN or ``""``: float32 or string of shape (rows, 1), of an array
    float32 of shape (rows, …shape). The outputs of two classes are ``probability``, float32 of shape (rows,),
    P(class 1), and ``label``, int64 of shape (rows,), 1 where the probability is at least *threshold*; of several
    classes ``probability`` is of shape (rows, classes), and ``label`` the most probable, the first among equals. A
    regression has the one output ``prediction``, float32 of shape (rows,). The same model gives the same bytes.

    Raises:
        ModelError: where a part has no counterpart in ONNX, or a column's name is that of an output.
    """
    import onnx

    _check_names(schema)
    with _quiet():
        before = _preparation(fitted.preprocessing, schema)
        model = _network(fitted) if fitted.kind == "torch" else _estimator(fitted)
        merged = _joined(before, model)
        _name_inputs(merged.graph, list(schema.features))
        _finish(merged, fitted, threshold)
    try:
        onnx.checker.check_model(merged, full_check=True)
    except onnx.checker.ValidationError as problem:
        raise ModelError(f"{type(fitted.model).__name__}: its ONNX graph is not valid ({problem}); {_ADVICE}") from None
    documents.write(path, merged.SerializeToString(deterministic=True))


_ADVICE = "choose another model, or leave it out of the candidates"


def _check_names(schema: Schema) -> None:
    taken = {PREDICTION} if schema.task == "regression" else {LABEL, PROBABILITY}
    taken &= set(schema.features)
    if taken:
        raise ModelError(f"feature {min(taken)!r} has the name of an output of the ONNX graph; rename the column")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep converters from warning of their own internals."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _preparation(transformer: Any, schema: Schema) -> Any:
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
        raise ModelError(f"{name} has no ONNX graph ({type(problem).__name__}: {cause}); {_ADVICE}") from None


def _estimator(fitted: Fitted) -> Any:
    """Return the estimator's graph, from ``model_inputs`` to (rows, classes) or (rows, 1) as its last output."""
    from skl2onnx.common.data_types import FloatTensorType

    types = [(_FEATURES, FloatTensorType([None, prepare.width(fitted.preprocessing)]))]
    model = _convertible(fitted.model)
    graph = _convert(model, types, {id(model): {"zipmap": False}} if fitted.schema.labels else {})
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    logarithmic = [part for part in models.nested(model) if _predicts_logarithm(part)]
    if any(part is not last for part in logarithmic):
        name = type(logarithmic[0]).__name__
        raise ModelError(f"{name} with loss: {logarithmic[0].loss} has an ONNX graph only on its own; {_ADVICE}")
    if logarithmic:
        _exponentiate(graph.graph)
    return graph


def _predicts_logarithm(estimator: Any) -> bool:
    """Return whether these are boosted trees of a number's logarithm: skl2onnx leaves it at that."""
    return hasattr(estimator, "_predictors") and estimator.loss in {"poisson", "gamma"}


def _exponentiate(graph: Any) -> None:
    from onnx import helper

    graph.node.append(helper.make_node("Exp", [graph.output[-1].name], ["exponential"], name="exponentiate"))
    graph.output[-1].name = "exponential"


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
                tree.nodes["num_threshold"] = _floor32(tree.nodes["num_threshold"])
    return copied


def _floor32(values: Any) -> Any:
    """Return the greatest float32 that is not above each of *values*."""
    import numpy as np

    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def _network(fitted: Fitted) -> Any:
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
            input_names=[_FEATURES],
            output_names=["model_output"],
            dynamic_shapes=({0: torch.export.Dim("rows")},),
            verbose=False,
        )
    except Exception as problem:  # noqa: BLE001 - the exporter raises what its passes and the network raise
        cause = " ".join(str(problem).split())[:300]
        name = type(fitted.model).__name__
        raise ModelError(f"{name} can't be exported to ONNX ({cause}); use operations that ONNX has") from None
    return program.model_proto  # type: ignore[union-attr]  # with dynamo it is never None


def _joined(before: Any, after: Any) -> Any:
    """Return one graph of both; inner names get a prefix, so that none meets another's or a column's."""
    import onnx

    before, after = onnx.compose.add_prefix(before, "prepare/"), onnx.compose.add_prefix(after, "model/")
    opsets = {entry.domain for graph in (before, after) for entry in graph.opset_import}
    for graph in (before, after):
        graph.ir_version = IR_VERSION
        _set_opsets(graph, opsets)
    source, sink = before.graph.output[0].name, after.graph.input[0].name
    kept = [after.graph.output[-1].name]
    return onnx.compose.merge_models(before, after, io_map=[(source, sink)], outputs=kept)


def _name_inputs(graph: Any, names: list[str]) -> None:
    """Give the inputs the columns' names, of which skl2onnx keeps letters and digits only."""
    new = {value.name: name for value, name in zip(graph.input, names, strict=True)}
    for value in graph.input:
        value.name = new[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = "rows"
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]


def _set_opsets(model: Any, domains: set[str]) -> None:
    from onnx import helper

    versions = {entry.domain: entry.version for entry in model.opset_import}
    del model.opset_import[:]
    wanted = sorted({*domains, *OPSETS})
    model.opset_import.extend(
        helper.make_opsetid(domain, OPSETS.get(domain, versions.get(domain, 1))) for domain in wanted
    )


def _finish(model: Any, fitted: Fitted, threshold: float) -> None:
    """Add the outputs in place, and take out what isn't the model."""
    found = model.graph.output[-1].name
    del model.graph.output[:]
    if fitted.schema.task == "regression":
        _give_number(model.graph, found)
    elif fitted.schema.task == "multiclass":
        _give_most_probable(model.graph, found, len(fitted.schema.labels))
    else:
        _decide(model.graph, found, fitted.kind, threshold)
    _strip(model)


def _give_number(graph: Any, found: str) -> None:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "decide/rows"))
    graph.node.extend(
        [
            helper.make_node("Reshape", [found, "decide/rows"], ["decide/flat"], name="flatten"),
            helper.make_node("Cast", ["decide/flat"], [PREDICTION], name="to_prediction", to=TensorProto.FLOAT),
        ]
    )
    graph.output.append(helper.make_tensor_value_info(PREDICTION, TensorProto.FLOAT, ["rows"]))


def _give_most_probable(graph: Any, found: str, classes: int) -> None:
    from onnx import TensorProto, helper

    graph.node.extend(
        [
            helper.make_node("Cast", [found], [PROBABILITY], name="to_probability", to=TensorProto.FLOAT),
            helper.make_node("ArgMax", [PROBABILITY], [LABEL], name="decide", axis=1, keepdims=0),
        ]
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(LABEL, TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, ["rows", classes]),
        ]
    )


def _decide(graph: Any, found: str, kind: str, threshold: float) -> None:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    if kind == "sklearn":  # both classes' probabilities
        graph.initializer.append(numpy_helper.from_array(np.array(1, dtype=np.int64), "decide/positive"))
        graph.node.append(
            helper.make_node("Gather", [found, "decide/positive"], ["decide/chosen"], name="choose", axis=1)
        )
        found = "decide/chosen"
    limit = np.array(_ceil32(threshold), dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(limit, "decide/threshold"))
    graph.node.extend(
        [
            helper.make_node("Cast", [found], [PROBABILITY], name="to_probability", to=TensorProto.FLOAT),
            helper.make_node("GreaterOrEqual", [PROBABILITY, "decide/threshold"], ["decide/decided"], name="decide"),
            helper.make_node("Cast", ["decide/decided"], [LABEL], name="to_label", to=TensorProto.INT64),
        ]
    )
    graph.output.extend(
        [
            helper.make_tensor_value_info(LABEL, TensorProto.INT64, ["rows"]),
            helper.make_tensor_value_info(PROBABILITY, TensorProto.FLOAT, ["rows"]),
        ]
    )


def _ceil32(value: float) -> Any:
    """Return the least float32 that is not below *value*: comparing with it decides as comparing with *value*."""
    import numpy as np

    return -_floor32(np.array(-value))


def _strip(model: Any) -> None:
    """Take out producers, comments, metadata and shapes of inner values: they may hold paths and versions."""
    model.producer_name, model.producer_version, model.domain, model.doc_string = "weighbridge", "", "", ""
    model.model_version = 0
    graph = model.graph
    graph.name, graph.doc_string = "weighbridge", ""
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        for field in ("metadata_props", "doc_string"):
            part.ClearField(field)


def parity(fitted: Fitted, path: Path, frame: Any, threshold: float) -> Parity:
    """Return how closely the graph at *path* agrees with *fitted* over all rows of *frame*.

    The largest difference is one of any probability; of a regression, of the number in its own unit, whatever its
    size. A decision is changed where only one of both probabilities is at least *threshold*, or where another class
    is the most probable; a regression decides nothing.

    Raises:
        ModelError: where onnxruntime can't run the graph, or it gives another shape than *fitted*.
    """
    import numpy as np

    expected = fitted.predictions(frame)
    found = _run(path, fitted, frame)
    if found.shape != expected.shape:
        raise ModelError(f"{path}: gives {found.shape} for {len(frame)} rows; expected {expected.shape}; {_ADVICE}")
    changed = 0
    if fitted.schema.task == "binary":
        changed = int(((expected >= threshold) != (found >= threshold)).sum())
    if fitted.schema.task == "multiclass":
        changed = int((expected.argmax(axis=1) != found.argmax(axis=1)).sum())
    return Parity(
        rows=len(expected),
        largest_difference=float(np.abs(expected - found).max()),
        changed_decisions=changed,
    )


def _run(path: Path, fitted: Fitted, frame: Any) -> Any:
    """Return the graph's predictions as float64, computed on one thread."""
    import numpy as np
    import onnxruntime

    from weighbridge.training.arrays import unrolled

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    table = prepare.served(fitted.preprocessing, frame)
    shapes = prepare.arrays(fitted.preprocessing)
    columns = {name: table[[name]].to_numpy() for name in table.columns if name not in shapes}
    columns |= {name: unrolled(table[name], shape).reshape(-1, *shape) for name, shape in shapes.items()}
    output = PREDICTION if fitted.schema.task == "regression" else PROBABILITY
    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        parts = [
            session.run([output], {name: values[start : start + _BATCH] for name, values in columns.items()})[0]
            for start in range(0, len(table), _BATCH)
        ]
    except Exception as problem:  # noqa: BLE001 - onnxruntime's errors share no base class
        raise ModelError(f"{path}: onnxruntime can't run it: {problem}; {_ADVICE}") from None
    return np.concatenate(parts).astype(np.float64)


_SERVED = {"number": "float32", "string": "string", "array": "float32"}
_DAYS = "days since 1970-01-01 UTC"


def interface(schema: Schema, train_missing: dict[str, float]) -> Interface:
    """Return what goes into the graph and what comes out.

    Args:
        schema: the table's schema.
        train_missing: by column, the share of training rows without a value. The graph fills in for any missing
            value; one *may* be missing where the model has learned from rows that lack it.
    """
    inputs = tuple(
        Input(
            name=name,
            type=_SERVED[column.kind],
            unit=column.unit or (_DAYS if column.type == "time" else ""),
            may_be_missing=train_missing.get(name, 0.0) > 0,
            shape=column.shape,
        )
        for name, column in schema.features.items()
    )
    return Interface(inputs=inputs, outputs=_outputs(schema))


def _outputs(schema: Schema) -> tuple[Output, ...]:
    labels = schema.labels
    if schema.task == "regression":
        meaning = f"{schema.target}, in {schema.unit}" if schema.unit else schema.target
        return (Output(name=PREDICTION, type="float32", labels=(), meaning=meaning),)
    if schema.task == "binary":
        negative, positive = labels
        meaning = f"1: {positive}; 0: {negative}"
        probability = Output(name=PROBABILITY, type="float32", labels=(), meaning=f"probability of {positive!r}")
    else:
        meaning = "the most probable: " + "; ".join(f"{number}: {label}" for number, label in enumerate(labels))
        probability = Output(
            name=PROBABILITY,
            type="float32",
            labels=labels,
            meaning="probability of each label, in their order",
            shape=(len(labels),),
        )
    return (Output(name=LABEL, type="int64", labels=labels, meaning=meaning), probability)
