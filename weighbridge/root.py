"""The project that a command is run in, and the engine that runs there: its own, or one that lies elsewhere."""

import sys
from functools import cache
from pathlib import Path

from weighbridge.errors import SettingsError
from weighbridge.paths import CONFIG, LOCK

ENGINE = Path(__file__).resolve().parents[1]
"""The folder that holds the engine that runs now."""
_PACKAGE = "weighbridge"


def find_root() -> Path:
    """Return the project's root, the nearest folder above that holds the configuration; its modules can be imported.

    Raises:
        SettingsError: outside of a project.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            # First, for the engine's folder may stand there too, with a project of its own.
            sys.path[:] = [str(folder), *(entry for entry in sys.path if entry != str(folder))]
            return folder
    raise SettingsError(f"no {CONFIG} in {here} or above; run this inside a project")


def require_working(root: Path, engine: Path) -> None:
    """Refuse a working folder that the Snakefile of *engine* can't run in; ``--directory`` names another.

    Raises:
        SettingsError: where *root* is no project, or has an engine of its own that isn't the Snakefile's.
    """
    if not (root / CONFIG).is_file():
        raise SettingsError(f"no {CONFIG} in {root}; run snakemake in a project's root, or name it with --directory")
    if root != engine and (root / _PACKAGE).is_dir():
        raise SettingsError(
            f"{root} has an engine of its own, and the Snakefile is that of {engine}; run snakemake there without "
            f"--snakefile and --directory, or remove its folder {_PACKAGE}/"
        )


@cache
def engine(root: Path) -> Path:
    """Return the folder that holds the engine of the project *root*: itself, or where the one that runs now lies."""
    return root if (root / _PACKAGE).is_dir() else ENGINE


def is_engines(file: str) -> bool:
    """Return whether a source file, named relative to the project or to the engine's folder, is the engine's."""
    return file.startswith(f"{_PACKAGE}/")


def located(root: Path, file: str) -> Path:
    """Return where a source file of the project *root* lies: the engine's own below the engine's folder."""
    return (engine(root) if is_engines(file) else root) / file


def lock(root: Path) -> Path:
    """Return the lock of the environment: the project's, or where it has none, the engine's."""
    return root / LOCK if (root / LOCK).is_file() else engine(root) / LOCK


def lock_input(root: Path) -> str:
    """Return :func:`lock` as a rule names it: relative to the project, where it lies there."""
    found = lock(root)
    return found.relative_to(root).as_posix() if found.is_relative_to(root) else str(found)
