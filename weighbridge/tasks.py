"""What each stage is told: the part of the configuration that it may see, and no more.

A rule passes its task as a file of canonical JSON whose name bears a digest; so a change of the configuration re-runs
exactly the stages that see it.
"""

from typing import Any, TypeVar

import msgspec

from weighbridge.errors import SettingsError
from weighbridge.settings import (
    Candidate,
    Config,
    Cost,
    Data,
    GateFile,
    Grid,
    ImportPath,
    Metrics,
    Name,
    OwnMetric,
    Random,
    Release,
    Section,
)

T = TypeVar("T")


class FetchTask(Section, frozen=True):
    """Where raw files come from; *address* is DVC's name for what is there now, or ought to be."""

    fetch: ImportPath
    address: str | None


class PreprocessTask(Section, frozen=True):
    """How rows are read and split."""

    data: Data


class TrainTask(Section, frozen=True):
    """What is trained; *reuse*: or taken over from an earlier run with the same inputs.

    Rows that need more than *memory_mb* are streamed, which gives other bits: so whether they are is part of the run's
    identity.
    """

    candidate: Candidate
    data_schema: ImportPath
    threads: int
    reuse: bool = True
    memory_mb: int = 4000


class EvaluateTask(Section, frozen=True):
    """How validation rows are measured, and what is needed to load the model."""

    candidate: Candidate
    data_schema: ImportPath
    threads: int
    names: tuple[str, ...]
    threshold: float
    own: dict[str, OwnMetric]


class PackageTask(Section, frozen=True):
    """How the champion is chosen and exported."""

    name: Name
    candidates: dict[Name, Candidate]
    seeds: tuple[int, ...]
    data_schema: ImportPath
    threads: int
    metric: str
    threshold: float
    own: dict[str, OwnMetric]


class WeighTask(Section, frozen=True):
    """How the bundle is measured."""

    name: Name
    data_schema: ImportPath
    metrics: Metrics
    cases: tuple[str, ...] = ()


class JudgeTask(Section, frozen=True):
    """What must hold, and what the derived version depends on besides."""

    gates: GateFile
    intended_use: str
    data_schema: ImportPath
    own: dict[str, OwnMetric]
    cost: Cost


class SearchTask(Section, frozen=True):
    """What was searched, and the metric that compares its points."""

    search: dict[Name, Grid | Random]
    metric: str
    own: dict[str, OwnMetric]


class ReleaseTask(Section, frozen=True):
    """All settings: the manifest records them."""

    config: Config
    gates: GateFile

    @property
    def release(self) -> Release:
        """The release's own section."""
        return self.config.release


def decode(text: str, kind: type[T]) -> T:
    """Return the task in the JSON *text*, as our own rules write it.

    Raises:
        SettingsError: where people wrote something else.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as problem:
        raise SettingsError(f"--settings: {problem}; expected what the rule passes, one of results/settings/") from None


def plain(value: Any) -> Any:  # a record
    """Return a record as plain dicts and lists."""
    return msgspec.to_builtins(value)
