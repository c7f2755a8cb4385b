"""The learning rate goes as the settings say, at every step."""

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.settings import Fit
from weighbridge.training.schedules import schedule, share

BATCHES = 10


def test_without_a_schedule_nothing_is_set() -> None:
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    assert schedule(optimiser, Fit(), BATCHES) is None


def test_a_warm_up_grows_evenly_to_the_whole_rate() -> None:
    at = share(Fit(epochs=3, warmup_epochs=0.4), BATCHES)
    assert [at(step) for step in range(6)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


@pytest.mark.parametrize(("name", "middle"), [("linear", 0.75), ("cosine", 0.853553)])
def test_then_it_falls_to_nothing_at_the_end(name: str, middle: float) -> None:
    at = share(msgspec.convert({"epochs": 4, "schedule": name}, Fit), BATCHES)
    assert [at(0), at(10), at(20), at(40)] == pytest.approx([1.0, middle, 0.5, 0.0])


@given(
    name=st.sampled_from(["constant", "linear", "cosine"]),
    epochs=st.integers(1, 5),
    warmup=st.floats(0, 9),
    step=st.integers(0, 60),
)
def test_a_rate_is_never_above_the_one_set_nor_below_nothing(name: str, epochs: int, warmup: float, step: int) -> None:
    settings = msgspec.convert({"schedule": name, "epochs": epochs, "warmup_epochs": warmup}, Fit)
    assert 0 <= share(settings, BATCHES)(step) <= 1


def test_the_optimiser_is_given_the_rate() -> None:
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=0.5)
    set_by = schedule(optimiser, Fit(epochs=1, schedule="linear"), 4)
    assert set_by is not None
    rates = []
    for _ in range(4):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        set_by.step()
    assert rates == [0.5, 0.375, 0.25, 0.125]
