"""One record of the ledger: its file, what it says, and what the index remembers of it for a line of ``log``."""

import hashlib
import os
import re
import stat
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

LARGEST = 1 << 20
"""The most bytes that a record can have."""
_DEEPEST = 64  # lists and objects inside each other; those who read a record go down into it
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOTE_LENGTH = 300
# Neither a link is followed nor a pipe waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One record: its digest, the digests it names as its parents, and what it says."""

    digest: str
    parents: tuple[str, ...]
    record: dict[str, Any]


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of one record.

    A *damaged* one has nothing but its name and its parents; of a *torn* one not even these can be told.
    """

    digest: str
    parents: tuple[str, ...] = ()
    kind: str = ""
    status: str = ""
    run: str = ""
    candidate: str = ""
    seed: int | None = None
    when: str = ""
    stage: str = ""
    note: str = ""
    metrics: dict[str, float] = {}
    attempt: str = ""
    damaged: bool = False
    torn: bool = False


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a record that the index keeps."""

    kind: str = ""
    status: str = ""
    run: str = ""
    candidate: str | None = None
    seed: int | None = None
    when: str = ""
    stage: str = ""
    metrics: dict[str, float] = {}
    gates: tuple[str, ...] = ()
    tag: str = ""
    error: str = ""
    attempt: str | None = None
    cluster_job: str | None = None
    lost: str = ""
    why: str = ""
    from_: str = msgspec.field(name="from", default="")


_record = msgspec.json.Decoder(dict[str, Any])
_said = msgspec.json.Decoder(_Said)


def content(path: Path) -> bytes:
    """Return a record's file; of one that is too large, no more than shows it.

    Raises:
        OSError: where it isn't there, or is no regular file.
    """
    descriptor = os.open(path, _FLAGS)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        parts: list[bytes] = []
        while sum(map(len, parts)) <= LARGEST and (part := os.read(descriptor, LARGEST + 1)):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def is_digest(text: str) -> bool:
    """Return whether *text* can be a record's name."""
    return bool(_DIGEST.fullmatch(text))


def digest_of(text: bytes) -> str:
    """Return the name of a record whose file has this content."""
    return hashlib.sha256(text.removesuffix(b"\n")).hexdigest()


def parse(text: bytes, digest: str) -> Entry | str:
    """Return the record in a file's content, or what is wrong with it in words.

    Args:
        text: the file's bytes.
        digest: what its name says.
    """
    if len(text) > LARGEST:
        return f"larger than a record can be, {LARGEST} bytes"
    found = digest_of(text)
    if found != digest or not text.endswith(b"\n"):
        return f"its content has the digest {found[:12]}, its name says {digest[:12]}"
    try:
        record = _record.decode(text)
        parents = msgspec.convert(record.pop("parents"), tuple[str, ...])
    except (msgspec.MsgspecError, ValueError, KeyError, RecursionError) as problem:
        return f"no record: {problem}"
    if not all(map(is_digest, parents)):
        return "no record: its parents are no digests"
    if text.count(b"[") + text.count(b"{") > _DEEPEST and _is_deeper(record):
        return f"no record: nested more than {_DEEPEST} deep"
    return Entry(digest=digest, parents=parents, record=record)


def _is_deeper(record: dict[str, Any]) -> bool:
    """Return whether more than :data:`_DEEPEST` lists and objects lie in each other."""
    level: list[Any] = [record]
    for _ in range(_DEEPEST):
        inner = (one.values() if isinstance(one, dict) else one for one in level)
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
    return bool(level)


def read(path: Path, digest: str) -> Row:
    """Return what is to be remembered of a record."""
    try:
        text = content(path)
    except OSError:
        return Row(digest, damaged=True, torn=True)
    entry = parse(text, digest)
    if isinstance(entry, str):
        return Row(digest, damaged=True, torn=True)
    try:
        said = _said.decode(text)
    except msgspec.MsgspecError:
        return Row(digest, entry.parents, damaged=True)
    return Row(
        digest=digest,
        parents=entry.parents,
        kind=said.kind,
        status=said.status,
        run=said.run,
        candidate=said.candidate or said.run.rpartition("-")[0],
        seed=said.seed,
        when=said.when,
        stage=said.stage,
        note=_note(said),
        metrics=said.metrics,
        attempt=said.attempt or "",
    )


def _note(said: _Said) -> str:
    gates = ", ".join(said.gates)
    origin = f"restored from {said.from_[:12]}" if said.from_ else ""
    lost = f"{said.lost[:12]}: {said.why}" if said.lost else ""
    job = f" (cluster job {said.cluster_job})" if said.cluster_job and said.cluster_job not in said.error else ""
    text = lost or said.tag or (gates and f"fell short: {gates}") or (said.error and f"{said.error}{job}") or origin
    return " ".join(text.split())[:_NOTE_LENGTH]


def parents_first(parents: Mapping[str, Collection[str]]) -> list[str]:
    """Return the digests by depth, each after those of its parents, else by digest.

    Args:
        parents: each record's parents by its digest; only those of whole records, which can't lead back to themselves.
    """
    depth: dict[str, int] = {}
    for start in parents:
        pending = [start]
        while pending:
            known = [parent for parent in parents[pending[-1]] if parent in parents]
            unknown = [parent for parent in known if parent not in depth]
            if unknown:
                pending.extend(unknown)
            else:
                depth[pending.pop()] = 1 + max((depth[parent] for parent in known), default=0)
    return sorted(parents, key=lambda digest: (depth[digest], digest))
