"""What changed between two interfaces, in words: what breaks callers, and what only adds to what they have."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from weighbridge.manifest import DataSection, Input, Interface, Output

_FEW = 20
T = TypeVar("T", Input, Output)


def broken_inputs(old: Interface, new: Interface, old_data: DataSection, new_data: DataSection) -> Iterator[str]:
    """Yield how callers' rows no longer fit: an input is gone, new and required, or takes something else.

    A removed and an added input of the same type, unit and description are one that was renamed.
    """
    before, after = _by_name(old.inputs), _by_name(new.inputs)
    renamed = _renamed(
        before, after, lambda each: _input_like(each, old_data), lambda each: _input_like(each, new_data)
    )
    yield from (f"input {name} renamed to {renamed[name]}" for name in before if name in renamed)
    yield from (f"input {name} removed" for name in before if name not in after and name not in renamed)
    for name, each in after.items():
        if name not in before and not each.optional and name not in renamed.values():
            yield f"input {name} added, required"
    for name in (name for name in before if name in after):
        yield from _other_input(before[name], after[name])


def _other_input(before: Input, after: Input) -> Iterator[str]:
    name = before.name
    if before.type != after.type:
        yield f"input {name}: type {before.type} became {after.type}"
    if before.shape != after.shape:
        yield f"input {name}: shape {_shaped(before)} became {_shaped(after)}"
    if before.unit != after.unit:
        yield f"input {name}: unit {before.unit or '(none)'} became {after.unit or '(none)'}"
    if before.optional and not after.optional:
        yield f"input {name} became required"


def broken_outputs(old: Interface, new: Interface, old_data: DataSection, new_data: DataSection) -> Iterator[str]:
    """Yield how what callers read is gone or something else; one of the same type, labels and meaning was renamed.

    Labels that changed as those of the data did are left to these, so that nobody reads it twice.
    """
    before, after = _by_name(old.outputs), _by_name(new.outputs)
    renamed = _renamed(before, after, _output_like, _output_like)
    yield from (f"output {name} renamed to {renamed[name]}" for name in before if name in renamed)
    yield from (f"output {name} removed" for name in before if name not in after and name not in renamed)
    for name in (name for name in before if name in after):
        if before[name].type != after[name].type:
            yield f"output {name}: type {before[name].type} became {after[name].type}"
        labels = before[name].labels, after[name].labels
        if labels[0] != labels[1]:
            if labels != (old_data.labels, new_data.labels):
                yield f"output {name}: {labels_changed(*labels)}"
        elif before[name].shape != after[name].shape:
            yield f"output {name}: shape {_shaped(before[name])} became {_shaped(after[name])}"


def labels_changed(before: Sequence[str], after: Sequence[str]) -> str:
    """Return, in words, which labels came or went, and whether those that stayed changed places."""
    added, gone = ([label for label in one if label not in other] for one, other in ((after, before), (before, after)))
    said = [f"{what}: {_listed(found)}" for what, found in (("added", added), ("gone", gone)) if found]
    if [label for label in before if label in after] != [label for label in after if label in before]:
        said.append("in another order")
    return f"classes {'; '.join(said)}"


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _FEW} more" if len(labels) > _FEW else ""
    return ", ".join(labels[:_FEW]) + more


def _shaped(part: Input | Output) -> str:
    return f"({', '.join(map(str, part.shape))})" if part.shape else "of a single value"


def grown(old: Interface, new: Interface) -> Iterator[str]:
    """Yield what callers may use from now on, and needn't."""
    inputs, outputs = _by_name(old.inputs), _by_name(old.outputs)
    renamed = _renamed(outputs, _by_name(new.outputs), _output_like, _output_like).values()
    yield from (f"optional input {each.name} added" for each in new.inputs if each.optional and each.name not in inputs)
    for each in new.outputs:
        if each.name not in outputs and each.name not in renamed:
            yield f"output {each.name} added"


def _by_name(parts: Sequence[T]) -> dict[str, T]:
    return {each.name: each for each in parts}


def _renamed(
    before: Mapping[str, T], after: Mapping[str, T], old_like: Callable[[T], object], new_like: Callable[[T], object]
) -> dict[str, str]:
    """Return the new name of each that is gone and has a like among those that are new; each like serves once."""
    free = {name: new_like(each) for name, each in after.items() if name not in before}
    found: dict[str, str] = {}
    for name in (name for name in before if name not in after):
        like = old_like(before[name])
        match = next((other for other, its in free.items() if like is not None and its == like), None)
        if match is not None:
            found[name] = match
            del free[match]
    return found


def _input_like(each: Input, data: DataSection) -> tuple[object, ...] | None:
    """Return what an input is but for its name; ``None`` where nothing describes it, for then any would be alike."""
    said = next((feature.description.split() for feature in data.features if feature.name == each.name), [])
    return (each.type, each.unit, each.shape, tuple(said)) if said else None


def _output_like(each: Output) -> tuple[object, ...] | None:
    return (each.type, each.labels, each.shape, tuple(each.meaning.split())) if each.meaning.strip() else None
