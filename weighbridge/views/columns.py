"""Plain text in columns: fast, and the same on a terminal and in a file."""

import json
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any


def printable(text: str) -> str:
    """Return *text* with nothing that a terminal would obey: what is shown may come from a forged release."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(letter if letter == "\n" or letter.isprintable() else _instead(letter) for letter in text)


def _instead(letter: str) -> str:
    return " " if unicodedata.category(letter) == "Zs" else "\N{REPLACEMENT CHARACTER}"


def printable_json(document: str) -> str:
    """Return the same JSON document with such letters as escapes, for they stand within strings only."""
    if document.replace("\n", "").isprintable():
        return document
    return "".join(
        letter if letter == "\n" or letter.isprintable() else json.dumps(letter)[1:-1] for letter in document
    )


def aligned(rows: Iterable[Sequence[str]], *, indent: int = 0) -> list[str]:
    """Return the rows as lines whose columns begin at the same place."""
    table = [tuple(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        (" " * indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()
        for row in table
    ]


def number(value: float) -> str:
    """Return a measured number as people read it: four digits that count."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def words(value: Any) -> str:
    """Return any plain value in words."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, list | tuple):
        return ", ".join(words(item) for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {words(item)}" for key, item in value.items()) or "none"
    return str(value) if value != "" else "none"


def short(digest: str | None) -> str:
    """Return the first 12 digits of a digest."""
    return digest[:12] if digest else "none"


def files(count: int) -> str:
    """Return a number of files in words."""
    return f"{count} file" if count == 1 else f"{count} files"


def thousands(count: int) -> str:
    """Return a count such as ``166,158``."""
    return f"{count:,}"
