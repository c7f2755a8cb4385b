"""Small tables of other tasks than two classes: several classes with arrays, images alone, and numbers."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np
import pandas as pd

from weighbridge.data.schema import Column, Schema

PLANTS = Schema(
    id="id",
    target="kind",
    labels=("round", "flat", "long"),
    features={
        "grid of 6": Column(type="array", shape=(2, 3)),
        "width": Column(type="number", unit="mm"),
        "place": Column(type="string"),
        "seen": Column(type="time"),
    },
)
STRIPES = Schema(
    id="id",
    target="kind",
    labels=("rows", "columns", "neither"),
    features={"image": Column(type="array", shape=(1, 6, 6))},
)
PRICES = Schema(
    id="id", target="price", unit="EUR", features={"area": Column(type="number"), "street": Column(type="string")}
)


def plants(count: int, seed: int = 0) -> pd.DataFrame:
    """Return rows of three classes, told apart by two numbers of an array."""
    draw = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    grid = draw.normal(size=(count, 6)).astype("float32")
    grid[:, 0] += 3 * (kind == 1)
    grid[:, 5] += 3 * (kind == 2)
    width = np.where(draw.random(count) < 0.1, np.nan, draw.normal(kind, 1, count)).astype("float32")
    return pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(count)],
            "grid of 6": list(grid),
            "width": width,
            "place": pd.Series(draw.choice(["shade", "sun", ""], count), dtype="str"),
            "seen": draw.integers(20_000, 20_400, count).astype("float32"),
            "kind": kind.astype("int8"),
        }
    )


def stripes(count: int, seed: int = 0) -> pd.DataFrame:
    """Return small images: striped along rows, along columns, or noise."""
    draw = np.random.default_rng(seed)
    kind = np.arange(count) % 3
    image = draw.normal(scale=0.5, size=(count, 6, 6))
    stripe = np.where(np.arange(6) % 2, 1.0, -1.0)
    image[kind == 0] += stripe[:, None]
    image[kind == 1] += stripe
    flat = image.astype("float32").reshape(count, 36)
    return pd.DataFrame({"id": np.arange(count).astype(str), "image": list(flat), "kind": kind.astype("int8")})


def prices(count: int, seed: int = 0) -> pd.DataFrame:
    """Return rows with a number to predict: large, and with a deviation of a thirteenth."""
    draw = np.random.default_rng(seed)
    area = draw.normal(80, 20, count).astype("float32")
    street = draw.choice(["Bergweg", "Ufer", ""], count)
    price = 200_000 + 1000 * area + 20_000 * (street == "Ufer") + draw.normal(0, 5000, count)
    columns = {"area": area, "street": pd.Series(street, dtype="str"), "price": price}
    return pd.DataFrame({"id": np.arange(count).astype(str)} | columns)


class Example(NamedTuple):
    """A schema, and the function that makes rows of it, by their count and a seed."""

    schema: Schema
    rows: Callable[..., pd.DataFrame]


CLASSES, IMAGES, NUMBERS = Example(PLANTS, plants), Example(STRIPES, stripes), Example(PRICES, prices)


def weighted(example: Example) -> Example:
    """Return the example such that half of the rows are of the weight 0, and tell lies."""

    def rows(count: int, seed: int = 0) -> pd.DataFrame:
        frame = example.rows(count, seed)
        lies = np.random.default_rng(seed).random(count) < 0.5
        target = frame[example.schema.target]
        false = (target + 1) % len(example.schema.labels) if example.schema.labels else 1_000_000 - target
        frame[example.schema.target] = target.where(~lies, false.astype(target.dtype))
        return frame.assign(weight=np.where(lies, 0, 2).astype("float32"))

    return Example(msgspec.structs.replace(example.schema, weight="weight"), rows)
