"""The parts of the rows on disk: written a row group at a time, read a column or a row group at a time."""

import contextlib
import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from weighbridge import paths
from weighbridge.data import tables
from weighbridge.digest import sha256_file


class Part:
    """A written part, as profiles need it: its length, its columns one by one, or some of them in batches."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._about = parquet.read_metadata(path)  # which takes long of a file of many row groups
        self._texts = [field.name for field in self._about.schema.to_arrow_schema() if pa.types.is_string(field.type)]

    def __len__(self) -> int:
        return int(self._about.num_rows)

    def __getitem__(self, name: str) -> pd.Series:
        with parquet.ParquetFile(self._path, metadata=self._about) as file:
            return file.read([name], use_threads=False).to_pandas(use_threads=False)[name]

    def batches(self, names: Sequence[str]) -> list[Callable[[], pa.Table]]:
        """Return for each row group what reads these columns of it, in any thread."""
        return [functools.partial(self._read, number, list(names)) for number in range(self._about.num_row_groups)]

    def _read(self, number: int, names: list[str]) -> pa.Table:
        with parquet.ParquetFile(self._path, metadata=self._about, read_dictionary=self._texts) as file:
            return file.read_row_group(number, names, use_threads=False)

    @property
    def sha256(self) -> str:
        """The digest of its file."""
        return sha256_file(self._path)


class Writer:
    """Writes a table of any length in the format of :func:`weighbridge.data.tables.write_parquet`."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._file = parquet.ParquetWriter(path, schema, compression="zstd")
        self._schema = schema
        self._waiting = schema.empty_table()

    def add(self, rows: pa.Table) -> None:
        """Take in more rows; they're written as soon as they fill a row group."""
        self._waiting = pa.concat_tables([self._waiting, rows])
        while len(self._waiting) >= tables.ROWS_IN_GROUP:
            self._write(self._waiting[: tables.ROWS_IN_GROUP])
            self._waiting = self._waiting[tables.ROWS_IN_GROUP :]

    def _write(self, rows: pa.Table) -> None:
        """Write one row group; pages must not depend on how the rows came, so they come in one piece."""
        self._file.write_table(rows.combine_chunks(), row_group_size=tables.ROWS_IN_GROUP)

    def close(self) -> None:
        """Write what is left."""
        if len(self._waiting):
            self._write(self._waiting)
        self._file.close()


@contextlib.contextmanager
def writers(targets: dict[str, Path], schemas: dict[str, pa.Schema]) -> Iterator[dict[str, Writer]]:
    """Yield a writer of rows for each name; the files are at their places once all are whole, or not at all."""
    with contextlib.ExitStack() as stack:
        made: dict[str, Path] = {}
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=paths.TEMPORARY)
            os.close(descriptor)
            made[name] = Path(temporary)
            stack.callback(Path(temporary).unlink, missing_ok=True)
        open_ = {name: Writer(path, schemas[name]) for name, path in made.items()}
        yield open_
        for name in targets:
            open_[name].close()
            with made[name].open("rb") as file:
                os.fsync(file.fileno())
            made[name].chmod(0o644)
        for name, target in targets.items():
            made[name].replace(target)
