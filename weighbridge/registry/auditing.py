"""Whether the ledger is whole: each record is what its name says, none is missing, none says what can't be.

Where records lie in ``runs/``, these are audited: against each other, against the book of what was written here, and
against what the releases' commits and tags, and HEAD, hold of them. In a clone that has no ``runs/`` the records in the
releases' commits are audited themselves. Nothing is believed that was remembered; every file is read.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec

from weighbridge import paths
from weighbridge.digest import canonical_json
from weighbridge.errors import SetupError
from weighbridge.registry import audit_releases, git, ledger, ledger_book, losses, records, releases
from weighbridge.registry.audit_releases import Carried
from weighbridge.registry.findings import Finding, Kind
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
    files = dict(ledger.contents(root))
    # Read after them: an acceptance that lies there has its tag, which was made before.
    made, head = (releases.releases(root), _head(root)) if _in_git(root) else ((), None)
    entries, findings = _whole(files)
    held = audit_releases.read(root, made, head, files, entries)
    here = bool(files)
    if not here:
        files = held.contents
        entries, findings = _whole(files)
    forged = {Path(finding.path).stem for finding in findings if finding.kind == "forged"}
    sound = {digest: entry for digest, entry in entries.items() if digest not in forged}
    notes: list[str] = []
    missing = _missing(root, sound, files.keys(), held)
    elsewhere = audit_releases.on_branches(root, missing.keys() - held.committed)
    lost = losses.of(sound.values())
    findings += held.findings
    findings += _strangers(root)
    findings += _removed(missing, {*elsewhere, *(lost.keys() - held.places.keys())})
    findings += _reordered(sound, held)
    findings += _accepted(sound, held, notes)
    findings.sort(key=lambda finding: (finding.kind, finding.path))
    heads = set(files) - {parent for entry in entries.values() for parent in entry.parents}
    return Audit(
        source="runs" if here else "releases",
        records=len(files),
        heads=tuple(sorted(heads)),
        root=ledger.root_of(heads),
        releases=len(held.releases),
        findings=tuple(_with_mend(findings, held)),
        notes=(
            *notes,
            *_not_checked_out(elsewhere),
            *_lost({digest: entry for digest, entry in lost.items() if digest in missing and digest not in elsewhere}),
            *_outstanding(missing.keys(), held, here=here),
        ),
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
            kind: Kind = "forged" if ledger.digest_of(content) == digest else "edited"
            findings.append(Finding(kind=kind, path=ledger.path_of(digest).as_posix(), said=entry))
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


def _missing(root: Path, entries: Mapping[str, Entry], present: Collection[str], held: Carried) -> dict[str, str]:
    """Return by digest what tells of records that were here: others, the book, HEAD or a release that was here."""
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
    # Else it was written while we looked.
    return {digest: reasons[digest] for digest in sorted(reasons) if not (root / ledger.path_of(digest)).is_file()}


def _removed(missing: Mapping[str, str], known: Collection[str]) -> Iterator[Finding]:
    """Find the records that are missing, but for those of which it is *known* where they are, or that they are lost."""
    for digest, reason in missing.items():
        if digest not in known:
            yield Finding(kind="removed", path=ledger.path_of(digest).as_posix(), said=f"it is gone: {reason}")


def _not_checked_out(elsewhere: Mapping[str, str]) -> Iterator[str]:
    for branch, number in sorted(Counter(elsewhere.values()).items()):
        yield f"{number} records aren't checked out here: {branch} holds them"


def _lost(lost: Mapping[str, Entry]) -> Iterator[str]:
    for digest, entry in sorted(lost.items()):
        by, when, why = (entry.record[key] for key in ("by", "when", "why"))
        yield f"{ledger.path_of(digest).as_posix()}: lost, as {by} put on record at {when}: {why}"


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
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def _accepted(entries: Mapping[str, Entry], held: Carried, notes: list[str]) -> Iterator[Finding]:
    """Find releases on record whose tags are gone or say otherwise.

    An acceptance is written once its tag stands, so there is one way only to have none: another release of that name
    was first, and the one made here was withdrawn. That is noted.
    """
    made = {said.label: said.notes for said in held.releases}
    withdrawn = {
        (entry.record["tag"], entry.record["manifest_sha256"])
        for entry in entries.values()
        if (entry.record["kind"], entry.record["status"]) == (records.RELEASE, records.WITHDRAWN)
    }
    for entry in entries.values():
        record = entry.record
        if (record["kind"], record["status"]) != (records.RELEASE, records.ACCEPTED):
            continue
        tag = record["tag"]
        said = made.get(tag)
        digests = (record["manifest_sha256"], record["content_sha256"])
        if said and (said.manifest_sha256, said.content_sha256) == digests:
            continue
        path = ledger.path_of(entry.digest).as_posix()
        if said and (tag, record["manifest_sha256"]) in withdrawn:
            notes.append(f"{path}: accepted as {tag}, and withdrawn: another release was first")
            continue
        words = f"{tag} says otherwise" if said else f"there is no release {tag}"
        mend = f"bring the tag back, with 'git fetch origin tag {tag}' where others have it"
        yield Finding(kind="forged", path=path, said=f"a release was accepted, and {words}", mend=mend)


def _with_mend(findings: list[Finding], held: Carried) -> Iterator[Finding]:
    """Say of each record that is damaged or gone where it can be had."""
    for finding in findings:
        digest = Path(finding.path).stem
        if finding.mend or finding.kind not in {"edited", "removed"} or ":" in finding.path:
            yield finding
            continue
        place = held.places.get(digest)
        mend = (
            f"bring it back: rm -f {finding.path}; git show {place}:./{finding.path} > {finding.path}"
            if place
            else "bring it back from a backup or another clone; if nobody has it: weighbridge audit --accept-loss 'WHY'"
        )
        yield msgspec.structs.replace(finding, mend=mend, nowhere=not place)


def _outstanding(gone: Collection[str], held: Carried, *, here: bool) -> Iterator[str]:
    """Yield what others have released since, and isn't here yet."""
    for said in held.releases if here else ():
        lacking = said.lacking.difference(gone)
        if lacking:
            yield f"{said.label} holds {len(lacking)} records that aren't here yet; the next start takes them in"
