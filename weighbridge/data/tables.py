"""Tables on disk: Parquet that is the same bytes for the same rows, and whole or absent."""

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from weighbridge import documents, paths
from weighbridge.data import columns
from weighbridge.data.schema import Schema
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError
from weighbridge.manifest import DataSection

ROWS_IN_GROUP = 1 << 17
FOLD = "fold"
"""Column of the training rows with the fold of each, in a cross-validation."""


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Write *frame* (its index is left out) as Parquet with zstd compression.

    Equal tables give equal bytes under one version of pyarrow: there is no clock in the file, and nothing of
    how pandas held the columns.

    Raises:
        DataError: where a column's values are of several types, or its arrays of several lengths.
    """
    try:
        table = to_arrow(frame)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as problem:
        raise DataError(f"{path}: can't be written as a table: {problem}; give each column one type") from None
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd", row_group_size=ROWS_IN_GROUP)
    documents.write(path, buffer.getvalue())


def to_arrow(frame: pd.DataFrame, schema: Schema | None = None) -> pa.Table:
    """Return *frame* as it is written: one type of text, arrays as lists of one size, nothing of pandas' own.

    With *schema*, arrays are known by what it declares, so that no rows give the same types as many.

    Raises:
        pyarrow.ArrowInvalid: where a column's values are of several types, or its arrays of several lengths.
    """
    sizes = {name: math.prod(schema.features[name].shape) for name in schema.arrays} if schema else {}
    arrays = {
        name: _lists(frame[name], sizes.get(name))
        for name in frame.columns
        if name in sizes or columns.is_array(frame[name])
    }
    table = pa.Table.from_pandas(frame.drop(columns=list(arrays)), preserve_index=False, nthreads=1)
    table = table.cast(_canonical(table.schema))
    return pa.table({name: arrays[name] if name in arrays else table[name] for name in frame.columns})


def _lists(values: pd.Series, size: int | None) -> pa.FixedSizeListArray:
    """Return flat arrays as lists of one *size*, that of the first where it isn't given."""
    rows = values.to_numpy()
    size = len(rows[0]) if size is None else size
    if any(len(row) != size for row in rows):  # the lists would hold each other's numbers
        raise pa.ArrowInvalid(f"{values.name!r} has arrays of several lengths, not all of {size}")
    flat = np.concatenate(rows) if len(rows) else np.empty(0, np.float32)
    return pa.FixedSizeListArray.from_arrays(flat, size)


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


def read_training(root: Path, profile: DataSection, columns: list[str], seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that a run of *seed* trains on and those that it is validated on.

    In a cross-validation the latter are the fold of that seed; else they are the same for every seed.

    Raises:
        DataError: where a file was edited since ``preprocess`` wrote it, or is missing or damaged.
    """
    validation = read_split(root, "validation", profile, columns)
    if not profile.folds:
        return read_split(root, "train", profile, columns), validation
    others = read_split(root, "train", profile, [*columns, FOLD])
    fold = seed % profile.folds
    chosen = others.pop(FOLD) == fold
    if fold == 0:  # which is the validation rows' own
        return others, validation
    return pd.concat([others[~chosen], validation], ignore_index=True), others[chosen].reset_index(drop=True)
