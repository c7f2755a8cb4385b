"""Everything that Weighbridge refuses, as one tree of exceptions.

    WeighbridgeError            exit 2   something the reader can mend
    ├── SettingsError                    config/, a schema or an option
    ├── DataError                        raw, processed or scored rows
    ├── ModelError                       a model that can't be built, fitted, saved or exported
    ├── SetupError                       Git, DVC or the environment
    ├── RecordError                      a document or record that is damaged or of another shape
    └── ReleaseRefused          exit 1   the weighing fell short: nothing is wrong but the model

A message says what was found, what was expected, where, and what to do next. The command line prints it
and exits with :attr:`WeighbridgeError.exit_code`; a traceback is a bug of ours.
"""

from typing import ClassVar


class WeighbridgeError(Exception):
    """Base of all refusals; ``str(error)`` is the whole message for the reader."""

    exit_code: ClassVar[int] = 2


class SettingsError(WeighbridgeError):
    """The configuration says something that can't be done."""


class DataError(WeighbridgeError):
    """Rows are missing, damaged, or other than declared."""


class ModelError(WeighbridgeError):
    """A model can't be imported, built, fitted, saved or exported."""


class SetupError(WeighbridgeError):
    """Git, DVC or the installed environment isn't as needed."""


class RecordError(WeighbridgeError):
    """A document is damaged or isn't of the shape it claims."""


class ReleaseRefused(WeighbridgeError):  # noqa: N818 - a verdict, not a fault
    """The gates, or the state of the working tree, forbid a release.

    Attributes:
        on_record: whether the ledger has it already, with the gates that it fell short of.
    """

    exit_code = 1

    def __init__(self, message: str, *, on_record: bool = False) -> None:
        super().__init__(message)
        self.on_record = on_record
