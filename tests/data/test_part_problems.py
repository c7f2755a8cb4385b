"""Parts that can't be trained on or weighed with, of every task: each is refused by name."""

from typing import Any

import numpy as np
import pandas as pd

from weighbridge.data.problems import of_parts
from weighbridge.data.schema import Column, Schema
from weighbridge.data.values import examine

CLASSES = Schema(
    id="id", target="y", weight="w", labels=("red", "green", "blue"), features={"x": Column(type="number")}
)
NUMBERS = Schema(id="id", target="y", features={"x": Column(type="number")})


def found(schema: Schema, train: list[Any], test: list[Any], weight: float = 1) -> list[str]:
    parts = {
        name: pd.DataFrame({"id": list(map(str, range(len(target)))), "x": np.float32(1), "w": weight, "y": target})
        for name, target in {"train": train, "validation": test, "test": test}.items()
    }
    return list(of_parts(parts, schema, examine(parts, schema)))


def test_parts_of_several_classes_or_numbers_are_fine() -> None:
    assert found(CLASSES, [0, 1, 2], [0, 1]) == []
    assert found(NUMBERS, [0.5, 1.5], [1.5, 2.5]) == []


def test_a_class_without_a_row_to_learn_from() -> None:
    (problem,) = found(CLASSES, [0, 2, 2], [0, 1, 2])
    assert problem.startswith("train: no row is 'green' ('y'); each class needs rows to learn from")


def test_a_part_of_one_class_only() -> None:
    validation, test = found(CLASSES, [0, 1, 2], [1, 1])
    assert validation.startswith("validation: the target 'y' is 1 in all 2 rows; several classes are needed")
    assert test.startswith("test: the target 'y' is 1 in all 2 rows")


def test_a_number_that_is_always_the_same() -> None:
    (problem,) = found(NUMBERS, [2.5, 2.5, 2.5], [1.0, 2.0])
    assert problem.startswith("train: the target 'y' is 2.5 in all 3 rows; different numbers are needed")


def test_weights_that_leave_nothing_to_learn_from() -> None:
    (problem,) = found(CLASSES, [0, 1, 2], [0, 1], weight=0)
    assert problem == "weight 'w': 0 in all 3 rows of train; expected some above 0, to learn from"
