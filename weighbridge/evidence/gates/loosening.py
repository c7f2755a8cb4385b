"""What became easier since the last release, gate by gate, in words.

Anything that lets through what was refused before, or makes a refusal less likely, is a loosened limit. Where that
can't be told (another metric, another column to group by), the change is named as well: a person decides.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from weighbridge import settings

_LIMITS = {
    "min": -1, "max": 1, "margin": 1, "confidence": -1, "min_rows": 1, "max_gap": 1, "max_negative_flips": 1,
    "max_times_noise": 1, "max_ratio": 1, "max_psi": 1, "max_age_days": 1, "max_difference": 1,
    "max_changed_decisions": 1,
}  # fmt: skip
"""The numbers of gates by name, and the direction in which a change loosens them."""
_LISTS = ("columns", "crossings", "must_pass", "checks", "sections", "required_for")
"""What a gate looks at: with less of it, it sees less."""
_CHOICES: dict[str, Callable[[Any, Any], bool]] = {
    "inconclusive": lambda _, after: after == "approve",
    "on_drift": lambda _, after: after == "warn",
    "by_another": lambda _, after: not after,
    # To be better, or equivalent, is harder than not to be worse; of these two neither is.
    "test": lambda before, _: before != "non_inferior",
    # Rows taken for independent give the narrowest intervals; of two columns either may.
    "group_by": lambda before, _: before != "",
    "cases": lambda before, _: before != "",
}
"""Whether another choice is easier than the one before, by key."""
_IDENTITY = ("kind", "metric", "quantity")
"""What a gate is about: with another, it is another gate."""


def loosened(old_gates: Mapping[str, Any], new_gates: Mapping[str, Any]) -> tuple[str, ...]:
    """Return, in words, each gate that was removed or replaced, and each limit that was loosened.

    Gates are records, or plain mappings with ``kind``, by name. One that was only renamed isn't removed.
    """
    old = {name: _plain(gate) for name, gate in old_gates.items()}
    new = {name: _plain(gate) for name, gate in new_gates.items()}
    found: list[str] = []
    for name, gate in old.items():
        if name in new:
            found += [f"{name}: {words}" for words in _loosenings(gate, new[name])]
        elif gate not in new.values():
            found.append(f"{name}: removed ({_words(gate)})")
    return tuple(found)


def _plain(gate: Any) -> dict[str, Any]:
    """Return a gate as a mapping with its defaults filled in."""
    plain: dict[str, Any] = msgspec.to_builtins(gate)
    try:
        filled = msgspec.to_builtins(msgspec.convert(plain, settings.Gate))
    except msgspec.ValidationError:  # of a kind that this version doesn't know
        return plain
    return {key: list(value) if isinstance(value, tuple) else value for key, value in filled.items()}


def _words(gate: Mapping[str, Any]) -> str:
    """Return a gate in words, without what is at its default."""
    defaults = _defaults(str(gate.get("kind")))
    missing = object()
    told = (f"{key} {_value(value)}" for key, value in gate.items() if value != defaults.get(key, missing))
    return ", ".join(told)


def _defaults(kind: str) -> dict[str, Any]:
    record = next((each for each in settings.Gate.__args__ if each.__struct_config__.tag == kind), None)
    if record is None:
        return {}
    return {
        field.name: list(field.default) if isinstance(field.default, tuple) else field.default
        for field in msgspec.structs.fields(record)
    }


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    return {None: "none", "": '""'}.get(value, str(value))


def _loosenings(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if any(old.get(key) != new.get(key) for key in _IDENTITY) or not _defaults(str(old.get("kind"))):
        return [f"replaced ({_words(old)} became {_words(new)})"] if old != new else []
    found = []
    for key, before in old.items():
        after = new.get(key)
        if before == after:
            continue
        if key in _LIMITS and before is not None:
            found += _limit(key, before, after, old, new)
        elif key in _LISTS:
            found += [f"{key} lost {_value(item)}" for item in before if item not in (after or ())]
        elif key in _CHOICES and _CHOICES[key](before, after):
            found.append(f"{key} went from {_value(before)} to {_value(after)}")
    return found


def _limit(key: str, before: float, after: float | None, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    if after is None:
        return [f"{key} {before:g} was removed"]
    direction = _LIMITS[key]
    # To be better by more is harder; to be worse by less is harder as well.
    if key == "margin" and old.get("test") == new.get("test") == "superior":
        direction = -direction
    return [f"{key} went from {before:g} to {after:g}"] if direction * (after - before) > 0 else []
