"""Cars of 1970 to 1982 and how far they went on a gallon: numbers, text, a date and a boolean; whole makes apart.

Source: the ``vega_datasets`` distribution; StatLib's data for the exposition of the American Statistical Association.
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
    group="make",
    target="miles_per_gallon",
    unit="mi/gal",
    features={
        "cylinders": Column(type="number", minimum=1, description="Cylinders"),
        "displacement": Column(type="number", unit="in³", minimum=0, description="Volume of all cylinders"),
        "horsepower": Column(type="number", unit="hp", minimum=0, description="Power; unknown for six cars"),
        "weight": Column(type="number", unit="lb", minimum=0, description="Weight"),
        "acceleration": Column(type="number", unit="s", minimum=0, description="Time from 0 to 60 miles an hour"),
        "built": Column(type="time", description="January of the model's year"),
        "origin": Column(type="string", values=("Europe", "Japan", "USA"), description="Where it was built"),
        "diesel": Column(type="boolean", description="Whether its name says that it burns diesel"),
    },
)
_MAKES = {
    "chevy": "chevrolet", "chevroelt": "chevrolet", "maxda": "mazda", "mercedes": "mercedes-benz", "nissan": "datsun",
    "toyouta": "toyota", "vokswagen": "volkswagen", "vw": "volkswagen", "capri": "ford",
}  # fmt: skip


def fetch(folder: Path) -> None:
    """Copy the raw file out of the installed distribution, by its path: no line of it is run."""
    found = importlib.metadata.distribution("vega_datasets").locate_file("vega_datasets/_data/cars.json")
    write(folder / "cars.json", Path(str(found)).read_bytes())


def load(folder: Path) -> "pd.DataFrame":
    """Return a row a car; eight without a target will be dropped."""
    import pandas as pd

    rows = pd.read_json(folder / "cars.json", convert_dates=["Year"])
    rows = rows.rename(columns={"Weight_in_lbs": "weight", "Year": "built"}).rename(columns=str.lower)
    make = rows["name"].str.split().str[0]
    return rows.assign(
        id=[f"car-{i:03}" for i in range(len(rows))],
        make=make.replace(_MAKES),
        built=rows["built"].dt.tz_localize("UTC"),
        diesel=rows["name"].str.contains("diesel"),
    )
