"""What changed between two dataset versions, in words."""

from collections.abc import Iterator

from weighbridge.manifest import DataSection


def features_changed(old: DataSection, new: DataSection) -> Iterator[str]:
    """Yield where a feature of the same name means something else, or is known at another time."""
    known = {each.name: each for each in old.features}
    for after in new.features:
        before = known.get(after.name)
        if before is None:
            continue
        if before.known_hours_before != after.known_hours_before:
            hours = f"{before.known_hours_before:g} h before became {after.known_hours_before:g} h"
            yield f"feature {after.name}: known {hours}"
        if before.description.split() != after.description.split():
            yield f"feature {after.name}: described anew"


def data_changes(old: DataSection, new: DataSection) -> tuple[str, ...]:
    """Return, in words, what differs between two dataset versions and their preparation."""
    same_raw = old.raw.sha256 == new.raw.sha256
    changes = [] if same_raw else [f"new raw data: {old.rows} rows became {new.rows}"]
    if old.split_rule != new.split_rule:
        changes.append(f"split by {old.split_rule!r} became {new.split_rule!r}")
    before, after = ([feature.name for feature in data.features] for data in (old, new))
    changes += [f"feature {name} removed" for name in before if name not in after]
    changes += [f"feature {name} added" for name in after if name not in before]
    changes += [
        f"{name} rows: {_span(old, name)} became {_span(new, name)}" for name in new.splits if _moved(old, new, name)
    ]
    if same_raw and not changes and _digests(old) != _digests(new):
        changes.append("the same raw data prepared otherwise")
    return tuple(changes)


def _span(data: DataSection, name: str) -> str:
    part = data.splits.get(name)
    if part is None:
        return "none"
    return f"{part.rows} from {part.first} to {part.last}" if part.first else str(part.rows)


def _moved(old: DataSection, new: DataSection, name: str) -> bool:
    return _span(old, name) != _span(new, name)


def _digests(data: DataSection) -> dict[str, str]:
    return {name: split.sha256 for name, split in data.splits.items()}
