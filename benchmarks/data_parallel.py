"""Rows a second of two processes that train one network together, beside one process with the whole batch.

Measured: the trainer on random rows, as many columns as the example has after preprocessing, with a network large
enough that computing outweighs summing gradients (about 1.2 million parameters, batches of 2,048 rows). Each process
has one thread; starting them and a first epoch don't count. Two cores have to be free. Printed as well, without a
goal: a network of the example's size, for which several processes don't pay.

Peer: the same training in one process with one thread.
"""

import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import torch

from benchmarks.measure import Figure, finish
from project.models import MLP
from weighbridge.settings import Fit
from weighbridge.training import torch_fit

SPEED_UP_GOAL = 1.6
_COLUMNS, _BATCH, _TURNS = 133, 2048, 3
_LARGE, _SMALL = (1024, 1024), (64, 32)
_ROWS = {_LARGE: 8 * _BATCH, _SMALL: 40 * _BATCH}


def main() -> None:
    """Run, print and judge."""
    ratios = {}
    for hidden in (_SMALL, _LARGE):
        count = sum(value.numel() for value in MLP(_COLUMNS, hidden).parameters())
        one, two = _rates(1, hidden), _rates(2, hidden)
        ratios[hidden] = two / one
        print(f"  {count:,} parameters, batches of {_BATCH:,}, rows/s: one process {one:,.0f}, two {two:,.0f}", end="")
        print(f", {ratios[hidden]:.2f} x", flush=True)
    finish(Figure("data_parallel_speed_up", ratios[_LARGE], SPEED_UP_GOAL, at_least=True))


def _rates(size: int, hidden: tuple[int, int]) -> float:
    """Return the median of the epochs' rows a second, of so many processes."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        every = [spawn.Process(target=_train, args=(Path(folder), rank, size, hidden, theirs)) for rank in range(size)]
        for process in every:
            process.start()
        rates: list[float] = ours.recv()
        for process in every:
            process.join()
    return statistics.median(rates)


def _train(folder: Path, rank: int, size: int, hidden: tuple[int, int], answer: Connection) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    group: torch_fit.Group = torch_fit.ALONE
    if size > 1:
        import torch.distributed as dist

        from weighbridge.training.processes import Group

        dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=size)
        group = Group()
    torch.manual_seed(0)
    inputs, targets = torch.randn(_ROWS[hidden], _COLUMNS), (torch.rand(_ROWS[hidden]) < 0.2).float()
    rows, few = (torch_fit.Rows(inputs=inputs[:end], targets=targets[:end]) for end in (len(inputs), 2))
    settings, marks = Fit(epochs=_TURNS + 1, batch_size=_BATCH, patience=_TURNS + 1), [time.perf_counter()]

    def progress(_line: str) -> None:
        marks.append(time.perf_counter())

    torch_fit.fit(MLP(_COLUMNS, hidden), rows, few, settings, seed=0, threads=1, progress=progress, group=group)
    if not rank:
        epochs = [later - sooner for sooner, later in itertools.pairwise(marks[1:])]
        answer.send([len(rows) / seconds for seconds in epochs])


if __name__ == "__main__":
    main()
