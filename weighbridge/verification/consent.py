"""Approvals: that a person who may gave their word for this very bundle, and that it is theirs."""

from weighbridge import documents
from weighbridge.errors import RecordError, SetupError
from weighbridge.manifest import Approval
from weighbridge.registry import approvals, history, signers
from weighbridge.registry.history import Person
from weighbridge.verification.judgement import Judged
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.subject import Subject
from weighbridge.verification.trust import APPROVE, Trust, release_of


def approved(subject: Subject, again: Judged, trust: Trust) -> str:
    """Prove that all that needs a person's word has it.

    Raises:
        RecordError: where an approval lacks, is of something else, or isn't its author's.
        UnprovedError: where nobody says who may approve.
    """
    found, needed = subject.manifest, again.foreseen.needed
    for approval in found.gates.approvals:
        _theirs(subject, approval, by_another=again.foreseen.approval.by_another)
    given = {words for approval in found.gates.approvals for words in approval.approves}
    lacking = [words for words in needed if words not in given]
    if lacking:
        raise RecordError(f"not approved, and released all the same: {'; '.join(lacking)}")
    if not needed:
        return "nothing of this release needs a person's word"
    names = ", ".join(dict.fromkeys(approval.approver for approval in found.gates.approvals))
    return f"{len(needed)} approved by {names}; {_signed(subject, trust)}"


def _theirs(subject: Subject, approval: Approval, *, by_another: bool) -> None:
    """Refuse an approval that isn't of this bundle, or isn't the approver's own commit, who may give it."""
    found = subject.manifest
    person = history.parse_person(approval.approver)
    if person is None:
        raise RecordError(f"found the approver {approval.approver!r}, expected 'Name <name@example.org>'")
    # The digests that the data, the bundle and the settings were held against, not what the weighing says of them.
    rows = found.data.splits["test"].sha256
    about = approvals.Subject(found.artifacts.content_sha256, found.gates.gates_sha256, rows)
    changed = about.unlike(approval)
    if approval.content_sha256 != about.content_sha256 or changed:
        raise RecordError(
            f"the approval of {person} is of another bundle, gates or rows; {changed or 'ask for one of these'}"
        )
    path = approvals.path(approval.content_sha256, person.email)
    content = subject.source(path)
    if content is None:
        raise RecordError(f"{path}: the commit has no such approval, which the manifest names")
    document = documents.parse(content.decode("utf-8", "replace"), str(path), RecordError)
    if documents.typed(document, Approval, RecordError) != approval:
        raise RecordError(f"{path}: the commit's approval isn't the one in the manifest")
    _committed_by(subject, path.as_posix(), person)
    if by_another:
        _another(subject, person)


def _committed_by(subject: Subject, path: str, person: Person) -> None:
    change = history.last_change(subject.root, path, subject.commit.parent)
    if change is None or change.author.key != person.key:
        raise RecordError(f"{path}: was committed by {change.author if change else 'nobody'}, expected {person}")


def _another(subject: Subject, person: Person) -> None:
    line = subject.objects.headers(subject.tagged.id, "tag").one("tagger")
    tagger = history.parse_person(line.rpartition(">")[0] + ">")
    if tagger is None:
        raise RecordError(f"{subject.tag}: found the tagger {line!r}, expected 'Name <name@example.org>'")
    previous, until = subject.manifest.lineage.previous, subject.commit.parent
    barred = approvals.why_barred(
        subject.root, person, approvals.not_by(subject.root, previous, until=until, releaser=tagger)
    )
    if barred:
        raise RecordError(f"{person} {barred}, and approved of it; expected another person")


def _signed(subject: Subject, trust: Trust) -> str:
    """Prove that each approval's commit is signed by who may approve."""
    allowed, source = trust.approve, trust.source
    if allowed is None:
        before, allowed = signers.Chain(subject.root, subject.objects).allowed(release_of(subject), APPROVE)
        source = str(before.tag) if before else ""
    if allowed is None:
        raise UnprovedError("approved by who committed it, on Git's word alone: nobody lists who may approve")
    for approval in subject.manifest.gates.approvals:
        person = history.parse_person(approval.approver)
        path = approvals.path(approval.content_sha256, person.email if person else "")
        change = history.last_change(subject.root, path.as_posix(), subject.commit.parent)
        if change is None:
            raise SetupError(f"{path}: its commit isn't there; `git fetch` all of the history")
        signers.check_commit(subject.root, change.commit, allowed)
    return f"signed by who may approve by {source}"
