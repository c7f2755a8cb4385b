"""What content has to be, by SHA-256: DVC's MD5 is an address that two contents can share, and a remote can forge.

Releases name the SHA-256 of their raw data and of their bundle, beside DVC's address; so does the ledger, for raw
data that was fetched here and not released yet. Where an address is known so, other content under it is refused.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weighbridge import paths
from weighbridge.digest import FileEntry, sha256_file, sha256_folder
from weighbridge.documents import utc_now
from weighbridge.errors import DataError, RecordError
from weighbridge.registry import ledger, releases
from weighbridge.registry.addresses import pointer_address

_RELEASES = 50
"""How many of the newest releases are asked."""


def remember(root: Path, address: str, sha256: str) -> None:
    """Put on record what the raw folder at DVC's *address* is, seen here for the first time."""
    said: dict[str, Any] = {
        "kind": ledger.EVIDENCE,
        "status": "written",
        "file": paths.RAW.as_posix(),
        "sha256": sha256,
        "dvc": address,
        "when": utc_now(),
    }
    ledger.append(root, said)


def raw_sha256(root: Path, address: str) -> str | None:
    """Return the digest that the raw folder at DVC's *address* has to have; ``None`` where none is on record.

    Releases come first: their tags vouch for them.
    """
    for release in list(reversed(releases.releases(root)))[:_RELEASES]:
        try:
            if pointer_address(releases.blob(root, release.commit, paths.RAW_POINTER.as_posix())) == address:
                return releases.manifest_of(root, release).data.raw.sha256
        except RecordError:
            continue  # of that shape, but not made here
    return _on_ledger(root, address)


def _on_ledger(root: Path, address: str) -> str | None:
    entries, _ = ledger.inspect(root)
    said = (entry.record for entry in entries if entry.record.get("kind") == ledger.EVIDENCE)
    found = (one.get("sha256") for one in said if one.get("dvc") == address and one.get("file") == str(paths.RAW))
    return next((str(one) for one in found), None)


def require(found: str, expected: str | None, name: str, address: str) -> None:
    """Refuse content whose digest *found* isn't the one on record.

    Args:
        found: SHA-256 of the folder that is there.
        expected: that on record; with ``None`` nothing is known, and nothing is refused.
        name: the content in the message.
        address: DVC's address.

    Raises:
        DataError: with both digests.
    """
    if expected is not None and found != expected:
        raise DataError(
            f"{name}: found content with the SHA-256 {found[:12]}, expected {expected[:12]} as it is on record; DVC's "
            f"address {address} is the same for both, so it was replaced. Don't use it: remove it, from the cache and "
            "the remote as well, and bring the content from where it was made"
        )


def digest_of(files: Mapping[str, Path]) -> str:
    """Return the digest of a folder whose *files*, by their paths below it, lie elsewhere; as in DVC's cache."""
    entries = (
        FileEntry(path=name, bytes=file.stat().st_size, sha256=sha256_file(file)) for name, file in files.items()
    )
    return sha256_folder(tuple(sorted(entries, key=lambda entry: entry.path)))
