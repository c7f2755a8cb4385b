"""What became easier since the last release, gate by gate, in words.

Anything that lets through what was refused before, or makes a refusal less likely, is a loosened limit. Where that
can't be told (another metric, another column to group by), the change is named as well: a person decides.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from weighbridge import settings
from weighbridge.manifest import Manifest, Weighing

_LIMITS = {
    "min": -1, "max": 1, "margin": 1, "confidence": -1, "min_rows": 1, "max_gap": 1, "max_negative_flips": 1,
    "max_times_noise": 1, "max_ratio": 1, "max_psi": 1, "max_age_days": 1, "max_difference": 1,
    "max_changed_decisions": 1, "min_ratio": -1,
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


def loosened_beside(
    previous: Manifest,
    *,
    weighing: Weighing,
    own: Mapping[str, settings.OwnMetric],
    cost: settings.Cost,
) -> tuple[str, ...]:
    """Return, in words, what became easier though no gate changed: what gates read beside their own settings.

    Args:
        previous: manifest of the last release.
        weighing: the bundle's, for the digests of critical cases and the column that groups rows.
        own: metrics of the project's own, by name.
        cost: what machines cost.
    """
    before = previous.parameters.settings
    config = before.get("config", {})
    return (
        *_cases_changed(previous.performance.test.cases_sha256, weighing.cases_sha256),
        *_regrouped(previous.performance.test.group_by, weighing.group_by),
        *_measured_otherwise(config.get("metrics", {}).get("own", {}), own),
        *_cheaper(before.get("gates", {}).get("gates", {}), config.get("cost", {}), cost),
    )


def _cases_changed(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """Yield each file of critical cases that isn't as it was; the same cases under another name are no change."""
    for file, digest in before.items():
        if digest not in after.values():
            yield f"critical cases of {file} {'changed' if file in after else 'are no longer decided'}"


def _regrouped(before: str | None, after: str | None) -> Iterator[str]:
    """Yield where rows are grouped otherwise: independent rows give the narrowest intervals, of two columns either."""
    if before is not None and after is None:
        yield f"rows are no longer grouped by {before}"
    elif before is not None and before != after:
        yield f"rows are grouped by {after}, no longer by {before}"


def _measured_otherwise(before: Mapping[str, Any], after: Mapping[str, settings.OwnMetric]) -> Iterator[str]:
    for name, plain in before.items():
        if name not in after:
            continue  # no gate can name it any more
        old = {**_defaults_of(settings.OwnMetric), **plain}
        for key, value in msgspec.to_builtins(after[name]).items():
            if key in old and old[key] != value:
                yield f"metric {name}: {key} went from {_value(old[key])} to {_value(value)}"


def _cheaper(gates: Mapping[str, Any], before: Mapping[str, Any], after: settings.Cost) -> Iterator[str]:
    """Yield where a budget of the training's price counts with a lower price, or in another currency."""
    if not any(_plain(gate).get("quantity") == "training_price" for gate in gates.values()):
        return
    old = {**_defaults_of(settings.Cost), **before}
    if old["currency"] != after.currency:
        yield f"cost: currency went from {_value(old['currency'])} to {_value(after.currency)}"
    if after.cpu_hour < old["cpu_hour"]:
        yield f"cost: cpu_hour went from {old['cpu_hour']:g} to {after.cpu_hour:g}"


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
    return _defaults_of(record) if record is not None else {}


def _defaults_of(record: Any) -> dict[str, Any]:
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
