"""diff: what changed between two releases or runs, in words and by group."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.evidence.gates import NOT_APPLICABLE
from weighbridge.manifest import Manifest, RunRecord
from weighbridge.registry import git
from weighbridge.views import reference
from weighbridge.views.columns import short, words

_DIGEST_LENGTH = 64
_MOST_COMMITS = 20


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that changed: *old* is ``None`` where it is new, *new* is ``None`` where it is gone."""

    what: str
    old: Any
    new: Any
    note: str = ""

    def __str__(self) -> str:
        note = f" ({self.note})" if self.note else ""
        if self.old is None:
            return f"{self.what}: added, {_shown(self.new)}{note}"
        if self.new is None:
            return f"{self.what}: removed, was {_shown(self.old)}{note}"
        return f"{self.what}: {_shown(self.old)} → {_shown(self.new)}{note}"


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One of the two: its title and record, and a run's validation metrics."""

    title: str
    record: Manifest | RunRecord
    validation: dict[str, float]


def diff(root: Path, a: str, b: str, *, json: bool = False) -> str:
    """Return what changed from *a* to *b*.

    Args:
        root: the project's root.
        a: the older one: any REF that :mod:`weighbridge.views.reference` takes.
        b: the newer one.
        json: one JSON document instead of words.

    Raises:
        SettingsError: where a REF names nothing.
        RecordError: where a document is damaged.
    """
    old, new = _side(root, a), _side(root, b)
    groups = compare(old, new)
    commits = _commits_between(root, old, new)
    if json:
        document = {"old": old.title, "new": new.title, "commits": commits, "changes": groups}
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
    return "\n".join(_in_words(old, new, groups, commits))


def _side(root: Path, ref: str) -> Side:
    found = reference.resolve(root, ref)
    record = found.record()
    measured = reference.validation(record, found.folder) if isinstance(record, RunRecord) else {}
    return Side(title=found.title, record=record, validation=measured)


def compare(old: Side, new: Side) -> dict[str, tuple[Difference, ...]]:
    """Return the differences by group; a group that one of the two can't have (a run's gates) is left out."""
    if isinstance(old.record, Manifest) and isinstance(new.record, Manifest):
        return {group: tuple(between(old.record, new.record)) for group, between in _BETWEEN_RELEASES.items()}
    found = {group: tuple(between(old.record, new.record)) for group, between in _BETWEEN_RUNS.items()}
    return {**found, "metrics": tuple(_plain_metrics(_validation(old), _validation(new)))}


def _in_words(
    old: Side, new: Side, groups: Mapping[str, tuple[Difference, ...]], commits: tuple[str, ...]
) -> Iterator[str]:
    yield f"{old.title} → {new.title}"
    unchanged = [group for group, found in groups.items() if not found]
    for group, found in groups.items():
        if found:
            yield ""
            yield group
            yield from (f"  {difference}" for difference in found)
            if group == "code" and commits:
                yield f"  {len(commits)} commits between them:"
                yield from (f"    {line}" for line in commits[:_MOST_COMMITS])
                yield from ("    …" for _ in commits[_MOST_COMMITS : _MOST_COMMITS + 1])
    yield ""
    if len(unchanged) == len(groups):
        yield "Nothing changed."
    elif unchanged:
        yield f"Nothing changed in: {', '.join(unchanged)}."


def _shown(value: Any) -> str:
    if isinstance(value, str) and len(value) == _DIGEST_LENGTH and all(c in "0123456789abcdef" for c in value):
        return short(value)
    if isinstance(value, float):
        digits = f"{value:.6g}"
        return f"{digits}.0" if digits.lstrip("-").isdigit() else digits
    return words(value)


def _fields(old: Any, new: Any, names: str, prefix: str = "") -> Iterator[Difference]:
    """Compare fields of two records of one kind; names are separated by spaces."""
    for name in names.split():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            what = f"{prefix}{name.replace('_', ' ')}"
            # None would read as added or removed; an empty list or text as a value that is there.
            yield Difference(what=what, old=_present(before), new=_present(after))


def _present(value: Any) -> Any:
    return "none" if value is None else msgspec.to_builtins(value)


def _mappings(old: Mapping[str, Any], new: Mapping[str, Any], *, prefix: str = "") -> Iterator[Difference]:
    for key in dict.fromkeys([*old, *new]):
        if key not in new:
            yield Difference(what=f"{prefix}{key}", old=_present(old[key]), new=None)
        elif key not in old:
            yield Difference(what=f"{prefix}{key}", old=None, new=_present(new[key]))
        elif repr(old[key]) != repr(new[key]):
            yield Difference(what=f"{prefix}{key}", old=_present(old[key]), new=_present(new[key]))


def _named(records: Iterable[Any], key: str = "name") -> dict[str, Any]:
    return {getattr(record, key): record for record in records}


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dotted keys."""
    if isinstance(value, dict) and value:
        return {k: v for key, item in value.items() for k, v in _flat(item, f"{path}.{key}" if path else key).items()}
    return {path: value}


def _data(old: Manifest, new: Manifest) -> Iterator[Difference]:
    a, b = old.data, new.data
    if a.raw.sha256 != b.raw.sha256:
        yield Difference(what="raw files", old=a.raw.sha256, new=b.raw.sha256)
        digests = ({file.path: file.sha256 for file in raw.files} for raw in (a.raw, b.raw))
        yield from _mappings(*digests, prefix="raw file ")
    yield from _fields(a, b, "source licence rows dropped_rows task target target_unit labels weight split_rule folds")
    for name in dict.fromkeys([*a.splits, *b.splits]):
        if name in a.splits and name in b.splits:
            fields = "rows groups first last target_rate target_mean target_deviation sha256"
            yield from _fields(a.splits[name], b.splits[name], fields, prefix=f"{name} ")
            shares = (side.splits[name].target_shares for side in (a, b))
            yield from _mappings(*shares, prefix=f"{name} share of ")
    yield from _features(_named(a.features), _named(b.features))
    yield from _mappings(*({check.name: check.found for check in m.data.checks} for m in (old, new)), prefix="check ")


def _features(old: dict[str, Any], new: dict[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys([*old, *new]):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            kinds = [feature and feature.type for feature in (before, after)]
            yield Difference(what=f"feature {name}", old=kinds[0], new=kinds[1])
        else:
            fields = "type shape unit known_hours_before missing_share description"
            yield from _fields(before, after, fields, prefix=f"feature {name}: ")


def _code(old: Manifest, new: Manifest) -> Iterator[Difference]:
    yield from _fields(old.code, new.code, "commit branch repository dirty_files dirty_sha256")
    yield from _mappings(old.code.stages, new.code.stages, prefix="code of ")


def _run_code(old: Any, new: Any) -> Iterator[Difference]:
    before, after = (_stage_code(record) for record in (old, new))
    if before != after:
        yield Difference(what="code of train", old=before, new=after)


def _stage_code(record: Manifest | RunRecord) -> str | None:
    return record.stage_code if isinstance(record, RunRecord) else record.code.stages.get("train")


def _parameters(old: Any, new: Any) -> Iterator[Difference]:
    a, b = old.parameters, new.parameters
    yield from _fields(a, b, "candidate model seed threads")
    yield from _mappings(_flat(a.hyperparameters), _flat(b.hyperparameters), prefix="hyperparameter ")
    yield from _mappings(_flat(a.fit), _flat(b.fit), prefix="fit.")


def _settings(old: Manifest, new: Manifest) -> Iterator[Difference]:
    yield from _mappings(_flat(old.parameters.settings), _flat(new.parameters.settings))


def _environment(old: Any, new: Any) -> Iterator[Difference]:
    a, b = old.environment, new.environment
    yield from _fields(a, b, "python os libc lock_sha256")
    before, after = _named(a.distributions), _named(b.distributions)
    versions = [{name: one.version for name, one in found.items()} for found in (before, after)]
    yield from _mappings(*versions, prefix="distribution ")
    for name in sorted(before.keys() & after.keys()):
        one, other = before[name], after[name]
        if one.version == other.version and one.record_sha256 != other.record_sha256:
            note = f"both {one.version}, with other files"
            yield Difference(what=f"distribution {name}", old=one.record_sha256, new=other.record_sha256, note=note)
    yield from _mappings(a.variables, b.variables, prefix="variable ")


def _hardware(old: Any, new: Any) -> Iterator[Difference]:
    yield from _fields(old.hardware, new.hardware, "cpu instruction_sets cores accelerators blas")


def _metrics(old: Manifest, new: Manifest) -> Iterator[Difference]:
    a, b = old.performance.test, new.performance.test
    yield from _fields(old.performance, new.performance, "primary")
    yield from _fields(a, b, "task rows threshold confidence test_sha256", prefix="test ")
    paired = {difference.what: difference for difference in _paired(old, new)}
    for name in dict.fromkeys([*a.metrics, *b.metrics]):
        one, other = a.metrics.get(name), b.metrics.get(name)
        if name in paired:
            yield paired[name]  # says more than two intervals that overlap or don't
        elif one is None or other is None:
            yield Difference(what=name, old=one and one.value, new=other and other.value)
        elif one != other:
            apart = one.high < other.low or other.high < one.low
            note = f"{other.value - one.value:+.4g}, intervals {'apart' if apart else 'overlap'}"
            yield Difference(what=name, old=one.value, new=other.value, note=note)
    fields = "latency_ms_p50 latency_ms_p95 latency_ms_p99 rows_per_second load_seconds peak_memory_mib"
    yield from _fields(a.serving, b.serving, fields)


def _paired(old: Manifest, new: Manifest) -> Iterator[Difference]:
    """Tell the differences on the same rows, where the newer one was weighed beside the older one."""
    compared = new.performance.test.comparison
    if compared is None or compared.release != f"{old.model_info.name}@v{old.model_info.version}":
        return
    for name, change in compared.metrics.items():
        found = change.difference
        if not (found.low or found.high or found.value):
            continue
        note = f"on the same rows {found.value:+.4g}, interval {found.low:+.4g} to {found.high:+.4g}"
        yield Difference(what=name, old=change.baseline, new=change.baseline + found.value, note=note)


def _validation(side: Side) -> dict[str, float]:
    if isinstance(side.record, RunRecord):
        return side.validation
    scores = side.record.performance.selected_from.get(side.record.parameters.candidate)
    seeds = scores.seeds if scores else ()
    return next((score.metrics for score in seeds if score.seed == side.record.parameters.seed), {})


def _plain_metrics(old: Mapping[str, float], new: Mapping[str, float]) -> Iterator[Difference]:
    for one in _mappings(old, new, prefix="validation "):
        both = one.old is not None and one.new is not None
        yield msgspec.structs.replace(one, note=f"{one.new - one.old:+.4g}") if both else one


def _interface(old: Manifest, new: Manifest) -> Iterator[Difference]:
    for what in ("inputs", "outputs"):
        before, after = _named(getattr(old.interface, what)), _named(getattr(new.interface, what))
        for name in dict.fromkeys([*before, *after]):
            one, other = before.get(name), after.get(name)
            label = f"{what.removesuffix('s')} {name}"
            if one is None or other is None:
                yield Difference(what=label, old=one and one.type, new=other and other.type)
            else:
                fields = "type shape unit may_be_missing optional" if what == "inputs" else "type shape labels meaning"
                yield from _fields(one, other, fields, prefix=f"{label}: ")
        if list(before) != list(after) and before.keys() == after.keys():
            yield Difference(what=f"order of {what}", old=list(before), new=list(after))


def _gates(old: Manifest, new: Manifest) -> Iterator[Difference]:
    yield from _fields(old.gates, new.gates, "verdict gates_sha256 loosened")
    before, after = _named(old.gates.results), _named(new.gates.results)
    for name in dict.fromkeys([*before, *after]):
        one, other = before.get(name), after.get(name)
        if one is None or other is None:
            yield Difference(what=f"gate {name}", old=one and one.rule, new=other and other.rule)
        else:
            # Where one of them did not apply (a first release), there is no limit to compare; rules name releases.
            fields = "kind verdict" if NOT_APPLICABLE in {one.verdict, other.verdict} else "kind verdict limit"
            yield from _fields(one, other, fields, prefix=f"gate {name}: ")


def _size(old: Manifest, new: Manifest) -> Iterator[Difference]:
    yield from _fields(old.artifacts, new.artifacts, "content_sha256 parameter_count loaded_memory_mib")
    yield from _fields(old.performance.test.serving, new.performance.test.serving, "size_mib")
    sizes = ({file.path: file.bytes for file in m.artifacts.files} for m in (old, new))
    yield from _mappings(*sizes, prefix="bytes of ")


def _run_size(old: Any, new: Any) -> Iterator[Difference]:
    counts = [r.parameter_count if isinstance(r, RunRecord) else r.artifacts.parameter_count for r in (old, new)]
    if counts[0] != counts[1]:
        yield Difference(what="parameter count", old=counts[0], new=counts[1])


_BETWEEN_RELEASES = {
    "data": _data,
    "code": _code,
    "parameters": _parameters,
    "settings": _settings,
    "environment": _environment,
    "hardware": _hardware,
    "metrics": _metrics,
    "interface": _interface,
    "gates": _gates,
    "size": _size,
}
_BETWEEN_RUNS = {
    "code": _run_code,
    "parameters": _parameters,
    "environment": _environment,
    "hardware": _hardware,
    "size": _run_size,
}


def _commits_between(root: Path, old: Side, new: Side) -> tuple[str, ...]:
    """Return the commits from the one's code to the other's, newest first; none where Git doesn't know them."""
    if not (isinstance(old.record, Manifest) and isinstance(new.record, Manifest)):
        return ()
    a, b = old.record.code.commit, new.record.code.commit
    if a == b or a.startswith("-"):
        return ()
    done = git.attempt(root, "log", "--oneline", "--no-decorate", f"{a}..{b}", "--")
    return tuple(done.stdout.decode("utf-8", "replace").splitlines()) if done.returncode == 0 else ()
