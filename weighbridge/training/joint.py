"""Checkpoints of processes that train together: the first one writes them, with the random states of all.

All save, and all stop, after the same step: each says before it whether it would, along with its gradient.
"""

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from weighbridge import machine
from weighbridge.training import resuming
from weighbridge.training.checkpoints import OTHER_KERNELS, Checkpoints, State, packed, unpacked
from weighbridge.training.processes import Group

_Take = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]


class Stopped(BaseException):
    """All processes were asked to end, and their state is saved."""


class _Watch(machine.Stopwatch):
    """A stopwatch whose CPU time is that of all processes, as far as it was told."""

    others = 0.0

    def cpu_seconds(self) -> float:
        return super().cpu_seconds() + self.others


class JointCheckpoints(Checkpoints):
    """The checkpoints of a :class:`Group`, seen from one of its processes; only the first one reads and writes files.

    Attributes:
        asked: whether this process was asked to end; a signal handler or another thread sets it.
        heeds: whether :attr:`asked` is looked at, so that nobody else has to end the process.
    """

    def __init__(self, folder: Path, group: Group, *, progress: Callable[[str], None]) -> None:
        super().__init__(folder, progress=progress)
        self.asked = False
        self.heeds = False
        self._group = group
        self._watch: _Watch = _Watch()
        group.votes = self._votes

    def _votes(self) -> tuple[float, float]:
        return float(self.asked), float(not self._group.rank and time.monotonic() >= self._due)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Within, :attr:`asked` makes all processes save after the next step and end, as :class:`Stopped`."""
        self.heeds = True
        try:
            yield
        finally:
            self.heeds = False

    def resume(self, take: _Take) -> None:
        """Hand the newest whole checkpoint to *take* in all processes; each gets its own random states back."""
        group, found = self._group, []
        kernels = [json.loads(one) for one in group.gathered(json.dumps(machine.instruction_sets()).encode())]
        if any(one != kernels[0] for one in kernels):
            self._progress(
                "the processes run on processors with different instruction sets: another spread over such machines "
                "may give other bits; the record tells the hardware of the first process"
            )

        def first(tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
            ranks = facts.get("ranks", ())
            if len(ranks) != group.size:
                raise ValueError(f"of {len(ranks) or 1} processes, expected {group.size}")
            for rank, (then, now) in enumerate(zip(ranks, kernels, strict=True)):
                if then.get("kernels") != now:
                    raise ValueError(f"the state of process {rank} was {OTHER_KERNELS}")
                resuming.check_generators(_own(tensors, rank), then)
            take(tensors, facts)
            found.append((tensors, facts))

        if not group.rank:
            super().resume(first)
        state = group.told(packed(*found[-1]) if found else b"")
        if not state:
            return
        tensors, facts = unpacked(state)
        if group.rank:
            take(tensors, facts)
        resuming.set_generators(_own(tensors, group.rank), facts["ranks"][group.rank])

    def reached(self, steps: int, state: Callable[[], State]) -> None:
        """Save and stop as all have agreed; see :meth:`Checkpoints.reached`."""
        group, (stop, save) = self._group, self._group.decided
        if not (stop or save):
            return
        group.decided = (False, False)
        random_states, numbers = resuming.generators()
        numbers |= {"kernels": list(machine.instruction_sets())}
        own = packed(random_states, {"numbers": numbers, "cpu_seconds": self._watch.cpu_seconds()})
        drawn = [unpacked(one) for one in group.gathered(own)]

        def of_all() -> State:
            tensors, facts = state()
            for rank, (of_rank, _) in enumerate(drawn):
                tensors |= {f"ranks.{rank}.{name}": value for name, value in of_rank.items()}
            return tensors, facts | {"ranks": [told["numbers"] for _, told in drawn]}

        if not group.rank:
            self._watch.others = sum(told["cpu_seconds"] for _, told in drawn[1:])
            self._signal = signal.SIGTERM if stop else None
            self._save(steps, of_all)
        if stop:
            group.told(b"")  # nobody ends before it is written
            raise Stopped


def _own(tensors: dict[str, torch.Tensor], rank: int) -> dict[str, torch.Tensor]:
    below = f"ranks.{rank}."
    return {name.removeprefix(below): value for name, value in tensors.items() if name.startswith(below)}
