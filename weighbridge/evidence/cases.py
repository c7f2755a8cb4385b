"""Critical cases: rows that a model must decide as a person says, whatever its averages.

A CSV file (UTF-8, a header, commas) with all columns of the features, the target column, and the id column where rows
have names; an empty cell is a missing value. The target is a class's number, or the label that the schema gives it.
A boolean is 0, 1, false or true, a time as in 2026-01-31 or 2026-01-31T12:30. Cells can't hold arrays, and a
regression decides nothing: neither has critical cases.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from weighbridge.data import columns
from weighbridge.data.canonical import are_other_numbers
from weighbridge.data.schema import Column, Schema
from weighbridge.digest import sha256_bytes
from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import serving
from weighbridge.evidence.catalogue import require
from weighbridge.evidence.rows import decided
from weighbridge.manifest import Case

_LARGEST = 8 * 1024 * 1024
_LARGEST_NUMBER = float(np.finfo(np.float32).max)
_SHOWN = 10


def decide(
    root: Path, files: Sequence[str], onnx: Path, schema: Schema, threshold: float
) -> tuple[tuple[Case, ...], dict[str, str]]:
    """Return each case as it must be decided and as the bundle decides it, and the SHA-256 of each file.

    Args:
        root: the project's root.
        files: paths below it, as gates name them.
        onnx: the bundle's graph.
        schema: what the columns are.
        threshold: probability from which a row is decided to be positive, of two classes.

    Raises:
        SettingsError: for rows that can't have any; where a file is missing, unreadable, without rows, or a column or
            cell isn't as the schema declares; naming file, line, column and the nearest known one.
        ModelError: where the bundle can't be run.
    """
    found: list[Case] = []
    digests: dict[str, str] = {}
    for file in files:
        _refuse_other_schemas(file, schema)
        content = _content(root / file, file)
        digests[file] = sha256_bytes(content)
        found += _decided(file, read(content, file, schema), onnx, schema, threshold)
    return tuple(found), digests


def _decided(file: str, cases: pd.DataFrame, onnx: Path, schema: Schema, threshold: float) -> Iterator[Case]:
    made = decided(schema.task, serving.predict(onnx, cases), threshold)
    for name, expected, found in zip(cases[schema.id], cases[schema.target], made, strict=True):
        yield Case(file=file, id=name, expected=schema.labels[expected], found=schema.labels[int(found)])


def _refuse_other_schemas(shown: str, schema: Schema) -> None:
    if schema.task == "regression":
        raise SettingsError(
            f"{shown}: found critical cases of a regression, which decides nothing; leave out 'cases', and take a gate "
            "of kind slices with must_pass for rows that matter"
        )
    if schema.arrays:
        raise SettingsError(
            f"{shown}: found critical cases for rows with arrays ({', '.join(schema.arrays)}), which a cell of a CSV "
            "file can't hold; leave out 'cases', and take a gate of kind slices with must_pass for rows that matter"
        )


def _content(path: Path, shown: str) -> bytes:
    if not path.is_file():
        beside = [found.name for found in path.parent.glob("*.csv")] if path.parent.is_dir() else []
        try:
            require(path.name, beside, "file")
        except SettingsError as problem:
            raise SettingsError(f"{shown}: no such file of critical cases; {problem}, or leave out 'cases'") from None
    if path.stat().st_size > _LARGEST:
        raise SettingsError(f"{shown}: larger than {_LARGEST} bytes; expected a short list of critical cases")
    return path.read_bytes()


def read(content: bytes, shown: str, schema: Schema) -> pd.DataFrame:
    """Return the cases as a table with id (text), features in canonical form and target (the number of a class).

    A row without a name is called by its line.

    Raises:
        SettingsError: as :func:`decide`, every wrong cell at once.
    """
    lines = list(_lines(content, shown))
    header = [name.strip() for name in lines[0][1]] if lines else []
    _check_header(header, shown, schema)
    if len(lines) == 1:
        raise SettingsError(f"{shown}: found no cases below the header; add some, or leave out 'cases'")
    problems: list[str] = []
    rows = []
    for number, cells in lines[1:]:
        if len(cells) == len(header):
            named = dict(zip(header, cells, strict=True))
            rows.append(_row(f"{shown}:{number}", number, named, schema, problems))
        else:
            problems.append(
                f"{shown}:{number}: found {len(cells)} cells, expected {len(header)} as in the header; put a text with "
                "commas in quotes"
            )
    ids = [row[schema.id] for row in rows]
    problems += [f"{shown}: {schema.id} {name!r} stands there twice; name each case once" for name in _repeated(ids)]
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise SettingsError("\n".join([*problems[:_SHOWN], *more]))
    return pd.DataFrame(rows)


def _lines(content: bytes, shown: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that isn't empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise SettingsError(f"{shown}: not UTF-8 text (byte {problem.start}); save it as CSV in UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as problem:
        raise SettingsError(f"{shown}:{reader.line_num}: not CSV: {problem}; mend the quotes") from None


def _check_header(header: Sequence[str], shown: str, schema: Schema) -> None:
    needed = [*schema.features, schema.target]
    known = [schema.id, *needed]
    for name in header:
        try:
            require(name, known, "column")
        except SettingsError as problem:
            raise SettingsError(f"{shown}:1: {problem}") from None
    twice = _repeated(header)
    if twice:
        raise SettingsError(f"{shown}:1: column {twice[0]!r} stands there twice; keep one")
    missing = [name for name in needed if name not in header]
    if missing:
        raise SettingsError(
            f"{shown}:1: {len(missing)} columns are missing: {', '.join(missing)}; expected all features and the "
            f"target, {', '.join(needed)}. Leave cells empty where a value is missing"
        )


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _row(where: str, line: int, cells: Mapping[str, str], schema: Schema, problems: list[str]) -> dict[str, Any]:
    """Return the row's values; what is wrong with a cell goes to *problems*."""
    row: dict[str, Any] = {schema.id: cells.get(schema.id, "").strip() or f"line {line}"}
    for name, column in schema.features.items():
        read_cell = _CELLS.get(column.type, _number)
        row[name] = read_cell(f"{where}: {name}", cells[name], column, problems)
    row[schema.target] = _outcome(f"{where}: {schema.target}", cells[schema.target].strip(), schema, problems)
    return row


def _text(where: str, cell: str, column: Column, problems: list[str]) -> str:
    known = column.values  # noqa: PD011 - the schema's
    if cell and known:
        try:
            require(cell, known, "value")
        except SettingsError as problem:
            problems.append(f"{where}: {problem}")
    return cell


def _number(where: str, cell: str, column: Column, problems: list[str]) -> np.float32:
    if not cell.strip():
        return np.float32("nan")
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    low = -math.inf if column.minimum is None else column.minimum
    high = math.inf if column.maximum is None else column.maximum
    if not abs(number) <= _LARGEST_NUMBER:
        problems.append(f"{where}: found {cell!r}, expected a finite number, or nothing where it is missing")
        return np.float32("nan")
    if not low <= number <= high:
        problems.append(f"{where}: found {cell}, expected {low:g} to {high:g} as the schema declares")
    return np.float32(number)


def _boolean(where: str, cell: str, column: Column, problems: list[str]) -> np.float32:
    return _number(where, _TRUTH.get(cell.strip().lower(), cell), column, problems)


def _time(where: str, cell: str, _column: Column, problems: list[str]) -> np.float32:
    if not cell.strip():
        return np.float32("nan")
    try:
        return np.float32(columns.days(pd.Series([pd.Timestamp(cell.strip())])).iloc[0])
    except (ValueError, DataError):
        problems.append(f"{where}: found {cell!r}, expected a time such as 2026-01-31 or 2026-01-31T12:30")
        return np.float32("nan")


_TRUTH = {"false": "0", "true": "1"}
_CELLS = {"string": _text, "boolean": _boolean, "time": _time}


def _outcome(where: str, cell: str, schema: Schema, problems: list[str]) -> int:
    labels = schema.labels
    # Where labels are numbers, only they count: else 2 would be the class so called, and 2.0 another.
    numbered = () if are_other_numbers(labels) else range(len(labels))
    known = {f"{number}{end}": number for number in numbered for end in ("", ".0")}
    known |= {label: number for number, label in enumerate(labels)}
    if cell not in known:
        few = [f"{number} ({label})" if numbered else label for number, label in enumerate(labels[:_SHOWN])]
        more = [f"one of {len(labels) - _SHOWN} more"] if len(labels) > _SHOWN else []
        *all_but_last, last = [*few, *more]
        problems.append(f"{where}: found {cell!r}, expected {', '.join(all_but_last)} or {last}")
    return known.get(cell, 0)
