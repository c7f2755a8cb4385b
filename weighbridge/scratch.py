"""A node's own disk: rows that are read again and again are copied there, where ``WEIGHBRIDGE_SCRATCH`` names one.

Nothing depends on it. Copies are compared by digest before they are read, and where there is no room the rows are read
where they lie. A folder is its process's own, held by a lock on a file in it; the kernel lets go of that however the
process ends, so the next start on the node removes what a killed one has left, and nothing else.
"""

import contextlib
import fcntl
import hashlib
import os
import platform
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from weighbridge import paths
from weighbridge.digest import sha256_file
from weighbridge.errors import DataError

VARIABLE = "WEIGHBRIDGE_SCRATCH"
"""Names the folder; other variables in it are put in where the job runs."""
_BLOCK = 8 << 20
_LOCK = "lock"
_UNSET = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

Progress = Callable[[str], None]


@contextlib.contextmanager
def folder(progress: Progress) -> Iterator[Path | None]:
    """Yield a new folder on scratch, gone afterwards; ``None`` where none is named or can be had, which is told."""
    place = _place(progress)
    with contextlib.ExitStack() as stack:
        made = None
        if place is not None:
            try:
                _sweep(place)
                made = _made(place, stack)
            except OSError as problem:
                progress(f"{VARIABLE}: {place}: {problem.strerror}; goes on without scratch")
        yield made


@contextlib.contextmanager
def staged(root: Path, splits: Mapping[str, str], progress: Progress) -> Iterator[Path]:
    """Copy the tables of some splits to scratch, and yield the folder that stands in for *root* to read them.

    That is *root* itself where there is no scratch, or no room on it.

    Args:
        root: the project's root.
        splits: the SHA-256 of each split's table, by its name.
        progress: called with a line of text on what was copied, or why not.

    Raises:
        DataError: where a copy is damaged, and another one too.
    """
    with folder(progress) as own:
        yield own if own is not None and _copied(root, own, splits, progress) else root


def _place(progress: Progress) -> Path | None:
    """Return the folder that the variable names, if it can be used."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        return None
    place = Path(os.path.expandvars(named))
    unset = [one or other for one, other in _UNSET.findall(str(place))]
    if unset:
        problem = f"{unset[0]} isn't set in this job"
    elif not place.is_absolute():
        problem = "expected an absolute path"
    elif not place.is_dir():
        problem = f"no such folder on {platform.node()}" + (f": {place}" if str(place) != named else "")
    else:
        return place
    progress(f"{VARIABLE}: found {named}: {problem}; goes on without scratch")
    return None


def _prefix() -> str:
    return f"weighbridge-{os.getuid()}-{platform.node()}-"


def _made(place: Path, stack: contextlib.ExitStack) -> Path:
    """Make a folder, and hold it as long as *stack* is open.

    Raises:
        OSError: where it can't be made; where the file system has no locks it isn't held, and nobody sweeps.
    """
    started = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    while True:
        made = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-{started}-", dir=place))
        with contextlib.suppress(FileNotFoundError):  # another start has swept it before it was held
            descriptor = os.open(made / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            stack.callback(os.close, descriptor)
            stack.callback(_remove, made)
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), (made / _LOCK).stat()):
                return made


def _remove(made: Path) -> None:
    """Remove a folder, the lock last: where a kill comes between, what is left is known to be dead."""
    with contextlib.suppress(OSError):
        for entry in made.iterdir():
            if entry.name != _LOCK:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    shutil.rmtree(made, ignore_errors=True)


def _sweep(place: Path) -> None:
    """Remove what killed processes of this user have left on this node; where it can't be told, nothing."""
    own = re.compile(re.escape(_prefix()) + r"\d+-\d{8}T\d{6}-\w+")
    for found in place.iterdir():
        with contextlib.suppress(OSError):  # such as a lock that its living process holds
            about = found.lstat()
            if not own.fullmatch(found.name) or not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid():
                continue
            if not any(found.iterdir()):
                found.rmdir()
                continue
            with (found / _LOCK).open("rb+") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(found)


def _copied(root: Path, own: Path, splits: Mapping[str, str], progress: Progress) -> bool:
    """Copy the tables; return false where they are to be read where they lie, which is told."""
    began = time.monotonic()
    try:
        size = sum((root / paths.split(name)).stat().st_size for name in splits)
        free = shutil.disk_usage(own).free
        problem = f"needs {_mib(size)}, has {_mib(free)}" if size > free else ""
        whole = not problem and all(_one(root, own, name, sha256, progress) for name, sha256 in splits.items())
    except OSError as error:
        problem, whole = error.strerror or str(error), False
    if not whole:
        if problem:
            progress(f"{VARIABLE}: {own.parent}: {problem}; rows are read from {root}")
        shutil.rmtree(own / paths.PROCESSED, ignore_errors=True)
        return False
    seconds = time.monotonic() - began
    progress(f"rows copied to {own}: {len(splits)} tables, {_mib(size)} in {seconds:.1f} s, compared by digest")
    return True


def _one(root: Path, own: Path, name: str, expected: str, progress: Progress) -> bool:
    """Copy one table; return false where it isn't the one on record, so that who reads it says so in its own words.

    Raises:
        DataError: where the copy is damaged, and another one too.
    """
    source, target = root / paths.split(name), own / paths.split(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if _copy(source, target) != expected:
        return False
    if sha256_file(target) != expected:
        progress(f"{target}: damaged by copying; copied again")
        _copy(source, target)
        if (found := sha256_file(target)) != expected:
            raise DataError(
                f"{target}: found sha256 {found[:12]}, expected {expected[:12]}, damaged by copying, twice; "
                f"have the disk of {platform.node()} looked at, and leave that node out or unset {VARIABLE}"
            )
    return True


def _copy(source: Path, target: Path) -> str:
    """Copy a file and return the digest of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as given, target.open("wb") as copy:
        while block := given.read(_BLOCK):
            digest.update(block)
            copy.write(block)
    return digest.hexdigest()


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
