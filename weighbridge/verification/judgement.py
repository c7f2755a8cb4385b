"""Predictions, metrics, gates and version, made again from the rows that were proved; no project code is run.

Numbers may differ in their last digits, since another processor adds up in another order.
"""

import dataclasses
import datetime as dt
import math
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args, get_type_hints

import msgspec

from weighbridge import manifest
from weighbridge.data import tables
from weighbridge.data.schema import Column, Schema
from weighbridge.errors import RecordError
from weighbridge.evidence import gates, version
from weighbridge.evidence.catalogue import TASKS
from weighbridge.registry import approvals, history, releases
from weighbridge.stages import finishing, judge, weigh
from weighbridge.stages.finishing import Foreseen
from weighbridge.tasks import JudgeTask, ReleaseTask
from weighbridge.verification import contents
from weighbridge.verification.commits import task_of
from weighbridge.verification.contents import Contents
from weighbridge.verification.engine import disagree
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.evidence.metrics import Floats

TOLERANCE = 1e-6
LAST_RELEASE = "last release"
_BASELINE = "baseline"
_COMPARING = {"change", "slices", "churn"}
_SHOWN = 5
# Words for people hold numbers of a few digits, which the fields hold in full.
_WORDS = {"reason"}


class Judged(NamedTuple):
    """What the judge says today of what was released, and what follows for the version."""

    verdict: manifest.Verdict
    foreseen: Foreseen


def predictions(subject: Subject, files: Contents) -> str:
    """Prove that ``model.onnx``, run on the test rows, predicts what is on record."""
    from weighbridge.evidence import feeding, serving
    from weighbridge.evidence import predictions as tabled

    rows, task = contents.rows(files), subject.manifest.data.task
    recorded = tables.read_parquet(rows.predictions, ["id", tabled.column_of(task)])
    schema = _schema(subject.manifest)
    names = [each.name for each in subject.manifest.interface.inputs]
    test = tables.read_parquet(rows.test, [schema.id])
    _require_same_rows(recorded, test, schema)
    found = serving.predict(files.proved("bundle", "model.onnx"), feeding.Parts(rows.test, names, schema.id))
    difference = apart(found, tabled.values(recorded[tabled.column_of(task)], task), task)
    if not difference <= TOLERANCE:
        raise RecordError(
            f"model.onnx predicts otherwise than on record, by up to {difference:.3g}; don't trust the weighing"
        )
    return f"model.onnx repeats them on {len(test):,} test rows; largest difference {difference:.2g}"


def _require_same_rows(recorded: "pd.DataFrame", test: "pd.DataFrame", schema: Schema) -> None:
    if not recorded["id"].equals(test[schema.id]):
        raise RecordError("the predictions on record aren't of the test rows, one each and in their order")


def apart(found: "Floats", recorded: "Floats", task: str) -> float:
    """Return the largest difference of probabilities; infinite between different shapes.

    Numbers may be of any size, 1e-8 as well as 1e8: of these it is a share of the number, or of their mean size where
    that is greater.
    """
    if found.shape != recorded.shape:
        return math.inf
    differences = abs(found - recorded)
    if task == "regression":
        differences = differences / abs(found).clip(min=max(float(abs(found).mean()), sys.float_info.min))
    return float(differences.max())


def before(subject: Subject, files: Contents) -> str:
    """Prove that the last release's ``model.onnx``, run on the same rows, predicts what this one is held against."""
    from weighbridge.evidence import feeding, serving
    from weighbridge.evidence import predictions as tabled

    tag, previous = subject.manifest.lineage.previous, subject.previous
    comparison = subject.manifest.performance.test.comparison
    said = (comparison.release, comparison.threshold) if comparison else None
    if said != ((tag, previous.performance.test.threshold) if previous else None):
        raise RecordError(f"the weighing compares with {said}, and the release before is {tag}; don't trust it")
    if comparison is None:
        return "the first release: there is nothing to compare with"
    data = subject.manifest.data
    unlike_it = tabled.incomparable(previous.data, data) if previous else ""
    if unlike_it:
        if comparison.comparable:
            raise RecordError(f"the weighing compares with {tag}, though {unlike_it}; don't trust it")
        return f"{tag} can't be compared with: {unlike_it}"
    unknown = tabled.unknown_labels(previous.data.labels, data.labels) if previous and comparison.comparable else ()
    if comparison.unknown_labels != unknown:
        said_unknown, found_unknown = (", ".join(each) or "none" for each in (comparison.unknown_labels, unknown))
        problem = f"classes that {tag} couldn't name: on record {said_unknown}, found {found_unknown}"
        raise disagree(subject, "weigh", problem)
    if not comparison.comparable or previous is None:
        raise UnprovedError(f"the weighing says that {tag} couldn't be compared with: {comparison.reason}")
    rows, other = contents.rows(files), files.before()
    schema = _schema(subject.manifest)
    recorded, test = (
        tables.read_parquet(path, list(names))
        for path, names in ((rows.predictions, ("id", _BASELINE)), (rows.test, (schema.id,)))
    )
    _require_same_rows(recorded, test, schema)
    inputs = feeding.Parts(rows.test, [each.name for each in previous.interface.inputs], schema.id)
    own_rows = other.test or other.model.with_name("none")
    beside, hint = weigh.retired(test[schema.id], inputs.columns, previous, own_rows)
    if hint:
        raise UnprovedError(f"{tag} can't be run on these rows: {hint}")
    found = serving.predict(other.model, dataclasses.replace(inputs, beside=beside))
    found = tabled.onto_labels(found, previous.data.labels, data.labels)
    difference = apart(found, tabled.values(recorded[_BASELINE], data.task), data.task)
    if not difference <= TOLERANCE:
        raise RecordError(
            f"the model of {tag} predicts otherwise than on record, by up to {difference:.3g}; don't trust any "
            "comparison"
        )
    files.prove(LAST_RELEASE, {"model.onnx": other.model})
    return f"model.onnx of {tag} repeats what this one is compared with; largest difference {difference:.2g}"


def judged(subject: Subject, files: Contents) -> Judged:
    """Return what the judge says of the release, from the rows and the recorded weighing.

    Raises:
        UnprovedError: where rows weren't proved, or a metric is the project's own code.
    """
    found = subject.manifest
    settings = task_of(found)
    _require_task(found)
    if settings.config.metrics.own:
        own = ", ".join(sorted(settings.config.metrics.own))
        raise UnprovedError(f"the metrics {own} are the project's own code, which isn't run here")
    task, schema, case = _task(settings), _schema(found), _case(found, subject.previous)
    rows = contents.rows(files)
    test = tables.read_parquet(rows.test, judge.test_columns(task.gates, schema, case.data))
    seen = judge.rows(task, schema, case, tables.read_parquet(rows.predictions), test)
    return _foreseen(subject, task, case, judge.judged(task, case, seen))


def by_record(subject: Subject) -> Judged:
    """Return what follows for the version, and what a person has to approve, from the gates' results on record.

    Whether these are right is a question of its own, which needs the rows: neither the version nor who approved of
    what waits for its answer.
    """
    found = subject.manifest
    task, case = _task(task_of(found)), _case(found, subject.previous)
    results = tuple(one for one in found.gates.results if one.kind != "approval")
    return _foreseen(subject, task, case, judge.concluded(task, case, results, found.gates.self_test))


def _foreseen(subject: Subject, task: JudgeTask, case: judge.Case, found: manifest.Verdict) -> Judged:
    before, until = subject.manifest.lineage.previous, subject.commit.parent
    verdict = finishing.with_signers(subject.root, found, before, until)
    asked = history.trailers(subject.root, version.TRAILER, before, until)
    return Judged(verdict, finishing.foreseen(task.gates, verdict, case.previous, asked))


def _task(settings: ReleaseTask) -> JudgeTask:
    config = settings.config
    return JudgeTask(
        gates=settings.gates,
        intended_use=config.card.intended_use,
        data_schema=config.data.schema,
        own=config.metrics.own,
        cost=config.cost,
    )


def _schema(found: manifest.Manifest) -> Schema:
    """Return what of the project's schema the judge needs, from the manifest instead of the project's code."""
    data = found.data
    if not data.id:
        raise UnprovedError("the manifest doesn't name the column of ids; it was made by an earlier version")
    known = get_args(get_type_hints(Column)["type"])
    strange = [f"{each.name} ({each.type})" for each in data.features if each.type not in known]
    if strange:
        raise RecordError(f"found features of types that there are not: {', '.join(strange)}; don't trust it")
    features = {
        each.name: Column(
            type=cast("Any", each.type), known=each.known_hours_before, unit=each.unit, shape=tuple(each.shape)
        )
        for each in data.features
    }
    schema = Schema(
        id=data.id,
        time=data.time or None,
        group=data.group or None,
        weight=data.weight or None,
        target=data.target,
        labels=data.labels,
        unit=data.target_unit,
        features=features,
    )
    if schema.task != data.task:
        raise RecordError(f"found a {data.task} task with {len(data.labels)} labels; don't trust it")
    return schema


def _case(found: manifest.Manifest, previous: manifest.Manifest | None) -> judge.Case:
    """Return what was judged, as ``package`` and ``weigh`` had left it."""
    return judge.Case(packaged_of(found), found.performance.test, found.data, found.parameters, previous)


def packaged_of(found: manifest.Manifest) -> manifest.Packaged:
    """Return what ``package`` had left of the release."""
    performance, parameters = found.performance, found.parameters
    return manifest.Packaged(
        name=found.model_info.name,
        champion=parameters.candidate,
        seed=parameters.seed,
        run=found.model_info.run,
        primary=performance.primary,
        candidates=performance.selected_from,
        interface=found.interface,
        artifacts=msgspec.structs.replace(found.artifacts, loaded_memory_mib=None),
        parity=performance.parity,
        baseline=found.lineage.previous,
        same_as=None,
        noise=performance.noise,
        cost=performance.cost,
    )


def verdict(subject: Subject, files: Contents, again: Judged) -> str:
    """Prove that each gate says again what is on record, and that all of them let the release through."""
    recorded, found = subject.manifest.gates, again.verdict.gates
    expected = _finished(subject, again)
    problems = [*_unlike_results(expected, {each.name: each for each in recorded.results})]
    problems += list(unlike("gates", len(recorded.results), len(expected)))
    for name in ("gates_sha256", "loosened", "self_test"):
        problems += list(unlike(name, getattr(recorded, name), getattr(found, name)))
    problems += list(unlike("needs_approval", recorded.needs_approval, again.foreseen.needed))
    overall = gates.verdict(expected, again.foreseen.needed)
    if overall != "pass" or recorded.verdict != "pass":
        problems.append(f"the verdict is {overall}, on record {recorded.verdict}; only a pass is released")
    if problems:
        raise disagree(subject, "judge", listed("gates", problems))
    _require_compared(subject, files)
    caught = sum(test.caught for test in found.self_test)
    return (
        f"{len(recorded.results)} gates judged again on the rows, all as on record; {caught} damages are refused again"
    )


def _require_compared(subject: Subject, files: Contents) -> None:
    """Take no gate for proved that holds the model against predictions of the last release that weren't proved."""
    comparison = subject.manifest.performance.test.comparison
    if comparison is None or not comparison.comparable:
        return
    try:
        files.proved(LAST_RELEASE, "model.onnx")
    except UnprovedError:
        names = ", ".join(one.name for one in subject.manifest.gates.results if one.kind in _COMPARING)
        raise UnprovedError(
            f"all come out as on record, but those that compare ({names or 'none'}) rest on predictions of "
            f"{comparison.release} that aren't proved"
        ) from None


def _finished(subject: Subject, again: Judged) -> list[manifest.GateResult]:
    """Return the results with the gates that the release finished; who approved is proved apart."""
    found, settings = subject.manifest, task_of(subject.manifest)
    known = finishing.Known(
        missing=manifest.missing_fields(found),
        dirty=found.code.dirty_files,
        card=settings.config.card,
        today=dt.date.fromisoformat(found.model_info.created[:10]),
    )
    given = approvals.Verified(found.gates.approvals, ())
    return list(finishing.finished(settings.gates, again.verdict.gates.results, again.foreseen, known, given))


def _unlike_results(expected: list[manifest.GateResult], recorded: dict[str, manifest.GateResult]) -> Iterator[str]:
    for result in expected:
        if result.name not in recorded:
            yield f"{result.name}: not on record, found {result.verdict}"
        else:
            yield from unlike(result.name, recorded[result.name], result)
    known = {result.name for result in expected}
    strange = [name for name, result in recorded.items() if name not in known]
    yield from (f"{name}: on record, and no gate of the settings" for name in strange)


def metrics(subject: Subject, files: Contents) -> str:
    """Prove that the test metrics on record, with their intervals, are those of the rows."""
    from weighbridge.evidence.measuring import HeldOut
    from weighbridge.evidence.predictions import arrays

    found, wanted = subject.manifest.performance.test, task_of(subject.manifest).config.metrics
    _require_task(subject.manifest)
    own = sorted(set(wanted.own) & set(wanted.names))
    wanted = msgspec.structs.replace(wanted, names=tuple(name for name in wanted.names if name not in own), own={})
    frame = tables.read_parquet(contents.rows(files).predictions)
    groups = frame["group"].to_numpy() if found.group_by else None
    seen = arrays(frame, found.task)
    rows = HeldOut(y=seen.target, p=seen.new, groups=groups, wanted=wanted, task=found.task)
    # Beside the last release as when it was weighed, for what is drawn depends on the decisions of both.
    compared = [] if seen.old is None or found.comparison is None else [(seen.old, found.comparison.threshold)]
    others = [(other, wanted.threshold if limit is None else limit) for other, limit in compared]
    both = [(rows.p, wanted.threshold), *others]
    measured, *_ = rows.measure([one for one, _ in both], [limit for _, limit in both])
    known = {name: value for name, value in found.metrics.items() if name not in own}
    problems = list(unlike("metrics", known, rows.intervals(measured), near_zero(rows.y, found.task)))
    problems += list(unlike("rows", found.rows, len(frame)))
    problems += list(unlike("test_sha256", found.test_sha256, subject.manifest.data.splits["test"].sha256))
    if problems:  # whatever engine measured them: the rows are the same, and a metric is what its name says
        raise RecordError(f"{listed('metrics', problems)}; don't trust it")
    if own:
        raise UnprovedError(f"{', '.join(own)}: the project's own code, which isn't run here; all others as on record")
    return f"{len(found.metrics)} metrics with their intervals measured again, equal to those on record"


def _require_task(found: manifest.Manifest) -> None:
    said = {found.performance.test.task, found.data.task, task_of(found).config.data.task}
    strange = sorted(said - set(TASKS))
    if strange:
        raise RecordError(f"found the task {strange[0]!r}, expected one of {', '.join(TASKS)}: none here weighs others")
    if len(said) > 1:
        raise RecordError(f"found the tasks {', '.join(sorted(said))} in one manifest; don't trust it")


def versioned(subject: Subject, again: Judged) -> str:
    """Prove that the version follows from what changed, and from what people asked for in commits."""
    _require_last(subject)
    recorded, derived = subject.manifest, again.foreseen.derived
    problems = [
        *unlike("version", recorded.model_info.version, derived.version),
        *unlike("bump", recorded.lineage.bump, derived.bump),
        *unlike("reasons", recorded.lineage.reasons, derived.reasons),
        *unlike("data_changes", recorded.lineage.data_changes, derived.data_changes),
    ]
    if problems:
        raise disagree(subject, "judge", listed("the version", problems))
    before = recorded.lineage.previous
    return f"{derived.version} is {derived.bump}{f' after {before}' if before else ''}: {derived.reasons[0]}"


def _require_last(subject: Subject) -> None:
    """Refuse a release that passes over one before it, as if to be held against a worse one.

    A release with a lower version that was tagged later is none that it could have known. Times are the taggers' word.
    """
    named = subject.manifest.lineage.previous
    known = releases.releases(subject.root, subject.name)
    own = next((one for one in known if one.object == subject.tagged.id), None)
    if own is None:
        raise UnprovedError(f"{subject.tag} has moved meanwhile; try again")
    earlier = [one for one in known if one.version < own.version]
    floor = next((one.version for one in earlier if str(one.tag) == named), None)
    passed = [one for one in earlier if (floor is None or one.version > floor) and one.created <= own.created]
    if passed:
        raise RecordError(
            f"it follows {named or 'no release'}, and passes over {', '.join(str(one.tag) for one in passed)}, made "
            "before it; don't trust a comparison with an older release"
        )


def unlike(name: str, recorded: Any, found: Any, near: Mapping[str, float] | None = None) -> Iterator[str]:
    """Yield where two values differ, numbers by more than the tolerance; words for people are left out.

    Numbers near 0 may differ by :data:`TOLERANCE`, and those below a key of *near* by what is said there.
    """
    yield from _unlike(name, msgspec.to_builtins(recorded), msgspec.to_builtins(found), near or {}, TOLERANCE)


def _unlike(name: str, one: Any, other: Any, near: Mapping[str, float], small: float) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            if key not in _WORDS:
                yield from _unlike(f"{name}.{key}", one.get(key), other.get(key), near, near.get(key, small))
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple) and len(one) == len(other):
        for i, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _unlike(f"{name}[{i}]", left, right, near, small)
    elif not _alike(one, other, small):
        yield f"{name}: found {other!r}, on record {one!r}"


def _alike(one: Any, other: Any, small: float) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=small)
    return bool(one == other)


def near_zero(target: "Floats", task: str) -> dict[str, float]:
    """Return by how much a metric in the unit of the *target* [n] may differ near 0; others have no unit."""
    if task != "regression":
        return {}
    unit = min(1.0, float(target.std()))
    in_unit = dict.fromkeys(("mean_absolute_error", "root_mean_squared_error", "bias"), TOLERANCE * unit)
    return in_unit | {"mean_squared_error": TOLERANCE * unit**2}


def listed(what: str, problems: list[str]) -> str:
    """Return what comes out otherwise, the first few of it."""
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return f"{what} come out otherwise: {'; '.join(problems[:_SHOWN])}{more}"
