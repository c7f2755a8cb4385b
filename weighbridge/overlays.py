"""What lies over a file of the configuration: from ``--configfile`` and ``--config``, only what differs."""

from collections.abc import Mapping
from typing import Any

import msgspec

from weighbridge import documents
from weighbridge.errors import SettingsError

_KIND = ("by", "kind", "method")
"""The keys that say which record a mapping is: a split, a gate, a search."""
_OF_KINDS = frozenset({"data", "gates", "search"})
"""Below these are such records; elsewhere, as in ``params``, such a key means something else."""

_NAMED = {"candidates": "candidate", "gates": "gate", "search": "search"}
"""What people name, by the key that it stands below; an overlay may take it out."""


def laid(document: documents.Document, overlay: Mapping[str, Any]) -> documents.Document:
    """Return *document* with *overlay* laid over it.

    Mappings are merged key by key, unless both say of what kind they are and differ; lists are replaced. Null takes a
    key out, but below a candidate's ``params``. Lines of what the overlay says aren't known.

    Raises:
        SettingsError: where it takes out what isn't there.
    """
    if not overlay:
        return document
    _refuse_absent(document, overlay)
    lines = {path: line for path, line in document.lines.items() if path}
    value = _merge(document.value or {}, overlay, (), lines)
    return msgspec.structs.replace(document, source=f"{document.source} with overlay", value=value, lines=lines)


def _refuse_absent(document: documents.Document, overlay: Mapping[str, Any]) -> None:
    """Refuse to take out what isn't there: most likely, its name is misspelt."""
    for key, what in _NAMED.items():
        known, named = ((each.get(key) if isinstance(each, Mapping) else None) for each in (document.value, overlay))
        there = known if isinstance(known, dict) else {}
        for name, item in named.items() if isinstance(named, Mapping) else ():
            if item is None and name not in there:
                hint = documents.nearest(str(name), there)
                raise SettingsError(
                    f"{document.source} with overlay: {key}.{name}: no {what} {name!r} to take out; {hint}"
                )


def _merge(base: Any, over: Any, path: tuple[str, ...], lines: dict[Any, int]) -> Any:
    both = isinstance(base, dict) and isinstance(over, Mapping)
    merged = dict(base) if both and not _is_of_another_kind(base, over, path) else {}
    if not merged:
        for known in [known for known in lines if known[: len(path)] == path]:
            del lines[known]
    if not both:
        return over
    for key, item in over.items():
        if item is None and key in base and not _is_parameter((*path, key)):
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), item, (*path, key), lines)
    return merged


def _is_of_another_kind(base: Mapping[str, Any], over: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    """Return whether both say of what kind they are, and differ: then no key of the one means anything to the other."""
    of_section, named = path[:1], path[1:]
    if not set(of_section) & _OF_KINDS or len(named) != 1:
        return False
    return any(key in base and over.get(key, base[key]) != base[key] for key in _KIND)


def _is_parameter(path: tuple[str, ...]) -> bool:
    """Return whether *path* lies below a candidate's ``params``: there, null is an argument like any other."""
    return path[:1] == ("candidates",) and path[2:3] == ("params",) and len(path) > len(("candidates", "", "params"))
