"""What saving checkpoints at the default interval costs a training.

Measured: the trainer on a network of 25 million parameters (2,048 inputs, two hidden layers of 4,096, AdamW: a state of
400 MB once there are best weights), some minutes of steps on the same made batch, on as many threads as there are
cores; with checkpoints in a folder of its own and without, in turns. Two figures: the share of the time on the clock in
which it saves, waiting for the disk included; and the CPU that the training takes more, from the medians, which hashing
and copying add to. The trainings are long enough that the first save falls into them: a state of this size is saved
every few minutes.

Peer: the same training without checkpoints.

``--seconds`` says how long a training takes, about; ``--turns`` how often each is done; ``--folder`` where to save,
such as on a shared file system.
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.measure import Figure, finish, interleaved
from project.models import MLP
from weighbridge.settings import Fit
from weighbridge.training import torch_fit
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.torch_fit import Batch

SHARE_GOAL = 2.0
CPU_GOAL = 2.0
_COLUMNS, _HIDDEN, _BATCH, _EPOCHS = 2048, (4096, 4096), 128, 4
_SECONDS, _TURNS = 300, 2


@dataclasses.dataclass(frozen=True)
class Same:
    """A source that hands out the same batch again and again."""

    batch: Batch
    batches: int

    def __len__(self) -> int:
        """Return how many rows it has."""
        return self.batches * _BATCH

    def shuffled(self, order: torch.Generator, size: int) -> Iterator[Batch]:
        """Yield them; nothing is drawn."""
        del order, size
        return (self.batch for _ in range(self.batches))

    def in_turn(self, size: int) -> Iterator[Batch]:
        """Yield them."""
        del size
        yield self.batch


class Timed(Checkpoints):
    """Checkpoints that know how long saving took, and what was saved."""

    seconds = 0.0
    saved: frozenset[str] = frozenset()

    def reached(self, steps: int, state: Callable[[], Any]) -> None:
        """Save where that is due."""
        started = time.perf_counter()
        super().reached(steps, state)
        self.seconds += time.perf_counter() - started
        if steps % 10 == 0:
            self.saved |= self.names()


@dataclasses.dataclass(frozen=True)
class Trained:
    """What a training took, in seconds, and how much of that went into saving."""

    wall: float
    cpu: float
    saving: float
    saves: int


def main() -> None:
    """Run, print and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=_SECONDS)
    parser.add_argument("--turns", type=int, default=_TURNS)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.randn(_BATCH, _COLUMNS, generator=generator),
        (torch.rand(_BATCH, 1, generator=generator) < 0.5).float()[:, 0],
        None,
    )
    step = _train(Same(batch, 5), None).wall / (5 * _EPOCHS)
    source = Same(batch, max(round(asked.seconds / step / _EPOCHS), 1))

    def saving() -> Trained:
        with tempfile.TemporaryDirectory(prefix="weighbridge-", dir=asked.folder) as folder:
            return _train(source, Timed(Path(folder, "run"), progress=print))

    ours, bare = interleaved(asked.turns, saving, lambda: _train(source, None))
    wall, cpu = (statistics.median(getattr(one, name) for one in ours) for name in ("wall", "cpu"))
    share = statistics.median(100 * one.saving / one.wall for one in ours)
    peer = statistics.median(one.cpu for one in bare)
    saves = ", ".join(f"{one.saves} in {one.saving:.1f} s" for one in ours)
    print(f"  {step:.2f} s a step, {wall:.0f} s a training; saved {saves}; CPU {cpu:.0f} s, without {peer:.0f} s")
    if not all(one.saves for one in ours):
        sys.exit("nothing was saved in a training: it was too short, so give more --seconds")
    finish(
        Figure("checkpointing_percent_of_time", share, SHARE_GOAL),
        Figure("checkpointing_percent_of_cpu", 100 * (cpu / peer - 1), CPU_GOAL),
    )


def _train(source: Same, checkpoints: Timed | None) -> Trained:
    torch.manual_seed(0)
    network = MLP(_COLUMNS, hidden=_HIDDEN)
    settings = Fit(epochs=_EPOCHS, batch_size=_BATCH, patience=_EPOCHS)
    wall, cpu = time.perf_counter(), time.process_time()
    torch_fit.fit(
        network,
        source,
        source,
        settings,
        seed=0,
        threads=os.cpu_count() or 1,
        progress=lambda _: None,
        checkpoints=checkpoints,
    )
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Trained(wall, cpu, *((checkpoints.seconds, len(checkpoints.saved)) if checkpoints else (0.0, 0)))


if __name__ == "__main__":
    main()
