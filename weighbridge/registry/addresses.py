"""DVC's addresses, read and computed without importing DVC.

DVC names a file by its MD5, and a folder by the MD5 of the listing of its files, with ``.dir`` at the end. That is
an address and no proof of content; records hold SHA-256 for that.
"""

import collections
import hashlib
import json
import os
import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge import documents
from weighbridge.errors import DataError, RecordError

State = tuple[int, int, str]
"""A file's size in bytes, its modification time in ns, its MD5."""

_ADDRESS = re.compile(r"[0-9a-f]{32}(\.dir)?")
_OWN_FOLDERS = {".git", "git~1", ".dvc", "dvc~1"}
_LIKE_GIT = {"head", "objects", "refs"}
_NOT_COLLECTED = {".git", ".hg", ".dvc"}
_RACY_NS = 2_000_000_000


class Pointer(NamedTuple):
    """What a ``.dvc`` file says: the content's address, and the name of what lies beside the file."""

    address: str
    path: str


def parse_pointer(content: bytes, source: str) -> Pointer:
    """Return what the bytes of a ``.dvc`` file say.

    Raises:
        RecordError: where it isn't the pointer of one file or folder, or its path leads elsewhere.
    """
    try:
        value = documents.parse(content.decode(), source, RecordError).value
    except UnicodeDecodeError as problem:
        raise RecordError(f"{source}: not UTF-8 text (byte {problem.start})") from None
    outs = value.get("outs") if isinstance(value, dict) else None
    if not isinstance(outs, list) or len(outs) != 1 or not isinstance(outs[0], dict):
        raise RecordError(f"{source}: expected a DVC pointer with one entry under 'outs'; make it with `dvc add`")
    address, path = outs[0].get("md5"), outs[0].get("path")
    if not is_address(address):
        raise RecordError(f"{source}: md5 is {address!r}; expected 32 hexadecimal digits; make it with `dvc add`")
    if not isinstance(path, str) or not is_plain(path) or {"wdir", "cmd"} & set(value):
        raise RecordError(f"{source}: leads to {path!r}; expected the name of what lies beside it, no wdir, no cmd")
    return Pointer(str(address), path)


def pointer_address(pointer: Path | bytes) -> str | None:
    """Return the address in a ``.dvc`` file, given as path or bytes; ``None`` where there is no file.

    Raises:
        RecordError: where it is no pointer.
    """
    if isinstance(pointer, bytes):
        return parse_pointer(pointer, "the DVC pointer").address
    return parse_pointer(pointer.read_bytes(), str(pointer)).address if pointer.is_file() else None


def is_address(value: object) -> bool:
    """Return whether *value* is written as an address of DVC's."""
    return isinstance(value, str) and _ADDRESS.fullmatch(value) is not None


def is_plain(path: str) -> bool:
    """Return whether *path* stays below its folder, on any system, and out of Git's and DVC's own folders."""
    return (
        all(part not in {"", ".", ".."} and _bare(part) not in _OWN_FOLDERS for part in path.split("/"))
        and "\\" not in path
        and not any(unicodedata.category(character) in {"Cc", "Cs"} for character in path)
        and not re.match("[A-Za-z]:", path)
    )


def _bare(name: str) -> str:
    """Return the folder that *name* may come to on a disk: NTFS drops its end and streams, HFS what isn't seen.

    Source: ``is_ntfs_dotgit`` and ``is_hfs_dotgit`` in Git's ``path.c`` and ``utf8.c``.
    """
    seen = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", seen).partition(":")[0].rstrip(". ").casefold()


def unsafe(names: Iterable[str]) -> str | None:
    """Return the first of some files' paths that may not be written; ``None`` where all of them may.

    A folder that Git would take for a repository isn't plain either, by whatever name: Git runs what its
    configuration says.
    """
    held: dict[str, set[str]] = {}
    for name in names:
        if not is_plain(name):
            return name
        parts = [_bare(part) for part in name.split("/")]
        for depth, part in enumerate(parts):
            folder = "/".join(parts[:depth])
            held.setdefault(folder, set()).add(part)
            if held[folder] >= _LIKE_GIT:
                return name
    return None


def read_listing(content: bytes, source: str) -> dict[str, str]:
    """Return the MD5 of each file of a folder by its path, from the bytes of DVC's listing.

    Args:
        content: the folder's object.
        source: its name, for the message.

    Raises:
        DataError: where it is none, names a file twice, or has a path that may not be written.
    """
    try:
        entries = [(entry["relpath"], entry["md5"]) for entry in json.loads(content)]
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise DataError(f"{source} is no listing of DVC's ({type(problem).__name__}: {problem}); refused") from None
    strange = [name for name, md5 in entries if not (isinstance(name, str) and is_address(md5) and "." not in md5)]
    names = [name for name, _ in entries]
    twice = [] if strange else [name for name, times in collections.Counter(names).items() if times > 1]
    wrong = (strange or twice or [unsafe(names)])[0]
    if wrong is not None:
        raise DataError(f"{source} has the unsafe entry {wrong!r}; refused, don't trust its origin")
    return dict(entries)


def folder_address(folder: Path, known: Mapping[str, State] | None = None) -> tuple[str, dict[str, State]]:
    """Return the address that ``dvc add`` gives *folder*, and what to pass as *known* next time.

    Left out are, as by DVC's defaults, ``.git``, ``.hg`` and ``.dvc``; patterns of a ``.dvcignore`` are not looked
    at. A file whose size and modification time are as in *known* isn't read. One that changed in the last two
    seconds isn't remembered, for it may change again within the clock's tick.

    Raises:
        DataError: where *folder* is none, or holds a link that leads nowhere.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder")
    known = known or {}
    fresh = time.time_ns() - _RACY_NS
    remembered: dict[str, State] = {}
    digests: dict[str, str] = {}
    for path in _collected(folder):
        name = path.relative_to(folder).as_posix()
        state = _state(path, known.get(name))
        digests[name] = state[2]
        if state[1] < fresh:
            remembered[name] = state
    return listing_address(digests.items()), remembered


def _collected(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _NOT_COLLECTED]
        yield from (Path(parent, name) for name in files if name not in _NOT_COLLECTED)


def _state(path: Path, known: State | None) -> State:
    try:
        found = path.stat()
        if known and known[:2] == (found.st_size, found.st_mtime_ns):
            return known
        return found.st_size, found.st_mtime_ns, md5_file(path)
    except FileNotFoundError:
        raise DataError(f"{path}: gone, or a link that leads nowhere; remove it, then try again") from None


def listing_address(digests: Iterable[tuple[str, str]]) -> str:
    """Return the address of a folder from the path and the MD5 of each of its files.

    Source: ``dvc_data.hashfile.tree.Tree``, methods ``as_bytes`` and ``digest``.
    """
    listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(digests)]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def md5_file(path: Path) -> str:
    """Return the MD5 of the file's bytes, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
