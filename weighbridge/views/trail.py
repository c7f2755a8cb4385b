"""The audit trail: each release and each refused attempt, in order of time, with what it rests on.

Releases are read from their tags and manifests, refused attempts from the ledger: the one that lies here, and those
that release commits hold, so that a fresh clone tells the same.
"""

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError, SetupError
from weighbridge.evidence import wording
from weighbridge.manifest import Approval, GateResult, Interval, Manifest, Record
from weighbridge.registry import git, ledger, releases, signers
from weighbridge.registry.objects import Objects
from weighbridge.registry.releases import Release

Kind = Literal["released", "refused", "withdrawn", "unreadable"]
RELEASED: Kind = "released"
REFUSED: Kind = "refused"
UNREADABLE: Kind = "unreadable"
_REFUSALS: dict[str, Kind] = {"rejected": REFUSED, "withdrawn": "withdrawn"}
_RECORD = re.compile(r"runs/[0-9a-f]{2}/([0-9a-f]{64})\.json")


class Signature(Record, frozen=True):
    """What is known of a release's signature: *state* is ``verified``, ``unknown``, ``refused`` or ``none``."""

    state: Literal["verified", "unknown", "refused", "none"]
    signer: str
    """Who signed, by the list of signers in the release before; empty where that doesn't tell."""
    note: str
    """What that says, in words."""


class Event(Record, frozen=True):
    """A release, or an attempt at one that was refused; what isn't known of it is empty."""

    kind: Kind
    when: str
    tag: str = ""
    by: str = ""
    signature: Signature | None = None
    bump: str = ""
    reasons: tuple[str, ...] = ()
    verdict: str = ""
    gates: tuple[GateResult, ...] = ()
    fell_short: tuple[str, ...] = ()
    approvals: tuple[Approval, ...] = ()
    loosened: tuple[str, ...] = ()
    candidate: str = ""
    run: str = ""
    primary: str = ""
    metrics: dict[str, Interval] = msgspec.field(default_factory=dict)
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    source: str = ""
    data_sha256: str = ""
    code_commit: str = ""
    release_commit: str = ""
    content_sha256: str = ""
    manifest_sha256: str = ""
    previous: str = ""
    problem: str = ""


class Trail(Record, frozen=True):
    """All events of one model, the oldest first; *problems* are records that could not be read."""

    name: str
    project: str
    events: tuple[Event, ...]
    problems: tuple[str, ...]


def trail(root: Path, name: str) -> Trail:
    """Return the audit trail of the model *name*.

    Raises:
        SetupError: where Git can't be asked.
    """
    git.require_repository(root)
    known = releases.releases(root, name)
    people = _taggers(root, name)
    with Objects(root) as objects:
        chain = signers.Chain(root, objects)
        found = [_released(root, release, people.get(release.object, release.author), chain) for release in known]
    records, problems = _records(root, known)
    events = sorted([*found, *_refused(records)], key=lambda event: (event.when, event.kind == RELEASED))
    project = next((event for event in reversed(found) if event.kind == RELEASED), None)
    text = releases.manifest_of(root, project.tag).model_info.project if project else ""
    return Trail(name=name, project=text, events=tuple(events), problems=problems)


def _taggers(root: Path, name: str) -> dict[str, str]:
    """Return who made each tag, ``Name <address>``, by the tag's object."""
    form = "--format=%(objectname)%00%(taggername) %(taggeremail)"
    text = git.run(root, "for-each-ref", form, f"refs/tags/{name}@v*").decode("utf-8", "replace")
    return {line.partition("\0")[0]: line.partition("\0")[2].strip() for line in text.splitlines()}


def _released(root: Path, release: Release, by: str, chain: signers.Chain) -> Event:
    event = Event(
        kind=RELEASED,
        when=dt.datetime.fromtimestamp(release.created, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tag=str(release.tag),
        by=by,
        release_commit=release.commit,
    )
    try:
        manifest = releases.manifest_of(root, release)
        return _with_evidence(event, manifest, release.notes.manifest_sha256, _signature(release, chain))
    except RecordError as problem:
        return msgspec.structs.replace(event, kind=UNREADABLE, problem=str(problem))


def _with_evidence(event: Event, manifest: Manifest, manifest_sha256: str, signature: Signature) -> Event:
    return msgspec.structs.replace(
        event,
        signature=signature,
        bump=manifest.lineage.bump,
        reasons=manifest.lineage.reasons,
        verdict=manifest.gates.verdict,
        gates=manifest.gates.results,
        approvals=manifest.gates.approvals,
        loosened=manifest.gates.loosened,
        candidate=manifest.parameters.candidate,
        run=manifest.model_info.run,
        primary=manifest.performance.primary,
        metrics=manifest.performance.test.metrics,
        rows={name: split.rows for name, split in manifest.data.splits.items()},
        source=manifest.data.source,
        data_sha256=manifest.data.raw.sha256,
        code_commit=manifest.code.commit,
        content_sha256=manifest.artifacts.content_sha256,
        manifest_sha256=manifest_sha256,
        previous=manifest.lineage.previous or "",
    )


def _signature(release: Release, chain: signers.Chain) -> Signature:
    """Return what the chain of trust, as ``verify`` follows it, says of a tag's signature."""
    if not release.signed:
        return Signature(state="none", signer="", note="not signed")
    try:
        found = chain.link(release).signed
    except (RecordError, SetupError) as problem:
        return Signature(state="refused", signer="", note=str(problem))
    if found is None:
        return Signature(state="unknown", signer="", note="signed; the release before lists no signers to hold it to")
    note = f"signed by {found.principal}, key {found.key_fingerprint}"
    return Signature(state="verified", signer=found.principal, note=note)


def _records(root: Path, known: tuple[Release, ...]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the ledger's records, those in release commits included, and what is wrong with others."""
    entries, damage = ledger.inspect(root)
    found = {entry.digest: dict(entry.record) for entry in entries}
    problems = list(damage)
    with Objects(root) as objects:
        for release in known:
            try:
                for digest, content in _carried(objects, git.prefix(root), release.commit, found):
                    entry = ledger.parse(content, digest)
                    if isinstance(entry, str):
                        problems.append(f"{release.tag}:{ledger.path_of(digest).as_posix()}: {entry}")
                    else:
                        found[digest] = dict(entry.record)
            except RecordError as problem:
                problems.append(f"{release.tag}: {problem}")
    return list(found.values()), tuple(dict.fromkeys(problems))


def _carried(objects: Objects, top: str, commit: str, known: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield the records of a release's commit that aren't *known*, each of the digest that is its name."""
    tree = objects.headers(commit, "commit").one("tree")
    folder = objects.entry(tree, f"{top}{ledger.FOLDER}")
    for path, entry in objects.walk(folder.id, f"{ledger.FOLDER}/") if folder else ():
        name = _RECORD.fullmatch(path)
        if name is None or name[1] in known:
            continue
        content = objects.read(entry.id, "blob")
        if sha256_bytes(content.removesuffix(b"\n")) != name[1]:
            raise RecordError(f"{path}: not the record of its name; don't trust it")
        yield name[1], content


def _refused(records: list[dict[str, Any]]) -> Iterator[Event]:
    for record in records:
        kind = _REFUSALS.get(str(record.get("status")))
        if record.get("kind") != "release" or kind is None:
            continue
        gates = record.get("gates")
        yield Event(
            kind=kind,
            when=_text(record, "when"),
            tag=_text(record, "tag"),
            run=_text(record, "run"),
            candidate=_text(record, "run").rpartition("-")[0],
            content_sha256=_text(record, "content_sha256"),
            fell_short=tuple(map(str, gates)) if isinstance(gates, list) else (),
            problem=_text(record, "error"),
        )


def _text(record: dict[str, Any], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def title(event: Event) -> str:
    """Return an event in a few words."""
    if event.kind == RELEASED:
        return f"{event.tag}: {event.bump}"
    if event.kind == UNREADABLE:
        return f"{event.tag}: its manifest can't be trusted"
    return f"{event.kind}: {event.tag or event.run or 'a bundle'}"


def primary(event: Event) -> str:
    """Return the primary metric with its interval; empty where it isn't known."""
    found = event.metrics.get(event.primary)
    return f"{event.primary} {wording.number(found.value)} ({wording.span(found)})" if found else ""


def facts(event: Event) -> Iterator[tuple[str, str, bool]]:
    """Yield what a release rests on: name, value, and whether the value is a digest or a commit."""
    yield "released by", event.by, False
    yield "signature", event.signature.note if event.signature else "", False
    yield "model", f"{event.candidate}, run {event.run}", False
    yield "data", f"{event.source}; {', '.join(f'{rows:,} {name}' for name, rows in event.rows.items())} rows", False
    yield "data SHA-256", event.data_sha256, True
    yield "code commit", event.code_commit, True
    yield "release commit", event.release_commit, True
    yield "bundle SHA-256", event.content_sha256, True
    yield "manifest SHA-256", event.manifest_sha256, True
    yield "weighed against", event.previous or "nothing: the first release", False
    metrics = (f"{name} {wording.number(one.value)} ({wording.span(one)})" for name, one in event.metrics.items())
    yield "test metrics", "; ".join(metrics), False


def approved(approval: Approval) -> str:
    """Return an approval in a sentence."""
    reason = f", because: {approval.reason}" if approval.reason else ""
    return f"Approved by {approval.approver} on {approval.when}: {'; '.join(approval.approves)}{reason}"
