"""Processes that train one network together: each learns from its share of every batch, and all take the same step.

A gradient is the sum of those of the shares, over as many rows as the whole batch has: that of one process with the
whole batch, but for rounding. It is summed as one vector whose layout is fixed, so with gloo, on machines of one kind,
the bits depend on how many processes there are and on nothing else: not on how they are spread over machines, nor on
where a training was interrupted. NCCL chooses the order of a sum by how the GPUs are linked.
"""

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import nn

from weighbridge.errors import ModelError
from weighbridge.training import batch_norm
from weighbridge.training.objective import Objective
from weighbridge.training.parting import Parted
from weighbridge.training.torch_fit import Batch

_SEEDS = 2**32


class Group:
    """The processes that train together, seen from one of them; of size 1 it is that process alone.

    Attributes:
        rank: number of this process, from 0.
        size: how many there are.
        votes: asks this process whether to stop and whether to save, 1 or 0 each.
        decided: whether one of them has asked so; the same for all after the same step.
    """

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.votes: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)
        self.decided = (False, False)
        self._copies = 1
        self._left: list[tuple[nn.Module, str]] = []

    def seed(self, seed: int) -> int:
        """Return the seed of this process's own random numbers, such as dropout's: *seed* itself for the first."""
        if not self.rank:
            return seed
        return int.from_bytes(hashlib.sha256(f"{seed} {self.rank}".encode()).digest()[:8], "big") % _SEEDS

    @contextlib.contextmanager
    def training(self, network: nn.Module) -> Iterator[None]:
        """Within, *network* is trained by all; it begins with the first one's weights, and must end the same for all.

        Raises:
            ModelError: where the processes have come to different weights.
        """
        synced = {id(layer) for layer in batch_norm.layers(network)}
        self._left = [
            (module, name)
            for module in network.modules()
            if id(module) not in synced
            for name, value in module.named_buffers(recurse=False)
            if value.numel()
        ]
        with torch.no_grad():
            for value in (*network.parameters(), *network.buffers()):
                self._spread(value)
        with batch_norm.shared(network, self._total, lambda: self._copies):
            yield
        self._check_same(network)

    def gradients(
        self, network: nn.Module, learned: Sequence[nn.Parameter], batch: Batch, objective: Objective
    ) -> torch.Tensor:
        """Give each of *learned* the gradient of the mean loss over *batch*, and return that loss.

        Fewer rows than processes can't be shared: each process then takes all of them.
        """
        count = len(batch.targets)
        self._copies = self.size if count < self.size else 1
        own = (batch if self._copies > 1 else self._share(batch)).to(learned[0].device)
        given = objective.loss(network(own.inputs), own.targets, own.weights, "sum") / (count * self._copies)
        given.backward()  # type: ignore[no-untyped-call]  # torch annotates it in part
        _check(learned)
        with torch.no_grad():
            loss = self._sum_gradients(learned, given.detach())
            for module, name in self._left:
                self._spread(module.get_buffer(name))
        return loss

    def summed(self, values: Sequence[float]) -> list[float]:
        """Return the sum over all processes of each of *values*; exact where all but one gave 0."""
        vector = torch.tensor([*values, *self.votes()], dtype=torch.float64, device=_device())
        self._total(vector)
        *sums, stop, save = vector.tolist()
        self._decide(stop, save)
        return sums

    def gathered(self, content: bytes) -> list[bytes]:
        """Return what each process gave, to the first; to the others nothing."""
        length = torch.tensor([len(content)], device=_device())
        lengths = [torch.zeros_like(length) for _ in range(self.size)]
        with _linked():
            dist.all_gather(lengths, length)
            own = _as_tensor(content, max(map(int, lengths)))
            found = None if self.rank else [torch.empty_like(own) for _ in lengths]
            dist.gather(own, found)
        return [_as_bytes(one)[: int(size)] for one, size in zip(found or (), lengths, strict=False)]

    def told(self, content: bytes) -> bytes:
        """Return what the first process gave."""
        length = torch.tensor([len(content)], device=_device())
        with _linked():
            dist.broadcast(length, 0)
            told = _as_tensor(b"" if self.rank else content, int(length))
            dist.broadcast(told, 0)
        return _as_bytes(told)

    def _share(self, batch: Batch) -> Batch:
        count = len(batch.targets)
        mine = slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)
        return Batch(*(None if values is None else values[mine] for values in batch))  # type: ignore[arg-type]

    def _sum_gradients(self, learned: Sequence[nn.Parameter], loss: torch.Tensor) -> torch.Tensor:
        kind = functools.reduce(torch.promote_types, (value.dtype for value in learned), torch.float32)
        given = [
            torch.zeros(value.numel(), dtype=kind, device=value.device)
            if value.grad is None
            else value.grad.reshape(-1).to(kind)
            for value in learned
        ]
        # Where no process has a gradient a parameter stays as it is, as in a single one.
        facts = [*(float(value.grad is not None) for value in learned), *self.votes()]
        vector = torch.cat([*given, loss.reshape(1).to(kind), loss.new_tensor(facts, dtype=kind)])
        self._total(vector)
        *parts, mean, having, (stop, save) = torch.split(
            vector, [*(value.numel() for value in learned), 1, len(learned), 2]
        )
        for value, part, has in zip(learned, parts, having.tolist(), strict=True):
            if has:
                value.grad = torch.empty_like(value) if value.grad is None else value.grad
                value.grad.copy_(part.view(value.shape))
        self._decide(float(stop), float(save))
        return mean.reshape(()).clone().to(loss.dtype)

    def _decide(self, stop: float, save: float) -> None:
        self.decided = (self.decided[0] or stop > 0, self.decided[1] or save > 0)

    def _total(self, vector: torch.Tensor) -> None:
        with _linked():
            dist.all_reduce(vector)

    def _spread(self, value: torch.Tensor) -> None:
        with _linked():
            whole = value.detach().contiguous()
            dist.broadcast(whole.view(-1).view(torch.uint8), 0)  # not every kind of number is known to it
            if whole.data_ptr() != value.data_ptr():
                value.copy_(whole)

    def _check_same(self, network: nn.Module) -> None:
        content = hashlib.sha256()
        for value in filter(torch.is_tensor, network.state_dict().values()):
            content.update(value.cpu().contiguous().view(-1).view(torch.uint8).numpy())
        if self.told(b"differ" if len(set(self.gathered(content.digest()))) > 1 else b""):
            raise ModelError(
                f"the {self.size} processes have come to different weights; a step may depend on the process's own "
                "rows only through the loss: mend the network's forward, or train in one process"
            )


@contextlib.contextmanager
def _linked() -> Iterator[None]:
    try:
        yield
    except RuntimeError as problem:
        raise Parted(str(problem)) from None


def _as_tensor(content: bytes, length: int) -> torch.Tensor:
    """Return bytes, and zeros up to *length*; PyTorch's own way to send anything else is by pickle."""
    return torch.frombuffer(bytearray(content.ljust(length, b"\0") or b"\0"), dtype=torch.uint8)[:length].to(_device())


def _as_bytes(values: torch.Tensor) -> bytes:
    return values.cpu().numpy().tobytes()


def _device() -> str:
    return "cuda" if dist.get_backend() == "nccl" else "cpu"


def _check(learned: Sequence[nn.Parameter]) -> None:
    for value in learned:
        if not value.is_floating_point() or (value.grad is not None and value.grad.layout != torch.strided):
            raise ModelError(
                "several processes can't train parameters that are complex or have sparse gradients; build the "
                "embedding with sparse=False, or train in one process"
            )
