"""The noise floor: what pairs of seeds decide differently, counted on the same rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from weighbridge.errors import RecordError
from weighbridge.evidence import noise
from weighbridge.manifest import Interval

TARGET = [1, 1, 0, 0]


def seed(*probabilities: float, ids: str = "abcd", target: list[int] = TARGET) -> pd.DataFrame:
    return pd.DataFrame({"id": list(ids), "target": target, "probability": probabilities})


def files(*tables: pd.DataFrame) -> dict[Path, pd.DataFrame]:
    return {Path(f"results/runs/m/{i}/validation.parquet"): table for i, table in enumerate(tables)}


def test_a_single_seed_tells_nothing() -> None:
    assert noise.noise(files(seed(0.9, 0.1, 0.9, 0.1)), 0.5) is None


def test_pairs_are_counted_both_ways_with_the_least_and_the_greatest() -> None:
    right, half, other = seed(0.9, 0.8, 0.2, 0.1), seed(0.9, 0.4, 0.6, 0.1), seed(0.9, 0.8, 0.6, 0.1)
    found = noise.noise(files(right, half, other), 0.5)
    assert found is not None
    assert (found.seeds, found.pairs) == (3, 3)
    assert found.changed_decisions == Interval(value=1 / 3, low=0.25, high=0.5)
    assert found.negative_flips == Interval(value=1 / 6, low=0.0, high=0.5)


def test_decisions_are_at_the_threshold() -> None:
    tables = files(seed(0.6, 0.6, 0.1, 0.1), seed(0.7, 0.5, 0.1, 0.1))
    assert [noise.noise(tables, limit).changed_decisions.value for limit in (0.5, 0.55, 0.65)] == [0, 0.25, 0.25]  # type: ignore[union-attr]  # two seeds


def test_rows_are_aligned_by_id() -> None:
    shuffled = seed(0.1, 0.2, 0.8, 0.9, ids="dcba", target=[0, 0, 1, 1])
    found = noise.noise(files(seed(0.9, 0.8, 0.2, 0.1), shuffled), 0.5)
    assert found is not None
    assert found.changed_decisions == Interval(value=0.0, low=0.0, high=0.0)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (seed(0.9, 0.8, 0.2, 0.1, ids="abce"), r"runs/m/1/validation\.parquet: found 4 rows that aren't .*, by id"),
        (seed(0.9, 0.8, 0.2, 0.1).head(3), "found 3 rows that aren't those of"),
        (seed(0.9, 0.8, 0.2, 0.1, target=[1, 1, 1, 0]), "by target"),
        (seed(0.9, 0.8, 0.2, 0.1, ids="aabc"), "expected each id once"),
        (seed(0.9, np.nan, 0.2, 0.1), "finite probability"),
    ],
)
def test_seeds_with_other_rows_are_refused(other: pd.DataFrame, says: str) -> None:
    with pytest.raises(RecordError, match=says):
        noise.noise(files(seed(0.9, 0.8, 0.2, 0.1), other), 0.5)
