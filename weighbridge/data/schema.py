"""What a table's columns mean and, above all, when each is known."""

import importlib
from typing import Annotated, Any, Literal

import msgspec

from weighbridge import importable
from weighbridge.errors import SettingsError


class Column(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A feature column: ``known`` is how many hours before the prediction its value is known.

    A negative ``known`` is a value from after the prediction: a leak, which ``preprocess`` refuses. ``minimum`` and
    ``maximum`` (of a number, both included) and ``values`` (of text) are what may be found in the column; rows with
    anything else are counted by a check of the data. A missing value is always allowed.
    """

    type: Literal["number", "string"]
    known: float
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()

    @property
    def ranged(self) -> bool:
        """Whether it is declared what may be found in the column."""
        return self.minimum is not None or self.maximum is not None or bool(self.values)


class Schema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table that ``load`` returns: one row a prediction.

    Attributes:
        id: column that names a row, unique over all splits.
        time: column with the moment of the prediction (datetime, or ``datetime64[ns, UTC]``).
        group: column whose rows depend on each other (a day, a patient), resampled together; or ``None``.
        target: column with 0 or 1.
        labels: the meaning of 0 and of 1.
        features: the model's inputs by name, in order.
    """

    id: str
    time: str
    target: str
    labels: Annotated[tuple[str, ...], msgspec.Meta(min_length=2, max_length=2)]
    features: dict[str, Column]
    group: str | None = None

    @property
    def numbers(self) -> list[str]:
        """Names of the numeric features, in order."""
        return [name for name, column in self.features.items() if column.type == "number"]

    @property
    def strings(self) -> list[str]:
        """Names of the text features, in order."""
        return [name for name, column in self.features.items() if column.type == "string"]


def resolve(path: str) -> Any:
    """Import and return what ``package.module:attribute`` names.

    Raises:
        SettingsError: where the module or the attribute can't be imported, or is none of the project's business.
    """
    module_name, _, attribute = path.partition(":")
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


def schema_at(path: str) -> Schema:
    """Return the schema that the settings name.

    Raises:
        SettingsError: where the name isn't a :class:`Schema`.
    """
    schema = resolve(path)
    if not isinstance(schema, Schema):
        raise SettingsError(f"{path}: found a {type(schema).__name__}; expected a weighbridge.data.schema.Schema")
    return schema
