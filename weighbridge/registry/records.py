"""What a record of the ledger may say: its kinds, the statuses of each, and the types of their fields.

Fields beyond these are allowed, so that a record written by a later version can still be read; a kind, a status or a
type that is none of these is not ours, and the audit says so.
"""

import datetime as dt
import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from weighbridge.digest import FileEntry
from weighbridge.errors import RecordError

RUN, ATTEMPT, RELEASE, EVIDENCE, LEDGER = "run", "attempt", "release", "evidence", "ledger"
"""The kinds: a training and its measure; what came to nothing; a decision; a file that later stages rest on; the
ledger itself."""

TRAINED, EVALUATED, RESTORED = "trained", "evaluated", "restored"
FAILED, KILLED, CANCELLED = "failed", "killed", "cancelled"
ACCEPTED, REJECTED, WITHDRAWN = "accepted", "rejected", "withdrawn"
WRITTEN = "written"
LOST = "lost"

Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
"""SHA-256 in lower-case hexadecimal."""
Seed = Annotated[int, msgspec.Meta(ge=0)]
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


class Common(msgspec.Struct, frozen=True, kw_only=True):
    """What every record says: its kind, how it came out, and when (``2026-01-31T12:00:00Z``)."""

    kind: str
    status: str
    when: str


class Trained(Common, frozen=True, kw_only=True):
    """A training: what went in, what came out, and where DVC keeps it."""

    run: str
    candidate: str
    seed: Seed
    inputs: dict[str, Any]
    files: tuple[FileEntry, ...]
    dvc: str
    parameters: Any = None
    host: str | None = None
    cluster_job: str | None = None
    wall_seconds: float | None = None


class Evaluated(Common, frozen=True, kw_only=True):
    """A run's metrics on the validation rows."""

    run: str
    candidate: str
    seed: Seed
    metrics: dict[str, float]


class Restored(Common, frozen=True, kw_only=True):
    """A run whose weights were taken over from the training that the record *from* tells of."""

    run: str
    candidate: str
    seed: Seed
    from_: Digest = msgspec.field(name="from")


class Attempt(Common, frozen=True, kw_only=True):
    """A stage that came to nothing: by an error, a kill or a request to stop."""

    stage: str
    error: str = ""
    exception: str | None = None
    candidate: str | None = None
    seed: Seed | None = None
    started: str | None = None
    log: str | None = None
    last_lines: tuple[str, ...] = ()
    host: str | None = None
    cluster_job: str | None = None
    cluster: Any = None
    attempt: str | None = None


class Accepted(Common, frozen=True, kw_only=True):
    """A bundle that was released, and the rows that decided."""

    run: str
    tag: str
    content_sha256: Digest
    manifest_sha256: Digest
    outcomes_sha256: Digest | None = None


class Rejected(Common, frozen=True, kw_only=True):
    """A bundle that fell short, and the gates that it did not pass."""

    run: str
    content_sha256: Digest
    outcomes_sha256: Digest | None = None
    gates: tuple[str, ...] = ()


class Withdrawn(Common, frozen=True, kw_only=True):
    """An accepted release whose tag nobody else has seen and that was taken back, such as after a lost race."""

    tag: str
    manifest_sha256: Digest
    error: str = ""


class Written(Common, frozen=True, kw_only=True):
    """A file and its digest, as a stage has just written it."""

    file: str
    sha256: Digest
    cluster_job: str | None = None


class Lost(Common, frozen=True, kw_only=True):
    """A record that nobody has any more, by its digest; why, and who says so."""

    lost: Digest
    why: str
    by: str


VOCABULARY: dict[tuple[str, str], type[Common]] = {
    (RUN, TRAINED): Trained,
    (RUN, EVALUATED): Evaluated,
    (RUN, RESTORED): Restored,
    (ATTEMPT, FAILED): Attempt,
    (ATTEMPT, KILLED): Attempt,
    (ATTEMPT, CANCELLED): Attempt,
    (RELEASE, ACCEPTED): Accepted,
    (RELEASE, REJECTED): Rejected,
    (RELEASE, WITHDRAWN): Withdrawn,
    (EVIDENCE, WRITTEN): Written,
    (LEDGER, LOST): Lost,
}
"""Each kind and status, and the fields that such a record has."""

STATUSES = tuple(status for _, status in VOCABULARY)


def problem(record: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record's shape, in words; ``None`` where nothing is."""
    kind, status = record.get("kind"), record.get("status")
    shape = VOCABULARY.get((kind, status)) if isinstance(kind, str) and isinstance(status, str) else None
    if shape is None:
        known = ", ".join(f"{kind}/{status}" for kind, status in VOCABULARY)
        return f"found kind {kind!r} with status {status!r}; expected one of {known}"
    try:
        said = msgspec.convert(record, shape, strict=True)
    except msgspec.ValidationError as error:
        text = str(error).replace("`", "'")
        return f"{kind}/{status}: {text[0].lower()}{text[1:]}"
    if moment(said.when) is None:
        return f"{kind}/{status}: found the time {said.when!r}; expected one such as '2026-01-31T12:00:00Z'"
    return None


def is_loss(record: Mapping[str, Any]) -> bool:
    """Return whether a record tells that another one is lost."""
    return (record.get("kind"), record.get("status")) == (LEDGER, LOST) and problem(record) is None


def check(record: Mapping[str, Any]) -> None:
    """Refuse a record of any other shape, before it is written for good.

    Raises:
        RecordError: naming what was found and what was expected.
    """
    found = problem(record)
    if found:
        raise RecordError(f"a ledger record of another shape: {found}; see weighbridge/registry/records.py")


def moment(text: str) -> dt.datetime | None:
    """Return the moment that a record's time says, ``None`` where it says none."""
    if not _MOMENT.fullmatch(text):
        return None
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
