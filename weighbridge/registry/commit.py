"""The release commit and its tag: made beside the branch, visible by one reference transaction.

Blobs, tree, commit and tag object are written first and bind no one. Then a single ``git update-ref`` creates the
tag, only if it isn't there, and moves the branch, only if it is where it was. Before it nothing has happened; after
it all has. Branch, index and working tree are touched only where the branch is to advance.
"""

import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from weighbridge.errors import RecordError, ReleaseRefused, SetupError
from weighbridge.registry import git, index, releases, signing
from weighbridge.registry.tags import Tag

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


class Made(NamedTuple):
    """The release commit; *made* is false where the same release was there already."""

    commit: str
    made: bool


class TakenError(SetupError):
    """A remote has another release of the same name already."""


class _Wanted(NamedTuple):
    root: Path
    tag: Tag
    message: str
    blobs: Mapping[str, str]
    """Each file's object by its path from the top of the repository."""


def create(  # noqa: PLR0913 - all but root by name
    root: Path,
    *,
    tag: str,
    message: str,
    files: Mapping[str, bytes],
    identity_env: Mapping[str, str],
    advance_branch: bool,
    allowed: bytes | None = None,
) -> Made:
    """Make the release *tag*: HEAD's tree with *files* in place, an annotated tag on it, all or nothing.

    Args:
        root: the project's root.
        tag: name of the release, ``flights@v1.2.0``.
        message: the message of commit and tag, kept to the letter.
        files: content by path relative to *root*; regular files.
        identity_env: variables that name author and committer, see :func:`weighbridge.registry.git.identity`.
        advance_branch: move the current branch to the release commit; index and working tree follow, for *files*.
        allowed: the list of who may release; where given, the tag has to be signed by one of them.

    Raises:
        ReleaseRefused: where the tag is there with other content.
        SetupError: where the repository isn't fit for it, or who releases isn't allowed to.
    """
    name = Tag.parse(tag)
    parent = git.require_repository(root)
    git.require_whole_history(root)
    branch = _branch_to_advance(root) if advance_branch else None
    text = message if message.endswith("\n") else f"{message}\n"
    wanted = _Wanted(root, name, text, _write_blobs(root, files))
    present = _present(wanted)
    if present:
        return present
    commit = _write_commit(wanted, parent, identity_env)
    tag_object = signing.write_tag(root, name, commit, wanted.message, identity_env, allowed=allowed)
    transaction = [f"create {name.ref} {tag_object}"]
    if branch is None:
        return _publish(wanted, transaction, commit)
    with index.locked(root) as draft:
        index.put(root, draft.env, wanted.blobs)
        transaction.append(f"update {branch} {commit} {parent}")
        made = _publish(wanted, transaction, commit)
        if made.made:
            index.write_out(root, files)
            draft.replace()
    return made


def _branch_to_advance(root: Path) -> str:
    branch = git.branch(root)
    if branch is None:
        raise SetupError(
            "HEAD is detached, so there is no branch to advance; `git switch` to one, "
            "or set release.advance_branch: false in config/config.yaml"
        )
    return f"refs/heads/{branch}"


def _present(wanted: _Wanted) -> Made | None:
    """Return the release where it was made before, ``None`` where the name is free."""
    root, tag = wanted.root, wanted.tag
    if git.attempt(root, "rev-parse", "--verify", "--quiet", tag.ref).returncode:
        return None
    try:
        release = releases.find(root, str(tag))
    except RecordError:
        raise ReleaseRefused(
            f"the tag {tag} exists and is no release; look at it with `git show {tag}`, "
            f"and remove it with `git tag -d {tag}`"
        ) from None
    held = _blobs_of(root, release.commit)
    differing = [path for path, blob in wanted.blobs.items() if held.get(path) != blob]
    if signing.unsigned(release.text) != wanted.message:
        differing.insert(0, "the tag's message")
    if differing:
        raise ReleaseRefused(
            f"{tag} was released before ({release.commit[:12]}) with other content: {', '.join(differing[:5])}; "
            "a release never changes: run the release again, and it derives the next version"
        )
    return Made(release.commit, made=False)


def _blobs_of(root: Path, commit: str) -> dict[str, str]:
    listing = git.run(root, "ls-tree", "-r", "-z", "--full-tree", commit).decode(errors="surrogateescape")
    lines = (line.partition("\t") for line in listing.split("\0") if line)
    return {path: about.split(" ")[2] for about, _, path in lines}


def _write_blobs(root: Path, files: Mapping[str, bytes]) -> dict[str, str]:
    """Store the files' contents and return each one's object by its path from the top of the repository."""
    top = git.prefix(root)
    for path in files:
        pure = PurePosixPath(path)
        if (
            pure.is_absolute()
            or str(pure) != path
            or {"..", "."} & set(pure.parts)
            or ".git" in path.lower().split("/")
        ):
            raise SetupError(f"{path!r} can't be part of a release; expected a plain path below the project's root")
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        for number, content in enumerate(files.values()):
            Path(folder, str(number)).write_bytes(content)
        listing = "".join(f"{folder}/{number}\n" for number in range(len(files)))
        objects = git.run(root, "hash-object", "-w", "--no-filters", "--stdin-paths", input=listing.encode())
    return {top + path: blob for path, blob in zip(files, objects.decode().split(), strict=True)}


def _write_commit(wanted: _Wanted, parent: str, env: Mapping[str, str]) -> str:
    root = wanted.root
    with tempfile.TemporaryDirectory(prefix="release-") as folder:
        own = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        git.run(root, "read-tree", parent, env=own)
        index.put(root, own, wanted.blobs)
        tree = git.run(root, "write-tree", env=own).decode().strip()
    sign = ["-S"] if git.setting(root, "commit.gpgSign", "bool") == "true" else []
    arguments = ["-c", "i18n.commitEncoding=UTF-8", "commit-tree", *sign, "-p", parent, tree]
    return git.run(root, *arguments, input=wanted.message.encode(), env=env).decode().strip()


def _publish(wanted: _Wanted, transaction: list[str], commit: str) -> Made:
    """Run the transaction; where another process was first, say what it made, or refuse."""
    lines = "\n".join(["start", *transaction, "prepare", "commit", ""]).encode()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        done = git.attempt(wanted.root, "update-ref", "-m", f"release: {wanted.tag}", "--stdin", input=lines)
        if done.returncode == 0:
            return Made(commit, made=True)
        present = _present(wanted)
        if present:
            return present
        if b".lock'" not in done.stderr or time.monotonic() > deadline:
            raise SetupError(
                f"{wanted.tag} wasn't made, and nothing was changed: {git.last_words(done.stderr)}; "
                "if the branch moved meanwhile, run the release again; if a lock is left over, remove it"
            )
        time.sleep(_PAUSE_SECONDS)


def push(root: Path, remote: str, tag: str, branch: str | None = None) -> None:
    """Push a release (and *branch*) to a Git remote, all or nothing; the same again is no error.

    Raises:
        TakenError: where the remote has another release of this name.
        SetupError: in Git's own words, without credentials.
    """
    ref = Tag.parse(tag).ref
    refs = [f"{ref}:{ref}"] + ([f"refs/heads/{branch}:refs/heads/{branch}"] if branch else [])
    done = git.attempt(root, "push", "--atomic", "--no-follow-tags", "--porcelain", "--", remote, *refs, hooks=True)
    if done.returncode == 0:
        return
    rejected = [line for line in done.stdout.split(b"\n") if line.startswith(b"!")]
    reason = git.last_words(b"\n".join(rejected) + b"\n" + done.stderr, lines=4)
    reason = re.sub(r"\s+", " ", reason)
    where = git.without_credentials(remote)
    if rejected and (b"(already exists)" in done.stdout or _is_taken(root, remote, ref)):
        back = f"`git reset --keep {tag}^`, " if branch else ""
        raise TakenError(
            f"{where} has another release of the name {tag} already ({reason}); someone was faster. Take theirs "
            f"and weigh against it: {back}`git tag -d {tag}`, `git fetch {where} --tags`, "
            "`snakemake --cores all --forcerun package`"
        )
    if any(b"refs/heads/" in line and line.endswith((b"(fetch first)", b"(non-fast-forward)")) for line in rejected):
        raise SetupError(
            f"{tag} is released here, and its name is free on {where}, but the branch {branch} has commits there that "
            f"yours lacks, so neither was pushed; `git pull --no-rebase {where} {branch}` (a rebase would leave the "
            "release behind), then run snakemake again, which pushes both"
        )
    raise _unpushed(tag, where, reason)


def _unpushed(tag: str, where: str, reason: str) -> SetupError:
    return SetupError(
        f"{tag} is released here but wasn't pushed to {where}: {reason}; "
        "mend that and run snakemake again, which pushes it"
    )


def pushed(root: Path, remote: str, tag: Tag) -> dict[str, str]:
    """Return the tag objects that a remote has for versions of *tag*'s model, by reference.

    Raises:
        SetupError: where it can't be reached; it says that *tag* wasn't pushed.
    """
    done = git.attempt(root, "ls-remote", "--refs", "--", remote, f"refs/tags/{tag.name}@v*")
    if done.returncode:
        raise _unpushed(str(tag), git.without_credentials(remote), git.last_words(done.stderr))
    lines = (line.split("\t") for line in done.stdout.decode(errors="replace").splitlines())
    return {ref: found for found, ref in lines}


def _is_taken(root: Path, remote: str, ref: str) -> bool:
    """Return whether the remote has another object of this name.

    Of two pushes at once Git may only say that one failed.
    """
    listing = git.attempt(root, "ls-remote", "--refs", "--", remote, ref).stdout.split()
    return bool(listing) and listing[0] != git.run(root, "rev-parse", ref).strip()
