"""Releases: annotated tags whose messages say enough that a list of them needs one call of Git.

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
from collections.abc import Callable, Iterator
from pathlib import Path

from weighbridge import documents
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.manifest import Interval, Manifest
from weighbridge.registry import git, signing
from weighbridge.registry.tags import Tag, Version

_FIELDS = (
    "refname:strip=2", "objecttype", "objectname", "tag", "type", "object", "taggerdate:unix", "taggername", "contents",
)  # fmt: skip
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS)
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


@dataclasses.dataclass(frozen=True, slots=True)
class Release:
    """One release as its tag has it; :attr:`notes` is read from :attr:`text` when asked for.

    Attributes:
        tag: name and version.
        commit: the release commit.
        object: the tag object.
        created: when it was tagged, in seconds since 1970, UTC.
        text: the tag's message, signature included.
        author: name of who tagged it.
    """

    tag: Tag
    commit: str
    object: str
    created: int
    text: str
    author: str = ""

    @property
    def name(self) -> str:
        """The model's name."""
        return self.tag.name

    @property
    def version(self) -> Version:
        """The model's version."""
        return self.tag.version

    @property
    def signed(self) -> bool:
        """Whether the tag bears a signature; nothing is said of its worth."""
        return signing.unsigned(self.text) != self.text

    @property
    def notes(self) -> Notes:
        """What the message says."""
        return parse_message(self.text)


def message(notes: Notes) -> str:
    """Return the tag's message; the inverse of :func:`parse_message`.

    Raises:
        RecordError: where a field can't stand on one line.
    """
    reasons = [" ".join(reason.split()) for reason in notes.reasons]
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


def releases(root: Path, name: str | None = None) -> tuple[Release, ...]:
    """Return all releases (of the model *name*) by name, the newest version last.

    Only annotated tags of a release's shape count, on a commit, whose own name is that of the reference; others,
    damaged ones and those of other tools are left out.
    """
    pattern = f"refs/tags/{name or '*'}@v*"
    found = (_release(fields) for fields in _read(root, (pattern,)))
    return tuple(sorted((r for r in found if r), key=lambda r: (r.tag.name, r.tag.version)))


def _read(root: Path, patterns: tuple[str, ...]) -> Iterator[tuple[bytes, ...]]:
    """Yield the fields of each tag; where Git stumbles over a damaged one, all but that."""
    done = git.attempt(root, "for-each-ref", f"--format={_FORMAT}", *patterns)
    if done.returncode == 0:
        cells = done.stdout.split(b"\0")
        width = len(_FIELDS)
        for start in range(0, len(cells) - 1, width):
            yield tuple(cells[start : start + width])
    elif len(patterns) == 1 and "*" in patterns[0]:
        refs = tuple(
            git.run(root, "for-each-ref", "--format=%(refname)", *patterns).decode(errors="replace").split("\n")[:-1]
        )
        yield from _read(root, refs) if refs else ()
    elif len(patterns) > 1:
        middle = len(patterns) // 2
        yield from _read(root, patterns[:middle])
        yield from _read(root, patterns[middle:])


def _release(fields: tuple[bytes, ...]) -> Release | None:
    ref, kind, object_id, own_name, target, commit, created, author, text = fields
    ref = ref.lstrip(b"\n")
    if kind != b"tag" or target != b"commit" or own_name != ref:
        return None
    try:
        tag = Tag.parse(ref.decode())
        return Release(tag, commit.decode(), object_id.decode(), int(created), text.decode(), author.decode())
    except (RecordError, ValueError):
        return None


def find(root: Path, tag: str) -> Release:
    """Return the release that *tag* names.

    Raises:
        RecordError: where *tag* isn't a release's name, or there is no such release.
    """
    name = Tag.parse(tag)
    found = [_release(fields) for fields in _read(root, (name.ref,))]
    if found and found[0]:
        return found[0]
    others = ", ".join(str(release.tag) for release in releases(root, name.name)[-3:])
    raise RecordError(f"no release {tag}; the newest of {name.name}: {others or 'none'}; `weighbridge log` lists all")


def latest(root: Path, name: str, *, other_than_content: str | None = None) -> Release | None:
    """Return the newest release of *name* (whose bundle isn't of the digest *other_than_content*), if any."""
    return _newest(root, name, lambda notes: notes.content_sha256 != other_than_content)


def with_content(root: Path, name: str, content_sha256: str) -> Release | None:
    """Return the newest release of *name* whose bundle has this digest, if any."""
    return _newest(root, name, lambda notes: notes.content_sha256 == content_sha256)


def _newest(root: Path, name: str, wanted: Callable[[Notes], bool]) -> Release | None:
    for release in reversed(releases(root, name)):
        try:
            if wanted(release.notes):
                return release
        except RecordError:
            continue  # of that shape, but not made here
    return None


def blob(root: Path, rev: str, path: str) -> bytes:
    """Return the file at *path*, relative to *root*, as the revision *rev* has it.

    Raises:
        RecordError: where the revision or the file isn't there.
    """
    if rev.startswith("-"):
        raise RecordError(f"{rev!r} is no revision; expected a commit, a branch or a tag")
    done = git.attempt(root, "cat-file", "blob", f"{rev}:./{path}")
    if done.returncode:
        raise RecordError(f"{rev} has no file {path}: {git.last_words(done.stderr)}")
    return done.stdout


def manifest_of(root: Path, tag: str | Release) -> Manifest:
    """Return the manifest of a release, once it is seen to be the one that the tag names.

    Raises:
        RecordError: where it is missing, damaged, or its digest isn't the tag's.
    """
    release = tag if isinstance(tag, Release) else find(root, tag)
    path = f"models/{release.name}.yaml"
    content = blob(root, release.commit, path)
    expected, actual = release.notes.manifest_sha256, sha256_bytes(content)
    if actual != expected:
        raise RecordError(f"{release.tag}: {path} has the SHA-256 {actual}, the tag says {expected}; don't trust it")
    try:
        text = content.decode()
    except UnicodeDecodeError as problem:
        raise RecordError(f"{release.tag}:{path}: not UTF-8 text (byte {problem.start})") from None
    return documents.typed(documents.parse(text, f"{release.tag}:{path}", RecordError), Manifest, RecordError)
