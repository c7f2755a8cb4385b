"""Rows a second of the trainer, beside a loop written by hand and one with a ``DataLoader``.

Measured: the example's network, batch size and optimiser, on as many rows and columns as the example has after
preprocessing (random ones: values don't matter for speed), several epochs on one thread, without validation
worth mentioning. Seconds are those of CPU, so that a busy machine doesn't count against one of them. The three take
turns; the figures are ratios of the medians.

Peers: the same network in a plain loop over slices of a shuffled tensor, as one writes it for one project, with
the same fused AdamW and a loss read once an epoch; and the same loop over ``DataLoader(TensorDataset)``, as the
tutorials have it.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterable

import torch
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.measure import Figure, finish, interleaved
from project.models import MLP
from weighbridge.settings import Fit
from weighbridge.training import torch_fit

HAND_WRITTEN_GOAL = 0.95
DATA_LOADER_GOAL = 3.0
_ROWS, _COLUMNS = 105_000, 133
_EPOCHS, _BATCH, _RATE = 4, 2048, 0.001
_TURNS = 7

Loop = Callable[[MLP, torch.Tensor, torch.Tensor], None]


def main() -> None:
    """Run, print and judge."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(_ROWS, _COLUMNS, generator=generator)
    targets = (torch.rand(_ROWS, generator=generator) < 0.2).float()
    measures = [functools.partial(_rate, kind, inputs, targets) for kind in (_trainer, _by_hand, _data_loader)]
    interleaved(1, *measures)  # warm up
    ours, by_hand, loader = (statistics.median(rates) for rates in interleaved(_TURNS, *measures))
    print(f"  rows/s: trainer {ours:,.0f}, written by hand {by_hand:,.0f}, DataLoader {loader:,.0f}")
    finish(
        Figure("trainer_ratio_to_data_loader", ours / loader, DATA_LOADER_GOAL, at_least=True),
        Figure("trainer_ratio_to_hand_written", ours / by_hand, HAND_WRITTEN_GOAL, at_least=True),
    )


def _rate(kind: Loop, inputs: torch.Tensor, targets: torch.Tensor) -> float:
    torch.manual_seed(0)
    network = MLP(inputs.shape[1])
    started = time.process_time()
    kind(network, inputs, targets)
    return _EPOCHS * len(inputs) / (time.process_time() - started)


def _trainer(network: MLP, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    rows = torch_fit.Rows(inputs=inputs, targets=targets)
    few = torch_fit.Rows(inputs=inputs[:2], targets=targets[:2])
    settings = Fit(epochs=_EPOCHS, batch_size=_BATCH, lr=_RATE, patience=_EPOCHS)
    torch_fit.fit(network, rows, few, settings, seed=0, threads=1, progress=lambda _: None)


def _by_hand(network: MLP, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, fused=True)
    for _ in range(_EPOCHS):
        order = torch.randperm(len(inputs))
        rows, wanted = (torch.split(tensor.index_select(0, order), _BATCH) for tensor in (inputs, targets))
        _learn(network, optimiser, zip(rows, wanted, strict=True))


def _data_loader(network: MLP, inputs: torch.Tensor, targets: torch.Tensor) -> None:
    optimiser = torch.optim.AdamW(network.parameters(), lr=_RATE, fused=True)
    loader = DataLoader(TensorDataset(inputs, targets), batch_size=_BATCH, shuffle=True)
    for _ in range(_EPOCHS):
        _learn(network, optimiser, loader)


def _learn(
    network: MLP, optimiser: torch.optim.Optimizer, batches: Iterable[tuple[torch.Tensor, torch.Tensor]]
) -> float:
    loss = torch.nn.BCEWithLogitsLoss()
    total = torch.zeros(())
    for rows, wanted in batches:
        optimiser.zero_grad()
        step = loss(network(rows).squeeze(1), wanted)
        step.backward()
        optimiser.step()
        total += step.detach()
    return float(total)


if __name__ == "__main__":
    main()
