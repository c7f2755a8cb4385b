"""DVC's cache as a folder of files: objects by MD5, read and written without opening DVC.

The place comes from DVC's own configuration, whose import takes 0.13 s where the whole of DVC takes 0.65 s. A file
lies at ``files/md5/<first two digits>/<the rest>``, read-only; a folder is such a file too, the listing of its files,
with ``.dir`` at the end (source: ``dvc_data.hashfile.db.local.LocalHashFileDB`` and ``dvc_data.hashfile.tree``).
What is put here without a pointer is no different from what ``dvc add`` puts: ``dvc gc`` may remove it.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from weighbridge import paths
from weighbridge.errors import DataError, SetupError
from weighbridge.registry import dvc_settings
from weighbridge.registry.addresses import folder_address, md5_file, read_listing

_OBJECT_MODE = 0o444  # by which DVC knows its own
_SHARED_FOLDER_MODE = 0o2775


class Cache(NamedTuple):
    """DVC's cache: the folder of its objects, and whether a group of people shares it."""

    folder: Path
    shared: bool = False

    def path(self, address: str) -> Path:
        """Return where the object with this address lies, or would."""
        return self.folder / address[:2] / address[2:]

    def listing(self, address: str) -> dict[str, str]:
        """Return the MD5 of each file of a folder by its path, read from the folder's object.

        Raises:
            FileNotFoundError: where the cache doesn't have it.
            DataError: where it is damaged, or a path leads out of the folder.
        """
        path = self.path(address)
        if md5_file(path) != address.removesuffix(".dir"):
            raise DataError(f"{path} is damaged: its bytes aren't those that its name tells")
        return read_listing(path.read_bytes(), str(path))

    def put(self, source: Path) -> str:
        """Store a folder of files and return its address; an object that is there is kept if whole, else replaced.

        The folder's own object comes last, so a kill leaves none whose files are lacking.

        Raises:
            OSError: without space or rights.
        """
        address, _ = folder_address(source)
        files = sorted(path for path in source.rglob("*") if path.is_file())
        digests = {path.relative_to(source).as_posix(): md5_file(path) for path in files}
        for name, md5 in digests.items():
            self._store(source / name, md5)
        listing = [{"md5": md5, "relpath": name} for name, md5 in sorted(digests.items())]
        with tempfile.TemporaryDirectory() as folder:
            text = Path(folder, "listing")
            text.write_text(json.dumps(listing, sort_keys=True))
            self._store(text, address)
        return address

    def _store(self, source: Path, address: str) -> None:
        target = self.path(address)
        if target.is_file() and md5_file(target) == address.removesuffix(".dir"):
            return
        self._make_folder(target.parent)
        descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=paths.TEMPORARY)
        try:
            with os.fdopen(descriptor, "wb") as stream, source.open("rb") as content:
                shutil.copyfileobj(content, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).chmod(_OBJECT_MODE)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _make_folder(self, folder: Path) -> None:
        lacking = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if self.shared:
            for one in lacking:
                with contextlib.suppress(OSError):  # a colleague may have made it meanwhile
                    one.chmod(_SHARED_FOLDER_MODE)


def of(root: Path) -> Cache:
    """Return the cache that DVC uses in *root*, by DVC's configuration: committed, local, global and system-wide.

    Raises:
        SetupError: where DVC isn't set up, its configuration is damaged, or the cache isn't in a folder.
    """
    home = dvc_settings.home(root)
    if home is None:
        raise SetupError(f"{root} isn't set up for DVC; run `dvc init` there, and commit what it makes")
    settings = _configured(home)
    place = str(settings.get("dir") or home / "cache")
    if settings.get("local") or "://" in place:
        raise SetupError(f"DVC's cache is on another system ({settings.get('local') or place}); expected a folder")
    return Cache(Path(place).absolute() / "files" / "md5", shared=bool(settings.get("shared")))


def _configured(home: Path) -> Mapping[str, Any]:
    from dvc.config import Config, ConfigError

    try:
        found: Mapping[str, Any] = Config(dvc_dir=str(home))["cache"]
    except ConfigError as problem:
        raise SetupError(f"{home / 'config'}: {problem}; `dvc config --list` shows what is there") from None
    return found
