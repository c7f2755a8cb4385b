"""Train a network: mini-batches of a shuffled copy, AdamW with a schedule, early stopping on the validation loss.

The trainer asks for nothing but a :class:`Source`, which hands out batches. :class:`Rows` is one whose table fits into
memory: there is no ``DataLoader``, an epoch is one ``index_select`` and then slices of it, which is several times
faster for small networks. Rows that don't fit need another source, and nothing else here.
"""

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn

from weighbridge.errors import ModelError
from weighbridge.settings import Fit
from weighbridge.training import device, resuming
from weighbridge.training.checkpoints import Checkpoints
from weighbridge.training.models import seed_everything
from weighbridge.training.objective import Objective
from weighbridge.training.resuming import History, Progress
from weighbridge.training.schedules import schedule

__all__ = [
    "ALONE", "Batch", "Group", "History", "Predicting", "Rows", "Source", "fit", "loss", "predictions", "reproducible",
    "rows",
]  # fmt: skip

_CHUNK = 16384  # rows of a forward pass without gradients
_BINARY = Objective()


class Batch(NamedTuple):
    """Some rows: inputs, float32 of shape (rows, columns), targets as :meth:`Objective.targets`, and weights or none.

    Weights are float32 of shape (rows,), and their mean over all rows of the source is 1: else the learning rate
    would mean something else.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None

    def to(self, place: torch.device) -> "Batch":
        """Return the batch in the memory of *place*."""
        return Batch(*(None if values is None else values.to(place) for values in self))  # type: ignore[arg-type]


class Group(Protocol):
    """The processes that train a network together, seen from one of them."""

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def size(self) -> int:
        """How many there are."""

    def seed(self, seed: int) -> int:
        """Return the seed of this process's own random numbers."""

    def training(self, network: nn.Module) -> AbstractContextManager[None]:
        """Keep *network* the same in all processes while it is trained within."""

    def gradients(
        self, network: nn.Module, learned: Sequence[nn.Parameter], batch: Batch, objective: Objective
    ) -> torch.Tensor:
        """Give each of *learned* the gradient of the mean loss over *batch*, and return that loss.

        What this process needs of the batch it moves to where the network is.
        """

    def summed(self, values: Sequence[float]) -> list[float]:
        """Return the sum over all processes of each of *values*."""


class Alone:
    """A :class:`Group` of one process."""

    rank, size = 0, 1

    def seed(self, seed: int) -> int:
        """Return *seed*."""
        return seed

    def training(self, network: nn.Module) -> AbstractContextManager[None]:
        """Do nothing: there is one network."""
        del network
        return contextlib.nullcontext(None)

    def gradients(
        self, network: nn.Module, learned: Sequence[nn.Parameter], batch: Batch, objective: Objective
    ) -> torch.Tensor:
        """See :meth:`Group.gradients`."""
        batch = batch.to(learned[0].device)
        given = objective.loss(network(batch.inputs), batch.targets, batch.weights)
        given.backward()  # type: ignore[no-untyped-call]  # torch annotates it in part
        return given.detach()

    def summed(self, values: Sequence[float]) -> list[float]:
        """Return *values*."""
        return list(values)


ALONE = Alone()


class Source(Protocol):
    """Where the trainer takes rows from. What it hands out must be the same bits each time it is asked in the same way.

    A training that goes on from a checkpoint asks for :meth:`shuffled` again, with *order* as it was when the epoch
    began, and passes over the batches that are done.
    """

    def __len__(self) -> int:
        """Return how many rows there are."""

    def shuffled(self, order: torch.Generator, size: int) -> Iterator[Batch]:
        """Yield all rows in batches of *size* (the last may be smaller), in an order drawn from *order* alone."""

    def in_turn(self, size: int) -> Iterator[Batch]:
        """Yield all rows in batches of *size*, in the order of the table."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rows:
    """A :class:`Source` in memory; its fields are those of a :class:`Batch`, for all rows."""

    inputs: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor | None = None

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.targets)

    def shuffled(self, order: torch.Generator, size: int) -> Iterator[Batch]:
        """Yield the rows of a shuffled copy; see :meth:`Source.shuffled`."""
        drawn = torch.randperm(len(self), generator=order)
        copied = (None if values is None else values.index_select(0, drawn) for values in self._fields())
        return _split(size, *copied)

    def in_turn(self, size: int) -> Iterator[Batch]:
        """Yield the rows; see :meth:`Source.in_turn`."""
        return _split(size, *self._fields())

    def _fields(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        return self.inputs, self.targets, self.weights


def _split(size: int, *fields: torch.Tensor | None) -> Iterator[Batch]:
    parts = (itertools.repeat(None) if values is None else torch.split(values, size) for values in fields)
    return (Batch(*values) for values in zip(*parts, strict=False))  # a field that isn't there never ends


def rows(inputs: Any, targets: Any, weights: Any | None = None, objective: Objective = _BINARY) -> Rows:
    """Return tensors of arrays; *inputs* (float32) share their memory, *weights* are brought to a mean of 1."""
    return Rows(
        inputs=torch.from_numpy(inputs),
        targets=objective.targets(targets),
        weights=None if weights is None else torch.from_numpy((weights / weights.mean()).astype("float32")),
    )


def fit(  # noqa: PLR0913 - the parts of one fit
    network: nn.Module,
    train: Source,
    validation: Source,
    settings: Fit,
    *,
    objective: Objective = _BINARY,
    seed: int,
    threads: int,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None = None,
    group: Group = ALONE,
) -> History:
    """Train *network* in place, and leave it in evaluation mode with the weights of its best epoch.

    The order of the rows depends on *seed* alone, dropout on the global generator, which is seeded here too; of a
    *group* of processes each has its own.
    A last batch of a single row is left out, since batch normalisation can't take one. With *checkpoints* it goes on
    from the newest one, to the very bits that it would have come to without interruption.

    Raises:
        ModelError: where the loss is no finite number, or the network fails on its input.
    """
    network.to(device.chosen(settings.device))
    seed_everything(group.seed(seed))
    shuffle = torch.Generator().manual_seed(seed)
    with (
        checkpoints.interruptible() if checkpoints else contextlib.nullcontext(),
        reproducible(threads),
        group.training(network),
    ):
        optimiser = _optimiser(network, settings)
        batches = math.ceil(len(train) / settings.batch_size)
        state = Progress(network, optimiser, shuffle, schedule(optimiser, settings, batches))
        if checkpoints:
            checkpoints.resume(lambda tensors, facts: resuming.take(state, tensors, facts))
        for epoch in range(state.epoch, settings.epochs + 1):
            _learn(
                state,
                train,
                validation,
                settings,
                objective,
                progress=progress,
                checkpoints=checkpoints,
                group=group,
            )
            if epoch - state.history.best_epoch >= settings.patience:
                progress(f"stopped: no lower validation loss since epoch {state.history.best_epoch}")
                break
        network.load_state_dict(state.history.best_weights)
    network.cpu().eval()
    return state.history


def _learn(  # noqa: PLR0913 - what an epoch is made of
    state: Progress,
    train: Source,
    validation: Source,
    settings: Fit,
    objective: Objective,
    *,
    progress: Callable[[str], None],
    checkpoints: Checkpoints | None,
    group: Group,
) -> None:
    """Run one epoch, or the rest of it, measure it, and get ready for the next."""
    started, done = time.perf_counter(), state.batch * settings.batch_size
    batches = math.ceil(len(train) / settings.batch_size)

    def pause() -> None:
        if checkpoints:
            steps = (state.epoch - 1) * batches + state.batch
            checkpoints.reached(steps, lambda: resuming.give(state))

    state.total = state.total.to(device.of(state.network))
    train_loss = _epoch(state, train, settings.batch_size, objective, pause, group=group)
    rate = max(len(train) - done, 0) / (time.perf_counter() - started)
    validation_loss = loss(state.network, validation, objective, group)
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


def _epoch(  # noqa: PLR0913 - what a pass over the rows is made of
    state: Progress, train: Source, batch_size: int, objective: Objective, pause: Callable[[], None], *, group: Group
) -> float:
    """Take one step a batch, in a new order, from where *state* stands; return the mean loss a row, by weight."""
    network, optimiser = state.network, state.optimiser
    learned = [value for part in optimiser.param_groups for value in part["params"]]
    network.train()
    for batch in itertools.islice(train.shuffled(state.shuffle, batch_size), state.batch, None):
        count = len(batch.targets)
        if not count == 1 < min(batch_size, len(train)):
            optimiser.zero_grad()
            step_loss = group.gradients(network, learned, batch, objective)
            optimiser.step()
            if state.schedule:
                state.schedule.step()
            state.total += step_loss * count
            state.seen += _weight(batch)
        state.batch += 1
        pause()
    return float(state.total) / state.seen


def _weight(batch: Batch) -> float:
    """Return what the rows count together: how many they are, where all count alike."""
    return len(batch.targets) if batch.weights is None else float(batch.weights.sum())


@torch.no_grad()
def loss(network: nn.Module, data: Source, objective: Objective = _BINARY, group: Group = ALONE) -> float:
    """Return the mean loss a row, by weight, in evaluation mode; the same bits however many share the work."""
    network.eval()
    place = device.of(network)
    sums, seen, total = [], 0.0, 0.0
    for number, batch in enumerate(data.in_turn(_CHUNK)):
        mine = number % group.size == group.rank
        sums.append(_sum(network, batch.to(place), objective) if mine else 0.0)
        seen += _weight(batch)
    for value in group.summed(sums):  # one after the other, as one process adds them; sum() may do otherwise
        total += value
    return total / seen


def _sum(network: nn.Module, batch: Batch, objective: Objective) -> float:
    return float(objective.loss(network(batch.inputs), batch.targets, batch.weights, "sum"))


def _check_finite(epoch: int, train_loss: float, validation_loss: float, lr: float) -> None:
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        raise ModelError(
            f"epoch {epoch}: train loss is {train_loss}, validation loss {validation_loss}; expected finite numbers. "
            f"Lower fit.lr (now {lr}), or look for a division or logarithm in the network"
        )


class Predicting(nn.Module):
    """A network with what turns its output into predictions behind it."""

    def __init__(self, network: nn.Module, objective: Objective = _BINARY) -> None:
        super().__init__()
        self.network = network
        self.objective = objective

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`Objective.predictions` says, for *inputs* of shape (rows, columns)."""
        return self.objective.predictions(self.network(inputs))


@torch.no_grad()
def predictions(network: nn.Module, inputs: Any, objective: Objective = _BINARY) -> Any:
    """Return what :meth:`Objective.predictions` says as float64, for the float32 array *inputs*."""
    model = Predicting(network, objective).eval()
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
