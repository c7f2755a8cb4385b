"""Rows of several classes for the tests: arrays, text, numbers and booleans, some of them missing, at no time."""

from pathlib import Path

import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

ROWS = 2000
LABELS = ("basil", "mint", "sage")
SHAPE = (2, 3)
SCHEMA = Schema(
    id="leaf",
    target="herb",
    labels=LABELS,
    features={
        "outline": Column(type="array", shape=SHAPE, description="How far it reaches, by direction"),
        "length": Column(type="number", unit="cm", description="Length; of torn leaves unknown"),
        "bed": Column(type="string", description="Where it grew"),
        "hairy": Column(type="boolean", description="Whether it has hairs"),
    },
)


def fetch(folder: Path) -> None:
    """Write one CSV file, the same bytes each time; other labels are other rows, but for the leaves they share."""
    random = np.random.default_rng(11)
    herb = np.arange(ROWS) % 5
    centres = random.normal(size=(5, *SHAPE))
    outline = centres[herb] + random.normal(scale=0.8, size=(ROWS, *SHAPE))
    rows = pd.DataFrame(
        {
            "leaf": [f"l{i:04d}" for i in range(ROWS)],
            "length": (herb + random.normal(size=ROWS)).round(2),
            "bed": random.choice(["east", "west"], ROWS),
            "hairy": np.where(random.random(ROWS) < 0.3 + 0.1 * herb, "yes", "no"),
        }
    )
    for place, values in enumerate(outline.reshape(ROWS, -1).T):
        rows[f"outline{place}"] = values.round(3)
    rows.loc[random.uniform(size=ROWS) < 0.1, "length"] = np.nan
    rows.loc[random.uniform(size=ROWS) < 0.05, "bed"] = None
    rows["herb"] = np.array(["basil", "mint", "sage", "thyme", "rue"])[herb]
    write(folder / "leaves.csv", rows[rows["herb"].isin(LABELS)].to_csv(index=False))


def load(folder: Path) -> pd.DataFrame:
    """Return the rows with their arrays."""
    rows = pd.read_csv(folder / "leaves.csv", dtype={"bed": "str"})
    outline = rows[[f"outline{place}" for place in range(np.prod(SHAPE))]].to_numpy(np.float32)
    hairy = rows["hairy"].eq("yes")
    return rows.assign(outline=list(outline.reshape(-1, *SHAPE)), hairy=hairy)
