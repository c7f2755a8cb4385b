"""What can be wrong with a table: every problem as a sentence, so that all are told at once."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from weighbridge.data import columns
from weighbridge.data.schema import Column, Schema
from weighbridge.errors import DataError

_EXAMPLES = 3


def refusal(problems: list[str]) -> DataError:
    """Return one error that lists all *problems*."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "\n".join(f"- {problem}" for problem in problems)
    return DataError(f"the data can't be used, {count}; mend the dataset's load or its schema:\n{listed}")


def of_schema(schema: Schema) -> Iterator[str]:
    """Yield what no table could make good: columns of two roles, leaks, no features."""
    names = [schema.id, schema.time, *([schema.group] if schema.group is not None else []), schema.target]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"schema: {name!r} has two roles; id, time, group and target must be different columns"
    for name in sorted(set(names) & set(schema.features)):
        role = "the target, which would give the answer away" if name == schema.target else "also id, time or group"
        yield f"schema: feature {name!r} is {role}; leave it out of the features, or copy it under another name"
    if not schema.features:
        yield "schema: no features; declare at least one"
    for name in sorted({"label", "probability"} & set(schema.features)):
        yield f"schema: feature {name!r} has the name of an output of the model; give the column another name"
    for name, column in schema.features.items():
        if not column.known >= 0:
            yield (
                f"schema: feature {name!r} is a leak: known {column.known:g} hours before the prediction, "
                "expected 0 or more; leave it out of the features"
            )
        yield from (f"schema: feature {name!r}: {problem}" for problem in _range_problems(column))


def _range_problems(column: Column) -> Iterator[str]:
    limits = [limit for limit in (column.minimum, column.maximum) if limit is not None]
    if column.type == "number" and column.values:  # noqa: PD011 - the schema's
        yield "values are for text; declare minimum and maximum of a number"
    elif column.type == "string" and limits:
        yield "minimum and maximum are for numbers; declare the values of a text"
    elif any(not np.isfinite(limit) for limit in limits) or sorted(limits) != limits:
        yield f"minimum {column.minimum}, maximum {column.maximum}; expected finite numbers, the minimum not above"


def of_table(frame: Any, schema: Schema) -> Iterator[str]:
    """Yield how a table of the project differs from what the schema declares."""
    if not isinstance(frame, pd.DataFrame):
        yield f"found {type(frame).__module__}.{type(frame).__qualname__}, expected a pandas.DataFrame"
        return
    if not len(frame):
        yield "no rows"
        return
    yield from _column_problems(frame, schema.id, "id", _id_problems)
    yield from _column_problems(frame, schema.time, "time", _time_problems)
    if schema.group is not None:
        yield from _column_problems(frame, schema.group, "group", _key_problems)
    for name, column in schema.features.items():
        checks = _number_problems if column.type == "number" else _string_problems
        yield from _column_problems(frame, name, "feature", checks)
    yield from _column_problems(frame, schema.target, "target", _target_problems)


def _column_problems(
    frame: pd.DataFrame, name: str, role: str, checks: Callable[[pd.Series], Iterator[str]]
) -> Iterator[str]:
    found = int((frame.columns == name).sum())
    if found == 1:
        yield from (f"{role} {name!r}: {problem}" for problem in checks(frame[name]))
    elif found:
        yield f"{role} {name!r}: {found} columns of this name; keep one"
    else:
        near = difflib.get_close_matches(name, map(str, frame.columns), n=1)
        yield f"{role} {name!r}: no such column" + (f"; did you mean {near[0]!r}?" if near else "")


def _key_problems(keys: pd.Series) -> Iterator[str]:
    gaps = int(columns.missing(columns.text(keys)).sum())
    if gaps:
        yield f"missing in {_of(gaps, keys)}"


def _id_problems(ids: pd.Series) -> Iterator[str]:
    yield from _key_problems(ids)
    yield from _repeated(columns.text(ids))  # as they are kept: 1 and "1" are the same


def _repeated(ids: pd.Series) -> Iterator[str]:
    repeated = ids[ids.duplicated() & ~columns.missing(ids)]
    if len(repeated):
        yield f"{_of(len(repeated), ids)} repeat an earlier one, e.g. {_examples(repeated)}"


def _time_problems(times: pd.Series) -> Iterator[str]:
    if not pd.api.types.is_datetime64_any_dtype(times.dtype):
        yield f"found {_kind(times)}, expected times; convert with pandas.to_datetime"
    elif times.isna().any():
        yield f"missing in {_of(int(times.isna().sum()), times)}"


def _number_problems(values: pd.Series) -> Iterator[str]:
    if not columns.is_number(values):
        yield f"found {_kind(values)}, expected numbers"
        return
    infinite = np.isinf(columns.numbers(values).to_numpy())
    if infinite.any():
        yield f"infinite, or too large for float32, in {_of(int(infinite.sum()), values)}"


def _string_problems(values: pd.Series) -> Iterator[str]:
    kinds = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    if not values.isna().all() and pd.api.types.infer_dtype(kinds, skipna=True) != "string":
        yield f"found {_kind(values)}, expected text"


def _target_problems(target: pd.Series) -> Iterator[str]:
    if target.isna().all():
        yield "missing in all rows"
        return
    if not columns.is_number(target):
        yield f"found {_kind(target)}, expected 0, 1 or missing"
        return
    other = target[target.notna() & ~target.isin([0, 1])]
    if len(other):
        yield f"found {_examples(other.drop_duplicates())} in {_of(len(other), target)}, expected 0, 1 or missing"


def of_parts(parts: dict[str, pd.DataFrame], schema: Schema) -> Iterator[str]:
    """Yield why prepared parts, train first, can't be trained on or weighed with."""
    for name, part in parts.items():
        if part.empty:
            yield f"{name}: no rows; set other days in data.split"
        elif (part[schema.target] == part[schema.target].iloc[0]).all():
            yield (
                f"{name}: the target {schema.target!r} is {part[schema.target].iloc[0]} in all {len(part)} rows; "
                "both classes are needed, set other days in data.split"
            )
    first, train = next(iter(parts.items()))
    for name in schema.features:
        if len(train) and columns.missing(train[name]).all():
            yield f"feature {name!r}: missing in all {len(train)} rows of {first}; leave it out of the schema"
    yield from (
        f"id {schema.id!r}: {problem}" for problem in _repeated(pd.concat(p[schema.id] for p in parts.values()))
    )


def _kind(values: pd.Series) -> str:
    present = values.dropna()
    example = f", e.g. {_examples(present.head(1))}" if len(present) else ""
    return f"{values.dtype} ({pd.api.types.infer_dtype(values, skipna=True)}{example})"


def _examples(values: pd.Series) -> str:
    return ", ".join(repr(value) for value in values.head(_EXAMPLES).tolist())


def _of(count: int, values: pd.Series) -> str:
    return f"{count} of {len(values)} rows"
