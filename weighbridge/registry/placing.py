"""Content and files put into a project, or a folder of the same layout: prepared beside, then renamed into place.

Nothing is put in place before all of it was compared, and nothing is replaced whose content isn't kept elsewhere: of a
file, in the commit that is checked out; of a folder, in DVC's cache.
"""

import contextlib
import errno
import itertools
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from weighbridge import documents, paths
from weighbridge.digest import folder_entries, sha256_file
from weighbridge.errors import DataError, RecordError, SetupError
from weighbridge.registry import addresses, checkouts, content, git, storage

_FORGOTTEN_SECONDS = 86400


class Folder(NamedTuple):
    """A folder to be put in place.

    Attributes:
        path: where it goes, relative to the project's root.
        pointer: the bytes of its DVC pointer.
        sha256: SHA-256 of its files by path.
        whole: whether it may hold no other files.
        single: whether it is no folder but one file, whose SHA-256 stands under its name.
    """

    path: Path
    pointer: bytes
    sha256: Mapping[str, str]
    whole: bool = True
    single: bool = False


class Prepared:
    """Folders that lie ready, each beside its place; a context that removes what wasn't put in place."""

    def __init__(self, root: Path, target: Path) -> None:
        """Prepare for *target* what *root*, a project, has in its DVC cache or on its remote."""
        self._root = root
        self._target = target
        self._drafts: dict[Path, Path] = {}
        self._temporary: list[Path] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._temporary:
            shutil.rmtree(folder, ignore_errors=True)

    def bring(self, wanted: Folder, source: str) -> None:
        """Bring a folder's content, or one file, beside its place, each file checked by SHA-256.

        Raises:
            DataError: where it isn't what *source* says.
            NowhereError: where neither cache nor remote has it.
        """
        address, name = addresses.parse_pointer(wanted.pointer, f"{wanted.path}.dvc")
        if name != wanted.path.name or address.endswith(".dir") == wanted.single:
            what = "file" if wanted.single else "folder"
            raise DataError(f"{wanted.path}.dvc: names {name}, {address}; expected the {what} {wanted.path.name}")
        parent = (self._target / wanted.path).parent
        parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=paths.TEMPORARY, dir=parent))
        self._temporary.append(temporary)
        draft = temporary / wanted.path.name
        content.materialise(self._root, wanted.pointer, draft)
        checkouts.require(draft, wanted.sha256, whole=wanted.whole, source=source)
        self._drafts[wanted.path] = draft / name if wanted.single else draft

    def draft(self, path: Path) -> Path:
        """Return where what goes to *path* lies until then."""
        return self._drafts[path]

    def put(self) -> tuple[Path, ...]:
        """Rename each into its place, unless what is there is the same; return those that were put."""
        return tuple(path for path in self._drafts if self._swap(path))

    def _swap(self, path: Path) -> bool:
        target, draft = self._target / path, self._drafts[path]
        if target.is_dir():
            if folder_entries(target) == folder_entries(draft):
                return False
            target.rename(draft.with_name("replaced"))
        elif target.is_file() and sha256_file(target) == sha256_file(draft):
            return False
        draft.rename(target)
        return True


def remove_forgotten(place: Path, prefix: str) -> None:
    """Remove what killed jobs have left in *place* under names that begin so; not what may be at work still."""
    for left_over in place.glob(f"{prefix}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - left_over.stat().st_mtime > _FORGOTTEN_SECONDS:
                shutil.rmtree(left_over, ignore_errors=True)


def put_folder(draft: Path, target: Path) -> None:
    """Rename the folder *draft* to *target*, and remove what was there; the same content is left alone.

    Others may do so at the same time: of these the last one's stays, whole.
    """
    aside = Path(tempfile.mkdtemp(prefix=paths.TEMPORARY, dir=target.parent))
    try:
        for attempt in itertools.count():
            if target.is_dir() and folder_entries(target) == folder_entries(draft):
                return
            with contextlib.suppress(FileNotFoundError):
                target.rename(aside / str(attempt))
            try:
                draft.rename(target)
            except OSError as problem:
                if problem.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
                    raise
            else:
                return
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def in_the_way(root: Path, folders: Mapping[Path, bytes], files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Return in words what would be lost if these folders and files were put into the working tree.

    Args:
        root: the project's root.
        folders: DVC pointers by the folders' paths, relative to *root*.
        files: content by path relative to *root*.
    """
    return (*_folders_in_the_way(root, folders), *_files_in_the_way(root, files))


def _files_in_the_way(root: Path, files: Mapping[str, bytes]) -> Iterator[str]:
    there = []
    for path, wanted in files.items():
        link = next((parent for parent in _steps(root, path) if parent.is_symlink()), None)
        if link is not None:
            yield f"{link.relative_to(root)}: is a link, and files would be written through it; remove it"
        elif (root / path).is_dir():
            yield f"{path}: is a folder, and a file would take its place; move it away"
        elif (root / path).is_file() and (root / path).read_bytes() != wanted:
            there.append(path)
    for path in git.unlike_head(root, there):
        yield f"{path}: differs from HEAD; commit it, or move it away"


def _steps(root: Path, path: str) -> Iterator[Path]:
    place = root
    for part in Path(path).parts:
        place /= part
        yield place


def _folders_in_the_way(root: Path, folders: Mapping[Path, bytes]) -> Iterator[str]:
    changing: dict[Path, str] = {}
    for path, pointer in folders.items():
        place = root / path
        single = not str(content.pointer_address(pointer)).endswith(".dir")
        link = next((parent for parent in _steps(root, path.as_posix()) if parent.is_symlink()), None)
        if link is not None:
            yield f"{link.relative_to(root)}: is a link, and content would be written through it; remove it"
        elif place.exists() and place.is_dir() == single:
            yield f"{path}: is {'a' if single else 'no'} folder; move it away"
        elif place.is_file() or (place.is_dir() and any(place.iterdir())):
            found = addresses.md5_file(place) if single else _address(place)
            if found is None:
                yield f"{path}: holds links or folders that DVC leaves out; move them away"
            elif found != content.pointer_address(pointer):
                changing[path] = found
    if not changing:
        return
    with storage.opened(root) as store:
        for path, found in changing.items():
            if not (store.is_sound(found) and all(map(store.is_sound, store.files(found).values()))):
                yield f"{path}: holds what DVC's cache doesn't; 'dvc add {path}' keeps it, or move it away"


def _address(folder: Path) -> str | None:
    """Return DVC's address of a folder; ``None`` where DVC would leave out a part of it."""
    entries = list(folder.rglob("*"))
    if any(path.is_symlink() for path in entries):
        return None
    try:
        found, _ = addresses.folder_address(folder)
    except DataError:
        return None
    files = ((path.relative_to(folder).as_posix(), path) for path in entries if path.is_file())
    whole = addresses.listing_address((name, addresses.md5_file(path)) for name, path in files)
    return found if found == whole else None


def write_files(root: Path, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """Write each file that isn't there as it should be, whole or not at all; return those.

    Raises:
        RecordError: before anything is written, where a path isn't plain.
        SetupError: without space or rights.
    """
    unsafe = addresses.unsafe(files)
    if unsafe is not None:
        raise RecordError(f"{unsafe!r}: no name of a plain file in a project; refused, don't trust its origin")
    changed = tuple(path for path, wanted in files.items() if not _holds(root / path, wanted))
    for path in changed:
        try:
            documents.write(root / path, files[path])
        except OSError as problem:
            raise SetupError(f"{path}: {problem.strerror}; mend that, and restore again: it goes on") from None
    return changed


def _holds(path: Path, wanted: bytes) -> bool:
    return path.is_file() and path.read_bytes() == wanted
