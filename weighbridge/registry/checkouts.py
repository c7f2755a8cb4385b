"""A commit of the project in a folder of its own: code, tags and content; the repository it comes from is only read.

Git's objects are borrowed (``objects/info/alternates``), so nothing is fetched and nothing runs that a clone would
run. Content is copied from the DVC cache, or brought from the remote, into a cache that belongs to the folder.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from weighbridge import documents, paths
from weighbridge.digest import FileEntry, folder_entries
from weighbridge.errors import DataError, SetupError
from weighbridge.registry import addresses, git, storage
from weighbridge.registry.releases import Release
from weighbridge.registry.storage import Store

_WRITTEN = (".dvc", "config", "data", "models", "results", "logs", "runs", "approvals", ".snakemake")


def check_out(root: Path, folder: Path, commit: str, tags: Iterable[Release] = ()) -> Path:
    """Lay out *commit* in the new *folder* and return where the project's root is in it.

    Args:
        root: the project's root, in any of its clones.
        folder: where to; must not exist, or be empty.
        commit: the whole id of a commit.
        tags: the only releases that the folder shall know of.

    Raises:
        SetupError: where the commit isn't there, or has links where something is written, or Git fails.
    """
    if git.attempt(root, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise SetupError(
            f"the commit {commit[:12]} isn't in this repository; bring the whole history with "
            "`git fetch --unshallow --tags`, or `git fetch --tags` where the clone isn't shallow"
        )
    form = git.run(root, "rev-parse", "--show-object-format").decode().strip()
    git.run(root, "init", "--quiet", "--template=", f"--object-format={form}", "--", str(folder))
    objects = root / os.fsdecode(git.run(root, "rev-parse", "--git-path", "objects")).removesuffix("\n")
    documents.write(folder / ".git/objects/info/alternates", f"{objects.resolve()}\n")
    for release in tags:
        git.run(folder, "update-ref", release.tag.ref, release.object)
    git.run(folder, "checkout", "--quiet", "--detach", commit)
    place = folder / git.prefix(root)
    _refuse_links(folder, place)
    if not place.is_dir():
        raise SetupError(f"the commit {commit[:12]} has no folder {git.prefix(root)}; expected the project there")
    return place


def _refuse_links(folder: Path, place: Path) -> None:
    """Refuse links that the commit brings where something is written: they lead out of the *folder*."""
    steps = [step for step in (place, *place.parents) if step.is_relative_to(folder)]
    own = [place / path for path in (*_WRITTEN, paths.RAW, paths.RAW_POINTER)]
    inner = (
        Path(parent, name)
        for parent, folders, files in os.walk(place / ".dvc")  # itself no link: that is found before
        for name in (*folders, *files)
    )
    link = next((step for step in (*steps, *own, *inner) if step.is_symlink()), None)
    if link is not None:
        raise SetupError(
            f"the commit has a link at {link.relative_to(folder)}, to '{link.readlink()}', and what is written would "
            "land there; such a release can't be reproduced, and don't trust who made it"
        )


def isolate(place: Path) -> None:
    """Give a checkout its own, empty DVC cache and remote, whatever its configuration or the user's says.

    Otherwise a run in it would read and write the cache of the project that it comes from.
    """
    cache, remote = place / ".dvc/cache", place / ".dvc/tmp/remote"
    remote.mkdir(parents=True, exist_ok=True)
    text = (
        f"[cache]\n    dir = {cache}\n    type = copy\n[core]\n    remote = none\n    analytics = false\n"
        f"['remote \"none\"']\n    url = {remote}\n"
    )
    documents.write(place / ".dvc/config.local", text)


def lend(root: Path, place: Path, wanted: Iterable[str]) -> frozenset[str]:
    """Copy content from the cache or the remote of the project at *root* into the cache of the checkout *place*.

    Returns:
        Those of the addresses *wanted* that *place* has now, whole.

    Raises:
        DataError: where a folder's listing has unsafe paths, or an object is damaged on the remote.
        SetupError: where DVC isn't set up, or the remote can't be reached.
    """
    with storage.opened(root) as lender, storage.opened(place) as borrower:
        return frozenset(address for address in wanted if _lend(lender, borrower, address))


def _lend(lender: Store, borrower: Store, address: str) -> bool:
    if not _copy(lender, borrower, [address]):
        return False
    return _copy(lender, borrower, sorted(set(borrower.files(address).values())))


def _copy(lender: Store, borrower: Store, wanted: list[str]) -> bool:
    """Copy objects, and return whether all were there; what the cache holds damaged is brought from the remote."""
    lacking = [address for address in wanted if not borrower.is_sound(address)]
    near = [address for address in lacking if lender.is_sound(address)]
    far = sorted(set(lacking) - set(near))
    remote = lender.remote() if far else None
    if far and (remote is None or not all(storage.has(remote, address) for address in far)):
        return False
    borrower.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=borrower.cache, prefix=paths.TEMPORARY) as folder:
        drafts = {address: Path(folder, address) for address in lacking}
        for address in near:
            shutil.copyfile(lender.cached(address), drafts[address])
        if remote is not None:
            remote.fs.get([remote.oid_to_path(one) for one in far], [str(drafts[one]) for one in far])
        for address, draft in drafts.items():
            if addresses.md5_file(draft) != address.removesuffix(".dir"):
                raise DataError(
                    f"the object {address} is damaged where it comes from; remove it from DVC's remote, and "
                    "`dvc push` it from where it was made"
                )
            draft.chmod(0o444)
            borrower.cached(address).parent.mkdir(parents=True, exist_ok=True)
            draft.replace(borrower.cached(address))
    return True


def require(folder: Path, expected: Mapping[str, str], *, whole: bool, source: str) -> None:
    """Compare the files of *folder* with their SHA-256.

    Args:
        folder: where they lie.
        expected: SHA-256 by path.
        whole: whether other files than these are wrong as well.
        source: who expects it, for the message.

    Raises:
        DataError: listing each file that is missing, different, or there without being named.
    """
    found = {entry.path: entry.sha256 for entry in folder_entries(folder)}
    wrong = [
        f"{path}: found {found[path][:12] if path in found else 'nothing'}, expected {sha256[:12]}"
        for path, sha256 in expected.items()
        if found.get(path) != sha256
    ]
    wrong += [f"{path}: found, and not named" for path in found if whole and path not in expected]
    if wrong:
        listing = "\n".join(f"  {line}" for line in wrong)
        raise DataError(f"{folder.name}: not what {source} says, by SHA-256:\n{listing}\nDon't trust where it is from")


def digests(files: Iterable[FileEntry]) -> dict[str, str]:
    """Return SHA-256 by path, as :func:`require` takes it."""
    return {file.path: file.sha256 for file in files}
