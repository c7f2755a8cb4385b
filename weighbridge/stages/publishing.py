"""A release goes to the remotes: data first, then runs, then the tag; or gives way to one that was there first."""

from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.errors import SetupError, WeighbridgeError
from weighbridge.registry import commit, content, git, runs, withdrawal
from weighbridge.settings import Config
from weighbridge.tasks import ReleaseTask


def publish(root: Path, task: ReleaseTask, tag: str) -> None:
    """Push the data first, then the tag: who sees the tag can have its data. Done again where it was cut short."""
    tracked = (paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER)
    pointers = (*tracked, paths.pointer(task.config.name))
    addresses = [content.pointer_address(root / pointer) for pointer in pointers]
    content.push(root, [address for address in addresses if address] + _runs(root, task.config))
    branch = git.branch(root) if task.release.advance_branch else None
    try:
        commit.push(root, task.release.push, tag, branch)
    except commit.TakenError as taken:
        _withdraw(root, task.release.push, tag, taken)


def _withdraw(root: Path, remote: str, tag: str, taken: commit.TakenError) -> None:
    """Give way to whoever released first: take theirs, and let the next start weigh against it.

    Raises:
        SetupError: always; it says what has happened and what to do.
    """
    try:
        theirs = withdrawal.withdraw(root, remote, tag)
    except WeighbridgeError as problem:
        raise SetupError(f"{taken} ({problem})") from None
    weigh_anew(root)
    raise SetupError(
        f"{theirs.author} has released {tag} first: yours, which nobody has seen, is withdrawn, and theirs is fetched; "
        "run snakemake again, which weighs your bundle against it"
    )


def _runs(root: Path, config: Config) -> list[str]:
    """Return where DVC keeps the runs that this release was chosen from, so that whoever needs one can restore it."""
    places = (paths.run(candidate, seed) for candidate in config.candidates for seed in config.seeds)
    return runs.addresses_of(
        root, [documents.read_record(root / place / "run.yaml", manifest.RunRecord) for place in places]
    )


def weigh_anew(root: Path) -> None:
    """Let the next start make the package and all that follows again: its last release is no longer the last.

    The verdict goes first: the release needs it, and Snakemake misses the package only where the verdict is to be made.
    """
    for path in (paths.VERDICT, paths.PACKAGE):
        (root / path).unlink(missing_ok=True)
