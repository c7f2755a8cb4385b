"""Releases: annotated tags whose messages say enough that a list of them needs one call of Git."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

from weighbridge import documents
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.manifest import Manifest
from weighbridge.registry import git, signing
from weighbridge.registry.notes import Notes, message, notes_of, parse_message
from weighbridge.registry.tags import Tag, Version

__all__ = [
    "Notes", "Release", "blob", "find", "latest", "manifest_of", "message", "notes_of", "parse_message", "releases",
    "with_content",
]  # fmt: skip

_FIELDS = (
    "refname:strip=2", "objecttype", "objectname", "tag", "type", "object", "taggerdate:unix", "taggername", "contents",
)  # fmt: skip
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS)


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
