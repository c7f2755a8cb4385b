"""What the ledger's index remembers, so that neither ``log`` nor an append reads every record again.

One file, ``results/.ledger.msgpack``: for each folder of the ledger its records and the time of its last change, and
for each record what ``log`` shows of it. It is never believed further than it saves time: a folder that has changed,
or that was young when it was read, is listed again; a damaged or missing index is made anew from the records; and the
audit doesn't look at it. It is written without a lock, whole, by rename: the last writer wins, and loses nothing.
"""

import contextlib
import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self

import msgspec

from weighbridge import clock, paths
from weighbridge.registry.ledger_rows import Row, parents_first, read

_FORMAT = 3
_NAME = re.compile(r"([0-9a-f]{64})\.json")
_SHARD = re.compile(r"[0-9a-f]{2}")
_YOUNG_NS = 2_000_000_000  # some file systems keep times by the second, or by two
_ENOUGH = 128  # new records, or folders to list again, for which writing the index pays


class _Shard(msgspec.Struct, frozen=True, array_like=True):
    """A folder of the ledger: when it last changed (0: list it again), and its records' digests."""

    mtime_ns: int
    digests: frozenset[str]


class _Body(msgspec.Struct, frozen=True, array_like=True):
    shards: dict[str, _Shard]
    heads: frozenset[str]
    absent: frozenset[str]
    """Named as parents, and not there."""
    torn: frozenset[str]
    rows: bytes


class _File(msgspec.Struct, frozen=True, array_like=True):
    format: int
    checksum: int
    body: bytes


_rows = msgspec.msgpack.Decoder(list[Row])
_body = msgspec.msgpack.Decoder(_Body)
_file = msgspec.msgpack.Decoder(_File)


class Index:
    """The ledger as it lies there now: its records' digests, its heads, and a row for each record."""

    def __init__(self, body: _Body) -> None:
        self._shards, self._packed = body.shards, body.rows
        self._heads, self._absent, self._torn = body.heads, body.absent, body.torn
        self._fresh: list[Row] = []
        self._decoded: list[Row] | None = None

    @classmethod
    def empty(cls) -> Self:
        """Return the index of no record."""
        return cls(_Body({}, frozenset(), frozenset(), frozenset(), msgspec.msgpack.encode([])))

    @property
    def heads(self) -> tuple[str, ...]:
        """The sorted digests of the readable records that no other one names as its parent."""
        return tuple(sorted(self._heads))

    @property
    def count(self) -> int:
        """The number of records."""
        return sum(len(shard.digests) for shard in self._shards.values())

    def rows(self) -> list[Row]:
        """Return a row for each record; those of one writer are in the order in which they were written."""
        if self._decoded is None:
            self._decoded = _rows.decode(self._packed)
        return [*self._decoded, *self._fresh]

    def look(self, folder: Path) -> bool:
        """Bring the index up to date with what lies in *folder*; return whether writing it down pays."""
        there = _folders(folder)
        # The time is taken before the listing: what is added meanwhile leaves a later one.
        now = clock.of_files(folder.parent / paths.LEDGER_INDEX.parent)
        listed = dict(self._listed_again(there, now))
        before = {name: shard.digests for name, shard in self._shards.items()}
        kept = {entry.name: self._shards[entry.name] for entry in there if entry.name in self._shards}
        self._shards = kept | listed
        gone = {digest for name in before for digest in before[name] - self._digests(name)}
        new = [digest for name in listed for digest in sorted(listed[name].digests - before.get(name, frozenset()))]
        enough = bool(gone) or len(new) >= _ENOUGH
        self._exchange(folder, gone, new)
        while changed := self._changed(folder):
            self._exchange(folder, changed, sorted(changed))
            enough = True
        settled = sum(1 for shard in listed.values() if shard.mtime_ns)
        return enough or settled >= _ENOUGH

    def _digests(self, name: str) -> frozenset[str]:
        return self._shards[name].digests if name in self._shards else frozenset()

    def _listed_again(self, folders: Iterable["os.DirEntry[str]"], now: int) -> Iterator[tuple[str, _Shard]]:
        for entry in folders:
            changed = entry.stat().st_mtime_ns
            known = self._shards.get(entry.name)
            if known is None or changed != known.mtime_ns:
                settled = changed if changed + _YOUNG_NS < now else 0
                yield entry.name, _Shard(settled, frozenset(_digests(Path(entry.path))))

    def _changed(self, folder: Path) -> set[str]:
        """Return the heads that are torn by now, which no new record may name, and torn records that are mended.

        Neither shows in a folder's time where a file is written to in its place.
        """
        suspects = self._heads | self._torn
        return {one for one in suspects if _read(folder, one).torn != (one in self._torn)}

    def _exchange(self, folder: Path, gone: set[str], new: Iterable[str]) -> None:
        """Forget some records, and read others."""
        rows = [_read(folder, digest) for digest in new]
        if gone:
            rows = [*(row for row in self.rows() if row.digest not in gone), *rows]
            self._decoded, self._fresh = [], []
            self._heads, self._absent, self._torn = frozenset(), frozenset(), frozenset()
        self._learn(rows)

    def _learn(self, rows: list[Row]) -> None:
        torn = {row.digest for row in rows if row.torn}
        named = {parent for row in rows for parent in row.parents}
        new = {row.digest for row in rows}
        self._torn |= torn
        self._heads = (self._heads | new) - named - self._absent - torn
        absent = {parent for parent in named if parent not in self._digests(parent[:2])}
        self._absent = (self._absent | absent) - new
        found = {row.digest: row for row in rows}
        self._fresh += [found[digest] for digest in parents_first({row.digest: row.parents for row in rows})]

    def pack(self) -> bytes:
        """Return the index as its file has it."""
        rows = msgspec.msgpack.encode(self.rows())
        body = msgspec.msgpack.encode(_Body(self._shards, self._heads, self._absent, self._torn, rows))
        return msgspec.msgpack.encode(_File(_FORMAT, zlib.crc32(body), body))


def look(root: Path) -> Index:
    """Return the index of the ledger below *root* as it is now; what is remembered saves reading it whole."""
    path = root / paths.LEDGER_INDEX
    index = _load(path)
    if index.look(root / paths.LEDGER):
        # A memory that can't be written is none: a full disk or a read-only folder keeps nobody from reading.
        with contextlib.suppress(OSError):
            _replace(path, index.pack())
    return index


def _load(path: Path) -> Index:
    try:
        file = _file.decode(path.read_bytes())
        if file.format != _FORMAT or file.checksum != zlib.crc32(file.body):
            return Index.empty()
        body = _body.decode(file.body)
    except (OSError, msgspec.DecodeError):
        return Index.empty()
    return Index(body)


def _replace(path: Path, content: bytes) -> None:
    """Write by rename, without waiting for the disk: what a crash leaves of it bears the wrong checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=paths.TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _folders(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [one for one in entries if _SHARD.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []


def _read(folder: Path, digest: str) -> Row:
    return read(folder / digest[:2] / f"{digest}.json", digest)


def _digests(shard: Path) -> Iterator[str]:
    for name in os.listdir(shard):  # noqa: PTH208 - a hundred thousand names, and no more than names
        match = _NAME.fullmatch(name)
        if match and name[:2] == shard.name:
            yield match[1]
