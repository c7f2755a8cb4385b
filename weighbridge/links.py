"""Symbolic links where the pipeline writes: a committed one would carry its files to wherever it leads.

Git brings links along, so a clone may hold ``models/flights -> ../../.git/hooks``. Files of DVC's may be links into
its cache; those in a folder that is replaced as a whole are left alone.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from weighbridge import paths
from weighbridge.errors import SetupError

_WRITTEN = ("results", "logs", "models", "data", "approvals", paths.LEDGER.as_posix())
_LOOKED_THROUGH = ("results", "logs", "models")
"""In these, stages write at any depth; the ledger has two levels, which are looked at by themselves."""
_MOST_SHOWN = 5


def refuse(root: Path, name: str) -> None:
    """Refuse links below *root* that stages would write through; *name* is the model's.

    Raises:
        SetupError: naming each and where it leads.
    """
    found = sorted(set(_links(root, name)))
    if not found:
        return
    listed = "\n".join(f"  {path.relative_to(root)} -> {path.readlink()}" for path in found[:_MOST_SHOWN])
    more = f"\n  … and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
    raise SetupError(
        f"what the pipeline writes would land elsewhere, through links:\n{listed}{more}\n"
        "Expected plain folders and files; remove the links ('git rm' where they are committed). For more room move "
        "the whole project, or DVC's cache: 'dvc cache dir --local FOLDER'"
    )


def _links(root: Path, name: str) -> Iterator[Path]:
    kept = [root / paths.RAW, root / paths.PROCESSED, root / paths.bundle(name)]
    yield from (path for path in [*(root / folder for folder in _WRITTEN), *kept] if path.is_symlink())
    for folder in _LOOKED_THROUGH:
        yield from _below(root / folder, {str(path) for path in kept})
    ledger = root / paths.LEDGER
    if ledger.is_dir() and not ledger.is_symlink():
        yield from (Path(entry) for entry in os.scandir(ledger) if entry.is_symlink())


def _below(folder: Path, kept: set[str]) -> Iterator[Path]:
    """Yield the links below *folder*, which are never followed."""
    if folder.is_symlink():
        return
    for parent, folders, files in os.walk(folder):
        yield from (path for one in (*folders, *files) if (path := Path(parent, one)).is_symlink())
        folders[:] = [one for one in folders if os.path.join(parent, one) not in kept]  # noqa: PTH118 - as in os.walk
