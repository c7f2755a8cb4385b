"""A training that was killed, whenever and however often, ends in the bits of one that was not."""

import hashlib
import itertools
import math
import multiprocessing
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from weighbridge import machine
from weighbridge.errors import SettingsError
from weighbridge.settings import Fit
from weighbridge.training import checkpoints as checkpoints_
from weighbridge.training import resuming, torch_fit
from weighbridge.training.checkpoints import Checkpoints

SETTINGS = Fit(epochs=4, batch_size=16, lr=0.02, patience=2, weight_decay=0.01)
ROWS, BATCHES = 150, 10
FORK = multiprocessing.get_context("fork")  # the child has imported torch already


class Noisy(nn.Module):
    """A network that draws from every generator, and keeps what it has seen in buffers, one of them never saved."""

    seen: torch.Tensor

    def __init__(self, before: Callable[[int], None] = lambda _batch: None) -> None:
        super().__init__()
        self.first, self.norm, self.drop = nn.Linear(5, 12), nn.BatchNorm1d(12), nn.Dropout(0.3)
        self.last, self.tied = nn.Linear(12, 1), nn.Linear(5, 12)
        self.tied.weight = self.first.weight
        self.register_buffer("seen", torch.zeros(5), persistent=False)
        self._before, self._count = before, itertools.count(1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Return one logit a row, shape (rows, 1)."""
        if self.training:
            self._before(next(self._count))
            self.seen.mul_(0.9).add_(rows.mean(0), alpha=0.1)
            rows = rows + 0.01 * (random.gauss(0, 1) + float(np.random.standard_normal()))  # noqa: NPY002 - what projects do
            self.norm.momentum = 0.1
        hidden = self.drop(torch.relu(self.norm(self.first(rows) + self.tied(rows - self.seen))))
        logit: torch.Tensor = self.last(hidden)
        return logit


def rows(count: int, seed: int) -> torch_fit.Rows:
    draw = np.random.default_rng(seed)
    inputs = draw.normal(size=(count, 5)).astype("float32")
    return torch_fit.rows(inputs, (inputs[:, 0] + inputs[:, 1] ** 2 > 0.5).astype("int8"))


def train(network: nn.Module, checkpoints: Checkpoints | None = None, settings: Fit = SETTINGS) -> bytes:
    """Train, and return the bytes of weights and curve."""
    history = torch_fit.fit(
        network,
        rows(ROWS, 0),
        rows(80, 1),
        settings,
        seed=3,
        threads=1,
        progress=lambda _text: None,
        checkpoints=checkpoints,
    )
    weights = b"".join(value.numpy().tobytes() for value in network.state_dict().values())
    return weights + repr(history.curve).encode()


def built(before: Callable[[int], None] = lambda _batch: None) -> Noisy:
    torch.manual_seed(3)
    return Noisy(before)


def at(folder: Path, **options: Any) -> Checkpoints:
    return Checkpoints(folder, progress=lambda _text: None, **options)


def always(folder: Path) -> Checkpoints:
    return at(folder, least_seconds=0.0, largest_share=1.0)


@pytest.fixture(scope="module")
def uninterrupted() -> bytes:
    return train(built())


def _begin(folder: Path, batch: int, number: int, checkpoints: Callable[[Path], Checkpoints] = always) -> None:
    def before(current: int) -> None:
        if current == batch:
            os.kill(os.getpid(), number)

    opened = checkpoints(folder)
    (folder.parent / "done").write_bytes(train(built(before), opened) + str(opened.resumed_from).encode())


def begin(folder: Path, batch: int, number: int) -> int | None:
    """Train in a process of its own that sends itself a signal before its so-manieth batch; return its exit code."""
    process = FORK.Process(target=_begin, args=(folder, batch, number))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_again_and_again_it_comes_to_the_same_bits(
    number: signal.Signals, tmp_path: Path, uninterrupted: bytes
) -> None:
    """Each start gets some random number of batches further."""
    draw, kills = random.Random(int(number)), 0  # noqa: S311 - no secret
    while (code := begin(tmp_path / "run", draw.randint(2, 9), number)) == -number:
        kills += 1
        assert kills <= SETTINGS.epochs * BATCHES
    assert code == 0
    assert kills >= 4
    found = (tmp_path / "done").read_bytes()
    assert found.startswith(uninterrupted)
    assert found[len(uninterrupted) :].startswith(b"step ")


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_learning_rate_goes_on_where_it_was(schedule: Any, tmp_path: Path) -> None:
    """Interrupted within the warm-up, and again as it falls."""
    settings = msgspec.structs.replace(SETTINGS, schedule=schedule, warmup_epochs=1.5)
    expected = train(built(), settings=settings)
    assert (schedule, expected) != ("constant", train(built()))

    def interrupt(after: int) -> Callable[[int], None]:
        return lambda batch: signal.raise_signal(signal.SIGINT) if batch == after else None

    for after in (8, 17):
        network = built(interrupt(after))
        with pytest.raises(KeyboardInterrupt):
            train(network, at(tmp_path), settings)
    checkpoints = at(tmp_path)
    assert train(built(), checkpoints, settings) == expected
    assert str(checkpoints.resumed_from).startswith("step 25,")


def test_a_term_signal_saves_what_was_not_due(tmp_path: Path, uninterrupted: bytes) -> None:
    process = FORK.Process(target=_begin, args=(tmp_path / "run", 23, signal.SIGTERM, at))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGTERM
    (saved,) = (tmp_path / "run").iterdir()
    assert saved.name.startswith("000000000023-")
    assert train(built(), always(tmp_path / "run")) == uninterrupted


def test_the_handler_that_was_there_has_the_last_word(tmp_path: Path) -> None:
    """A stage's own handler puts the cancelled attempt on record."""

    class CancelledError(Exception):
        pass

    def cancel(_number: int, _frame: object) -> None:
        raise CancelledError

    before = signal.signal(signal.SIGTERM, cancel)
    try:
        with pytest.raises(CancelledError):
            train(built(lambda batch: signal.raise_signal(signal.SIGTERM) if batch == 5 else None), at(tmp_path))
        assert signal.getsignal(signal.SIGTERM) is cancel
    finally:
        signal.signal(signal.SIGTERM, before)
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["000000000005"]


def test_an_interrupt_from_the_keyboard_saves_too(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(built(lambda batch: signal.raise_signal(signal.SIGINT) if batch == 7 else None), at(tmp_path))
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["000000000007"]


def test_a_signal_in_the_last_measurement_is_not_lost(tmp_path: Path, uninterrupted: bytes) -> None:
    network, calls = built(), itertools.count(1)

    def measured(*_: object) -> None:
        if not network.training and next(calls) == SETTINGS.epochs:
            signal.raise_signal(signal.SIGINT)

    network.register_forward_hook(measured)
    with pytest.raises(KeyboardInterrupt):
        train(network, at(tmp_path))
    assert train(built(), always(tmp_path)) == uninterrupted


@pytest.fixture
def two(tmp_path: Path) -> list[Path]:
    """The two checkpoints that an interrupted training left, the newest first."""
    folder = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train(built(lambda batch: signal.raise_signal(signal.SIGINT) if batch == 25 else None), always(folder))
    found = sorted(folder.iterdir(), reverse=True)
    assert [int(path.name[:12]) for path in found] == [25, 24]
    return found


@pytest.mark.parametrize("error", [RuntimeError, IndexError, AttributeError])
def test_a_checkpoint_that_torch_stumbles_over_is_passed_over(error: type[Exception], two: list[Path]) -> None:
    said: list[str] = []

    def take(_: object, facts: dict[str, Any]) -> None:
        if facts["batch"] == newest["batch"]:
            raise error("no size for this parameter yet")

    newest: dict[str, Any] = {}
    Checkpoints(two[0].parent, progress=said.append).resume(lambda _, facts: newest.update(facts))
    checkpoints = Checkpoints(two[0].parent, progress=said.append)
    checkpoints.resume(take)
    assert "is passed over: no size" in said[1]
    assert checkpoints.resumed_from == f"step 24, SHA-256 {two[1].stem[13:]}"


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_checkpoint_is_passed_over(damage: str, two: list[Path], uninterrupted: bytes) -> None:
    content = two[0].read_bytes()
    flipped = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
    two[0].write_bytes({"flipped": flipped, "cut": content[:-100], "empty": b""}[damage])
    said: list[str] = []
    checkpoints = Checkpoints(two[0].parent, progress=said.append)
    assert train(built(), checkpoints) == uninterrupted
    assert checkpoints.resumed_from == f"step 24, SHA-256 {two[1].stem[13:]}"
    assert "passed over: damaged" in said[0]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of one value."""
    always(folder := tmp_path_factory.mktemp("small")).reached(7, lambda: ({"value": torch.arange(3.0)}, {"epoch": 1}))
    (found,) = folder.iterdir()
    return found


@given(data=st.data())
def test_no_byte_of_a_checkpoint_can_change_unseen(data: st.DataObject, small: Path) -> None:
    content = small.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda value: value != content[place]))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, small.name).write_bytes(content[:place] + bytes([other]) + content[place + 1 :])
        checkpoints, taken = at(Path(folder)), []
        checkpoints.resume(lambda tensors, _facts: taken.append(tensors))
    assert taken == []
    assert checkpoints.resumed_from is None


def test_half_written_files_and_strangers_are_not_looked_at(two: list[Path], uninterrupted: bytes) -> None:
    for path in two:
        path.rename(path.with_name(f".{path.name}.ab12"))
    checkpoints = at(two[0].parent)
    assert train(built(), checkpoints) == uninterrupted
    assert checkpoints.resumed_from is None


def test_of_other_instruction_sets_none_is_taken(
    two: list[Path], uninterrupted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the steps rounded one way and half another is what nobody can repeat."""
    monkeypatch.setattr(machine, "instruction_sets", lambda: ("sse4_2",))
    said: list[str] = []
    checkpoints = Checkpoints(two[0].parent, progress=said.append)
    assert train(built(), checkpoints) == uninterrupted
    assert len([line for line in said if "other instruction sets" in line]) == 2


def test_checkpoints_that_were_passed_over_push_no_new_ones_out(
    two: list[Path], uninterrupted: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another processor it begins anew, and is interrupted before it has come as far."""
    monkeypatch.setattr(machine, "instruction_sets", lambda: ("sse4_2",))
    with pytest.raises(KeyboardInterrupt):
        train(built(lambda batch: signal.raise_signal(signal.SIGINT) if batch == 12 else None), always(two[0].parent))
    checkpoints = always(two[0].parent)
    assert train(built(), checkpoints) == uninterrupted
    assert str(checkpoints.resumed_from).startswith("step 12,")


def test_of_another_network_none_is_taken(two: list[Path]) -> None:
    other = Noisy()
    other.last = nn.Linear(12, 2)
    before = [value.clone() for value in other.state_dict().values()]
    state = resuming.Progress(other, torch.optim.AdamW(other.parameters()), torch.Generator())
    checkpoints = at(two[0].parent)
    checkpoints.resume(lambda tensors, facts: resuming.take(state, tensors, facts))
    assert checkpoints.resumed_from is None
    assert all(map(torch.equal, before, other.state_dict().values()))


@pytest.mark.parametrize(
    "lacking",
    ["total", "order", "torch", "epoch", "batch", "seen", "curve", "best_loss", "schedule", "numpy", "python", "best"],
)
def test_what_lacks_something_is_passed_over_and_leaves_nothing(lacking: str, two: list[Path]) -> None:
    """Of a format that somebody forgot to count up, say: its own digest is right."""
    tensors, facts = checkpoints_.unpacked(two[0].read_bytes())
    for path in two:
        path.unlink()
    best = [name for name in tensors if name.startswith("best.")]
    tensors = {
        name: value for name, value in tensors.items() if name not in {lacking, *(best[:1] * (lacking == "best"))}
    }
    content = checkpoints_.packed(tensors, {name: value for name, value in facts.items() if name != lacking})
    two[0].with_name(f"{9:012d}-{hashlib.sha256(content).hexdigest()}.safetensors").write_bytes(content)
    network = built()
    optimiser = torch.optim.AdamW(network.parameters())
    state = resuming.Progress(network, optimiser, torch.Generator())
    before = resuming.give(state)
    said: list[str] = []
    checkpoints = Checkpoints(two[0].parent, progress=said.append)
    checkpoints.resume(lambda tensors, facts: resuming.take(state, tensors, facts))
    assert checkpoints.resumed_from is None
    assert "is passed over" in said[0]
    after = resuming.give(state)
    assert checkpoints_.packed(*after) == checkpoints_.packed(*before)
    assert optimiser.state_dict()["state"] == {}


def test_a_file_holds_one_metadata_key_and_no_pickle(two: list[Path]) -> None:
    content = two[0].read_bytes()
    assert content.count(b"weighbridge") == 1
    assert content[8:30].startswith(b'{"__metadata__":{"weig')


def test_time_spent_before_is_counted(two: list[Path]) -> None:
    checkpoints = at(two[0].parent)
    train(built(), checkpoints)
    assert checkpoints.spent.cpu_seconds > 0
    assert checkpoints.spent.wall_seconds > 0
    assert checkpoints.spent.started.endswith("Z")


def test_a_full_disk_stops_no_training(tmp_path: Path, uninterrupted: bytes) -> None:
    """A file stands where the folder would be made, which fails as a full disk does."""
    (tmp_path / "file").write_text("")
    said: list[str] = []
    checkpoints = Checkpoints(tmp_path / "file" / "run", progress=said.append, least_seconds=0.0, largest_share=1.0)
    assert train(built(), checkpoints) == uninterrupted
    assert said[0] == "no checkpoint at step 1: Not a directory"


def test_a_state_of_more_than_tensors_is_told_once(tmp_path: Path) -> None:
    network = built()
    optimiser = torch.optim.AdamW(network.parameters())
    optimiser.state[network.last.bias]["note"] = "no tensor"
    state = resuming.Progress(network, optimiser, torch.Generator())
    said: list[str] = []
    checkpoints = Checkpoints(tmp_path, progress=said.append, least_seconds=0.0, largest_share=1.0)
    for step in (1, 2):
        checkpoints.reached(step, lambda: resuming.give(state))
    assert len(said) == 1
    assert "note is no tensor); a killed training begins anew" in said[0]
    assert list(tmp_path.iterdir()) == []


def test_saving_takes_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock of ours: a save of 2 s every 200 s at most, however often it is asked."""
    now = [0.0]
    monkeypatch.setattr("weighbridge.training.checkpoints.time.monotonic", lambda: now[0])
    checkpoints, saves = at(tmp_path, least_seconds=10.0), []

    def state() -> tuple[dict[str, Any], dict[str, Any]]:
        saves.append(now[0])
        now[0] += 2.0
        return {"value": torch.zeros(1)}, {}

    for step in range(1, 1001):
        now[0] += 1.0
        checkpoints.reached(step, state)
    assert saves == [10.0, *(10.0 + 200.0 * turn for turn in range(1, len(saves)))]
    assert math.ceil(now[0] / 200) == len(saves)


def test_a_large_state_is_first_saved_when_that_is_a_small_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its size: 6 MB are expected to take 20 ms, of which 2 s are a hundredth."""
    now = [0.0]
    monkeypatch.setattr("weighbridge.training.checkpoints.time.monotonic", lambda: now[0])
    checkpoints = at(tmp_path, least_seconds=0.5)
    saved: list[int] = []
    for step in range(1, 31):
        now[0] += 0.1
        checkpoints.reached(step, lambda: ({"value": torch.zeros(1_500_000)}, {}))
        saved += [step] if checkpoints.names() and not saved else []
    assert saved == [20]


@pytest.mark.parametrize(("said", "expected"), [("0", 3), ("2.5", 1), ("", 0)])
def test_how_often_to_save_may_be_said(
    said: str, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However large the state is."""
    now = [0.0]
    monkeypatch.setattr("weighbridge.training.checkpoints.time.monotonic", lambda: now[0])
    monkeypatch.setenv(checkpoints_.SECONDS, said)
    checkpoints = at(tmp_path)
    saved: set[str] = set()
    for step in (1, 2, 3):
        now[0] += 1.0
        checkpoints.reached(step, lambda: ({"value": torch.zeros(1_500_000)}, {}))
        saved |= checkpoints.names()
    assert len(saved) == expected


@pytest.mark.parametrize("said", ["often", "-1", "nan", "inf"])
def test_what_is_no_time_is_refused(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(checkpoints_.SECONDS, said)
    with pytest.raises(SettingsError, match=f"{checkpoints_.SECONDS}: found '{said}'; expected seconds, such as 60"):
        at(tmp_path)


def test_a_term_signal_that_comes_twice_saves_once(tmp_path: Path, uninterrupted: bytes) -> None:
    """Slurm sends it to all processes of a job, and one of them hands it on."""

    def twice(batch: int) -> None:
        if batch == 9:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: seen.append(number))
    try:
        with pytest.raises(SystemExit):
            train(built(twice), at(tmp_path))
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]
    assert [path.name[:12] for path in tmp_path.iterdir()] == ["000000000009"]
    assert train(built(), at(tmp_path)) == uninterrupted


def test_an_interrupt_from_the_keyboard_after_a_signal_acts_at_once(tmp_path: Path) -> None:
    def both(batch: int) -> None:
        if batch == 9:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(built(both), at(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_after_success_nothing_is_left(two: list[Path]) -> None:
    at(two[0].parent).clear()
    assert not two[0].parent.exists()


def test_what_was_left_a_month_ago_goes_too(two: list[Path]) -> None:
    old, recent = two[0].parent / "old", two[0].parent / "recent"
    for folder in (old, recent):
        folder.mkdir()
        (folder / two[0].name).write_bytes(b"")
    os.utime(old, (0, 0))
    at(two[0].parent / "this").clear()
    assert (old.exists(), recent.exists()) == (False, True)


def test_two_of_one_training_at_once_do_no_harm(tmp_path: Path, uninterrupted: bytes) -> None:
    """Such as an orphan of a killed pipeline beside its successor."""
    folders = [tmp_path / name / "run" for name in ("one", "other")]
    shared = tmp_path / "shared"
    for folder in folders:
        folder.parent.mkdir()
        folder.symlink_to(shared)
    shared.mkdir()
    both = [FORK.Process(target=_begin, args=(folder, sys.maxsize, 0)) for folder in folders]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert all((folder.parent / "done").read_bytes().startswith(uninterrupted) for folder in folders)
