"""The optimiser of networks: PyTorch's own arithmetic, without PyTorch's compiler."""

import subprocess
import sys

import torch

from weighbridge.training.torch_fit import AdamW

_FIT = """
import sys, torch
from weighbridge.settings import Fit
from weighbridge.training import torch_fit
rows = torch_fit.Rows(inputs=torch.ones(4, 2), targets=torch.tensor([0., 1., 0., 1.]))
torch_fit.fit(torch.nn.Linear(2, 1), rows, rows, Fit(epochs=1), seed=0, threads=1, progress=lambda _: None)
sys.exit("torch._dynamo" in sys.modules)
"""


def _network() -> torch.nn.Sequential:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))


def test_steps_are_those_of_torch_to_the_bit() -> None:
    ours, theirs = _network(), _network()
    idle = torch.nn.Parameter(torch.ones(2))
    rows = torch.randn(8, 3)
    optimisers = (
        AdamW([*ours.parameters(), idle], lr=0.01, weight_decay=0.1),
        torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1, fused=True),
    )
    for network, optimiser in zip((ours, theirs), optimisers, strict=True):
        for _ in range(5):
            optimiser.zero_grad()
            network(rows).square().mean().backward()
            optimiser.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert torch.equal(idle, torch.ones(2))


def test_a_training_does_not_import_the_compiler() -> None:
    assert subprocess.run([sys.executable, "-c", _FIT], check=False).returncode == 0
