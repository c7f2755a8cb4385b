"""The ledger: every attempt as one immutable file, each naming the records that were newest when it was written.

A record lies at ``runs/<first two digits>/<sha256>.json``, named by the digest of its own canonical JSON. Writers
never touch each other's files, so any number of them may append at once and branches merge without conflict.
An edit breaks the record's own name, an inner deletion a successor's ``parents``; a deleted newest record shows in
the root digest and the count that each release tag carries.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.digest import canonical_json
from weighbridge.errors import RecordError

FOLDER = "runs"
EVIDENCE = "evidence"
"""Kind of the records that name a file which later stages rest on, with its digest."""
_FILE = re.compile(r"([0-9a-f]{64})\.json")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One record: its digest, the digests it names as its parents, and what it says."""

    digest: str
    parents: tuple[str, ...]
    record: dict[str, Any]


class _Parents(msgspec.Struct):
    parents: tuple[str, ...] = ()


def append(root: Path, record: Mapping[str, Any]) -> str:
    """Write *record* and return its digest. An equal record on the same heads is the same record.

    Raises:
        RecordError: where it has a key ``parents`` or a value that canonical JSON can't hold.
    """
    if "parents" in record:
        raise RecordError("a ledger record may not have a key 'parents': the ledger fills it; rename the key")
    try:
        content = canonical_json({**record, "parents": heads(root)}).encode() + b"\n"
    except (ValueError, TypeError) as problem:
        raise RecordError(f"the record can't be written as JSON: {problem}; leave the value out or say null") from None
    digest = hashlib.sha256(content.rstrip(b"\n")).hexdigest()
    target = root / FOLDER / digest[:2] / f"{digest}.json"
    if not target.exists():
        _write_once(target, content)
    return digest


def _write_once(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".tmp-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
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
    damage = [
        f"{path.relative_to(root)}: not the name of a record; remove it"
        for path in _paths(root)
        if not _is_record(path)
    ]
    for digest, path in _records(root):
        entry = _parse(path, digest)
        if isinstance(entry, Entry):
            entries[digest] = entry
        else:
            damage.append(f"{path.relative_to(root)}: {entry}")
    known = {digest for digest, _ in _records(root)}
    damage += [
        f"{FOLDER}/{entry.digest[:2]}/{entry.digest}.json: its parent {parent[:12]} is missing"
        for entry in entries.values()
        for parent in entry.parents
        if parent not in known
    ]
    return _in_order(entries), tuple(damage)


def _parse(path: Path, digest: str) -> Entry | str:
    content = path.read_bytes()
    found = hashlib.sha256(content.removesuffix(b"\n")).hexdigest()
    if found != digest or not content.endswith(b"\n"):
        return f"its content has the digest {found[:12]}, its name says {digest[:12]}"
    try:
        record = msgspec.json.decode(content, type=dict[str, Any])
        parents = msgspec.convert(record.pop("parents"), tuple[str, ...])
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError) as problem:
        return f"no record: {problem}"
    return Entry(digest=digest, parents=parents, record=record)


def _in_order(entries: dict[str, Entry]) -> tuple[Entry, ...]:
    depth: dict[str, int] = {}
    for start in sorted(entries):
        pending = [start]
        while pending:
            parents = [parent for parent in entries[pending[-1]].parents if parent in entries]
            unknown = [parent for parent in parents if parent not in depth]
            if unknown:
                pending.extend(unknown)
            else:
                depth[pending.pop()] = 1 + max((depth[parent] for parent in parents), default=0)
    return tuple(sorted(entries.values(), key=lambda entry: (depth[entry.digest], entry.digest)))


def _paths(root: Path) -> Iterator[Path]:
    """Yield what lies in the ledger's folders, sorted; names with a leading dot are files being written."""
    folder = root / FOLDER
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    for part in inner:
        yield from sorted(path for path in part.iterdir() if not path.name.startswith("."))


def _is_record(path: Path) -> bool:
    return bool(_FILE.fullmatch(path.name)) and path.name[:2] == path.parent.name


def _records(root: Path) -> Iterator[tuple[str, Path]]:
    return ((path.stem, path) for path in _paths(root) if _is_record(path))


def heads(root: Path) -> tuple[str, ...]:
    """Return the sorted digests of the records that no other one names as its parent."""
    digests: set[str] = set()
    named: set[str] = set()
    decoder = msgspec.json.Decoder(_Parents)
    for digest, path in _records(root):
        digests.add(digest)
        # A damaged record must not keep a new one from being written; `read` reports it.
        with contextlib.suppress(msgspec.MsgspecError, UnicodeDecodeError):
            named.update(decoder.decode(path.read_bytes()).parents)
    return tuple(sorted(digests - named))


def root_digest(root: Path) -> str:
    """Return one digest for the whole ledger: SHA-256 of its sorted heads, one a line."""
    return hashlib.sha256("\n".join(heads(root)).encode()).hexdigest()


def count(root: Path) -> int:
    """Return the number of records."""
    return sum(1 for _ in _records(root))


def files(root: Path) -> dict[str, bytes]:
    """Return each record's file by its path relative to *root*, as a release commit holds it."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for _, path in _records(root)}
