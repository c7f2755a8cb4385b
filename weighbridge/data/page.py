"""The dataset's profile as a page for people: its parts, checks and features, and the values in them."""

import datetime as dt
from collections.abc import Iterator, Sequence

from weighbridge.data.profile import warnings
from weighbridge.data.values import Seen, Summary
from weighbridge.manifest import DataSection, Feature, Split

_SMALL_SHARE = 0.001
_SHOWN_LETTERS = 40
_SHOWN_CLASSES = 12
_NONE = "-"
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def markdown(section: DataSection, seen: Seen, changes: Sequence[str] = ()) -> str:
    """Return the dataset's profile as a Markdown page for people.

    Args:
        section: the manifest's section on the data.
        seen: what :func:`weighbridge.data.values.examine` returned of the same parts.
        changes: how the columns that were loaded differ from those of last time.
    """
    times = {feature.name for feature in section.features if feature.type == "time"}
    blocks = [
        "# Dataset profile",
        _about(section, changes),
        "## Parts",
        f"Rows are divided {section.split_rule}.",
        _table(("part", "rows", "groups", "first (UTC)", "last (UTC)", _target_head(section)), _part_rows(section)),
        "## Checks",
        _table(("check", "held", "found"), _check_rows(section)),
        *(f"**Warning**: {_cell(warning)}." for warning in warnings(section)),
        "## Features",
        "Known: hours before the prediction from which the value is there. Missing: share of the training rows.",
        _table(("feature", "meaning", "type", "unit", "known", "missing"), _feature_rows(section)),
        *(
            block
            for part, features in seen.items()
            for block in _part_blocks(part, {name: values.summary for name, values in features.items()}, times)
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def _about(section: DataSection, changes: Sequence[str]) -> str:
    size = sum(file.bytes for file in section.raw.files)
    lines = [
        ("Source", section.source),
        ("Licence", section.licence),
        ("Version", f"`{section.raw.sha256}` (SHA-256; files: {len(section.raw.files)}, {size / 1e6:.1f} MB)"),
        ("Target", f"`{section.target}`: {_target(section)}"),
        (
            "Rows",
            f"{section.rows:,} in the parts; {section.dropped_rows:,} of the table had no target and were left out",
        ),
        *([("Columns loaded", "; ".join(changes))] if changes else []),
    ]
    return "\n".join(f"- {name}: {_cell(text)}" for name, text in lines)


def _target(section: DataSection) -> str:
    if not section.labels:
        return "a number" + (f", in {section.target_unit}" if section.target_unit else "")
    return ", ".join(f"{number} is {label}" for number, label in enumerate(section.labels))


def _target_head(section: DataSection) -> str:
    if section.task == "binary":
        return f"{section.target} = 1"
    return f"{section.target}, mean ± deviation" if section.task == "regression" else section.target


def _part_rows(section: DataSection) -> list[tuple[str, ...]]:
    return [
        (
            name,
            f"{split.rows:,}",
            _NONE if split.groups is None else f"{split.groups:,}",
            _minute(split.first),
            _minute(split.last),
            _target_of(split),
        )
        for name, split in section.splits.items()
    ]


def _target_of(split: Split) -> str:
    if split.target_rate is not None:
        return _percent(split.target_rate)
    if split.target_mean is not None and split.target_deviation is not None:
        return f"{split.target_mean:,.5g} ± {split.target_deviation:,.5g}"
    shown = [f"{_shown(label)} {_percent(share)}" for label, share in split.target_shares.items()]
    rest = [f"{len(shown) - _SHOWN_CLASSES} more"] if len(shown) > _SHOWN_CLASSES else []
    return ", ".join([*shown[:_SHOWN_CLASSES], *rest])


def _minute(moment: str | None) -> str:
    return _NONE if moment is None else moment[:16].replace("T", " ")


def _check_rows(section: DataSection) -> list[tuple[str, ...]]:
    return [(check.name, "yes" if check.passed else "**no**", check.found) for check in section.checks]


def _feature_rows(section: DataSection) -> list[tuple[str, ...]]:
    return [
        (
            f"`{feature.name}`",
            feature.description,
            _type(feature),
            feature.unit,
            f"{feature.known_hours_before:g} h",
            _percent(feature.missing_share),
        )
        for feature in section.features
    ]


def _type(feature: Feature) -> str:
    shape = " by ".join(map(str, feature.shape))
    return f"{feature.type}, {shape}" if shape else feature.type


def _part_blocks(part: str, features: dict[str, Summary], times: set[str]) -> Iterator[str]:
    yield f"## Values in {part}"
    numbers = {name: summary for name, summary in features.items() if summary.low is not None}
    if numbers:
        yield _table(
            ("number", "least", "mean", "most", "distinct", "missing"),
            [
                (
                    f"`{name}`",
                    *_range(summary, time=name in times),
                    f"{summary.distinct:,}" if summary.distinct else _NONE,
                    _percent(summary.missing_share),
                )
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


def _range(summary: Summary, *, time: bool) -> tuple[str, ...]:
    found = [value for value in (summary.low, summary.mean, summary.high) if value is not None]
    return tuple(_day(value) if time else f"{value:,.5g}" for value in found)


def _day(days: float) -> str:
    """Return a number of days since 1970 as a day."""
    try:
        return (_EPOCH + dt.timedelta(days=days)).date().isoformat()
    except OverflowError:  # further than the calendar goes
        return f"{days:,.5g} days"


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
