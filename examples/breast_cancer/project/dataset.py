"""Tumours of the breast, benign or malignant, by 30 measures of cell nuclei: scikit-learn's copy of the UCI data."""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.data.schema import Column, Schema
from weighbridge.documents import write

if TYPE_CHECKING:
    import pandas as pd

_MEASURES = {
    "radius": "Mean distance from centre to perimeter",
    "texture": "Standard deviation of grey values",
    "perimeter": "Length of the perimeter",
    "area": "Area",
    "smoothness": "Local variation of the radius",
    "compactness": "Perimeter squared by area, less one",
    "concavity": "Depth of concave parts of the outline",
    "concave points": "Number of concave parts of the outline",
    "symmetry": "Symmetry",
    "fractal dimension": "Approximation of the coastline, less one",
}

SCHEMA = Schema(
    id="id",
    target="diagnosis",
    labels=("benign", "malignant"),
    features={
        name: Column(type="number", minimum=0, description=f"{what}; {statistic} over the nuclei of an image")
        for statistic, pattern in (("mean", "mean {}"), ("standard error", "{} error"), ("worst", "worst {}"))
        for measure, what in _MEASURES.items()
        for name in (pattern.format(measure),)
    },
)


def fetch(folder: Path) -> None:
    """Write the one raw file."""
    from sklearn.datasets import load_breast_cancer

    write(folder / "tumours.csv", load_breast_cancer(as_frame=True).frame.to_csv(index=False))


def load(folder: Path) -> "pd.DataFrame":
    """Return a row an image; the file has no name for it, so its place in the file is its id."""
    import pandas as pd

    rows = pd.read_csv(folder / "tumours.csv")
    rows["id"] = [f"image-{i:03}" for i in range(len(rows))]
    rows["diagnosis"] = rows["target"].map({0: "malignant", 1: "benign"})
    return rows[["id", *SCHEMA.features, "diagnosis"]]
