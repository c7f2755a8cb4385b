"""What is in the rows: made canonical and sorted by :func:`prepare`, checked and recorded by :func:`profile`.

Rows that can't be used are refused, with every problem of the table at once; what may be meant (rows that are
alike, a group in two parts) is recorded as a check that didn't hold. The same for people is in
:mod:`weighbridge.data.page`.
"""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge import manifest, settings
from weighbridge.data import bins, columns, problems
from weighbridge.data.canonical import canonical
from weighbridge.data.page import Statistics, Summary, markdown, statistics
from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import rule_in_words

__all__ = ["Parts", "Statistics", "Summary", "markdown", "prepare", "profile", "statistics"]

Parts = dict[str, pd.DataFrame]
"""Prepared rows by the name of their part, in order of time: train first."""


def prepare(frame: Any, schema: Schema) -> tuple[pd.DataFrame, int]:
    """Return the canonical table, sorted by time and id, and the number of rows dropped for want of a target.

    Raises:
        DataError: listing every problem of the schema and the table, with columns and counts.
    """
    rows, dropped = canonical(frame, schema)
    found = list(problems.of_total(len(rows), dropped, schema))
    if found:
        raise problems.refusal(found)
    return _sorted(rows, schema), dropped


def _sorted(rows: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    order = [name for name in (schema.time, schema.id) if name is not None]
    return rows.sort_values(order, ignore_index=True)


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
    found = list(problems.of_parts(parts, schema))
    if found:
        raise problems.refusal(found)
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
        id=schema.id,
        time=schema.time,
        group=schema.group or "",
    )


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
    text = column.type == "string"
    found = bins.of_text(train) if text else bins.of_numbers(train)
    counts = bins.text_counts(train, found) if text else bins.number_counts(train, found)
    return manifest.Feature(
        name=name,
        type=column.type,
        unit=column.unit,
        known_hours_before=float(column.known),
        missing_share=float(columns.missing(train).mean()),
        description=column.description,
        edges=found.edges,
        values=found.texts,
        shares=tuple(float(count) / len(train) for count in counts),
    )


def _checks(parts: Parts, schema: Schema) -> Iterator[manifest.Check]:
    """Yield what was checked: the first three hold, or nothing had come this far."""
    rows = sum(map(len, parts.values()))
    soonest = min(schema.features, key=lambda name: schema.features[name].known)
    hours = schema.features[soonest].known
    yield _check("unique_ids", "ids are unique", held=True, found=f"{rows} ids, none twice")
    yield _check(
        "finite",
        "values are finite",
        held=True,
        found=f"{len(schema.numbers)} numeric features without infinite values",
    )
    yield _check(
        "known_in_time",
        "features are known before the prediction",
        held=True,
        found=f"{len(schema.features)} features, the last known {hours:g} hours before ({soonest})",
    )
    yield _in_order(parts, schema)
    if schema.group is not None:
        yield _groups_apart(parts, schema.group)
    yield from _repetitions(parts, schema)
    yield _gaps_known(parts, schema)
    yield _in_range(parts, schema)


def _check(key: str, name: str, *, held: bool, found: str) -> manifest.Check:
    return manifest.Check(name=name, passed=held, found=found, key=key)


def _in_order(parts: Parts, schema: Schema) -> manifest.Check:
    spans = [(name, part[schema.time].min(), part[schema.time].max()) for name, part in parts.items()]
    pairs = list(itertools.pairwise(spans))
    found = "; ".join(
        f"{before} ends {_moment(last)}, {after} begins {_moment(first)}"
        for (before, _, last), (after, first, _) in pairs
    )
    return _check(
        "time_order", "each part is older than the next", held=all(a[2] < b[1] for a, b in pairs), found=found
    )


def _groups_apart(parts: Parts, group: str) -> manifest.Check:
    parts_of = Counter(name for part in parts.values() for name in part[group].unique())
    shared = sum(count > 1 for count in parts_of.values())
    return _check(
        "groups_apart",
        "no group stands in two parts",
        held=shared == 0,
        found=f"{shared} of {len(parts_of)} groups ({group!r}) in several parts",
    )


def _repetitions(parts: Parts, schema: Schema) -> Iterator[manifest.Check]:
    """Compare rows by the hash of their features, 64 bits wide."""
    hashes = [_row_hashes(part[list(schema.features)]) for part in parts.values()]
    within = sum(len(part) - len(np.unique(part)) for part in hashes)
    across = sum(int(np.isin(part, np.concatenate(hashes[:i])).sum()) for i, part in enumerate(hashes) if i)
    rows, later = sum(map(len, hashes)), sum(map(len, hashes[1:]))
    yield _check(
        "no_repeats",
        "no two rows of a part are alike",
        held=within == 0,
        found=f"{within} of {rows} rows have the same features as an earlier one of their part",
    )
    yield _check(
        "no_repeats_across",
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
        if not columns.missing(train[name]).any() and any(columns.missing(part[name]).any() for part in others)
    ]
    return _check(
        "gaps_known",
        "features missing later were missing in training",
        held=not new,
        found=f"{', '.join(new) or 'no feature'} first missing after training",
    )


def _in_range(parts: Parts, schema: Schema) -> manifest.Check:
    ranged = {name: column for name, column in schema.features.items() if column.ranged}
    outside = {name: sum(_outside(part[name], column) for part in parts.values()) for name, column in ranged.items()}
    rows = sum(map(len, parts.values()))
    wrong = [
        f"{name}: {count} of {rows} rows are not {_allowed(ranged[name])}" for name, count in outside.items() if count
    ]
    held = f"{len(ranged)} of {len(schema.features)} features declare what may be found in them, and hold nothing else"
    return _check("ranges", "values are within their declared ranges", held=not wrong, found="; ".join(wrong) or held)


def _outside(values: pd.Series, column: Column) -> int:
    """Return how many values are outside of what *column* declares; limits are rounded as the values are."""
    if column.type == "string":
        return int((~values.isin([*column.values, ""])).sum())  # noqa: PD011 - the schema's
    low = -np.inf if column.minimum is None else np.float32(column.minimum)
    high = np.inf if column.maximum is None else np.float32(column.maximum)
    return int(((values < low) | (values > high)).sum())


def _allowed(column: Column) -> str:
    if column.type == "string":
        return f"one of {', '.join(column.values)}"
    limits = {"at least": column.minimum, "at most": column.maximum}
    return " and ".join(f"{words} {limit:g}" for words, limit in limits.items() if limit is not None)
