"""What can be wrong with a table: every problem as a sentence, so that all are told at once."""

import re
from collections.abc import Callable, Iterator, Mapping

import msgspec
import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.data.values import Part, Seen
from weighbridge.errors import DataError

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_EXAMPLES = 3
_EXPECTED = {
    "binary": "both classes are needed",
    "multiclass": "several classes are needed",
    "regression": "different numbers are needed",
}
_SOME_ROLE = "id, time, group or weight"
_LIMITED = {"number", "array"}


def refusal(problems: list[str]) -> DataError:
    """Return one error that lists all *problems*."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "\n".join(f"- {problem}" for problem in problems)
    return DataError(f"the data can't be used, {count}; mend the dataset's load or its schema:\n{listed}")


def of_schema(schema: Schema) -> Iterator[str]:
    """Yield what no table could make good: values of a wrong type, columns of two roles, leaks, no features."""
    wrong = _mistyped(schema)
    if wrong:
        yield f"schema: {wrong}"
        return
    yield from _role_problems(schema)
    yield from (f"schema: {problem}" for problem in _label_problems(schema))
    if not schema.features:
        yield "schema: no features; declare at least one"
    for name in schema.features:
        if not name or _CONTROL.search(name):  # ONNX takes an input without a name for one that is left out
            yield f"schema: feature {name!r} has an empty name or control characters; give the column another name"
    outputs = {"prediction"} if schema.task == "regression" else {"label", "probability"}
    for name in sorted(outputs & set(schema.features)):
        yield f"schema: feature {name!r} has the name of an output of the model; give the column another name"
    for name, column in schema.features.items():
        if not column.known >= 0:
            yield (
                f"schema: feature {name!r} is a leak: known {column.known:g} hours before the prediction, "
                "expected 0 or more; leave it out of the features"
            )
        yield from (f"schema: feature {name!r}: {problem}" for problem in _column_problems(column))


def _mistyped(schema: Schema) -> str:
    """Return what isn't of its declared type, for Python takes anything; empty where nothing is amiss."""
    try:
        msgspec.convert(msgspec.to_builtins(schema), Schema)
    except (msgspec.ValidationError, TypeError) as problem:
        return str(problem)
    return ""


def _role_problems(schema: Schema) -> Iterator[str]:
    roles = {
        "id": schema.id,
        "time": schema.time,
        "group": schema.group,
        "weight": schema.weight,
        "target": schema.target,
    }
    names = [name for name in roles.values() if name is not None]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"schema: {name!r} has two roles; {', '.join(roles)} must be different columns"
    for name in sorted(set(names) & set(schema.features)):
        role = "the target, which would give the answer away" if name == schema.target else f"also {_SOME_ROLE}"
        yield f"schema: feature {name!r} is {role}; leave it out of the features, or copy it under another name"


def _label_problems(schema: Schema) -> Iterator[str]:
    labels = list(schema.labels)
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        yield f"labels: {', '.join(map(repr, twice))} repeated; each class needs a label of its own"
    if "" in labels:
        yield "labels: one is empty; each class needs a label"
    broken = [label for label in labels if _CONTROL.search(label)]
    if broken:
        yield f"labels: {', '.join(map(repr, broken))} hold line breaks or other control characters; leave them out"
    if len(labels) == 1:
        yield f"labels: one class only, {labels[0]!r}; expected two or more, or none to predict a number"
    if labels and schema.unit:
        yield f"unit {schema.unit!r} is for a number that is predicted; leave it out, or the labels"


def _column_problems(column: Column) -> Iterator[str]:
    if column.type == "array" and not column.shape:
        yield "an array without a shape; declare it, such as shape=(28, 28)"
    elif column.shape and column.type != "array":
        yield f"shape {column.shape} is for arrays; leave it out, or declare type 'array'"
    limits = [limit for limit in (column.minimum, column.maximum) if limit is not None]
    if column.values and column.type != "string":  # noqa: PD011 - the schema's
        instead = "; declare minimum and maximum of a number" if column.type == "number" else ""
        yield f"values are for text{instead}"
    elif limits and column.type not in _LIMITED:
        instead = "; declare the values of a text" if column.type == "string" else ""
        yield f"minimum and maximum are for numbers{instead}"
    elif any(not np.isfinite(limit) for limit in limits) or sorted(limits) != limits:
        yield f"minimum {column.minimum}, maximum {column.maximum}; expected finite numbers, the minimum not above"


def of_total(rows: int, dropped: int, schema: Schema) -> Iterator[str]:
    """Yield what is wrong with the number of rows kept and of those dropped, over all batches."""
    if not rows + dropped:
        yield "no rows"
    elif not rows:
        yield f"target {schema.target!r}: missing in all rows"


def repeated(ids: pd.Series) -> Iterator[str]:
    """Yield that ids, as text, stand in several rows."""
    again = ids[ids.duplicated() & (ids != "")]
    if len(again):
        yield f"{of(len(again), ids)} repeat an earlier one, e.g. {examples(again)}"


def of_parts(parts: Mapping[str, Part], schema: Schema, seen: Seen) -> Iterator[str]:
    """Yield why prepared parts, train first, can't be trained on or weighed with."""
    for number, (name, part) in enumerate(parts.items()):
        if not len(part):
            yield f"{name}: no rows; set another share or other days in data.split"
        else:
            yield from (
                f"{name}: {problem}" for problem in _target_problems(part[schema.target], schema, first=not number)
            )
    first, train = next(iter(parts.items()))
    for name, values in seen[first].items():
        if len(train) and values.missing == len(train):
            yield f"feature {name!r}: missing in all {len(train)} rows of {first}; leave it out of the schema"
    if schema.weight is not None and len(train) and not train[schema.weight].any():
        yield f"weight {schema.weight!r}: 0 in all {len(train)} rows of {first}; expected some above 0, to learn from"


def _target_problems(target: pd.Series, schema: Schema, *, first: bool) -> Iterator[str]:
    different = target.unique()
    if len(different) == 1:
        shown = f"{different[0]:g}"
        yield (
            f"the target {schema.target!r} is {shown} in all {len(target)} rows; "
            f"{_EXPECTED[schema.task]}, set another share or other days in data.split"
        )
    elif first and schema.task == "multiclass":
        lacking = [label for number, label in enumerate(schema.labels) if number not in set(different)]
        if lacking:
            yield (
                f"no row is {' or '.join(map(repr, lacking))} ({schema.target!r}); each class needs rows to learn "
                "from: set another share or other days in data.split, or leave the label out"
            )


def kind(values: pd.Series, fits: Callable[[pd.Series], bool] | None = None) -> str:
    """Return of what type the values are, with one of them, or of several types one of each.

    Args:
        values: a column.
        fits: tells whether a column is of the type that was expected; then the one is the first that isn't.
    """
    present = values.dropna()
    each = present[~present.map(type).duplicated()] if present.dtype == object else present.head(1)
    if fits is not None:
        each = each[[not fits(pd.Series([value], dtype=each.dtype)) for value in each.tolist()]].head(1)
    example = f", e.g. {examples(each)}" if len(each) else ""
    return f"{values.dtype} ({pd.api.types.infer_dtype(values, skipna=True)}{example})"


def examples(values: pd.Series) -> str:
    """Return the first few values."""
    return ", ".join(repr(value) for value in values.head(_EXAMPLES).tolist())


def of(count: int, values: pd.Series) -> str:
    """Return a number of rows beside that of all."""
    return f"{count} of {len(values)} rows"
