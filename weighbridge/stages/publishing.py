"""A release goes to the remotes: data first, then runs, then the tag; or gives way to one that was there first."""

from collections.abc import Mapping
from pathlib import Path

from weighbridge import documents, manifest, paths
from weighbridge.errors import DataError, RecordError, SetupError, WeighbridgeError
from weighbridge.registry import commit, content, git, releases, runs, withdrawal
from weighbridge.registry.addresses import parse_pointer
from weighbridge.settings import Config
from weighbridge.tasks import ReleaseTask


def publish(root: Path, task: ReleaseTask, tag: str) -> None:
    """Push the data first, then the tag: who sees the tag can have its data. Done again where it was cut short.

    Releases that this one builds on go before it where the remote hasn't them, the oldest first. The branch goes along
    where it has the release.
    """
    remote, release = task.release.push, releases.find(root, tag)
    there = commit.pushed(root, remote, release.tag)
    for earlier in _lacking(root, release, there, remote):
        _send(root, earlier, tag)
        commit.push(root, remote, str(earlier.tag))
    addresses = [content.pointer_address(root / pointer) for pointer in _pointers(task.config.name)]
    content.push(root, [address for address in addresses if address] + _runs(root, task.config))
    if there.get(release.tag.ref) == release.object:  # its branch came with it
        return
    branch = git.branch(root) if task.release.advance_branch and git.is_merged(root, release.commit) else None
    try:
        commit.push(root, remote, tag, branch)
    except commit.TakenError as taken:
        _withdraw(root, remote, tag, taken, advances=task.release.advance_branch)


def _pointers(name: str) -> tuple[Path, ...]:
    return paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER, paths.pointer(name)


def _lacking(
    root: Path, release: releases.Release, there: Mapping[str, str], remote: str
) -> tuple[releases.Release, ...]:
    """Return the releases in the line of *release* that the remote lacks, the oldest first.

    Raises:
        SetupError: where the remote has another one of such a name.
    """
    here = {str(one.tag): one for one in releases.releases(root, release.name)}
    if all(there.get(one.tag.ref) == one.object for one in here.values() if one.tag != release.tag):
        return ()
    found: list[releases.Release] = []
    step = release
    while previous := here.get(_previous(root, step)):
        if previous.version >= step.version:
            break
        step = previous
        if step.tag.ref not in there:
            found.insert(0, step)
        elif there[step.tag.ref] != step.object:
            where = git.without_credentials(remote)
            raise SetupError(
                f"{release.tag} builds on {step.tag}, and {where} has another release of that name, so it isn't "
                f"pushed; take theirs and weigh against it: `git tag -d {release.tag} {step.tag}`, "
                f"`git fetch {where} --tags`, `snakemake --cores all --forcerun package`"
            )
    return tuple(found)


def _previous(root: Path, release: releases.Release) -> str:
    try:
        return releases.manifest_of(root, release).lineage.previous or ""
    except RecordError as problem:
        print(f"what {release.tag} builds on can't be told, so it isn't looked for on the remote: {problem}")
        return ""


def _send(root: Path, earlier: releases.Release, tag: str) -> None:
    """Push the data of a release that was made before, as its commit names them, and the run that it is of."""
    texts = [releases.blob(root, earlier.commit, pointer.as_posix()) for pointer in _pointers(earlier.name)]
    addresses = [parse_pointer(text, f"a pointer of {earlier.tag}")[0] for text in texts]
    run = releases.manifest_of(root, earlier).model_info.run
    kept = [kept.dvc for kept in runs.find(root, run) if runs.at_hand(root, kept)]
    try:
        content.push(root, addresses + kept[:1])
    except DataError as problem:
        raise SetupError(
            f"{tag} builds on {earlier.tag}, which the remote lacks and whose data aren't whole here: {problem}; "
            "push it from where it was made, then run snakemake again"
        ) from None


def _withdraw(root: Path, remote: str, tag: str, taken: commit.TakenError, *, advances: bool) -> None:
    """Give way to whoever released first: take theirs, and let the next start weigh against it.

    Raises:
        SetupError: always; it says what has happened and what to do.
    """
    try:
        theirs = withdrawal.withdraw(root, remote, tag)
    except WeighbridgeError as problem:
        raise SetupError(f"{taken} ({problem})") from None
    weigh_anew(root)
    branch = git.branch(root)
    merge = (
        f" (your branch is without it: `git pull --no-rebase {git.without_credentials(remote)} {branch}`, where it is "
    )
    merge += "on theirs; what stands in the way in models/ was made by the pipeline, and may go)"
    raise SetupError(
        f"{theirs.author} has released {tag} first: yours, which nobody has seen, is withdrawn, and theirs is fetched; "
        "run snakemake again, which weighs your bundle against it"
        + (merge if advances and not git.is_merged(root, theirs.commit) else "")
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
