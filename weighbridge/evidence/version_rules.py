"""The rules of the version: functions from the last release's manifest and the proposal to a reason or ``None``.

:data:`RULES` holds them in order, from MAJOR down. What can't be told is a reason as well, at the bump that it would
have been: inconclusive rounds up.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from weighbridge.evidence.catalogue import greater_is_better
from weighbridge.evidence.data_changes import data_changes, features_changed
from weighbridge.evidence.graph import similarity
from weighbridge.evidence.interface_changes import broken_inputs, broken_outputs, grown, labels_changed
from weighbridge.manifest import DataSection, Graph, Interval, Manifest, Packaged, Parameters, Weighing
from weighbridge.settings import OwnMetric

MAJOR, MINOR, PATCH = "major", "minor", "patch"
FAMILY = 0.5
"""Similarity of two graphs' operators below which they are of different families."""
CHANGED_SHARE = 0.10
"""Share of changed decisions beyond which a model is another one, where the noise floor isn't half as high."""
NOISE_FLOORS = 2.0
"""The same as a multiple of the noise floor."""
CAPACITY = 0.25
"""Change of the number of parameters, relative to the last release's, that is another capacity."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Proposal:
    """What would be released, as far as the version depends on it."""

    packaged: Packaged
    parameters: Parameters
    data: DataSection
    weighing: Weighing
    intended_use: str
    own: Mapping[str, OwnMetric]

    @property
    def noise_floor(self) -> float | None:
        """The largest share of decisions that two seeds of the champion have changed; unknown with a single seed."""
        noise = self.packaged.noise
        return noise.changed_decisions.high if noise else None


def _joined(reasons: Iterable[str]) -> str | None:
    return "; ".join(reasons) or None


def _percent(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def _inputs_broken(previous: Manifest, proposal: Proposal) -> str | None:
    return _joined(broken_inputs(previous.interface, proposal.packaged.interface, previous.data, proposal.data))


def _outputs_broken(previous: Manifest, proposal: Proposal) -> str | None:
    return _joined(broken_outputs(previous.interface, proposal.packaged.interface, previous.data, proposal.data))


def _labels_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.data, proposal.data
    reasons = []
    if previous.performance.test.task != proposal.weighing.task:
        reasons.append(f"task {previous.performance.test.task} became {proposal.weighing.task}")
    if old.target != new.target:
        reasons.append(f"target {old.target} became {new.target}")
    if old.labels != new.labels:
        reasons.append(labels_changed(old.labels, new.labels))
    if old.target_unit != new.target_unit:
        reasons.append(f"unit of the target {old.target_unit or '(none)'} became {new.target_unit or '(none)'}")
    return _joined(reasons)


def _graphs(previous: Manifest, proposal: Proposal) -> tuple[Graph | None, Graph | None]:
    """Return the graphs of the last release, as measured beside or else as recorded, and of the bundle."""
    comparison = proposal.weighing.comparison
    beside = comparison.graph if comparison else None
    return beside or previous.performance.test.graph, proposal.weighing.graph


def _another_family(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = _graphs(previous, proposal)
    if old is None or new is None:
        whose = "the last release" if old is None else "this bundle"
        return f"whether the graph is of another family can't be told: that of {whose} is unknown"
    alike = similarity(old, new)
    if alike >= FAMILY:
        return None
    return f"graph of another family: similarity of the operators {alike:.2f}, below {FAMILY:g}"


def _changed(proposal: Proposal) -> tuple[Interval | None, str]:
    """Return the share of changed decisions, or why it isn't known; neither where there are no decisions."""
    comparison = proposal.weighing.comparison
    if comparison is None:
        return None, "the last release wasn't weighed beside this bundle"
    if not comparison.comparable:
        return None, comparison.reason or f"{comparison.release} can't be measured on these rows"
    if comparison.changed is None and proposal.weighing.task != "regression":
        return None, f"the share of changed decisions against {comparison.release} is unknown"
    return comparison.changed, ""


def _other_decisions(_previous: Manifest, proposal: Proposal) -> str | None:
    changed, why_unknown = _changed(proposal)
    if why_unknown:
        return f"decisions can't be compared: {why_unknown}"
    limit = max(CHANGED_SHARE, NOISE_FLOORS * (proposal.noise_floor or 0.0))
    if changed is None or changed.low <= limit:
        return None
    which = "" if limit == CHANGED_SHARE else ", twice what another seed changes"
    return f"decisions changed by {_percent(changed)}, by the lower bound more than {limit:.1%}{which}"


def _runs_no_more(_previous: Manifest, proposal: Proposal) -> str | None:
    comparison = proposal.weighing.comparison
    if comparison is None or comparison.runs_there:
        return None
    because = f": {comparison.runs_there_because}" if comparison.runs_there_because else ""
    where = f"in the serving environment of {comparison.release}"
    if comparison.runs_there is None:
        return f"whether it runs {where} can't be told{because}"
    return f"doesn't run {where}{because}"


def _use_changed(previous: Manifest, proposal: Proposal) -> str | None:
    same = previous.card.intended_use.split() == proposal.intended_use.split()
    return None if same else "intended use changed"


def _interface_grown(previous: Manifest, proposal: Proposal) -> str | None:
    return _joined(grown(previous.interface, proposal.packaged.interface))


def _better(_previous: Manifest, proposal: Proposal) -> str | None:
    """The whole interval of the paired difference of the primary metric is on the better side of 0."""
    comparison, primary = proposal.weighing.comparison, proposal.packaged.primary
    if comparison is None or not comparison.comparable or primary not in comparison.metrics:
        return None
    difference = comparison.metrics[primary].difference
    upwards = greater_is_better(primary, proposal.own)
    if not (difference.low > 0 if upwards else difference.high < 0):
        return None
    interval = f"{difference.value:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})"
    return f"{primary} significantly better than {comparison.release}: {interval}"


def _capacity_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.artifacts.parameter_count, proposal.packaged.artifacts.parameter_count
    return f"parameters: {old} became {new}" if abs(new - old) > CAPACITY * old else None


def _graph_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = _graphs(previous, proposal)
    if old is None or new is None or old.structure_sha256 == new.structure_sha256:
        return None
    alike = similarity(old, new)
    return None if alike < FAMILY else f"graph changed within its family: similarity of the operators {alike:.2f}"


def _model_changed(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.parameters, proposal.parameters
    if old.model != new.model:
        return f"model {old.model} became {new.model}"
    return _joined([*_changes(old.hyperparameters, new.hyperparameters), *_changes(old.fit, new.fit)])


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
    return _joined(features_changed(previous.data, proposal.data))


def _churns(_previous: Manifest, proposal: Proposal) -> str | None:
    """More decisions changed than another seed would change, or it can't be told."""
    changed, _ = _changed(proposal)
    floor = proposal.noise_floor
    if changed is None or changed.high <= 0:
        return None
    if floor is None:
        seeds = "seeds that have other rows each tell" if proposal.data.folds else "a single seed tells"
        return f"decisions changed by {_percent(changed)}; {seeds} no noise floor to hold that against"
    if changed.low > floor:
        return f"decisions changed by {_percent(changed)}, more than another seed changes (up to {floor:.1%})"
    if changed.value <= floor:
        return None
    return (
        f"decisions changed by {_percent(changed)}; whether that is more than another seed changes (up to {floor:.1%}) "
        "can't be told"
    )


def _numbers_changed(_previous: Manifest, proposal: Proposal) -> str | None:
    """A regression decides nothing, so that no noise floor tells a change from chance: any is one."""
    comparison, primary = proposal.weighing.comparison, proposal.packaged.primary
    if proposal.weighing.task != "regression" or comparison is None or not comparison.comparable:
        return None
    if primary not in comparison.metrics:
        return f"whether predictions changed can't be told: {primary} of {comparison.release} is unknown"
    found = comparison.metrics[primary].difference
    if not (found.value or found.low or found.high):
        return None
    interval = f"{found.value:+.4g} ({found.low:+.4g} to {found.high:+.4g})"
    return f"{primary} changed by {interval}; numbers have no noise floor to hold that against"


def _churns_as_seeds_do(_previous: Manifest, proposal: Proposal) -> str | None:
    changed, _ = _changed(proposal)
    floor = proposal.noise_floor
    if changed is None or floor is None or changed.high <= 0 or changed.value > floor:
        return None
    return f"decisions changed by {_percent(changed)}, within what another seed changes (up to {floor:.1%})"


def _data_changed(previous: Manifest, proposal: Proposal) -> str | None:
    return _joined(data_changes(previous.data, proposal.data))


def _reseeded(previous: Manifest, proposal: Proposal) -> str | None:
    old, new = previous.parameters, proposal.parameters
    return None if old.seed == new.seed else f"seed {old.seed} became {new.seed}"


Rule = Callable[[Manifest, Proposal], str | None]
RULES: tuple[tuple[str, Rule], ...] = (
    (MAJOR, _inputs_broken),
    (MAJOR, _outputs_broken),
    (MAJOR, _labels_changed),
    (MAJOR, _another_family),
    (MAJOR, _other_decisions),
    (MAJOR, _runs_no_more),
    (MAJOR, _use_changed),
    (MINOR, _interface_grown),
    (MINOR, _better),
    (MINOR, _capacity_changed),
    (MINOR, _graph_changed),
    (MINOR, _model_changed),
    (MINOR, _decided_otherwise),
    (MINOR, _features_changed),
    (MINOR, _churns),
    (MINOR, _numbers_changed),
    (PATCH, _data_changed),
    (PATCH, _reseeded),
    (PATCH, _churns_as_seeds_do),
)
"""What is asked, in this order; the first that answers decides."""
