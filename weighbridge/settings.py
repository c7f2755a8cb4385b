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


class Data(Section, frozen=True):
    """Where the rows come from."""

    fetch: ImportPath
    """Function ``fetch(folder)`` that writes the raw files; called only where they are absent."""
    load: ImportPath
    """Function ``load(folder)`` that returns the table of all rows."""
    schema: ImportPath
    """The table's :class:`weighbridge.data.schema.Schema`."""
    split: TimeSplit
    """How rows are divided into train, validation and test."""
    source: str
    """Where the data is from, in words or as an address."""
    licence: str
    """Licence of the data."""


class Fit(Section, frozen=True):
    """How a network is trained; of no effect on scikit-learn's estimators."""

    epochs: Annotated[int, msgspec.Meta(ge=1)] = 10
    """Largest number of passes over the training rows."""
    batch_size: Annotated[int, msgspec.Meta(ge=1)] = 1024
    """Rows in a step."""
    lr: Annotated[float, msgspec.Meta(gt=0)] = 0.001
    """Learning rate of AdamW."""
    weight_decay: NotNegative = 0.0
    """Weight decay of AdamW."""
    patience: Annotated[int, msgspec.Meta(ge=1)] = 3
    """Epochs without a better validation loss before it stops; the best epoch's weights are kept."""


class Candidate(Section, frozen=True):
    """A model that may become champion."""

    model: ImportPath
    """Import path of a scikit-learn classifier, a ``torch.nn.Module``, or a function that builds one."""
    params: dict[str, Any] = {}
    """Arguments for it, the hyperparameters."""
    strings: Literal["one_hot", "ordinal"] = "one_hot"
    """How text columns become numbers: a column a value, or one column of positions (short, for trees)."""
    fit: Fit = Fit()
    """How it is trained, for a network."""


class Select(Section, frozen=True):
    """How the champion is chosen, on validation rows only."""

    metric: str = "roc_auc"
    """The primary metric; its mean over the seeds decides."""


class Metrics(Section, frozen=True):
    """What is measured."""

    names: tuple[str, ...] = (
        "roc_auc", "average_precision", "accuracy", "f1", "precision", "recall", "log_loss", "brier",
    )  # fmt: skip
    """Metrics, by the names of this project's reference page."""
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


class Release(Section, frozen=True):
    """What happens when the verdict is a pass."""

    advance_branch: bool = False
    """Fast-forward the current branch to the release commit as well."""
    push: str = ""
    """Git remote to push the release to, after its data went to DVC's default remote; empty: push nothing."""


class Floor(Section, frozen=True, tag_field="kind", tag="floor"):
    """A test metric's value may not be below (or above) a limit."""

    metric: str
    """The metric, one of ``metrics.names``."""
    min: float | None = None
    """Smallest value that passes; the interval is shown beside it and decides nothing."""
    max: float | None = None
    """Largest value that passes; the interval is shown beside it and decides nothing."""


class NotWorse(Section, frozen=True, tag_field="kind", tag="not_worse"):
    """The metric's interval against the last release, on the same rows, must stay within a margin of loss."""

    metric: str
    """The metric, one of ``metrics.names``."""
    margin: NotNegative
    """Largest loss that is accepted, in the metric's own unit."""


class Budget(Section, frozen=True, tag_field="kind", tag="budget"):
    """A cost of serving must stay below a limit."""

    quantity: Literal[
        "latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "load_seconds", "peak_memory_mib", "size_mib"
    ]
    """What is limited; its unit is in the name."""
    max: Annotated[float, msgspec.Meta(gt=0)]
    """Largest value that passes."""


class ParityGate(Section, frozen=True, tag_field="kind", tag="parity"):
    """``model.onnx`` must agree with the native model on all validation rows."""

    max_difference: Annotated[float, msgspec.Meta(gt=0)]
    """Largest difference of a probability that passes."""
    max_changed_decisions: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Largest number of rows that may be decided otherwise."""


class Complete(Section, frozen=True, tag_field="kind", tag="complete"):
    """Every field of the manifest must be filled."""


class Clean(Section, frozen=True, tag_field="kind", tag="clean"):
    """What the release is made of must be committed, and raw data equal to its pointer."""


Gate = Floor | NotWorse | Budget | ParityGate | Complete | Clean


class GateFile(Section, frozen=True):
    """``config/gates.yaml``: what a release must prove."""

    gates: Annotated[dict[Name, Gate], msgspec.Meta(min_length=1)]
    """The gates, by names of your choice."""


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
    select: Select = Select()
    metrics: Metrics = Metrics()
    release: Release = Release()


class Settings(Section, frozen=True):
    """Both files together."""

    config: Config
    gates: GateFile
