"""Rows in one order, however many: sorted runs on disk, merged one range of keys at a time (a sample sort).

Memory holds a run, or a range of about as many rows; the rest is Arrow's own format in a temporary folder.
"""

import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ROWS_IN_RUN = 1 << 18
_SAMPLES = 64  # of each run, from which the ranges are chosen
_Key = tuple[Any, ...]


class Range(NamedTuple):
    """Some of all rows, in order; *positions* [n] number them as :meth:`Runs.columns` returns them."""

    rows: pa.Table
    positions: npt.NDArray[np.int64]


class Runs:
    """Rows to be put in the order of the columns *by*, in which no two rows are alike.

    Args:
        folders: empty folders for the runs; where there is no room in the first one, the next one takes them.
        by: names of the columns, the first one first.
        size: most rows in a run.
    """

    def __init__(self, folders: Sequence[Path], by: Sequence[str], size: int = ROWS_IN_RUN) -> None:
        self._folders, self._by, self._size = list(folders), list(by), size
        self._files: list[Path] = []
        self._rows: list[int] = []
        self._samples: list[_Key] = []
        self._waiting: list[pa.Table] = []

    def add(self, rows: pa.Table) -> None:
        """Take in rows of the same columns and types each time."""
        self._waiting.append(rows)
        while sum(map(len, self._waiting)) >= self._size:
            waiting = pa.concat_tables(self._waiting)
            self._spill(waiting[: self._size])
            self._waiting = [waiting[self._size :]]

    def close(self) -> None:
        """Take note that no more rows come."""
        rest = pa.concat_tables(self._waiting) if self._waiting else None
        self._waiting = []
        if rest is not None and len(rest):
            self._spill(rest)

    def _spill(self, rows: pa.Table) -> None:
        run = rows.take(self._order(rows)).combine_chunks()
        keys = run.select(self._by)
        self._samples += _keys(keys.take(pa.array(range(0, len(keys), max(1, len(keys) // _SAMPLES)))))
        self._files.append(self._written(run))
        self._rows.append(len(run))

    def _written(self, run: pa.Table) -> Path:
        path = self._folders[0] / f"{len(self._rows)}.arrow"
        try:
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, run.schema) as writer:
                writer.write_table(run)
        except OSError:
            path.unlink(missing_ok=True)
            if len(self._folders) == 1:
                raise
            del self._folders[0]
            return self._written(run)
        return path

    def _order(self, rows: pa.Table) -> pa.Array:
        keys = rows.select(self._by).combine_chunks()  # in pieces they take half as long again
        return pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in self._by])

    def _run(self, number: int) -> pa.Table:
        """Return a run as it lies on disk: only what is looked at is read."""
        with pa.memory_map(str(self._files[number])) as file:
            return pa.ipc.open_file(file).read_all()

    def columns(self, names: Sequence[str]) -> Iterator[pa.Table]:
        """Yield only these columns of all rows, run by run."""
        for number in range(len(self._rows)):
            yield self._run(number).select(list(names))

    def merged(self, names: Sequence[str]) -> Iterator[Range]:
        """Yield these columns of all rows in order, some :data:`ROWS_IN_RUN` rows at a time."""
        starts = np.cumsum([0, *self._rows])
        cuts = [self._cuts(number) for number in range(len(self._rows))]
        for each in zip(*cuts, strict=True):
            spans = [(number, first, last) for number, (first, last) in enumerate(each) if first < last]
            if not spans:
                continue
            rows = pa.concat_tables([self._run(number)[first:last] for number, first, last in spans])
            positions = np.concatenate([np.arange(first, last) + starts[number] for number, first, last in spans])
            order = self._order(rows)
            yield Range(rows.select(list(names)).take(order), positions[order.to_numpy()])

    def _cuts(self, number: int) -> list[tuple[int, int]]:
        """Return for each range the first and the last row of a run that are within it."""
        keys = self._run(number).select(self._by)
        rows = range(len(keys))
        bounds = [
            bisect.bisect_left(rows, bound, key=lambda row: _keys(keys[row : row + 1])[0]) for bound in self._bounds()
        ]
        return list(zip([0, *bounds], [*bounds, len(keys)], strict=True))

    def _bounds(self) -> list[_Key]:
        """Return the keys between ranges, which are of about equal size."""
        samples = sorted(self._samples)
        ranges = -(-sum(self._rows) // self._size)
        return [samples[len(samples) * number // ranges] for number in range(1, ranges)]


def _keys(rows: pa.Table) -> list[_Key]:
    return list(zip(*(column.to_pylist() for column in rows.columns), strict=True))
