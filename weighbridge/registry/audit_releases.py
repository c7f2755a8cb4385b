"""What releases say of the ledger: their commits hold its records, and their tags its root and count."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge.errors import RecordError
from weighbridge.registry import carried, git, ledger, records
from weighbridge.registry.carried import Step
from weighbridge.registry.findings import Finding
from weighbridge.registry.ledger import Entry
from weighbridge.registry.releases import Notes, Release

_SHA1_DIGITS = 40


class Said(NamedTuple):
    """A release, what its tag says, and what its commit holds of the ledger."""

    release: Release
    notes: Notes
    records: int
    root: str
    lacking: frozenset[str]
    """Records of the commit that aren't here."""
    accepted: str | None
    """The record of its acceptance."""

    @property
    def label(self) -> str:
        """The tag's name."""
        return str(self.release.tag)


class Carried:
    """What commits hold of the ledger, beside the *files* that are here and the *entries* among them that are whole."""

    def __init__(self, root: Path, files: Mapping[str, bytes], entries: Mapping[str, Entry]) -> None:
        self.places: dict[str, str] = {}
        """A release, or ``HEAD``, that holds a record which isn't whole here."""
        self.contents: dict[str, bytes] = {}
        """Whole records that only commits hold."""
        self.entries: dict[str, Entry] = {}
        """The same, read."""
        self.releases: list[Said] = []
        self.committed: frozenset[str] = frozenset()
        """Records that HEAD holds and that aren't here."""
        self.findings: list[Finding] = []
        self._root, self._files, self._here = root, files, entries
        self._blobs: dict[str, str] = {}
        self._current: set[str] = set()
        self._heads: set[str] = set()
        self._children: Counter[str] = Counter()
        self._lacking: set[str] = set()
        self._accepted: dict[tuple[str, str], str] = {}

    def entry(self, digest: str) -> Entry | None:
        """Return a record, from here or from a commit."""
        return self._here.get(digest) or self.entries.get(digest)

    def release(self, release: Release, notes: Notes, step: Step) -> None:
        """Take in the next release of the walk."""
        label = str(release.tag)
        self._follow(step, label)
        root, count = ledger.root_of(self._heads), len(self._current)
        accepted = self._accepted.get((label, notes.manifest_sha256))
        self.releases.append(Said(release, notes, count, root, frozenset(self._lacking), accepted))
        self.findings += _disagreeing(self.releases[-1])

    def head(self, step: Step) -> None:
        """Take in HEAD, the last of the walk."""
        self._follow(step, "HEAD")
        self.committed = frozenset(self._lacking)

    def _follow(self, step: Step, label: str) -> None:
        self.findings += [
            Finding(kind="foreign", path=f"{label}:{ledger.FOLDER}/{name}", said="no record") for name in step.strangers
        ]
        self._read(step, label)
        for digest in step.removed:
            self._take(digest)
        for digest in step.added:
            self._put(digest)

    def _read(self, step: Step, label: str) -> None:
        """Read what isn't here, or is here with other content."""
        unknown = {digest: blob for digest, blob in step.added.items() if self._blob(digest, blob) != blob}
        found = carried.contents(self._root, unknown)
        for digest, blob in unknown.items():
            entry = ledger.parse(found[digest], digest) if digest in found else "Git lacks it, or it is too large"
            if isinstance(entry, str):
                path = f"{label}:{ledger.path_of(digest).as_posix()}"
                self.findings.append(Finding(kind="edited", path=path, said=entry))
                continue
            self._blobs[digest] = blob
            self.contents[digest], self.entries[digest] = found[digest], entry
            self.places[digest] = label

    def _blob(self, digest: str, like: str) -> str | None:
        """Return Git's name for the record as it is known here: a hash of its kind, size and content."""
        if digest not in self._blobs and digest in self._here:
            content = self._files[digest]
            make = hashlib.sha1 if len(like) == _SHA1_DIGITS else hashlib.sha256
            self._blobs[digest] = make(b"blob %d\0%b" % (len(content), content)).hexdigest()
        return self._blobs.get(digest)

    def _put(self, digest: str) -> None:
        entry = self.entry(digest)
        if digest in self._current:
            return
        self._current.add(digest)
        if not self._children[digest]:
            self._heads.add(digest)
        if digest not in self._files:
            self._lacking.add(digest)
        for parent in entry.parents if entry else ():
            self._children[parent] += 1
            self._heads.discard(parent)
        if entry and (entry.record.get("kind"), entry.record.get("status")) == (records.RELEASE, records.ACCEPTED):
            self._accepted[str(entry.record.get("tag")), str(entry.record.get("manifest_sha256"))] = digest

    def _take(self, digest: str) -> None:
        entry = self.entry(digest)
        for group in (self._current, self._heads, self._lacking):
            group.discard(digest)
        for parent in entry.parents if entry else ():
            self._children[parent] -= 1
            if not self._children[parent] and parent in self._current:
                self._heads.add(parent)


def read(
    root: Path, made: tuple[Release, ...], head: str | None, files: Mapping[str, bytes], entries: Mapping[str, Entry]
) -> Carried:
    """Walk through the releases, the oldest first, and HEAD.

    Args:
        root: the project's root.
        made: all releases.
        head: the commit of HEAD, ``None`` where there is none.
        files: content of the records that are here, by digest.
        entries: those of them that are whole.

    Raises:
        SetupError: where Git fails.
    """
    held = Carried(root, files, entries)
    ours = [(release, notes) for release in sorted(made, key=lambda one: one.created) if (notes := _notes(release))]
    commits = [*(release.commit for release, _ in ours), *([head] if head else [])]
    for number, step in enumerate(carried.walk(root, commits)):
        if number < len(ours):
            held.release(*ours[number], step)
        else:
            held.head(step)
    return held


def on_branches(root: Path, digests: Collection[str]) -> dict[str, str]:
    """Return of these records, which aren't here, those that a branch holds, by digest, and one that does."""
    form = "--format=%(objectname) %(refname:short)"
    listing = git.attempt(root, "for-each-ref", form, "refs/heads", "refs/remotes") if digests else None
    lines = listing.stdout.decode(errors="replace").splitlines() if listing else ()
    branches = dict(line.split(" ", 1) for line in lines)
    found: dict[str, str] = {}
    for step in carried.walk(root, list(branches)):
        blobs = {digest: step.added[digest] for digest in digests if digest in step.added and digest not in found}
        for digest, content in carried.contents(root, blobs).items():
            if isinstance(ledger.parse(content, digest), Entry):
                found[digest] = branches[step.commit]
    return found


def _notes(release: Release) -> Notes | None:
    try:
        return release.notes
    except RecordError:  # of that shape, but not made here
        return None


def _disagreeing(said: Said) -> Iterator[Finding]:
    """Find what a release's tag says otherwise than its commit."""
    path = f"{said.label}:{ledger.FOLDER}"
    mend = "don't trust the release; ask who made it"
    if said.records != said.notes.ledger_count:
        words = f"its tag says {said.notes.ledger_count} records, its commit holds {said.records}"
        yield Finding(kind="release", path=path, said=words, mend=mend)
    elif said.root != said.notes.ledger_root:
        words = f"its tag says the root {said.notes.ledger_root[:12]}, its commit's records have {said.root[:12]}"
        yield Finding(kind="release", path=path, said=words, mend=mend)
    if said.accepted is None:
        words = "its commit has no record that it was accepted with the manifest that its tag names"
        yield Finding(kind="release", path=path, said=words, mend=mend)
