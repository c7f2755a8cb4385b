"""Whether the ledger is whole: each record is what its name says, none is missing, none says what can't be.

Where records lie in ``runs/``, these are audited: against each other, against the book of what was written here, and
against what the releases' commits and tags, and HEAD, hold of them. In a clone that has no ``runs/`` the records in the
releases' commits are audited themselves. Nothing is believed that was remembered; every file is read.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from weighbridge import paths
from weighbridge.digest import canonical_json
from weighbridge.errors import SetupError
from weighbridge.registry import audit_releases, git, ledger, ledger_book, markers, records, releases
from weighbridge.registry.audit_releases import Carried
from weighbridge.registry.findings import Finding
from weighbridge.registry.ledger import Entry

SKEW = dt.timedelta(days=1)
"""What clocks of different machines may differ by."""


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """What was looked at, what is wrong with it, and what is worth knowing and isn't wrong."""

    source: Literal["runs", "releases"]
    records: int
    heads: tuple[str, ...]
    root: str
    releases: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def audit(root: Path) -> Audit:
    """Audit the ledger of the project in *root*.

    Raises:
        SetupError: where Git fails.
    """
    made, head = (releases.releases(root), _head(root)) if _in_git(root) else ((), None)
    files = dict(ledger.contents(root))
    entries, findings = _whole(files)
    held = audit_releases.read(root, made, head, files, entries)
    here = bool(files)
    if not here:
        files = held.contents
        entries, findings = _whole(files)
    notes: list[str] = []
    findings += held.findings
    findings += _strangers(root)
    findings += _removed(root, entries, files.keys(), held)
    findings += _reordered(entries, held)
    findings += _accepted(root, entries, held, notes)
    findings.sort(key=lambda finding: (finding.kind, finding.path))
    heads = set(files) - {parent for entry in entries.values() for parent in entry.parents}
    return Audit(
        source="runs" if here else "releases",
        records=len(files),
        heads=tuple(sorted(heads)),
        root=ledger.root_of(heads),
        releases=len(held.releases),
        findings=tuple(_with_mend(findings, held)),
        notes=(*notes, *_outstanding(findings, held, here=here)),
    )


def _in_git(root: Path) -> bool:
    return git.attempt(root, "rev-parse", "--git-dir").returncode == 0


def _head(root: Path) -> str | None:
    try:
        return git.head(root)
    except SetupError:  # nothing committed yet
        return None


def _whole(files: Mapping[str, bytes]) -> tuple[dict[str, Entry], list[Finding]]:
    """Return the records that are what their names say, and what is wrong with those and the others."""
    entries: dict[str, Entry] = {}
    findings: list[Finding] = []
    for digest, content in files.items():
        entry = ledger.parse(content, digest)
        if isinstance(entry, str):
            findings.append(Finding(kind="edited", path=ledger.path_of(digest).as_posix(), said=entry))
            continue
        entries[digest] = entry
        said = _forged(entry, content)
        if said:
            findings.append(Finding(kind="forged", path=ledger.path_of(digest).as_posix(), said=said))
    return entries, findings


def _forged(entry: Entry, content: bytes) -> str | None:
    """Return what tells that none of our stages has written the record; ``None`` where nothing does."""
    try:
        canonical = canonical_json({**entry.record, "parents": entry.parents}).encode() + b"\n"
    except ValueError:
        canonical = b""
    if content != canonical:
        return "not canonical JSON, as each stage writes it"
    if list(entry.parents) != sorted(set(entry.parents)) or not all(map(ledger.is_digest, entry.parents)):
        return "its parents are no sorted digests"
    return records.problem(entry.record)


def _strangers(root: Path) -> Iterator[Finding]:
    for path, said in ledger.strangers(root):
        yield Finding(kind="foreign", path=path.relative_to(root).as_posix(), said=said, mend="remove it")


def _removed(root: Path, entries: Mapping[str, Entry], present: Collection[str], held: Carried) -> Iterator[Finding]:
    """Find records that were here: others name them, the book does, HEAD or a release that was here holds them."""
    book = ledger_book.read(root)
    reasons = {
        parent: f"{ledger.path_of(entry.digest).as_posix()} names it as its parent"
        for entry in entries.values()
        for parent in entry.parents
        if parent not in present
    }
    found = [(digest, "it was written here") for digest in book]
    found += [(digest, "HEAD holds it") for digest in held.committed]
    adopted = _adopted(root)
    for said in held.releases:
        if said.release.object in adopted or said.accepted in entries or not book:
            found += [(digest, f"{said.label} holds it") for digest in said.lacking]
    for digest, reason in found:
        if digest not in present:
            reasons.setdefault(digest, reason)
    for digest in sorted(reasons):
        if not (root / ledger.path_of(digest)).is_file():  # else it was written while we looked
            path = ledger.path_of(digest).as_posix()
            yield Finding(kind="removed", path=path, said=f"it is gone: {reasons[digest]}")


def _adopted(root: Path) -> frozenset[str]:
    """Return the tag objects whose records were all taken in here."""
    try:
        return frozenset(msgspec.json.decode((root / paths.ADOPTED).read_bytes(), type=list[str]))
    except (OSError, msgspec.DecodeError):
        return frozenset()


def _reordered(entries: Mapping[str, Entry], held: Carried) -> Iterator[Finding]:
    """Find records whose time is before that of a record which they name, or is yet to come."""
    latest = dt.datetime.now(dt.UTC) + SKEW
    for entry in entries.values():
        when = _moment(entry)
        if when is None:
            continue
        path = ledger.path_of(entry.digest).as_posix()
        if when > latest:
            yield Finding(kind="reordered", path=path, said=f"its time, {_text(when)}, is yet to come")
        for parent in entry.parents:
            before = _moment(entries.get(parent) or held.entry(parent))
            if before and when + SKEW < before:
                said = f"its time, {_text(when)}, is before that of {parent[:12]}, which it follows: {_text(before)}"
                yield Finding(kind="reordered", path=path, said=said)


def _moment(entry: Entry | None) -> dt.datetime | None:
    return records.moment(str(entry.record.get("when"))) if entry else None


def _text(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _accepted(root: Path, entries: Mapping[str, Entry], held: Carried, notes: list[str]) -> Iterator[Finding]:
    """Find releases on record whose tags are gone or say otherwise; those known to have come to nothing are noted."""
    made = {said.label: said.notes for said in held.releases}
    unmade = _unmade(root, entries)
    for entry in entries.values():
        if (entry.record.get("kind"), entry.record.get("status")) != (records.RELEASE, records.ACCEPTED):
            continue
        record, tag = entry.record, str(entry.record.get("tag"))
        said = made.get(tag)
        if said and (said.manifest_sha256, said.content_sha256) == (
            record.get("manifest_sha256"),
            record.get("content_sha256"),
        ):
            continue
        words = f"{tag} says otherwise" if said else f"there is no release {tag}"
        path = ledger.path_of(entry.digest).as_posix()
        if unmade(record):
            notes.append(f"{path}: accepted as {tag}, which was not made: that attempt came to nothing")
            continue
        mend = f"bring the tag back, with 'git fetch origin tag {tag}' where others have it"
        yield Finding(kind="forged", path=path, said=f"a release was accepted, and {words}", mend=mend)


def _unmade(root: Path, entries: Mapping[str, Entry]) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells of an accepted release whether its attempt is known to have been withdrawn or cut short."""
    all_records = [entry.record for entry in entries.values()]
    withdrawn = {
        (record.get("tag"), record.get("manifest_sha256"))
        for record in all_records
        if record.get("status") == records.WITHDRAWN
    }
    ended = [
        (str(record.get("started")), str(record.get("when")))
        for record in all_records
        if record.get("kind") == records.ATTEMPT and record.get("stage") == "release"
    ]
    open_since = [marker.when for marker in markers.running(root) if marker.stage == "release"]

    def known(record: Mapping[str, Any]) -> bool:
        when = str(record.get("when"))
        within = any(start <= when <= end for start, end in ended) or any(start <= when for start in open_since)
        return within or (record.get("tag"), record.get("manifest_sha256")) in withdrawn

    return known


def _with_mend(findings: list[Finding], held: Carried) -> Iterator[Finding]:
    """Say of each record that is damaged or gone where it can be had."""
    for finding in findings:
        digest = Path(finding.path).stem
        if finding.mend or finding.kind not in {"edited", "removed"} or ":" in finding.path:
            yield finding
            continue
        place = held.place(digest)
        mend = "bring it back from a backup or another clone"
        if place:
            mend = f"bring it back: rm -f {finding.path}; git show {place}:./{finding.path} > {finding.path}"
        yield msgspec.structs.replace(finding, mend=mend)


def _outstanding(findings: list[Finding], held: Carried, *, here: bool) -> Iterator[str]:
    """Yield what others have released since, and isn't here yet."""
    gone = {Path(finding.path).stem for finding in findings if finding.kind == "removed"}
    for said in held.releases if here else ():
        lacking = said.lacking - gone
        if lacking:
            yield f"{said.label} holds {len(lacking)} records that aren't here yet; the next start takes them in"
