"""Ratios of times: exact where nothing varies, honest where the machine does, and blind to what slows both."""

import numpy as np
import pytest

from weighbridge.evidence import ratios
from weighbridge.evidence.metrics import Floats
from weighbridge.manifest import Interval, Serving


def measured(new: Floats, old: Floats) -> dict[str, Interval]:
    sides = [new.tolist(), old.tolist()]
    return ratios.of_times(sides, sides, sides)


def noise(seed: int, rounds: int = 60, calls: int = 10) -> Floats:
    return np.exp(np.random.default_rng(seed).normal(0, 0.2, (rounds, calls)))


def test_names_are_those_of_the_record() -> None:
    found = measured(noise(0), noise(1))
    assert set(found) <= set(Serving.__struct_fields__)
    assert set(found) == {"latency_ms_p50", "latency_ms_p95", "latency_ms_p99", "rows_per_second", "load_seconds"}


def test_twice_as_slow_is_a_ratio_of_two_and_half_the_throughput() -> None:
    found = measured(np.full((9, 4), 2.0), np.full((9, 4), 1.0))
    rates = found.pop("rows_per_second")
    assert (rates.low, rates.value, rates.high) == (0.5, 0.5, 0.5)
    assert {(one.low, one.value, one.high) for one in found.values()} == {(2.0, 2.0, 2.0)}


def test_what_slows_a_whole_round_cancels_out() -> None:
    busy = np.exp(np.random.default_rng(5).normal(0, 1, (60, 1)))
    found = measured(1.1 * busy * np.ones((60, 10)), busy * np.ones((60, 10)))
    assert found["latency_ms_p50"].low == pytest.approx(1.1)
    assert found["latency_ms_p95"].high == pytest.approx(1.1)


def test_of_equal_models_the_bound_reaches_beyond_one_at_most_as_often_as_it_says() -> None:
    short = [[[1.0]] * 2] * 2
    sides = [[noise(2 * i + side, 30, 4).tolist() for side in range(2)] for i in range(200)]
    beyond = [ratios.of_times(pair, short, short)["latency_ms_p50"].low > 1 for pair in sides]
    assert np.mean(beyond) < 0.09  # 5 %, and three standard errors


def test_few_rounds_give_wide_intervals() -> None:
    few, many = (measured(noise(1, n), noise(2, n))["latency_ms_p50"] for n in (5, 80))
    assert few.high - few.low > 2 * (many.high - many.low)


def test_equal_times_give_equal_intervals() -> None:
    assert measured(noise(3), noise(4)) == measured(noise(3), noise(4))


def test_sides_may_have_rounds_of_another_number_of_calls() -> None:
    found = ratios.of_times([[[2.0], [2.0]], [[1.0, 1.0], [1.0]]], [[[1.0]] * 2] * 2, [[[1.0]] * 2] * 2)
    assert found["latency_ms_p95"].value == 2
