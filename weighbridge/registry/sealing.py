"""The record of an accepted release: part of its commit first, and of the folder only once the tag stands.

Whoever is killed between the two leaves no record of a release that isn't there; and where the tag is there, its
commit has the record.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge.digest import canonical_json
from weighbridge.registry import ledger, records


class Sealed(NamedTuple):
    """The ledger as it will be with one record more, which isn't written yet.

    *files* are all records' files by path, as a release commit holds them; *root* and *number* are what its tag says.
    """

    digest: str
    content: bytes
    files: dict[str, bytes]
    root: str
    number: int


def seal(root: Path, record: Mapping[str, Any]) -> Sealed:
    """Return the ledger with *record* as its newest one; nothing is written.

    Raises:
        RecordError: where the record isn't of the vocabulary.
    """
    records.check(record)
    held = ledger.files(root)
    entries = [ledger.parse(content, Path(path).stem) for path, content in held.items()]
    named = {parent for entry in entries if isinstance(entry, ledger.Entry) for parent in entry.parents}
    heads = sorted({Path(path).stem for path in held} - named)
    content = canonical_json({**record, "parents": heads}).encode() + b"\n"
    digest = ledger.digest_of(content)
    files = held | {ledger.path_of(digest).as_posix(): content}
    return Sealed(digest, content, files, ledger.root_of([digest]), len(files))


def keep(root: Path, sealed: Sealed) -> None:
    """Write the record into the folder, now that its release is there."""
    ledger.adopt(root, sealed.digest, sealed.content)
