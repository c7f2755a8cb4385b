"""Batch normalisation over a batch that several processes share: mean and variance of all its rows, on each of them.

torch's own ``SyncBatchNorm`` does so on GPUs only. Here the layers of the network stay what they are, and only their
``forward`` is another one for as long as the training takes.
"""

import contextlib
from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

Sum = Callable[[torch.Tensor], None]
"""Replaces a tensor by the sum of those of all processes."""


def layers(network: nn.Module) -> list[_BatchNorm]:
    """Return the layers whose statistics are shared: those of torch, whose ``forward`` nobody has overridden."""
    own = {_BatchNorm.forward, nn.SyncBatchNorm.forward}
    return [module for module in network.modules() if isinstance(module, _BatchNorm) and type(module).forward in own]


@contextlib.contextmanager
def shared(network: nn.Module, total: Sum, copies: Callable[[], int]) -> Iterator[None]:
    """Within, batch normalisation counts the rows of all processes.

    Args:
        network: whose layers compute otherwise meanwhile.
        total: sums over the processes.
        copies: how many processes see each row at the moment.
    """

    def forward(module: _BatchNorm, values: torch.Tensor) -> torch.Tensor:
        if not module.training:
            return type(module).forward(module, values)
        module._check_input_dim(values)  # type: ignore[no-untyped-call]  # noqa: SLF001 - as torch's own forward does
        return _normalised(module, values, total, copies())

    found = layers(network)
    for module in found:
        module.forward = MethodType(forward, module)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for module in found:
            del module.forward


class _Total(torch.autograd.Function):
    """A sum over the processes that can be differentiated: what a process gives counts in the loss of each."""

    @staticmethod
    def forward(context: Any, values: torch.Tensor, total: Sum) -> torch.Tensor:
        context.total = total
        summed = values.clone()
        total(summed)
        return summed

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        summed = gradient.clone()
        context.total(summed)
        return summed, None


def _normalised(module: _BatchNorm, values: torch.Tensor, total: Sum, copies: int) -> torch.Tensor:
    """Return *values* of shape (rows, channels, …) with mean 0 and variance 1 in each channel, then scaled."""

    def over_all(each: torch.Tensor) -> torch.Tensor:
        summed: torch.Tensor = _Total.apply(each.double(), total)  # type: ignore[no-untyped-call]
        return summed

    across = [0, *range(2, values.dim())]
    shape = [1, -1] + [1] * (values.dim() - 2)
    here = values.new_full((1,), values.numel() // values.shape[1])
    sums = over_all(torch.cat([values.sum(across), here]))
    count = float(sums[-1].detach())
    if count / copies <= 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got {count / copies:g}")
    mean = (sums[:-1] / count).to(values.dtype)
    centred = values - mean.view(shape)
    variance = (over_all((centred * centred).sum(across)) / count).to(values.dtype)
    _remember(module, mean.detach(), variance.detach() * (count / (count - copies)))
    normal = centred * torch.rsqrt(variance + module.eps).view(shape)
    return normal * module.weight.view(shape) + module.bias.view(shape) if module.affine else normal


def _remember(module: _BatchNorm, mean: torch.Tensor, variance: torch.Tensor) -> None:
    """Take a batch into the running statistics, as torch does."""
    if module.running_mean is None or module.running_var is None or module.num_batches_tracked is None:
        return
    with torch.no_grad():
        module.num_batches_tracked.add_(1)
        share = 1 / float(module.num_batches_tracked) if module.momentum is None else module.momentum
        for running, new in ((module.running_mean, mean), (module.running_var, variance)):
            running.mul_(1 - share).add_(new.to(running.dtype), alpha=share)
