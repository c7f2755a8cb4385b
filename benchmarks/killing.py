"""Kills at random instants of a real pipeline, for the benchmark and for CI; `survival` says what has to hold."""

import contextlib
import math
import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import psutil

from benchmarks import survival

GROUP, HEAD, CHILD, TERMINATE, INTERRUPT = "kill all", "kill the head", "kill a child", "SIGTERM", "Ctrl-C"
WAYS = (GROUP, HEAD, CHILD, TERMINATE, INTERRUPT)
# The short last stages hold the moments that matter most: a third of the kills wait for one of them.
_LATE = ("package", "weigh", "judge", "draw", "release")
_LATE_SHARE = 1 / 3
_LATE_SECONDS = 2.5
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.02


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
            problems = survival.broken(project.root, name)
            said = f"{kill.way} in {', '.join(struck.stages)}"
        else:
            wait_for_orphans(project.root)
            failed = [f"ended with exit code {struck.code}: {struck.text[-2000:]}"] if struck.code else []
            problems = failed or survival.broken(project.root, name) + survival.unfinished(project.root, name, expected)
            tally.finished, copy = tally.finished + 1, None
            said = "ended by itself"
        tally.note(problems)
        tell(f"{tally.kills}/{number} {said}: {'; '.join(problems) or 'all there'}")
    return tally


def shown(counts: Counter[str]) -> str:
    """Return counts in words, the largest first."""
    return ", ".join(f"{name} {count}" for name, count in counts.most_common())
