"""Several processes that share each batch come to the weights of one, and to the same bits each time."""

import multiprocessing
import os
import pickle
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn

from weighbridge import machine
from weighbridge.errors import ModelError
from weighbridge.settings import Fit
from weighbridge.training import device, fitting, torch_fit
from weighbridge.training.joint import JointCheckpoints, Stopped
from weighbridge.training.objective import Objective
from weighbridge.training.parting import Parted
from weighbridge.training.processes import Group

FORK = multiprocessing.get_context("fork")  # the child has imported torch already
SETTINGS = Fit(epochs=2, batch_size=16, lr=0.01, patience=2, weight_decay=0.01)
ROWS = 150
BOUND = 1e-5  # docs/your-model.md tells what was seen


class Plain(nn.Module):
    """Fully connected layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 1))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one logit a row, shape (rows, 1)."""
        logit: torch.Tensor = self.layers(rows)
        return logit


class Normalised(Plain):
    """With two kinds of batch normalisation, one of them over rows and places."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(5, 12, bias=False), nn.BatchNorm1d(12), nn.Tanh(), nn.Unflatten(1, (3, 4)),
            nn.BatchNorm1d(3, momentum=None, affine=False), nn.Flatten(), nn.Linear(12, 1),
        )  # fmt: skip


class Choosy(Plain):
    """Some parameters learn from some rows only, one from none, and one is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.rare, self.unused, self.frozen = nn.Linear(5, 1), nn.Linear(2, 2), nn.Linear(5, 1)
        self.frozen.requires_grad_(requires_grad=False)
        self.register_buffer("codes", torch.arange(3, dtype=torch.int16))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logit: torch.Tensor = super().forward(rows) + self.frozen(rows)
        chosen = rows[:, 0] > 1.2  # in some shares of a batch there is none
        if not self.training or chosen.any():
            logit = logit + self.rare(rows) * chosen[:, None]
        return logit


class Noisy(Plain):
    """Draws from every generator, and keeps what its own rows were in a buffer that is never saved."""

    seen: torch.Tensor

    def __init__(self, before: Callable[[int], None] = lambda _batch: None) -> None:
        super().__init__()
        self.norm, self.drop = nn.BatchNorm1d(5), nn.Dropout(0.3)
        self.register_buffer("seen", torch.zeros(5), persistent=False)
        self._before, self._count = before, 0

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.training:
            self._count += 1
            self._before(self._count)
            self.seen.mul_(0.9).add_(rows.mean(0), alpha=0.1)
            rows = rows + 0.01 * (random.gauss(0, 1) + float(np.random.standard_normal()))  # noqa: NPY002 - what projects do
        logit: torch.Tensor = super().forward(self.drop(self.norm(rows - self.seen)))
        return logit


class Diverging(Plain):
    """Writes into its own weights what it saw."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            next(self.layers.parameters()).add_(rows.mean())
        return super().forward(rows)


class Sparse(Plain):
    """Has gradients of another layout."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(4, 1, sparse=True)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        logit: torch.Tensor = super().forward(rows) + self.table((rows[:, 0] > 0).long())
        return logit


class Trained(NamedTuple):
    """Weights by name, and the learning curve."""

    weights: dict[str, Any]
    curve: list[dict[str, float]]

    def bits(self) -> bytes:
        """Return the bytes of both."""
        return b"".join(value.tobytes() for value in self.weights.values()) + repr(self.curve).encode()


def rows(count: int, seed: int, *, weights: bool = False) -> torch_fit.Rows:
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(count, 5)).astype("float32")
    given = draw.uniform(0.5, 2.0, size=count) if weights else None
    return torch_fit.rows(inputs, (inputs[:, 0] + inputs[:, 1] ** 2 > 0.5).astype("int8"), given)


def train(
    build: Callable[[], nn.Module], *, settings: Fit = SETTINGS, weights: bool = False, **options: Any
) -> Trained:
    torch.manual_seed(3)
    network = build()
    history = torch_fit.fit(
        network, rows(ROWS, 0, weights=weights), rows(80, 1, weights=weights), settings,
        seed=3, threads=1, progress=lambda _text: None, **options,
    )  # fmt: skip
    return Trained({name: value.numpy() for name, value in network.state_dict().items()}, history.curve)


def _work(folder: Path, rank: int, size: int, work: Callable[[Group], Any]) -> None:
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=size)
    try:
        found = work(Group())
    except (ModelError, Parted, Stopped) as problem:
        found = problem
    (folder / f"{rank}").write_bytes(pickle.dumps(found))


def together(size: int, folder: Path, work: Callable[[Group], Any]) -> list[Any]:
    """Return what *work* came to in each of so many processes, errors too; ``None`` for one that was killed."""
    folder.mkdir(parents=True)
    all_of_them = [FORK.Process(target=_work, args=(folder, rank, size, work)) for rank in range(size)]
    for process in all_of_them:
        process.start()
    for process in all_of_them:
        process.join(120)
        process.kill()
    found = [folder / f"{rank}" for rank in range(size)]
    return [pickle.loads(path.read_bytes()) if path.is_file() else None for path in found]  # noqa: S301 - our own


def apart(one: Trained, other: Trained) -> float:
    """Return the largest difference of two networks' weights."""
    assert one.weights.keys() == other.weights.keys()
    return max(float(np.abs(one.weights[name] - other.weights[name]).max()) for name in one.weights)


@pytest.mark.parametrize("build", [Plain, Normalised, Choosy])
@pytest.mark.parametrize(("size", "batch"), [(2, 16), (3, 37), (3, 149), (2, 500)])
def test_they_learn_what_one_learns(build: Callable[[], nn.Module], size: int, batch: int, tmp_path: Path) -> None:
    """Shares are uneven; a last batch of two rows is for three processes, and one of a single row is for nobody."""
    settings = Fit(epochs=2, batch_size=batch, lr=0.01, patience=2, weight_decay=0.01)
    one = train(build, settings=settings, weights=True)
    many = together(size, tmp_path / "many", lambda group: train(build, settings=settings, weights=True, group=group))
    assert len({found.bits() for found in many}) == 1
    assert apart(one, many[0]) <= BOUND
    assert [row["validation_loss"] for row in one.curve] == pytest.approx(
        [row["validation_loss"] for row in many[0].curve], abs=BOUND
    )


def test_they_learn_several_classes(tmp_path: Path) -> None:
    def learned(**options: Any) -> Trained:
        draw = np.random.default_rng(0)
        inputs = draw.normal(size=(ROWS, 5)).astype("float32")
        three = Objective(task="multiclass", classes=3)
        source = torch_fit.rows(inputs, inputs.argmax(1) % 3, None, three)
        torch.manual_seed(3)
        network = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
        history = torch_fit.fit(
            network, source, source, SETTINGS, objective=three, seed=3, threads=1, progress=lambda _: None, **options
        )
        return Trained({name: value.numpy() for name, value in network.state_dict().items()}, history.curve)

    many = together(2, tmp_path / "many", lambda group: learned(group=group))
    assert apart(learned(), many[0]) <= BOUND


def test_each_moves_only_its_share_to_its_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def moved(group: Group) -> list[int]:
        seen, to = [], torch_fit.Batch.to

        def noting(batch: torch_fit.Batch, place: torch.device) -> torch_fit.Batch:
            seen.append(len(batch.targets))
            return to(batch, place)

        network, objective = Plain(), Objective()
        with monkeypatch.context() as patch:
            patch.setattr(torch_fit.Batch, "to", noting)
            for batch in rows(37, 0).in_turn(18):
                group.gradients(network, list(network.parameters()), batch, objective)
        return seen

    assert together(2, tmp_path / "many", moved) == [[9, 9, 1], [9, 9, 1]]


def test_a_loss_is_the_same_bits_however_many_measure_it(tmp_path: Path) -> None:
    """Rows are measured in chunks; each process takes some of them."""
    network, many = Plain(), rows(50_000, 0, weights=True)
    with torch_fit.reproducible(1):  # a pool of threads doesn't outlive a fork
        alone = torch_fit.loss(network, many)
    assert together(3, tmp_path / "many", lambda group: torch_fit.loss(network, many, group=group)) == [alone] * 3


def test_the_same_again_gives_the_same_bits(tmp_path: Path) -> None:
    first, again = (
        together(2, tmp_path / name, lambda group: train(Noisy, group=group)) for name in ("first", "again")
    )
    assert len({found.bits() for found in (*first, *again)}) == 1


def test_each_draws_random_numbers_of_its_own(tmp_path: Path) -> None:
    seeds = together(3, tmp_path / "seeds", lambda group: group.seed(7))
    assert seeds[0] == 7
    assert len(set(seeds)) == 3


@pytest.mark.parametrize(
    ("build", "words"),
    [(Diverging, "have come to different weights"), (Sparse, "complex or have sparse gradients")],
)
def test_what_processes_cant_share_is_refused(build: Callable[[], nn.Module], words: str, tmp_path: Path) -> None:
    for found in together(2, tmp_path / "many", lambda group: train(build, group=group)):
        assert isinstance(found, ModelError)
        assert words in str(found)


def test_a_batch_of_one_value_is_refused_as_by_one_process(tmp_path: Path) -> None:
    settings = Fit(epochs=1, batch_size=1)
    with pytest.raises(ModelError, match="more than 1 value per channel"):
        train(Noisy, settings=settings)
    for found in together(2, tmp_path / "many", lambda group: train(Noisy, settings=settings, group=group)):
        assert "more than 1 value per channel" in str(found)


def test_the_network_computes_as_before_once_it_is_trained(tmp_path: Path) -> None:
    def forwards(group: Group) -> list[bool]:
        network = Normalised()
        torch_fit.fit(
            network, rows(50, 0), rows(50, 1), SETTINGS, seed=0, threads=1, progress=lambda _: None, group=group
        )
        return ["forward" in vars(module) for module in network.modules()]

    assert not any(map(any, together(2, tmp_path / "many", forwards)))


def test_an_estimator_is_refused() -> None:
    class Two:
        size = 2

    with pytest.raises(ModelError, match="Ridge can't be trained in 2 processes, only a network can"):
        fitting.refuse_several(type("Ridge", (), {})(), Two())  # type: ignore[arg-type]


def test_a_gpu_that_isnt_there_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ModelError, match=r"fit.device is cuda, and torch .* finds no GPU here: install"):
        train(Plain, settings=Fit(device="cuda"))


def saved(folder: Path, group: Group, said: list[str] | None = None) -> JointCheckpoints:
    """Return checkpoints that are written after each step."""
    found = JointCheckpoints(folder, group, progress=(said if said is not None else []).append)
    found._least_seconds, found._largest_share, found._due = 0.0, 1.0, 0.0
    return found


@pytest.fixture(scope="module", params=[2, 3])
def uninterrupted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Trained]:
    """What each of some processes comes to."""
    return together(request.param, tmp_path_factory.mktemp("whole") / "many", lambda group: train(Noisy, group=group))


def test_killed_again_and_again_they_come_to_the_same_bits(tmp_path: Path, uninterrupted: list[Trained]) -> None:
    """Another process is killed each time; the others notice at once."""
    size, draw = len(uninterrupted), random.Random(0)  # noqa: S311 - no secret
    for turn in range(30):
        fatal, victim = draw.randint(2, 7), turn % size

        def attempt(group: Group, fatal: int = fatal, victim: int = victim) -> tuple[Trained, str | None]:
            def before(batch: int) -> None:
                if batch == fatal and group.rank == victim:
                    os.kill(os.getpid(), signal.SIGKILL)

            checkpoints = saved(tmp_path / "run", group)
            return train(lambda: Noisy(before), group=group, checkpoints=checkpoints), checkpoints.resumed_from

        found = together(size, tmp_path / f"{turn}", attempt)
        if found[victim] is not None:
            break
        assert all(isinstance(other, Parted) for rank, other in enumerate(found) if rank != victim)
    assert turn >= 3
    assert {one.bits() for one, _ in found} == {uninterrupted[0].bits()}
    assert found[0][1].startswith("step ")


def test_asked_to_end_all_save_and_end_after_the_same_step(tmp_path: Path, uninterrupted: list[Trained]) -> None:
    """Whichever of them is asked."""
    size = len(uninterrupted)

    def attempt(group: Group) -> None:
        checkpoints = JointCheckpoints(tmp_path / "run", group, progress=lambda _text: None)

        def before(batch: int) -> None:
            checkpoints.asked = batch == 7 and group.rank == size - 1

        train(lambda: Noisy(before), group=group, checkpoints=checkpoints)

    assert all(isinstance(found, Stopped) for found in together(size, tmp_path / "first", attempt))
    assert [path.name[:12] for path in (tmp_path / "run").iterdir()] == ["000000000007"]
    again = together(
        size, tmp_path / "again", lambda group: train(Noisy, group=group, checkpoints=saved(tmp_path / "run", group))
    )
    assert {one.bits() for one in again} == {uninterrupted[0].bits()}


def test_a_checkpoint_of_other_processes_is_passed_over(tmp_path: Path) -> None:
    def attempt(group: Group) -> tuple[list[str], str | None]:
        said: list[str] = []
        checkpoints = saved(tmp_path / "run", group, said)
        train(Plain, settings=Fit(epochs=1, batch_size=50), group=group, checkpoints=checkpoints)
        return said, checkpoints.resumed_from

    together(3, tmp_path / "three", attempt)
    said, resumed = together(2, tmp_path / "two", attempt)[0]
    assert "is passed over: of 3 processes, expected 2" in said[0]
    assert resumed is None


@pytest.mark.parametrize("moved", [0, 1], ids=["the_first", "the_second"])
def test_whose_processor_rounds_otherwise_than_its_place_had_resumes_nothing(
    moved: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them it is; and as long as each has what its place had, the kinds may be many."""
    kinds = {0: ("avx2",), 1: ("avx2", "avx512f")}

    def attempt(group: Group) -> tuple[list[str], str | None]:
        monkeypatch.setattr(machine, "instruction_sets", lambda: kinds[group.rank])
        said: list[str] = []
        checkpoints = saved(tmp_path / "run", group, said)
        train(Noisy, settings=Fit(epochs=1, batch_size=50), group=group, checkpoints=checkpoints)
        return said, checkpoints.resumed_from

    def attempts(name: str) -> tuple[list[str], str | None]:
        found: tuple[list[str], str | None] = together(2, tmp_path / name, attempt)[0]
        return found

    assert "different instruction sets" in attempts("first")[0][0]
    assert str(attempts("the same again")[1]).startswith("step ")
    kinds[moved] = ("sse4_2",)
    said, resumed = attempts("elsewhere")
    assert resumed is None
    assert len([line for line in said if "made on a processor with other instruction sets" in line]) == 2


def test_the_device_of_a_network_is_that_of_its_weights() -> None:
    assert device.of(Plain()) == device.of(nn.Identity()) == torch.device("cpu")
