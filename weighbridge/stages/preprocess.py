"""preprocess: from raw files to one table a split, and a profile of what is in them."""

from pathlib import Path

from weighbridge import documents, paths
from weighbridge.data import profile, split, tables
from weighbridge.data.schema import resolve, schema_at
from weighbridge.digest import sha256_file
from weighbridge.manifest import DataSection, Raw
from weighbridge.tasks import PreprocessTask


def run(root: Path, task: PreprocessTask) -> DataSection:
    """Load, check, split and write the tables.

    Raises:
        DataError: for rows that aren't as the schema declares; see :mod:`weighbridge.data.profile`.
    """
    raw = documents.read_record(root / paths.RAW_RECORD, Raw)
    schema = schema_at(task.data.schema)
    loaded = resolve(task.data.load)(root / paths.RAW)
    frame, dropped = profile.prepare(loaded, schema)
    part = split.assign(frame, schema, task.data.split)
    parts = {name: frame[part == code].reset_index(drop=True) for code, name in enumerate(split.PARTS)}
    for name, rows in parts.items():
        tables.write_parquet(rows, root / paths.split(name))
    digests = {name: sha256_file(root / paths.split(name)) for name in parts}
    section = profile.profile(parts, schema, raw, task.data, dropped, digests)
    page = profile.markdown(section, profile.statistics(parts, schema))
    documents.write(root / paths.DATASET_PAGE, page)
    documents.write_record(root / paths.PROFILE, section)
    for name, rows in parts.items():
        print(f"{name}: {len(rows)} rows")
    return section
