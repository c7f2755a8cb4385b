"""The pipeline of another checkout, run to its end or ended whole: its variables, its progress, its processes."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import NoReturn

from weighbridge import machine
from weighbridge.manifest import Manifest

_LAST_LINES = 15
_PATIENCE_SECONDS = 10.0
_PAUSE_SECONDS = 1.0
_STEP = re.compile(r"(\d+) of (\d+) steps \(\d+%\) done")
_TOTAL = re.compile(r"total +(\d+)")
_JOB = re.compile(r"(?:Job \d+|Message): (.+)")
# What would lead Git, Snakemake or Python elsewhere than into the new folder.
_LEFT_OUT = re.compile(r"GIT_(?!CONFIG)|SNAKEMAKE_|PYTHON|VIRTUAL_ENV$|DVC_")
# Numbers of devices mean something else on another machine.
_OWN_VARIABLES = {"CUDA_VISIBLE_DEVICES"}


def variables(recorded: Manifest, place: Path, python: Path) -> dict[str, str]:
    """Return the variables to run the checkout *place* under, with the environment of *python*.

    They are the user's own; those that change results are as they were *recorded*, or unset.
    """
    fixed = set(machine.VARIABLES) - _OWN_VARIABLES
    kept = {key: value for key, value in os.environ.items() if not _LEFT_OUT.match(key) and key not in fixed}
    then = {key: value for key, value in recorded.environment.variables.items() if key in fixed}
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    return kept | then | {"PATH": path, "PYTHONPATH": str(place), "DVC_NO_ANALYTICS": "1"}


@contextlib.contextmanager
def terminated() -> Iterator[None]:
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


def run(
    command: list[str], place: Path, variables: Mapping[str, str], log_file: Path, say: Callable[[str], None]
) -> str:
    """Run a pipeline, and return why it failed, in its own last words; empty where it didn't.

    Args:
        command: a call of Snakemake.
        place: the folder to run it in.
        variables: all of its environment.
        log_file: takes everything that it prints.
        say: told of each job that begins, and how far it is.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    own: list[str] = []
    with log_file.open("w", encoding="utf-8") as log, _started(command, place, variables) as process:
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
