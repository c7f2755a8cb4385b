"""Runs on record: kept in DVC's cache when they were trained, brought back by whoever needs the same one.

A record of the ledger names a run's inputs, its files with their SHA-256, and where DVC keeps them. Inputs are
compared one by one, since the run's id is short; files are used only where each one's SHA-256 is the record's, for
DVC's own MD5 is an address and no proof.
"""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.digest import FileEntry, folder_entries, sha256_file
from weighbridge.errors import DataError, SetupError
from weighbridge.manifest import RunRecord
from weighbridge.registry import addresses, cache, ledger, ledger_index, ledger_rows, records, storage


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A training on record: the record's digest, and what it says of the run."""

    record: str
    run: str
    dvc: str
    files: tuple[FileEntry, ...]
    host: str | None = None
    when: str = ""

    @property
    def name(self) -> str:
        """The record's name, as people are shown it."""
        return self.record[:12]

    @property
    def origin(self) -> str:
        """Where and when it was trained, by its own word; nothing in it that a terminal would act upon."""
        said = f"{self.host or 'an unnamed machine'}, {self.when}"
        return "".join(character for character in said if character.isprintable())[:100]


class NotAtHandError(SetupError):
    """A run is on record, and its files are neither in DVC's cache nor on its remote."""


def find(root: Path, run: str, inputs: Mapping[str, Any] | None = None) -> tuple[Kept, ...]:
    """Return the trainings of *run* that are on record with an address, the newest first.

    Args:
        root: the project's root.
        run: the run's id.
        inputs: what went into it, all of which must be as recorded; ``None`` for any.
    """
    index = ledger_index.look(root)
    rows = [row for row in index.rows() if row.run == run and row.status == records.TRAINED and not row.damaged]
    return tuple(_kept(root, [row.digest for row in reversed(rows)], inputs))


def _kept(root: Path, digests: list[str], inputs: Mapping[str, Any] | None) -> Iterator[Kept]:
    for digest in digests:
        try:
            entry = ledger.parse(ledger_rows.content(root / ledger.path_of(digest)), digest)
        except OSError:
            continue
        if isinstance(entry, str) or (inputs is not None and entry.record.get("inputs") != inputs):
            continue
        try:
            kept = msgspec.convert({**entry.record, "record": digest}, Kept)
        except msgspec.ValidationError:
            continue
        if addresses.is_address(kept.dvc) and all(addresses.is_plain(file.path) for file in kept.files):
            yield kept


def bring(root: Path, kept: Kept, folder: Path) -> None:
    """Write a run's files into *folder*, from DVC's cache or else from its remote.

    Raises:
        NotAtHandError: where neither has them.
        DataError: where they are damaged, or others than the record says; what was written is not to be used.
        SetupError: where DVC or the remote fails.
    """
    try:
        _copy(root, kept, folder)
    except (FileNotFoundError, DataError) as problem:
        # The remote may have a better copy, which then takes the place of a damaged one.
        with storage.opened(root) as store:
            found = store.fetch(kept.dvc)
        if found is None:
            if isinstance(problem, DataError):
                raise
            raise NotAtHandError(
                f"its files are neither in DVC's cache nor on its remote; it was trained on {kept.origin}"
            ) from None
        _copy(root, kept, folder)


def _copy(root: Path, kept: Kept, folder: Path) -> None:
    place = cache.of(root)
    listing = place.listing(kept.dvc)
    expected = {file.path: file.sha256 for file in kept.files}
    if listing.keys() != expected.keys():
        raise DataError(f"the content {kept.dvc} has other files than the record {kept.name} says; refused")
    for name, md5 in listing.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(place.path(md5), target)
        found = sha256_file(target)
        if found != expected[name]:
            raise DataError(
                f"{place.path(md5)} ({name}) has the SHA-256 {found[:12]}, the record {kept.name} says "
                f"{expected[name][:12]}: damaged or replaced, refused"
            )


def keep(root: Path, folder: Path) -> tuple[str, tuple[FileEntry, ...]]:
    """Put a run's folder into DVC's cache, without a pointer; return its address and its files.

    Raises:
        SetupError: where DVC isn't set up.
        OSError: without space or rights.
    """
    return cache.of(root).put(folder), folder_entries(folder)


def addresses_of(root: Path, wanted: Iterable[RunRecord]) -> list[str]:
    """Return the address of each run whose files the cache has whole; the others are passed over."""
    found: list[str] = []
    for run in wanted:
        here = {(file.path, file.sha256) for file in run.files}
        same = (kept for kept in find(root, run.run) if here <= {(file.path, file.sha256) for file in kept.files})
        found += [kept.dvc for kept in same if at_hand(root, kept)][:1]
    return found


def at_hand(root: Path, kept: Kept) -> bool:
    """Return whether the cache has a run's files, whole."""
    place = cache.of(root)
    try:
        listing = place.listing(kept.dvc)
        return all(addresses.md5_file(place.path(md5)) == md5 for md5 in listing.values())
    except (OSError, DataError):
        return False


def mend_remote(root: Path, address: str) -> tuple[str, ...]:
    """Replace the objects of *address* that the default remote has damaged, by the cache's; return those.

    Raises:
        SetupError: where the remote can't be reached or written.
    """
    with storage.opened(root) as store:
        remote = store.remote()
        if remote is None:
            return ()
        wanted = [address, *store.files(address).values()]
        bad = tuple(one for one in wanted if store.is_sound(one) and store.damaged_on(remote, one))
        for one in bad:
            remote.fs.remove(remote.oid_to_path(one))
        missing = store.send(remote, bad)
    if missing:
        raise SetupError(f"{len(missing)} of {len(bad)} objects, {missing[0]} among them, didn't arrive whole")
    return bad
