"""Content by address: what data and bundles are to Git, through DVC's cache and remotes.

Nothing is used unless it was digested and found whole, and nothing is written anywhere but below its own folder.
DVC is imported only when something must be moved.
"""

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from weighbridge import paths
from weighbridge.digest import folder_entries, sha256_folder
from weighbridge.errors import DataError, SetupError
from weighbridge.registry import storage, trusted
from weighbridge.registry.addresses import folder_address, listing_address, md5_file, parse_pointer, pointer_address
from weighbridge.registry.storage import Store

__all__ = ["NowhereError", "add", "folder_address", "materialise", "pointer_address", "pull", "push"]

_PATIENCE_SECONDS = 60.0


class NowhereError(SetupError):
    """Content is neither in DVC's cache nor on its remote."""


def add(root: Path, path: Path | str, *, patience_seconds: float = _PATIENCE_SECONDS) -> str:
    """Put what lies at *path* (relative to *root*) under DVC, as ``dvc add`` does, and return its address.

    The files themselves stay as they are: DVC's default would remove and link them again, and a kill in between
    loses data.

    Raises:
        SetupError: without ``dvc init``, without disk space, or where another DVC command holds its lock too long.
        DataError: where there is nothing to add, or the files changed meanwhile.
    """
    target = root / path
    before = _content(target)
    with storage.opened(root) as store:
        _drop_damaged(store, target)
        store.patiently(lambda: store.repo.add(str(target.absolute()), relink=False), patience_seconds)
    address = pointer_address(target.with_name(f"{target.name}.dvc"))
    expected = folder_address(target)[0] if target.is_dir() else md5_file(target)
    if _content(target) != before or address != expected:
        raise DataError(
            f"{target}: changed while it was added, or a .dvcignore leaves out part of it "
            f"(DVC says {address}, it is {expected}); see to that, then add it again"
        )
    return expected


def _drop_damaged(store: Store, target: Path) -> None:
    """Remove damaged objects that adding *target* would replace; DVC takes what the cache has for whole."""
    files = [path for path in target.rglob("*") if path.is_file()] if target.is_dir() else [target]
    digests = {path.relative_to(target).as_posix(): md5_file(path) for path in files if path.is_file()}
    found = {*digests.values(), *([listing_address(digests.items())] if target.is_dir() else [])}
    for one in sorted(found):
        if store.cached(one).exists() and not store.is_sound(one):
            store.cached(one).unlink()


def _content(target: Path) -> str:
    if target.is_file():
        return md5_file(target)
    entries = folder_entries(target) if target.is_dir() else ()
    if not entries:
        raise DataError(f"{target}: nothing there to add; expected a folder with files")
    return sha256_folder(entries)


def pull(
    root: Path, pointer: Path | str, *, patience_seconds: float = _PATIENCE_SECONDS, sha256: str | None = None
) -> bool:
    """Bring what *pointer* (a ``.dvc`` file, relative to *root*) names into its place.

    With *sha256*, the digest of the folder as :func:`weighbridge.digest.sha256_folder` has it, other content under
    the same address is refused before any of it is put there.

    Returns:
        Whether it is there now; ``False`` where neither the cache nor DVC's default remote has it.

    Raises:
        DataError: where the content is damaged, or would be written elsewhere than below its folder, or the place
            holds files that DVC doesn't.
        SetupError: where DVC isn't set up, or the remote can't be reached.
    """
    path = root / pointer
    if not path.is_file():
        raise DataError(f"{path}: no such DVC pointer; make it with `dvc add {path.with_suffix('')}`")
    address, name = parse_pointer(path.read_bytes(), str(path))
    target = path.parent / name
    if _is_there(target, address):
        return True
    with storage.opened(root) as store:
        found = store.fetch(address)
        if found is None:
            return False
        _require(store, found, sha256, address)
        _refuse_links(store, root.absolute(), target.absolute(), found)
        store.patiently(lambda: _check_out(store, path, target), patience_seconds)
    return True


def _require(store: Store, found: dict[str, str], sha256: str | None, address: str) -> None:
    """Refuse what DVC's cache holds under *address* where its SHA-256 is another than *sha256*, if that is known."""
    if sha256 is not None:
        in_cache = trusted.digest_of({name: store.cached(md5) for name, md5 in found.items()})
        trusted.require(in_cache, sha256, "DVC's content", address)


def _is_there(target: Path, address: str) -> bool:
    if target.is_symlink():
        return False
    if address.endswith(".dir"):
        return target.is_dir() and folder_address(target)[0] == address
    return target.is_file() and md5_file(target) == address


def _check_out(store: Store, pointer: Path, target: Path) -> None:
    from dvc.exceptions import DvcException

    try:
        store.repo.checkout(targets=[str(pointer.absolute())])
    except DvcException as problem:
        if "without confirmation" not in str(problem):
            raise
        raise DataError(
            f"{target}: holds files that DVC doesn't have; `dvc add` it to keep them, or move them away, then try again"
        ) from None


def _refuse_links(store: Store, root: Path, target: Path, names: Iterable[str]) -> None:
    """Refuse to write through links; a file itself may be one, into DVC's cache."""
    files = {target / name if name else target for name in names}
    folders = {parent for file in files for parent in file.parents if root in parent.parents}
    cache = store.cache.resolve()
    for place in sorted(files | folders | {target}):
        own = place in files and place.resolve().is_relative_to(cache)
        if place.is_symlink() and not own:
            raise DataError(f"{place}: is a link, and content would be written through it; remove it, then try again")


def materialise(root: Path, pointer_bytes: bytes, destination: Path, *, sha256: str | None = None) -> None:
    """Write the content that a pointer names into *destination*, a folder that DVC doesn't track.

    It comes from the cache, or from the default remote. Only whole, verified content is put there, and where *sha256*
    is given, as for :func:`pull`, only that; a *destination* that has it already is left alone, one with other content
    is replaced.

    Raises:
        DataError: where the content is damaged or has unsafe paths.
        NowhereError: where neither cache nor remote has it.
    """
    address, name = parse_pointer(pointer_bytes, "the DVC pointer")
    if sha256 is None and address.endswith(".dir") and _is_there(destination, address):
        return
    with storage.opened(root) as store:
        found = store.fetch(address)
        if found is None:
            raise NowhereError(
                f"the content {address} is neither in DVC's cache nor on its remote; "
                "`dvc push` it where it was made, or check `dvc remote list`"
            )
        _require(store, found, sha256, address)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=destination.parent, prefix=paths.TEMPORARY) as folder:
            draft = Path(folder, "content")
            draft.mkdir()
            for file, md5 in found.items():
                _copy(store.cached(md5), draft / (file or name), md5)
            if destination.exists():
                destination.rename(Path(folder, "replaced"))
            draft.rename(destination)


def _copy(source: Path, target: Path, md5: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if md5_file(target) != md5:
        raise DataError(f"{source}: changed while it was copied; try again")


def push(root: Path, addresses: Iterable[str], remote: str | None = None) -> int:
    """Send content to a DVC remote (the default one) and see that it arrived; the same again is no error.

    Returns:
        The number of objects that the remote now has for *addresses*.

    Raises:
        DataError: where the cache lacks some of it, or holds it damaged.
        SetupError: without a remote, or where it can't be reached or didn't take all.
    """
    with storage.opened(root) as store:
        target = store.remote(remote)
        if target is None:
            raise SetupError(
                "DVC has no default remote to push to; run `dvc remote add -d storage <address>`, "
                "or release without a push"
            )
        objects = sorted({one for address in addresses for one in _sound(store, address)})
        missing = store.send(target, objects)
        if missing:
            raise SetupError(
                f"{len(missing)} of {len(objects)} objects, {missing[0]} among them, didn't arrive whole on DVC's "
                "remote; check its space and rights, then run it again"
            )
    return len(objects)


def _sound(store: Store, address: str) -> list[str]:
    whole = [address, *store.files(address).values()] if store.is_sound(address) else [address]
    bad = [one for one in whole if not store.is_sound(one)]
    if bad:
        raise DataError(
            f"DVC's cache has {bad[0]}, a part of {address}, damaged or not at all, so it isn't pushed; "
            "`dvc add` the folder again, then push"
        )
    return whole
