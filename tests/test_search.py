"""A search becomes candidates: always the same, under names that stay, and none that can't be meant."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import paths, plan, search
from weighbridge.errors import SettingsError
from weighbridge.settings import Grid, Random, Span

ROOT = Path(__file__).parents[1]
Load = Callable[[dict[str, Any]], plan.Plan]
SPAN = Span(low=0.0001, high=0.1, log=True)
PINNED = {
    "m-456e64": {"params.a": 0.00447145, "params.b": None, "fit.epochs": 6},
    "m-5f0d56": {"params.a": 0.000229209, "params.b": None, "fit.epochs": 24},
    "m-a3aec3": {"params.a": 0.000511371, "params.b": "x", "fit.epochs": 44},
}


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load this project's configuration with a search."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return lambda searches: plan.Plan(plan.load(tmp_path, {"search": searches}), tmp_path)


def test_a_grid_is_all_combinations_in_the_place_of_its_candidate(load: Load) -> None:
    tried = {"method": "grid", "params": {"C": [0.1, 1.0], "penalty": ["l1", "l2"]}}
    candidates = load({"logistic": tried}).config.candidates
    made = {name: one for name, one in candidates.items() if name.startswith("logistic")}
    assert "logistic" not in made
    assert [(one.params["C"], one.params["penalty"]) for one in made.values()] == [
        (0.1, "l1"), (0.1, "l2"), (1.0, "l1"), (1.0, "l2"),
    ]  # fmt: skip
    assert all(one.params["max_iter"] == 200 for one in made.values()), "what isn't searched stays"
    assert {"boosting", "network"} < set(candidates)


def test_training_settings_are_searched_as_well(load: Load) -> None:
    tried = {"method": "random", "samples": 3, "fit": {"epochs": {"low": 1, "high": 9, "integer": True}}}
    made = [one for name, one in load({"network": tried}).config.candidates.items() if name.startswith("network-")]
    assert len(made) == 3
    assert {one.fit.batch_size for one in made} == {2048}
    assert all(isinstance(one.fit.epochs, int) and 1 <= one.fit.epochs <= 9 for one in made)


def test_draws_are_these_on_every_machine_and_python() -> None:
    """Pinned: another digest, rounding or generator would train everything anew."""
    drawn = Random(
        samples=3, params={"a": SPAN, "b": (1, "x", None)}, fit={"epochs": Span(low=1, high=50, integer=True)}
    )
    found = {name: search.set_at(one.point) for name, one in search.named({"m": drawn}).items()}
    assert found == PINNED


def test_more_samples_keep_the_earlier_ones() -> None:
    few, many = (search.named({"m": Random(samples=n, params={"a": SPAN}, seed=3)}) for n in (5, 40))
    assert list(many)[:5] == list(few)
    assert [many[name] for name in few] == list(few.values())


def test_a_parameter_more_leaves_the_draws_of_the_others() -> None:
    one = search.points_of(Random(samples=9, params={"a": SPAN}))
    two = search.points_of(Random(samples=9, params={"b": (1, 2), "a": SPAN}))
    assert [point["params"]["a"] for point in one] == [point["params"]["a"] for point in two]


def test_another_seed_draws_otherwise() -> None:
    first, second = (set(search.named({"m": Random(samples=9, params={"a": SPAN}, seed=n)})) for n in (0, 1))
    assert not first & second


def test_names_follow_from_what_is_set_and_not_from_order() -> None:
    one = search.named({"m": Grid(params={"a": (1, 2), "b": (3,)})})
    two = search.named({"m": Grid(params={"b": (3,), "a": (5, 2, 1)})})
    assert set(one) < set(two)
    assert all(len(name) == len("m-") + 6 for name in two)


def test_a_point_that_comes_twice_counts_once() -> None:
    assert len(search.named({"m": Random(samples=50, params={"a": (1, 2)})})) == 2


def test_names_that_would_be_the_same_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_DIGITS", 1)
    names = list(search.named({"m": Grid(params={"a": tuple(range(30))})}))
    assert len(names) == len(set(names)) == 30
    assert names[:1] == list(search.named({"m": Grid(params={"a": (0,)})}))


@given(st.floats(1e-9, 1e9), st.floats(1e-6, 1e9), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_a_draw_never_leaves_its_span(low: float, width: float, log: bool, chance: float) -> None:  # noqa: FBT001
    high = low + width
    if low < high:
        assert low <= search._draw(Span(low=low, high=high, log=log), chance) <= high


@given(st.integers(1, 1000), st.integers(1, 1000), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_a_whole_number_is_drawn_whole(low: int, width: int, log: bool, chance: float) -> None:  # noqa: FBT001
    drawn = search._draw(Span(low=low, high=low + width, log=log, integer=True), chance)
    assert isinstance(drawn, int)
    assert low <= drawn <= low + width


def test_both_ends_of_whole_numbers_are_drawn() -> None:
    points = search.points_of(Random(samples=200, params={"a": Span(low=1, high=4, integer=True)}))
    assert {point["params"]["a"] for point in points} == {1, 2, 3, 4}


def test_logarithms_are_drawn_evenly() -> None:
    points = search.points_of(Random(samples=900, params={"a": SPAN}))
    drawn = [point["params"]["a"] for point in points]
    below = [sum(value < limit for value in drawn) for limit in (0.001, 0.01)]
    assert 260 < below[0] < 340
    assert 560 < below[1] < 640


GRID: dict[str, Any] = {"method": "grid"}
DRAWN: dict[str, Any] = {"method": "random", "samples": 2}


@pytest.mark.parametrize(
    ("name", "tried", "words"),
    [
        ("netwrk", GRID | {"params": {"a": [1]}}, "search.netwrk: no candidate 'netwrk'; expected one of boosting,"),
        ("network", GRID, "search.network: nothing to try"),
        ("network", {"params": {"a": [1]}}, "search.network.method: missing; expected one of grid, random"),
        ("network", GRID | {"params": {"a": []}}, "search.network.params.a: found a list"),
        ("network", GRID | {"params": {"a": 1}}, "search.network.params.a: found 1: expected 'array'"),
        ("network", DRAWN | {"params": {"a": []}}, "search.network.params.a: found no value"),
        (
            "network",
            GRID | {"fit": {"epoch": [1]}},
            "search.network.fit.epoch: unknown key; expected one of batch_size",
        ),
        ("network", GRID | {"fit": {"epochs": [3, 0]}}, "search.network.fit.epochs: found 0: expected 'int' >= 1"),
        ("network", DRAWN | {"fit": {"epochs": {"low": 1.0, "high": 2.0}}}, "search.network.fit.epochs: found"),
        ("network", DRAWN | {"params": {"a": {"low": 2, "high": 2}}}, "params.a: found low 2.0 and high 2.0"),
        ("network", DRAWN | {"params": {"a": {"low": 0, "high": 2, "log": True}}}, "expected a low above 0"),
        ("network", DRAWN | {"params": {"a": {"low": 0.5, "high": 2, "integer": True}}}, "expected whole numbers"),
        ("network", DRAWN | {"params": {"a": {"low": 1, "hihg": 2}}}, "hihg: unknown key; did you mean 'high'?"),
        ("network", DRAWN | {"samples": 0, "params": {"a": [1]}}, "search.network.samples: found 0"),
        ("network", GRID | {"params": {"a": list(range(40)), "b": list(range(26))}}, "search: found 1040 points"),
    ],
)
def test_what_can_not_be_meant_is_refused(name: str, tried: dict[str, Any], words: str, load: Load) -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: tried})
    assert words in str(caught.value)
    assert str(caught.value).startswith(paths.CONFIG.as_posix())


def test_a_change_of_the_search_is_told_to_new_points_only(load: Load) -> None:
    before, after = (load({"logistic": GRID | {"params": {"C": tried}}}) for tried in ([0.1, 1.0], [1.0, 7.0]))
    stays = set(before.config.candidates) & set(after.config.candidates)
    assert len(stays) == 3
    for stage in ("train", "evaluate"):
        assert all(before.settings_of(stage, name) == after.settings_of(stage, name) for name in stays)


def test_the_search_is_light() -> None:
    code = "import sys, weighbridge.search; print(*sorted({'numpy', 'pandas', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert not done.stdout.strip()
