"""Which rows train, which choose, which weigh: by time, by chance, by groups or by a column, or in folds.

Chance is a digest of a row's id, or of its group's name, so it is the same on every machine and whatever the order of
rows. The rows with the smallest digests weigh, the next choose, the rest train: as rows are added, only those at the
two borders change sides.
"""

import datetime as dt
import hashlib
import zoneinfo
from collections.abc import Callable, Iterator
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.data import columns
from weighbridge.data.schema import Schema
from weighbridge.data.split_rules import BOUNDARIES, rule_in_words, split_problems
from weighbridge.data.tables import FOLD
from weighbridge.errors import DataError, SettingsError
from weighbridge.settings import ColumnSplit, FoldSplit, GroupSplit, RandomSplit, Split, TimeSplit

__all__ = ["FOLD", "OUT", "PARTS", "assign", "folds", "needed", "rule_in_words", "split_problems"]

PARTS = ("train", "validation", "test")
"""The parts, each at the place of its number."""
OUT = -1
"""The number of rows in no part, or in no fold."""
Codes = npt.NDArray[np.int8]

_TRAIN, _VALIDATION, _TEST = range(len(PARTS))
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TENTHS = 10
_DIGESTED_AT_ONCE = 1 << 16
_VALUES_TOLD = 10


def needed(schema: Schema, split: Split) -> list[str]:
    """Return the columns that :func:`assign` looks at.

    Raises:
        SettingsError: where the schema has no such column, or the split can't be whatever the rows.
    """
    problems = [f"data.split.{key}: {problem}" for key, problem in split_problems(split)]
    if isinstance(split, TimeSplit) and schema.time is None:
        problems.append(_without("time"))
    if isinstance(split, GroupSplit) and schema.group is None:
        problems.append(_without("group"))
    if isinstance(split, FoldSplit) and FOLD in _all_names(schema):
        problems.append(f"data.split: the schema has a column {FOLD!r}, a name that k_fold needs; rename the column")
    if problems:
        raise SettingsError("\n".join(problems))
    match split:
        case TimeSplit():
            names = [schema.time]
        case GroupSplit():
            names = [schema.group]
        case ColumnSplit():
            names = [split.column]
        case RandomSplit():
            names = [schema.id, *([schema.target] if split.stratify else [])]
        case FoldSplit():
            names = [schema.id if schema.group is None else schema.group, schema.target]
    return cast("list[str]", names)


def _without(role: str) -> str:
    return (
        f"data.split: by {role}, but the schema names no {role}; expected Schema(…, {role}=…) to name the column, or "
        "another split"
    )


def _all_names(schema: Schema) -> set[str | None]:
    return {schema.id, schema.time, schema.group, schema.weight, schema.target, *schema.features}


def assign(keys: pd.DataFrame, schema: Schema, split: Split) -> Codes:
    """Return the number [n] of each row's part, 0 train, 1 validation and 2 test; -1 for rows in none.

    In a cross-validation, validation is fold 0 and train are the others; :func:`folds` tells them apart.

    Args:
        keys: the canonical rows, or only the columns that :func:`needed` names.
        schema: what they mean.
        split: the rule.

    Raises:
        SettingsError: where the split can't be, or the schema lacks the column that it goes by.
        DataError: where a column is missing, or rows are too few.
    """
    _refuse_missing(keys, schema, split)
    match split:
        case TimeSplit():
            return _by_time(keys[cast("str", schema.time)], split)
        case ColumnSplit():
            return _by_column(keys[split.column], split)
        case GroupSplit():
            rows, digests, strata = _groups(keys[cast("str", schema.group)], split.seed)
            return _by_share(digests, strata, split)[rows]
        case RandomSplit():
            return _by_share(_digests(keys[schema.id], split.seed), _strata(keys, schema, split), split)
        case FoldSplit():
            fold = folds(keys, schema, split)
            return np.where(fold == OUT, _TEST, np.where(fold == 0, _VALIDATION, _TRAIN)).astype(np.int8)


def folds(keys: pd.DataFrame, schema: Schema, split: FoldSplit) -> Codes:
    """Return the number [n] of each row's fold, -1 for the test rows; arguments and refusals as of :func:`assign`.

    Where the schema has groups, they stay whole.
    """
    _refuse_missing(keys, schema, split)

    def starts(rows: int) -> list[int]:
        test = _rounded(split.test * rows)
        return [test, *(test - (-fold * (rows - test) // split.folds) for fold in range(1, split.folds))]

    if schema.group is None:
        rows, digests = np.arange(len(keys)), _digests(keys[schema.id], split.seed)
        strata = _strata(keys, schema, split)
    else:
        rows, digests, strata = _groups(keys[schema.group], split.seed)
    places = _cut(digests, strata, starts)
    turned = (places - 1 + strata) % split.folds  # else the same folds had the rows that are left over in each stratum
    found: Codes = np.where(places == 0, OUT, turned).astype(np.int8)[rows]
    problems = list(_fold_problems(found, keys[schema.target], schema, split))
    if problems:
        remedy = "expected fewer folds, a smaller share of test or, of few rows a class, stratify: true"
        raise DataError("\n".join([*(f"data.split: {problem}" for problem in problems), remedy]))
    return found


def _fold_problems(found: Codes, target: pd.Series, schema: Schema, split: FoldSplit) -> Iterator[str]:
    """Yield why runs can't be validated on some fold, or not learn all classes from the others."""
    rows = int((found != OUT).sum())
    if rows < split.folds:
        yield f"{rows} rows beside those of test can't make {split.folds} folds"
        return
    for fold in range(split.folds):
        own = target[found == fold]
        if own.nunique() < 2:  # noqa: PLR2004 - alike, or none at all
            told = f"{own.iloc[0]:g} in all {len(own)} rows" if len(own) else "in no row"
            yield f"fold {fold} has the target {schema.target!r} {told}; a run can't be validated on it"
    for number, label in enumerate(schema.labels):
        of_class = np.unique(found[(target == number).to_numpy() & (found != OUT)])
        if len(of_class) == 1:
            yield f"all rows of {label!r} are in fold {of_class[0]}; runs that leave it out couldn't learn the class"


def _refuse_missing(keys: pd.DataFrame, schema: Schema, split: Split) -> None:
    for name in needed(schema, split):
        if name not in keys:
            raise DataError(f"data.split: no column {name!r}; the table has {', '.join(map(str, keys.columns))}")


def _by_time(column: pd.Series, split: TimeSplit) -> Codes:
    times = columns.utc(column)
    moments = times.to_numpy("datetime64[us]").astype(np.int64)
    codes: Codes = (np.searchsorted(_boundaries(split), moments, side="right") - 1).astype(np.int8)
    codes[(codes == len(PARTS)) | times.isna().to_numpy(bool)] = OUT
    return codes


def _boundaries(split: TimeSplit) -> npt.NDArray[np.int64]:
    """Return the moments at which the parts begin and the last one ends, in microseconds since 1970."""
    zone = zoneinfo.ZoneInfo(split.timezone)
    days = [dt.date.fromisoformat(getattr(split, name)) for name in BOUNDARIES]
    starts = [dt.datetime(day.year, day.month, day.day, tzinfo=zone) for day in days]
    return np.array([(start - _EPOCH) // dt.timedelta(microseconds=1) for start in starts], dtype=np.int64)


def _by_column(column: pd.Series, split: ColumnSplit) -> Codes:
    rows, found = pd.factorize(column)
    names = [columns.label(value) for value in found]
    part_of = {value: code for code, name in enumerate(PARTS) for value in getattr(split, name)}
    codes: Codes = np.array([*(part_of.get(name, OUT) for name in names), OUT], dtype=np.int8)[rows]
    empty = [name for code, name in enumerate(PARTS) if not (codes == code).any()]
    if empty:
        more = ", …" if len(names) > _VALUES_TOLD else ""
        told = ", ".join(map(repr, names[:_VALUES_TOLD])) + more
        problems = (f"data.split.{name}: no row has {_or(getattr(split, name))}" for name in empty)
        raise DataError("\n".join([*problems, f"the column {split.column!r} holds {told or 'no value'}"]))
    return codes


def _or(values: tuple[str, ...]) -> str:
    return " or ".join(map(repr, values))


def _by_share(digests: npt.NDArray[np.uint64], strata: npt.NDArray[np.int16], split: RandomSplit | GroupSplit) -> Codes:
    def starts(rows: int) -> list[int]:
        return [_rounded(split.test * rows), _rounded((split.test + split.validation) * rows)]

    return (_TEST - _cut(digests, strata, starts)).astype(np.int8)


def _rounded(share_of_rows: float) -> int:
    return int(share_of_rows + 0.5)  # a half goes up, not to the even number: shares then only grow with the rows


def _cut(
    digests: npt.NDArray[np.uint64], strata: npt.NDArray[np.int16], starts: Callable[[int], list[int]]
) -> npt.NDArray[np.int16]:
    """Cut each stratum, in order of the digests, before the ranks *starts* of its size; return each row's piece [n]."""
    pieces = np.zeros(len(digests), np.int16)
    order = np.argsort(strata, kind="stable")
    sizes = np.bincount(strata) if len(strata) else np.zeros(0, np.int64)
    for rows in np.split(order, np.cumsum(sizes)[:-1]):
        own = digests[rows]
        ranked = np.sort(own)
        bounds = ranked[[start for start in starts(len(rows)) if start < len(rows)]]
        pieces[rows] = np.searchsorted(bounds, own, side="right")
    return pieces


def _groups(
    column: pd.Series, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint64], npt.NDArray[np.int16]]:
    """Return the place [n] of each row's group, and the groups' digests [groups] and strata, which are one."""
    rows, names = pd.factorize(column)
    digests = _digests(pd.Series(names, dtype="str"), seed)
    return rows, digests, np.zeros(len(digests), np.int16)


def _strata(keys: pd.DataFrame, schema: Schema, split: RandomSplit | FoldSplit) -> npt.NDArray[np.int16]:
    """Return the stratum [n] of each row: its class, or the tenth of rows that it is among by the target."""
    if not split.stratify:
        return np.zeros(len(keys), np.int16)
    target = keys[schema.target].to_numpy()
    if schema.task == "regression":
        ranked = np.sort(target)
        edges = ranked[[len(target) * tenth // _TENTHS for tenth in range(1, _TENTHS)]] if len(target) else ranked
        target = np.searchsorted(edges, target, side="right")
    return np.asarray(target, dtype=np.int16)


def _digests(texts: pd.Series, seed: int) -> npt.NDArray[np.uint64]:
    """Return a number [n] of 64 bits for each text: SipHash-2-4 of its UTF-8 with a key made of *seed*, mixed.

    Aumasson and Bernstein 2012; mixed as by SplitMix64, a permutation, by pandas.
    """
    key = hashlib.sha256(str(seed).encode()).hexdigest()[:16]
    found = np.empty(len(texts), np.uint64)
    for start in range(0, len(texts), _DIGESTED_AT_ONCE):  # as Python's own texts they are many times as large
        some = slice(start, start + _DIGESTED_AT_ONCE)
        values = texts.iloc[some].to_numpy(object)
        found[some] = pd.util.hash_array(values, hash_key=key, categorize=False)
    return found
