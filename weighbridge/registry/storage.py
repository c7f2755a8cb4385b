"""DVC's cache and remote as a store of verified objects.

DVC trusts a read-only file in its cache and, unless told otherwise, whatever a remote delivers: each object is
digested here before it is used. DVC is imported when a store is opened, not before.
"""

import contextlib
import errno
import logging
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from weighbridge import paths
from weighbridge.errors import DataError, SetupError, WeighbridgeError
from weighbridge.registry import addresses, dvc_settings, git

T = TypeVar("T")

_LOCK_PAUSE_SECONDS = 0.2
_UNTOLD = -1


class Store:
    """The open DVC repository: :attr:`repo` is DVC's own, *objects* are named by their address."""

    def __init__(self, repo: Any) -> None:
        self.repo = repo

    @property
    def cache(self) -> Path:
        """The folder of the cache."""
        return Path(self.repo.cache.local.path)

    def cached(self, address: str) -> Path:
        """Return where the cache holds an object, if it does."""
        return Path(self.repo.cache.local.oid_to_path(address))

    def is_sound(self, address: str) -> bool:
        """Return whether the cache holds the object, undamaged."""
        path = self.cached(address)
        return path.is_file() and addresses.md5_file(path) == address.removesuffix(".dir")

    def remote(self, name: str | None = None) -> Any:
        """Return DVC's object database of a remote (the default one); ``None`` where there is none."""
        from dvc.config import NoRemoteError

        try:
            return self.repo.cloud.get_remote_odb(name, "push")
        except NoRemoteError:
            return None

    def files(self, address: str) -> dict[str, str]:
        """Return the MD5 of each file by its path below the folder; for a single file the path is empty.

        Raises:
            DataError: where the cached listing is none, or has a path that leads out of the folder.
        """
        if not address.endswith(".dir"):
            return {"": address}
        return addresses.read_listing(self.cached(address).read_bytes(), f"the content {address}")

    def fetch(self, address: str) -> dict[str, str] | None:
        """Have an address and all it lists in the cache, verified; return its files, ``None`` where it is nowhere.

        Raises:
            DataError: where an object is damaged and there is no better copy.
        """
        if not self._bring([address]):
            return None
        found = self.files(address)
        return found if self._bring(sorted(set(found.values()))) else None

    def _bring(self, wanted: list[str]) -> bool:
        lacking = [address for address in wanted if not self.is_sound(address)]
        remote = self.remote() if lacking else None
        there = [address for address in lacking if remote is not None and has(remote, address)]
        self._download(remote, there)
        for address in set(lacking) - set(there):
            if self.cached(address).exists():
                raise DataError(
                    f"{self.cached(address)} is damaged, and no remote has a copy; "
                    "put the file back where it came from and `dvc add` it again"
                )
        return len(there) == len(lacking)

    def _download(self, remote: Any, wanted: list[str]) -> None:
        if not wanted:
            return
        from dvc_objects.fs.local import localfs

        cache = self.repo.cache.local
        cache.makedirs(str(self.cache))
        with tempfile.TemporaryDirectory(dir=self.cache, prefix=paths.TEMPORARY) as folder:
            drafts = {address: Path(folder, address) for address in wanted}
            remote.fs.get([remote.oid_to_path(address) for address in wanted], [str(path) for path in drafts.values()])
            for address, path in drafts.items():
                if addresses.md5_file(path) != address.removesuffix(".dir"):
                    raise DataError(
                        f"the remote's object {remote.oid_to_path(address)} is damaged; "
                        "remove it there, and `dvc push` from where the content was made"
                    )
            for address in wanted:  # a damaged copy stays until there is a better one
                self.cached(address).unlink(missing_ok=True)
            cache.add([str(path) for path in drafts.values()], localfs, wanted, hardlink=True)

    def send(self, remote: Any, wanted: Iterable[str]) -> list[str]:
        """Copy cached objects to a remote and return those that aren't there afterwards, whole."""
        from dvc_data.hashfile.hash_info import HashInfo

        found = sorted(set(wanted))
        # Without DVC's index of the remote, which takes files for granted once it saw their folder's listing.
        self.repo.cloud.transfer(self.repo.cache.local, remote, {HashInfo("md5", address) for address in found})
        return [address for address in found if not self._arrived(remote, address)]

    def _arrived(self, remote: Any, address: str) -> bool:
        return size(remote, address) in {_UNTOLD, self.cached(address).stat().st_size}

    def damaged_on(self, remote: Any, address: str) -> bool:
        """Return whether a remote has the object, and other bytes under its name; it is read whole for that."""
        if not has(remote, address):
            return False
        with tempfile.TemporaryDirectory(prefix="object-") as folder:
            found = Path(folder, "content")
            remote.fs.get([remote.oid_to_path(address)], [str(found)])
            return addresses.md5_file(found) != address.removesuffix(".dir")

    def patiently(self, action: Callable[[], T], patience_seconds: float) -> T:
        """Run *action*, again while another DVC command holds the lock, for a bounded time."""
        from dvc.lock import LockError
        from dvc.rwlock import RWLockFileCorruptedError

        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                return action()
            except RWLockFileCorruptedError:
                # DVC writes its book of who reads and writes what in place: a kill has cut it short.
                Path(self.repo.tmp_dir, "rwlock").unlink(missing_ok=True)
            except LockError:
                if time.monotonic() > deadline:
                    raise SetupError(
                        f"another DVC command held its lock for {patience_seconds:.0f} s; wait for it, or end it; "
                        f"where none runs, remove {Path(self.repo.tmp_dir, 'rwlock')}"
                    ) from None
            time.sleep(_LOCK_PAUSE_SECONDS)


def has(remote: Any, address: str) -> bool:
    """Return whether a remote has an object; a remote that doesn't answer is an error of its client's."""
    return size(remote, address) is not None


def size(remote: Any, address: str) -> int | None:
    """Return the bytes of an object on a remote, -1 where it doesn't say, or ``None`` where it has none.

    Not by ``exists``, which takes an S3 server that doesn't answer for one that lacks the object.
    """
    try:
        found = remote.fs.info(remote.oid_to_path(address)).get("size")
    except FileNotFoundError:
        return None
    return _UNTOLD if found is None else int(found)


@contextlib.contextmanager
def opened(root: Path, beside: Path | None = None) -> Iterator[Store]:
    """Open DVC in *root*; what goes wrong within becomes an error of ours, and DVC's own log stays silent.

    Args:
        root: the project's root.
        beside: an empty folder for all that DVC writes for itself, to read remotes without a trace in *root*.

    Raises:
        SetupError: without ``dvc init``, without disk space, with credentials in the committed configuration, or
            where DVC or a remote fails.
    """
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    _refuse_secrets(root)
    with _silenced("dvc", "dvc_data", "dvc_objects"):
        try:
            with _apart(root, beside) if beside else Repo(str(root.absolute())) as repo:
                yield Store(repo)
        except WeighbridgeError:
            raise
        except NotDvcRepoError:
            raise SetupError(f"{root} isn't set up for DVC; run `dvc init` there, and commit what it makes") from None
        except Exception as problem:  # noqa: BLE001 - each remote has a client library with errors of its own
            raise _explained(problem) from None


def _apart(root: Path, folder: Path) -> Any:
    """Return a repository of DVC's in a *folder* of its own, with the configuration that DVC finds in *root*."""
    from dvc.config import Config
    from dvc.exceptions import NotDvcRepoError
    from dvc.repo import Repo

    home = dvc_settings.home(root)
    if home is None:
        raise NotDvcRepoError(str(root))
    (folder / ".dvc").mkdir(exist_ok=True)
    found = dict(Config(dvc_dir=str(home)))
    return Repo(
        str(folder), config=found | {"core": {**found["core"], "no_scm": True, "site_cache_dir": str(folder / "site")}}
    )


@contextlib.contextmanager
def _silenced(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _explained(problem: BaseException) -> SetupError:
    cause: BaseException | None = problem
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            where = f" ({cause.filename})" if cause.filename else ""
            return SetupError(f"no space left on the disk{where}; make room (`dvc gc` may help), then run it again")
        cause = cause.__cause__ or cause.__context__
    said = git.last_words(str(problem).encode())
    return SetupError(f"DVC failed with {type(problem).__name__}: {said}; `dvc doctor` shows how it is set up")


def _refuse_secrets(root: Path) -> None:
    """Refuse a committed configuration that holds credentials, or names files or commands to get them from."""
    home = dvc_settings.home(root)
    if home is None:
        return
    # Where .dvc itself is a link, Git knows the files where they are.
    listed = git.attempt(home.resolve(), "ls-files", "-z", "--", ".").stdout.decode(errors="replace").split("\0")
    if any(name.casefold() == "config.local" for name in listed):
        raise SetupError(
            f"{home / 'config.local'}: is committed, so everyone's DVC would do what it says; take it out with "
            "`git rm --cached .dvc/config.local`, and change what secrets it holds"
        )
    config = home / "config"
    for line, key, in_value in dvc_settings.refused(config.read_text(errors="replace") if config.is_file() else ""):
        if in_value:
            raise SetupError(
                f"{config}:{line}: {key!r} holds what looks like a secret, in a committed file; take it out, and keep "
                "user and password in .dvc/config.local: `dvc remote modify --local <remote> password …`"
            )
        raise SetupError(
            f"{config}:{line}: {key!r} doesn't belong in a committed file; "
            f"move it to .dvc/config.local: `dvc remote modify --local <remote> {key} <value>`"
        )
