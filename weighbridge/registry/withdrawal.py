"""A release that lost a race: someone else pushed one of that name first, and this one was never pushed.

Its tag becomes theirs in one step, so that at no instant there is none, and the ledger says that it was withdrawn.
"""

from pathlib import Path

from weighbridge import documents
from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import git, index, ledger, records, releases
from weighbridge.registry.notes import parse_message
from weighbridge.registry.tags import Tag


def withdraw(root: Path, remote: str, tag: str) -> releases.Release:
    """Put the remote's release in the place of the one made here, and return it.

    Files in the working tree stay as they are. A branch that was advanced to the withdrawn release goes to theirs where
    both were made of the same commit, else back to where it was.

    Args:
        root: the project's root.
        remote: the Git remote, where another release of the name *tag* is.
        tag: the name of both.

    Raises:
        RecordError: where the remote's tag is no release; all stays as it is.
        SetupError: where the remote can't be reached, or the tag has been moved meanwhile.
    """
    ours = releases.find(root, tag)
    theirs = _fetched(root, remote, ours.tag)
    # Before the tag: a kill in between is made good by the next start, which pushes again and comes here again.
    _put_on_record(root, ours, remote)
    steps = [f"update {ours.tag.ref} {theirs} {ours.object}"]
    branch, parent = git.branch(root), git.run(root, "rev-parse", f"{ours.commit}^").decode().strip()
    advanced = branch is not None and git.head(root) == ours.commit
    same = (
        git.attempt(root, "rev-parse", "--verify", "--quiet", f"{theirs}^{{commit}}^").stdout.decode().strip() == parent
    )
    onto = git.run(root, "rev-parse", f"{theirs}^{{commit}}").decode().strip() if same else parent
    if advanced:
        steps.append(f"update refs/heads/{branch} {onto} {ours.commit}")
    lines = "\n".join(["start", *steps, "prepare", "commit", ""]).encode()
    git.run(root, "update-ref", "-m", f"withdrawn: {tag}", "--stdin", input=lines)
    if advanced:
        _forget(root, parent, ours.commit)
        if same:
            index.complete(root, onto)
    return releases.find(root, tag)


def _put_on_record(root: Path, ours: releases.Release, remote: str) -> None:
    said = {
        "kind": records.RELEASE,
        "status": records.WITHDRAWN,
        "tag": str(ours.tag),
        "manifest_sha256": ours.notes.manifest_sha256,
    }
    rows = (row for row in ledger.rows(root) if (row.kind, row.status) == (records.RELEASE, records.WITHDRAWN))
    entries = (ledger.parse((root / ledger.path_of(row.digest)).read_bytes(), row.digest) for row in rows)
    if any(said.items() <= entry.record.items() for entry in entries if not isinstance(entry, str)):
        return
    error = f"{git.without_credentials(remote)} had another release of this name"
    ledger.append(root, said | {"error": error, "when": documents.utc_now()})


def _fetched(root: Path, remote: str, tag: Tag) -> str:
    """Bring the objects of the remote's tag, without any reference, and return the tag's object.

    Raises:
        RecordError: where it is no release.
    """
    listing = git.run(root, "ls-remote", "--refs", "--", remote, tag.ref).decode().split()
    if not listing:
        where = git.without_credentials(remote)
        raise SetupError(f"{where} has no {tag} any more; run snakemake again, which pushes yours")
    git.run(root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", remote, tag.ref)
    if not _is_release(root, listing[0], tag):
        raise RecordError(f"{git.without_credentials(remote)} has a tag {tag} that is no release; look at it there")
    return listing[0]


def _is_release(root: Path, found: str, tag: Tag) -> bool:
    """Return whether the object *found* is the annotated tag of a release of that very name."""
    done = git.attempt(root, "cat-file", "tag", found)
    head, _, text = done.stdout.decode(errors="replace").partition("\n\n")
    if done.returncode or head.split("\n")[1:3] != ["type commit", f"tag {tag}"]:
        return False
    try:
        return parse_message(text).tag == tag
    except RecordError:
        return False


def _forget(root: Path, parent: str, commit: str) -> None:
    """Take what a commit has changed out of the index again; the files themselves stay."""
    changed = git.run(root, "diff-tree", "-r", "-z", "--name-only", "--no-commit-id", "--relative", parent, commit)
    git.run(root, "reset", "--quiet", "--pathspec-from-file=-", "--pathspec-file-nul", parent, input=changed)
