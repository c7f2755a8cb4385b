"""What ``model.onnx`` is made of: read from the graph, so that two releases can be compared without their training.

Weights are left out, for they change with every training; what is left changes where somebody changed the model.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.digest import sha256_json
from weighbridge.errors import ModelError
from weighbridge.manifest import Graph

PREPARE, MODEL, DECIDE = "prepare/", "model/", "decide/"
"""Prefixes of inner names, by which an export tells its three parts: columns, model, and the decision at the end."""
IR = "ir"
"""Name of the format's version among the operator sets."""
_PLAIN_DOMAINS = {"", "ai.onnx", "ai.onnx.ml"}
_TREES = {"TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor"}
_GROWING = {*_TREES, "SVMClassifier", "SVMRegressor"}  # as many numbers as the rows ask for


class _Part(NamedTuple):
    """Operators in order, and the stored tensors that they read, by name."""

    nodes: list[Any]
    tensors: dict[str, Any]


def describe(path: Path) -> Graph:
    """Return what the graph at *path* is made of.

    Operators and numbers are those of the model's part: of the nodes whose outputs are named ``model/…``, as an
    export names them. A graph without such names counts whole. Operators within a branch or a loop count too;
    constants count as stored tensors, wherever the exporter left them.

    Raises:
        ModelError: where the file is no ONNX model.
    """
    model = _read(path)
    part = _model_part(model)
    return Graph(
        operators=dict(sorted(Counter(map(_operator, part.nodes)).items())),
        structure_sha256=sha256_json(_structure(part)),
        parameter_count=sum(map(_size, part.tensors.values())) + sum(map(_held, part.nodes)),
        opsets={**_opsets(model), IR: int(model.ir_version)},
    )


def similarity(one: Graph, other: Graph) -> float:
    """Return how alike two graphs are by their operators: shared ones over all, counted as multisets (Jaccard 1901)."""
    a, b = Counter(one.operators), Counter(other.operators)
    every = (a | b).total()
    return (a & b).total() / every if every else 1.0


def newer_than(one: Graph, other: Graph) -> tuple[str, ...]:
    """Return, in words, what *one* needs and *other* doesn't: operator sets, or a newer format."""
    return tuple(
        f"{'the format' if name == IR else name} {version}, not {other.opsets.get(name, 'known there')}"
        for name, version in sorted(one.opsets.items())
        if version > other.opsets.get(name, -1)
    )


def runs_there(
    graph: Graph, old: Graph | None, installed: str, recorded: str | None, release: str
) -> tuple[bool | None, str]:
    """Return whether a bundle runs where the last release is served, or ``None`` where that can't be told; and why.

    Args:
        graph: what the bundle is made of; it has run here.
        old: what the last release is made of, which its environment has run; none where unknown.
        installed: the version of onnxruntime here.
        recorded: the version that the last release records; none where unknown.
        release: tag of the last release.
    """
    if recorded == installed:
        return True, f"it ran here, with onnxruntime {installed} as {release} records"
    other = f"onnxruntime {installed} is installed, {release} records {recorded or 'none'}"
    if old is None:
        return None, f"{other}, and its graph isn't at hand"
    newer = newer_than(graph, old)
    if newer:
        return None, f"{other}, and the graph needs what {release} didn't: {'; '.join(newer)}"
    return True, f"{other}; the graph needs no operator set or format newer than that of {release}, which ran there"


def _read(path: Path) -> Any:
    import onnx

    if not path.is_file():
        raise ModelError(f"{path}: no such file; package the model first, or fetch it with dvc")
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as problem:  # noqa: BLE001 - protobuf's errors share no base class over its versions
        cause = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise ModelError(f"{path}: not an ONNX model ({cause}); expected one that 'package' exported") from None


def _opsets(model: Any) -> dict[str, int]:
    return {entry.domain or "ai.onnx": int(entry.version) for entry in sorted(model.opset_import, key=_domain)}


def _domain(entry: Any) -> str:
    return str(entry.domain)


def _model_part(model: Any) -> _Part:
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    stored |= {tensor.values.name: tensor for tensor in model.graph.sparse_initializer}
    nodes = list(model.graph.node)
    named = [node for node in nodes if any(name.startswith(MODEL) for name in node.output)]
    part = _Part([], {})
    for node in named or nodes:
        _take(node, stored, part)
    for function in model.functions:
        for node in function.node:
            _take(node, stored, part)
    return part


def _take(node: Any, stored: Mapping[str, Any], part: _Part) -> None:
    """Add a node, the tensors that it reads, and what is within its branches, to *part*."""
    constants = [attribute.t for attribute in node.attribute if attribute.HasField("t")]
    if node.op_type == "Constant" and constants:
        part.tensors[node.output[0]] = constants[0]
        return
    part.nodes.append(node)
    part.tensors.update({name: stored[name] for name in node.input if name in stored})
    for inner in _graphs(node):
        within = {**stored, **{tensor.name: tensor for tensor in inner.initializer}}
        for child in inner.node:
            _take(child, within, part)


def _graphs(node: Any) -> Iterator[Any]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _operator(node: Any) -> str:
    return str(node.op_type) if node.domain in _PLAIN_DOMAINS else f"{node.domain}.{node.op_type}"


def _structure(part: _Part) -> list[Any]:
    """Return operators in order with their settings and the shapes of what they read: nothing that was learned."""
    return [
        [_operator(node), _settings(node), [_shape(part.tensors[name]) for name in node.input if name in part.tensors]]
        for node in part.nodes
    ]


def _settings(node: Any) -> dict[str, Any]:
    return {attribute.name: setting for attribute in node.attribute if (setting := _setting(node, attribute))}


def _setting(node: Any, attribute: Any) -> Any:
    """Return a setting's value; of numbers that were learned, how many there are, if the model's maker chose that."""
    from onnx import AttributeProto, helper

    single = {AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING}
    lists = {AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS}
    if attribute.type in single or (attribute.type in lists and node.domain != "ai.onnx.ml"):
        return _plain(helper.get_attribute_value(attribute))
    if attribute.type in lists and node.op_type not in _GROWING:
        return {"length": len(helper.get_attribute_value(attribute))}
    if attribute.HasField("t") and node.op_type not in _GROWING:
        return _shape(attribute.t)
    return None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float):  # a setting may be infinite, which JSON can't say
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _shape(tensor: Any) -> list[int]:
    """Return a stored tensor's type and shape; a sparse one by its dense shape."""
    kind = tensor.values.data_type if hasattr(tensor, "values") else tensor.data_type
    return [int(kind), *map(int, tensor.dims)]


def _size(tensor: Any) -> int:
    """Return how many weights a stored tensor holds: positions and shapes, which are whole numbers, are none."""
    from onnx import TensorProto

    dense = tensor.values if hasattr(tensor, "values") else tensor
    whole = {TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL, TensorProto.STRING}
    return 0 if dense.data_type in whole else math.prod(dense.dims)


def _held(node: Any) -> int:
    """Return how many weights stand in a node itself: of trees one a node, else all lists of real numbers."""
    if node.domain != "ai.onnx.ml":
        return 0
    lists = {attribute.name: attribute for attribute in node.attribute}
    if node.op_type in _TREES:
        classic = lists.get("nodes_values")
        tensors = [lists[name].t for name in ("nodes_splits", "leaf_weights") if name in lists]
        return len(classic.floats) if classic else sum(map(_size, tensors))
    return sum(len(attribute.floats) for attribute in lists.values())
