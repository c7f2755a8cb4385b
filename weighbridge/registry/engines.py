"""The engine of a project that holds none (``--directory``): a release names its commit, and asks that it is whole.

Then the project's commit doesn't hold the code that ran, and the one named here does.
"""

from collections.abc import Iterable
from pathlib import Path

from weighbridge import paths
from weighbridge.errors import SetupError
from weighbridge.manifest import Engine
from weighbridge.registry import git
from weighbridge.root import engine, is_engines, lock

_SOURCES = ("Snakefile", "workflow", "weighbridge", "requirements.lock", "environment.yml", "pyproject.toml")


def apart(root: Path) -> Engine | None:
    """Return which engine the project *root* is run by, where that isn't its own.

    Raises:
        SetupError: where that engine is in no Git repository, so that nobody could say later what it was.
    """
    home = engine(root)
    if home == root:
        return None
    try:
        commit = git.require_repository(home)
    except SetupError as problem:
        raise SetupError(
            f"the engine in {home} has no commit that a release could name ({problem}); run snakemake from a clone"
        ) from None
    return Engine(commit=commit, repository=git.remote_url(home) or "")


def uncommitted(root: Path, files: Iterable[str]) -> set[str]:
    """Return those of *files* that the commit they belong to doesn't hold: the project's, or that of its engine.

    Args:
        root: the project's root.
        files: relative to the project; those of the engine relative to its folder. Of an engine that lies elsewhere,
            all that a release is made by is looked at besides.
    """
    named, home = set(files), engine(root)
    if home == root:
        return set(git.unlike_head(root, sorted(named)))
    apart(root)
    theirs = {file for file in named if is_engines(file)}
    if lock(root).parent == home:
        theirs |= named & {paths.LOCK.as_posix()}
    found = {*git.dirty_files(home, _SOURCES), *git.unlike_head(home, sorted(theirs))}
    return {
        *git.unlike_head(root, sorted(named - theirs)),
        *(f"{file} (of the engine in {home.name}: commit it there)" for file in found),
    }
