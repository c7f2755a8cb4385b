"""Tables on disk: Parquet that is the same bytes for the same rows, and whole or absent."""

import io
from pathlib import Path

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from weighbridge import documents, paths
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError
from weighbridge.manifest import DataSection

_ROWS_IN_GROUP = 1 << 17


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write *frame* (its index is left out) as Parquet with zstd compression.

    Equal tables give equal bytes under one version of pyarrow: there is no clock in the file, and nothing of
    how pandas held the columns.

    Raises:
        DataError: where a column's values are of several types.
    """
    try:
        table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        raise DataError(f"{path}: can't be written as a table: {problem}; give each column one type") from None
    buffer = io.BytesIO()
    parquet.write_table(table.cast(_canonical(table.schema)), buffer, compression="zstd", row_group_size=_ROWS_IN_GROUP)
    documents.write(path, buffer.getvalue())


def _canonical(schema: pa.Schema) -> pa.Schema:
    """Return *schema* with one type of text, however pandas held it, and without pandas' own notes."""
    return pa.schema(
        [field.with_type(pa.string() if _is_text(field.type) else field.type) for field in schema], metadata=None
    )


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return kind in {pa.string(), pa.large_string(), pa.string_view()}


def read_parquet(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the table at *path*, or only *columns* of it, in the order asked for.

    Raises:
        DataError: where the file is missing or damaged, or lacks a column.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; run the stage that writes it")
    try:
        with parquet.ParquetFile(path) as file:
            _refuse_missing(path, columns, file.schema_arrow.names)
            return file.read(columns, use_threads=False).to_pandas(use_threads=False)
    except (pa.ArrowInvalid, OSError) as problem:
        reason = str(problem).splitlines()[0]
        raise DataError(f"{path}: damaged: {reason}; remove it and run the stage that writes it") from None


def _refuse_missing(path: Path, columns: list[str] | None, present: list[str]) -> None:
    missing = [name for name in columns or [] if name not in present]
    if missing:
        raise DataError(f"{path}: no column {', '.join(map(repr, missing))}; it has {', '.join(present)}")


def read_split(root: Path, name: str, profile: DataSection, columns: list[str] | None = None) -> pd.DataFrame:
    """Return the rows of one split, which must be the very file that *profile* describes.

    Raises:
        DataError: where the file was edited since ``preprocess`` wrote it, or is missing or damaged.
    """
    path = paths.split(name)
    expected = profile.splits[name].sha256
    found = sha256_file(root / path) if (root / path).is_file() else "no file"
    if found != expected:
        raise DataError(
            f"{path}: found sha256 {found[:12]}, expected {expected[:12]} by {paths.PROFILE}; it was edited after "
            "'preprocess' wrote it. Run 'snakemake --cores all --forcerun preprocess'"
        )
    return read_parquet(root / path, columns)
