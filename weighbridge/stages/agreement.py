"""Whether all that a release is made of is about one and the same thing.

Snakemake keeps files in step by their times. A checkout of an older pointer, an edited record or switched-off rerun
triggers get past it; so before a tag is made, what the stages have left is compared here with each other, with the
settings, and with the files in place.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from weighbridge import documents, manifest, paths
from weighbridge.digest import folder_entries, sha256_file, sha256_folder
from weighbridge.errors import RecordError
from weighbridge.plan import Plan
from weighbridge.registry import content, ledger, releases
from weighbridge.settings import Config
from weighbridge.stages import baseline, judge
from weighbridge.tasks import JudgeTask, decode, plain


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages before the release have left."""

    data: manifest.DataSection
    packaged: manifest.Packaged
    run: manifest.RunRecord
    weighing: manifest.Weighing
    verdict: manifest.Verdict


class _Claim(NamedTuple):
    """Two things that have to be equal, and the stage to run again where they aren't."""

    what: str
    found: Any
    expected: Any
    again: str


def read(root: Path, verdict: manifest.Verdict | None = None) -> Evidence:
    """Return what the stages have left; *verdict* stands in for the one on record.

    Raises:
        RecordError: where a record is missing or damaged.
    """
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    return Evidence(
        data=documents.read_record(root / paths.PROFILE, manifest.DataSection),
        packaged=packaged,
        run=documents.read_record(root / paths.run(packaged.champion, packaged.seed) / "run.yaml", manifest.RunRecord),
        weighing=documents.read_record(root / paths.WEIGHING, manifest.Weighing),
        verdict=verdict or documents.read_record(root / paths.VERDICT, manifest.Verdict),
    )


def require(root: Path, plan: Plan, seen: Evidence) -> None:
    """Refuse evidence that is about something else than what is in place.

    Raises:
        RecordError: naming all that disagrees, and the stage to run again.
    """
    files = [*_files(root, plan.config.name, seen), *_plots(root)]
    _refuse([*files, *_settings(plan, seen), *_verdict(root, plan, seen)])


def require_results(root: Path, plan: Plan, seen: Evidence) -> None:
    """The same for what the verdict rests on, leaving aside the verdict on record and the pictures.

    Raises:
        RecordError: as :func:`require`.
    """
    _refuse([*_files(root, plan.config.name, seen), *_settings(plan, seen)])


def _refuse(claims: list[_Claim]) -> None:
    wrong = [claim for claim in claims if claim.found != claim.expected]
    if wrong:
        listed = "\n".join(f"- {one.what}: found {_short(one.found)}, expected {_short(one.expected)}" for one in wrong)
        stages = " ".join(dict.fromkeys(one.again for one in wrong))
        raise RecordError(
            f"the records don't belong together; something was edited, checked out or left out:\n{listed}\n"
            f"Run 'snakemake --cores all --forcerun {stages}'"
        )


def _short(value: object) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - what fits on a line


def _files(root: Path, name: str, seen: Evidence) -> Iterator[_Claim]:
    """The files in place are those that were packaged, weighed and drawn."""
    bundle = sha256_folder(folder_entries(root / paths.bundle(name)))
    packaged, weighing, test = seen.packaged, seen.weighing, paths.split("test")
    yield _Claim(f"{paths.bundle(name)} (edited?)", bundle, packaged.artifacts.content_sha256, "package")
    yield _Claim(f"bundle in {paths.WEIGHING}", weighing.content_sha256, packaged.artifacts.content_sha256, "weigh")
    yield _Claim(str(paths.pointer(name)), _pointed(root / paths.pointer(name)), packaged.artifacts.dvc, "package")
    processed = content.folder_address(root / paths.PROCESSED)[0]
    yield _Claim(str(paths.PROCESSED_POINTER), _pointed(root / paths.PROCESSED_POINTER), processed, "package")
    yield _Claim(str(test), sha256_file(root / test), seen.data.splits["test"].sha256, "preprocess")
    yield _Claim(f"test rows in {paths.WEIGHING}", weighing.test_sha256, seen.data.splits["test"].sha256, "weigh")
    yield from _recorded(root)
    yield from _baseline(root, packaged.baseline)
    for file, digest in weighing.cases_sha256.items():
        found = sha256_file(root / file) if (root / file).is_file() else None
        yield _Claim(f"{file} (of critical cases)", found, digest, "weigh")
    expected = _pointed(root / paths.RAW_POINTER)
    if content.folder_address(root / paths.RAW)[0] == expected:  # else they are uncommitted, which is told as such
        yield _Claim(f"raw files in {paths.PROFILE}", seen.data.raw.dvc, expected, "fetch")


def _recorded(root: Path) -> Iterator[_Claim]:
    """What was measured is what the ledger says of it: an edited latency is no latency."""
    known = [  # no set: a record that no stage has written may have a list there
        (entry.record.get("file"), entry.record.get("sha256"))
        for entry in ledger.read(root)
        if entry.record.get("kind") == ledger.EVIDENCE
    ]
    for path, stage in ((paths.PACKAGE, "package"), (paths.WEIGHING, "weigh")):
        found = sha256_file(root / path)
        expected = found if (path.as_posix(), found) in known else "a file that the ledger knows"
        yield _Claim(f"{path} (edited?)", found, expected, stage)


def _baseline(root: Path, release: str | None) -> Iterator[_Claim]:
    """The last release beside the bundle is the one that its tag names."""
    if release is None:
        return
    previous = releases.find(root, release)
    found = sha256_file(root / baseline.MANIFEST) if (root / baseline.MANIFEST).is_file() else None
    yield _Claim(str(baseline.MANIFEST), found, previous.notes.manifest_sha256, "package")
    if (root / baseline.MODEL).is_file():
        files = releases.manifest_of(root, previous).artifacts.files
        expected = next((file.sha256 for file in files if file.path == baseline.MODEL.name), None)
        yield _Claim(str(baseline.MODEL), sha256_file(root / baseline.MODEL), expected, "package")


def _plots(root: Path) -> Iterator[_Claim]:
    """The tables beside the bundle are those that were drawn."""
    drawn = documents.read_record(root / paths.PLOTS_RECORD, dict[str, str])
    for plot, digest in drawn.items():
        file = root / paths.PLOTS / plot
        yield _Claim(str(paths.PLOTS / plot), sha256_file(file) if file.is_file() else None, digest, "draw")


def _pointed(pointer: Path) -> str | None:
    return content.pointer_address(pointer) if pointer.is_file() else None


def _settings(plan: Plan, seen: Evidence) -> Iterator[_Claim]:
    """The champion was trained, chosen and weighed by the settings and the code that are recorded with it."""
    config, run = plan.config, seen.run
    made = run.parameters
    if made.candidate in config.candidates:
        yield _Claim("training code", run.stage_code, plan.code_digest("train", made.candidate), "train")
    yield _Claim(f"run in {paths.PACKAGE}", seen.packaged.run, run.run, "evaluate_run")
    yield from by_settings(config, seen.packaged, made, seen.weighing)


def by_settings(
    config: Config, packaged: manifest.Packaged, made: manifest.Parameters, weighed: manifest.Weighing
) -> Iterator[_Claim]:
    """Yield what has to be as the settings say; nothing is read."""
    yield _Claim("candidates", sorted(packaged.candidates), sorted(config.candidates), "package")
    if made.candidate in config.candidates:
        yield _Claim("parameters of the champion", _parameters(made), _wanted(config, made), "train")
    seeds = tuple(score.seed for score in packaged.candidates[packaged.champion].seeds)
    yield _Claim("seeds", seeds, config.seeds, "package")
    yield _Claim("select.metric", packaged.primary, config.select.metric, "package")
    yield _Claim("data.task", weighed.task, config.data.task, "preprocess")
    measured = (weighed.threshold, weighed.confidence, weighed.resamples, tuple(weighed.metrics))
    metrics = config.metrics
    wanted = (metrics.threshold, metrics.confidence, metrics.resamples, metrics.names)
    yield _Claim("settings of the metrics", measured, wanted, "weigh")


def _parameters(made: manifest.Parameters) -> object:
    return plain([made.model, made.hyperparameters, made.threads, made.fit.get("strings")])


def _wanted(config: Config, made: manifest.Parameters) -> object:
    candidate = config.candidates[made.candidate]
    return plain([candidate.model, candidate.params, config.threads, candidate.strings])


def _verdict(root: Path, plan: Plan, seen: Evidence) -> Iterator[_Claim]:
    """The verdict is what the gates say of this weighing today."""
    again = judge.decide(root, decode(plan.settings_of("judge"), JudgeTask))
    if again != seen.verdict:
        yield _Claim(f"verdict in {paths.VERDICT}", seen.verdict.gates.verdict, f"{again.gates.verdict}, anew", "judge")
