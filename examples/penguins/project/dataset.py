"""Penguins of the Palmer Archipelago: the species by measures, sex and island, some of which weren't written down.

Source: the ``palmerpenguins`` distribution (data CC0); Gorman, Williams and Fraser 2014, PLoS ONE 9(3): e90081.
"""

import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = Schema(
    id="id",
    target="species",
    labels=("Adelie", "Chinstrap", "Gentoo"),
    features={
        "island": Column(type="string", values=("Biscoe", "Dream", "Torgersen"), description="Where it was caught"),
        "sex": Column(type="string", values=("female", "male"), description="By its blood; sometimes unknown"),
        "bill_length_mm": Column(type="number", unit="mm", minimum=0, description="Length of the bill"),
        "bill_depth_mm": Column(type="number", unit="mm", minimum=0, description="Depth of the bill"),
        "flipper_length_mm": Column(type="number", unit="mm", minimum=0, description="Length of a flipper"),
        "body_mass_g": Column(type="number", unit="g", minimum=0, description="Mass"),
    },
)


def fetch(folder: Path) -> None:
    """Copy the raw file out of the installed distribution, by its path: no line of it is run."""
    found = importlib.metadata.distribution("palmerpenguins").locate_file("palmerpenguins/data/penguins.csv")
    write(folder / "penguins.csv", Path(str(found)).read_bytes())


def load(folder: Path) -> "pd.DataFrame":
    """Return a row a penguin; the file has no name for it, so its place in the file is its id."""
    import pandas as pd

    rows = pd.read_csv(folder / "penguins.csv", dtype={"island": "str", "sex": "str", "species": "str"})
    rows["id"] = [f"penguin-{i:03}" for i in range(len(rows))]
    return rows[["id", *SCHEMA.features, "species"]]
