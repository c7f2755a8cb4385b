"""What a release's tag says, as a pair of inverse functions.

A message is written for people first::

    flights v1.2.0: minor, retrained on new data

    - retrained on new data
    - roc_auc rose by 0.012

    candidate: boosting
    primary: roc_auc
    metric: roc_auc 0.7181 0.7012 0.733
    verdict: pass
    bump: minor
    content-sha256: 4a5e…
    manifest-sha256: 0f2c…
    ledger-root: 9b1d…
    ledger-count: 42
"""

import dataclasses
import re

from weighbridge.errors import RecordError
from weighbridge.manifest import Interval, Manifest
from weighbridge.registry import signing
from weighbridge.registry.tags import Tag, Version

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TITLE_LENGTH = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Notes:
    """What a release's tag says.

    Attributes:
        tag: name and version.
        bump: how the version follows from the last one: ``major``, ``minor``, ``patch`` or ``first``.
        reasons: why, each on one line; at least one.
        candidate: the champion's name.
        primary: the metric that chose it.
        metrics: test metrics with their intervals, to six significant digits.
        verdict: of the gates.
        content_sha256: digest of the bundle.
        manifest_sha256: digest of the manifest's file.
        ledger_root: digest of the ledger's heads.
        ledger_count: number of its records.
    """

    tag: Tag
    bump: str
    reasons: tuple[str, ...]
    candidate: str
    primary: str
    metrics: dict[str, Interval]
    verdict: str
    content_sha256: str
    manifest_sha256: str
    ledger_root: str
    ledger_count: int


def notes_of(tag: Tag, complete: Manifest, manifest_sha256: str, *, ledger_root: str, ledger_count: int) -> Notes:
    """Return what the tag of a release says: all but the ledger's digest and count stands in its manifest."""
    return Notes(
        tag=tag,
        bump=complete.lineage.bump,
        reasons=complete.lineage.reasons,
        candidate=complete.parameters.candidate,
        primary=complete.performance.primary,
        metrics=complete.performance.test.metrics,
        verdict=complete.gates.verdict,
        content_sha256=complete.artifacts.content_sha256,
        manifest_sha256=manifest_sha256,
        ledger_root=ledger_root,
        ledger_count=ledger_count,
    )


def message(notes: Notes) -> str:
    """Return the tag's message; the inverse of :func:`parse_message`.

    Raises:
        RecordError: where a field can't stand on one line.
    """
    reasons = [_one_line(reason) for reason in notes.reasons]
    if not reasons or not all(reasons):
        raise RecordError(f"{notes.tag}: expected at least one reason for the version, and none empty")
    title = f"{notes.tag.name} v{notes.tag.version}: {notes.bump}, {reasons[0]}"
    title = title if len(title) <= _TITLE_LENGTH else title[: _TITLE_LENGTH - 1] + "…"
    trailers = [
        ("candidate", notes.candidate),
        ("primary", notes.primary),
        *(
            ("metric", f"{name} {_digits(m.value)} {_digits(m.low)} {_digits(m.high)}")
            for name, m in notes.metrics.items()
        ),
        ("verdict", notes.verdict),
        ("bump", notes.bump),
        ("content-sha256", notes.content_sha256),
        ("manifest-sha256", notes.manifest_sha256),
        ("ledger-root", notes.ledger_root),
        ("ledger-count", str(notes.ledger_count)),
    ]
    for key, value in trailers:
        if value != value.strip() or not value.isprintable() or not value:
            raise RecordError(f"{notes.tag}: {key} is {value!r}; expected one line of text")
    lines = [title, "", *(f"- {reason}" for reason in reasons), "", *(f"{key}: {value}" for key, value in trailers)]
    return "\n".join(lines) + "\n"


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())


def _digits(number: float) -> str:
    return f"{number:.6g}"


def parse_message(text: str) -> Notes:
    """Return what a tag's message says; a signature after it is left out.

    Raises:
        RecordError: naming what is missing or malformed.
    """
    blocks = signing.unsigned(text).removesuffix("\n").split("\n\n")
    if len(blocks) != 3:  # noqa: PLR2004 - title, reasons, trailers
        raise RecordError("the message isn't a release's: expected a title, reasons, and lines of 'key: value'")
    title, reasons, trailers = blocks
    fields, metrics = _trailers(trailers)
    name, _, version = title.partition(":")[0].partition(" v")
    try:
        return Notes(
            tag=Tag(name, Version.parse(version)),
            reasons=tuple(line.removeprefix("- ") for line in reasons.split("\n")),
            metrics=metrics,
            ledger_count=int(fields.pop("ledger_count")),
            **{key: fields[key] for key in _TEXT_FIELDS},
        )
    except KeyError as problem:
        raise RecordError(f"{title}: the message has no line '{str(problem.args[0]).replace('_', '-')}: …'") from None
    except ValueError:
        raise RecordError(f"{title}: ledger-count is no whole number") from None


_TEXT_FIELDS = ("bump", "candidate", "primary", "verdict", "content_sha256", "manifest_sha256", "ledger_root")


def _trailers(block: str) -> tuple[dict[str, str], dict[str, Interval]]:
    fields: dict[str, str] = {}
    metrics: dict[str, Interval] = {}
    for line in block.split("\n"):
        key, separator, value = line.partition(": ")
        if not separator:
            raise RecordError(f"{line!r}: expected 'key: value'")
        if key == "metric":
            name, interval = _metric(value)
            metrics[name] = interval
        else:
            fields[key.replace("-", "_")] = value
    for key in ("content_sha256", "manifest_sha256", "ledger_root"):
        if not _SHA256.fullmatch(fields.get(key, "0" * 64)):
            raise RecordError(f"{key.replace('_', '-')}: {fields[key]!r} is no SHA-256")
    return fields, metrics


def _metric(text: str) -> tuple[str, Interval]:
    try:
        name, *numbers = text.split(" ")
        value, low, high = map(float, numbers)
    except ValueError:
        raise RecordError(f"metric: {text!r}; expected 'name value low high'") from None
    return name, Interval(value=value, low=low, high=high)
