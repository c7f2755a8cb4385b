"""What the ledger's index remembers of one record: enough for a line of ``log``, and its parents."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

_NOTE_LENGTH = 300


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


def read(path: Path, digest: str) -> Row:
    """Return what is to be remembered of a record; of a damaged one, the parents that can still be read."""
    try:
        content = path.read_bytes()
    except OSError:
        return Row(digest, damaged=True)
    try:
        said = _said.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return Row(digest, parents=_parents(content), damaged=True)
    whole = hashlib.sha256(content.removesuffix(b"\n")).hexdigest() == digest
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


def _parents(content: bytes) -> tuple[str, ...]:
    """Return a record's parents, whatever else it says: a damaged one must not keep a new one from being written."""
    try:
        return msgspec.json.decode(content, type=_Parents).parents
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ()


def parents_first(rows: Iterable[Row]) -> list[Row]:
    """Return the rows such that each comes after those of its parents."""
    waiting: dict[str, Row] = {row.digest: row for row in rows}
    done: dict[str, Row] = {}
    for start in waiting:
        pending = [start]
        while pending:
            row = waiting[pending[-1]]
            # What an edited record names may lead back to itself.
            parents = () if row.damaged else row.parents
            before = [parent for parent in parents if parent in waiting and parent not in done]
            if before:
                pending.extend(before)
            else:
                done.setdefault(pending.pop(), row)
    return list(done.values())
