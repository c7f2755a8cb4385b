"""reproduce: make a released bundle again, from nothing but its commit, its data and its lock, and compare.

All of it happens in a folder of its own with a DVC cache of its own; the project it is asked in is only read. What is
installed runs the commit's own engine and the project's own code, so reproduce releases of people you trust:
``weighbridge verify --strict --signers …`` shows who made one, not that its code is harmless.
"""

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from weighbridge import documents, environments, machine, manifest, paths
from weighbridge.digest import folder_entries
from weighbridge.errors import RecordError, SettingsError, SetupError, WeighbridgeError
from weighbridge.evidence import reproduction
from weighbridge.manifest import Manifest
from weighbridge.registry import checkouts, content, releases
from weighbridge.root import engine
from weighbridge.views import pipeline, reference
from weighbridge.views.columns import files, short, words

Say = Callable[[str], None]

_TARGET = "judge"
_LOG = "reproduce.log"
_DIGEST_LENGTH = 64
_MOST = 12


class Options(NamedTuple):
    """How to reproduce: cores (0 for all), a new environment or this one, and a folder that stays (or none)."""

    cores: int = 0
    rebuild: bool = False
    keep: Path | None = None


def reproduce(root: Path, ref: str, options: Options, say: Say) -> reproduction.Outcome:
    """Make the bundle of the release *ref* again, and say how far it is the same.

    Args:
        root: the project's root, in any clone that has the tag.
        ref: a release, as :mod:`weighbridge.views.reference` takes it.
        options: how.
        say: told of each step while it goes on.

    Raises:
        SettingsError: where *ref* is no release, or the folder to keep is in use.
        RecordError: where the manifest isn't the one that the tag names.
        DataError: where data is at hand and isn't what the manifest says.
        SetupError: where the commit isn't there, or the environment can't be built.
    """
    started = time.monotonic()
    release = reference.release(root, ref)
    recorded = releases.manifest_of(root, release)
    with _folder(options.keep) as folder, pipeline.terminated():
        say(f"{release.tag}: made from commit {recorded.code.commit[:12]}, in {folder}")
        place = _lay_out(root, folder / "project", recorded, say)
        home = _engine(root, folder / "engine", place, recorded, say)
        lock = place / paths.LOCK if (place / paths.LOCK).is_file() else home / paths.LOCK
        python = _python(recorded, lock, folder, options, say)
        cores = str(options.cores) if options.cores else "all"
        variables = pipeline.variables(recorded, home, python)
        elsewhere = [] if home == place else ["--snakefile", str(home / "Snakefile"), "--directory", str(place)]
        command = [*_command(recorded, python, cores), *elsewhere]
        problem = pipeline.run(command, place, variables, folder / _LOG, say)
        wall = time.monotonic() - started
        if options.keep:
            say(f"kept: {folder}, with {_LOG}")
        if problem:
            differing = reproduction.environment(recorded.environment, machine.environment(lock))
            return reproduction.failed(str(release.tag), problem, () if options.rebuild else differing, wall)
        return reproduction.compare(str(release.tag), recorded, _made(place, recorded), wall)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield a folder for all of it: *keep*, which stays and must be new, or a temporary one."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="weighbridge-", ignore_cleanup_errors=True) as temporary:
            yield Path(temporary).resolve()
        return
    try:
        keep.mkdir(parents=True, exist_ok=True)
        used = any(keep.iterdir())
    except OSError as problem:
        raise SettingsError(f"--keep {keep}: {problem.strerror}; give a folder that can be made") from None
    if used:
        raise SettingsError(f"--keep {keep}: found files there; expected an empty folder, or none")
    yield keep.resolve()


def _lay_out(root: Path, folder: Path, recorded: Manifest, say: Say) -> Path:
    """Check out the commit with the tag of the release before, and bring raw data and that release's bundle."""
    previous = _previous(root, recorded)
    place = checkouts.check_out(root, folder, recorded.code.commit, [previous] if previous else [])
    checkouts.isolate(place)
    pointers = [(place / paths.RAW_POINTER).read_bytes()] if (place / paths.RAW_POINTER).is_file() else []
    named = [*(content.pointer_address(pointer) for pointer in pointers), *_needed_of(root, previous)]
    wanted = [address for address in named if address]
    brought = checkouts.lend(root, place, wanted) if wanted else frozenset()
    if pointers and content.pointer_address(pointers[0]) in brought:
        content.materialise(place, pointers[0], place / paths.RAW)
        raw = recorded.data.raw
        checkouts.require(place / paths.RAW, checkouts.digests(raw.files), whole=True, source="the manifest")
        say(f"raw data: {files(len(raw.files))}, each with the recorded SHA-256")
    else:
        say("raw data: neither in DVC's cache nor on its remote; the project's own fetch has to bring it")
    return place


def _engine(root: Path, folder: Path, place: Path, recorded: Manifest, say: Say) -> Path:
    """Return where the engine of the release is: in its own checkout *place*, or checked out apart into *folder*."""
    apart = recorded.code.engine
    if apart is None:
        return place
    home = engine(root)
    try:
        found = checkouts.check_out(home, folder, apart.commit)
    except SetupError as problem:
        raise SetupError(
            f"the release was made by an engine outside of the project, its commit {apart.commit[:12]}"
            f"{f' of {apart.repository}' if apart.repository else ''}, and the engine here can't give it: {problem}. "
            "Run reproduce with the engine of a clone that has this commit"
        ) from None
    say(f"engine: commit {apart.commit[:12]}, from {home}")
    return found


def _previous(root: Path, recorded: Manifest) -> releases.Release | None:
    """Return the release that this one was weighed against: the pipeline looks for its tag."""
    if recorded.lineage.previous is None:
        return None
    try:
        return releases.find(root, recorded.lineage.previous)
    except RecordError:
        raise SetupError(
            f"{recorded.lineage.previous}, against which this release was weighed, isn't here; run `git fetch --tags`"
        ) from None


def _needed_of(root: Path, previous: releases.Release | None) -> list[str | None]:
    """Return the addresses of what the weighing takes from the release before: its bundle, its rows."""
    if previous is None:
        return []
    found = []
    for pointer in (paths.pointer(previous.name), paths.PROCESSED_POINTER):
        with contextlib.suppress(RecordError):  # without it, the weighing compares less; the bundle is the same
            found.append(content.pointer_address(releases.blob(root, previous.commit, pointer.as_posix())))
    return found


def _python(recorded: Manifest, lock: Path, folder: Path, options: Options, say: Say) -> Path:
    """Return the Python that runs the pipeline, once its environment was built or compared."""
    if options.rebuild:
        return environments.build(recorded.environment, lock, folder / "venv", say)
    found = machine.environment(lock)
    differing = list(reproduction.environment(recorded.environment, found))
    if differing:
        say(f"environment: {len(differing)} facts differ from the record; --rebuild-environment builds it anew")
        for line in _facts(differing):
            say(line)
    else:
        say(f"environment: as recorded, {len(found.distributions)} distributions")
    return Path(sys.executable)


def _command(recorded: Manifest, python: Path, cores: str) -> list[str]:
    settings = recorded.parameters.settings.get("config", {})
    # An engine of before reuse was there knows no such key, and takes over nothing. Snakemake reads "false" as text.
    anew = ["--config", "reuse=False"] if "reuse" in settings else []
    return [str(python), "-m", "snakemake", _TARGET, "--cores", cores, "--nocolor", *anew]


def _made(place: Path, recorded: Manifest) -> reproduction.Made:
    """Read what the pipeline has left.

    Raises:
        RecordError: where its engine writes records that this one doesn't know.
    """
    try:
        packaged = documents.read_record(place / paths.PACKAGE, manifest.Packaged)
        run = place / paths.run(packaged.champion, packaged.seed) / "run.yaml"
        return reproduction.Made(
            raw=documents.read_record(place / paths.RAW_RECORD, manifest.Raw),
            data=documents.read_record(place / paths.PROFILE, manifest.DataSection),
            packaged=packaged,
            run=documents.read_record(run, manifest.RunRecord),
            weighing=documents.read_record(place / paths.WEIGHING, manifest.Weighing),
            bundle=folder_entries(place / paths.bundle(recorded.model_info.name)),
        )
    except WeighbridgeError as problem:
        raise RecordError(
            f"{problem}\nThe release's own engine wrote this; where it is newer than the one installed here, "
            f"run reproduce from a checkout of {recorded.code.commit[:12]} or later"
        ) from None


def text(outcome: reproduction.Outcome) -> str:
    """Return the outcome for people."""
    lines = [f"{outcome.release}: {outcome.level}", ""]
    if outcome.problem:
        lines += ["It could not be made again:", *(f"  {line}" for line in outcome.problem.splitlines()), ""]
        lines.append("With --keep FOLDER its logs stay.")
    else:
        total = outcome.compared_files + sum(one.what.startswith("bundle: ") for one in outcome.files)
        lines.append(f"bundle: {outcome.compared_files} of {total} files have the recorded SHA-256")
        same = outcome.compared_metrics - len(outcome.metrics)
        lines.append(f"metrics: {same} of {outcome.compared_metrics} are equal to 6 digits")
    if outcome.files:
        lines += ["", "Files that differ, in the order in which they are made:", *_facts(outcome.files)]
    if outcome.metrics:
        lines += ["", "Metrics that differ:", *_facts(outcome.metrics)]
    lines += _explained(outcome)
    return "\n".join([*lines, f"It took {outcome.wall_seconds:.0f} s."])


def _explained(outcome: reproduction.Outcome) -> list[str]:
    """Return which recorded facts differ, and what that says."""
    if not outcome.facts:
        equal = outcome.level == reproduction.BIT
        none = "No recorded fact differs" + (
            "." if equal or outcome.problem else ": the training itself isn't the same"
        )
        return ["", none if equal or outcome.problem else f"{none} twice (a clock, an unseeded random number?)."]
    effect = {True: "Recorded facts that differ, without effect on the bundle:", False: "Recorded facts that differ:"}
    return ["", effect[outcome.level == reproduction.BIT], *_facts(outcome.facts)]


def _facts(found: tuple[reproduction.Differs, ...] | list[reproduction.Differs]) -> list[str]:
    lines = [f"  {one.what}: recorded {_shown(one.recorded)}, here {_shown(one.found)}" for one in found[:_MOST]]
    return [*lines, *([f"  … and {len(found) - _MOST} more; --json lists all"] if len(found) > _MOST else [])]


def _shown(value: object) -> str:
    if isinstance(value, str) and len(value) == _DIGEST_LENGTH:
        return short(value)
    return words(value)


def json(outcome: reproduction.Outcome) -> str:
    """Return the outcome as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(outcome), indent=2).decode()
