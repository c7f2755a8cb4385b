"""Names for content: SHA-256 of bytes, of canonical JSON, and of a folder.

Every digest in a record is one of these, in lower-case hexadecimal; DVC's MD5 is an address only.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a folder: its path relative to it (with ``/``), size in bytes and SHA-256."""

    path: str
    """Path relative to the folder, with ``/``."""
    bytes: int
    """Size in bytes."""
    sha256: str
    """SHA-256 of the file's bytes."""


def canonical_json(value: Any) -> str:
    """Return *value* as JSON that is equal for equal values: sorted keys, no spaces, no NaN.

    Records (:class:`msgspec.Struct`) become objects.

    Raises:
        ValueError: where *value* holds NaN or an infinity.
    """
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def sha256_bytes(content: bytes) -> str:
    """Return the digest of *content*."""
    return hashlib.sha256(content).hexdigest()


def sha256_json(value: Any) -> str:
    """Return the digest of *value*'s canonical JSON."""
    return sha256_bytes(canonical_json(value).encode())


def sha256_file(path: Path) -> str:
    """Return the digest of the file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_entries(folder: Path) -> tuple[FileEntry, ...]:
    """Return one entry for each file below *folder*, sorted by path."""
    files = sorted((path for path in folder.rglob("*") if path.is_file()), key=lambda path: path.as_posix())
    return tuple(
        FileEntry(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=sha256_file(path))
        for path in files
    )


def sha256_folder(entries: tuple[FileEntry, ...]) -> str:
    """Return one digest for a folder's content: that of its list of paths and digests."""
    return sha256_json([[entry.path, entry.sha256] for entry in entries])
