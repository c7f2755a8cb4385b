"""Train a network: mini-batches of a shuffled copy, AdamW, early stopping on the validation loss.

There is no ``DataLoader``: the table fits into memory, so an epoch is one ``index_select`` and then slices of it,
which is several times faster for small networks. Nothing in a step waits for a value.
"""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from weighbridge.errors import ModelError
from weighbridge.settings import Fit
from weighbridge.training import resuming
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.models import seed_everything
from weighbridge.training.resuming import History, Progress

__all__ = ["History", "Probability", "Rows", "fit", "logits", "loss", "probabilities", "reproducible", "rows"]

_CHUNK = 16384  # rows of a forward pass without gradients
_LOGIT_PAIR = 2


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """Model inputs, float32 of shape (rows, columns), and targets, 0 or 1 as float32 of shape (rows,)."""

    inputs: torch.Tensor
    targets: torch.Tensor


def rows(inputs: Any, targets: Any) -> Rows:
    """Return tensors that share the memory of the arrays *inputs* (float32) and *targets*."""
    return Rows(inputs=torch.from_numpy(inputs), targets=torch.from_numpy(targets.astype("float32")))


def logits(output: torch.Tensor) -> torch.Tensor:
    """Return one logit a row, shape (rows,), of a network's output.

    Two logits a row become their difference: a sigmoid of it equals the softmax of the two.

    Raises:
        ModelError: where *output* is of another shape than (rows,), (rows, 1) or (rows, 2).
    """
    if output.dim() == _LOGIT_PAIR and output.shape[1] == _LOGIT_PAIR:
        return output[:, 1] - output[:, 0]
    if output.dim() == 1 or (output.dim() == _LOGIT_PAIR and output.shape[1] == 1):
        return output.reshape(-1)
    raise ModelError(
        f"the network returned shape {tuple(output.shape)}; expected one logit a row, (rows, 1), or two, (rows, 2)"
    )


def fit(  # noqa: PLR0913 - the parts of one fit
    network: nn.Module,
    train: Rows,
    validation: Rows,
    settings: Fit,
    *,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train *network* in place, and leave it in evaluation mode with the weights of its best epoch.

    The order of the rows depends on *seed* alone, dropout on the global generator, which is seeded here too.
    A last batch of a single row is left out, since batch normalisation can't take one. With *checkpoints* it goes on
    from the newest one, to the very bits that it would have come to without interruption.

    Raises:
        ModelError: where the loss is no finite number, or the network fails on its input.
    """
    seed_everything(seed)
    shuffle = torch.Generator().manual_seed(seed)
    with checkpoints.interruptible() if checkpoints else contextlib.nullcontext(), reproducible(threads):
        state = Progress(network, _optimiser(network, settings), shuffle)
        if checkpoints:
            checkpoints.resume(lambda tensors, facts: resuming.take(state, tensors, facts))
        for epoch in range(state.epoch, settings.epochs + 1):
            _learn(state, train, validation, settings, progress=progress, checkpoints=checkpoints)
            if epoch - state.history.best_epoch >= settings.patience:
                progress(f"stopped: no lower validation loss since epoch {state.history.best_epoch}")
                break
        network.load_state_dict(state.history.best_weights)
    network.eval()
    return state.history


def _learn(  # noqa: PLR0913 - what an epoch is made of
    state: Progress,
    train: Rows,
    validation: Rows,
    settings: Fit,
    *,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None,
) -> None:
    """Run one epoch, or the rest of it, measure it, and get ready for the next."""
    started, done = time.perf_counter(), state.batch * settings.batch_size
    batches = math.ceil(len(train.targets) / settings.batch_size)

    def pause() -> None:
        if checkpoints:
            steps = (state.epoch - 1) * batches + state.batch
            checkpoints.reached(steps, lambda: resuming.give(state))

    train_loss = _epoch(state, train, settings.batch_size, pause)
    rate = max(len(train.targets) - done, 0) / (time.perf_counter() - started)
    validation_loss = loss(state.network, validation)
    pause()  # a signal may have come meanwhile
    _check_finite(state.epoch, train_loss, validation_loss, settings.lr)
    progress(
        f"epoch {state.epoch}/{settings.epochs}  train loss {train_loss:.5f}  validation loss {validation_loss:.5f}"
        f"  {time.perf_counter() - started:.1f} s  {rate:,.0f} rows/s"
    )
    state.history.add(state.epoch, train_loss, validation_loss, state.network)
    state.next_epoch()


def _optimiser(network: nn.Module, settings: Fit) -> torch.optim.Optimizer:
    learned = [value for value in network.parameters() if value.requires_grad]
    if not learned:
        raise ModelError(f"{type(network).__name__} has no parameters to learn; expected layers with weights")
    # fused: one call a step for all parameters, with the same arithmetic
    return torch.optim.AdamW(learned, lr=settings.lr, weight_decay=settings.weight_decay, fused=True)


def _epoch(state: Progress, train: Rows, batch_size: int, pause: Callable[[], None]) -> float:
    """Take one step a batch, in a new order, from where *state* stands; return the mean loss a row."""
    network, optimiser = state.network, state.optimiser
    count = len(train.targets)
    order = torch.randperm(count, generator=state.shuffle)
    inputs, targets = train.inputs.index_select(0, order), train.targets.index_select(0, order)
    network.train()
    batches = zip(torch.split(inputs, batch_size), torch.split(targets, batch_size), strict=True)
    for batch, wanted in itertools.islice(batches, state.batch, None):
        if not len(wanted) == 1 < count:
            step_loss = binary_cross_entropy_with_logits(logits(network(batch)), wanted)
            optimiser.zero_grad()
            step_loss.backward()  # type: ignore[no-untyped-call]  # torch annotates it in part
            optimiser.step()
            state.total += step_loss.detach() * len(wanted)
            state.seen += len(wanted)
        state.batch += 1
        pause()
    return float(state.total) / state.seen


@torch.no_grad()
def loss(network: nn.Module, data: Rows) -> float:
    """Return the mean cross-entropy a row (natural logarithm), in evaluation mode."""
    network.eval()
    total = 0.0
    for batch, wanted in zip(torch.split(data.inputs, _CHUNK), torch.split(data.targets, _CHUNK), strict=True):
        total += float(binary_cross_entropy_with_logits(logits(network(batch)), wanted, reduction="sum"))
    return total / len(data.targets)


def _check_finite(epoch: int, train_loss: float, validation_loss: float, lr: float) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise ModelError(
            f"epoch {epoch}: train loss is {train_loss}, validation loss {validation_loss}; expected finite numbers. "
            f"Lower fit.lr (now {lr}), or look for a division or logarithm in the network"
        )


class Probability(nn.Module):
    """A network with the sigmoid behind it: P(target = 1) of shape (rows,)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return probabilities for *inputs* of shape (rows, columns)."""
        return torch.sigmoid(logits(self.network(inputs)))


@torch.no_grad()
def probabilities(network: nn.Module, inputs: Any) -> Any:
    """Return P(target = 1): float64 of shape (rows,) for the float32 array *inputs*."""
    model = Probability(network).eval()
    parts = [model(batch) for batch in torch.split(torch.from_numpy(inputs), _CHUNK)]
    return torch.cat(parts).numpy().astype("float64")


@contextlib.contextmanager
def reproducible(threads: int) -> Iterator[None]:
    """Compute with *threads* threads and deterministic kernels only, and restore both settings after.

    Raises:
        ModelError: where the network uses an operation that has no deterministic kernel, or fails otherwise.
    """
    before = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(threads)
    # as use_deterministic_algorithms(True), which would import PyTorch's compiler as well: 2 s of CPU
    torch.set_deterministic_debug_mode("error")
    try:
        yield
    except ModelError:
        raise
    except Exception as problem:  # noqa: BLE001 - a project's forward may fail with anything
        raise ModelError(f"the network failed: {type(problem).__name__}: {problem}; mend its forward") from None
    finally:
        torch.set_num_threads(before[0])
        torch.set_deterministic_debug_mode(before[1])
