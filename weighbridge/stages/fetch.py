"""fetch: raw files are there, and equal to their DVC pointer."""

import shutil
import tempfile
from pathlib import Path

from weighbridge import documents, paths
from weighbridge.data.schema import own_code, resolve
from weighbridge.digest import folder_entries, sha256_folder
from weighbridge.errors import DataError
from weighbridge.manifest import Raw
from weighbridge.registry import content, placing, trusted
from weighbridge.tasks import FetchTask

_DRAFT = f"{paths.TEMPORARY}raw-"


def run(root: Path, task: FetchTask) -> Raw:
    """Bring the raw files where they are absent, and record what is there.

    They come from DVC's cache or remote, else from the project's own ``fetch``; either way they must be what the
    pointer says. Files that are there already are never touched: where they differ from the pointer the pipeline
    goes on with them, and only the release refuses.

    Raises:
        DataError: where fetched files differ from the pointer, or from what is on record for it, or there are none.
    """
    folder, pointer = root / paths.RAW, root / paths.RAW_POINTER
    expected = content.pointer_address(pointer) if pointer.is_file() else None
    on_record = trusted.raw_sha256(root, expected) if expected else None
    placing.remove_forgotten(folder.parent, _DRAFT)
    anew = not _has_files(folder) and not (expected and content.pull(root, pointer, sha256=on_record))
    if anew:
        _fetch_anew(root, task.fetch, expected)
    if not _has_files(folder):
        raise DataError(f"{paths.RAW}: no files; put the raw data there and run 'dvc add {paths.RAW}'")
    entries = folder_entries(folder)
    # What DVC has not seen yet must be in its cache, or it can't be pushed with the release.
    known = expected and not anew
    address = content.folder_address(folder)[0] if known else content.add(root, folder)
    raw = Raw(sha256=sha256_folder(entries), dvc=address, files=entries)
    _compare(root, raw, on_record if address == expected else trusted.raw_sha256(root, address))
    documents.write_record(root / paths.RAW_RECORD, raw)
    if not expected:
        print(f"{paths.RAW_POINTER} is new: commit it with 'git add {paths.RAW_POINTER} data/.gitignore'")
    elif address != expected:
        print(f"{paths.RAW} differs from its pointer: runs go on with it, a release needs 'dvc add {paths.RAW}'")
    return raw


def _compare(root: Path, raw: Raw, on_record: str | None) -> None:
    """Refuse files that share DVC's address with others on record; put on record what is new."""
    trusted.require(raw.sha256, on_record, paths.RAW.as_posix(), raw.dvc)
    if on_record is None:
        trusted.remember(root, raw.dvc, raw.sha256)


def _has_files(folder: Path) -> bool:
    return folder.is_dir() and any(path.is_file() for path in folder.rglob("*"))


def _fetch_anew(root: Path, function: str, expected: str | None) -> None:
    """Fetch into a temporary folder, compare with the pointer, and only then rename into place."""
    folder = root / paths.RAW
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder.parent))
    try:
        temporary.chmod(0o755)
        bring = resolve(function)
        with own_code(function):
            bring(temporary)
        links = sorted(path.name for path in temporary.rglob("*") if path.is_symlink())
        if links:  # DVC would take in what lies behind them, whatever that is then and on this machine
            raise DataError(f"{function} wrote the link {links[0]!r}; it must write the files themselves")
        if not _has_files(temporary):
            raise DataError(f"{function} wrote no file; it must write the raw files into the folder it is given")
        found = content.folder_address(temporary)[0]
        if expected and found != expected:
            raise DataError(
                f"{function} brought other files than {paths.RAW_POINTER} names: found {found}, expected {expected}. "
                f"Bring the right ones with 'dvc pull {paths.RAW_POINTER}', or, where the new ones are meant, put them "
                f"into {paths.RAW} and run 'dvc add {paths.RAW}'"
            )
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
