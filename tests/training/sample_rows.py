"""A small table with missing values of both types, and what is fitted on it."""

import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema
from weighbridge.settings import Candidate, Fit

SCHEMA = Schema(
    id="id",
    time="time",
    target="late",
    labels=("on time", "late"),
    features={
        "Wind speed (kt)": Column(type="number", known=1, unit="kt"),
        "carrier": Column(type="string", known=24),
        "age": Column(type="number", known=24, unit="a"),
        "dest": Column(type="string", known=24),
    },
)

LOGISTIC = Candidate(model="sklearn.linear_model:LogisticRegression")
BOOSTING = Candidate(
    model="sklearn.ensemble:HistGradientBoostingClassifier",
    params={"max_iter": 20, "early_stopping": True},
    strings="ordinal",
)
NETWORK = Candidate(
    model="project.models:MLP", params={"hidden": [8], "dropout": 0.1}, fit=Fit(epochs=3, batch_size=64, lr=0.01)
)


def rows(count: int, seed: int = 0) -> pd.DataFrame:
    """Return *count* rows; a tenth of the ages and carriers is missing."""
    draw = np.random.default_rng(seed)
    speed = draw.normal(10, 4, count).astype("float32")
    carriers = draw.choice(["AA", "B6", "Zürich", ""], count, p=[0.4, 0.3, 0.2, 0.1])
    chance = 1 / (1 + np.exp(-(speed - 10) / 4 - (carriers == "B6") + (carriers == "")))
    age = np.where(draw.random(count) < 0.1, np.nan, draw.integers(0, 30, count)).astype("float32")
    return pd.DataFrame(
        {
            "id": np.arange(count),
            "Wind speed (kt)": speed,
            "carrier": pd.Series(carriers, dtype="str"),
            "age": age,
            "dest": pd.Series(draw.choice([f"D{i:02d}" for i in range(30)], count), dtype="str"),
            "late": (draw.random(count) < chance).astype("int8"),
        }
    )


def unusual(count: int = 300) -> pd.DataFrame:
    """Return rows with unseen and missing values of both types, alone and together."""
    frame = rows(count, seed=9)
    frame.loc[:50, "carrier"] = "never seen"
    frame.loc[40:90, "dest"] = None
    frame.loc[80:120, "age"] = np.nan
    frame.loc[100:140, "Wind speed (kt)"] = np.nan
    frame.loc[130:, "carrier"] = ""
    return frame


def silent(_text: str) -> None:
    """Take a line of progress, and say nothing."""
