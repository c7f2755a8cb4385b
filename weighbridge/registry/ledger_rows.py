"""What the ledger's index remembers of one record: enough for a line of ``log``, and its parents."""

import hashlib
import os
import stat
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

LARGEST = 1 << 20
"""The most bytes that a record can have."""
_NOTE_LENGTH = 300
# Neither a link is followed nor a pipe waited for.
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Row(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is remembered of one record; a *damaged* one has nothing but its name."""

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


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a record that the index keeps."""

    parents: tuple[str, ...]
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
    from_: str = msgspec.field(name="from", default="")


class _Parents(msgspec.Struct):
    parents: tuple[str, ...] = ()


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


def read(path: Path, digest: str) -> Row:
    """Return what is to be remembered of a record; of a damaged one, the parents that can still be read."""
    try:
        text = content(path)
    except OSError:
        return Row(digest, damaged=True)
    try:
        said = _said.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Row(digest, parents=_parents(text), damaged=True)
    whole = hashlib.sha256(text.removesuffix(b"\n")).hexdigest() == digest
    return Row(
        digest=digest,
        parents=said.parents,
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
        damaged=not whole,
    )


def _note(said: _Said) -> str:
    gates = ", ".join(said.gates)
    origin = f"restored from {said.from_[:12]}" if said.from_ else ""
    text = said.tag or (gates and f"fell short: {gates}") or said.error or origin
    return " ".join(text.split())[:_NOTE_LENGTH]


def _parents(text: bytes) -> tuple[str, ...]:
    """Return a record's parents, whatever else it says: a damaged one must not keep a new one from being written."""
    try:
        return msgspec.json.decode(text, type=_Parents).parents
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ()


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
