"""All that a network's training depends on at one moment, taken out and put back such that not a bit differs.

Weights and buffers, what the optimiser and its schedule remember, the position within the epoch and the sums over it,
the best weights so far, and four random generators: that of the rows' order, torch's, NumPy's and Python's. Leaving out
any of them gives other weights. What a network keeps elsewhere, such as in plain attributes, isn't seen: keep it in a
buffer.
"""

import dataclasses
import math
import random
from typing import Any

import numpy as np
import torch
from torch import nn

_NEVER = "inf"  # the best loss before the first epoch; JSON has no infinity


@dataclasses.dataclass(kw_only=True)
class History:
    """How the training went: a row an epoch, and the epoch with the least validation loss, with its weights."""

    curve: list[dict[str, float]] = dataclasses.field(default_factory=list)
    best_epoch: int = 0
    best_loss: float = math.inf
    best_weights: dict[str, torch.Tensor] = dataclasses.field(default_factory=dict)

    def add(self, epoch: int, train_loss: float, validation_loss: float, network: nn.Module) -> None:
        """Note an epoch, and copy the network's weights where its validation loss is the least so far."""
        self.curve.append({"epoch": epoch, "train_loss": train_loss, "validation_loss": validation_loss})
        if validation_loss < self.best_loss:
            self.best_epoch, self.best_loss = epoch, validation_loss
            self.best_weights = {name: value.clone() for name, value in network.state_dict().items()}


class Progress:
    """How far a training is: the *batch*es done of *epoch*, and their sum of losses over the weight *seen*."""

    def __init__(
        self,
        network: nn.Module,
        optimiser: torch.optim.Optimizer,
        shuffle: torch.Generator,
        schedule: torch.optim.lr_scheduler.LRScheduler | None = None,
    ) -> None:
        self.network = network
        self.optimiser = optimiser
        self.shuffle = shuffle
        self.schedule = schedule
        self.history = History()
        self.epoch = 0
        self.next_epoch()

    def next_epoch(self) -> None:
        """Begin another epoch: nothing done of it, and the order of its rows still to be drawn."""
        self.epoch += 1
        self.batch = 0
        self.seen = 0.0
        self.total = torch.zeros(())
        self.order = self.shuffle.get_state()


def give(state: Progress) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return *state* as tensors (copies) and facts; the inverse of :func:`take`.

    Raises:
        TypeError: where the network or the optimiser keeps something else than tensors.
    """
    tensors = {f"network.{name}": value for name, value in _values(state.network).items()}
    tensors |= {f"best.{name}": value for name, value in state.history.best_weights.items()}
    for index, kept in state.optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{index}.{name}": value for name, value in kept.items()}
    drawn, numbers = generators()
    tensors |= {"total": state.total, "order": state.order} | drawn
    other = [name for name, value in tensors.items() if not isinstance(value, torch.Tensor)]
    if other:
        raise TypeError(f"{other[0]} is no tensor")
    return {name: value.detach().clone().contiguous() for name, value in tensors.items()}, _facts(state) | numbers


def _facts(state: Progress) -> dict[str, Any]:
    history = state.history
    return {
        "epoch": state.epoch,
        "batch": state.batch,
        "seen": state.seen,
        "curve": history.curve,
        "schedule": state.schedule.state_dict() if state.schedule else None,
        "best_epoch": history.best_epoch,
        "best_loss": history.best_loss if math.isfinite(history.best_loss) else _NEVER,
    }


def generators() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return the states of this process's global generators, as tensors and facts: those that a forward draws from."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 - the global generator is what projects' code draws from
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        tensors["cuda"] = torch.cuda.get_rng_state()
    return tensors, {"numpy": [name, np.asarray(keys).tolist(), *rest], "python": random.getstate()}


def _values(network: nn.Module) -> dict[str, Any]:
    """Return a network's weights and buffers by name, those that it doesn't save included."""
    return network.state_dict() | dict(network.named_buffers(remove_duplicate=False))


def take(state: Progress, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Put into *state*, a training at its very beginning, what :func:`give` returned; and into the generators.

    Raises:
        ValueError: where it is of another network, or lacks something; nothing was changed then.
    """
    own, values, best = _values(state.network), _below(tensors, "network"), _below(tensors, "best")
    _check(own, values)
    if best:
        _check(state.network.state_dict(), best)
    parameters = [value for group in state.optimiser.param_groups for value in group["params"]]
    kept: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _below(tensors, "optimiser").items():
        index, _, name = key.partition(".")
        kept.setdefault(int(index), {})[name] = _like(parameters[int(index)], value)
    missing = (_facts(state).keys() - facts.keys()) | ({"total", "order"} - tensors.keys())
    remembered = state.schedule.state_dict().keys() if state.schedule else set()
    missing |= {f"schedule.{name}" for name in remembered - (facts.get("schedule") or {}).keys()}
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    torch.Generator().set_state(tensors["order"])  # which says so where it is no state
    check_generators(tensors, facts)
    history = History(
        curve=facts["curve"],
        best_epoch=facts["best_epoch"],
        best_loss=float(facts["best_loss"]),
        best_weights={name: value.clone() for name, value in best.items()},
    )
    # From here on things change.
    with torch.no_grad():
        for name, value in values.items():
            own[name].copy_(value)
    groups = state.optimiser.state_dict()["param_groups"]
    state.optimiser.load_state_dict({"state": kept, "param_groups": groups})
    if state.schedule:
        state.schedule.load_state_dict(facts["schedule"])
        for group, rate in zip(state.optimiser.param_groups, state.schedule.get_last_lr(), strict=True):
            group["lr"] = rate
    state.epoch, state.batch, state.seen = facts["epoch"], facts["batch"], facts["seen"]
    state.total, state.order, state.history = tensors["total"].clone(), tensors["order"].clone(), history
    state.shuffle.set_state(state.order)
    set_generators(tensors, facts)


def check_generators(tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Find out whether :func:`set_generators` would do; other generators are tried.

    Raises:
        ValueError: where something is missing. Each generator has errors of its own for what is no state.
    """
    missing = ({"torch"} - tensors.keys()) | ({"numpy", "python"} - facts.keys())
    if missing:
        raise ValueError(f"it lacks the random numbers' state of {', '.join(sorted(missing))}")
    torch.Generator().set_state(tensors["torch"])
    np.random.RandomState().set_state(_of_numpy(facts))
    random.Random().setstate(_of_python(facts))  # noqa: S311 - no secret


def set_generators(tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
    """Put back what :func:`generators` returned; other keys are left alone."""
    torch.set_rng_state(tensors["torch"])
    if "cuda" in tensors:
        torch.cuda.set_rng_state(tensors["cuda"])
    np.random.set_state(_of_numpy(facts))  # noqa: NPY002 - as above
    random.setstate(_of_python(facts))


def _of_numpy(facts: dict[str, Any]) -> tuple[Any, ...]:
    name, keys, *rest = facts["numpy"]
    return (name, np.array(keys, dtype=np.uint32), *rest)


def _of_python(facts: dict[str, Any]) -> tuple[Any, ...]:
    version, numbers, following = facts["python"]
    return version, tuple(numbers), following


def _below(tensors: dict[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(f"{part}."): value for name, value in tensors.items() if name.startswith(f"{part}.")}


def _check(own: dict[str, Any], found: dict[str, torch.Tensor]) -> None:
    differing = [name for name in own.keys() | found.keys() if _kind(own.get(name)) != _kind(found.get(name))]
    if differing:
        raise ValueError(f"of another network: {min(differing)} differs")


def _kind(value: Any) -> object:
    return (value.shape, value.dtype) if isinstance(value, torch.Tensor) else None


def _like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Return a copy that lies in memory as the optimiser's own would."""
    if value.shape != parameter.shape:
        return value.clone()
    return torch.empty_like(parameter, dtype=value.dtype, memory_format=torch.preserve_format).copy_(value).detach()
