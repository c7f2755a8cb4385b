"""Who may release and who may approve, and whether they did: signatures of tags and commits against lists of signers.

The lists are ``config/signers/release`` and ``config/signers/approve``. A list says nothing of the commit that holds
it, for who makes the one makes the other: what counts for a release is the list in the release *before* it. So a change
of signers takes effect with the release after the one that holds it, which somebody signed who was allowed before.

Nothing of Git's configuration is asked. Objects are read whole, held against their own name, and what was signed is
taken from them byte by byte.
"""

import re
from pathlib import Path
from typing import Literal, NamedTuple

from weighbridge import paths
from weighbridge.errors import RecordError
from weighbridge.registry import allowed_signers, git, releases, signing
from weighbridge.registry.objects import Objects

Role = Literal["release", "approve"]
ROLES: tuple[Role, ...] = ("release", "approve")

_BEGIN = re.compile(signing.BEGIN.encode(), re.MULTILINE)
_WHOLE = re.compile(rb"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]+-----END SSH SIGNATURE-----\n?")
_PERSON = rb"[^\n<>]* ?<([^<>\n]*)> (\d{1,11}) [+-]\d{4}"
_TAG = re.compile(rb"object ([0-9a-f]{40,64})\ntype commit\ntag ([^\n]+)\ntagger " + _PERSON + rb"\n\n")
_SKEW_SECONDS = 24 * 3600


class Signed(NamedTuple):
    """Who signed, by the list, and with which key."""

    principal: str
    key_fingerprint: str


class _Object(NamedTuple):
    """What was signed, the signature, whose it must be, and when they say they signed."""

    text: bytes
    signature: bytes
    email: str
    when: int


def path(role: Role) -> str:
    """Return the list of a role, relative to the project's root."""
    return (paths.SIGNERS / role).as_posix()


def at(root: Path, commit: str, role: Role) -> bytes | None:
    """Return the list of a role as a commit holds it; ``None`` where it holds none.

    Raises:
        RecordError: where something else than a file is there.
        SetupError: where the commit can't be read.
    """
    if commit.startswith("-"):
        raise RecordError(f"{commit!r} is no revision; expected a commit, a branch or a tag")
    named = git.run(root, "rev-parse", "--verify", "--end-of-options", commit).decode().strip()
    with Objects(root) as objects:
        while objects.kind(named) == "tag":
            named = objects.headers(named, "tag").one("object")
        return _listed(objects, git.prefix(root), named, role)


def _listed(objects: Objects, prefix: str, commit: str, role: Role) -> bytes | None:
    return objects.file(objects.headers(commit, "commit").one("tree"), f"{prefix}{path(role)}")


def previous(root: Path, release: releases.Release) -> releases.Release | None:
    """Return the release before one: of the same model, with the next lower version; ``None`` for the first."""
    return _previous(releases.releases(root, release.name), release)


def _previous(known: tuple[releases.Release, ...], release: releases.Release) -> releases.Release | None:
    return next((one for one in reversed(known) if one.version < release.version and _made_here(one)), None)


def _made_here(release: releases.Release) -> bool:
    """Return whether a tag of a release's shape says what releases say; others are left out everywhere."""
    try:
        return bool(release.notes)
    except RecordError:
        return False


class Link(NamedTuple):
    """A release in the chain of trust.

    *signed* is who signed it, by the release before; ``None`` where that lists nobody, or there is none. The chain
    begins with *first*, which is taken on trust, and *links* signed releases lead from there to this one.
    """

    signed: Signed | None
    first: releases.Release
    links: int


class _Broken(NamedTuple):
    tag: str
    why: str


class Chain:
    """The releases of a repository, each held against the list in the one before it, and looked at once."""

    def __init__(self, root: Path, objects: Objects) -> None:
        self._root = root
        self._objects = objects
        self._prefix = git.prefix(root)
        self._releases: dict[str, tuple[releases.Release, ...]] = {}
        self._links: dict[str, Link | _Broken] = {}

    def link(self, release: releases.Release) -> Link:
        """Return what the chain says of a release.

        Raises:
            RecordError: where it, or one before it, isn't signed by who the one before that names; or says it was made
                before that; or its tag is damaged.
            SetupError: where ``ssh-keygen`` isn't there.
        """
        waiting: list[tuple[releases.Release, releases.Release | None]] = []
        current: releases.Release | None = release
        while current is not None and current.object not in self._links:
            before = self._before(current)
            waiting.append((current, before))
            current = before
        for one, before in reversed(waiting):
            self._links[one.object] = self._looked_at(one, before)
        found = self._links[release.object]
        if isinstance(found, _Broken):
            rests = "" if found.tag == str(release.tag) else f"it rests on {found.tag}, which is refused: "
            raise RecordError(rests + found.why)
        return found

    def allowed(self, release: releases.Release, role: Role) -> tuple[releases.Release | None, bytes | None]:
        """Return the release before one, and its list of a role.

        Raises:
            RecordError: where the chain up to the release before is broken.
        """
        before = self._before(release)
        if before is None:
            return None, None
        self.link(before)
        return before, _listed(self._objects, self._prefix, before.commit, role)

    def _before(self, release: releases.Release) -> releases.Release | None:
        if release.name not in self._releases:
            self._releases[release.name] = releases.releases(self._root, release.name)
        return _previous(self._releases[release.name], release)

    def _looked_at(self, release: releases.Release, before: releases.Release | None) -> Link | _Broken:
        link = self._links[before.object] if before else None
        if isinstance(link, _Broken):
            return link
        try:
            _read_tag(self._objects, release)
            if before is None or link is None:
                return Link(None, release, 0)
            why = why_earlier(release, before)
            if why:
                return _Broken(str(release.tag), why)
            allowed = _listed(self._objects, self._prefix, before.commit, "release")
            if allowed is None:
                return Link(None, release, 0)
            return Link(_tag_signed(self._objects, release, allowed), link.first, link.links + 1)
        except RecordError as problem:
            return _Broken(str(release.tag), str(problem))


def why_earlier(release: releases.Release, before: releases.Release) -> str:
    """Return, in words, that a release says it was made before one of a lower version; empty where it doesn't.

    A key that has expired since could otherwise sign with a day of its time. Clocks may differ by a day.
    """
    if release.created + _SKEW_SECONDS >= before.created:
        return ""
    return (
        f"{release.tag} says it was made before {before.tag}, whose version is lower: one of the two is forged; "
        "don't trust either before you know which"
    )


def for_next(root: Path, name: str, role: Role = "release") -> bytes | None:
    """Return the list by which the next release of the model *name* will be judged.

    It is the last release's. Where that lists nobody it is what HEAD holds: a list that the release which brings it
    isn't signed by would only lock people out.
    """
    last = releases.latest(root, name)
    listed = at(root, last.commit, role) if last else None
    return at(root, "HEAD", role) if listed is None else listed


def loosened(root: Path, before: str, after: str = "HEAD") -> tuple[str, ...]:
    """Return, in words, who may sign by the lists in the commit *after*, and might not by those in *before*.

    Raises:
        RecordError: where a list is damaged.
    """
    found = ((path(role), at(root, before, role), at(root, after, role)) for role in ROLES)
    return tuple(words for source, old, new in found for words in allowed_signers.loosened(old, new, source))


def require_sound(root: Path, commit: str = "HEAD") -> None:
    """Refuse lists that can't be read: the release after the next one would be nobody's to make.

    Raises:
        RecordError: naming file and line.
    """
    for role in ROLES:
        text = at(root, commit, role)
        if text is not None:
            allowed_signers.read(text, path(role))


def check_tag(root: Path, release: releases.Release, allowed: bytes) -> Signed:
    """Return who signed a release's tag, which is its tagger by the list *allowed*.

    Raises:
        RecordError: where the tag isn't signed with SSH, is damaged or isn't what its name says; or where its tagger
            isn't listed with that key, valid at the tag's time.
        SetupError: where ``ssh-keygen`` isn't there.
    """
    with Objects(root) as objects:
        return _tag_signed(objects, release, allowed)


def _tag_signed(objects: Objects, release: releases.Release, allowed: bytes) -> Signed:
    raw, email, when = _read_tag(objects, release)
    start = _begin(raw, f"{release.tag}: the tag")
    return _checked(_Object(raw[:start], raw[start:], email, when), allowed)


def _read_tag(objects: Objects, release: releases.Release) -> tuple[bytes, str, int]:
    """Return the object of a release's tag, its tagger's address and its time, once it is the one that Git lists."""
    raw = objects.read(release.object, "tag")
    head = _TAG.match(raw)
    if not head:
        raise RecordError(f"{release.tag}: the tag's object isn't of the shape that Git writes; don't trust it")
    if (head[1].decode(), head[2].decode(errors="replace")) != (release.commit, str(release.tag)):
        raise RecordError(f"{release.tag}: the tag's object is of another tag or commit; don't trust it")
    return raw, head[3].decode(errors="replace"), int(head[4])


def check_commit(root: Path, commit: str, allowed: bytes) -> Signed:
    """Return who signed a commit, which is its author by the list *allowed*.

    The author counts and not the committer, who may be another: it is the author's word that a commit is taken for.

    Args:
        root: the project's root.
        commit: its name, whole or the beginning of it.
        allowed: the list.

    Raises:
        RecordError: where it isn't signed with SSH, is damaged, or isn't signed by its author with a key that is
            listed, valid at the time of the commit.
        SetupError: where there is no such commit, or ``ssh-keygen`` isn't there.
    """
    whole = git.run(root, "rev-parse", "--verify", "--end-of-options", f"{commit}^{{commit}}").decode().strip()
    with Objects(root) as objects:
        return _checked(_of_commit(objects.read(whole, "commit"), f"the commit {whole[:10]}"), allowed)


def _begin(raw: bytes, what: str) -> int:
    """Return where the one signature begins, which has to end what is signed."""
    found = [match.start() for match in _BEGIN.finditer(raw)]
    if not found:
        raise RecordError(f"{what} isn't signed; expected a signature with SSH ('weighbridge sign --help' shows how)")
    _require_ssh(raw[found[0] :], what)
    return found[0]


def _require_ssh(signature: bytes, what: str) -> None:
    if signature.startswith(b"-----BEGIN PGP"):
        raise RecordError(f"{what} is signed with OpenPGP; expected SSH, which the lists of signers are for")
    if not _WHOLE.fullmatch(signature):
        raise RecordError(f"{what} has more than one signature, or text after it; don't trust it")


def _of_commit(raw: bytes, what: str) -> _Object:
    head, blank, message = raw.partition(b"\n\n")
    signature: list[bytes] = []
    kept: list[bytes] = []
    inside = False
    for line in head.split(b"\n"):
        begins = line.startswith((b"gpgsig ", b"gpgsig-sha256 "))
        inside = begins or (inside and line.startswith(b" "))
        if begins and signature:
            raise RecordError(f"{what} has more than one signature; don't trust it")
        (signature if inside else kept).append(line.partition(b" ")[2] if inside else line)
    if not signature:
        raise RecordError(f"{what} isn't signed; expected a signature with SSH: git commit -S")
    armoured = b"\n".join(signature)
    _require_ssh(armoured, what)
    author, committer = (_person(kept, role, what) for role in (b"author", b"committer"))
    return _Object(b"\n".join(kept) + blank + message, armoured, author[0], committer[1])


def _person(lines: list[bytes], role: bytes, what: str) -> tuple[str, int]:
    """Return address and time of the author or committer."""
    found = [match for line in lines if (match := re.fullmatch(role + b" " + _PERSON, line))]
    if len(found) != 1:
        raise RecordError(f"{what} isn't of the shape that Git writes; don't trust it")
    return found[0][1].decode(errors="replace"), int(found[0][2])


def _checked(found: _Object, allowed: bytes) -> Signed:
    key = allowed_signers.verify(found.text, found.signature, found.email, allowed, found.when)
    return Signed(found.email, key)
