"""A model that does without a column is compared all the same: the last release's own test rows have it."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest
from flights_sample import make_manifest

from weighbridge import paths
from weighbridge.data import tables
from weighbridge.digest import sha256_file
from weighbridge.errors import RecordError
from weighbridge.manifest import Input, Interface, Manifest
from weighbridge.stages.weigh import retired

OWN_ROWS = paths.BASELINE_ROWS / "test.parquet"
SEATS = Input(name="seats", type="number", unit="seats", may_be_missing=True)


COLUMNS = ("id", "distance")


def ids(*values: str) -> "pd.Series[str]":
    return pd.Series(values, name="id")


@pytest.fixture
def previous(tmp_path: Path) -> Manifest:
    """The last release, which takes ``seats`` as well, with its test rows beside the bundle."""
    path = tmp_path / paths.BASELINE_ROWS / "test.parquet"
    tables.write_parquet(pd.DataFrame({"id": ["b", "a", "c"], "seats": [2.0, 1.0, 3.0]}), path)
    released = make_manifest()
    split = msgspec.structs.replace(released.data.splits["test"], sha256=sha256_file(path))
    data = msgspec.structs.replace(released.data, splits=released.data.splits | {"test": split})
    distance = Input(name="distance", type="number", unit="mi", may_be_missing=False)
    interface = Interface(inputs=(distance, SEATS), outputs=())
    return msgspec.structs.replace(released, data=data, interface=interface)


def test_it_is_joined_by_id(tmp_path: Path, previous: Manifest) -> None:
    found, hint = retired(ids("a", "b"), COLUMNS, previous, tmp_path / OWN_ROWS)
    assert found is not None
    assert found["seats"].loc[["a", "b"]].tolist() == [1.0, 2.0]
    assert hint == ""


def test_nothing_is_read_where_nothing_was_retired(tmp_path: Path, previous: Manifest) -> None:
    assert retired(ids("x"), (*COLUMNS, "seats"), previous, tmp_path / OWN_ROWS) == (None, "")
    assert retired(ids("x"), COLUMNS, None, tmp_path / OWN_ROWS) == (None, "")


def test_rows_that_the_last_release_never_saw_are_counted(tmp_path: Path, previous: Manifest) -> None:
    found, hint = retired(ids("a", "new"), COLUMNS, previous, tmp_path / OWN_ROWS)
    assert found is None
    assert "1 of these 2 rows" in hint
    assert "data.split" in hint


def test_rows_that_are_not_at_hand_are_said_to_be_so(tmp_path: Path, previous: Manifest) -> None:
    (tmp_path / paths.BASELINE_ROWS / "test.parquet").unlink()
    assert "aren't at hand" in retired(ids("a"), COLUMNS, previous, tmp_path / OWN_ROWS)[1]


def test_rows_named_by_another_column_are_not_joined(tmp_path: Path, previous: Manifest) -> None:
    assert "'flight'" in retired(ids("a").rename("flight"), ("flight", "distance"), previous, tmp_path / OWN_ROWS)[1]


def test_edited_rows_are_refused(tmp_path: Path, previous: Manifest) -> None:
    path = tmp_path / paths.BASELINE_ROWS / "test.parquet"
    tables.write_parquet(pd.DataFrame({"id": ["a"], "seats": [9.0]}), path)
    with pytest.raises(RecordError, match="edited"):
        retired(ids("a"), COLUMNS, previous, tmp_path / OWN_ROWS)
