"""The bundle's ``README.md``: how to use the files, and nothing that was measured, so that equal bundles stay equal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weighbridge.evidence import snippet
from weighbridge.evidence.markdown import code, fenced, inline, table
from weighbridge.manifest import Interface

_FILES = {
    "model.onnx": "the model: raw columns in, what is predicted out",
    "bundle.yaml": "its interface: inputs, outputs, labels and threshold, for programs",
    "golden.json": "sample inputs, and what the model must answer to them",
    "preprocessing.skops": "the fitted preprocessing, for scikit-learn",
    "model.skops": "the native weights of a scikit-learn model; loading runs no code",
    "model.safetensors": "the native weights of a network, in its place; loading runs no code",
}

_MOST_LABELS = 30


def bundle_readme(name: str, interface: Interface, golden: Mapping[str, Any]) -> str:
    """Return the bundle's ``README.md``: its files, its interface and a snippet. Content only.

    Args:
        name: the model's name.
        interface: its inputs and outputs.
        golden: ``golden.json``: ``inputs`` by column; the first two rows are the snippet's.
    """
    sample = {column: list(values[:2]) for column, values in golden.get("inputs", {}).items()}
    blocks = [
        f"# {inline(name)}",
        table(("file", "what it is"), [(code(file), words) for file, words in _FILES.items()]),
        *interface_tables(interface),
        "## How to use it",
        "In this folder, with `onnxruntime` and `numpy` alone:",
        fenced("python", snippet.python(interface, "model.onnx", sample)),
        "How well it does, what it is for and where it fails stands in the model card of its release.",
    ]
    return "\n\n".join(blocks) + "\n"


def interface_tables(interface: Interface) -> Iterator[str]:
    """Yield the blocks that tell what goes in and what comes out."""
    yield "## Inputs and outputs"
    arrays = any(column.shape for column in interface.inputs)
    yield (
        "Each input is a column of shape (rows, 1), an array of shape (rows, *shape)."
        if arrays
        else "Each input is a column of shape (rows, 1)."
    )
    yield table(
        ("input", "type", *(["shape"] if arrays else []), "unit", "may be missing"),
        [
            (
                code(column.name),
                inline(column.type),
                *([_shape(column.shape)] if arrays else []),
                inline(column.unit),
                _yes(column.may_be_missing or column.optional),
            )
            for column in interface.inputs
        ],
    )
    several = any(output.shape for output in interface.outputs)
    yield table(
        ("output", "type", *(["shape"] if several else []), "labels", "meaning"),
        [
            (
                code(output.name),
                inline(output.type),
                *([_shape(("rows", *output.shape))] if several else []),
                _labels(output.labels),
                inline(output.meaning),
            )
            for output in interface.outputs
        ],
    )


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})" if shape else ""


def _labels(labels: Sequence[str]) -> str:
    more = [f"… {len(labels)} in all; `bundle.yaml` has them"] if len(labels) > _MOST_LABELS else []
    return ", ".join([*map(inline, labels[:_MOST_LABELS]), *more])


def _yes(value: bool) -> str:  # noqa: FBT001 - it is what it says
    return "yes" if value else "no"
