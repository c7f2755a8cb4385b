"""What ``load`` returned, in batches: one table or many, of pandas or of Arrow."""

from collections.abc import Collection, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from weighbridge import paths
from weighbridge.data import problems

ROWS = 1 << 18
"""Most rows in a batch."""
_TABLES = pd.DataFrame | pa.Table | pa.RecordBatch
_NUMBERS = [
    "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "halffloat", "float", "double",
]  # fmt: skip
_OF_OBJECTS = {
    "string": "string", "empty": "null", "boolean": "bool", "integer": "int64", "floating": "double",
    "mixed-integer-float": "double", "date": "date32[day]", "datetime": "timestamp", "datetime64": "timestamp",
}  # fmt: skip

Columns = dict[str, str]
"""Each column that was loaded, with its type as Arrow names it."""


class Batches:
    """The batches, once; *columns* are those of all batches taken so far, *rows* their number of rows.

    Args:
        loaded: a pandas DataFrame, a pyarrow Table, or an iterator of either.
        before: the columns of last time; where there are any, a batch that lacks one of *declared*, or has another
            kind of values in it, is refused.
        declared: names of the columns that must stay as they are.

    Raises:
        DataError: where it is none of these, then where a batch is none.
    """

    def __init__(self, loaded: Any, before: Columns | None = None, declared: Collection[str] = ()) -> None:
        whole = isinstance(loaded, _TABLES)
        if not whole and not isinstance(loaded, Iterator):
            raise problems.refusal([_another(loaded)])
        self._tables: Iterator[Any] = iter([loaded]) if whole else loaded
        self._before = {name: kind for name, kind in (before or {}).items() if name in declared}
        self.columns: Columns = {}
        self.rows = 0

    def __iter__(self) -> Iterator[pd.DataFrame | pa.Table | pa.RecordBatch]:
        for number, table in enumerate(self._tables, 1):
            if not isinstance(table, _TABLES):
                raise problems.refusal([f"batch {number}: {_another(table)}"])
            types = _types(table)
            _refuse_changed(self._before, types)
            for name, kind in types.items():
                self.columns[name] = _common(self.columns.get(name, kind), kind)
            for start in range(0, max(len(table), 1), ROWS):
                some = slice(start, start + ROWS)
                batch = table.iloc[some] if isinstance(table, pd.DataFrame) else table[some]
                self.rows += len(batch)
                yield batch


def frame(loaded: Any) -> pd.DataFrame:
    """Return all that ``load`` returned as one table, for those who have the memory."""
    tables = (
        table if isinstance(table, pd.DataFrame) else table.to_pandas(ignore_metadata=True) for table in Batches(loaded)
    )
    return pd.concat(tables, ignore_index=True)


def _another(found: Any) -> str:
    kind = type(found)
    return (
        f"found {kind.__module__}.{kind.__qualname__}, expected a pandas.DataFrame, a pyarrow.Table, "
        "or an iterator of either"
    )


def _types(table: Any) -> Columns:
    if isinstance(table, pd.DataFrame):
        return {str(name): _of_series(table.iloc[:, place]) for place, name in enumerate(table.columns)}
    return {field.name: _word(field.type) for field in table.schema}


def _of_series(values: pd.Series) -> str:
    if values.dtype == object:
        inferred: str = pd.api.types.infer_dtype(values, skipna=True)
        return _OF_OBJECTS.get(inferred, inferred)
    try:
        return _word(pa.array(values.head(0)).type)
    except pa.ArrowException:  # a type of somebody else's
        return str(values.dtype)


def _word(kind: pa.DataType) -> str:
    if pa.types.is_dictionary(kind):
        return _word(kind.value_type)
    return "string" if kind in {pa.large_string(), pa.string_view()} else str(kind)


def _common(one: str, other: str) -> str:
    """Return the type of a column whose batches are of two."""
    if other in {one, "null"}:
        return one
    if one == "null":
        return other
    if one in _NUMBERS and other in _NUMBERS:
        return max(one, other, key=_NUMBERS.index)
    return " or ".join(sorted({*one.split(" or "), *other.split(" or ")}))


def changes(before: Columns, now: Columns) -> list[str]:
    """Return how *now* differs from what was loaded last time, a phrase a column."""
    new = [f"{name!r} is new, {kind}" for name, kind in now.items() if name not in before]
    gone = [f"{name!r} is gone, last time it was {kind}" for name, kind in before.items() if name not in now]
    other = [
        f"{name!r} is {now[name]}, last time it was {kind}"
        for name, kind in before.items()
        if now.get(name, kind) != kind
    ]
    return new + gone + other


def _refuse_changed(before: Columns, now: Columns) -> None:
    """Refuse columns that are gone, or hold another kind of values: numbers of another width are no other kind."""
    changed = [
        f"{name!r} is {now.get(name, 'gone')}, last time it was {kind}"
        for name, kind in before.items()
        if not _kinds(now.get(name, "")) <= _kinds(kind) and "null" not in {kind, now.get(name)}
    ]
    if changed:
        raise problems.refusal(
            [*changed, f"where this is meant, remove {paths.LOADED}, which says what was loaded last time"]
        )


def _kinds(word: str) -> set[str]:
    """Return the kinds of values of a column; those of several batches may be of several."""
    return {"number" if one in _NUMBERS else one.partition("[")[0].partition("<")[0] for one in word.split(" or ")}
