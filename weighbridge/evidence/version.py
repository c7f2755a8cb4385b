"""The next version, derived from what changed since the last release (semver.org 2.0.0, read for models).

======  ==========================================================================================
MAJOR   callers must change: inputs, outputs, labels, or what the model is for
MINOR   callers may notice: another model, other parameters, another threshold, features that mean
        something else, a new optional input, or significantly better
PATCH   the same model again: another seed, newer data
======  ==========================================================================================

:data:`RULES` are asked in order; the first that finds something decides the bump, and whatever the others find is
recorded as well. A new rule is a function from the previous manifest and the proposal to a reason or ``None``.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from weighbridge.errors import RecordError
from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.manifest import DataSection, Manifest, Packaged, Parameters, Weighing

FIRST_VERSION = "1.0.0"
FIRST, MAJOR, MINOR, PATCH = "first", "major", "minor", "patch"
_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would be released, as far as the version depends on it."""

    packaged: Packaged
    parameters: Parameters
    data: DataSection
    weighing: Weighing
    intended_use: str


class Derived(NamedTuple):
    """The next version, which part of it was raised (``first``, ``major``, ``minor``, ``patch``), and why."""

    version: str
    bump: str
    reasons: tuple[str, ...]
    data_changes: tuple[str, ...]


def derive(  # noqa: PLR0913 - all that a version depends on, by name
    previous: Manifest | None,
    *,
    packaged: Packaged,
    parameters: Parameters,
    data: DataSection,
    weighing: Weighing,
    intended_use: str,
) -> Derived:
    """Return the next version after the release *previous*, or the first.

    Args:
        previous: manifest of the last release.
        packaged: the bundle: its interface and primary metric.
        parameters: what the champion was trained with.
        data: the dataset version and how it was prepared.
        weighing: the bundle beside the last release.
        intended_use: what the card says.

    Raises:
        RecordError: where the previous version isn't MAJOR.MINOR.PATCH.
    """
    if previous is None:
        return Derived(FIRST_VERSION, FIRST, ("no release before it",), ())
    proposal = Proposal(
        packaged=packaged, parameters=parameters, data=data, weighing=weighing, intended_use=intended_use
    )
    found = [(bump, reason) for bump, rule in RULES if (reason := rule(previous, proposal)) is not None]
    bump = found[0][0] if found else PATCH
    reasons = tuple(reason for _, reason in found) or ("same model and data, made again",)
    return Derived(raised(previous.model_info.version, bump), bump, reasons, data_changes(previous.data, data))


def raised(version: str, bump: str) -> str:
    """Return *version* with its part *bump* raised by one and the lesser parts at 0.

    Raises:
        RecordError: where *version* isn't MAJOR.MINOR.PATCH.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise RecordError(f"found version {version!r} in the last release; expected MAJOR.MINOR.PATCH, as in 1.2.0")
    major, minor, patch = map(int, match.groups())
    parts = {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1)}[bump]
    return ".".join(map(str, parts))


def _joined(reasons: Iterable[str]) -> str | None:
    return "; ".join(reasons) or None


def _inputs_broken(previous: Manifest, proposal: Proposal) -> str | None:
    """Callers' rows no longer fit: an input is gone, new and required, or takes something else."""
    old = {each.name: each for each in previous.interface.inputs}
    new = {each.name: each for each in proposal.packaged.interface.inputs}
    reasons = [f"input {name} removed" for name in old if name not in new]
    reasons += [f"input {name} added, required" for name, each in new.items() if name not in old and not each.optional]
    for name in (name for name in old if name in new):
        before, after = old[name], new[name]
        if before.type != after.type:
            reasons.append(f"input {name}: type {before.type} became {after.type}")
        if before.unit != after.unit:
            reasons.append(f"input {name}: unit {before.unit or '(none)'} became {after.unit or '(none)'}")
        if before.optional and not after.optional:
            reasons.append(f"input {name} became required")
    return _joined(reasons)


def _outputs_broken(previous: Manifest, proposal: Proposal) -> str | None:
    old = {each.name: each for each in previous.interface.outputs}
    new = {each.name: each for each in proposal.packaged.interface.outputs}
    reasons = [f"output {name} removed" for name in old if name not in new]
    for name in (name for name in old if name in new):
        before, after = old[name], new[name]
        if before.type != after.type:
            reasons.append(f"output {name}: type {before.type} became {after.type}")
        if before.labels != after.labels:
            reasons.append(f"output {name}: labels {list(before.labels)} became {list(after.labels)}")
    return _joined(reasons)


def _labels_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.data, proposal.data
    reasons = []
    if old.target != new.target:
        reasons.append(f"target {old.target} became {new.target}")
    if old.labels != new.labels:
        reasons.append(f"labels {list(old.labels)} became {list(new.labels)}")
    return _joined(reasons)


def _use_changed(previous: Manifest, proposal: Proposal) -> str | None:
    same = previous.card.intended_use.split() == proposal.intended_use.split()
    return None if same else "intended use changed"


def _interface_grown(previous: Manifest, proposal: Proposal) -> str | None:
    inputs = {each.name for each in previous.interface.inputs}
    outputs = {each.name for each in previous.interface.outputs}
    new = proposal.packaged.interface
    reasons = [f"optional input {each.name} added" for each in new.inputs if each.optional and each.name not in inputs]
    reasons += [f"output {each.name} added" for each in new.outputs if each.name not in outputs]
    return _joined(reasons)


def _model_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.parameters, proposal.parameters
    if old.model != new.model:
        return f"model {old.model} became {new.model}"
    reasons = [*_changes(old.hyperparameters, new.hyperparameters), *_changes(old.fit, new.fit)]
    return _joined(reasons)


def _decided_otherwise(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.performance.test.threshold, proposal.weighing.threshold
    return None if old == new else f"threshold {old:g} became {new:g}"


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what differs between two mappings, in words."""
    return [
        f"{key} {_value(old, key)} became {_value(new, key)}"
        for key in [*old, *(key for key in new if key not in old)]
        if _value(old, key) != _value(new, key)
    ]


def _value(values: Mapping[str, Any], key: str) -> str:
    if key not in values:
        return "(default)"
    value = values[key]
    return repr(list(value) if isinstance(value, tuple) else value)


def _features_changed(previous: Manifest, proposal: Proposal) -> str | None:
    """A feature of the same name means something else, or is known at another time."""
    old = {each.name: each for each in previous.data.features}
    reasons = []
    for after in proposal.data.features:
        before = old.get(after.name)
        if before is None:
            continue
        if before.known_hours_before != after.known_hours_before:
            hours = f"{before.known_hours_before:g} h before became {after.known_hours_before:g} h"
            reasons.append(f"feature {after.name}: known {hours}")
        if before.description.split() != after.description.split():
            reasons.append(f"feature {after.name}: described anew")
    return _joined(reasons)


def _better(_previous: Manifest, proposal: Proposal) -> str | None:
    """The whole interval of the paired difference of the primary metric is on the better side of 0."""
    comparison, primary = proposal.weighing.comparison, proposal.packaged.primary
    if comparison is None or not comparison.comparable or primary not in comparison.metrics:
        return None
    difference = comparison.metrics[primary].difference
    better = difference.low > 0 if greater_is_better(primary) else difference.high < 0
    if not better:
        return None
    interval = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
    return f"{primary} significantly better than {comparison.release}: {interval}"


def _data_changed(previous: Manifest, proposal: Proposal) -> str | None:
    return _joined(data_changes(previous.data, proposal.data))


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


def _reseeded(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.parameters, proposal.parameters
    return None if old.seed == new.seed else f"seed {old.seed} became {new.seed}"


Rule = Callable[[Manifest, Proposal], str | None]
RULES: tuple[tuple[str, Rule], ...] = (
    (MAJOR, _inputs_broken),
    (MAJOR, _outputs_broken),
    (MAJOR, _labels_changed),
    (MAJOR, _use_changed),
    (MINOR, _interface_grown),
    (MINOR, _model_changed),
    (MINOR, _decided_otherwise),
    (MINOR, _features_changed),
    (MINOR, _better),
    (PATCH, _data_changed),
    (PATCH, _reseeded),
)
"""What is asked, in this order; the first that answers decides."""
