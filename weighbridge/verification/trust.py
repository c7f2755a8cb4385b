"""Who signed: by a list of signers from outside, else by the one in the release before, never by the tree under test.

Without a list from outside trust is a chain: each release names who may make the next. Its first link, the first
release, is taken on trust.
"""

import os
import stat
from pathlib import Path
from typing import NamedTuple

from weighbridge import paths
from weighbridge.errors import RecordError, SettingsError
from weighbridge.registry import releases, signers
from weighbridge.registry.releases import Release
from weighbridge.registry.signers import Role
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject

RELEASE: Role = "release"
APPROVE: Role = "approve"
_GIVE = "give a list of signers with --signers"
_LISTS = "allowed signers in OpenSSH's format, a file or a folder of such"
_LARGEST = 1 << 20


class Trust(NamedTuple):
    """Lists of signers from outside, in OpenSSH's format, and where they come from; none where nobody gave any."""

    source: str = ""
    release: bytes | None = None
    approve: bytes | None = None


def read(place: Path | None) -> Trust:
    """Return the lists at *place*: a file of who may release, or a folder with ``release`` and ``approve``.

    Raises:
        SettingsError: where there is neither, or it can't be read.
    """
    if place is None:
        return Trust()
    try:
        roles = {entry.name for entry in place.iterdir()} & {RELEASE, APPROVE} if place.is_dir() else None
    except OSError as problem:
        raise SettingsError(f"--signers {place}: {problem.strerror}; expected {_LISTS}") from None
    if roles is None:
        return Trust(str(place), given("--signers", place, _LISTS))
    if RELEASE not in roles:
        raise SettingsError(f"--signers {place}: no file {RELEASE!r} in it; expected one in OpenSSH's format")
    return Trust(str(place), **{role: given("--signers", place / role, _LISTS) for role in roles})


def given(option: str, place: Path, expected: str) -> bytes:
    """Return the content of a file that an option names.

    Raises:
        SettingsError: where it can't be read, is no regular file (a device has no end), or is larger than a list or
            key can be.
    """
    try:
        # Without waiting for who would write to a pipe.
        with open(os.open(place, os.O_RDONLY | os.O_NONBLOCK), "rb") as stream:  # noqa: PTH123 - a descriptor
            content = stream.read(_LARGEST + 1) if stat.S_ISREG(os.fstat(stream.fileno()).st_mode) else None
    except OSError as problem:
        raise SettingsError(f"{option} {place}: {problem.strerror}; expected {expected}") from None
    if content is None or len(content) > _LARGEST:
        found = "no regular file" if content is None else f"more than {_LARGEST:,} bytes"
        raise SettingsError(f"{option} {place}: {found}; expected {expected}")
    return content


def signature(subject: Subject, trust: Trust) -> str:
    """Prove who made the release, and that they may.

    Raises:
        RecordError: where a list names signers, and the release isn't signed by one of them.
        UnprovedError: where there is no list.
    """
    release = release_of(subject)
    if trust.release is not None:
        by = signers.check_tag(subject.root, release, trust.release)
        _require_in_time(subject.root, release, trust.release)
        return f"by {by.principal} ({by.key_fingerprint}), who may release by {trust.source}"
    found, first, links = signers.Chain(subject.root, subject.objects).link(release)
    if found is None:
        raise UnprovedError(_why_unproved(subject, release))
    return (
        f"by {found.principal} ({found.key_fingerprint}), who may release by the release before; "
        f"the chain of {links} signed releases begins at {first.tag}, which is taken on trust ({_GIVE} for more)"
    )


def _require_in_time(root: Path, release: Release, allowed: bytes) -> None:
    """Refuse a day before that of a lower version, where somebody listed made that; others' tags are of no account."""
    for other in releases.releases(root, release.name):
        why = signers.why_earlier(release, other) if other.version < release.version else ""
        if why and _is_signed(root, other, allowed):
            raise RecordError(why)


def _is_signed(root: Path, release: Release, allowed: bytes) -> bool:
    try:
        return bool(signers.check_tag(root, release, allowed))
    except RecordError:
        return False


def release_of(subject: Subject) -> Release:
    """Return the release as Git lists it, once that is seen to be the one under test.

    Raises:
        UnprovedError: where the tag has moved meanwhile.
    """
    expected = subject.tagged.id
    found = releases.find(subject.root, str(subject.tag))
    if found.object != expected:
        raise UnprovedError(f"{subject.tag} has moved meanwhile; try again")
    return found


def _why_unproved(subject: Subject, release: Release) -> str:
    before, named = signers.previous(subject.root, release), subject.manifest.lineage.previous
    nobody = f"{before.tag} lists no signers in {paths.SIGNERS}/{RELEASE}" if before else "the first release"
    if named and not before:
        nobody = f"this clone lacks {named}, which may"
    signed = "signed, by whom nobody says" if release.signed else "not signed"
    return f"{signed}: {nobody}; {_GIVE}"
