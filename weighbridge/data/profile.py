"""What is in the rows of the parts, as :mod:`weighbridge.data.prepare` wrote them: checked and recorded.

Rows that can't be used are refused, with every problem of the table at once; what may be meant (rows that are
alike, a group in two parts) is recorded as a check that didn't hold. The same for people is in
:mod:`weighbridge.data.page`.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from weighbridge import manifest, settings
from weighbridge.data import hashes, problems
from weighbridge.data.batches import Columns
from weighbridge.data.schema import Column, Schema
from weighbridge.data.split import rule_in_words
from weighbridge.data.values import THREADS, Part, Seen, Values, batches, examine, stacked, text_counts

_MENDED = {
    "groups_apart": "split by group, or leave the group out of the schema",
    "ranges": "mend the rows, or what the schema declares",
}
"""What makes a check hold, by its key."""

Parts = Mapping[str, Part]
"""Prepared rows by the name of their part, in order of time: train first."""


class _Span(NamedTuple):
    """When the first and the last row of a part are."""

    first: pd.Timestamp
    last: pd.Timestamp


def profile(  # noqa: PLR0913, PLR0917 - each is a fact of its own
    parts: Parts,
    schema: Schema,
    raw: manifest.Raw,
    data: settings.Data,
    dropped: int,
    digests: dict[str, str],
    loaded: Columns | None = None,
    seen: Seen | None = None,
) -> manifest.DataSection:
    """Return the manifest's section on the data.

    Args:
        parts: the prepared rows of each part, in order of time (train first).
        schema: what the columns mean; its ``missing_share`` in the result is that of the training rows.
        raw: the raw files.
        data: the settings that led here.
        dropped: rows left out because their target is missing.
        digests: SHA-256 of each part's file.
        loaded: the columns that were loaded, where they are known.
        seen: what is in the features, where it was looked at already.

    Raises:
        DataError: listing every part that is empty, holds one class or lacks one to learn from, and every feature
            without a training value.
    """
    seen = examine(parts, schema) if seen is None else seen
    found = list(problems.of_parts(parts, schema, seen))
    if found:
        raise problems.refusal(found)
    rows, train = len(next(iter(parts.values()))), next(iter(seen.values()))
    spans = {} if schema.time is None else {name: _span(part[schema.time]) for name, part in parts.items()}
    return manifest.DataSection(
        raw=raw,
        source=data.source,
        licence=data.licence,
        rows=sum(map(len, parts.values())),
        dropped_rows=dropped,
        target=schema.target,
        labels=tuple(schema.labels),
        split_rule=rule_in_words(data.split, schema),
        splits={name: _split(part, schema, digests[name], spans.get(name)) for name, part in parts.items()},
        features=tuple(_feature(name, column, train[name], rows) for name, column in schema.features.items()),
        checks=tuple(_checks(parts, schema, data.split, seen, spans)),
        id=schema.id,
        time=schema.time or "",
        group=schema.group or "",
        task=schema.task,
        weight=schema.weight or "",
        target_unit=schema.unit,
        folds=data.split.folds if isinstance(data.split, settings.FoldSplit) else 0,
        loaded=loaded or {},
    )


def warnings(section: manifest.DataSection) -> Iterator[str]:
    """Yield what didn't hold and a gate on data usually asks for, which is judged only once all is trained."""
    for check in section.checks:
        if not check.passed and check.key in settings.DataGate().checks:
            mended = f"; {_MENDED[check.key]}" if check.key in _MENDED else ""
            yield f"{check.found}: the gate on data, where it asks for {check.key}, will refuse the release{mended}"


def _split(part: Part, schema: Schema, digest: str, span: _Span | None) -> manifest.Split:
    target = part[schema.target].to_numpy()
    classes = np.bincount(target, minlength=len(schema.labels)) / len(target) if schema.labels else np.empty(0)
    return manifest.Split(
        rows=len(part),
        groups=None if schema.group is None else len(text_counts(part, schema.group)),
        first=_moment(span.first) if span else None,
        last=_moment(span.last) if span else None,
        target_rate=float(classes[1]) if schema.task == "binary" else None,
        sha256=digest,
        target_shares={label: float(share) for label, share in zip(schema.labels, classes, strict=True)},
        target_mean=None if schema.labels else float(target.mean()),
        target_deviation=None if schema.labels else float(target.std()),
    )


def _span(times: pd.Series) -> _Span:
    return _Span(times.min(), times.max())


def _moment(time: pd.Timestamp) -> str:
    return str(time.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _feature(name: str, column: Column, train: Values, rows: int) -> manifest.Feature:
    return manifest.Feature(
        name=name,
        type=column.type,
        unit=column.unit,
        known_hours_before=float(column.known),
        missing_share=train.missing / rows,
        description=column.description,
        edges=train.bins.edges,
        values=train.bins.texts,
        shares=tuple(float(count) / rows for count in train.counts),
        shape=column.shape,
    )


def _checks(
    parts: Parts, schema: Schema, split: settings.Split, seen: Seen, spans: dict[str, _Span]
) -> Iterator[manifest.Check]:
    """Yield what was checked: the first three hold, or nothing had come this far."""
    rows = sum(map(len, parts.values()))
    soonest = min(schema.features, key=lambda name: schema.features[name].known)
    hours = schema.features[soonest].known
    yield _check("unique_ids", "ids are unique", held=True, found=f"{rows} ids, none twice")
    yield _check(
        "finite",
        "values are finite",
        held=True,
        found=f"{len(schema.numbers) + len(schema.arrays)} numeric features without infinite values",
    )
    yield _check(
        "known_in_time",
        "features are known before the prediction",
        held=True,
        found=f"{len(schema.features)} features, the last known {hours:g} hours before ({soonest})",
    )
    if schema.time is not None:
        yield _in_order(spans, split)
    if schema.group is not None:
        yield _groups_apart(parts, schema.group)
    yield from _repetitions(parts, schema)
    yield _gaps_known(schema, seen)
    yield _in_range(parts, schema, seen)


def _check(key: str, name: str, *, held: bool, found: str) -> manifest.Check:
    return manifest.Check(name=name, passed=held, found=found, key=key)


def _in_order(spans: dict[str, _Span], split: settings.Split) -> manifest.Check:
    name = "each part is older than the next"
    if not isinstance(split, settings.TimeSplit):
        return _check("time_order", name, held=True, found="not applicable, rows aren't divided by time")
    pairs = list(itertools.pairwise(spans.items()))
    found = "; ".join(
        f"{before} ends {_moment(earlier.last)}, {after} begins {_moment(later.first)}"
        for (before, earlier), (after, later) in pairs
    )
    return _check(
        "time_order", name, held=all(earlier.last < later.first for (_, earlier), (_, later) in pairs), found=found
    )


def _groups_apart(parts: Parts, group: str) -> manifest.Check:
    names = pd.concat([text_counts(part, group).index.to_series() for part in parts.values()])
    shared = int(names[names.duplicated()].nunique())
    return _check(
        "groups_apart",
        "no group stands in two parts",
        held=shared == 0,
        found=f"{shared} of {names.nunique()} groups ({group!r}) in several parts",
    )


def _repetitions(parts: Parts, schema: Schema) -> Iterator[manifest.Check]:
    """Compare rows by the hash of their features, 64 bits wide."""
    found = [_row_hashes(part, schema) for part in parts.values()]
    within = sum(int(np.count_nonzero(part[1:] == part[:-1])) for part in found)
    across = sum(_known(part, found[:i]) for i, part in enumerate(found) if i)
    rows, later = sum(map(len, found)), sum(map(len, found[1:]))
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


def _row_hashes(part: Part, schema: Schema) -> hashes.Hashes:
    """Return a hash of each row's features, sorted."""

    def hashed(read: Callable[[], pa.Table]) -> hashes.Hashes:
        batch = read()
        found = np.zeros(len(batch), np.uint64)
        for name, column in schema.features.items():
            found = hashes.mixed(found, _bits(batch[name], column))
        return found

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(hashed, batches(part, list(schema.features))))
    return np.sort(np.concatenate([np.empty(0, np.uint64), *found]))


def _bits(values: pa.ChunkedArray, column: Column) -> hashes.Hashes:
    """Return a number [n] for each value, another for each other value."""
    if column.kind == "number":
        return np.asarray(values.to_numpy().view(np.uint32), np.uint64)
    if column.kind == "array":
        rows = np.empty(len(values), dtype=object)
        rows[:] = [row.tobytes() for row in stacked(values)]
        return np.asarray(pd.util.hash_array(rows, categorize=False), np.uint64)
    if not pa.types.is_dictionary(values.type):
        values = values.dictionary_encode()
    whole = values.unify_dictionaries().combine_chunks()
    return np.asarray(hashes.of_texts(whole.dictionary)[whole.indices.to_numpy()])


def _known(own: hashes.Hashes, earlier: list[hashes.Hashes]) -> int:
    """Return how many of a part's *own* hashes, sorted, are among those of an *earlier* part, sorted as well."""
    known = np.zeros(len(own), dtype=bool)
    for other in earlier:
        place = np.minimum(np.searchsorted(other, own), len(other) - 1)
        known |= other[place] == own
    return int(known.sum())


def _gaps_known(schema: Schema, seen: Seen) -> manifest.Check:
    train, *others = seen.values()
    new = [name for name in schema.features if not train[name].missing and any(part[name].missing for part in others)]
    return _check(
        "gaps_known",
        "features missing later were missing in training",
        held=not new,
        found=f"{', '.join(new) or 'no feature'} first missing after training",
    )


def _in_range(parts: Parts, schema: Schema, seen: Seen) -> manifest.Check:
    ranged = {name: column for name, column in schema.features.items() if column.ranged}
    outside = {name: sum(part[name].outside for part in seen.values()) for name in ranged}
    rows = sum(map(len, parts.values()))
    wrong = [
        f"{name}: {count} of {rows} rows are not {_allowed(ranged[name])}" for name, count in outside.items() if count
    ]
    held = f"{len(ranged)} of {len(schema.features)} features declare what may be found in them, and hold nothing else"
    return _check("ranges", "values are within their declared ranges", held=not wrong, found="; ".join(wrong) or held)


def _allowed(column: Column) -> str:
    if column.type == "string":
        return f"one of {', '.join(column.values)}"
    limits = {"at least": column.minimum, "at most": column.maximum}
    return " and ".join(f"{words} {limit:g}" for words, limit in limits.items() if limit is not None)
