"""The short way to canonical rows gives what the long one gives, or leaves the table to it."""

from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.data import hashes, plain, tables
from weighbridge.data.canonical import canonical
from weighbridge.data.schema import Column, Schema

SCHEMA = Schema(
    id="id",
    time="time",
    group="group",
    weight="w",
    target="late",
    labels=("no", "yes"),
    features={
        "float": Column(type="number"),
        "whole": Column(type="number"),
        "gaps": Column(type="number"),
        "text": Column(type="string"),
        "flag": Column(type="boolean"),
    },
)
COLUMNS: dict[str, Any] = {
    "id": pa.array(["a", "bé", "c", "d"], pa.large_string()),
    "time": pa.array([4, -3, 2, 1], pa.timestamp("ms", "Europe/Berlin")),
    "group": ["g", "g", "h", "h"],
    "w": [0.5, 1.0, 0.0, 2.0],
    "float": pa.array([1.5, float("nan"), None, -0.0], pa.float32()),
    "whole": [1, 2, 3, 2**62 + 1],
    "gaps": [2**53 + 1, None, -1, 0],
    "text": ["x", None, "", "y"],
    "flag": [True, None, False, True],
    "late": pa.array([1, 0, None, 1], pa.int8()),
    "other": ["left", "out", "of", "it"],
}
OF_TEXTS = msgspec.structs.replace(SCHEMA, time=None, features={"text": Column(type="string")})
OF_NUMBERS = msgspec.structs.replace(SCHEMA, target="gaps", labels=(), features={"flag": Column(type="boolean")})


def long_way(table: pa.Table, schema: Schema) -> tuple[pa.Table, int]:
    rows, dropped = canonical(table, schema)
    return tables.to_arrow(rows, schema), dropped


@pytest.mark.parametrize("schema", [SCHEMA, OF_TEXTS, OF_NUMBERS], ids=["all", "texts", "numbers"])
@pytest.mark.parametrize("form", [pa.table, pa.record_batch], ids=["table", "batch"])
def test_plain_columns_become_what_they_become_by_pandas(form: Callable[[Any], Any], schema: Schema) -> None:
    table = form(COLUMNS)
    found = plain.canonical(table, schema)
    assert found is not None
    expected, dropped = long_way(pa.table(COLUMNS), schema)
    assert found[0].schema.equals(expected.schema, check_metadata=True)
    assert found[0].equals(expected)
    assert found[1] == dropped == 1


@pytest.mark.parametrize(
    "other",
    [
        {"id": ["a", "b", None, "d"]},
        {"id": [1, 2, 3, 4]},
        {"text": pa.array([b"\xff", b"a", b"b", b"c"]).view(pa.string())},
        {"time": pa.array([1, 2, None, 3], pa.timestamp("s", "UTC"))},
        {"time": pa.array([1, 2, 3, 4], pa.timestamp("s"))},
        {"time": pa.array([1, 2, 3, 4], pa.timestamp("ns", "UTC"))},
        {"time": pa.array([1, 2, 3, 2**62], pa.timestamp("s", "UTC"))},
        {"float": [1.0, 2.0, 3.0, 1e300]},
        {"float": ["1", "2", "3", "4"]},
        {"flag": [0, 1, 0, 1]},
        {"w": [1.0, -1.0, 1.0, 1.0]},
        {"w": [1.0, None, 1.0, 1.0]},
        {"late": [0, 1, 2, 0]},
        {"late": ["no", "yes", "no", "no"]},
    ],
    ids=lambda other: "-".join(f"{name} {pa.array(values).type}" for name, values in other.items()),
)
def test_another_type_or_a_problem_is_left_to_the_long_way(other: dict[str, Any]) -> None:
    assert plain.canonical(pa.table(COLUMNS | other), SCHEMA) is None


def test_a_column_of_an_array_or_that_is_not_there_is_left_to_the_long_way() -> None:
    image = msgspec.structs.replace(SCHEMA, features={"float": Column(type="array", shape=(1,))})
    assert plain.canonical(pa.table(COLUMNS), image) is None
    assert plain.canonical(pa.table(COLUMNS).drop_columns("w"), SCHEMA) is None
    assert plain.canonical(pa.table(COLUMNS).to_pandas(), SCHEMA) is None


@given(texts=st.lists(st.text("a\0é", max_size=20), max_size=9))
def test_texts_have_the_same_hash_where_they_are_the_same(texts: list[str]) -> None:
    found = hashes.of_texts(pa.chunked_array([["before", *texts]], pa.string())[1:]).tolist()
    assert len(found) == len(texts)
    assert len(set(found)) == len(set(texts))
    assert found == [hashes.of_texts(pa.array([text], pa.string()))[0] for text in texts]
