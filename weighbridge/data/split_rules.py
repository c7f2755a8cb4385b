"""What the settings say of a split, for those who have no rows yet: what is wrong with it, and the rule in words."""

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Iterator

from weighbridge.data.schema import Schema
from weighbridge.settings import ColumnSplit, FoldSplit, GroupSplit, RandomSplit, Split, TimeSplit

BOUNDARIES = ("start", "validation", "test", "end")
"""The keys of a split by time that name a day, in order."""


def split_problems(split: Split) -> Iterator[tuple[str, str]]:
    """Yield what no rows could make good: the key below ``data.split``, and its problem."""
    match split:
        case TimeSplit():
            yield from _time_problems(split)
        case RandomSplit() | GroupSplit() if split.validation + split.test >= 1:
            found = f"found {split.validation:g}, and {split.test:g} for test"
            yield "validation", f"{found}, which leaves no rows to train on; expected shares that add up to less than 1"
        case ColumnSplit():
            yield from _value_problems(split)
        case _:
            pass


def _time_problems(split: TimeSplit) -> Iterator[tuple[str, str]]:
    days = {}
    for name in BOUNDARIES:
        try:
            days[name] = dt.date.fromisoformat(getattr(split, name))
        except ValueError:
            yield name, f"there is no day {getattr(split, name)!r}; write YYYY-MM-DD"
    for before, after in itertools.pairwise(BOUNDARIES):
        if before in days and after in days and days[before] >= days[after]:
            yield after, f"{days[after]} isn't after {before} ({days[before]}); expected a later day"
    try:
        zoneinfo.ZoneInfo(split.timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        yield "timezone", f"{split.timezone!r} is unknown; expected a name such as 'UTC' or 'Europe/Berlin'"


def _value_problems(split: ColumnSplit) -> Iterator[tuple[str, str]]:
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    for one, other in itertools.combinations(parts, 2):
        for value in sorted(set(parts[one]) & set(parts[other])):
            yield other, f"{value!r} also stands for {one}; expected each value in one part"


def rule_in_words(split: Split, schema: Schema) -> str:
    """Return the rule as a sentence for people."""
    match split:
        case TimeSplit():
            start = "" if split.start == TimeSplit.__struct_defaults__[0] else f" from {split.start}"
            return (
                f"by {schema.time!r}, days in {split.timezone}: train{start} before {split.validation}, "
                f"validation from {split.validation}, test from {split.test} and before {split.end}"
            )
        case RandomSplit():
            return (
                f"at random by a digest of {schema.id!r} (seed {split.seed})"
                f"{_strata(schema, stratify=split.stratify)}: "
                f"validation {split.validation:.4g}, test {split.test:.4g} of the rows, "
                "train the rest"
            )
        case GroupSplit():
            return (
                f"whole groups at random by a digest of {schema.group!r} (seed {split.seed}): "
                f"validation {split.validation:.4g}, test {split.test:.4g} of the groups, train the rest"
            )
        case ColumnSplit():
            parts = {"train": split.train, "validation": split.validation, "test": split.test}
            told = ", ".join(f"{part} where {' or '.join(map(repr, values))}" for part, values in parts.items())
            return f"by the column {split.column!r}: {told}"
        case FoldSplit():
            grouped = schema.group is not None
            drawn, units = (schema.group, "groups") if grouped else (schema.id, "rows")
            return (
                f"{split.folds} folds {'of whole groups ' if grouped else ''}at random by a digest of {drawn!r} "
                f"(seed {split.seed}){_strata(schema, stratify=split.stratify and not grouped)}: "
                f"seed s validates on fold s modulo {split.folds} and "
                f"trains on the others; test {split.test:.4g} of the {units}, in no fold"
            )


def _strata(schema: Schema, *, stratify: bool) -> str:
    if not stratify:
        return ""
    return f", within each {'tenth' if schema.task == 'regression' else 'class'} of {schema.target!r}"
