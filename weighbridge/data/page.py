"""The dataset's profile as a page for people: its parts, checks and features, and the values in them."""

from collections.abc import Iterator

import msgspec
import pandas as pd

from weighbridge.data.schema import Schema
from weighbridge.manifest import DataSection

_FREQUENT = 3
_SMALL_SHARE = 0.001
_SHOWN_LETTERS = 40
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


def statistics(parts: dict[str, pd.DataFrame], schema: Schema) -> Statistics:
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


def markdown(section: DataSection, summaries: Statistics) -> str:
    """Return the dataset's profile as a Markdown page for people.

    Args:
        section: the manifest's section on the data.
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


def _about(section: DataSection) -> str:
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


def _part_rows(section: DataSection) -> list[tuple[str, ...]]:
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


def _check_rows(section: DataSection) -> list[tuple[str, ...]]:
    return [(check.name, "yes" if check.passed else "**no**", check.found) for check in section.checks]


def _feature_rows(section: DataSection) -> list[tuple[str, ...]]:
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
    return ", ".join(f"{_shown(value)} {_percent(share)}" for value, share in summary.frequent) or _NONE


def _shown(value: str) -> str:
    """Return a value of the data, short and without power over the page."""
    short = value if len(value) <= _SHOWN_LETTERS else f"{value[:_SHOWN_LETTERS]}…"
    return short.replace("&", "&amp;").replace("<", "&lt;").replace("`", "'")


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
