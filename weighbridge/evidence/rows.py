"""The test rows as the gates see them: what came true, what both releases say, and what the rows can be cut by."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.data.columns import label
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence.catalogue import require
from weighbridge.settings import OwnMetric

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.intp]


class Coded(NamedTuple):
    """A column as numbers: each row's position [n] among the sorted *values*."""

    values: tuple[str, ...]
    numbers: Numbers


@dataclasses.dataclass(frozen=True)
class Rows:
    """The test rows, each array [n] in one order.

    Attributes:
        task: ``binary``, ``multiclass`` or ``regression``.
        y: outcomes.
        new: this model's predictions: probabilities of 1 [n], of each class [n, k], or numbers [n].
        old: the last release's, of the same rows; ``None`` where there is none or it can't be run.
        thresholds: probability from which this model, and the last release, decide a row to be positive.
        columns: what rows are cut and grouped by: text [n] by the column's name, missing values as ``(missing)``.
        group_by: the column whose rows depend on each other; ``None`` where rows are independent.
        own: the project's own metrics.

    Raises:
        DataError: where arrays differ in length, or there is no row.
        SettingsError: where *group_by* isn't among the columns.
    """

    task: str
    y: Array
    new: Array
    old: Array | None
    thresholds: tuple[float, float]
    columns: Mapping[str, Array]
    group_by: str | None = None
    own: Mapping[str, OwnMetric] = dataclasses.field(default_factory=dict)
    _coded: dict[str, Coded] = dataclasses.field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        others = {"predictions": self.new, **({} if self.old is None else {"the last release's predictions": self.old})}
        others |= {f"column {name}": values for name, values in self.columns.items()}
        wrong = [f"{len(values)} values of {name}" for name, values in others.items() if len(values) != len(self.y)]
        if wrong or not len(self.y):
            raise DataError(
                f"found {len(self.y)} outcomes beside {', '.join(wrong) or 'nothing'}; expected one of each a row, and "
                "at least one row. Run 'snakemake --cores all --forcerun weigh'"
            )
        if self.group_by is not None:
            self._known(self.group_by, "group column")

    def __len__(self) -> int:
        return len(self.y)

    def require_measurable(self) -> None:
        """Refuse rows on which nothing can be measured.

        Raises:
            DataError: naming outcomes or predictions that aren't finite, and outcomes that are all alike.
        """
        named = {"outcomes": self.y, "predictions": self.new, "the last release's predictions": self.old}
        for name, values in named.items():
            if values is None or not np.issubdtype(values.dtype, np.number):
                continue
            bad = ~np.isfinite(values).reshape(len(self), -1).all(axis=1)
            if bad.any():
                raise DataError(
                    f"{int(bad.sum())} of {len(self)} {name} are NaN or infinite, the first in test row "
                    f"{int(bad.argmax())}; expected finite numbers. Look for overflow or missing inputs in the model"
                )
        if self.task != "regression" and np.all(self.y == self.y[0]):
            raise DataError(
                f"all {len(self)} outcomes of the test rows are {self.y[0]}; expected several classes. Take a longer "
                "span of test rows, data.split in config/config.yaml"
            )

    def _known(self, name: str, what: str) -> str:
        return require(name, self.columns, what)

    def coded(self, name: str, what: str = "slice column") -> Coded:
        """Return the column *name* as numbers.

        Raises:
            SettingsError: where there is no such column, with the nearest.
        """
        self._known(name, what)
        if name not in self._coded:
            self._coded[name] = _code(self.columns[name])
        return self._coded[name]

    def groups(self, name: str | None = None) -> Coded | None:
        """Return the groups by the column *name*; by :attr:`group_by` for ``None``; ``None`` for "" or without one.

        Raises:
            SettingsError: where there is no such column, with the nearest.
        """
        column = self.group_by if name is None else name
        return self.coded(column, "group_by column") if column else None

    def member(self, where: Mapping[str, str]) -> Mask:
        """Return which rows [n] have all of the values *where*, by column.

        Raises:
            SettingsError: for an unknown column or a value that no row has, with the nearest.
        """
        found = np.ones(len(self), dtype=np.bool_)
        for column, value in where.items():
            values, numbers = self.coded(column)
            require(value, values, f"slice {column}={value}, a value that no test row has:")
            found &= numbers == values.index(value)
        return found

    def part(self, member: Mask) -> "Rows":
        """Return the rows where *member* [n] holds."""
        return dataclasses.replace(
            self,
            y=self.y[member],
            new=self.new[member],
            old=None if self.old is None else self.old[member],
            columns={name: values[member] for name, values in self.columns.items()},
        )

    def with_new(self, new: Array, old: Array | None, thresholds: tuple[float, float]) -> "Rows":
        """Return the same rows with other predictions; columns that were turned into numbers stay so."""
        changed = dataclasses.replace(self, new=new, old=old, thresholds=thresholds)
        changed._coded.update(self._coded)  # noqa: SLF001 - of the same class
        return changed

    def decisions(self) -> tuple[Array, Array | None]:
        """Return what this model and the last release decide of each row [n], as values of :attr:`y`.

        Raises:
            SettingsError: of a regression, which decides nothing.
        """
        new, old = (
            None if predictions is None else decided(self.task, predictions, threshold)
            for predictions, threshold in zip((self.new, self.old), self.thresholds, strict=True)
        )
        assert new is not None  # noqa: S101 - for the type checker: predictions are always there
        return new, old


def decided(task: str, predictions: Array, threshold: float) -> Array:
    """Return what *predictions* decide of each row [n]: the number of a class.

    Raises:
        SettingsError: of a regression, which decides nothing.
    """
    if task == "regression":
        raise SettingsError(
            "found a gate on decisions, but a regression makes none; expected kind 'change' or 'calibration'. Edit "
            "config/gates.yaml"
        )
    if task == "multiclass":
        return np.asarray(predictions.argmax(axis=1))
    return np.asarray(predictions >= threshold, dtype=np.int64)


def _code(column: Array) -> Coded:
    """Number a column's values in their sorted order, by a hash table: sorting a million texts takes seconds."""
    numbers, found = pd.factorize(np.asarray(column, dtype=object), use_na_sentinel=False)
    texts = [label(value) for value in found]
    values = sorted(set(texts))
    place = {value: position for position, value in enumerate(values)}
    return Coded(tuple(values), np.array([place[text] for text in texts], dtype=np.intp)[numbers])
