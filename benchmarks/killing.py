"""Kills at random instants of a real pipeline, and what has to hold after each: for the benchmark and for CI."""

import contextlib
import functools
import math
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import psutil

from weighbridge import documents, manifest, paths
from weighbridge.digest import sha256_file
from weighbridge.errors import WeighbridgeError
from weighbridge.registry import addresses, auditing, releases, storage

GROUP, HEAD, CHILD, TERMINATE, INTERRUPT = "kill all", "kill the head", "kill a child", "SIGTERM", "Ctrl-C"
WAYS = (GROUP, HEAD, CHILD, TERMINATE, INTERRUPT)
# The short last stages hold the moments that matter most: a third of the kills wait for one of them.
_LATE = ("package", "weigh", "judge", "draw", "release")
_LATE_SHARE = 1 / 3
_LATE_SECONDS = 2.5
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.02
_RECORDS: dict[str, type[Any]] = {
    "results/raw.yaml": manifest.Raw,
    "data/processed/profile.yaml": manifest.DataSection,
    "results/runs/*/*/run.yaml": manifest.RunRecord,
    "results/runs/*/*/validation.yaml": manifest.Evaluation,
    "results/package.yaml": manifest.Packaged,
    "results/weighing/weighing.yaml": manifest.Weighing,
    "results/verdict.yaml": manifest.Verdict,
    "results/release.yaml": manifest.Released,
}


class Folder(Protocol):
    """A project's root, and the environment its commands run in."""

    @property
    def root(self) -> Path:
        """The project's root."""

    def env(self) -> dict[str, str]:
        """Return the variables."""


class Copy(NamedTuple):
    """A project to kill, and the digest of the content that it has to come to."""

    project: Folder
    expected: str


class Kill(NamedTuple):
    """How and when: *seconds* after the start, or after the stage *late* begins, where there is one."""

    way: str
    late: str
    seconds: float


_NONE = Kill("", "", math.inf)


class Struck(NamedTuple):
    """What came of a start: the stages that a kill has hit; the exit code and the words where it ended by itself."""

    stages: tuple[str, ...]
    code: int | None
    text: str


def kills(seed: int, whole_seconds: float) -> Iterator[Kill]:
    """Yield kills without end, the same for each seed.

    Args:
        seed: of the random numbers.
        whole_seconds: how long a pipeline takes; kills come within the first third of that.
    """
    chance = random.Random(seed)  # noqa: S311 - no secret
    while True:
        for way in chance.sample(WAYS, len(WAYS)):
            late = chance.choice(_LATE) if chance.random() < _LATE_SHARE else ""
            reach = _LATE_SECONDS if late else whole_seconds / 3
            yield Kill(way, late, chance.uniform(0.0, reach))


def strike(project: Folder, kill: Kill) -> Struck:
    """Start the pipeline in a session of its own and kill it, unless it ends before."""
    output = project.root.parent / "output.txt"
    with output.open("wb") as stream:
        head = subprocess.Popen(
            ["snakemake", "--cores", "2"], cwd=project.root, env=project.env(), stdout=stream, stderr=stream,
            start_new_session=True,
        )  # fmt: skip
    try:
        if _ended_before(head, kill):
            return Struck((), head.returncode, output.read_text(errors="replace"))
        stages = _stages_of(head.pid)
        _send(head, kill.way)
        head.wait(_PATIENCE_SECONDS)
    finally:
        if head.poll() is None:
            os.killpg(head.pid, signal.SIGKILL)
            head.wait()
    return Struck(stages or ("between stages",), None, output.read_text(errors="replace"))


def _ended_before(head: subprocess.Popen[bytes], kill: Kill) -> bool:
    """Wait for the instant of the kill; return whether the pipeline has ended before it."""
    instant = None if kill.late else time.monotonic() + kill.seconds
    while head.poll() is None:
        if instant is None and kill.late in _stages_of(head.pid):
            instant = time.monotonic() + kill.seconds
        if instant is not None and time.monotonic() >= instant:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _stages_of(pid: int) -> tuple[str, ...]:
    """Return the stages that run below a process."""
    found = set()
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                words = child.cmdline()
                names = [word for place, word in enumerate(words) if words[place - 1].endswith("/weighbridge")]
                found.update(names[:1])
    return tuple(sorted(found))


def _send(head: subprocess.Popen[bytes], way: str) -> None:
    if way == GROUP:
        os.killpg(head.pid, signal.SIGKILL)
    elif way == HEAD:
        head.kill()
    elif way == TERMINATE:
        head.terminate()
    elif way == INTERRUPT:
        os.killpg(head.pid, signal.SIGINT)
    else:
        children = psutil.Process(head.pid).children(recursive=True)
        with contextlib.suppress(psutil.Error):
            (random.choice(children) if children else psutil.Process(head.pid)).kill()  # noqa: S311 - no secret


def wait_for_orphans(root: Path) -> None:
    """Wait until no process works in *root* any more."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline and any(_works_in(process, root) for process in psutil.process_iter()):
        time.sleep(_POLL_SECONDS)


def _works_in(process: psutil.Process, root: Path) -> bool:
    with contextlib.suppress(psutil.Error):
        return Path(process.cwd()).is_relative_to(root)
    return False


def broken(root: Path, name: str) -> list[str]:
    """Return what isn't as it must be at any instant, whatever was killed: damaged records, tags without their data.

    Args:
        root: the project's root.
        name: the model's name.
    """
    found = [f"ledger: {finding.path}: {finding.said}" for finding in auditing.audit(root).findings]
    for pattern, kind in _RECORDS.items():
        for path in root.glob(pattern):
            found += _complaints(str(path.relative_to(root)), functools.partial(_read, path, kind))
    made = releases.releases(root, name)
    contents = [release.notes.content_sha256 for release in made]
    if len(set(contents)) != len(contents):
        found.append(f"the same content has two versions: {', '.join(str(release.tag) for release in made)}")
    for release in made:
        found += _complaints(str(release.tag), functools.partial(_whole, root, release))
    return found


def _complaints(what: str, check: Callable[[], Sequence[str]]) -> list[str]:
    try:
        return [f"{what}: {problem}" for problem in check()]
    except WeighbridgeError as problem:
        return [f"{what}: {problem}"]


def _read(path: Path, kind: type[Any]) -> Sequence[str]:
    """Complain of a record that its reader doesn't take; one that is gone meanwhile is no fault."""
    try:
        documents.read_record(path, kind)
    except WeighbridgeError:
        if path.exists():
            raise
    return ()


def _whole(root: Path, release: releases.Release) -> list[str]:
    """Complain of a release whose manifest has gaps, or whose data isn't in the cache, whole."""
    found = list(manifest.missing_fields(releases.manifest_of(root, release)))
    pointers = (paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER, paths.pointer(release.name))
    with storage.opened(root) as store:
        for pointer in pointers:
            text = releases.blob(root, release.commit, pointer.as_posix())
            address = addresses.parse_pointer(text, str(pointer))[0]
            whole = store.is_sound(address) and all(store.is_sound(one) for one in store.files(address).values())
            found += [] if whole else [f"the cache lacks part of {pointer}"]
    return found


def unfinished(root: Path, name: str, expected: str) -> list[str]:
    """Return what a pipeline that has ended by itself left undone: it must be the release of *expected* content."""
    made = releases.releases(root, name)
    found = [] if made else ["no release"]
    found += [f"{made[-1].tag} has other content"] if made and made[-1].notes.content_sha256 != expected else []
    for path in root.glob("results/runs/*/*/run.yaml"):
        record = documents.read_record(path, manifest.RunRecord)
        lost = [entry.path for entry in record.files if sha256_file(path.parent / entry.path) != entry.sha256]
        found += [f"{path.parent.relative_to(root)}/{file}: not as recorded" for file in lost]
    for command in (["git", "fsck", "--strict"], ["git", "status", "--porcelain", "--", "data", "models", "runs"]):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        strange = [line for line in done.stdout.splitlines() if "/." in line and ".gitignore" not in line]
        found += strange if not done.returncode else [done.stderr]
    return found


def content_of(root: Path, name: str) -> str:
    """Return the digest of the newest release's bundle."""
    return releases.releases(root, name)[-1].notes.content_sha256


class Tally:
    """What a series of kills came to: how many, of which kinds, in which stages, and what went wrong after which."""

    def __init__(self) -> None:
        self.ways: Counter[str] = Counter()
        self.stages: Counter[str] = Counter()
        self.finished = 0
        self.troubles: dict[int, list[str]] = {}

    @property
    def kills(self) -> int:
        """How many there were."""
        return self.ways.total()

    @property
    def survived(self) -> int:
        """How many of them did no harm."""
        return self.kills - len(self.troubles)

    def note(self, problems: Sequence[str]) -> None:
        """Put *problems* down to the last kill."""
        if problems:
            self.troubles.setdefault(self.kills, []).extend(problems)


def series(
    *,
    fresh: Callable[[], Copy],
    name: str,
    plan: Iterator[Kill],
    number: int,
    tell: Callable[[str], None],
) -> Tally:
    """Kill a pipeline and start it again until there were *number* kills and the last pipeline has ended.

    Args:
        fresh: returns a project whose pipeline has something to do.
        name: the model's name.
        plan: the kills; each start takes one.
        number: how many.
        tell: told of each start, in a line.
    """
    tally = Tally()
    copy: Copy | None = None
    while tally.kills < number or copy:
        copy = copy or fresh()
        project, expected = copy
        kill = next(plan) if tally.kills < number else _NONE
        struck = strike(project, kill)
        if struck.code is None:
            tally.ways[kill.way] += 1
            tally.stages.update(struck.stages)
            problems = broken(project.root, name)
            said = f"{kill.way} in {', '.join(struck.stages)}"
        else:
            wait_for_orphans(project.root)
            failed = [f"ended with exit code {struck.code}: {struck.text[-2000:]}"] if struck.code else []
            problems = failed or broken(project.root, name) + unfinished(project.root, name, expected)
            tally.finished, copy = tally.finished + 1, None
            said = "ended by itself"
        tally.note(problems)
        tell(f"{tally.kills}/{number} {said}: {'; '.join(problems) or 'all there'}")
    return tally


def shown(counts: Counter[str]) -> str:
    """Return counts in words, the largest first."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
