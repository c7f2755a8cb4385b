"""How the learning rate goes over a training: the share of ``fit.lr`` at each step.

A share depends on the step alone, not on the shares before it: so a training that goes on from a checkpoint has the
very rates of one that was not interrupted.
"""

import math
from collections.abc import Callable

import torch

from weighbridge.settings import Fit


def schedule(
    optimiser: torch.optim.Optimizer, settings: Fit, batches: int
) -> torch.optim.lr_scheduler.LRScheduler | None:
    """Return what sets the learning rate before each step; ``None`` where it stays as it is.

    Args:
        optimiser: its learning rate is set.
        settings: say the schedule, the epochs and the warm-up.
        batches: steps of an epoch.
    """
    if settings.schedule == "constant" and not settings.warmup_epochs:
        return None
    return torch.optim.lr_scheduler.LambdaLR(optimiser, share(settings, batches))


def share(settings: Fit, batches: int) -> Callable[[int], float]:
    """Return the function from a step, the first is 0, to the share of ``fit.lr`` that it takes.

    It grows in even steps to 1 during the warm-up, then falls towards 0 at the end of the last epoch: evenly, or as
    half a cosine (Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983, without restarts).
    """
    warmup = math.ceil(settings.warmup_epochs * batches)
    rest = max(settings.epochs * batches - warmup, 1)

    def at(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        done = min((step - warmup) / rest, 1.0)
        if settings.schedule == "linear":
            return 1 - done
        return (1 + math.cos(math.pi * done)) / 2 if settings.schedule == "cosine" else 1.0

    return at
