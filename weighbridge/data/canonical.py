"""From the table that a project loads to the canonical one: each column of the one type that all stages expect.

A batch of rows gives the same types as the whole table, whatever is missing in it.
"""

import dataclasses
import difflib
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from weighbridge.data import columns, problems
from weighbridge.data.problems import examples, kind, of
from weighbridge.data.schema import Column, Schema

_GREATEST_INT8 = 127
_LABELS_TOLD = 10
_BINARY = 2
_NO_CLASS = -1
_GREATEST_TARGET = 1e30  # predictions are float32, which ends at 3.4e38, and a model may be off by a few times


def canonical(
    loaded: Any, schema: Schema, extra: Sequence[str] = (), *, repeats: bool = True
) -> tuple[pd.DataFrame, int]:
    """Return the canonical rows of a table, or of a batch of one, and the number dropped for want of a target.

    The columns are the id (text), time (``datetime64[us, UTC]``) and group (text) where the schema has them, the
    features (numbers, booleans as 0 or 1 and times as days since 1970, all ``float32`` with NaN where missing; text
    with the empty string where missing; arrays as flat ``float32`` ones), the weight (``float32``), the target (the
    class's number as ``int8`` or, of more than 127 classes, ``int16``; a number as ``float64``) and, as text, those
    *extra* columns that aren't among them. All others are left out; rows keep their order.

    A batch may be empty or without any target: of the whole, :func:`weighbridge.data.problems.of_total` tells.

    Args:
        loaded: a pandas DataFrame, or a pyarrow Table or RecordBatch.
        schema: what its columns mean.
        extra: columns to keep besides, such as the one that a split goes by.
        repeats: whether ids that stand in several rows are looked for; needless where all batches are looked through.

    Raises:
        DataError: listing every problem of the schema, or of the table, with columns and counts.
    """
    found = list(problems.of_schema(schema))
    if found:
        raise problems.refusal(found)
    if not isinstance(loaded, pd.DataFrame | pa.Table | pa.RecordBatch):
        type_ = f"{type(loaded).__module__}.{type(loaded).__qualname__}"
        raise problems.refusal([f"found {type_}, expected a pandas.DataFrame or a pyarrow.Table"])
    named = isinstance(loaded, pd.DataFrame)
    names, index = (list(loaded.columns), list(loaded.index.names)) if named else (list(loaded.schema.names), [])
    readers = [reader for reader in _readers(schema, extra, repeats=repeats) if _is_there(reader, names, index, found)]
    frame = _frame(loaded, [reader.name for reader in readers])
    taken: dict[str, pd.Series] = {}
    for reader in readers:  # of which the id's is the first
        said: list[str] = []
        try:
            taken[reader.name] = reader.read(_Loaded(frame[reader.name], taken.get(schema.id), said.append))
        except (ValueError, TypeError, OverflowError) as problem:  # such as text that isn't Unicode, or the year 300000
            said.append(f"found {kind(frame[reader.name])}, which can't be taken: {problem}")
        found += [f"{reader.role} {reader.name!r}: {problem}" for problem in said]
    if found:
        raise problems.refusal(found)
    rows = pd.DataFrame(taken)
    kept = _has_target(rows[schema.target], schema)
    if not kept.all():
        rows = rows[kept].reset_index(drop=True)
    type_ = "float64" if schema.task == "regression" else target_type(schema.labels)
    return rows.astype({schema.target: type_}), len(kept) - len(rows)


def _has_target(target: pd.Series, schema: Schema) -> pd.Series:
    return target.notna() if schema.task == "regression" else target != _NO_CLASS


def target_type(labels: tuple[str, ...]) -> str:
    """Return the type of the classes' numbers."""
    return "int8" if len(labels) <= _GREATEST_INT8 else "int16"


@dataclasses.dataclass(frozen=True)
class _Loaded:
    """A column as it was loaded, the rows' ids where there are any, and who hears of its problems."""

    series: pd.Series
    ids: pd.Series | None
    say: Callable[[str], None]

    def count(self, wrong: npt.NDArray[np.bool_] | int) -> str:
        """Return in how many rows something is wrong."""
        return of(int(np.sum(wrong)), self.series)

    def first(self, wrong: npt.NDArray[np.bool_]) -> str:
        """Return which row is the first in which something is wrong."""
        row = int(np.argmax(wrong))
        return f"row {row + 1}" if self.ids is None else f"the row of id {self.ids.iloc[row]!r}"


_Read = Callable[[_Loaded], pd.Series]
"""Returns the canonical column; where a problem was said, anything."""


@dataclasses.dataclass(frozen=True)
class _Reader:
    role: str
    name: str
    read: _Read


def _readers(schema: Schema, extra: Sequence[str], *, repeats: bool) -> Iterator[_Reader]:
    yield _Reader("id", schema.id, _id if repeats else _key)
    if schema.time is not None:
        yield _Reader("time", schema.time, _time)
    if schema.group is not None:
        yield _Reader("group", schema.group, _key)
    for name, column in schema.features.items():
        yield _Reader("feature", name, _feature(column))
    if schema.weight is not None:
        yield _Reader("weight", schema.weight, _weight)
    target = _number_to_predict if schema.task == "regression" else partial(_class, labels=schema.labels)
    yield _Reader("target", schema.target, target)
    named = {schema.id, schema.time, schema.group, schema.weight, schema.target, *schema.features}
    yield from (_Reader("column", name, _named) for name in dict.fromkeys(extra) if name not in named)


def _feature(column: Column) -> _Read:
    if column.type == "array":
        return partial(_array, shape=column.shape)
    return {"number": _number, "string": _string, "boolean": _boolean, "time": _days}[column.type]


def _is_there(reader: _Reader, names: list[Any], index: list[Any], found: list[str]) -> bool:
    count = names.count(reader.name)
    if count > 1:
        found.append(f"{reader.role} {reader.name!r}: {count} columns of this name; keep one")
    elif not count:
        near = difflib.get_close_matches(reader.name, map(str, names), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        if reader.name in index:
            hint = "; the frame's index has this name: make it a column with reset_index()"
        found.append(f"{reader.role} {reader.name!r}: no such column{hint}")
    return count == 1


def _frame(loaded: pd.DataFrame | pa.Table | pa.RecordBatch, names: list[str]) -> pd.DataFrame:
    """Return the columns *names* as a frame whose rows are numbered, without types of Arrow's own."""
    if not isinstance(loaded, pd.DataFrame):
        # Metadata may name an index that pandas once had: by it, rows of one column would get another row's target.
        return loaded.select(names).to_pandas(date_as_object=False, ignore_metadata=True)
    frame = loaded[names].reset_index(drop=True)
    of_arrow = [name for name in names if isinstance(frame[name].dtype, pd.ArrowDtype)]
    if of_arrow:
        frame[of_arrow] = pa.Table.from_pandas(frame[of_arrow]).to_pandas(date_as_object=False, ignore_metadata=True)
    return frame


def _key(loaded: _Loaded) -> pd.Series:
    keys = columns.key(loaded.series)
    gaps = (keys == "").to_numpy()
    if gaps.any():
        loaded.say(f"missing in {loaded.count(gaps)}")
    return keys


def _id(loaded: _Loaded) -> pd.Series:
    ids = _key(loaded)  # as they are kept: 1 and "1" are the same
    for problem in problems.repeated(ids):
        loaded.say(problem)
    return ids


def _time(loaded: _Loaded) -> pd.Series:
    times = loaded.series
    if not columns.is_time(times):
        loaded.say(f"found {kind(times, columns.is_time)}, expected times; convert with pandas.to_datetime")
        return times
    gaps = times.isna().to_numpy()
    if gaps.any():
        loaded.say(f"missing in {loaded.count(gaps)}")
    return columns.utc(times)


def _number(loaded: _Loaded) -> pd.Series:
    if not columns.is_number(loaded.series):
        loaded.say(f"found {kind(loaded.series, columns.is_number)}, expected numbers")
        return loaded.series
    numbers = columns.numbers(loaded.series)
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        loaded.say(
            f"infinite, or too large for float32, in {loaded.count(infinite)}, first in {loaded.first(infinite)}"
        )
    return numbers


def _boolean(loaded: _Loaded) -> pd.Series:
    if not columns.is_number(loaded.series):
        loaded.say(f"found {kind(loaded.series, columns.is_number)}, expected true, false or missing")
        return loaded.series
    numbers = columns.numbers(loaded.series)
    others = numbers[~(numbers.isna() | numbers.isin([0, 1]))]
    if len(others):
        loaded.say(
            f"found {examples(others.drop_duplicates())} in {loaded.count(len(others))}, "
            "expected true or 1, false or 0, or missing"
        )
    return numbers


def _days(loaded: _Loaded) -> pd.Series:
    if not columns.is_time(loaded.series):
        loaded.say(f"found {kind(loaded.series, columns.is_time)}, expected times; convert with pandas.to_datetime")
        return loaded.series
    return columns.days(loaded.series)


def _string(loaded: _Loaded) -> pd.Series:
    if not columns.is_text(loaded.series):
        loaded.say(f"found {kind(loaded.series, columns.is_text)}, expected text")
    return columns.text(loaded.series)


def _named(loaded: _Loaded) -> pd.Series:
    names = pd.Series(columns.labels(loaded.series), dtype="str")
    return names.mask(names == columns.MISSING_LABEL, "")


def _weight(loaded: _Loaded) -> pd.Series:
    weights = _number(loaded)
    if weights.dtype == np.float32:
        wrong = ~(weights.to_numpy() >= 0)
        if wrong.any():
            loaded.say(
                f"negative or missing in {loaded.count(wrong)}, first in {loaded.first(wrong)}; expected 0 or more"
            )
    return weights


def _array(loaded: _Loaded, shape: tuple[int, ...]) -> pd.Series:
    """Take arrays of *shape*, or flat ones of as many numbers, however nested."""
    flat = (math.prod(shape),)
    rows = _stacked(loaded.series)
    if rows is None or rows.shape[1:] not in {shape, flat}:
        shapes = [_shape(value) for value in loaded.series]
        misfits = np.array([found not in {shape, flat} for found in shapes], dtype=bool)
        if misfits.any():
            first = shapes[int(np.argmax(misfits))]
            loaded.say(
                f"found {'no numbers of one shape' if first is None else f'shape {first}'} in {loaded.first(misfits)}, "
                f"expected {shape}; wrong in {loaded.count(misfits)}"
            )
            return loaded.series
        rows = np.array([_numbers(value).reshape(flat) for value in loaded.series]).reshape(-1, *flat)
    with np.errstate(over="ignore"):
        floats = rows.reshape(len(rows), *flat).astype(np.float32)
    wrong = np.asarray(~np.isfinite(floats).all(axis=1))
    if wrong.any():
        loaded.say(
            f"infinite, missing or too large for float32 in {loaded.count(wrong)}, first in {loaded.first(wrong)}; "
            "expected arrays of finite numbers"
        )
    return columns.unstacked(floats)


def _stacked(values: pd.Series) -> npt.NDArray[Any] | None:
    """Return all rows as one array, or ``None`` where that isn't as easily done."""
    try:
        rows = np.stack(values.tolist())
    except ValueError:  # none at all, or of several shapes
        return None
    return rows if rows.dtype.kind in "biuf" else None


def _shape(value: Any) -> tuple[int, ...] | None:
    """Return the shape of one row's array; none where it is no numbers of one shape."""
    try:
        return _numbers(value).shape
    except (TypeError, ValueError):
        return None


def _numbers(value: Any) -> npt.NDArray[Any]:
    row = np.asarray(value)
    if row.dtype == object:  # arrays in arrays, as Arrow gives them
        row = np.stack([_numbers(part) for part in row])
    if row.dtype.kind not in "biuf":
        raise TypeError
    return row


def _class(loaded: _Loaded, labels: tuple[str, ...]) -> pd.Series:
    """Return the number of each row's class, -1 where it is missing."""
    values = loaded.series
    if columns.is_text(values) and not values.isna().all():
        return _class_of_text(loaded, labels)
    many_of_two = pd.api.types.is_bool_dtype(values.dtype) and len(labels) != _BINARY
    if many_of_two or not columns.is_number(values):
        loaded.say(f"found {kind(values)}, expected {_classes(labels)}")
        return values
    if are_other_numbers(labels) and not values.isna().all():
        loaded.say(
            f"found {kind(values)}, while labels are numbers of another order, {', '.join(labels[:_LABELS_TOLD])}: a "
            " number in the table is the position of a label, from 0 on; make the column text, as the labels are"
        )
        return values
    numbers = values.to_numpy("float64", na_value=np.nan)
    present = ~np.isnan(numbers)
    wrong = present & ~np.isin(numbers, np.arange(len(labels)))
    if wrong.any():
        found = examples(values[wrong].drop_duplicates())
        loaded.say(f"found {found} in {loaded.count(wrong)}, expected {_classes(labels)}")
    return pd.Series(np.where(present & ~wrong, numbers, _NO_CLASS).astype(np.int16))


def _class_of_text(loaded: _Loaded, labels: tuple[str, ...]) -> pd.Series:
    codes, texts = pd.factorize(columns.text(loaded.series))
    numbers = {"": _NO_CLASS} | {label: number for number, label in enumerate(labels)}
    unknown = pd.Series([text for text in texts if text not in numbers], dtype="str")
    if len(unknown):
        wrong = np.isin(codes, [place for place, text in enumerate(texts) if text not in numbers])
        loaded.say(f"found {examples(unknown)} in {loaded.count(wrong)}, expected {_classes(labels)}")
    return pd.Series(np.array([numbers.get(text, _NO_CLASS) for text in texts], dtype=np.int16)[codes])


def _classes(labels: tuple[str, ...]) -> str:
    """Return in words what a target may hold."""
    told = ", ".join(f"{number} or {label!r}" for number, label in enumerate(labels[:_LABELS_TOLD]))
    more = f", … up to {len(labels) - 1}" if len(labels) > _LABELS_TOLD else ""
    return f"{told}{more}, or missing"


def are_other_numbers(labels: tuple[str, ...]) -> bool:
    """Tell whether labels are numbers, but not those of their classes: a number in the table might mean either."""
    try:
        numbers = [float(label) for label in labels]
    except ValueError:
        return False
    return numbers != [float(number) for number in range(len(labels))]


def _number_to_predict(loaded: _Loaded) -> pd.Series:
    values = loaded.series
    boolean = pd.api.types.is_bool_dtype(values.dtype)
    if boolean or not columns.is_number(values):
        hint = "; name its labels in the schema to predict classes" if boolean or columns.is_text(values) else ""
        loaded.say(f"found {kind(values, None if boolean else columns.is_number)}, expected numbers{hint}")
        return values
    numbers = values.to_numpy("float64", na_value=np.nan)
    infinite = np.isinf(numbers)
    if infinite.any():
        loaded.say(f"infinite in {loaded.count(infinite)}, first in {loaded.first(infinite)}")
    huge = ~infinite & (np.abs(numbers) > _GREATEST_TARGET)
    if huge.any():
        loaded.say(
            f"found {examples(values[huge].head(1))} in {loaded.first(huge)}, expected at most {_GREATEST_TARGET:g}, "
            f"for predictions are float32; too large in {loaded.count(huge)}: rescale it, or take logarithms"
        )
    return pd.Series(numbers)
