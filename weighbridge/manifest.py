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


class Framework(Record, frozen=True):
    """The library that fitted the model."""

    name: str
    """Name of the library, as it is installed."""
    version: str
    """Its installed version."""


class ModelInfo(Record, frozen=True):
    """Which model this is, in the shape that other tools look for."""

    id: str
    """Name and version, such as ``flights-v1.2.0``."""
    name: str
    """Name of the model."""
    version: str
    """Semantic version, such as ``1.2.0``."""
    run: str
    """Id of the run that made the weights."""
    created: str
    """When it was released (UTC)."""
    author: str
    """Who released it, ``Name <address>``."""
    team: str
    """The team that answers for it."""
    project: str
    """The project or product it serves."""
    task: str
    """What kind of prediction it makes."""
    description: str
    """What it does, in a sentence."""
    framework: Framework
    performance: dict[str, float]
    """Each test metric's value by its name, and ``latency_ms`` (the median of one row)."""


class Feature(Record, frozen=True):
    """One input column as the data has it; *known* is hours before the prediction."""

    name: str
    """Name of the column."""
    type: str
    """``number``, ``string``, ``boolean``, ``time`` or ``array``."""
    unit: str
    """Unit of measure; empty where it has none."""
    known_hours_before: float
    """Hours before the prediction at which its value is known."""
    missing_share: float
    """Share of training rows without a value, from 0 to 1."""
    description: str
    """What the column means."""
    edges: tuple[float, ...] = ()
    """Numbers: the edges between bins of about equal count, over the training rows; empty for text."""
    values: tuple[str, ...] = ()
    """Text: its most frequent values in the training rows, the rest being one bin more."""
    shares: tuple[float, ...] = ()
    """Share of training rows in each bin; the last bin holds missing values (numbers) or the rest (text)."""
    shape: tuple[int, ...] = ()
    """Shape of a row's array; empty for a single value."""


class Split(Record, frozen=True):
    """One part of the data: its rows, what time they span, and the digest of its file."""

    rows: int
    """Number of rows."""
    groups: int | None
    """Number of groups of rows that depend on each other; none without such a column."""
    first: str | None
    """Time of the first row."""
    last: str | None
    """Time of the last row."""
    target_rate: float | None
    """Share of rows whose target is 1; none where there are not just two classes."""
    sha256: str
    """SHA-256 of the part's file."""
    target_shares: dict[str, float] = {}
    """Share of rows of each class, by its label; empty where a number is predicted."""
    target_mean: float | None = None
    """Mean of the target; none where classes are predicted."""
    target_deviation: float | None = None
    """Standard deviation of the target (n); none where classes are predicted."""


class Check(Record, frozen=True):
    """One check of the data: its name, whether it held, and what was seen; gates know it by *key*."""

    name: str
    """Name of the check."""
    passed: bool
    """Whether it held."""
    found: str
    """What was seen, in words."""
    key: str = ""
    """Short name, by which a gate asks for it."""


class Raw(Record, frozen=True):
    """The raw files: by SHA-256, and DVC's address of the folder."""

    sha256: str
    """One SHA-256 for all raw files: of the list of their paths and digests."""
    dvc: str
    """DVC's address of the folder."""
    files: tuple[FileEntry, ...]
    """Each raw file."""


class DataSection(Record, frozen=True):
    """The dataset version and how it was prepared."""

    raw: Raw
    source: str
    """Where the data is from."""
    licence: str
    """Licence of the data."""
    rows: int
    """Rows in all splits together."""
    dropped_rows: int
    """Rows left out for want of a target."""
    target: str
    """Name of the column to predict."""
    labels: tuple[str, ...]
    """The meaning of each class, from class 0 on; empty where a number is predicted."""
    split_rule: str
    """How rows were divided, in words."""
    splits: dict[str, Split]
    """Each part, by name: ``train``, ``validation`` and ``test``."""
    features: tuple[Feature, ...]
    """Each input column, in order."""
    checks: tuple[Check, ...]
    """Each check of the data."""
    id: str = ""
    """Name of the column that identifies a row."""
    time: str = ""
    """Name of the column with a row's time."""
    group: str = ""
    """Name of the column whose equal values mark rows that depend on each other; empty where rows are independent."""
    task: str = "binary"
    """``binary``, ``multiclass`` or ``regression``."""
    weight: str = ""
    """Name of the column with the weight of a row in training; empty where all count alike."""
    target_unit: str = ""
    """Unit of the target; empty where it has none."""
    folds: int = 0
    """Folds of a cross-validation; 0 without. ``validation`` is fold 0; ``train`` has a column ``fold``."""
    loaded: dict[str, str] = {}
    """Each column that ``load`` returned, declared or not, with its type as Arrow names it."""


class Source(Record, frozen=True):
    """A source file, and the stages that run it."""

    path: str
    """Path from the project's root."""
    sha256: str
    """SHA-256 of its bytes."""
    stages: tuple[str, ...]
    """Names of the stages."""


class Engine(Record, frozen=True):
    """An engine that isn't the project's own: the project's commit doesn't hold it, this one does."""

    commit: str
    """Commit that was checked out."""
    repository: str
    """Address of its repository, without credentials; empty without a remote."""


class CodeSection(Record, frozen=True):
    """The code that ran: commit of the project, and a digest of the source files of each stage."""

    commit: str
    """Commit that was checked out."""
    branch: str
    """Branch that was checked out; empty where none was."""
    repository: str
    """Address of the repository, without credentials; empty without a remote."""
    dirty_files: tuple[str, ...]
    """Files that differed from the commit."""
    dirty_sha256: str | None
    """SHA-256 of their differences; none where there are none."""
    stages: dict[str, str]
    """Digest of the source files of each stage, by its name."""
    sources: tuple[Source, ...] = ()
    """Each source file that a stage's digest counts."""
    engine: Engine | None = None
    """The engine, where it lies outside of the project (``--directory``); its source files are named below it."""


class Distribution(Record, frozen=True):
    """An installed distribution and the digest of its RECORD file."""

    name: str
    """Name of the distribution."""
    version: str
    """Its version, local part included."""
    record_sha256: str
    """SHA-256 of its ``RECORD`` file, which holds the digest of each of its files."""


class EnvironmentSection(Record, frozen=True):
    """What was installed, and the variables that may change results."""

    python: str
    """Version of Python."""
    lock_sha256: str
    """SHA-256 of ``requirements.lock``."""
    distributions: tuple[Distribution, ...]
    """Each installed distribution."""
    os: str
    """Operating system and its release."""
    libc: str
    """C library and its version."""
    variables: dict[str, str]
    """Environment variables that may change results, by name."""
    container: str = ""
    """The container that it ran in: the program that runs it and its image, as far as they tell; empty for none."""


class Accelerator(Record, frozen=True):
    """One GPU or its like."""

    name: str
    """Name of the device."""
    memory_mib: float
    """Its memory in MiB."""
    driver: str
    """Version of its driver."""


class Hardware(Record, frozen=True):
    """The machine of the training, and what serving needs at least."""

    cpu: str
    """Name of the processor."""
    instruction_sets: tuple[str, ...]
    """Instruction sets that numeric kernels choose by."""
    cores: int
    """Cores of the machine."""
    memory_mib: float
    """Memory of the machine in MiB."""
    accelerators: tuple[Accelerator, ...]
    """Each accelerator that was there."""
    blas: tuple[str, ...]
    """Libraries of linear algebra and threads that were loaded."""
    required_memory_mib: float | None
    """Memory in MiB that serving needs at least."""
    required_accelerator: str | None
    """Accelerator that serving needs; none where it needs none."""


class Parameters(Record, frozen=True):
    """What was asked for."""

    candidate: str
    """Name of the candidate."""
    model: str
    """Import path of the model."""
    hyperparameters: dict[str, Any]
    """Arguments of the model."""
    fit: dict[str, Any]
    """Settings of the training, for a network."""
    seed: int
    """Seed of all random numbers."""
    threads: int
    """Threads of the training."""
    settings: dict[str, Any]
    """The whole configuration as resolved, overlays included."""


class ClusterJob(Record, frozen=True):
    """What a cluster's scheduler gave; what was really used of it stands beside."""

    scheduler: str
    """Its name, such as ``slurm``."""
    job: str
    """The job's id."""
    nodes: tuple[str, ...]
    """Machines that it ran on, in the scheduler's words."""
    partition: str
    """Partition or queue; empty where unknown."""
    cpus: int | None
    """Processors on each machine; none where unknown."""
    memory_mib: float | None
    """Memory on each machine, in MiB; none where unknown."""
    gpus: int
    """Accelerators on each machine."""
    limit_seconds: int | None
    """Time that it was given; none where unknown or without end."""
    restarts: int
    """How often the scheduler has put this job back into its queue and started it again."""


class Training(Record, frozen=True):
    """How the training went; times in seconds, memory in MiB."""

    started: str
    """When it started (UTC)."""
    ended: str
    """When it ended (UTC)."""
    wall_seconds: float
    """Time that passed, in seconds."""
    cpu_seconds: float
    """Time of the processor, in seconds."""
    peak_memory_mib: float
    """Largest memory in use, in MiB."""
    epochs: int | None
    """Passes over the training rows; none for a model without."""
    best_epoch: int | None
    """The pass whose weights were kept."""
    curve_sha256: str | None
    """SHA-256 of the learning curve's file; none without one."""
    resumed_from: str | None
    """Checkpoint that it went on from; none where it began anew."""
    cluster_job: str | None
    """Id of the cluster's job; none on a machine of one's own."""
    host: str
    """Name of the machine."""
    restored_from: str | None = None
    """Ledger record of the training whose weights were taken over; none where they were trained for this run."""
    cluster: ClusterJob | None = None
    """The cluster's job in which it came to its end; none on a machine of one's own."""
    processes: int = 1
    """Processes that trained together."""


class Input(Record, frozen=True):
    """One input of the model: a value or an array a row; a missing value is NaN, or the empty string."""

    name: str
    """Name of the input."""
    type: str
    """``number`` or ``string``."""
    unit: str
    """Unit of measure; empty where it has none."""
    may_be_missing: bool
    """Whether a value may be missing."""
    optional: bool = False
    """Whether the whole input may be left out."""
    shape: tuple[int, ...] = ()
    """Shape of a row's array; empty for a single value."""


class Output(Record, frozen=True):
    """One output of the model."""

    name: str
    """Name of the output."""
    type: str
    """Type of its values."""
    labels: tuple[str, ...]
    """What its values stand for, in order."""
    meaning: str
    """What it says, in words."""
    shape: tuple[int, ...] = ()
    """What it holds a row: nothing here for one value, else the number of classes."""


class Interface(Record, frozen=True):
    """What goes in and comes out."""

    inputs: tuple[Input, ...]
    """Each input, in order."""
    outputs: tuple[Output, ...]
    """Each output, in order."""


class Artifact(Record, frozen=True):
    """One file of the bundle."""

    path: str
    """Path within the bundle."""
    role: str
    """What it is for."""
    bytes: int
    """Size in bytes."""
    sha256: str
    """SHA-256 of its bytes."""


class Artifacts(Record, frozen=True):
    """The bundle: its files, one digest for all of them, and DVC's address."""

    files: tuple[Artifact, ...]
    """Each file of the bundle."""
    content_sha256: str
    """One SHA-256 for the whole bundle: of the list of its paths and digests."""
    dvc: str
    """DVC's address of the bundle."""
    parameter_count: int
    """Number of learned parameters."""
    loaded_memory_mib: float | None
    """Memory in MiB that the loaded model takes."""


class Parity(Record, frozen=True):
    """How closely ``model.onnx`` agrees with the native model, over real rows."""

    rows: int
    """Rows that were compared."""
    largest_difference: float
    """Largest difference of a probability; of a regression, of the number, in its unit."""
    changed_decisions: int
    """Rows that were decided otherwise."""


class Interval(Record, frozen=True):
    """A measured value with its interval at the stated confidence."""

    value: float
    """The measured value."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""


class SeedScore(Record, frozen=True):
    """One seed's metrics on the validation rows."""

    seed: int
    """The seed."""
    run: str
    """Id of the run."""
    metrics: dict[str, float]
    """Each metric's value, by its name."""


class CandidateScore(Record, frozen=True):
    """A candidate's validation metrics: per seed, their mean and standard deviation (n - 1)."""

    seeds: tuple[SeedScore, ...]
    """Each seed's metrics."""
    mean: dict[str, float]
    """Mean over the seeds, by metric."""
    deviation: dict[str, float]
    """Standard deviation over the seeds (n - 1), by metric; empty for a single seed, which tells nothing of it."""


class Slice(Record, frozen=True):
    """Metrics of a part of the test rows; *metrics* is empty where it holds one class only."""

    column: str
    """The column that it is cut by."""
    value: str
    """The column's value in these rows."""
    rows: int
    """Number of rows."""
    metrics: dict[str, Interval]
    """Each metric with its interval, by name."""


class Serving(Record, frozen=True):
    """The bundle under measurement: one row at a time on one thread, then a batch."""

    latency_ms_p50: float
    """Median time for one row, in milliseconds."""
    latency_ms_p95: float
    """Time that 95 % of single rows stay below, in milliseconds."""
    latency_ms_p99: float
    """Time that 99 % of single rows stay below, in milliseconds."""
    rows_per_second: float
    """Rows a second, in batches."""
    load_seconds: float
    """Time to load the model, in seconds."""
    peak_memory_mib: float
    """Largest memory of the process, in MiB."""
    size_mib: float
    """Size of the model on disk, in MiB."""


class Graph(Record, frozen=True):
    """What ``model.onnx`` is made of, its weights aside."""

    operators: dict[str, int]
    """How often each operator stands in the model's part of the graph, its preprocessing aside."""
    structure_sha256: str
    """SHA-256 of all operators, their settings and the shapes of their weights."""
    parameter_count: int
    """Numbers that the model's part holds."""
    opsets: dict[str, int]
    """Operator sets that it needs, by domain, and the format's version as ``ir``."""


class Golden(Record, frozen=True):
    """The golden samples, repeated where nothing but onnxruntime is installed."""

    samples: int
    """Number of samples."""
    largest_difference: float
    """Largest difference from the stored outputs."""
    packages: dict[str, str]
    """What was installed there: versions by name."""


class Case(Record, frozen=True):
    """A critical case: how it must be decided, and how it was."""

    file: str
    """File that names it."""
    id: str
    """Its id in the file, or its line."""
    expected: str
    """How it must be decided."""
    found: str
    """How it was decided."""


class Drift(Record, frozen=True):
    """How far a feature's training rows are from those of the last release."""

    feature: str
    """Name of the feature."""
    psi: float
    """Population stability index; below 0.1 alike, above 0.25 another population (Siddiqi 2006)."""


class Noise(Record, frozen=True):
    """What another seed alone changes: the champion's seeds compared with each other on the validation rows."""

    seeds: int
    """Number of seeds."""
    pairs: int
    """Number of pairs that were compared."""
    changed_decisions: Interval
    """Share of rows that two seeds decide differently: mean over the pairs, the least and the greatest."""
    negative_flips: Interval
    """Share of rows that one seed decides rightly and the other wrongly: mean over both ways, least and greatest."""


class TrainingCost(Record, frozen=True):
    """What all trainings behind a release took, candidates that were not chosen included."""

    runs: int
    """Number of trainings."""
    cpu_seconds: float
    """Time of processors, in seconds."""
    wall_seconds: float
    """Time that passed, summed over the trainings, in seconds."""


class Change(Record, frozen=True):
    """A metric of this model minus that of the last release, on the same rows, resampled together."""

    baseline: float
    """The last release's value."""
    difference: Interval
    """This model's value minus the last release's, with its interval."""


class Comparison(Record, frozen=True):
    """The last release beside this bundle. *reason* says why where it can't be measured."""

    release: str
    """Tag of the last release."""
    comparable: bool
    """Whether it could be measured on the same rows."""
    reason: str
    """Why it could not be measured; empty where it could."""
    metrics: dict[str, Change]
    """Each metric's change, by name."""
    changed_decisions: float | None
    """Share of rows that are decided otherwise, from 0 to 1; none where unknown."""
    serving: Serving | None
    """The last release's cost, measured beside; none where unknown."""
    threshold: float | None = None
    """Probability from which the last release decides a row to be positive; none where unknown."""
    changed: Interval | None = None
    """Share of rows that are decided otherwise, with its interval; none where unknown."""
    negative_flips: Interval | None = None
    """Share of rows that the last release decided rightly and this one wrongly, with its interval."""
    ratios: dict[str, Interval] = {}
    """Times of serving, this model's over the last release's, measured in alternation, by name."""
    graph: Graph | None = None
    """What the last release's graph is made of; none where unknown."""
    runs_there: bool | None = None
    """Whether this bundle runs in the last release's serving environment; none where that can't be told."""
    runs_there_because: str = ""
    """What that was told by."""
    unknown_labels: tuple[str, ...] = ()
    """Classes that the last release couldn't name: by it, their probability is 0."""


class Calibration(Record, frozen=True):
    """Reliability on the test rows: expected calibration error over bins of equal count."""

    expected_calibration_error: float
    """Mean distance of predicted from observed rates, weighted by rows."""
    bins: int
    """Number of bins."""


class Weighing(Record, frozen=True):
    """What ``weigh`` measured."""

    rows: int
    """Test rows."""
    groups: int | None
    """Groups that were resampled together; none where rows are independent."""
    group_by: str | None
    """Column that names the group; none where rows are independent."""
    confidence: float
    """Confidence of the intervals."""
    resamples: int
    """Bootstrap resamples behind an interval."""
    threshold: float
    """Probability from which a row is decided to be positive."""
    metrics: dict[str, Interval]
    """Each metric on the test rows with its interval, by name."""
    slices: tuple[Slice, ...]
    """Each part of the test rows that was measured apart."""
    calibration: Calibration | None
    """How far probabilities can be taken at their word; none where there are not just two classes."""
    serving: Serving
    """What it costs to serve."""
    comparison: Comparison | None
    """The last release beside it; none before the first release."""
    test_sha256: str
    """SHA-256 of the test rows' file."""
    content_sha256: str
    """Digest of the bundle that was weighed."""
    task: str = "binary"
    """``binary``, ``multiclass`` or ``regression``."""
    predictions_sha256: str = ""
    """SHA-256 of the predictions' file."""
    graph: Graph | None = None
    """What the bundle's graph is made of."""
    golden: Golden | None = None
    """The golden samples, repeated in a bare process."""
    cases: tuple[Case, ...] = ()
    """Each critical case."""
    cases_sha256: dict[str, str] = {}
    """SHA-256 of each file of critical cases."""
    drift: tuple[Drift, ...] = ()
    """Each feature's distance from the last release's training rows; empty where it can't be told."""
    outcomes_sha256: str = ""
    """SHA-256 of the test rows' ids and outcomes, in order of id: the same whatever columns stand beside."""

    def flat(self) -> dict[str, float]:
        """Return one number a name, as DVC compares metrics."""
        measured = {name: interval.value for name, interval in self.metrics.items()}
        return measured | {"latency_ms": self.serving.latency_ms_p50, "size_mib": self.serving.size_mib}


class Performance(Record, frozen=True):
    """All that is known of how well the model does."""

    primary: str
    """The metric that the champion was chosen by."""
    selected_from: dict[str, CandidateScore]
    """Validation scores of each candidate, by name."""
    parity: Parity
    """How closely ``model.onnx`` agrees with the native model."""
    test: Weighing
    """What was measured on the test rows, with the files that ship."""
    noise: Noise | None = None
    """What another seed alone changes; none with a single seed."""
    cost: TrainingCost | None = None
    """What the trainings took."""


class GatePart(Record, frozen=True):
    """One slice, feature or case of a gate that judges several."""

    name: str
    """What it is, such as ``carrier=AA``."""
    verdict: str
    """``pass``, ``fail``, ``inconclusive``, ``not applicable`` or ``warn``."""
    rows: int | None = None
    """Number of rows."""
    value: float | None = None
    """The measured value."""
    baseline: float | None = None
    """The last release's value."""
    difference: float | None = None
    """This model's value minus the last release's."""
    low: float | None = None
    """Lower end of the interval of what is compared."""
    high: float | None = None
    """Upper end of the interval of what is compared."""
    p: float | None = None
    """Chance of such a loss if there were none, adjusted for the number of parts (Holm)."""
    reason: str = ""
    """Why the verdict is what it is."""


class GateResult(Record, frozen=True):
    """One gate's verdict: ``pass``, ``fail``, ``inconclusive``, ``not applicable``, or ``at release`` before it."""

    name: str
    """Name of the gate."""
    kind: str
    """Kind of the gate."""
    verdict: str
    """``pass``, ``fail``, ``inconclusive``, ``not applicable``; ``needs approval`` where a person's word is missing."""
    rule: str
    """What the gate demands, in words."""
    value: float | None
    """The measured value; none where there is none."""
    bound: float | None
    """The end of the interval that is held against the limit."""
    limit: float | None
    """The limit."""
    short_by: float | None
    """By how much what the rule compares misses the limit; ``None`` where it does not."""
    reason: str
    """Why the verdict is what it is."""
    baseline: float | None = None
    """The last release's value."""
    difference: float | None = None
    """This model's value minus the last release's, or their ratio where the rule is about one."""
    low: float | None = None
    """Lower end of the interval of what the rule compares."""
    high: float | None = None
    """Upper end of the interval of what the rule compares."""
    rows: int | None = None
    """Number of rows that it was judged on."""
    rows_needed: int | None = None
    """Number of rows that would settle an inconclusive gate four times in five; none where none would."""
    parts: tuple[GatePart, ...] = ()
    """Each part, where the gate judges several."""


class SelfTest(Record, frozen=True):
    """Whether a gate says no to a model that was damaged on purpose."""

    gate: str
    """Name of the gate."""
    damage: str
    """What was done."""
    caught: bool
    """Whether the gate said no."""


class Approval(Record, frozen=True):
    """A person's word for one bundle."""

    content_sha256: str
    """Digest of the bundle."""
    approver: str
    """Who approves, ``Name <address>``."""
    approves: tuple[str, ...]
    """What is approved, in the words of :attr:`Gates.needs_approval`."""
    reason: str
    """Why."""
    when: str
    """When (UTC)."""
    gates_sha256: str = ""
    """SHA-256 of the gates' settings at the time; with others it no longer counts."""
    test_sha256: str = ""
    """SHA-256 of the test rows' file at the time; with others it no longer counts."""


class Gates(Record, frozen=True):
    """The verdict: all gates, and the digest of the gate file's settings."""

    verdict: str
    """``pass`` where every gate passed or didn't apply, else what stands in the way."""
    results: tuple[GateResult, ...]
    """Each gate's verdict."""
    gates_sha256: str
    """SHA-256 of the gates' settings."""
    loosened: tuple[str, ...]
    """Limits that became easier since the last release, in words."""
    self_test: tuple[SelfTest, ...] = ()
    """What the gates said to models that were damaged on purpose."""
    needs_approval: tuple[str, ...] = ()
    """What a person has to approve, in words."""
    approvals: tuple[Approval, ...] = ()
    """The approvals that were found."""
    test_decisions: int | None = None
    """How many bundles these test rows have decided on, this one included; the more, the less they prove."""


class Lineage(Record, frozen=True):
    """Where the version comes from."""

    previous: str | None
    """Tag of the release before; none before the first."""
    bump: str
    """Which part of the version went up: ``major``, ``minor`` or ``patch``; ``first`` for the first."""
    reasons: tuple[str, ...]
    """Why, in words."""
    data_changes: tuple[str, ...]
    """What changed in the data since then."""
    code_changes: tuple[str, ...]
    """What changed in the code since then."""


class CardSection(Record, frozen=True):
    """What people say about the model."""

    description: str
    """What the model does, in a sentence."""
    intended_use: str
    """What it is for, and what it isn't for."""
    business_requirements: str
    """What it must do to be worth using."""
    limitations: str
    """Where it fails."""
    owner: str
    """Who answers for it."""
    contact: str
    """Where to ask."""
    licence: str
    """Licence of the weights."""


class Manifest(Record, frozen=True):
    """All of it. Complete or not released."""

    schema: str
    """Name and version of this format: ``weighbridge/v1``."""
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


class RunRecord(Record, frozen=True):
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


class Evaluation(Record, frozen=True):
    """What ``evaluate`` measured on the validation rows, for one run."""

    run: str
    candidate: str
    seed: int
    metrics: dict[str, float]


class Packaged(Record, frozen=True):
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
    noise: Noise | None = None
    """What another seed alone changes; none with a single seed."""
    cost: TrainingCost | None = None
    """What the trainings took."""


class Verdict(Record, frozen=True):
    """What ``judge`` decided, and the version it derives."""

    gates: Gates
    version: str
    lineage: Lineage


class Released(Record, frozen=True):
    """What ``release`` did: *made* is false where the content was released before."""

    tag: str
    made: bool
    commit: str
    manifest_sha256: str


def missing_fields(manifest: Manifest) -> tuple[str, ...]:
    """Return the dotted names of the text fields that are empty where the manifest needs words."""
    optional = {"code.repository", "code.branch", "data.time", "data.group", "data.weight", "data.target_unit"}
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
