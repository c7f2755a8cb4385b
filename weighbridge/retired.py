"""Keys and values of the configuration that earlier versions knew, each answered by its new form."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from weighbridge.documents import Document, Path_

_ANY = "*"


class Retired(NamedTuple):
    """A key, or with *value* one of its values, that is known no more; *now* says what to write instead.

    A ``*`` in *path* stands for any one key or position.
    """

    path: tuple[str, ...]
    value: str | None
    now: str


_BRIER = 'write "brier_score_loss", as scikit-learn calls it'

KNOWN = (
    Retired(
        ("gates", _ANY, "kind"),
        "floor",
        'write kind: "absolute"; min and max stay, and are now held against the bound of the interval, not its value',
    ),
    Retired(
        ("gates", _ANY, "kind"),
        "not_worse",
        'write kind: "change" and test: "non_inferior"; metric and margin stay',
    ),
    Retired(("gates", _ANY, "metric"), "brier", _BRIER),
    Retired(("metrics", "names", _ANY), "brier", _BRIER),
    Retired(("select", "metric"), "brier", _BRIER),
)
"""Everything that was renamed, in one table; what is added here is refused in words, and tested."""


def problems(document: Document) -> Iterator[str]:
    """Yield a line for each retired key or value in *document*: where it stands, and its new form."""
    for old in KNOWN:
        for path, value in _found(document.value, old.path, ()):
            if old.value is None:
                yield f"{document.where(path)}: a key of an earlier version; {old.now}"
            elif value == old.value:
                yield f"{document.where(path)}: found {value!r}, of an earlier version; {old.now}"


def _found(value: Any, rest: tuple[str, ...], path: Path_) -> Iterator[tuple[Path_, Any]]:
    if not rest:
        yield path, value
        return
    known: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in known:
        if rest[0] in {_ANY, key}:
            yield from _found(item, rest[1:], (*path, key))
