"""Feed golden samples to ``model.onnx``: all that another program would need to know, and so no more is imported.

Run as a script by :mod:`weighbridge.evidence.golden`, where nothing but onnxruntime is installed.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

OTHER_SAMPLES = 3
"""Exit code: the samples aren't of this model."""


class OtherSamplesError(Exception):
    """The samples aren't of this model's inputs and outputs."""


def feed(session: Any, inputs: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return the session's inputs, [n, 1] or of an array [n, *shape]: text, or float32 with NaN for null.

    Raises:
        OtherSamplesError: where columns are missing or too many, or hold values of another type.
    """
    nodes = {node.name: node for node in session.get_inputs()}
    if set(nodes) != set(inputs):
        raise OtherSamplesError(f"found inputs {sorted(inputs)}, expected the model's {sorted(nodes)}")
    return {name: _column(name, node, inputs[name]) for name, node in nodes.items()}


def _column(name: str, node: Any, values: Sequence[Any]) -> Any:
    if any(isinstance(value, list) for value in values):
        return _arrays(name, tuple(node.shape[1:]), values)
    text = node.type == "tensor(string)"
    wrong = [value for value in values if isinstance(value, str) != text]
    if [value for value in wrong if text or value is not None]:
        raise OtherSamplesError(f"input {name!r}: found {wrong[0]!r}, expected {'text' if text else 'numbers'}")
    if text:
        return np.array(values, dtype=object).reshape(-1, 1)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32).reshape(-1, 1)


def _arrays(name: str, shape: tuple[int, ...], values: Sequence[Any]) -> Any:
    try:
        found = np.array(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise OtherSamplesError(f"input {name!r}: expected arrays of numbers, all of shape {shape}") from None
    if found.shape[1:] != shape:
        raise OtherSamplesError(f"input {name!r}: found arrays of shape {found.shape[1:]}, expected {shape}")
    return found


def largest_difference(session: Any, samples: Mapping[str, Any]) -> float:
    """Return the largest difference of any output from the stored one.

    Raises:
        OtherSamplesError: where the model has no such output, or it has another shape.
        ValueError: where an output is NaN or infinite.
    """
    stored = samples["outputs"]
    missing = set(stored) - {node.name for node in session.get_outputs()}
    if missing:
        raise OtherSamplesError(f"found outputs {sorted(stored)}; the model has no {sorted(missing)}")
    found = session.run(list(stored), feed(session, samples["inputs"]))
    largest = 0.0
    for (name, values), outputs in zip(stored.items(), found, strict=True):
        expected, got = np.asarray(values, dtype=np.float64), np.asarray(outputs, dtype=np.float64)
        if expected.shape != got.shape:
            raise OtherSamplesError(f"output {name!r}: found shape {expected.shape}, the model gives {got.shape}")
        if not np.isfinite(got).all():
            raise ValueError(f"output {name!r} is NaN or infinite; expected finite numbers")
        largest = max(largest, float(np.abs(got - expected).max()))
    return largest


def main(arguments: Sequence[str]) -> dict[str, float]:
    """Repeat the samples at *arguments*[1] with the model at *arguments*[0], on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(arguments[0], options, providers=["CPUExecutionProvider"])
    samples = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
    return {"largest_difference": largest_difference(session, samples)}


if __name__ == "__main__":
    try:
        print(json.dumps(main(sys.argv[1:])))  # noqa: T201 - the answer to the process that started this one
    except OtherSamplesError as problem:
        print(problem, file=sys.stderr)  # noqa: T201 - likewise
        sys.exit(OTHER_SAMPLES)
