"""package: the champion, chosen on validation rows, becomes the bundle that ships."""

import json
import math
import shutil
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.data.schema import schema_at
from weighbridge.digest import FileEntry, folder_entries, sha256_file, sha256_folder
from weighbridge.errors import RecordError
from weighbridge.evidence import feeding, metrics, noise, readme, serving
from weighbridge.registry import content, pickles, placing, releases, trusted
from weighbridge.settings import OwnMetric
from weighbridge.tasks import PackageTask
from weighbridge.training import export, native

if TYPE_CHECKING:
    from weighbridge.training.fitted import Fitted

_GOLDEN_ROWS = 16
_DRAFT = f"{paths.TEMPORARY}bundle-"
_ROLES = {
    "model.onnx": "the model that ships: raw columns to prediction",
    "model.skops": "native weights",
    "model.safetensors": "native weights",
    "preprocessing.skops": "native preprocessing",
    "bundle.yaml": "interface",
    "golden.json": "golden samples",
    "README.md": "how to use it",
}


class Built(NamedTuple):
    """What making the bundle showed."""

    interface: manifest.Interface
    parity: manifest.Parity


def run(root: Path, task: PackageTask) -> manifest.Packaged:
    """Choose the champion, export it, measure parity on all validation rows, and give the bundle to DVC.

    Raises:
        ModelError: where the champion can't be exported.
        SetupError: where Git or DVC can't be used.
    """
    scores = {name: _score(root, name, task) for name in task.candidates}
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    champion, seed = choose(scores, task.metric, task.own, data.folds)
    record = documents.read_record(root / paths.run(champion, seed) / "run.yaml", manifest.RunRecord)
    print(f"champion: {champion}, seed {seed} ({task.metric} {scores[champion].mean[task.metric]:.4f} over the seeds)")
    bundle = root / paths.bundle(task.name)
    built = _build(root, task, champion, record)
    pickles.refuse(bundle, str(paths.bundle(task.name)))
    entries = folder_entries(bundle)
    baseline, same_as = _releases_beside(root, task.name, sha256_folder(entries))
    packaged = manifest.Packaged(
        name=task.name,
        champion=champion,
        seed=seed,
        run=record.run,
        primary=task.metric,
        candidates=scores,
        interface=built.interface,
        artifacts=_artifacts(root, bundle, entries, record.parameter_count),
        parity=built.parity,
        baseline=str(baseline.tag) if baseline else None,
        same_as=str(same_as.tag) if same_as else None,
        noise=_noise(root, champion, task, data),
        cost=_cost(root, task),
    )
    _bring_baseline(root, task.name, baseline, built.interface)
    documents.write_record(root / paths.CHAMPION, {"champion": champion, "seed": seed, "run": record.run})
    documents.write_record(root / paths.PACKAGE, packaged)
    return packaged


def _score(root: Path, candidate: str, task: PackageTask) -> manifest.CandidateScore:
    seeds = []
    for seed in task.seeds:
        seen = _evaluation(root / paths.run(candidate, seed), task.metric)
        seeds.append(manifest.SeedScore(seed=seed, run=seen.run, metrics=seen.metrics))
    return scored(tuple(seeds))


def scored(seeds: tuple[manifest.SeedScore, ...]) -> manifest.CandidateScore:
    """Return a candidate's score: what its seeds have in common, mean and deviation."""
    names = [name for name in seeds[0].metrics if all(name in score.metrics for score in seeds)]
    values = {name: [score.metrics[name] for score in seeds] for name in names}
    return manifest.CandidateScore(
        seeds=seeds,
        mean={name: statistics.fmean(found) for name, found in values.items()},
        deviation={name: statistics.stdev(found) for name, found in values.items() if len(found) > 1},
    )


def _evaluation(folder: Path, metric: str) -> manifest.Evaluation:
    """Return a run's evaluation, which must be of the run that lies there and hold the metric that decides."""
    seen = documents.read_record(folder / "validation.yaml", manifest.Evaluation)
    record = documents.read_record(folder / "run.yaml", manifest.RunRecord)
    wrong = []
    if seen.run != record.run:
        wrong.append(f"found run {seen.run}, run.yaml says {record.run}")
    if metric not in seen.metrics:
        wrong.append(f"no metric {metric}, by which the champion is chosen")
    if wrong:
        again = "run 'snakemake --cores all --forcerun evaluate_run'"
        raise RecordError(f"{folder / 'validation.yaml'}: {'; '.join(wrong)}; {again}")
    return seen


def choose(
    scores: dict[str, manifest.CandidateScore],
    metric: str,
    own: Mapping[str, OwnMetric] | None = None,
    folds: int = 0,
) -> tuple[str, int]:
    """Return the candidate with the best mean of *metric* over its seeds, and the best of its seeds.

    Validation rows only. Among equals the first by name, and the lowest seed, so that the choice is the same twice. In
    a cross-validation of so many *folds* it is the lowest seed anyway: each was measured on rows of its own, and the
    best may only have had the easiest. *own* are the project's own metrics.
    """
    sign = 1 if metrics.greater_is_better(metric, own) else -1
    champion = min(scores, key=lambda name: (-sign * scores[name].mean[metric], name))
    if folds:
        return champion, min(score.seed for score in scores[champion].seeds)
    best = min(scores[champion].seeds, key=lambda score: (-sign * score.metrics[metric], score.seed))
    return champion, best.seed


def _noise(root: Path, champion: str, task: PackageTask, data: manifest.DataSection) -> manifest.Noise | None:
    """Return what another seed changes; unknown in a cross-validation, where each seed has other rows."""
    if data.folds:
        return None
    files = [paths.run(champion, seed) / "validation.parquet" for seed in task.seeds]
    return noise.noise({file: tables.read_parquet(root / file) for file in files}, task.threshold, data.task)


def _cost(root: Path, task: PackageTask) -> manifest.TrainingCost:
    """Return what all trainings took, those of candidates that weren't chosen included."""
    trainings = [
        documents.read_record(root / paths.run(candidate, seed) / "run.yaml", manifest.RunRecord).training
        for candidate in task.candidates
        for seed in task.seeds
    ]
    return manifest.TrainingCost(
        runs=len(trainings),
        cpu_seconds=round(sum(training.cpu_seconds for training in trainings), 3),
        wall_seconds=round(sum(training.wall_seconds for training in trainings), 3),
    )


def _build(root: Path, task: PackageTask, champion: str, record: manifest.RunRecord) -> Built:
    """Make the bundle in a temporary folder, then rename it into place."""
    schema = schema_at(task.data_schema)
    seed = record.parameters.seed
    run_folder, bundle = root / paths.run(champion, seed), root / paths.bundle(task.name)
    native.require_unchanged(run_folder, record.files)
    fitted = native.load(run_folder, task.candidates[champion], schema, seed=seed, threads=task.threads)
    data = documents.read_record(root / paths.PROFILE, manifest.DataSection)
    tables.read_split(root, "validation", data, [schema.id])  # which sees that they are the rows on record
    rows = feeding.Parts(root / paths.split("validation"), list(schema.features), schema.id)
    interface = export.interface(schema, {feature.name: feature.missing_share for feature in data.features})
    bundle.parent.mkdir(parents=True, exist_ok=True)
    placing.remove_forgotten(bundle.parent, _DRAFT)
    temporary = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=bundle.parent))
    try:
        temporary.chmod(0o755)
        print("exporting to ONNX", flush=True)
        export.export(fitted, schema, temporary / "model.onnx", threshold=task.threshold)
        parity = _parity(fitted, temporary / "model.onnx", rows, task.threshold)
        _describe(temporary, task, interface, next(iter(rows)).head(_GOLDEN_ROWS))
        for entry in record.files:
            if entry.path in _ROLES:
                shutil.copyfile(run_folder / entry.path, temporary / entry.path)
        placing.put_folder(temporary, bundle)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    print(f"parity: largest difference {parity.largest_difference:.2g} over {parity.rows} rows")
    return Built(interface, parity)


def _parity(fitted: "Fitted", onnx: Path, rows: feeding.Parts, threshold: float) -> manifest.Parity:
    """Return how closely the graph agrees with the native model, part by part."""
    found = [export.parity(fitted, onnx, part, threshold) for part in rows]
    return manifest.Parity(
        rows=sum(part.rows for part in found),
        largest_difference=max(part.largest_difference for part in found),
        changed_decisions=sum(part.changed_decisions for part in found),
    )


def _describe(folder: Path, task: PackageTask, interface: manifest.Interface, sample: Any) -> None:
    """Write what lies beside the graph: the interface, golden samples, and how to use it."""
    predicted = serving.predict(folder / "model.onnx", sample)
    golden = {
        "inputs": {each.name: [_plain(value, each.shape) for value in sample[each.name]] for each in interface.inputs},
        "outputs": {interface.outputs[-1].name: predicted.tolist()},
    }
    documents.write(folder / "golden.json", json.dumps(golden, indent=1, allow_nan=False) + "\n")
    bundle = {"name": task.name, "threshold": task.threshold, "interface": interface}
    documents.write_record(folder / "bundle.yaml", bundle)
    documents.write(folder / "README.md", readme.bundle_readme(task.name, interface, golden))


def _plain(value: Any, shape: tuple[int, ...]) -> object:
    """Return a cell for JSON: a missing number is ``null``, an array lists of its *shape*."""
    if shape:
        return value.reshape(shape).tolist()
    if isinstance(value, str):
        return value
    number = float(value)
    return None if math.isnan(number) else number


def _artifacts(root: Path, bundle: Path, entries: tuple[FileEntry, ...], parameters: int) -> manifest.Artifacts:
    address = content.add(root, bundle)
    content.add(root, root / paths.PROCESSED)
    return manifest.Artifacts(
        files=tuple(
            manifest.Artifact(path=entry.path, role=_ROLES[entry.path], bytes=entry.bytes, sha256=entry.sha256)
            for entry in entries
        ),
        content_sha256=sha256_folder(entries),
        dvc=address,
        parameter_count=parameters,
        loaded_memory_mib=None,
    )


def _releases_beside(
    root: Path, name: str, content_sha256: str
) -> tuple[releases.Release | None, releases.Release | None]:
    """Return the release to beat and the release that is the same, where there are such."""
    return (
        releases.latest(root, name, other_than_content=content_sha256),
        releases.with_content(root, name, content_sha256),
    )


def _bring_baseline(root: Path, name: str, baseline: releases.Release | None, interface: manifest.Interface) -> None:
    """Lay the release to beat beside the bundle: its files, and its manifest; an empty folder where there is none.

    A clone may have the tag and not the content: then there is the manifest alone.
    """
    (root / paths.BASELINE.parent).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root / paths.BASELINE.parent, prefix=paths.TEMPORARY) as temporary:
        draft = Path(temporary, paths.BASELINE.name)
        draft.mkdir()
        if baseline is None:
            print("no earlier release to compare with")
        else:
            _fill_baseline(root, name, baseline, interface, draft)
        placing.put_folder(draft, root / paths.BASELINE)


def _fill_baseline(
    root: Path, name: str, baseline: releases.Release, interface: manifest.Interface, folder: Path
) -> None:
    text = releases.blob(root, str(baseline.tag), paths.manifest(name).as_posix())
    pointer = releases.blob(root, str(baseline.tag), paths.pointer(name).as_posix())
    try:
        content.materialise(root, pointer, folder, sha256=baseline.notes.content_sha256)
    except content.NowhereError as problem:  # all else can go on without it; gates that need it will say so
        print(f"{baseline.tag} is to beat and isn't at hand: {problem}")
    else:
        pickles.refuse(folder, f"the bundle of {baseline.tag}")
        print(f"to beat: {baseline.tag}")
    documents.write(folder / "manifest.yaml", text)
    previous = documents.read_record(folder / "manifest.yaml", manifest.Manifest)
    retired = {each.name for each in previous.interface.inputs} - {each.name for each in interface.inputs}
    if retired:
        rows = folder / paths.BASELINE_ROWS.relative_to(paths.BASELINE)
        _bring_rows(root, baseline, previous.data.splits["test"].sha256, rows)


def _bring_rows(root: Path, baseline: releases.Release, sha256: str, folder: Path) -> None:
    """Lay the last release's test rows beside its bundle: they alone have the inputs that were retired since."""
    try:
        content.materialise(root, releases.blob(root, str(baseline.tag), paths.PROCESSED_POINTER.as_posix()), folder)
    except (content.NowhereError, RecordError) as problem:  # as above
        print(f"the test rows of {baseline.tag} aren't at hand: {problem}")
        return
    test = folder / paths.split("test").name
    for path in folder.iterdir():
        if path != test:
            path.unlink()
    found = sha256_file(test) if test.is_file() else "none"
    trusted.require(found, sha256, f"the test rows of {baseline.tag}", paths.PROCESSED_POINTER.as_posix())
