"""Whether the manifest agrees with itself, with the settings, the ledger and the rows.

Most of a manifest says what something else says as well. What nothing else says (times, the machine, what serving
costs) is the releaser's word; of that the ledger holds digests from before the release was decided.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.digest import FileEntry, sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.evidence.version import Derived
from weighbridge.registry import decisions, records
from weighbridge.stages import agreement, assembly, weigh
from weighbridge.stages.agreement import Evidence
from weighbridge.tasks import ReleaseTask, plain
from weighbridge.verification import contents
from weighbridge.verification.commits import ledger_of_commit, records_of, task_of
from weighbridge.verification.contents import Contents
from weighbridge.verification.judgement import LAST_RELEASE, listed, near_zero, packaged_of, unlike
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject

_RUN = "run.yaml"
_Record = dict[str, Any]


def agrees(subject: Subject, files: Contents) -> str:
    """Prove that what the manifest says twice is the same, and what can be measured again is as on record.

    Raises:
        RecordError: naming what disagrees.
        UnprovedError: where the rows aren't at hand, so that the rest alone agrees.
    """
    parts = (by_settings(subject), by_ledger(subject), _of_bundle(subject, files), _of_rows(subject, files))
    for part in parts:
        require(part)
    return (
        "the manifest agrees with itself, the settings, the ledger, the bundle and the rows; its times, machines and "
        "costs are the releaser's word"
    )


def require(part: Iterator[str]) -> None:
    """Refuse what a part of the checks has found.

    Raises:
        RecordError: naming it.
    """
    problems = list(part)
    if problems:
        raise RecordError(f"{listed('parts of the manifest', problems)}; don't trust it")


def by_settings(subject: Subject) -> Iterator[str]:
    """Yield where the manifest isn't what its own parts, and the settings, make."""
    from weighbridge.stages import package

    found, settings = subject.manifest, task_of(subject.manifest)
    packaged, config = packaged_of(found), settings.config
    changes = assembly.code_changes(subject.root, found.lineage.previous, subject.commit.parent)
    again = _assembled(found, settings, changes)
    # Git shortens a commit's name by how many it knows; words are the same everywhere.
    yield from unlike("code_changes", _subjects(found.lineage.code_changes), _subjects(changes))
    yield from unlike("manifest", _bare(found), _bare(again))
    made, weighed = found.parameters, found.performance.test
    if made.candidate not in packaged.candidates:
        yield f"champion: {made.candidate} is none of the candidates {', '.join(packaged.candidates)}"
        return
    for claim in agreement.by_settings(config, packaged, made, weighed):
        yield from unlike(claim.what, plain(claim.found), plain(claim.expected))
    if made.candidate in config.candidates:
        strings = {"strings": made.fit.get("strings")}
        if made.fit not in (strings, plain(config.candidates[made.candidate].fit) | strings):
            yield f"parameters.fit: found {made.fit}, which the settings don't say"
    yield from unlike("test_sha256", weighed.test_sha256, found.data.splits["test"].sha256)
    yield from unlike("content_sha256", weighed.content_sha256, found.artifacts.content_sha256)
    yield from unlike("group_by", weighed.group_by, found.data.group or None)
    scores = {name: package.scored(score.seeds) for name, score in packaged.candidates.items()}
    yield from unlike("selected_from", packaged.candidates, scores)
    chosen = package.choose(scores, config.select.metric, config.metrics.own, found.data.folds)
    yield from unlike("champion", [made.candidate, made.seed], list(chosen))
    runs = {score.seed: score.run for score in scores[chosen[0]].seeds}
    yield from unlike("run", found.model_info.run, runs.get(made.seed))


def _assembled(found: manifest.Manifest, settings: ReleaseTask, changes: tuple[str, ...]) -> manifest.Manifest:
    lineage = found.lineage
    verdict = manifest.Verdict(gates=found.gates, version=found.model_info.version, lineage=lineage)
    seen = Evidence(
        data=found.data,
        packaged=packaged_of(found),
        run=_run(found, "", ()),
        weighing=found.performance.test,
        verdict=verdict,
    )
    derived = Derived(found.model_info.version, lineage.bump, lineage.reasons, lineage.data_changes)
    return assembly.put_together(settings, seen, derived, found.code, changes)


def _bare(found: manifest.Manifest) -> manifest.Manifest:
    info = msgspec.structs.replace(found.model_info, created="")
    lineage = msgspec.structs.replace(found.lineage, code_changes=())
    return msgspec.structs.replace(found, model_info=info, lineage=lineage)


def _subjects(changes: tuple[str, ...]) -> list[str]:
    return [line.partition(" ")[2] for line in changes]


def _run(found: manifest.Manifest, code: str, files: tuple[FileEntry, ...]) -> manifest.RunRecord:
    """Return the record that the champion's training had left."""
    fit = found.parameters.fit
    return manifest.RunRecord(
        run=found.model_info.run,
        kind="torch" if set(fit) - {"strings"} else "sklearn",
        framework=found.model_info.framework,
        parameter_count=found.artifacts.parameter_count,
        environment=found.environment,
        hardware=msgspec.structs.replace(found.hardware, required_memory_mib=None),
        parameters=msgspec.structs.replace(found.parameters, settings={}),
        training=msgspec.structs.replace(found.training, restored_from=None),
        stage_code=code,
        files=files,
    )


def by_ledger(subject: Subject) -> Iterator[str]:
    """Yield what the records of the ledger contradict: trainings, validation metrics, package, weighing, decisions."""
    subject.once("ledger", lambda: ledger_of_commit(subject))
    found, known = subject.manifest, {key: one.record for key, one in records_of(subject).items()}
    measured = {
        (one.get("run"), one.get("candidate"), one.get("seed")): one.get("metrics")
        for one in known.values()
        if (one.get("kind"), one.get("status")) == (records.RUN, records.EVALUATED)
    }
    for name, score in found.performance.selected_from.items():
        for seed in score.seeds:
            if measured.get((seed.run, name, seed.seed)) != seed.metrics:
                yield f"{name}, seed {seed.seed}: the ledger has no such metrics of the run {seed.run}"
    written = {(one.get("file"), one.get("sha256")) for one in known.values() if one.get("kind") == records.EVIDENCE}
    for path, part in ((paths.PACKAGE, packaged_of(found)), (paths.WEIGHING, found.performance.test)):
        if (path.as_posix(), _digest(part)) not in written:
            yield f"{path}: the ledger knows of none that says what the manifest says"
    yield from _training(found, known)
    previous, test = found.lineage.previous, found.performance.test
    decided = decisions.count(
        subject.root,
        test.outcomes_sha256,
        found.artifacts.content_sha256,
        subject.previous,
        previous,
        records=list(known.values()),
    )
    yield from unlike("test_decisions", found.gates.test_decisions, decided)


def _digest(record: Any) -> str:
    return sha256_bytes(documents.dump(record).encode())


def _training(found: manifest.Manifest, known: dict[str, _Record]) -> Iterator[str]:
    """The champion's training is on record, with the digest of all that its ``run.yaml`` says."""
    run, restored = found.model_info.run, found.training.restored_from
    trained = {digest: one for digest, one in known.items() if one.get("status") == records.TRAINED}
    candidates = [trained.get(restored, {})] if restored else list(trained.values())
    for one in candidates:
        if one.get("run") != run:
            continue
        files = tuple(msgspec.convert(file, FileEntry) for file in one.get("files", ()))
        own = tuple(file for file in files if file.path != _RUN)
        record = _run(found, str(one.get("inputs", {}).get("code", "")), own)
        if any(file.path == _RUN and file.sha256 == _digest(record) for file in files):
            yield from _weights(found, own)
            return
    yield f"run {run}: the ledger has no training that was as the manifest says"


def _weights(found: manifest.Manifest, own: tuple[FileEntry, ...]) -> Iterator[str]:
    """The native files of the bundle are those that the training left."""
    shipped = {one.path: one.sha256 for one in found.artifacts.files}
    for file in own:
        if file.path in shipped:
            yield from unlike(file.path, shipped[file.path], file.sha256)


def _of_bundle(subject: Subject, files: Contents) -> Iterator[str]:
    from weighbridge.evidence import graph

    found, weighed = subject.manifest, subject.manifest.performance.test
    said = documents.read(files.proved("bundle", "bundle.yaml"), RecordError).value
    expected = {"name": subject.name, "threshold": weighed.threshold, "interface": found.interface}
    yield from unlike("bundle.yaml", msgspec.to_builtins(expected), said)
    yield from unlike("graph", weighed.graph, graph.describe(files.proved("bundle", "model.onnx")))
    if weighed.comparison and weighed.comparison.comparable:
        before = graph.describe(files.proved(LAST_RELEASE, "model.onnx"))
        yield from unlike("comparison.graph", weighed.comparison.graph, before)


def _of_rows(subject: Subject, files: Contents) -> Iterator[str]:
    """Yield what the test rows contradict besides the metrics: slices, calibration, groups, the comparison."""
    from weighbridge.evidence import measuring, weighing
    from weighbridge.evidence.predictions import arrays

    found, data = subject.manifest.performance.test, subject.manifest.data
    wanted = task_of(subject.manifest).config.metrics
    place = contents.rows(files)
    frame = tables.read_parquet(place.predictions)
    columns = [data.id, data.target, *([data.group] if data.group else []), *wanted.slices]
    test = tables.read_parquet(place.test, list(dict.fromkeys(columns)))
    for name, column in (("id", data.id), ("target", data.target), ("group", data.group)):
        if column and not frame[name].equals(test[column].rename(name)):
            yield f"{name}: that of the predictions isn't {column} of the test rows"
    yield from unlike("outcomes_sha256", found.outcomes_sha256, weigh.outcomes(frame))
    if wanted.own:
        raise UnprovedError("all else agrees; slices and the comparison hold metrics of the project's own code")
    groups = frame["group"].to_numpy() if data.group else None
    seen = arrays(frame, found.task)
    rows = measuring.HeldOut(y=seen.target, p=seen.new, groups=groups, wanted=wanted, task=found.task)
    yield from unlike("groups", found.groups, rows.count_groups())
    yield from unlike("calibration", found.calibration, weighing.calibration(rows))
    again = [part for column in wanted.slices for part in measuring.slices(rows, column, test[column])]
    near = near_zero(rows.y, found.task)
    yield from unlike("slices", found.slices, again, near)
    if found.comparison and found.comparison.comparable:
        if seen.old is None:
            yield "baseline: the predictions hold none of the last release"
            return
        other, comparison = seen.old, found.comparison
        threshold = wanted.threshold if comparison.threshold is None else comparison.threshold
        new, old = rows.measure([rows.p, other], [wanted.threshold, threshold])
        for field, value in weighing.changes(rows, (new, old), other, threshold).items():
            yield from unlike(f"comparison.{field}", getattr(comparison, field), value, near)
