"""Git's index while a release advances the branch: locked as Git does, replaced whole, set right after a kill."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import SetupError
from weighbridge.registry import git, processes

_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 0.05


class Draft(NamedTuple):
    """A copy of the user's index to work on, which takes its place in :meth:`replace`."""

    root: Path
    path: Path
    real: Path

    @property
    def env(self) -> dict[str, str]:
        """Variables under which Git works on the copy."""
        return {"GIT_INDEX_FILE": str(self.path)}

    def replace(self) -> None:
        """Put the copy into the index's place."""
        git.attempt(self.root, "update-index", "-q", "--refresh", env=self.env)
        documents.write(self.real, self.path.read_bytes())


@contextlib.contextmanager
def locked(root: Path) -> Iterator[Draft]:
    """Hold Git's own lock on the index, as ``git add`` does, so that neither undoes the other's work.

    Raises:
        SetupError: where another Git command holds it too long.
    """
    real = root / os.fsdecode(git.run(root, "rev-parse", "--git-path", "index")).removesuffix("\n")
    lock = real.with_name("index.lock")
    _take(lock)
    try:
        with tempfile.TemporaryDirectory(prefix="release-") as folder:
            draft = Path(folder, "index")
            if real.exists():  # not so in a clone without checkout
                shutil.copy2(real, draft)
            yield Draft(root, draft, real)
    finally:
        lock.unlink(missing_ok=True)


def _take(lock: Path) -> None:
    """Make the lock, with this process's name in it: where it is killed, the next one knows that the lock is stale."""
    with tempfile.NamedTemporaryFile(dir=lock.parent, prefix=paths.TEMPORARY) as claim:
        claim.write(msgspec.json.encode(processes.own()))
        claim.flush()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                _appear(lock, Path(claim.name))
            except FileExistsError:
                if _is_stale(lock):
                    lock.unlink(missing_ok=True)
                elif time.monotonic() > deadline:
                    raise SetupError(
                        f"{lock} is held by another Git command; wait for it, or remove the file where none is running"
                    ) from None
                time.sleep(_PAUSE_SECONDS)
            else:
                return


def _appear(lock: Path, claim: Path) -> None:
    """Let the lock be there with all that *claim* holds, at once; on a file system without hard links, as Git does.

    Raises:
        FileExistsError: where the lock is there.
    """
    try:
        lock.hardlink_to(claim)
    except FileExistsError:
        raise
    except OSError:
        content = claim.read_bytes()
        with lock.open("xb") as stream:
            stream.write(content)


def _is_stale(lock: Path) -> bool:
    """Return whether the lock is one of ours whose process is gone; Git's own don't say whose they are."""
    try:
        holder = msgspec.json.decode(lock.read_bytes(), type=processes.Process)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return False
    return processes.is_alive(holder) is False


def put(root: Path, env: Mapping[str, str], blobs: Mapping[str, str]) -> None:
    """Put files into the index that the variables *env* name: objects by path from the top of the repository."""
    lines = b"".join(f"100644 {blob}\t{path}\0".encode() for path, blob in blobs.items())
    git.run(root, "update-index", "-z", "--replace", "--index-info", input=lines, env=env)


def write_out(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files into the working tree, by path relative to *root*; those that are the same stay untouched."""
    for path, content in files.items():
        target = root / path
        if target.is_symlink() or not target.is_file() or target.read_bytes() != content:
            documents.write(target, content)


def complete(root: Path, commit: str) -> None:
    """Finish an advance that a kill has cut short: the branch is at the release *commit*, the index still before it.

    What the user has staged or changed meanwhile stays as it is.

    Raises:
        SetupError: where Git fails.
    """
    if git.head(root) != commit:
        return
    before, after = (_blobs(root, "ls-tree", "-r", "-z", "--full-tree", rev) for rev in (f"{commit}^", commit))
    changed = {path: blob for path, blob in after.items() if before.get(path) != blob}
    with locked(root) as draft:
        held = _blobs(root, "ls-files", "--stage", "--full-name", "-z", env=draft.env)
        behind = {path: blob for path, blob in changed.items() if held.get(path) == before.get(path)}
        if not behind:
            return
        put(root, draft.env, behind)
        top = git.prefix(root)
        for path, blob in behind.items():
            target = root / path.removeprefix(top)
            if path.startswith(top) and _is_as_before(root, target, before.get(path)):
                documents.write(target, _content(root, blob))
        draft.replace()


def _is_as_before(root: Path, target: Path, blob: str | None) -> bool:
    """Return whether nobody has touched the file since: it is still absent, or what the object *blob* is."""
    if target.is_symlink() or not target.is_file():
        return not target.is_symlink() and not target.exists()
    return blob is not None and target.read_bytes() == _content(root, blob)


def _blobs(root: Path, *command: str, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return each file's object by path; of a tree's line that is the third word, of the index's the second."""
    listing = git.run(root, *command, env=env).decode(errors="surrogateescape")
    lines: Iterable[tuple[str, str, str]] = (line.partition("\t") for line in listing.split("\0") if line)
    place = 2 if command[0] == "ls-tree" else 1
    return {path: about.split(" ")[place] for about, _, path in lines}


def _content(root: Path, blob: str) -> bytes:
    return git.run(root, "cat-file", "blob", blob)
