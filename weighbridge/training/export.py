"""One ONNX graph from raw columns to a decision: what ships, and what is evaluated.

Preprocessing and estimator are converted by skl2onnx, a network by ``torch.onnx.export``; the graphs are joined, and
get the same outputs whatever the framework. What differs from one machine or run to the next (paths, sources,
producers) is taken out, so equal models give equal bytes.
"""

import contextlib
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
from weighbridge.training import conversion, prepare
from weighbridge.training.conversion import ADVICE, OPSETS, PREDICTION, PROBABILITY
from weighbridge.training.fitted import Fitted

IR_VERSION = 10
LABEL = "label"
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
        before = conversion.preparation(fitted.preprocessing, schema)
        model = conversion.network(fitted) if fitted.kind == "torch" else conversion.estimator(fitted)
        merged = _joined(before, model)
        _name_inputs(merged.graph, list(schema.features))
        _finish(merged, fitted, threshold)
    try:
        onnx.checker.check_model(merged, full_check=True)
    except onnx.checker.ValidationError as problem:
        raise ModelError(f"{type(fitted.model).__name__}: its ONNX graph is not valid ({problem}); {ADVICE}") from None
    documents.write(path, merged.SerializeToString(deterministic=True))


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

    return -conversion.floor32(np.array(-value))


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
        raise ModelError(f"{path}: gives {found.shape} for {len(frame)} rows; expected {expected.shape}; {ADVICE}")
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
        raise ModelError(f"{path}: onnxruntime can't run it: {problem}; {ADVICE}") from None
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
