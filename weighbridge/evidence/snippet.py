"""The Python snippet that shows how to use a bundle: complete, and run by the tests."""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from weighbridge.manifest import Input, Interface

_TEXT = {"string", "text", "str"}


def python(interface: Interface, model: str, columns: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Return a snippet that runs the model at path *model* on rows.

    Args:
        interface: the inputs, and the outputs that it asks for.
        model: path of ``model.onnx``, from where the snippet is run.
        columns: values by input, one a row; ``None`` stands for a missing number. Without it, one row of zeros and
            empty texts to fill in.
    """
    rows = "\n".join(f"    {_quoted(column.name)}: {_values(column, columns)}," for column in interface.inputs)
    names = ", ".join(_quoted(output.name) for output in interface.outputs)
    return f"""import numpy as np
import onnxruntime

# One value a row in each column; a missing number is np.nan, a missing text is "".
rows = {{
{rows}
}}

session = onnxruntime.InferenceSession({_quoted(model)}, providers=["CPUExecutionProvider"])
inputs = {{
    column.name: np.array(rows[column.name], np.float32 if column.type == "tensor(float)" else object).reshape(-1, 1)
    for column in session.get_inputs()
}}
names = [{names}]
print(dict(zip(names, session.run(names, inputs))))
"""


def _values(column: Input, columns: Mapping[str, Sequence[Any]] | None) -> str:
    text = column.type in _TEXT
    values = (columns or {}).get(column.name) or ["" if text else 0.0]
    return f"[{', '.join(_literal(value, text=text) for value in values)}]"


def _literal(value: Any, *, text: bool) -> str:
    """Return a value as Python source."""
    if text:
        return _quoted("" if value is None else str(value))
    if value is None or not math.isfinite(value):
        return "np.nan"
    return repr(value if isinstance(value, int) else float(value))


def _quoted(text: str) -> str:
    """Return a text as Python source, in double quotes."""
    return json.dumps(text, ensure_ascii=False)
