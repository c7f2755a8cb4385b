"""Approvals: a person's word for one bundle, as a file that this person commits.

One YAML file a person and bundle, ``approvals/4a5e1e4baab89f3a-grace@example.org.yaml``, holds an
:class:`weighbridge.manifest.Approval`. It counts where it is committed as it lies there, by the one it names, who is
none of the authors, for the gates and the test rows that it was given for. Git's authorship is taken at its word, and
of the commit's author only (the committer may be a web page that merges). Where that word isn't enough, list who may
approve in ``config/signers/approve``: from the next release on the commit has to be signed with a key of theirs.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.manifest import Approval
from weighbridge.registry import git, history, signers

_PREFIX = 16
_LONGEST = 120
_AGAIN = "look at what is approved now, and run 'weighbridge approve' again"
_NOT_PLAIN = re.compile(r"[^a-z0-9@._+-]")


class Verified(NamedTuple):
    """What was found for a bundle: approvals that count, and, in words, why others don't."""

    approvals: tuple[Approval, ...]
    problems: tuple[str, ...]

    def lacking(self, needed: tuple[str, ...]) -> tuple[str, ...]:
        """Return what of *needed* none of the approvals covers; the exact words count."""
        covered = {words for approval in self.approvals for words in approval.approves}
        return tuple(words for words in needed if words not in covered)


class Subject(NamedTuple):
    """What an approval is about: digests of the bundle, of the gates' settings, and of the test rows' file."""

    content_sha256: str
    gates_sha256: str
    test_sha256: str

    def unlike(self, approval: Approval) -> str:
        """Return in words what has changed since an approval was given; empty where nothing has."""
        found = {
            "the gates": (approval.gates_sha256, self.gates_sha256),
            "the test rows": (approval.test_sha256, self.test_sha256),
        }
        changed = [
            f"{what} changed since (sha256 {before[:12] or 'none'} then, {now[:12]} now)"
            for what, (before, now) in found.items()
            if before != now
        ]
        return ", ".join(changed)


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
        RecordError: where the approver isn't of the form ``Name <address>``, or a folder is in the way.
    """
    person = history.parse_person(approval.approver)
    if person is None:
        raise RecordError(f"found approver {approval.approver!r}; expected 'Name <name@example.org>'")
    target = path(approval.content_sha256, person.email)
    if (root / target).is_dir():
        raise RecordError(f"{target}: found a folder, expected a file or nothing; move it away")
    documents.write_record(root / target, approval)
    return target


def read(root: Path, file: Path) -> Approval:
    """Return the approval in *file*, relative to *root*.

    Raises:
        RecordError: naming file, line and key where it is no approval, or not of the bundle and person of its name.
    """
    if not (root / file).is_file():
        raise RecordError(f"{file}: found no file; expected an approval, or nothing by that name: move it away")
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


def verify(root: Path, subject: Subject, authors: Mapping[str, str], allowed: bytes | None = None) -> Verified:
    """Look through the approvals of a bundle, and say which count and why others don't.

    Args:
        root: the project's root, in a Git work tree.
        subject: the bundle, gates and test rows; files that bear another bundle's digest are left alone.
        authors: who may not approve, and why, by e-mail address; empty where anyone may.
        allowed: list of who may approve, with their keys; where given, an approval has to be signed by one of them.

    Raises:
        SetupError: where Git can't be asked.
    """
    folder = root / paths.APPROVALS
    files = sorted(folder.glob(f"{subject.content_sha256[:_PREFIX]}-*.yaml")) if folder.is_dir() else []
    approvals: list[Approval] = []
    problems: list[str] = []
    for file in (found.relative_to(root) for found in files):
        try:
            approval = read(root, file)
        except RecordError as problem:
            problems.append(f"{problem}; let the approver run 'weighbridge approve' again")
            continue
        why_not = _why_not(root, file, approval, subject, authors) or _why_not_signed(root, file, allowed)
        if why_not:
            problems.append(f"{file}: {why_not}")
        else:
            approvals.append(approval)
    return Verified(tuple(approvals), tuple(problems))


def _why_not(root: Path, file: Path, approval: Approval, subject: Subject, authors: Mapping[str, str]) -> str:
    """Return why an approval doesn't count, and what to do; empty where it does."""
    person = history.parse_person(approval.approver)
    if approval.content_sha256 != subject.content_sha256 or person is None:
        return f"approves bundle {approval.content_sha256}, this one is {subject.content_sha256}; approve this one"
    barred = why_barred(root, person, authors)
    if barred:
        return f"{person} {barred}; the approval has to come from another person"
    changed = subject.unlike(approval)
    if changed:
        return f"{changed}; {_AGAIN}"
    return _why_not_theirs(root, file, person)


def _why_not_theirs(root: Path, file: Path, person: history.Person) -> str:
    """Return why a file isn't what *person* has committed, and what to do; empty where it is."""
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


def _why_not_signed(root: Path, file: Path, allowed: bytes | None) -> str:
    """Return why the commit of an approval isn't signed by one who may approve; empty where it is, or need not be."""
    change = history.last_change(root, file.as_posix())
    if allowed is None or change is None:
        return ""
    try:
        signers.check_commit(root, change.commit, allowed)
    except RecordError as problem:
        return (
            f"{problem}; {signers.path('approve')} of the last release lists who may approve, and with which key: "
            f"let one of them approve, and commit it with 'git commit -S'"
        )
    return ""


def why_barred(root: Path, person: history.Person, authors: Mapping[str, str]) -> str:
    """Return why a person may not approve, of the reasons that :func:`not_by` found; empty where they may.

    A person is known by each address that ``.mailmap`` says is theirs.
    """
    return next((authors[address] for address in history.addresses(root, person) if address in authors), "")


def not_by(
    root: Path, since: str | None, *, until: str = "HEAD", releaser: history.Person | None = None
) -> dict[str, str]:
    """Return who may not approve because they made it, and why in words, by e-mail address.

    Args:
        root: the project's root.
        since: tag of the last release; all of the history counts where there was none.
        until: the commit that is released.
        releaser: who makes the release, who may not approve of it either; none before there is one.

    Raises:
        SetupError: where the history isn't all there.
    """
    made = history.authors(root, paths.SOURCES, since, until)
    why = {email: f"is an author of what is released (commit {commit})" for email, commit in made.items()}
    own = history.addresses(root, releaser) if releaser else ()
    return dict.fromkeys(own, "makes this release") | why
