"""From what ``load`` returned to the parts on disk, in bounded memory: one way for a table and for many batches.

Each batch becomes canonical and goes into a sorted run on disk; parts are assigned by the columns that the split
needs, over all rows; then the runs are merged and each row goes to its part's file. So memory holds a batch, a few
numbers for each row, and a range of rows being merged, and the files don't depend on how the rows came.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
import pyarrow as pa

from weighbridge import paths, scratch, settings
from weighbridge.data import hashes, parts, plain, problems, split, tables
from weighbridge.data.batches import Batches
from weighbridge.data.canonical import canonical
from weighbridge.data.order import Runs
from weighbridge.data.schema import Schema
from weighbridge.errors import DataError


class Behind:
    """One thread that works behind this one: each piece of work waits for the one before, and for no more."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._work: Future[None] | None = None

    def do(self, work: Callable[..., None], *given: Any) -> None:
        """Begin *work* once what was begun before is done; what that raised is raised here."""
        self._wait()
        self._work = self._pool.submit(work, *given)

    def _wait(self) -> None:
        if self._work is not None:
            self._work.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._wait()
        finally:
            self._pool.shutdown()


class Prepared(NamedTuple):
    """What became of the rows: *parts* by name, and how many were *dropped* for want of a target."""

    parts: dict[str, parts.Part]
    dropped: int


def prepare(
    batches: Batches,
    schema: Schema,
    rule: settings.Split,
    targets: dict[str, Path],
    progress: scratch.Progress = lambda _text: None,
) -> Prepared:
    """Write the parts to *targets*, each sorted by time and id (by id where there is no time).

    What lies on disk meanwhile goes to the node's own, where one is named and has room.

    Args:
        batches: what ``load`` returned.
        schema: what its columns mean.
        rule: how rows are divided.
        targets: the file of each part, by its name.
        progress: called with a line of text where the node's own disk can't be had.

    Raises:
        DataError: listing every problem of the first batch that has one, or of all rows together.
        SettingsError: where the split can't be.
    """
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own gives pages back all the time, to be zeroed anew
    needed = split.needed(schema, rule)
    beside = next(iter(targets.values())).parent
    beside.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside, prefix=paths.TEMPORARY) as folder, scratch.folder(progress) as own:
        rows = _Rows([*([own] if own else []), Path(folder)], schema, needed)
        with Behind() as behind:  # a batch becomes canonical while the next one is loaded
            for batch in batches:
                behind.do(rows.add, batch, batches.rows)
        rows.check()
        keys = pa.concat_tables(rows.runs.columns(needed)).to_pandas()
        codes = split.assign(keys, schema, rule)
        folds = split.folds(keys, schema, rule) if isinstance(rule, settings.FoldSplit) else None
        del keys
        kept = rows.written()
        schemas = dict.fromkeys(targets, kept)
        if folds is not None:
            schemas[split.PARTS[0]] = kept.append(pa.field(tables.FOLD, pa.int8()))
        with parts.writers(targets, schemas) as writers, Behind() as behind:
            for merged in rows.runs.merged(kept.names):
                for code, name in enumerate(split.PARTS):
                    chosen = codes[merged.positions] == code
                    if not chosen.any():
                        continue
                    found = merged.rows if chosen.all() else merged.rows.filter(pa.array(chosen))
                    if tables.FOLD in schemas[name].names and folds is not None:
                        found = found.append_column(tables.FOLD, pa.array(folds[merged.positions][chosen]))
                    behind.do(writers[name].add, found)
    return Prepared({name: parts.Part(path) for name, path in targets.items()}, rows.dropped)


class _Rows:
    """Canonical rows on their way to the disk, and what must be known of all of them."""

    def __init__(self, folders: list[Path], schema: Schema, needed: list[str]) -> None:
        self.runs = Runs(folders, [name for name in (schema.time, schema.id) if name is not None])
        self.dropped = 0
        self._schema = schema
        self._extra = [name for name in needed if name not in schema.columns]
        self._ids: list[hashes.Hashes] = []
        self._written: pa.Schema | None = None

    def add(self, batch: Any, upto: int) -> None:
        """Make a batch canonical, which ends with row *upto* of what was loaded, and put it on disk."""
        try:
            table, dropped = self._canonical(batch)
        except DataError as problem:
            if upto == len(batch):
                raise
            raise DataError(f"{problem}\nfound in rows {upto - len(batch) + 1} to {upto} of what was loaded") from None
        self.dropped += dropped
        self._ids.append(hashes.of_texts(table[self._schema.id]))
        self._written = table.schema
        self.runs.add(table)

    def _canonical(self, batch: Any) -> tuple[pa.Table, int]:
        found = None if self._extra else plain.canonical(batch, self._schema)
        if found is not None:
            return found
        rows, dropped = canonical(batch, self._schema, self._extra, repeats=False)
        return tables.to_arrow(rows, self._schema), dropped

    def check(self) -> None:
        """Take note that all rows came.

        Raises:
            DataError: where there are none, or ids stand in several rows.
        """
        self.runs.close()
        found = list(problems.of_total(sum(map(len, self._ids)), self.dropped, self._schema))
        found += [f"id {self._schema.id!r}: {problem}" for problem in self._repeated()]
        if found:
            raise problems.refusal(found)

    def _repeated(self) -> Iterator[str]:
        """Compare ids by a hash of 64 bits, and those whose hash isn't unique as they are."""
        found = np.sort(np.concatenate([np.empty(0, np.uint64), *self._ids]))
        suspect = found[1:][found[1:] == found[:-1]]
        if not len(suspect):
            return
        ids = [rows[self._schema.id] for rows in self.runs.columns([self._schema.id])]
        same = pd.concat([each.filter(pa.array(np.isin(hashes.of_texts(each), suspect))).to_pandas() for each in ids])
        again = same[same.duplicated()]
        if len(again):
            yield f"{len(again)} of {len(found)} rows repeat an earlier one, e.g. {problems.examples(again)}"

    def written(self) -> pa.Schema:
        """Return the columns and types of the parts."""
        return pa.schema([field for field in self._written or () if field.name in self._schema.columns])
