"""reproduce: make a released bundle again, from nothing but its commit, its data and its lock, and compare.

All of it happens in a folder of its own with a DVC cache of its own; the project it is asked in is only read. What is
installed runs the commit's own engine and the project's own code, so reproduce releases of people you trust, or
``weighbridge verify`` them first.
"""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NamedTuple, NoReturn

import msgspec

from weighbridge import documents, environments, machine, manifest, paths
from weighbridge.digest import folder_entries
from weighbridge.errors import RecordError, SettingsError, SetupError, WeighbridgeError
from weighbridge.evidence import reproduction
from weighbridge.manifest import Manifest
from weighbridge.registry import checkouts, content, releases
from weighbridge.views import reference
from weighbridge.views.columns import short, words

Say = Callable[[str], None]

_TARGET = "judge"
_LOG = "reproduce.log"
_LAST_LINES = 15
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
_DIGEST_LENGTH = 64
_MOST = 12
_STEP = re.compile(r"(\d+) of (\d+) steps \(\d+%\) done")
_TOTAL = re.compile(r"total +(\d+)")
_JOB = re.compile(r"(?:Job \d+|Message): (.+)")
# What would lead Git, Snakemake or Python elsewhere than into the new folder.
_LEFT_OUT = re.compile(r"GIT_(?!CONFIG)|SNAKEMAKE_|PYTHON|VIRTUAL_ENV$|DVC_")
# Numbers of devices mean something else on another machine.
_OWN_VARIABLES = {"CUDA_VISIBLE_DEVICES"}


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
    with _folder(options.keep) as folder, _terminated():
        say(f"{release.tag}: made from commit {recorded.code.commit[:12]}, in {folder}")
        place = _lay_out(root, folder / "project", recorded, say)
        python = _python(recorded, place, folder, options, say)
        cores = str(options.cores) if options.cores else "all"
        problem = _run(_command(recorded, python, cores), place, _variables(recorded, place, python), folder, say)
        wall = time.monotonic() - started
        if options.keep:
            say(f"kept: {folder}, with {_LOG}")
        if problem:
            differing = reproduction.environment(recorded.environment, machine.environment(place / paths.LOCK))
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


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """Let a SIGTERM end what is within as an error does, so that it leaves nothing behind."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        sys.exit(128 + number)

    try:
        before = signal.signal(signal.SIGTERM, leave)
    except ValueError:  # not in the main thread, where no signal arrives
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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
        say(f"raw data: {len(raw.files)} files, each with the recorded SHA-256")
    else:
        say("raw data: neither in DVC's cache nor on its remote; the project's own fetch has to bring it")
    return place


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


def _python(recorded: Manifest, place: Path, folder: Path, options: Options, say: Say) -> Path:
    """Return the Python that runs the pipeline, once its environment was built or compared."""
    if options.rebuild:
        return environments.build(recorded.environment, place / paths.LOCK, folder / "venv", say)
    found = machine.environment(place / paths.LOCK)
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


def _variables(recorded: Manifest, place: Path, python: Path) -> dict[str, str]:
    """Return the variables to run under: the user's own, and those that change results as they were recorded."""
    fixed = set(machine.VARIABLES) - _OWN_VARIABLES
    kept = {key: value for key, value in os.environ.items() if not _LEFT_OUT.match(key) and key not in fixed}
    then = {key: value for key, value in recorded.environment.variables.items() if key in fixed}
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return kept | then | {"PATH": path, "PYTHONPATH": str(place), "DVC_NO_ANALYTICS": "1"}


def _run(command: list[str], place: Path, variables: Mapping[str, str], folder: Path, say: Say) -> str:
    """Run the pipeline, telling how far it is; return why it failed, with its last words, or nothing."""
    last: deque[str] = deque(maxlen=_LAST_LINES)
    own: list[str] = []
    with (folder / _LOG).open("w", encoding="utf-8") as log, _started(command, place, variables) as process:
        done = "0"
        assert process.stdout is not None  # noqa: S101 - it is a pipe, which mypy can't know
        for line in process.stdout:
            log.write(line)
            text = line.rstrip()
            if step := _STEP.search(text):
                done = f"{step[1]} of {step[2]}"
            elif total := _TOTAL.fullmatch(text):
                done = f"0 of {total[1]}"
            elif job := _JOB.fullmatch(text):
                say(f"[{done}] {job[1]}")
            if text:
                last.append(text)
            if re.match(r"weighbridge \w+: ", text) and text not in own:
                own.append(text)
        code = process.wait()
    if code == 0:
        return ""
    return "\n".join(own) or "\n".join([f"the pipeline ended with exit code {code}; its last lines:", *last])


@contextlib.contextmanager
def _started(command: list[str], place: Path, variables: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Start a process that leads a group of its own, and see to it that none of the group is left."""
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        command,
        cwd=place,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            yield process
        except BaseException:
            _end(process)
            raise


def _end(process: "subprocess.Popen[str]") -> None:
    """End a process and its group, and wait for them: their folder is about to be removed."""
    for number in (signal.SIGTERM, signal.SIGKILL):  # the second one for whoever of the group is left
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE_SECONDS)
    deadline = time.monotonic() + _PAUSE_SECONDS
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.killpg(process.pid, 0)
            time.sleep(_PAUSE_SECONDS / 20)


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
