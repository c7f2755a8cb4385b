"""The short way to canonical rows: of an Arrow table whose columns need no more than another type of Arrow's.

It gives what :func:`weighbridge.data.canonical.canonical` gives, or nothing: that one knows all types, and tells of
problems. Without a way round through pandas it takes a fraction of the time.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from weighbridge.data import problems
from weighbridge.data.canonical import are_other_numbers, target_type
from weighbridge.data.schema import Column, Schema

_TIME = pa.timestamp("us", tz="UTC")
_EXACT_UNITS = {"s", "ms", "us"}


class _NotPlainError(Exception):
    """A column is of another type, or something is wrong with it."""


def canonical(loaded: Any, schema: Schema) -> tuple[pa.Table, int] | None:
    """Return the canonical rows and the number dropped for want of a target; or nothing, where that isn't as plain."""
    if not isinstance(loaded, pa.Table | pa.RecordBatch) or any(problems.of_schema(schema)):
        return None
    table = pa.table(loaded)
    readers = dict(_readers(schema))
    if any(table.column_names.count(name) != 1 for name in readers):
        return None
    try:
        rows = pa.table({name: read(table[name]) for name, read in readers.items()})
    except (_NotPlainError, pa.ArrowInvalid):  # such as text that isn't Unicode, or the year 300000
        return None
    kept = rows.filter(pc.is_valid(rows[schema.target])) if rows[schema.target].null_count else rows
    return kept, len(rows) - len(kept)


_Read = Callable[[pa.ChunkedArray], pa.Array | pa.ChunkedArray]


def _readers(schema: Schema) -> Iterator[tuple[str, _Read]]:
    yield schema.id, _key
    if schema.time is not None:
        yield schema.time, _time
    if schema.group is not None:
        yield schema.group, _key
    yield from ((name, _feature(column)) for name, column in schema.features.items())
    if schema.weight is not None:
        yield schema.weight, _weight
    yield schema.target, _number_to_predict if schema.task == "regression" else partial(_class, labels=schema.labels)


def _feature(column: Column) -> _Read:
    return {"number": _number, "string": _string, "boolean": _boolean}.get(column.type, _other)


def _require(plain: bool) -> None:  # noqa: FBT001 - what is asked
    if not plain:
        raise _NotPlainError


def _other(_: pa.ChunkedArray) -> pa.Array:
    raise _NotPlainError


def _string(values: pa.ChunkedArray) -> pa.ChunkedArray:
    _require(pa.types.is_string(values.type) or pa.types.is_large_string(values.type))
    values.validate(full=True)
    return values.fill_null("").cast(pa.string())


def _key(values: pa.ChunkedArray) -> pa.ChunkedArray:
    keys = _string(values)
    _require(not pc.any(pc.equal(keys, "")).as_py())
    return keys


def _time(values: pa.ChunkedArray) -> pa.ChunkedArray:
    exact = pa.types.is_timestamp(values.type) and values.type.tz is not None and values.type.unit in _EXACT_UNITS
    _require(exact and not values.null_count)
    return values.cast(_TIME)


def _floats(values: pa.ChunkedArray, kind: type[np.floating[Any]]) -> npt.NDArray[Any]:
    """Return numbers, NaN where missing, none of them infinite."""
    _require(pa.types.is_integer(values.type) or pa.types.is_floating(values.type))
    with np.errstate(over="ignore"):
        numbers: npt.NDArray[Any] = values.to_numpy().astype(kind, copy=False)
    _require(not np.isinf(numbers).any())
    return numbers


def _number(values: pa.ChunkedArray) -> pa.Array:
    return pa.array(_floats(values, np.float32), from_pandas=True)


def _boolean(values: pa.ChunkedArray) -> pa.Array:
    _require(pa.types.is_boolean(values.type))
    return _number(values.cast(pa.uint8()))


def _weight(values: pa.ChunkedArray) -> pa.Array:
    weights = _floats(values, np.float32)
    _require(bool((weights >= 0).all()))
    return pa.array(weights)


def _number_to_predict(values: pa.ChunkedArray) -> pa.Array:
    return pa.array(_floats(values, np.float64), from_pandas=True)


def _class(values: pa.ChunkedArray, labels: tuple[str, ...]) -> pa.Array:
    _require(not are_other_numbers(labels))
    numbers = _floats(values, np.float64)
    missing = np.isnan(numbers)
    _require(bool((missing | np.isin(numbers, np.arange(len(labels)))).all()))
    return pa.array(np.where(missing, 0, numbers).astype(target_type(labels)), mask=missing)
