"""Approvals: a person's word for one bundle, as a file that this person commits.

One YAML file a person and bundle, ``approvals/4a5e1e4baab89f3a-grace@example.org.yaml``, holds an
:class:`weighbridge.manifest.Approval`. It counts where it is committed as it lies there, by the one it names, who is
none of the authors; Git's authorship is taken at its word, so protect the branch where that word isn't enough.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.manifest import Approval
from weighbridge.registry import git, history

_PREFIX = 16
_LONGEST = 120
_NOT_PLAIN = re.compile(r"[^a-z0-9@._+-]")


class Verified(NamedTuple):
    """What was found for a bundle: approvals that count, and, in words, why others don't."""

    approvals: tuple[Approval, ...]
    problems: tuple[str, ...]

    def lacking(self, needed: tuple[str, ...]) -> tuple[str, ...]:
        """Return what of *needed* none of the approvals covers; the exact words count."""
        covered = {words for approval in self.approvals for words in approval.approves}
        return tuple(words for words in needed if words not in covered)


def slug(email: str) -> str:
    """Return an e-mail address as a part of a file's name; different addresses give different parts.

    Case is of no account. Where letters had to be left out, the first digits of the address's SHA-256 tell it from
    others.
    """
    address = history.same_address(email)
    plain = _NOT_PLAIN.sub("-", address)[:_LONGEST]
    return plain if plain == address else f"{plain}-{sha256_bytes(address.encode())[:8]}"


def path(content_sha256: str, email: str) -> Path:
    """Return where the approval of a bundle by *email* lies, relative to the project's root."""
    return paths.APPROVALS / f"{content_sha256[:_PREFIX]}-{slug(email)}.yaml"


def write(root: Path, approval: Approval) -> Path:
    """Write the approval, whole or not at all, over an earlier one of the same person, and return its path.

    Raises:
        RecordError: where the approver isn't of the form ``Name <address>``.
    """
    person = history.parse_person(approval.approver)
    if person is None:
        raise RecordError(f"found approver {approval.approver!r}; expected 'Name <name@example.org>'")
    target = path(approval.content_sha256, person.email)
    documents.write_record(root / target, approval)
    return target


def read(root: Path, file: Path) -> Approval:
    """Return the approval in *file*, relative to *root*.

    Raises:
        RecordError: naming file, line and key where it is no approval, or not of the bundle and person of its name.
    """
    try:
        found = documents.read(root / file, RecordError)
        approval = documents.typed(found, Approval, RecordError)
    except RecordError as problem:
        raise RecordError(str(problem).replace(f"{root}/", "")) from None
    person = history.parse_person(approval.approver)
    if person is None:
        raise RecordError(f"{file}: approver: found {approval.approver!r}; expected 'Name <name@example.org>'")
    expected = path(approval.content_sha256, person.email)
    if file != expected:
        raise RecordError(
            f"{file}: is the approval of bundle {approval.content_sha256[:_PREFIX]} by {person.email}; "
            f"expected it at {expected}"
        )
    return approval


def verify(root: Path, content_sha256: str, authors: Mapping[str, str]) -> Verified:
    """Look through the approvals of a bundle, and say which count and why others don't.

    Args:
        root: the project's root, in a Git work tree.
        content_sha256: digest of the bundle; files that bear another one's are left alone.
        authors: who may not approve, and why, by e-mail address; empty where anyone may.

    Raises:
        SetupError: where Git can't be asked.
    """
    folder = root / paths.APPROVALS
    files = sorted(folder.glob(f"{content_sha256[:_PREFIX]}-*.yaml")) if folder.is_dir() else []
    approvals: list[Approval] = []
    problems: list[str] = []
    for file in (found.relative_to(root) for found in files):
        try:
            approval = read(root, file)
        except RecordError as problem:
            problems.append(f"{problem}; let the approver run 'weighbridge approve' again")
            continue
        why_not = _why_not(root, file, approval, content_sha256, authors)
        if why_not:
            problems.append(f"{file}: {why_not}")
        else:
            approvals.append(approval)
    return Verified(tuple(approvals), tuple(problems))


def _why_not(root: Path, file: Path, approval: Approval, content_sha256: str, authors: Mapping[str, str]) -> str:
    """Return why an approval doesn't count, and what to do; empty where it does."""
    person = history.parse_person(approval.approver)
    if approval.content_sha256 != content_sha256 or person is None:
        return f"approves bundle {approval.content_sha256}, this one is {content_sha256}; approve this one"
    if person.key in authors:
        return f"{person} {authors[person.key]}; the approval has to come from another person"
    change = history.last_change(root, file.as_posix())
    if change is None:
        return f"not committed; let {person} run 'git add {file} && git commit'"
    if git.unlike_head(root, [file.as_posix()]):
        return f"differs from what was committed; commit it, or run 'git checkout -- {file}'"
    if change.author.key != person.key:
        return (
            f"was last committed by {change.author} ({change.commit}), expected {person}; an approval has to be "
            "committed by who gives it"
        )
    return ""


def not_by(root: Path, since: str | None, owner: str | None = None) -> dict[str, str]:
    """Return who may not approve because they made it, and why in words, by e-mail address.

    Args:
        root: the project's root.
        since: tag of the last release; all of the history counts where there was none.
        owner: given when a release is made: who releases where Git has no identity, ``Name <address>``. Then who
            releases may not approve either.

    Raises:
        SetupError: where the history isn't all there.
    """
    made = history.authors(root, paths.SOURCES, since)
    why = {email: f"is an author of what is released (commit {commit})" for email, commit in made.items()}
    person = history.releaser(root, owner) if owner is not None else None
    return ({person.key: "makes this release"} if person else {}) | why
