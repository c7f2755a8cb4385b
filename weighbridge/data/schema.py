"""What a table's columns mean and, above all, when each is known."""

import contextlib
import importlib
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from weighbridge import importable
from weighbridge.errors import DataError, SettingsError, WeighbridgeError
from weighbridge.settings import Task


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature column: ``known`` is how many hours before the prediction its value is known.

    A negative ``known`` is a value from after the prediction: a leak, which ``preprocess`` refuses. ``minimum`` and
    ``maximum`` (of a number, or of all numbers of an array; both included) and ``values`` (of text) are what may be
    found in the column; rows with anything else are counted by a check of the data. A missing value is always
    allowed, but in arrays.

    Models see three kinds: numbers, text and arrays. A boolean becomes the number 0 or 1, a time the number of days
    since 1970 (UTC); an ``array`` holds numbers of the one *shape* in each row, such as (1, 8, 8) for an image.
    """

    type: Literal["number", "string", "boolean", "time", "array"]
    known: float = 0.0
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()
    shape: tuple[Annotated[int, msgspec.Meta(ge=1)], ...] = ()

    @property
    def kind(self) -> Literal["number", "string", "array"]:
        """What models see of it."""
        return self.type if self.type in {"string", "array"} else "number"

    @property
    def ranged(self) -> bool:
        """Whether it is declared what may be found in the column."""
        return self.minimum is not None or self.maximum is not None or bool(self.values)


class Schema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table that ``load`` returns: one row a prediction.

    Attributes:
        id: column that names a row, unique over all splits.
        target: column to predict: a class by its number from 0 or by its label, or a number.
        features: the model's inputs by name, in order.
        labels: the meaning of each class, from class 0 on; none where a number is predicted.
        time: column with the moment of the prediction (datetime, or ``datetime64[ns, UTC]``); or ``None``.
        group: column whose rows depend on each other (a day, a patient), resampled together; or ``None``.
        weight: column with the weight of a row in training, 0 or more; or ``None``. Metrics count all rows alike.
        unit: unit of a number that is predicted.
    """

    id: str
    target: str
    features: dict[str, Column]
    labels: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    weight: str | None = None
    unit: str = ""

    @property
    def task(self) -> Task:
        """What is predicted, by the number of classes."""
        if not self.labels:
            return "regression"
        return "binary" if len(self.labels) == 2 else "multiclass"  # noqa: PLR2004 - binary

    @property
    def columns(self) -> list[str]:
        """Names of all columns that it declares, in the order of canonical tables."""
        roles = (self.id, self.time, self.group, *self.features, self.weight, self.target)
        return [name for name in roles if name is not None]

    @property
    def numbers(self) -> list[str]:
        """Names of the features that models see as numbers, in order."""
        return self._of_kind("number")

    @property
    def strings(self) -> list[str]:
        """Names of the text features, in order."""
        return self._of_kind("string")

    @property
    def arrays(self) -> list[str]:
        """Names of the features of a fixed shape, in order."""
        return self._of_kind("array")

    def _of_kind(self, kind: str) -> list[str]:
        return [name for name, column in self.features.items() if column.kind == kind]


def resolve(path: str) -> Any:
    """Import and return what ``package.module:attribute`` names.

    Raises:
        SettingsError: where the module or the attribute can't be imported, or is none of the project's business.
        DataError: where the module fails while it is imported.
    """
    module_name, _, attribute = path.partition(":")
    with own_code(path):
        try:
            found: Any = importlib.import_module(module_name)
        except ImportError as problem:
            raise SettingsError(
                f"{path}: can't import {module_name!r} ({problem}); check the path and that it is installed"
            ) from None
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise SettingsError(f"{path}: {module_name!r} has no {attribute!r}; check the spelling")
        found = getattr(found, part)
    refused = importable.problem(path, found)
    if refused:
        raise SettingsError(refused)
    return found


@contextlib.contextmanager
def own_code(path: str) -> Iterator[None]:
    """Say in a sentence what the project's code that *path* names fails with, and in which of its lines.

    Raises:
        DataError: where it fails.
    """
    try:
        yield
    except (WeighbridgeError, MemoryError):  # these have words of their own
        raise
    except Exception as problem:  # noqa: BLE001 - a project's code may fail with anything
        module = sys.modules.get(path.partition(":")[0].partition(".")[0])
        place = Path(next(iter(getattr(module, "__path__", ())), None) or getattr(module, "__file__", None) or "?")
        own = [
            f" in {Path(frame.filename).relative_to(place.parent)}, line {frame.lineno}"
            for frame in traceback.extract_tb(problem.__traceback__)
            if Path(frame.filename).is_relative_to(place)
        ]
        where = own[-1] if own else ""
        raise DataError(f"{path} fails{where}: {type(problem).__name__}: {problem}; mend it there") from None


def schema_at(path: str) -> Schema:
    """Return the schema that the settings name.

    Raises:
        SettingsError: where the name isn't a :class:`Schema`.
    """
    schema = resolve(path)
    if not isinstance(schema, Schema):
        raise SettingsError(f"{path}: found a {type(schema).__name__}; expected a weighbridge.data.schema.Schema")
    return schema
