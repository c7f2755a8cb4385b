"""Handwritten digits as images of 8 by 8 grey values: scikit-learn's copy of a part of the UCI data."""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = Schema(
    id="id",
    target="digit",
    labels=tuple("0123456789"),
    features={
        "image": Column(type="array", shape=(1, 8, 8), minimum=0, maximum=16, description="Grey values, rows of pixels")
    },
)


def fetch(folder: Path) -> None:
    """Write the one raw file: 64 pixels and the digit a line."""
    from sklearn.datasets import load_digits

    write(folder / "digits.csv", load_digits(as_frame=True).frame.astype(int).to_csv(index=False))


def load(folder: Path) -> "pd.DataFrame":
    """Return a row an image, in the file's order: writers of the second half wrote nothing of the first."""
    import pandas as pd

    table = pd.read_csv(folder / "digits.csv")
    pixels = table.drop(columns="target").to_numpy("float32").reshape(-1, 1, 8, 8)
    learned = ["validation" if i % 8 == 0 else "train" for i in range(1, len(table) // 2 + 1)]
    return pd.DataFrame(
        {
            "id": [f"image-{i:04}" for i in range(len(table))],
            "image": list(pixels),
            "digit": table["target"].astype("str"),
            "part": learned + ["test"] * (len(table) - len(learned)),
        }
    )
