"""Rows to be predicted, a part at a time: the features of a test table may be more than memory holds."""

import contextlib
import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from weighbridge.errors import DataError

ROWS = 1 << 15
"""Most rows of a part."""


@dataclasses.dataclass(frozen=True)
class Parts:
    """The rows of a Parquet file, whose columns are read only as far as they are wanted.

    Attributes:
        path: the file.
        wanted: names of columns; those that it lacks are left out, for whoever needs them to miss.
        key: its column of ids.
        beside: further columns by id, which the file doesn't have; ``None`` without any.
    """

    path: Path
    wanted: Collection[str]
    key: str
    beside: pd.DataFrame | None = None

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the file has."""
        with self._open() as file:
            return list(file.schema_arrow.names)

    def __len__(self) -> int:
        with self._open() as file:
            return int(file.metadata.num_rows)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Yield the rows in their order.

        Raises:
            DataError: where the file is damaged.
        """
        with self._open() as file:
            columns = [name for name in file.schema_arrow.names if name == self.key or name in self.wanted]
            for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
                yield self._joined(batch.to_pandas(use_threads=False))

    @contextlib.contextmanager
    def _open(self) -> Iterator[parquet.ParquetFile]:
        """Yield the file, open.

        Raises:
            DataError: where it is damaged.
        """
        try:
            with parquet.ParquetFile(self.path) as file:
                yield file
        except (pa.ArrowInvalid, OSError) as problem:
            raise DataError(f"{self.path}: damaged: {str(problem).splitlines()[0]}; make it again") from None

    def _joined(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows if self.beside is None else rows.join(self.beside, on=self.key)


Rows: TypeAlias = pd.DataFrame | Parts
"""Rows as a table, or part by part."""


def parts(rows: Rows) -> Iterator[pd.DataFrame]:
    """Yield the rows as tables, in order."""
    yield from [rows] if isinstance(rows, pd.DataFrame) else rows


def spread(rows: Rows, most: int) -> pd.DataFrame:
    """Return at most *most* rows, evenly spread over all."""
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)) if len(rows) else np.arange(0)
    found: list[Any] = []
    start = 0
    for part in parts(rows):
        mine = chosen[(chosen >= start) & (chosen < start + len(part))] - start
        found.append(part.iloc[mine])
        start += len(part)
    return found[0] if len(found) == 1 else pd.concat(found)
