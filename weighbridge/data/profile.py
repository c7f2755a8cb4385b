"""What is in the rows: made canonical, checked, counted, and told to people.

:func:`prepare` turns the project's table into the canonical one, :func:`profile` records its parts in the
manifest, :func:`statistics` and :func:`markdown` make a page of them. Bad rows are refused with every problem
of the table at once.
"""

import difflib
import itertools
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge import manifest, settings
from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import rule_in_words, utc
from weighbridge.errors import DataError

Parts = dict[str, pd.DataFrame]

_EXAMPLES = 3
_FREQUENT = 3
_SMALL_SHARE = 0.001
_NONE = "-"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One feature's values in one part.

    Attributes:
        missing_share: share of rows without a value.
        distinct: number of different values.
        low: smallest value; ``None`` for text and where all are missing, as are *mean* and *high*.
        mean: mean value.
        high: largest value.
        frequent: the most frequent values of a text feature with their shares of all rows, most frequent first.
    """

    missing_share: float
    distinct: int
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    frequent: tuple[tuple[str, float], ...] = ()


Statistics = dict[str, dict[str, Summary]]
"""Summaries by part, then by feature."""


def prepare(frame: Any, schema: Schema) -> tuple[pd.DataFrame, int]:
    """Return the canonical table and the number of rows dropped because their target is missing.

    The columns are id (text), time (``datetime64[us, UTC]``), group (text) where the schema has one, the
    features (numbers ``float32`` with NaN, text with the empty string where missing) and the target (``int8``);
    rows are sorted by time, then by id. Columns that the schema doesn't name are left out.

    Raises:
        DataError: listing every problem of the schema and the table, with columns and counts.
    """
    problems = [*_schema_problems(schema), *_table_problems(frame, schema)]
    if problems:
        raise _refusal(problems)
    target = frame[schema.target]
    labelled = frame[target.notna()]
    columns = {schema.id: _text(labelled[schema.id]), schema.time: utc(labelled[schema.time])}
    if schema.group is not None:
        columns[schema.group] = _text(labelled[schema.group])
    for name, column in schema.features.items():
        columns[name] = _text(labelled[name]) if column.type == "string" else _numbers(labelled[name])
    columns[schema.target] = labelled[schema.target].astype("int8")
    prepared = pd.DataFrame(columns).sort_values([schema.time, schema.id], ignore_index=True)
    return prepared, len(frame) - len(prepared)


def _refusal(problems: list[str]) -> DataError:
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    listed = "\n".join(f"- {problem}" for problem in problems)
    return DataError(f"the data can't be used, {count}; mend the dataset's load or its schema:\n{listed}")


def _text(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(values.cat.categories.dtype)
    return values.astype("str").fillna("")


def _numbers(values: pd.Series) -> pd.Series:
    with np.errstate(over="ignore"):  # an overflow becomes infinite, which is then refused
        floats = values.to_numpy("float32", na_value=np.nan)
    return pd.Series(floats, index=values.index, name=values.name)


def _schema_problems(schema: Schema) -> Iterator[str]:
    names = [schema.id, schema.time, *([schema.group] if schema.group is not None else []), schema.target]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"schema: {name!r} has two roles; id, time, group and target must be different columns"
    for name in sorted(set(names) & set(schema.features)):
        role = "the target, which would give the answer away" if name == schema.target else "also id, time or group"
        yield f"schema: feature {name!r} is {role}; leave it out of the features, or copy it under another name"
    if not schema.features:
        yield "schema: no features; declare at least one"
    for name, column in schema.features.items():
        if not column.known >= 0:
            yield (
                f"schema: feature {name!r} is a leak: known {column.known:g} hours before the prediction, "
                "expected 0 or more; leave it out of the features"
            )


def _table_problems(frame: Any, schema: Schema) -> Iterator[str]:
    if not isinstance(frame, pd.DataFrame):
        yield f"found {type(frame).__module__}.{type(frame).__qualname__}, expected a pandas.DataFrame"
        return
    if frame.empty:
        yield "no rows"
        return
    yield from _column_problems(frame, schema.id, "id", _key_problems)
    yield from _column_problems(frame, schema.time, "time", _time_problems)
    if schema.group is not None:
        yield from _column_problems(frame, schema.group, "group", _gap_problems)
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


def _gap_problems(values: pd.Series) -> Iterator[str]:
    missing = int(values.isna().sum())
    if missing:
        yield f"missing in {_of(missing, values)}"


def _key_problems(ids: pd.Series) -> Iterator[str]:
    yield from _gap_problems(ids)
    yield from _repeated(ids)


def _repeated(ids: pd.Series) -> Iterator[str]:
    repeated = ids[ids.notna() & ids.duplicated()]
    if len(repeated):
        yield f"{_of(len(repeated), ids)} repeat an earlier one, e.g. {_examples(repeated)}"


def _time_problems(times: pd.Series) -> Iterator[str]:
    if pd.api.types.is_datetime64_any_dtype(times.dtype):
        yield from _gap_problems(times)
    else:
        yield f"found {_kind(times)}, expected times; convert with pandas.to_datetime"


def _number_problems(values: pd.Series) -> Iterator[str]:
    if not _is_number(values):
        yield f"found {_kind(values)}, expected numbers"
        return
    infinite = np.isinf(_numbers(values).to_numpy())
    if infinite.any():
        yield f"infinite, or too large for float32, in {_of(int(infinite.sum()), values)}"


def _string_problems(values: pd.Series) -> Iterator[str]:
    kinds = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values
    if pd.api.types.infer_dtype(kinds, skipna=True) not in {"string", "empty"}:
        yield f"found {_kind(values)}, expected text"


def _target_problems(target: pd.Series) -> Iterator[str]:
    if not _is_number(target):
        yield f"found {_kind(target)}, expected 0, 1 or missing"
        return
    other = target[target.notna() & ~target.isin([0, 1])]
    if len(other):
        yield f"found {_examples(other.drop_duplicates())} in {_of(len(other), target)}, expected 0, 1 or missing"
    elif target.isna().all():
        yield "missing in all rows"


def _is_number(values: pd.Series) -> bool:
    if values.dtype == object:
        return bool(values.isna().all())
    return pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_complex_dtype(values.dtype)


def _kind(values: pd.Series) -> str:
    present = values.dropna()
    example = f", e.g. {present.iloc[0]!r}" if len(present) else ""
    return f"{values.dtype} ({pd.api.types.infer_dtype(values, skipna=True)}{example})"


def _examples(values: pd.Series) -> str:
    return ", ".join(repr(value) for value in values.head(_EXAMPLES).tolist())


def _of(count: int, values: pd.Series) -> str:
    return f"{count} of {len(values)} rows"


def profile(  # noqa: PLR0913, PLR0917 - each is a fact of its own
    parts: Parts,
    schema: Schema,
    raw: manifest.Raw,
    data: settings.Data,
    dropped: int,
    digests: dict[str, str],
) -> manifest.DataSection:
    """Return the manifest's section on the data.

    Args:
        parts: the prepared rows of each part, in order of time (train first).
        schema: what the columns mean; its ``missing_share`` in the result is that of the training rows.
        raw: the raw files.
        data: the settings that led here.
        dropped: rows left out because their target is missing.
        digests: SHA-256 of each part's file.

    Raises:
        DataError: listing every part that is empty or holds one class, every feature without a training value,
            and every id that stands in two parts.
    """
    problems = list(_part_problems(parts, schema))
    if problems:
        raise _refusal(problems)
    train = next(iter(parts.values()))
    return manifest.DataSection(
        raw=raw,
        source=data.source,
        licence=data.licence,
        rows=sum(map(len, parts.values())),
        dropped_rows=dropped,
        target=schema.target,
        labels=tuple(schema.labels),
        split_rule=rule_in_words(data.split, schema),
        splits={name: _split(part, schema, digests[name]) for name, part in parts.items()},
        features=tuple(_feature(name, column, train[name]) for name, column in schema.features.items()),
        checks=tuple(_checks(parts, schema)),
    )


def _part_problems(parts: Parts, schema: Schema) -> Iterator[str]:
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
        if len(train) and _missing(train[name]).all():
            yield f"feature {name!r}: missing in all {len(train)} rows of {first}; leave it out of the schema"
    yield from (
        f"id {schema.id!r}: {problem}" for problem in _repeated(pd.concat(p[schema.id] for p in parts.values()))
    )


def _missing(values: pd.Series) -> pd.Series:
    """Return where a prepared feature has no value."""
    return values.isna() if values.dtype.kind == "f" else values == ""


def _split(part: pd.DataFrame, schema: Schema, digest: str) -> manifest.Split:
    return manifest.Split(
        rows=len(part),
        groups=None if schema.group is None else int(part[schema.group].nunique()),
        first=_moment(part[schema.time].min()),
        last=_moment(part[schema.time].max()),
        target_rate=float(part[schema.target].mean()),
        sha256=digest,
    )


def _moment(time: pd.Timestamp) -> str:
    return str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _feature(name: str, column: Column, train: pd.Series) -> manifest.Feature:
    return manifest.Feature(
        name=name,
        type=column.type,
        unit=column.unit,
        known_hours_before=float(column.known),
        missing_share=float(_missing(train).mean()),
        description=column.description,
    )


def _checks(parts: Parts, schema: Schema) -> Iterator[manifest.Check]:
    """Yield what was checked: the first three hold, or nothing had come this far."""
    rows = sum(map(len, parts.values()))
    soonest = min(schema.features, key=lambda name: schema.features[name].known)
    hours = schema.features[soonest].known
    yield _check("ids are unique", held=True, found=f"{rows} ids, none twice")
    yield _check(
        "values are finite", held=True, found=f"{len(schema.numbers)} numeric features without infinite values"
    )
    yield _check(
        "features are known before the prediction",
        held=True,
        found=f"{len(schema.features)} features, the last known {hours:g} hours before ({soonest})",
    )
    yield _in_order(parts, schema)
    if schema.group is not None:
        yield _groups_apart(parts, schema.group)
    yield from _repetitions(parts, schema)
    yield _gaps_known(parts, schema)


def _check(name: str, *, held: bool, found: str) -> manifest.Check:
    return manifest.Check(name=name, passed=held, found=found)


def _in_order(parts: Parts, schema: Schema) -> manifest.Check:
    spans = [(name, part[schema.time].min(), part[schema.time].max()) for name, part in parts.items()]
    pairs = list(itertools.pairwise(spans))
    found = "; ".join(
        f"{before} ends {_moment(last)}, {after} begins {_moment(first)}"
        for (before, _, last), (after, first, _) in pairs
    )
    return _check("each part is older than the next", held=all(a[2] < b[1] for a, b in pairs), found=found)


def _groups_apart(parts: Parts, group: str) -> manifest.Check:
    sets = [set(part[group].unique()) for part in parts.values()]
    total = len(set().union(*sets))
    shared = sum(map(len, sets)) - total
    return _check(
        "no group stands in two parts",
        held=shared == 0,
        found=f"{shared} of {total} groups ({group!r}) in several parts",
    )


def _repetitions(parts: Parts, schema: Schema) -> Iterator[manifest.Check]:
    """Compare rows by the hash of their features, 64 bits wide."""
    hashes = [_row_hashes(part[list(schema.features)]) for part in parts.values()]
    within = sum(len(part) - len(np.unique(part)) for part in hashes)
    across = sum(int(np.isin(part, np.concatenate(hashes[:i])).sum()) for i, part in enumerate(hashes) if i)
    rows, later = sum(map(len, hashes)), sum(map(len, hashes[1:]))
    yield _check(
        "no two rows of a part are alike",
        held=within == 0,
        found=f"{within} of {rows} rows have the same features as an earlier one of their part",
    )
    yield _check(
        "no row of a part is like one of an earlier part",
        held=across == 0,
        found=f"{across} of {later} rows have the same features as one of an earlier part",
    )


def _row_hashes(features: pd.DataFrame) -> npt.NDArray[np.uint64]:
    return cast("npt.NDArray[np.uint64]", pd.util.hash_pandas_object(features, index=False).to_numpy())


def _gaps_known(parts: Parts, schema: Schema) -> manifest.Check:
    train, *others = parts.values()
    new = [
        name
        for name in schema.features
        if not _missing(train[name]).any() and any(_missing(part[name]).any() for part in others)
    ]
    return _check(
        "features missing later were missing in training",
        held=not new,
        found=f"{', '.join(new) or 'no feature'} first missing after training",
    )


def statistics(parts: Parts, schema: Schema) -> Statistics:
    """Return a summary of each feature in each part of the prepared rows."""
    return {
        part_name: {
            name: _string_summary(part[name]) if column.type == "string" else _number_summary(part[name])
            for name, column in schema.features.items()
        }
        for part_name, part in parts.items()
    }


def _number_summary(values: pd.Series) -> Summary:
    present = values.dropna().astype("float64")
    share = 1 - len(present) / max(len(values), 1)
    if present.empty:
        return Summary(missing_share=share, distinct=0)
    return Summary(
        missing_share=share,
        distinct=int(present.nunique()),
        low=float(present.min()),
        mean=float(present.mean()),
        high=float(present.max()),
    )


def _string_summary(values: pd.Series) -> Summary:
    counts = values[values != ""].value_counts()
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return Summary(
        missing_share=1 - int(counts.sum()) / max(len(values), 1),
        distinct=len(counts),
        frequent=tuple((str(value), float(count / len(values))) for value, count in ranked[:_FREQUENT]),
    )


def markdown(section: manifest.DataSection, summaries: Statistics) -> str:
    """Return the dataset's profile as a Markdown page for people.

    Args:
        section: what :func:`profile` returned.
        summaries: what :func:`statistics` returned of the same parts.
    """
    blocks = [
        "# Dataset profile",
        _about(section),
        "## Parts",
        f"Rows are divided {section.split_rule}.",
        _table(("part", "rows", "groups", "first (UTC)", "last (UTC)", f"{section.target} = 1"), _part_rows(section)),
        "## Checks",
        _table(("check", "held", "found"), _check_rows(section)),
        "## Features",
        "Known: hours before the prediction from which the value is there. Missing: share of the training rows.",
        _table(("feature", "meaning", "type", "unit", "known", "missing"), _feature_rows(section)),
        *(block for part, features in summaries.items() for block in _part_blocks(part, features)),
    ]
    return "\n\n".join(blocks) + "\n"


def _about(section: manifest.DataSection) -> str:
    size = sum(file.bytes for file in section.raw.files)
    lines = [
        ("Source", section.source),
        ("Licence", section.licence),
        ("Version", f"`{section.raw.sha256}` (SHA-256; {len(section.raw.files)} files, {size / 1e6:.1f} MB)"),
        ("Target", f"`{section.target}`: 0 is {section.labels[0]}, 1 is {section.labels[1]}"),
        (
            "Rows",
            f"{section.rows:,} in the parts; {section.dropped_rows:,} of the table had no target and were left out",
        ),
    ]
    return "\n".join(f"- {name}: {_cell(text)}" for name, text in lines)


def _part_rows(section: manifest.DataSection) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{split.rows:,}",
            _NONE if split.groups is None else f"{split.groups:,}",
            _minute(split.first),
            _minute(split.last),
            _percent(split.target_rate),
        )
        for name, split in section.splits.items()
    ]


def _minute(moment: str | None) -> str:
    return _NONE if moment is None else moment[:16].replace("T", " ")


def _check_rows(section: manifest.DataSection) -> list[tuple[str, ...]]:
    return [(check.name, "yes" if check.passed else "**no**", check.found) for check in section.checks]


def _feature_rows(section: manifest.DataSection) -> list[tuple[str, ...]]:
    return [
        (
            f"`{feature.name}`",
            feature.description,
            feature.type,
            feature.unit,
            f"{feature.known_hours_before:g} h",
            _percent(feature.missing_share),
        )
        for feature in section.features
    ]


def _part_blocks(part: str, features: dict[str, Summary]) -> Iterator[str]:
    yield f"## Values in {part}"
    numbers = {name: summary for name, summary in features.items() if summary.low is not None}
    if numbers:
        yield _table(
            ("number", "least", "mean", "most", "distinct", "missing"),
            [
                (f"`{name}`", *_range(summary), f"{summary.distinct:,}", _percent(summary.missing_share))
                for name, summary in numbers.items()
            ],
        )
    others = {name: summary for name, summary in features.items() if summary.low is None}
    if others:
        yield _table(
            ("text", "most frequent", "distinct", "missing"),
            [
                (f"`{name}`", _frequent(summary), f"{summary.distinct:,}", _percent(summary.missing_share))
                for name, summary in others.items()
            ],
        )


def _range(summary: Summary) -> tuple[str, ...]:
    return tuple(f"{value:,.5g}" for value in (summary.low, summary.mean, summary.high) if value is not None)


def _frequent(summary: Summary) -> str:
    return ", ".join(f"{value} {_percent(share)}" for value, share in summary.frequent) or _NONE


def _percent(share: float) -> str:
    if not share:
        return "0"
    return f"{100 * share:.1f} %" if share >= _SMALL_SHARE else f"< {100 * _SMALL_SHARE:g} %"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return *text* such that it stays within its cell or line."""
    return " ".join(text.split()).replace("|", "\\|") or _NONE
