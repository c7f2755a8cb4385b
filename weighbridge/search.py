"""From ``search:`` to candidates: each point of a grid or of random draws, under a name of its own.

Nothing here depends on a clock, a platform or a version of Python: the same settings give the same points, and the
same name for the same point, so that a change of the search trains new points only.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from weighbridge.digest import sha256_bytes, sha256_json
from weighbridge.documents import Document, Path_, dotted
from weighbridge.errors import SettingsError
from weighbridge.settings import Candidate, Fit, Grid, Random, Span

MOST = 1000
"""Points of all searches together."""
_DIGITS = 6
_LONGEST = 64 - _DIGITS - 1
_PLACES = ("params", "fit")
_FIT = {field.encode_name for field in msgspec.structs.fields(Fit)}

Point = dict[str, dict[str, Any]]
"""What is set at a point: ``params`` and ``fit``, each by key."""


class Searched(NamedTuple):
    """A candidate that a search made: of which, and what was set."""

    base: str
    point: Point


def expand(
    candidates: Mapping[str, Candidate], searches: Mapping[str, Grid | Random], document: Document
) -> dict[str, Candidate]:
    """Return the candidates, each that is searched replaced by its points.

    Args:
        candidates: the candidates of the configuration, by name.
        searches: what to try, by the candidate's name.
        document: where both stand, for messages.

    Raises:
        SettingsError: where a search can't be meant; naming file, line, key, what was found and what was expected.
    """
    for name, search in searches.items():
        _check(name, search, candidates, document)
    count = sum(map(_size, searches.values()))
    if count > MOST:
        raise SettingsError(f"{document.where(('search',))}: found {count} points; expected at most {MOST}")
    made = named(searches)
    twice = sorted(set(made) & set(candidates))
    if twice:
        raise SettingsError(
            f"{document.where(('candidates', twice[0]))}: a point of the search has the same name; call the candidate "
            "otherwise"
        )
    expanded: dict[str, Candidate] = {}
    for name, candidate in candidates.items():
        points = {own: one.point for own, one in made.items() if one.base == name}
        expanded |= {own: _at(candidate, name, point, document) for own, point in points.items()}
        if not points:
            expanded[name] = candidate
    return expanded


def named(searches: Mapping[str, Grid | Random]) -> dict[str, Searched]:
    """Return each point under its name: the candidate's, and as much of a digest of what is set as tells it apart.

    The first comes first, so points that are added change no name; a point that comes twice counts once.
    """
    found: dict[str, Searched] = {}
    for base, search in searches.items():
        seen: set[str] = set()
        for point in points_of(search):
            digest = sha256_json(point)
            if digest in seen:
                continue
            seen.add(digest)
            lengths = range(_DIGITS, len(digest) + 1)
            names = (f"{base}-{digest[:length]}" for length in lengths)
            found[next(name for name in names if name not in found)] = Searched(base, point)
    return found


def points_of(search: Grid | Random) -> Iterator[Point]:
    """Yield the points: of a grid with the last key fastest; of random draws in their order."""
    values = {(place, key): tried for place in _PLACES for key, tried in getattr(search, place).items()}
    if isinstance(search, Grid):
        for chosen in itertools.product(*values.values()):
            yield _point(dict(zip(values, chosen, strict=True)))
    else:
        for number in range(search.samples):
            yield _point({key: _draw(tried, _chance(search.seed, key, number)) for key, tried in values.items()})


def _point(chosen: Mapping[tuple[str, str], Any]) -> Point:
    return {place: {key: value for (of, key), value in chosen.items() if of == place} for place in _PLACES}


def _size(search: Grid | Random) -> int:
    if isinstance(search, Random):
        return search.samples
    return math.prod(len(tried) for place in _PLACES for tried in getattr(search, place).values())


def _chance(seed: int, key: tuple[str, str], number: int) -> float:
    """Return a number in [0, 1): by a digest, so that each key's draws are its own, whatever else is searched."""
    digest = sha256_bytes(f"{seed} {'.'.join(key)} {number}".encode())
    return int(digest[:13], 16) / 16**13


def _draw(tried: tuple[Any, ...] | Span, chance: float) -> Any:
    """Return the value at a *chance*; of a span, rounded to what can be read and is the same on every machine."""
    if not isinstance(tried, Span):
        return tried[int(chance * len(tried))]
    low, high = tried.low, tried.high
    if tried.integer:
        top = high + 1
        value = math.exp(_between(math.log(low), math.log(top), chance)) if tried.log else _between(low, top, chance)
        return int(min(max(math.floor(value), low), high))
    if tried.log:
        value = float(f"{math.exp(_between(math.log(low), math.log(high), chance)):.6g}")
    else:
        value = round(_between(low, high, chance), 5 - math.floor(math.log10(high - low)))
    return min(max(value, low), high)


def _between(low: float, high: float, chance: float) -> float:
    return low + chance * (high - low)


def _check(name: str, search: Grid | Random, candidates: Mapping[str, Candidate], document: Document) -> None:
    at: Path_ = ("search", name)
    if name not in candidates:
        known = ", ".join(sorted(candidates))
        raise SettingsError(f"{document.where(at)}: no candidate {name!r}; expected one of {known}")
    if len(name) > _LONGEST:
        raise SettingsError(
            f"{document.where(at)}: found a name of {len(name)} characters; expected at most {_LONGEST}, since those "
            "of its points are longer"
        )
    if not search.params and not search.fit:
        raise SettingsError(f"{document.where(at)}: nothing to try; expected values below 'params' or 'fit'")
    unknown = sorted(set(search.fit) - _FIT)
    if unknown:
        raise SettingsError(
            f"{document.where((*at, 'fit', unknown[0]))}: unknown key; expected one of {', '.join(sorted(_FIT))}"
        )
    for place in _PLACES:
        for key, tried in getattr(search, place).items():
            where = document.where((*at, place, key))
            if isinstance(tried, Span):
                _check_span(tried, where)
            elif not tried:
                raise SettingsError(f"{where}: found no value; expected at least one to try")


def _check_span(span: Span, where: str) -> None:
    if not span.low < span.high:
        raise SettingsError(f"{where}: found low {span.low} and high {span.high}; expected low below high")
    if span.log and span.low <= 0:
        raise SettingsError(f"{where}: found low {span.low} with log; expected a low above 0, which has a logarithm")
    if span.integer and not (span.low.is_integer() and span.high.is_integer()):
        raise SettingsError(f"{where}: found low {span.low} and high {span.high}; expected whole numbers with integer")


def _at(candidate: Candidate, name: str, point: Point, document: Document) -> Candidate:
    """Return the candidate with what is set at *point*; its own params and fit stay where nothing is said."""
    params = candidate.params | point["params"]
    try:
        fit = msgspec.convert(msgspec.to_builtins(candidate.fit) | point["fit"], Fit, strict=True)
    except msgspec.ValidationError as problem:
        text, _, field = str(problem).replace("`", "'").partition(" - at '$.")
        key = field.rstrip("'")
        path: Path_ = ("search", name, "fit", key)
        found = point["fit"].get(key)
        raise SettingsError(f"{document.where(path)}: found {found!r}: {text[:1].lower()}{text[1:]}") from None
    return msgspec.structs.replace(candidate, params=params, fit=fit)


def set_at(point: Point) -> dict[str, Any]:
    """Return what is set at *point* by dotted key, such as ``params.C``."""
    return {dotted((place, key)): value for place in _PLACES for key, value in point[place].items()}
