"""The ledger: every attempt as one immutable file, each naming the records that were newest when it was written.

A record lies at ``runs/<first two digits>/<sha256>.json``, named by the digest of its own canonical JSON. Writers
never touch each other's files, so any number of them may append at once and branches merge without conflict.
An edit breaks the record's own name, an inner deletion a successor's ``parents``; a deleted newest record shows in
the root digest and the count that each release tag carries, and in the book of digests written here.
What a record may say is in :mod:`weighbridge.registry.records`.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import paths
from weighbridge.digest import canonical_json
from weighbridge.errors import RecordError
from weighbridge.registry import ledger_book, ledger_index, ledger_rows, records
from weighbridge.registry.ledger_rows import Row, content, parents_first

FOLDER = "runs"
EVIDENCE = records.EVIDENCE
"""Kind of the records that name a file which later stages rest on, with its digest."""
_FILE = re.compile(r"([0-9a-f]{64})\.json")
Entry = ledger_rows.Entry
parse = ledger_rows.parse
digest_of = ledger_rows.digest_of
is_digest = ledger_rows.is_digest


def append(root: Path, record: Mapping[str, Any]) -> str:
    """Write *record* and return its digest. An equal record on the same heads is the same record.

    Raises:
        RecordError: where it isn't of the vocabulary (:mod:`weighbridge.registry.records`), has a key ``parents`` or a
            value that canonical JSON can't hold.
    """
    if "parents" in record:
        raise RecordError("a ledger record may not have a key 'parents': the ledger fills it; rename the key")
    try:
        records.check(msgspec.to_builtins(record))
        written = canonical_json({**record, "parents": heads(root)}).encode() + b"\n"
    except (ValueError, TypeError, RecursionError) as problem:
        raise RecordError(f"the record can't be written as JSON: {problem}; leave the value out or say null") from None
    digest = digest_of(written)
    adopt(root, digest, written)
    return digest


def adopt(root: Path, digest: str, text: bytes) -> bool:
    """Take in a record that was written elsewhere, its file's content to the byte; return whether it was new here.

    Raises:
        RecordError: where its content isn't what its name says.
    """
    entry = parse(text, digest)
    if isinstance(entry, str):
        raise RecordError(f"record {digest[:12]}: {entry}; don't take it in")
    target = root / path_of(digest)
    new = not target.exists()
    if new:
        _write_once(target, text)
    # A release that advances the branch has laid its record here before it is taken in.
    if new or digest not in ledger_book.read(root):
        ledger_book.note(root, digest)
    return new


def path_of(digest: str) -> Path:
    """Return where the record with this digest lies, relative to the project's root."""
    return Path(FOLDER) / digest[:2] / f"{digest}.json"


def _write_once(target: Path, text: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=paths.TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o444)
        # The name is the content's digest: whoever was first wrote the same bytes.
        with contextlib.suppress(FileExistsError):
            _link(Path(temporary), target)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _link(temporary: Path, target: Path) -> None:
    try:
        target.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        temporary.replace(target)


def read(root: Path) -> tuple[Entry, ...]:
    """Return all records, parents before children, else by digest.

    Raises:
        RecordError: listing every damaged record.
    """
    entries, damage = inspect(root)
    if damage:
        raise RecordError("\n".join((*damage, f"restore the files with `git checkout -- {FOLDER}`")))
    return entries


def problems(root: Path) -> tuple[str, ...]:
    """Return one line for each thing that is wrong with the ledger; empty where it is whole."""
    return inspect(root)[1]


def inspect(root: Path) -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """Return the records that are whole, as :func:`read` does, and what is wrong with the others."""
    entries: dict[str, Entry] = {}
    damage = [f"{path.relative_to(root)}: {said}; remove it" for path, said in strangers(root)]
    for digest, text in contents(root):
        entry = parse(text, digest)
        if isinstance(entry, Entry):
            entries[digest] = entry
        else:
            damage.append(f"{path_of(digest)}: {entry}")
    lost = {entry.record["lost"] for entry in entries.values() if records.is_loss(entry.record)}
    damage += [
        f"{path_of(entry.digest)}: its parent {parent[:12]} is missing"
        for entry in entries.values()
        for parent in entry.parents
        if parent not in entries and parent not in lost and not (root / path_of(parent)).is_file()
    ]
    order = parents_first({digest: entry.parents for digest, entry in entries.items()})
    return tuple(entries[digest] for digest in order), tuple(damage)


def strangers(root: Path) -> Iterator[tuple[Path, str]]:
    """Yield what lies in the ledger's folders and is no record, with what it is instead."""
    for path in _paths(root):
        if path.is_symlink():
            yield path, "a link, no record"
        elif not _has_name(path):
            yield path, "not the name of a record"
        elif not _is_record(path):
            yield path, "no regular file, no record"


def _paths(root: Path) -> Iterator[Path]:
    """Yield what lies in the ledger's folders, sorted; names with a leading dot are files being written."""
    folder = root / FOLDER
    inner = sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
    for part in inner:
        if part.is_symlink() or not part.is_dir():
            yield part
        else:
            yield from sorted(path for path in part.iterdir() if not path.name.startswith("."))


def _has_name(path: Path) -> bool:
    return bool(_FILE.fullmatch(path.name)) and path.name[:2] == path.parent.name


def _is_record(path: Path) -> bool:
    return _has_name(path) and not path.is_symlink() and path.is_file()


def _records(root: Path) -> Iterator[tuple[str, Path]]:
    return ((path.stem, path) for path in _paths(root) if _is_record(path))


def heads(root: Path) -> tuple[str, ...]:
    """Return the sorted digests of the records that no other one names as its parent."""
    return ledger_index.look(root).heads


def rows(root: Path) -> list[Row]:
    """Return what the index remembers of each record: enough for lists, and no proof of anything."""
    return ledger_index.look(root).rows()


def root_digest(root: Path) -> str:
    """Return one digest for the whole ledger: SHA-256 of its sorted heads, one a line."""
    return root_of(heads(root))


def root_of(heads: Iterable[str]) -> str:
    """Return the ledger's digest from that of its *heads*."""
    return hashlib.sha256("\n".join(sorted(heads)).encode()).hexdigest()


def count(root: Path) -> int:
    """Return the number of records."""
    return ledger_index.look(root).count


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each record's digest, by its name, and its file's content."""
    return ((digest, content(path)) for digest, path in _records(root))


def files(root: Path) -> dict[str, bytes]:
    """Return each record's file by its path relative to *root*, as a release commit holds it.

    While others write, the list may have a record and lack its parent, which was written before: that is brought in.
    """
    found = dict(contents(root))
    waiting = list(found)
    while waiting:
        digest = waiting.pop()
        entry = parse(found[digest], digest)
        for parent in entry.parents if isinstance(entry, Entry) else ():
            path = root / path_of(parent)
            if parent not in found and path.is_file():
                found[parent] = content(path)
                waiting.append(parent)
    return {path_of(digest).as_posix(): text for digest, text in sorted(found.items())}
