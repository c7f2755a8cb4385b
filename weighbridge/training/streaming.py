"""Fit a candidate on rows that don't fit into memory: read a row group at a time, always in the same way.

A network sees the row groups in a new order each epoch, and the rows of a few groups at a time in a new order; all
of it is drawn from the seed. An estimator with ``partial_fit`` sees every row once, in such an order. The
preprocessing is fitted column by column. No other model can be fitted so, and is refused.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyarrow import parquet

from weighbridge import paths
from weighbridge.data import tables
from weighbridge.data.schema import Schema
from weighbridge.errors import DataError, ModelError
from weighbridge.manifest import DataSection
from weighbridge.settings import Candidate
from weighbridge.training import fitting, models, prepare, sklearn_fit
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.fitted import Fitted, describe

if TYPE_CHECKING:
    from weighbridge.training.torch_fit import Group

GROUPS_AT_ONCE = 4
"""Row groups whose rows are shuffled together."""


@dataclasses.dataclass(frozen=True)
class _Group:
    """Some rows of a file: those of a fold, of all other folds, or all of them."""

    path: Path
    number: int
    fold: int | None = None
    others: bool = False

    def read(self, columns: Sequence[str]) -> pd.DataFrame:
        asked = [*columns, *([] if self.fold is None else [tables.FOLD])]
        with parquet.ParquetFile(self.path) as file:
            rows = file.read_row_group(self.number, asked, use_threads=False).to_pandas()
        if self.fold is None:
            return rows
        return rows[(rows.pop(tables.FOLD) == self.fold) != self.others].reset_index(drop=True)


@dataclasses.dataclass(frozen=True)
class Groups:
    """Rows on disk, in groups that fit into memory."""

    groups: tuple[_Group, ...]

    def column(self, name: str) -> pd.Series:
        """Return one column of all rows."""
        return pd.concat([group.read([name])[name] for group in self.groups], ignore_index=True)


def of_run(root: Path, data: DataSection, seed: int) -> tuple[Groups, Groups]:
    """Return the rows that a run of *seed* learns from and those that it is validated on; see ``read_training``.

    Raises:
        DataError: where a file was edited since ``preprocess`` wrote it, or is missing or damaged.
    """
    for name in ("train", "validation"):
        tables.read_split(root, name, data, [data.target])  # which compares the digest of the file
    fold = seed % data.folds if data.folds else 0
    validation = _groups(root, "validation")
    if not fold:
        return Groups(_groups(root, "train")), Groups(validation)
    others = _groups(root, "train", fold=fold, others=True)
    return Groups(others + validation), Groups(_groups(root, "train", fold=fold))


def _groups(root: Path, name: str, **which: Any) -> tuple[_Group, ...]:
    path = root / paths.split(name)
    return tuple(_Group(path, number, **which) for number in range(parquet.read_metadata(path).num_row_groups))


def fit(  # noqa: PLR0913 - what a run is made of
    candidate: Candidate,
    schema: Schema,
    train: Groups,
    validation: Groups,
    *,
    needed_mib: int,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None = None,
    group: "Group | None" = None,
) -> Fitted:
    """Fit *candidate* on the rows of *train*; *validation* is for a network's early stopping.

    *needed_mib* is what a fit in memory would need, for those who are refused.

    Raises:
        DataError: where all rows of a part have the weight 0.
        ModelError: where the model can't be built or fitted, or needs all rows at once.
    """
    transformer = preprocessing(candidate, schema, train)
    inputs = prepare.width(transformer)
    model = models.build(candidate.model, candidate.params, schema, seed=seed, threads=threads, inputs=inputs)
    learned, held_out = (_Part(rows, transformer, schema) for rows in (train, validation))
    progress(f"{type(model).__name__} on {len(learned):,} rows of {inputs} columns, streamed, seed {seed}")
    if not models.is_network(model):
        fitting.refuse_several(model, group)
        if not hasattr(model, "partial_fit"):
            raise ModelError(
                f"{type(model).__name__} needs all rows in memory at once, at least {needed_mib:,} MiB, more than "
                "memory_mb: raise memory_mb where the machine has as much, choose a network or an estimator with "
                "partial_fit (such as SGDClassifier), or learn from fewer rows"
            )
        _fit_in_parts(model, learned, schema, seed=seed, threads=threads, progress=progress)
        return describe(transformer, model, schema)

    from weighbridge.training import objective
    from weighbridge.training.torch_stream import Stream

    standard = objective.standard(learned.targets, learned.weights) if schema.task == "regression" else (0.0, 1.0)
    return fitting.fit_network(
        candidate,
        schema,
        model,
        transformer=transformer,
        learned=Stream(learned, objective.of(schema), standard),
        held_out=Stream(held_out, objective.of(schema), standard),
        standard=standard,
        seed=seed,
        threads=threads,
        progress=progress,
        checkpoints=checkpoints,
        group=group,
    )


class _Part:
    """The rows of a part as model inputs, a row group at a time; targets and weights of all of them in memory."""

    def __init__(self, rows: Groups, transformer: Any, schema: Schema) -> None:
        self._rows, self._transformer, self._schema = rows, transformer, schema
        self.targets = rows.column(schema.target).to_numpy()
        self.weights = rows.column(schema.weight).to_numpy("float64") if schema.weight else None
        if self.weights is not None and not self.weights.any():
            raise DataError(f"column {schema.weight!r}: found the weight 0 in all rows; expected some above it")
        self.mean_weight = 1.0 if self.weights is None else float(self.weights.mean())

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def groups(self) -> int:
        """How many row groups there are."""
        return len(self._rows.groups)

    def read(self, number: int) -> sklearn_fit.Table:
        """Return the rows of one group."""
        schema = self._schema
        columns = [*schema.features, schema.target, *([schema.weight] if schema.weight else [])]
        frame = self._rows.groups[number].read(columns)
        if frame.empty:  # which a transformer refuses
            return fitting.table(frame, np.empty((0, prepare.width(self._transformer)), np.float32), schema)
        return fitting.table(frame, prepare.transform(self._transformer, frame), schema)


def preprocessing(candidate: Candidate, schema: Schema, rows: Groups) -> Any:
    """Return the transformer fitted on *rows*, with one column of them in memory at a time.

    It is fitted on a small table that holds each text once; medians and scales are then put in.
    """
    texts = {name: np.sort(rows.column(name).unique().to_numpy(object)) for name in schema.strings}
    count = max([1, *map(len, texts.values())])
    sample: dict[str, Any] = {name: np.zeros(count, np.float32) for name in schema.numbers}
    sample |= {name: pd.Series(np.resize(values, count), dtype="str") for name, values in texts.items()}
    sample |= {name: [np.zeros(schema.features[name].shape, np.float32).ravel()] * count for name in schema.arrays}
    transformer = prepare.preprocessing(schema, candidate.strings)
    prepare.fit_transform(transformer, pd.DataFrame(sample))
    if schema.numbers:
        _learn_numbers(transformer.named_transformers_["numbers"], rows, schema.numbers)
    return transformer


def _learn_numbers(fitted: Any, rows: Groups, names: list[str]) -> None:
    """Put the median and the scale of each column into the *fitted* steps that fill and scale."""
    from sklearn.base import clone

    alone = []
    for name in names:
        steps = clone(fitted)
        steps.fit(rows.column(name).to_frame())
        alone.append(steps)
    for step, learned in (("fill", ("statistics_",)), ("scale", ("mean_", "var_", "scale_"))):
        for name in learned:
            setattr(fitted[step], name, np.concatenate([getattr(steps[step], name) for steps in alone]))
    fitted["scale"].n_samples_seen_ = alone[0]["scale"].n_samples_seen_


def _fit_in_parts(  # noqa: PLR0913 - the parts of one fit
    estimator: Any, rows: _Part, schema: Schema, *, seed: int, threads: int, progress: Callable[[str], None]
) -> None:
    """Show *estimator* every row once, a row group at a time."""
    from threadpoolctl import threadpool_limits

    name = type(estimator).__name__
    models.seed_everything(seed)
    given: dict[str, Any] = {"classes": np.arange(len(schema.labels))} if schema.labels else {}
    try:
        with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=threads):
            warnings.simplefilter("default")
            for part in _shuffled(rows, seed):
                weights = {} if part.weights is None else {"sample_weight": part.weights}
                estimator.partial_fit(part.inputs, part.targets, **given, **weights)
    except Exception as problem:  # noqa: BLE001 - any estimator may fail with anything
        text = f"{name} can't be fitted: {type(problem).__name__}: {problem}; check the candidate's params"
        raise ModelError(text) from None
    for warning in caught:
        progress(f"warning of {name}: {str(warning.message).strip().splitlines()[0]}")


def _shuffled(rows: _Part, seed: int) -> Iterator[sklearn_fit.Table]:
    order = np.random.default_rng(seed)
    for number in order.permutation(rows.groups):
        part = rows.read(int(number))
        drawn = order.permutation(len(part.targets))
        if len(drawn):
            weights = None if part.weights is None else part.weights[drawn]
            yield sklearn_fit.Table(part.inputs[drawn], part.targets[drawn], weights)
