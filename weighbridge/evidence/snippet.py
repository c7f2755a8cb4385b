"""The Python snippet that shows how to use a bundle: complete, and run by the tests."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from weighbridge.manifest import Input, Interface

_TEXT = {"string", "text", "str"}
_TWO, _MOST_LABELS, _MOST_NUMBERS = 2, 50, 100


def python(interface: Interface, model: str, columns: Mapping[str, Sequence[Any]] | None = None) -> str:
    """Return a snippet that runs the model at path *model* on rows.

    Args:
        interface: the inputs, and the outputs that it asks for.
        model: path of ``model.onnx``, from where the snippet is run.
        columns: values by input, one a row, of an array a list (of lists); ``None`` stands for a missing number.
            Without it, one row of zeros and empty texts to fill in; arrays of many numbers are always zeros.
    """
    rows = "\n".join(f"    {_quoted(column.name)}: {_values(column, columns)}," for column in interface.inputs)
    names = ", ".join(_quoted(output.name) for output in interface.outputs)
    arrays = any(column.shape for column in interface.inputs)
    note = "; of an array, all its numbers, row by row" if arrays else ""
    return f"""import numpy as np
import onnxruntime

# One value a row in each column{note}; a missing number is np.nan, a missing text is "".
rows = {{
{rows}
}}

session = onnxruntime.InferenceSession({_quoted(model)}, providers=["CPUExecutionProvider"])
types = {{"tensor(float)": np.float32, "tensor(string)": object}}
inputs = {{
    column.name: np.array(rows[column.name], types[column.type]).reshape(-1, *column.shape[1:])
    for column in session.get_inputs()
}}
names = [{names}]
answers = dict(zip(names, session.run(names, inputs)))
print(answers)
{_called(interface)}"""


def _called(interface: Interface) -> str:
    """Return the lines that name the classes, where they are several."""
    for output in interface.outputs:
        if _TWO < len(output.labels) <= _MOST_LABELS and not output.shape:
            labels = ", ".join(map(_quoted, output.labels))
            return f"labels = [{labels}]\nprint([labels[number] for number in answers[{_quoted(output.name)}]])\n"
    return ""


def _values(column: Input, columns: Mapping[str, Sequence[Any]] | None) -> str:
    if column.shape:
        return f"[{', '.join(_array(column, value) for value in (columns or {}).get(column.name) or [None])}]"
    text = column.type in _TEXT
    values = (columns or {}).get(column.name) or ["" if text else 0.0]
    return f"[{', '.join(_literal(value, text=text) for value in values)}]"


def _array(column: Input, value: Any) -> str:
    """Return one row's array as Python source, as one list; zeros where there is none, or it is too long to read."""
    size = math.prod(column.shape)
    numbers = list(_flat(value))
    if len(numbers) != size or size > _MOST_NUMBERS:
        return f"[0.0] * {size}"
    return f"[{', '.join(_literal(number, text=False) for number in numbers)}]"


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list | tuple):
        for item in value:
            yield from _flat(item)
    elif value is not None:
        yield value


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
