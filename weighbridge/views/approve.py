"""``weighbridge approve``: a person's word for the bundle that waits, written as a file for this person to commit."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.digest import sha256_json
from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import approvals, git, history, releases, signers
from weighbridge.settings import Settings
from weighbridge.tasks import plain

_MAKE = "run 'snakemake --cores all'"


def approve(root: Path, settings: Settings, reason: str = "") -> str:
    """Write the approval of all that needs one, by who types; return what was approved and what to do next.

    Args:
        root: the project's root.
        settings: the configuration.
        reason: why, in the approver's words.

    Raises:
        RecordError: where there are no results, they are of other gates, or nothing in them needs an approval.
        SettingsError: where a commit's trailer asks for no known part of the version.
        SetupError: where Git has no identity, or who types is an author and another person has to approve.
    """
    from weighbridge.stages import finishing  # here, so that looking for results needs nothing of it

    git.require_repository(root)
    packaged, verdict = _results(root, settings)
    same = releases.with_content(root, settings.config.name, packaged.artifacts.content_sha256)
    if same is not None:
        raise RecordError(f"nothing to approve: this very content is released already, as {same.tag}")
    ahead = finishing.ahead(root, settings.gates, packaged, verdict)
    if not ahead.needed:
        raise RecordError(
            f"nothing needs an approval: the verdict is {verdict.gates.verdict}, the version would be "
            f"{ahead.derived.version} ({ahead.derived.bump}); see 'weighbridge version'"
        )
    person = history.typist(root)
    _refuse_author(root, person, finishing.who_may_not(root, ahead))
    approval = manifest.Approval(
        content_sha256=packaged.artifacts.content_sha256,
        approver=str(person),
        approves=ahead.needed,
        reason=reason,
        when=documents.utc_now(),
        gates_sha256=ahead.subject.gates_sha256,
        test_sha256=ahead.subject.test_sha256,
    )
    file = _given_before(root, approval, person) or approvals.write(root, approval)
    given = approvals.Verified((approval,), ())
    signed = packaged.baseline is not None and signers.at(root, packaged.baseline, "approve") is not None
    outlook = finishing.outlook(ahead, given)
    return "\n".join(_lines(approval, file, ahead.derived.version, outlook, "--gpg-sign " * signed))


def _results(root: Path, settings: Settings) -> tuple[manifest.Packaged, manifest.Verdict]:
    missing = [
        path.as_posix() for path in (paths.PACKAGE, paths.WEIGHING, paths.VERDICT) if not (root / path).is_file()
    ]
    if missing:
        raise RecordError(f"there is nothing to approve yet: {', '.join(missing)} missing; {_MAKE}")
    packaged = documents.read_record(root / paths.PACKAGE, manifest.Packaged)
    verdict = documents.read_record(root / paths.VERDICT, manifest.Verdict)
    found, expected = verdict.gates.gates_sha256, sha256_json(plain(settings.gates))
    if packaged.name != settings.config.name or found != expected:
        raise RecordError(
            f"{paths.VERDICT} is of {packaged.name} by gates {found[:12]}, the configuration says "
            f"{settings.config.name} by gates {expected[:12]}; {_MAKE}, then approve what it finds"
        )
    return packaged, verdict


def _refuse_author(root: Path, person: history.Person, barred: dict[str, str]) -> None:
    why = approvals.why_barred(root, person, barred)
    if why:
        raise SetupError(
            f"you are {person}, who {why}; expected another person, as an approval gate asks. Let "
            "someone else run 'weighbridge approve', with their own 'git config user.name' and 'user.email'"
        )


def _given_before(root: Path, approval: manifest.Approval, person: history.Person) -> Path | None:
    """Return the file of the same approval where it was given before: a new one would differ by its time alone."""
    file = approvals.path(approval.content_sha256, person.email)
    if not (root / file).is_file():
        return None
    try:
        before = approvals.read(root, file)
    except RecordError:
        return None  # to be written anew
    same = (before.gates_sha256, before.test_sha256) == (approval.gates_sha256, approval.test_sha256)
    return file if same and set(before.approves) >= set(approval.approves) else None


def _lines(approval: manifest.Approval, file: Path, version: str, outlook: str, sign: str) -> Iterator[str]:
    yield f"{approval.approver} approves bundle {approval.content_sha256[:12]}, which would be version {version}:"
    yield from (f"  - {words}" for words in approval.approves)
    if outlook != "pass":
        yield f"That alone releases nothing: the verdict stays {outlook}, see {paths.VERDICT}."
    name = shlex.quote(file.as_posix())
    yield f"It is in {file}. Commit it under your own name, then release:"
    yield f"  git add {name}"
    yield f"  git commit {sign}--message='Approve version {version}' -- {name}"
    yield "  snakemake --cores all"
