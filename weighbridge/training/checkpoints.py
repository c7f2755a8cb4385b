"""Checkpoints of one training: written whole or not at all, found again by the next start, gone with success.

A checkpoint is a safetensors file with one metadata key, which holds canonical JSON. Its name says how far the
training was and ends in the SHA-256 of its bytes, so a damaged one is known before it is read. No pickle.
"""

import contextlib
import hashlib
import json
import math
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from weighbridge import documents, machine
from weighbridge.digest import canonical_json
from weighbridge.errors import SettingsError

_FORMAT = 1
_KEPT = 2  # the one before the last stands in where the last is damaged
_FORGOTTEN_SECONDS = 30 * 86400
_LEAST_SECONDS = 10.0
_LARGEST_SHARE = 0.01
_BYTES_A_SECOND = 300e6  # what the first save is expected to do, before one was measured
_FILE = re.compile(r"(\d{12})-([0-9a-f]{64})\.safetensors")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

SECONDS = "WEIGHBRIDGE_CHECKPOINT_SECONDS"
"""Environment variable: seconds between two saves, whatever these cost."""

OTHER_KERNELS = "made on a processor with other instruction sets, whose arithmetic rounds otherwise"

State = tuple[dict[str, Any], dict[str, Any]]
"""Tensors by name, and facts that JSON can hold."""


class Spent(NamedTuple):
    """What the starts before this one have taken; *started* is when the first one began (UTC), empty for none."""

    started: str = ""
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


class _Stopped(BaseException):
    """A signal asked to end, and the state is saved; no error, so that nothing on the way takes it for one."""


class Checkpoints:
    """The checkpoints of one training in a folder of its own.

    Saving takes at most a hundredth of the time: what a save took decides when the next one is due, and how large the
    state is when the first one is.

    Attributes:
        resumed_from: the checkpoint that this start went on from; ``None`` where it began anew.
        spent: what earlier starts took, up to that checkpoint.
    """

    def __init__(
        self,
        folder: Path,
        *,
        progress: Callable[[str], None],
        least_seconds: float | None = None,
        largest_share: float | None = None,
    ) -> None:
        """Open *folder*, which needn't be there.

        Args:
            folder: of this training alone: its name tells data, code, settings, environment and seed apart.
            progress: called with a line of text where a checkpoint is passed over or can't be written.
            least_seconds: the least time between two saves; where left out, what the environment variable
                :data:`SECONDS` says, else ten.
            largest_share: the largest share of the time that saving may take; where left out a hundredth, or all of it
                where the variable is set.

        Raises:
            SettingsError: where the variable is no number of seconds.
        """
        said = _said_seconds()
        if least_seconds is None:
            least_seconds = _LEAST_SECONDS if said is None else said
        if largest_share is None:
            largest_share = _LARGEST_SHARE if said is None else 1.0
        self.resumed_from: str | None = None
        self.spent = Spent()
        self._folder = folder
        self._progress = progress
        self._least_seconds = least_seconds
        self._largest_share = largest_share
        self._watch = machine.Stopwatch()
        self._began = time.monotonic()
        self._due = self._began + least_seconds
        self._measured = False
        self._passed: set[str] = set()
        self._signal: int | None = None
        self._able = True

    def names(self) -> frozenset[str]:
        """Return the names of all checkpoints; a new one among them is progress."""
        return frozenset(path.name for path in self._files())

    def resume(self, take: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
        """Hand the newest whole checkpoint to *take*, tensors and facts; without one nothing happens.

        One that is damaged, made by other instruction sets, or that *take* fails at is passed over for the one before;
        *take* must look before it changes anything.
        """
        for path in self._files():
            try:
                tensors, facts = _read(path)
                take(tensors, facts)
            except Exception as problem:  # noqa: BLE001 - torch raises all kinds; without a checkpoint it begins anew
                self._progress(f"checkpoint {path.name[:21]}… is passed over: {problem}")
                self._passed.add(path.name)
                continue
            self.spent = Spent(**facts["spent"])
            self.resumed_from = f"step {int(path.name[:12])}, SHA-256 {path.stem.partition('-')[2]}"
            self._progress(f"goes on from a checkpoint: {self.resumed_from}")
            return

    def reached(self, steps: int, state: Callable[[], State]) -> None:
        """Save what *state* returns, where that is due after so many *steps*, or where a signal asks to end."""
        if self._signal is None and time.monotonic() < self._due:
            return
        self._save(steps, state)
        if self._signal is not None:
            raise _Stopped

    def _save(self, steps: int, state: Callable[[], State]) -> None:
        began = time.monotonic()
        if self._able:
            try:
                tensors, facts = state()
                if self._is_early(tensors):
                    return
                self._write(steps, tensors, facts)
            except OSError as problem:  # a later one may fit; the training itself needs none
                self._progress(f"no checkpoint at step {steps}: {problem.strerror or problem}")
            except Exception as problem:  # noqa: BLE001 - whatever a state holds, the training itself stands
                self._able = False
                self._progress(f"this network's state can't be saved ({problem}); a killed training begins anew")
        ended = time.monotonic()
        self._due = ended + self._pause(ended - began)

    def _is_early(self, tensors: dict[str, Any]) -> bool:
        """Return whether the first save would take more than its share of the time so far; then it is put off."""
        if self._measured or self._signal is not None:
            return False
        self._measured = True
        expected = sum(value.nbytes for value in tensors.values()) / _BYTES_A_SECOND
        self._due = max(self._due, self._began + self._pause(expected))
        return time.monotonic() < self._due

    def _pause(self, seconds: float) -> float:
        """Return how long not to save, where a save takes so many *seconds*."""
        return max(self._least_seconds, seconds * (1 / self._largest_share - 1))

    def _write(self, steps: int, tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        spent = Spent(
            started=self.spent.started or self._watch.started,
            wall_seconds=self.spent.wall_seconds + self._watch.wall_seconds(),
            cpu_seconds=self.spent.cpu_seconds + self._watch.cpu_seconds(),
        )
        about = {"format": _FORMAT, "kernels": list(machine.instruction_sets()), "spent": spent._asdict()}
        content = packed(tensors, facts | about)
        name = f"{steps:012d}-{hashlib.sha256(content).hexdigest()}.safetensors"
        documents.write(self._folder / name, content)
        # Those that were passed over may have more steps: they may not push these out. Another processor may take them.
        own = [path for path in self._files() if path.name not in self._passed]
        for old in own[_KEPT:]:
            old.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Return what looks like a checkpoint, the newest first; a name with a leading dot is half written."""
        if not self._folder.is_dir():
            return []
        return sorted((path for path in self._folder.iterdir() if _FILE.fullmatch(path.name)), reverse=True)

    def clear(self) -> None:
        """Remove all checkpoints: the training is over, and its weights are saved.

        Those of other trainings go as well where nothing was saved for a month: nobody will come back to them.
        """
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            for other in self._folder.parent.iterdir():
                if time.time() - other.stat().st_mtime > _FORGOTTEN_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
            self._folder.parent.rmdir()  # where it is empty

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, SIGTERM, SIGINT and SIGHUP wait for the next :meth:`reached`, which saves; then they act.

        A Ctrl-C after another signal acts at once; of the others a second one changes nothing, since schedulers send
        them more than once. In other threads than the main one, which can't set handlers, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        heeded = [number for number in _SIGNALS if before[number] not in {None, signal.SIG_IGN}]

        def put_back() -> None:
            for number in heeded:
                signal.signal(number, before[number])

        def heed(number: int, _frame: FrameType | None) -> None:
            if self._signal is not None and number == signal.SIGINT:
                put_back()
                signal.raise_signal(number)
            self._signal = self._signal or number

        for number in heeded:
            signal.signal(number, heed)
        try:
            with contextlib.suppress(_Stopped):
                yield
        finally:
            put_back()
        if self._signal is not None:  # it may have come after the last batch
            self._end()

    def _end(self) -> None:
        number = self._signal or signal.SIGTERM
        self._progress(f"{signal.Signals(number).name}: ends here; the next start goes on from the last checkpoint")
        signal.raise_signal(number)  # to the handler that was there before: the default one ends the process
        raise SystemExit(128 + number)


def _said_seconds() -> float | None:
    said = os.environ.get(SECONDS, "")
    if not said:
        return None
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise SettingsError(f"the environment variable {SECONDS}: found {said!r}; expected seconds, such as 60")
    return seconds


def packed(tensors: dict[str, Any], facts: dict[str, Any]) -> bytes:
    """Return tensors and facts as a safetensors file; the inverse of :func:`unpacked`."""
    import safetensors.torch

    # One key: with more of them safetensors writes a random order.
    content: bytes = safetensors.torch.save(tensors, {"weighbridge": canonical_json(facts)})
    return content


def unpacked(content: bytes) -> State:
    """Return the tensors and facts in a safetensors file of ours.

    Raises:
        ValueError: where it is none.
    """
    import safetensors
    import safetensors.torch

    try:
        tensors = safetensors.torch.load(content)
    except safetensors.SafetensorError as problem:
        raise ValueError(f"no safetensors file ({problem})") from None
    length = int.from_bytes(content[:8], "little")
    return tensors, json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["weighbridge"])


def _read(path: Path) -> State:
    """Return a checkpoint's tensors and facts.

    Raises:
        ValueError: where it is damaged, of another format, or made by other kernels: these round otherwise.
    """
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != path.stem.partition("-")[2]:
        raise ValueError("damaged, its bytes aren't those that its name tells")
    tensors, facts = unpacked(content)
    if facts["format"] != _FORMAT:
        raise ValueError(f"of format {facts['format']}, expected {_FORMAT}")
    if facts["kernels"] != list(machine.instruction_sets()):
        raise ValueError(OTHER_KERNELS)
    return tensors, facts
