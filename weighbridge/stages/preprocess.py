"""preprocess: from raw files to one table a split, and a profile of what is in them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, paths
from weighbridge.data import batches, page, problems, profile, values
from weighbridge.data.prepare import prepare
from weighbridge.data.schema import Schema, own_code, resolve, schema_at
from weighbridge.errors import RecordError, SettingsError
from weighbridge.manifest import DataSection, Raw
from weighbridge.settings import Data
from weighbridge.tasks import PreprocessTask


def run(root: Path, task: PreprocessTask) -> DataSection:
    """Load, check, split and write the tables, in bounded memory where ``load`` returns batches.

    Raises:
        SettingsError: where the settings name another task than the schema's labels make it.
        DataError: for rows that aren't as the schema declares, see :mod:`weighbridge.data.profile`, or whose columns
            aren't those of last time.
    """
    raw = documents.read_record(root / paths.RAW_RECORD, Raw)
    schema = schema_at(task.data.schema)
    _refuse_another_task(schema, task.data)
    before = _loaded_before(root)
    loaded = batches.Batches(_load(task.data.load, root / paths.RAW), before, schema.columns)
    targets = {name: root / paths.split(name) for name in paths.SPLITS}
    parts, dropped = prepare(loaded, schema, task.data.split, targets, print)
    changes = batches.changes(before, loaded.columns) if before else []
    seen = values.examine(parts, schema)
    digests = {name: part.sha256 for name, part in parts.items()}
    section = profile.profile(parts, schema, raw, task.data, dropped, digests, loaded.columns, seen)
    documents.write(root / paths.DATASET_PAGE, page.markdown(section, seen, changes))
    documents.write_record(root / paths.PROFILE, section)
    documents.write(root / paths.LOADED, msgspec.json.encode(loaded.columns))
    for change in changes:
        print(f"column {change}")
    for warning in profile.warnings(section):
        print(f"warning: {warning}")
    for name, part in parts.items():
        print(f"{name}: {len(part)} rows")
    return section


def _load(path: str, folder: Path) -> Any:
    """Call the project's ``load``; a generator runs only later, batch by batch, and may fail there as well."""
    function = resolve(path)
    with own_code(path):
        loaded = function(folder)
    return _each(path, loaded) if isinstance(loaded, Iterator) else loaded


def _each(path: str, loaded: Iterator[Any]) -> Iterator[Any]:
    with own_code(path):
        yield from loaded


def _refuse_another_task(schema: Schema, data: Data) -> None:
    found = list(problems.of_schema(schema))
    if found:
        raise problems.refusal(found)
    if schema.task != data.task:
        raise SettingsError(
            f"{paths.CONFIG}: data.task is {data.task!r}, but the {len(schema.labels)} labels of {data.schema} make it "
            f"{schema.task!r}; set data.task to {schema.task!r}, or mend the labels"
        )


def _loaded_before(root: Path) -> batches.Columns:
    """Return the columns of last time; none where nothing tells of one."""
    path = root / paths.LOADED
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=batches.Columns)
    except msgspec.DecodeError as problem:
        raise RecordError(f"{paths.LOADED}: damaged: {problem}; remove it, it is written anew") from None
