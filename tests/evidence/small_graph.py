"""Small ONNX models, built node by node: of two columns, probability = sigmoid(weight * x + effect of c)."""

from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, helper

EFFECTS = {"A": 1.0, "B": -1.0, "": 0.25}


def save(  # noqa: PLR0913 - each is one way in which a model may be off
    path: Path,
    *,
    weight: float = 1.0,
    numbers: str = "x",
    text: str = "c",
    output: str = "probability",
    keep_width: bool = False,
) -> Path:
    """Write a model with inputs *numbers* [n, 1] and *text* [n, 1]; a missing number counts as 0."""
    node, tensor = helper.make_node, helper.make_tensor
    shape = "same" if keep_width else "flat"
    nodes = [
        node("IsNaN", [numbers], ["absent"]),
        node("Where", ["absent", "zero", numbers], ["filled"]),
        node("Mul", ["filled", "weight"], ["weighted"]),
        node("LabelEncoder", [text], ["effect"], domain="ai.onnx.ml", keys_strings=list(EFFECTS),
             values_floats=list(EFFECTS.values()), default_float=0.0),
        node("Add", ["weighted", "effect"], ["score"]),
        node("Sigmoid", ["score"], ["wide"]),
        node("Reshape", ["wide", shape], [output]),
        node("GreaterOrEqual", [output, "half"], ["decided"]),
        node("Cast", ["decided"], ["label"], to=TensorProto.INT64),
    ]  # fmt: skip
    constants = [
        tensor("zero", TensorProto.FLOAT, [], [0.0]),
        tensor("half", TensorProto.FLOAT, [], [0.5]),
        tensor("weight", TensorProto.FLOAT, [], [weight]),
        tensor("flat", TensorProto.INT64, [1], [-1]),
        tensor("same", TensorProto.INT64, [2], [-1, 1]),
    ]
    inputs = [
        helper.make_tensor_value_info(numbers, TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info(text, TensorProto.STRING, [None, 1]),
    ]
    size = [None, 1] if keep_width else [None]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, size),
        helper.make_tensor_value_info(output, TensorProto.FLOAT, size),
    ]
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def save_of_arrays(path: Path, *, classes: int) -> Path:
    """Write a model of a number ``x`` [n, 1] and an array ``image`` [n, 1, 2, 2] that scores by the image's numbers.

    Of four *classes*, the probabilities are the softmax of the image's numbers; with none, ``prediction`` is their sum
    and x.
    """
    node, tensor = helper.make_node, helper.make_tensor
    nodes = [node("Reshape", ["image", "rows_of_4"], ["scores"])]
    constants = [tensor("rows_of_4", TensorProto.INT64, [2], [-1, 4]), tensor("flat", TensorProto.INT64, [1], [-1])]
    if classes:
        nodes += [
            node("Add", ["scores", "x"], ["shifted"]),
            node("Softmax", ["shifted"], ["probability"], axis=1),
            node("ArgMax", ["probability"], ["label"], axis=1, keepdims=0),
        ]
        outputs = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 4]),
        ]
    else:
        constants.append(tensor("last", TensorProto.INT64, [1], [1]))
        nodes += [
            node("ReduceSum", ["scores", "last"], ["total"], keepdims=1),
            node("Add", ["total", "x"], ["wide"]),
            node("Reshape", ["wide", "flat"], ["prediction"]),
        ]
        outputs = [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None])]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 1, 2, 2]),
    ]
    graph = helper.make_graph(nodes, "arrays", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def save_classes(path: Path, *, sharp: float = 1.0, classes: int = 3) -> Path:
    """Write a model with inputs x [n, 1] and image [n, 2, 3]; class i's score is x times i plus the image's cell i."""
    node, tensor = helper.make_node, helper.make_tensor
    nodes = [
        node("Reshape", ["image", "six"], ["cells"]),
        node("Slice", ["cells", "begin", "end", "axis"], ["few"]),
        node("Mul", ["x", "numbers"], ["slope"]),
        node("Add", ["few", "slope"], ["score"]),
        node("Mul", ["score", "sharp"], ["sharper"]),
        node("Softmax", ["sharper"], ["probability"], axis=1),
        node("ArgMax", ["probability"], ["label"], axis=1, keepdims=0),
    ]
    constants = [
        tensor("six", TensorProto.INT64, [2], [-1, 6]),
        tensor("begin", TensorProto.INT64, [1], [0]),
        tensor("end", TensorProto.INT64, [1], [classes]),
        tensor("axis", TensorProto.INT64, [1], [1]),
        tensor("numbers", TensorProto.FLOAT, [1, classes], [float(i) for i in range(classes)]),
        tensor("sharp", TensorProto.FLOAT, [], [sharp]),
    ]
    inputs = [
        helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1]),
        helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 2, 3]),
    ]
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
        helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, classes]),
    ]
    return _saved(path, nodes, inputs, outputs, constants)


def save_number(path: Path, *, weight: float = 2.0) -> Path:
    """Write a regression with the input x [n, 1]: weight times x."""
    nodes = [
        helper.make_node("Mul", ["x", "weight"], ["wide"]),
        helper.make_node("Reshape", ["wide", "flat"], ["prediction"]),
    ]
    constants = [
        helper.make_tensor("weight", TensorProto.FLOAT, [], [weight]),
        helper.make_tensor("flat", TensorProto.INT64, [1], [-1]),
    ]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 1])]
    outputs = [helper.make_tensor_value_info("prediction", TensorProto.FLOAT, [None])]
    return _saved(path, nodes, inputs, outputs, constants)


def _saved(path: Path, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]) -> Path:
    graph = helper.make_graph(nodes, "small", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path
