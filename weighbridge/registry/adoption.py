"""Records that releases carry, taken into this clone's ledger: so a new clone goes on where the others are.

Each release commit holds the whole ledger as it was. What ``runs/`` lacks of it is copied in from Git, each record
checked against its own name, parents before children. Where the release before it lists who may release, one whose tag
none of them has signed is passed over. Tags whose records are all here are remembered, so that a look costs one ``git
for-each-ref``.
"""

import contextlib
import re
from collections.abc import Callable, Collection
from pathlib import Path

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import RecordError, WeighbridgeError
from weighbridge.registry import carried, git, ledger, releases, signers
from weighbridge.registry.ledger_rows import parents_first
from weighbridge.registry.releases import Release

_RECORD = re.compile(rf"{ledger.FOLDER}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})\.json")


def adopt(root: Path) -> int:
    """Take in what the releases' commits have on record and this ledger hasn't; return the number of records.

    Safe while others write, and after a kill: what is half taken in is taken in the next time.

    Raises:
        SetupError: where Git fails.
        RecordError: where a release's record isn't what its name says, or its tag isn't signed by one of those who may
            release; all others are taken in first.
    """
    memory = root / paths.ADOPTED
    known = _remembered(memory) if (root / ledger.FOLDER).is_dir() else frozenset()
    new, wrong = _vetted(root, known)
    taken = 0
    whole = set(known)
    for release in sorted(new, key=lambda release: release.created, reverse=True):  # the newest one has most of them
        count, problems = _take_in(root, release.commit)
        taken += count
        wrong += problems
        whole |= set() if problems else {release.object}
    if whole != known:
        with contextlib.suppress(OSError):  # it only saves time
            documents.write(memory, msgspec.json.encode(sorted(whole)))
    if wrong:
        raise RecordError(f"a release isn't to be trusted: {'; '.join(wrong[:3])}; look at who made its tag")
    return taken


def attempt(root: Path, say: Callable[[str], object]) -> int:
    """Do :func:`adopt`, and *say* what was taken in, or why nothing could be: a stage can go on without."""
    try:
        taken = adopt(root)
    except (WeighbridgeError, OSError) as problem:
        say(f"the releases' records can't be taken in: {problem}")
        return 0
    if taken:
        say(f"records of earlier releases taken into {ledger.FOLDER}/: {taken}")
    return taken


def _remembered(memory: Path) -> frozenset[str]:
    try:
        return frozenset(msgspec.json.decode(memory.read_bytes(), type=list[str]))
    except (OSError, msgspec.DecodeError):
        return frozenset()


def _vetted(root: Path, known: Collection[str]) -> tuple[list[Release], list[str]]:
    """Return the releases that aren't among the *known* tag objects, and what is wrong with those left out.

    Where the release before it, of those that are let in, lists who may release, a release's tag has to be signed by
    one of them; the first of a model is judged by the newest release that is known here.
    """
    found = releases.releases(root)
    if all(release.object in known for release in found):
        return [], []
    here = [release for release in found if release.object in known]
    newest = max(here, key=lambda release: release.created, default=None)
    before: dict[str, Release] = {}
    new: list[Release] = []
    wrong: list[str] = []
    for release in filter(_is_made_here, found):
        if release.object not in known:
            try:
                _require_signer(root, release, before.get(release.name, newest))
            except RecordError as problem:
                wrong.append(str(problem))
                continue
            new.append(release)
        before[release.name] = release
    return new, wrong


def _is_made_here(release: Release) -> bool:
    """Return whether a tag of that shape says what releases say; the audit reads no other ones either."""
    try:
        return bool(release.notes)
    except RecordError:
        return False


def _require_signer(root: Path, release: Release, before: Release | None) -> None:
    allowed = signers.at(root, before.commit, "release") if before else None
    if allowed is not None:
        signers.check_tag(root, release, allowed)


def _take_in(root: Path, commit: str) -> tuple[int, list[str]]:
    """Take in one commit's records; return how many were new, and what is wrong with others."""
    contents = carried.contents(root, _lacking(root, commit))
    entries = {digest: ledger.parse(content, digest) for digest, content in contents.items()}
    parents = {digest: () if isinstance(entry, str) else entry.parents for digest, entry in entries.items()}
    taken, wrong = 0, []
    for digest in parents_first(parents):  # so that a kill in between leaves none whose parents are lacking
        try:
            taken += ledger.adopt(root, digest, contents[digest])
        except RecordError as problem:
            wrong.append(str(problem))
    return taken, wrong


def _lacking(root: Path, commit: str) -> dict[str, str]:
    """Return the object of each record that the commit has and the ledger lacks, by the record's digest."""
    listing = git.run(root, "ls-tree", "-r", "-z", commit, "--", ledger.FOLDER).decode(errors="surrogateescape")
    found: dict[str, str] = {}
    for line in filter(None, listing.split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, blob = about.split(" ")
        match = _RECORD.fullmatch(path)
        if match and kind == "blob" and mode == "100644" and not (root / path).exists():
            found[match[2]] = blob
    return found
