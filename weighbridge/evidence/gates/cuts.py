"""Parts of the rows: by the values of a column, or of several together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from weighbridge.errors import SettingsError
from weighbridge.evidence.rows import Numbers, Rows


class Cut(NamedTuple):
    """Some of the rows: what they have in common, and their positions [rows] in order."""

    name: str
    place: Numbers


class Cuts(NamedTuple):
    """All parts by some columns: those large enough, the largest first, and of the others names and numbers of rows."""

    by: str
    large: tuple[Cut, ...]
    small: tuple[tuple[str, int], ...]
    small_count: int
    small_rows: int


def cuts(rows: Rows, columns: Sequence[str], min_rows: int, listed: int) -> Cuts:
    """Cut the rows by the values of *columns* together.

    Args:
        rows: the test rows.
        columns: one, or the several of a crossing.
        min_rows: the smallest part that is large enough.
        listed: how many of the smaller parts are named, the largest first.

    Raises:
        SettingsError: where there is no such column, with the nearest.
    """
    coded = [rows.coded(column) for column in columns]
    # One number a combination that occurs: the product of all values may be far beyond what occurs.
    numbers = coded[0].numbers
    for other in coded[1:]:
        numbers = np.unique(numbers * len(other.values) + other.numbers, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(numbers)
    order = np.argsort(numbers, kind="stable")
    starts = np.cumsum(counts) - counts
    sizes = np.argsort(-counts, kind="stable")
    sizes = sizes[counts[sizes] > 0]

    def place(number: int) -> Numbers:
        return order[starts[number] : starts[number] + counts[number]]

    def name(number: int) -> str:
        row = int(order[starts[number]])
        return named({column: one.values[one.numbers[row]] for column, one in zip(columns, coded, strict=True)})

    large = [int(number) for number in sizes if counts[number] >= min_rows]
    small = sizes[len(large) :]
    return Cuts(
        by=" and ".join(columns),
        large=tuple(Cut(name(number), place(number)) for number in large),
        small=tuple((name(int(number)), int(counts[number])) for number in small[:listed]),
        small_count=len(small),
        small_rows=int(counts[small].sum()),
    )


def named(where: Mapping[str, str]) -> str:
    """Return a part in words, as ``origin=JFK, carrier=AA``."""
    return ", ".join(f"{column}={value}" for column, value in where.items())


def must_pass(rows: Rows, wanted: Sequence[Mapping[str, str]]) -> Iterator[Cut]:
    """Yield the named parts of the rows.

    Raises:
        SettingsError: for a column that isn't there, a value that no row has, or values that no row has together.
    """
    for where in wanted:
        place = np.flatnonzero(rows.member(where))
        if not len(place):
            raise SettingsError(
                f"must_pass: {named(where)}: no test row has these values together; expected one at least"
            )
        yield Cut(named(where), place)
