"""The configuration: ``config/config.yaml`` and ``config/gates.yaml``, parsed once into frozen records.

Every default lives here and nowhere else; the reference page in ``docs/`` is made from the docstrings below.
"""

from typing import Annotated, Any, Literal

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}\Z")]
ImportPath = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*\Z")]
Day = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}\Z")]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all parts of the configuration."""


class TimeSplit(Section, frozen=True, tag_field="by", tag="time"):
    """Split by a time column: each part is older than the next, as it will be in use."""

    validation: Day
    """First day of the validation rows; all before are training rows."""
    test: Day
    """First day of the test rows."""
    end: Day
    """First day that is left out."""
    start: Day = "0001-01-01"
    """First day of the training rows."""
    timezone: str = "UTC"
    """Time zone, such as ``America/New_York``, in which these days begin; that of the groups, where they are days."""


class RandomSplit(Section, frozen=True, tag_field="by", tag="random"):
    """Split by chance, for rows that have no order: each row by a digest of its id, so that it stays where it is.

    As rows are added, only few change sides, so that the shares hold.
    """

    validation: Share = 0.2
    """Share of the rows that choose the champion."""
    test: Share = 0.2
    """Share of the rows that weigh it."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Another number, another draw."""
    stratify: bool = True
    """Whether each part has the same share of each class (of a regression: of each tenth of the rows, by target)."""


class GroupSplit(Section, frozen=True, tag_field="by", tag="group"):
    """Split by chance, whole groups together: by a digest of the schema's group column."""

    validation: Share = 0.2
    """Share of the groups whose rows choose the champion."""
    test: Share = 0.2
    """Share of the groups whose rows weigh it."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Another number, another draw."""


class ColumnSplit(Section, frozen=True, tag_field="by", tag="column"):
    """Split as a column of the table says; rows with other values in it are left out."""

    column: str
    """The column, which need not be in the schema."""
    train: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("train",)
    """Its values in training rows."""
    validation: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("validation",)
    """Its values in validation rows."""
    test: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("test",)
    """Its values in test rows."""


class FoldSplit(Section, frozen=True, tag_field="by", tag="k_fold"):
    """Cross-validation, for few rows: seed *s* validates on fold *s* modulo *folds* and trains on all others.

    With as many seeds as folds, from 0 on, the candidates' means and deviations are those of the cross-validation.
    Where the schema has groups, they stay whole, and shares are of groups.
    """

    folds: Annotated[int, msgspec.Meta(ge=2, le=100)] = 5
    """Number of folds."""
    test: Share = 0.2
    """Share of the rows that weigh the champion; no fold has them."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Another number, another draw."""
    stratify: bool = True
    """Whether each fold has the same share of each class (of a regression: of each tenth of the rows, by target).

    Of no effect on whole groups."""


Split = TimeSplit | RandomSplit | GroupSplit | ColumnSplit | FoldSplit
Task = Literal["binary", "multiclass", "regression"]


class Data(Section, frozen=True):
    """Where the rows come from."""

    fetch: ImportPath
    """Function ``fetch(folder)`` that writes the raw files; called only where they are absent."""
    load: ImportPath
    """Function ``load(folder)`` that returns all rows: a table of pandas or pyarrow, or an iterator of such tables."""
    schema: ImportPath
    """The table's :class:`weighbridge.data.schema.Schema`."""
    split: Split
    """How rows are divided into train, validation and test."""
    source: str
    """Where the data is from, in words or as an address."""
    licence: str
    """Licence of the data."""
    task: Task = "binary"
    """What is predicted: one of two classes, one of several, or a number; the schema's labels must agree."""


class Fit(Section, frozen=True):
    """How a network is trained; of no effect on scikit-learn's estimators."""

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Largest number of passes over the training rows."""
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Rows in a step."""
    lr: Annotated[float, msgspec.Meta(gt=0)] = 0.001
    """Learning rate of AdamW; the largest one, where a schedule changes it."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """How the learning rate goes: it stays, or falls to nothing at the last epoch's end, evenly or as a cosine."""
    warmup_epochs: NotNegative = 0.0
    """Epochs, such as 0.5, in which the learning rate first grows from nothing."""
    weight_decay: NotNegative = 0.0
    """Weight decay of AdamW."""
    patience: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Epochs without a better validation loss before it stops; the best epoch's weights are kept."""
    nodes: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 1
    """Machines that train together; outside of a cluster all processes run on the one there is."""
    processes_per_node: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    """Processes on each of them. Every batch is shared among all processes, and their gradients are averaged."""
    device: Literal["cpu", "cuda"] = "cpu"
    """What computes: processors, or a GPU for each process."""

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.nodes * self.processes_per_node


class Candidate(Section, frozen=True):
    """A model that may become champion."""

    model: ImportPath
    """Import path of a scikit-learn classifier or regressor, a ``torch.nn.Module``, or a function that builds one."""
    params: dict[str, Any] = {}
    """Arguments for it, the hyperparameters."""
    strings: Literal["one_hot", "ordinal"] = "one_hot"
    """How text columns become numbers: a column a value, or one column of positions (short, for trees)."""
    fit: Fit = Fit()
    """How it is trained, for a network."""


class Select(Section, frozen=True):
    """How the champion is chosen, on validation rows only."""

    metric: str = ""
    """The primary metric; its mean over the seeds decides. Where left out, the first of ``metrics.names``."""


class OwnMetric(Section, frozen=True):
    """A metric of your own, or one of scikit-learn's that isn't among ours."""

    function: ImportPath
    """Function ``(outcomes, predictions, sample_weight=…)`` that returns a number, as those of ``sklearn.metrics``."""
    better: Literal["greater", "lower"] = "greater"
    """Which way is better."""
    sees: Literal["decisions", "predictions"] = "predictions"
    """Whether it is given decisions, or probabilities (for a regression: numbers)."""


class Metrics(Section, frozen=True):
    """What is measured."""

    names: tuple[str, ...] = ()
    """Metrics, by scikit-learn's names (the reference page lists them), or by the names in ``own``.

    Where left out, the task's usual ones."""
    threshold: Share = 0.5
    """Probability from which a row is decided to be positive."""
    confidence: Share = 0.95
    """Confidence of the intervals."""
    resamples: Annotated[int, msgspec.Meta(ge=200, le=100_000)] = 1000
    """Bootstrap resamples behind an interval."""
    slices: tuple[str, ...] = ()
    """Columns by whose values the test rows are also measured apart."""
    slice_min_rows: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Smallest slice that is measured."""
    own: dict[Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")], OwnMetric] = {}
    """Metrics of your own, by name."""


class Card(Section, frozen=True):
    """What the model card says, and who answers for it."""

    owner: str
    """Name and address, ``Name <name@example.org>``; signs as author where Git has no identity."""
    project: str
    """The project or product that the model serves."""
    description: str
    """What the model does, in a sentence."""
    intended_use: str
    """What it is for, and what it isn't for."""
    business_requirements: str
    """What it must do to be worth using."""
    limitations: str
    """Where it fails."""
    team: str = ""
    """The team; the owner's name where empty."""
    contact: str = ""
    """Where to ask; the owner's address where empty."""
    licence: str = "MIT"
    """Licence of the weights."""
    reviewed: Day | None = None
    """Day on which a person last looked through this section, such as ``2026-01-31``."""


class Cost(Section, frozen=True):
    """What machines cost; only ``training_price`` depends on it."""

    cpu_hour: NotNegative = 0.0
    """Price of a core for an hour."""
    currency: str = ""
    """Its currency."""


class Release(Section, frozen=True):
    """What happens when the verdict is a pass."""

    advance_branch: bool = False
    """Fast-forward the current branch to the release commit as well."""
    push: str = ""
    """Git remote to push the release to, after its data went to DVC's default remote; empty: push nothing."""


Policy = Literal["block", "approve"]
"""What an inconclusive gate does: stand in the way, or ask for an approval."""


class Absolute(Section, frozen=True, tag_field="kind", tag="absolute"):
    """A test metric must be proven to be at least (or at most) a limit: by the bound of its interval, not its value."""

    metric: str
    """The metric, one of ``metrics.names``."""
    min: float | None = None
    """Smallest value; the lower bound must reach it."""
    max: float | None = None
    """Largest value; the upper bound must stay below it; of a bias, both bounds in both directions."""
    confidence: Share = 0.95
    """Confidence of the bound, one-sided: 0.95 lets a model exactly at the limit pass one time in twenty."""
    group_by: str | None = None
    """Column whose rows are resampled together; the schema's group where left out, "" for independent rows."""
    inconclusive: Policy = "block"
    """What happens where these rows can't tell."""


class Change(Section, frozen=True, tag_field="kind", tag="change"):
    """The model against the last release, both scored on the same rows: the difference must be proven."""

    metric: str
    """The metric, one of ``metrics.names``."""
    test: Literal["non_inferior", "superior", "equivalent"] = "non_inferior"
    """Not worse by more than the margin; better by more than the margin; or within the margin on both sides."""
    margin: NotNegative = 0.0
    """The margin, in the metric's own unit."""
    confidence: Share = 0.95
    """Confidence of the bound, one-sided."""
    group_by: str | None = None
    """Column whose rows are resampled together; the schema's group where left out, "" for independent rows."""
    inconclusive: Policy = "block"
    """What happens where these rows can't tell."""


class Slices(Section, frozen=True, tag_field="kind", tag="slices"):
    """No part of the rows may be worse than with the last release, whatever the average says."""

    metric: str
    """The metric, one of ``metrics.names``."""
    columns: tuple[str, ...] = ()
    """Columns whose values cut the rows."""
    crossings: tuple[Annotated[tuple[str, ...], msgspec.Meta(min_length=2)], ...] = ()
    """Columns that cut the rows together, such as ``[origin, carrier]``."""
    min_rows: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Smallest slice that is judged; a smaller one is listed as inconclusive."""
    margin: NotNegative = 0.0
    """Loss that is accepted in a slice; more than that, proven at the family's confidence (Holm), fails."""
    must_pass: tuple[dict[str, str], ...] = ()
    """Slices, such as ``{origin: JFK}``, that must be proven not to be worse by more than the margin."""
    max_gap: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Largest difference of the metric between two slices of a column, by its bound; needs no earlier release."""
    confidence: Share = 0.95
    """Confidence over the family of all slices."""
    group_by: str | None = None
    """Column whose rows are resampled together; the schema's group where left out, "" for independent rows."""
    inconclusive: Policy = "block"
    """What happens where a slice that must pass, a large one or a gap can't be told."""


class CalibrationGate(Section, frozen=True, tag_field="kind", tag="calibration"):
    """Probabilities must be worth their word; predicted numbers must not be off on average."""

    metric: Literal["expected_calibration_error", "brier_score_loss", "log_loss", "bias", "interval_coverage"]
    """What is limited; the last two are for regression."""
    max: float | None = None
    """Largest value, by the upper bound; of a bias, in both directions."""
    min: float | None = None
    """Smallest value, by the lower bound."""
    confidence: Share = 0.95
    """Confidence of the bound, one-sided."""
    group_by: str | None = None
    """Column whose rows are resampled together; the schema's group where left out, "" for independent rows."""
    inconclusive: Policy = "block"
    """What happens where these rows can't tell."""


class Churn(Section, frozen=True, tag_field="kind", tag="churn"):
    """The model must not break what was right with the last release, nor change its mind without need."""

    max_negative_flips: Share | None = None
    """Largest share of rows that the last release decided rightly and this one wrongly, by its upper bound."""
    max_times_noise: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Largest share of changed decisions, as a multiple of what another seed alone would change (the noise floor)."""
    cases: str = ""
    """CSV file in ``config/`` with cases that must be decided as its target column says, every one of them."""
    confidence: Share = 0.95
    """Confidence of the bounds, one-sided."""
    group_by: str | None = None
    """Column whose rows are resampled together; the schema's group where left out, "" for independent rows."""
    inconclusive: Policy = "block"
    """What happens where these rows can't tell."""


class Budget(Section, frozen=True, tag_field="kind", tag="budget"):
    """A cost of serving or of training must stay within a limit."""

    quantity: Literal[
        "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "rows_per_second", "load_seconds", "peak_memory_mib",
        "size_mib", "parameter_count", "training_cpu_hours", "training_wall_hours", "training_price",
    ]  # fmt: skip
    """What is limited; its unit is in the name. Of training, the sum over all candidates and seeds."""
    max: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Largest value that passes."""
    min: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Smallest value that passes, for ``rows_per_second``."""
    max_ratio: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Largest multiple of the last release's; of times, measured side by side and by the upper bound."""
    inconclusive: Policy = "block"
    """What happens where the measurements can't tell."""
    min_ratio: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Smallest multiple of the last release's ``rows_per_second``, measured side by side and by the lower bound."""


DataCheck = Literal[
    "unique_ids", "finite", "known_in_time", "time_order", "groups_apart", "no_repeats", "no_repeats_across",
    "gaps_known", "ranges",
]  # fmt: skip


class DataGate(Section, frozen=True, tag_field="kind", tag="data"):
    """The rows must hold what the dataset's page claims, and resemble those of the last release."""

    checks: tuple[DataCheck, ...] = ("unique_ids", "finite", "known_in_time", "time_order", "groups_apart", "ranges")
    """Checks of the data that must hold."""
    max_psi: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Largest population stability index of a feature against the last release's training rows."""
    on_drift: Literal["warn", "block"] = "warn"
    """What happens where a feature has drifted further."""


class GoldenGate(Section, frozen=True, tag_field="kind", tag="golden"):
    """In a process with nothing installed but onnxruntime, the bundle must repeat its golden samples."""

    max_difference: NotNegative = 1e-6
    """Largest difference of an output that passes."""


class Documents(Section, frozen=True, tag_field="kind", tag="documents"):
    """The model card must be filled, and looked through not too long ago."""

    sections: tuple[
        Literal["description", "intended_use", "business_requirements", "limitations", "owner", "project", "licence"],
        ...,
    ] = ("intended_use", "business_requirements", "limitations", "owner")
    """Sections of the card that must be filled with more than a placeholder."""
    max_age_days: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Days since ``card.reviewed`` after which the card is too old."""


class ApprovalGate(Section, frozen=True, tag_field="kind", tag="approval"):
    """What a machine should not decide alone needs a person's approval of this very bundle."""

    required_for: tuple[Literal["major", "loosened", "inconclusive", "lowered"], ...] = (
        "major", "loosened", "inconclusive", "lowered",
    )  # fmt: skip
    """What asks: a major version, a gate whose policy is to ask; a loosened limit and a lowered version always do."""
    by_another: bool = True
    """Whether the approval must come from another person than the author."""


class ParityGate(Section, frozen=True, tag_field="kind", tag="parity"):
    """``model.onnx`` must agree with the native model on all validation rows.

    It computes in float32, which keeps seven digits: probabilities differ by some 1e-7, the numbers of a regression by
    some ten-millionth of their size, which is what *max_difference* must allow for.
    """

    max_difference: Annotated[float, msgspec.Meta(gt=0)]
    """Largest difference that passes: of any probability; of a regression, of the number, in the target's own unit."""
    max_changed_decisions: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Largest number of rows that may be decided otherwise: another class; a regression decides nothing."""


class Complete(Section, frozen=True, tag_field="kind", tag="complete"):
    """Every field of the manifest must be filled."""


class Clean(Section, frozen=True, tag_field="kind", tag="clean"):
    """What the release is made of must be committed, and raw data equal to its pointer."""


Gate = (
    Absolute | Change | Slices | CalibrationGate | Churn | Budget | DataGate | GoldenGate | Documents | ApprovalGate
    | ParityGate | Complete | Clean
)  # fmt: skip


class GateFile(Section, frozen=True):
    """``config/gates.yaml``: what a release must prove."""

    gates: Annotated[dict[Name, Gate], msgspec.Meta(min_length=1)]
    """The gates, by names of your choice."""


class Span(Section, frozen=True):
    """Numbers to draw from, both ends included."""

    low: float
    """The least."""
    high: float
    """The greatest."""
    log: bool = False
    """Whether their logarithm is drawn evenly, as suits learning rates and penalties."""
    integer: bool = False
    """Whether only whole numbers are drawn."""


class Grid(Section, frozen=True, tag_field="method", tag="grid"):
    """All combinations of the values listed."""

    params: dict[str, Annotated[tuple[Any, ...], msgspec.Meta(min_length=1)]] = {}
    """Values to try, by the candidate's parameter; they count before those of the candidate itself."""
    fit: dict[str, Annotated[tuple[Any, ...], msgspec.Meta(min_length=1)]] = {}
    """Values to try, by the key of ``fit``."""


class Random(Section, frozen=True, tag_field="method", tag="random"):
    """So many draws, each parameter on its own: finds good values sooner where few of them matter.

    Bergstra and Bengio 2012, JMLR 13.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    """Number of draws; a larger number keeps those of a smaller one, and one that comes twice counts once."""
    params: dict[str, tuple[Any, ...] | Span] = {}
    """Values, or the span of numbers, to draw from, by the candidate's parameter."""
    fit: dict[str, tuple[Any, ...] | Span] = {}
    """Likewise, by the key of ``fit``."""
    seed: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Another number, other draws."""


class Config(Section, frozen=True):
    """``config/config.yaml``: what to train, on what, and who answers for it."""

    name: Name
    """Name of the model: that of the folder in ``models/`` and of the tags."""
    card: Card
    data: Data
    candidates: Annotated[dict[Name, Candidate], msgspec.Meta(min_length=1)]
    """The candidates, by names of your choice."""
    seeds: Annotated[tuple[Annotated[int, msgspec.Meta(ge=0, le=4294967295)], ...], msgspec.Meta(min_length=1)] = (0,)
    """Each candidate is trained once a seed."""
    threads: Annotated[int, msgspec.Meta(ge=1, le=1024)] = 1
    """Threads of one training; part of the run's identity, since it changes the bits."""
    memory_mb: Annotated[int, msgspec.Meta(ge=100)] = 4000
    """Memory of one training in MiB: asked for of a cluster; rows that need more are streamed from disk."""
    reuse: bool = True
    """Take over the weights of a run that is on record with the very same inputs, instead of training it again."""
    select: Select = Select()
    metrics: Metrics = Metrics()
    cost: Cost = Cost()
    release: Release = Release()
    search: dict[Name, Grid | Random] = {}
    """Hyperparameters to try, by the candidate's name; each point becomes a candidate, in the place of that one."""
    custom_rules: tuple[str, ...] = ()
    """Files of rules of your own (``.smk``) in this project, included after the engine's."""


class Settings(Section, frozen=True):
    """Both files together."""

    config: Config
    gates: GateFile
    own_rules: tuple[str, ...] = ()
    """The rules of one's own that ``config/config.yaml`` itself names, whatever an overlay says."""
