"""The manifest: everything about a run and what became of it, as typed records.

Each stage writes the records it is able to fill; the release puts them together. A field without a default
must be known before anything is released; one whose type admits ``None`` is a fact that may be absent from
the world (no earlier release, no accelerator), never one that was forgotten.

Units are in the names (``_ms``, ``_seconds``, ``_mib``) or in the docstring; times are UTC; digests are SHA-256.
Fields may be added at the end of a record; their position is their number in the generated ``.proto``.
"""

from typing import Any

import msgspec

from weighbridge.digest import FileEntry

SCHEMA = "weighbridge/v1"


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all records."""


class Framework(Record):
    """The library that fitted the model."""

    name: str
    version: str


class ModelInfo(Record):
    """Which model this is, in the shape that other tools look for."""

    id: str
    name: str
    version: str
    run: str
    created: str
    author: str
    team: str
    project: str
    task: str
    description: str
    framework: Framework
    performance: dict[str, float]
    """Each test metric's value by its name, and ``latency_ms`` (the median of one row)."""


class Feature(Record):
    """One input column as the data has it; *known* is hours before the prediction."""

    name: str
    type: str
    unit: str
    known_hours_before: float
    missing_share: float
    description: str


class Split(Record):
    """One part of the data: its rows, what time they span, and the digest of its file."""

    rows: int
    groups: int | None
    first: str | None
    last: str | None
    target_rate: float
    sha256: str


class Check(Record):
    """One check of the data: its name, whether it held, and what was seen."""

    name: str
    passed: bool
    found: str


class Raw(Record):
    """The raw files: by SHA-256, and DVC's address of the folder."""

    sha256: str
    dvc: str
    files: tuple[FileEntry, ...]


class DataSection(Record):
    """The dataset version and how it was prepared."""

    raw: Raw
    source: str
    licence: str
    rows: int
    dropped_rows: int
    target: str
    labels: tuple[str, ...]
    split_rule: str
    splits: dict[str, Split]
    features: tuple[Feature, ...]
    checks: tuple[Check, ...]


class CodeSection(Record):
    """The code that ran: commit of the project, and a digest of the source files of each stage."""

    commit: str
    branch: str
    repository: str
    dirty_files: tuple[str, ...]
    dirty_sha256: str | None
    stages: dict[str, str]


class Distribution(Record):
    """An installed distribution and the digest of its RECORD file."""

    name: str
    version: str
    record_sha256: str


class EnvironmentSection(Record):
    """What was installed, and the variables that may change results."""

    python: str
    lock_sha256: str
    distributions: tuple[Distribution, ...]
    os: str
    libc: str
    variables: dict[str, str]


class Accelerator(Record):
    """One GPU or its like."""

    name: str
    memory_mib: float
    driver: str


class Hardware(Record):
    """The machine of the training, and what serving needs at least."""

    cpu: str
    instruction_sets: tuple[str, ...]
    cores: int
    memory_mib: float
    accelerators: tuple[Accelerator, ...]
    blas: tuple[str, ...]
    required_memory_mib: float
    required_accelerator: str | None


class Parameters(Record):
    """What was asked for."""

    candidate: str
    model: str
    hyperparameters: dict[str, Any]
    fit: dict[str, Any]
    seed: int
    threads: int
    settings: dict[str, Any]
    """The whole configuration as resolved, overlays included."""


class Training(Record):
    """How the training went; times in seconds, memory in MiB."""

    started: str
    ended: str
    wall_seconds: float
    cpu_seconds: float
    peak_memory_mib: float
    epochs: int | None
    best_epoch: int | None
    curve_sha256: str | None
    resumed_from: str | None
    cluster_job: str | None
    host: str


class Input(Record):
    """One input of the model: a column of one value a row; a missing value is NaN, or the empty string."""

    name: str
    type: str
    unit: str
    may_be_missing: bool
    optional: bool = False


class Output(Record):
    """One output of the model."""

    name: str
    type: str
    labels: tuple[str, ...]
    meaning: str


class Interface(Record):
    """What goes in and comes out."""

    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]


class Artifact(Record):
    """One file of the bundle."""

    path: str
    role: str
    bytes: int
    sha256: str


class Artifacts(Record):
    """The bundle: its files, one digest for all of them, and DVC's address."""

    files: tuple[Artifact, ...]
    content_sha256: str
    dvc: str
    parameter_count: int
    loaded_memory_mib: float


class Parity(Record):
    """How closely ``model.onnx`` agrees with the native model, over real rows."""

    rows: int
    largest_difference: float
    changed_decisions: int


class Interval(Record):
    """A measured value with its interval at the stated confidence."""

    value: float
    low: float
    high: float


class SeedScore(Record):
    """One seed's metrics on the validation rows."""

    seed: int
    run: str
    metrics: dict[str, float]


class CandidateScore(Record):
    """A candidate's validation metrics: per seed, their mean and standard deviation (n - 1)."""

    seeds: tuple[SeedScore, ...]
    mean: dict[str, float]
    deviation: dict[str, float]


class Slice(Record):
    """Metrics of a part of the test rows; *metrics* is empty where it holds one class only."""

    column: str
    value: str
    rows: int
    metrics: dict[str, Interval]


class Serving(Record):
    """The bundle under measurement: one row at a time on one thread, then a batch."""

    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    rows_per_second: float
    load_seconds: float
    peak_memory_mib: float
    size_mib: float


class Change(Record):
    """A metric of this model minus that of the last release, on the same rows, resampled together."""

    baseline: float
    difference: Interval


class Comparison(Record):
    """The last release beside this bundle. *reason* says why where it can't be measured."""

    release: str
    comparable: bool
    reason: str
    metrics: dict[str, Change]
    changed_decisions: float | None
    serving: Serving | None


class Calibration(Record):
    """Reliability on the test rows: expected calibration error over bins of equal count."""

    expected_calibration_error: float
    bins: int


class Weighing(Record):
    """What ``weigh`` measured."""

    rows: int
    groups: int | None
    group_by: str | None
    confidence: float
    resamples: int
    threshold: float
    metrics: dict[str, Interval]
    slices: tuple[Slice, ...]
    calibration: Calibration
    serving: Serving
    comparison: Comparison | None
    test_sha256: str
    content_sha256: str


class Performance(Record):
    """All that is known of how well the model does."""

    primary: str
    selected_from: dict[str, CandidateScore]
    parity: Parity
    test: Weighing


class GateResult(Record):
    """One gate's verdict: ``pass``, ``fail``, ``inconclusive`` or ``not applicable``."""

    name: str
    kind: str
    verdict: str
    rule: str
    value: float | None
    bound: float | None
    limit: float | None
    short_by: float | None
    """By how much the bound misses the limit; ``None`` where it does not."""
    reason: str


class Gates(Record):
    """The verdict: all gates, and the digest of the gate file's settings."""

    verdict: str
    results: tuple[GateResult, ...]
    gates_sha256: str
    loosened: tuple[str, ...]


class Lineage(Record):
    """Where the version comes from."""

    previous: str | None
    bump: str
    reasons: tuple[str, ...]
    data_changes: tuple[str, ...]
    code_changes: tuple[str, ...]


class CardSection(Record):
    """What people say about the model."""

    description: str
    intended_use: str
    business_requirements: str
    limitations: str
    owner: str
    contact: str
    licence: str


class Manifest(Record):
    """All of it. Complete or not released."""

    schema: str
    model_info: ModelInfo
    data: DataSection
    code: CodeSection
    environment: EnvironmentSection
    hardware: Hardware
    parameters: Parameters
    training: Training
    interface: Interface
    artifacts: Artifacts
    performance: Performance
    gates: Gates
    lineage: Lineage
    card: CardSection


class RunRecord(Record):
    """What ``train`` leaves beside the weights."""

    run: str
    kind: str
    framework: Framework
    parameter_count: int
    environment: EnvironmentSection
    hardware: Hardware
    parameters: Parameters
    training: Training
    stage_code: str
    files: tuple[FileEntry, ...]


class Evaluation(Record):
    """What ``evaluate`` measured on the validation rows, for one run."""

    run: str
    candidate: str
    seed: int
    metrics: dict[str, float]


class Packaged(Record):
    """What ``package`` chose and made."""

    name: str
    champion: str
    seed: int
    run: str
    primary: str
    candidates: dict[str, CandidateScore]
    interface: Interface
    artifacts: Artifacts
    parity: Parity
    baseline: str | None
    """Tag of the release to beat: the last one with other content."""
    same_as: str | None
    """Tag of a release with the very same content, where there is one."""


class Verdict(Record):
    """What ``judge`` decided, and the version it derives."""

    gates: Gates
    version: str
    lineage: Lineage


class Released(Record):
    """What ``release`` did: *made* is false where the content was released before."""

    tag: str
    made: bool
    commit: str
    manifest_sha256: str


def missing_fields(manifest: Manifest) -> tuple[str, ...]:
    """Return the dotted names of the text fields that are empty where the manifest needs words."""
    optional = {"code.repository", "code.branch"}
    needed = {"model_info", "data", "card", "code", "environment", "hardware"}
    empty = []
    for section in msgspec.structs.fields(Manifest):
        value = getattr(manifest, section.name)
        if section.name not in needed:
            continue
        for field in msgspec.structs.fields(type(value)):
            name = f"{section.name}.{field.name}"
            content = getattr(value, field.name)
            if name not in optional and isinstance(content, str) and not content.strip():
                empty.append(name)
    return tuple(empty)
