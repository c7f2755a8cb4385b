"""How far a release could be made again: what was made beside what its manifest says, and what may explain a gap.

==============================  ==================================================================================
``equal to the bit``            each file of the bundle has the recorded SHA-256
``metrics equal to 6 digits``   all metrics are, validation and test
``metrics within tolerance``    each test metric lies in the interval that the release recorded for it
``recorded``                    none of these, or it could not be made: the record is all there is
==============================  ==================================================================================
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from weighbridge.digest import FileEntry
from weighbridge.manifest import (
    CandidateScore,
    DataSection,
    Distribution,
    EnvironmentSection,
    Manifest,
    Packaged,
    Raw,
    Record,
    RunRecord,
    Weighing,
)

RECORDED = "recorded"
TOLERANCE = "metrics within tolerance"
DIGITS = "metrics equal to 6 digits"
BIT = "equal to the bit"
LEVELS = (RECORDED, TOLERANCE, DIGITS, BIT)
_SIX_DIGITS = 1e-6
_SMALLEST = 1e-12

# Libraries that compute or write what a bundle holds: where one of these differs, look there first.
_NUMERIC = ("numpy", "scipy", "scikit-learn", "torch", "onnx", "onnxruntime", "onnxscript", "skl2onnx", "skops",
            "safetensors", "pandas", "pyarrow", "protobuf")  # fmt: skip


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What the pipeline made; *bundle* are the files as they lie there."""

    raw: Raw
    data: DataSection
    packaged: Packaged
    run: RunRecord
    weighing: Weighing
    bundle: tuple[FileEntry, ...]


class Differs(Record, frozen=True):
    """One thing that isn't as recorded; ``None`` where one side lacks it."""

    what: str
    recorded: Any
    found: Any


class Outcome(Record, frozen=True):
    """How far a reproduction got."""

    release: str
    level: str
    problem: str
    """Why nothing could be compared; empty where it could."""
    files: tuple[Differs, ...]
    """Files with another SHA-256, in the order in which they are made."""
    metrics: tuple[Differs, ...]
    """Metrics that differ by a sixth digit or more."""
    facts: tuple[Differs, ...]
    """Recorded facts of the machine, the environment and the settings that differ, the most telling first."""
    compared_files: int
    """Files of the bundle that are as recorded."""
    compared_metrics: int
    """Metrics that were compared."""
    wall_seconds: float
    """Time that it took."""

    def reaches(self, level: str) -> bool:
        """Return whether it got as far as *level*."""
        return LEVELS.index(self.level) >= LEVELS.index(level)


def compare(tag: str, recorded: Manifest, made: Made, wall_seconds: float) -> Outcome:
    """Return how far *made* is what the manifest *recorded* says."""
    files = tuple(_files(recorded, made))
    ours = {entry.path: entry.sha256 for entry in made.bundle}
    same = sum(ours.get(file.path) == file.sha256 for file in recorded.artifacts.files)
    whole = same == len(recorded.artifacts.files) == len(made.bundle)
    before, after = (
        _scores(recorded.performance.selected_from, recorded.performance.test),
        _scores(made.packaged.candidates, made.weighing),
    )
    metrics = tuple(_numbers(before, after))
    if whole:
        level = BIT
    elif not metrics:
        level = DIGITS
    else:
        level = TOLERANCE if _within(recorded.performance.test, made.weighing) else RECORDED
    return Outcome(
        release=tag,
        level=level,
        problem="",
        files=files,
        metrics=metrics,
        facts=tuple(facts(recorded, made.run)),
        compared_files=same,
        compared_metrics=len(before),
        wall_seconds=round(wall_seconds, 1),
    )


def failed(tag: str, problem: str, differing: Iterable[Differs], wall_seconds: float) -> Outcome:
    """Return the outcome where the pipeline made nothing that can be compared, for the reason *problem*."""
    return Outcome(
        release=tag,
        level=RECORDED,
        problem=problem,
        files=(),
        metrics=(),
        facts=tuple(differing),
        compared_files=0,
        compared_metrics=0,
        wall_seconds=round(wall_seconds, 1),
    )


def _files(recorded: Manifest, made: Made) -> Iterator[Differs]:
    """Yield what differs on the way from raw data to bundle: the first one is where to look."""
    data = recorded.data
    yield from _entries("raw", _digests(data.raw.files), _digests(made.raw.files))
    parts = ({name: split.sha256 for name, split in one.splits.items()} for one in (data, made.data))
    yield from _entries("processed", *parts)
    if (recorded.parameters.candidate, recorded.parameters.seed) != (made.packaged.champion, made.packaged.seed):
        chosen = f"{recorded.parameters.candidate}, seed {recorded.parameters.seed}"
        yield Differs(what="champion", recorded=chosen, found=f"{made.packaged.champion}, seed {made.packaged.seed}")
    curves = [one.training.curve_sha256 for one in (recorded, made.run)]
    if curves[0] != curves[1]:
        yield Differs(what="learning curve", recorded=curves[0], found=curves[1])
    ours = {file.path: file.sha256 for file in recorded.artifacts.files}
    yield from _entries("bundle", ours, {entry.path: entry.sha256 for entry in made.bundle})
    before, after = recorded.performance.test.predictions_sha256, made.weighing.predictions_sha256
    if before and before != after:
        yield Differs(what="predictions on the test rows", recorded=before, found=after)


def _digests(files: Iterable[FileEntry]) -> dict[str, str]:
    return {file.path: file.sha256 for file in files}


def _entries(where: str, recorded: Mapping[str, str], found: Mapping[str, str]) -> Iterator[Differs]:
    # Native weights before the graph that is made of them.
    for name in sorted({*recorded, *found}, key=lambda name: (name.endswith((".onnx", ".json", ".md")), name)):
        if recorded.get(name) != found.get(name):
            yield Differs(what=f"{where}: {name}", recorded=recorded.get(name), found=found.get(name))


def _scores(candidates: Mapping[str, CandidateScore], test: Weighing) -> dict[str, float]:
    scores = {
        f"validation {name} seed {score.seed}: {metric}": value
        for name, candidate in candidates.items()
        for score in candidate.seeds
        for metric, value in score.metrics.items()
    }
    return scores | {f"test: {name}": interval.value for name, interval in test.metrics.items()}


def _numbers(recorded: Mapping[str, float], found: Mapping[str, float]) -> Iterator[Differs]:
    for name in dict.fromkeys([*recorded, *found]):
        if name not in recorded or name not in found or not _same(recorded[name], found[name]):
            yield Differs(what=name, recorded=recorded.get(name), found=found.get(name))


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=_SIX_DIGITS, abs_tol=_SMALLEST)


def _within(recorded: Weighing, found: Weighing) -> bool:
    values = {name: interval.value for name, interval in found.metrics.items()}
    return bool(recorded.metrics) and all(
        name in values and (interval.low <= values[name] <= interval.high or _same(interval.value, values[name]))
        for name, interval in recorded.metrics.items()
    )


def facts(recorded: Manifest, run: RunRecord) -> Iterator[Differs]:
    """Yield the recorded facts that differ in *run*, those that most often change bits first."""
    before, after = recorded.hardware, run.hardware
    yield from _fact("threads", recorded.parameters.threads, run.parameters.threads)
    for name in ("instruction_sets", "blas", "cpu", "accelerators"):
        yield from _fact(name.replace("_", " "), getattr(before, name), getattr(after, name))
    variables = (recorded.environment.variables, run.environment.variables)
    for name in sorted({key for found in variables for key in found}):
        yield from _fact(f"variable {name}", *(found.get(name) for found in variables))
    yield from environment(recorded.environment, run.environment)
    yield from _fact("code of train", recorded.code.stages.get("train"), run.stage_code)
    yield from _fact("cores", before.cores, after.cores)


def environment(recorded: EnvironmentSection, found: EnvironmentSection) -> Iterator[Differs]:
    """Yield what differs between two environments, but for their variables: Python, versions, what lies below.

    A distribution of the same version may have another ``RECORD``: it names the environment's own folder where there
    are scripts. These are told in one line.
    """
    yield from _fact("python", recorded.python, found.python)
    before, after = _by_name(recorded.distributions), _by_name(found.distributions)
    differing = [name for name in {**before, **after} if _version(before, name) != _version(after, name)]
    for name in sorted(differing, key=lambda name: (name not in _NUMERIC, name)):
        yield Differs(what=f"library {name}", recorded=_version(before, name), found=_version(after, name))
    for name in ("libc", "os", "lock_sha256"):
        yield from _fact(name.replace("_", " "), getattr(recorded, name), getattr(found, name))


def _by_name(distributions: Iterable[Distribution]) -> dict[str, Distribution]:
    return {one.name.lower(): one for one in distributions}


def _version(distributions: Mapping[str, Distribution], name: str) -> str | None:
    return distributions[name].version if name in distributions else None


def _fact(what: str, recorded: Any, found: Any) -> Iterator[Differs]:
    if recorded != found:
        yield Differs(what=what, recorded=msgspec.to_builtins(recorded), found=msgspec.to_builtins(found))
