"""Equal content has equal names, other content has another; nothing but content counts."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import VALUES

from weighbridge.digest import (
    canonical_json,
    folder_entries,
    sha256_bytes,
    sha256_file,
    sha256_folder,
    sha256_json,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=6))
def test_the_order_of_keys_does_not_count(value: dict[str, Any]) -> None:
    backwards = dict(reversed(list(value.items())))
    assert canonical_json(backwards) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


def test_the_name_of_a_value_does_count() -> None:
    """Snakemake compares params as a set of values: swapped values must look different to it."""
    assert canonical_json({"a": 1, "b": 2}) != canonical_json({"a": 2, "b": 1})


def test_json_has_no_spaces_and_keeps_letters() -> None:
    assert canonical_json({"b": [1, 2.5], "ä": None}) == '{"b":[1,2.5],"ä":null}'


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_nan_has_no_name(number: float) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        sha256_json({"a": number})


@given(st.binary(max_size=200))
def test_bytes_have_the_digest_that_everyone_computes(content: bytes) -> None:
    assert sha256_bytes(content) == hashlib.sha256(content).hexdigest()


def fill(folder: Path) -> None:
    for name, text in {"b.txt": "b", "a/c.txt": "c", "a.txt": ""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_folder_is_its_files_whenever_and_wherever_they_were_written(tmp_path: Path) -> None:
    fill(tmp_path / "one")
    fill(tmp_path / "two")
    os.utime(tmp_path / "two/b.txt", (1, 1))
    (tmp_path / "two/b.txt").chmod(0o600)
    one, two = folder_entries(tmp_path / "one"), folder_entries(tmp_path / "two")
    assert [entry.path for entry in one] == ["a.txt", "a/c.txt", "b.txt"]
    assert one == two
    assert sha256_folder(one) == sha256_folder(two)
    assert one[2].sha256 == sha256_file(tmp_path / "one/b.txt")


@pytest.mark.parametrize("change", ["edit", "rename", "remove"])
def test_a_folder_with_other_files_has_another_name(change: str, tmp_path: Path) -> None:
    fill(tmp_path)
    before = sha256_folder(folder_entries(tmp_path))
    file = tmp_path / "b.txt"
    match change:
        case "edit":
            file.write_text("B")
        case "rename":
            file.rename(tmp_path / "d.txt")
        case _:
            file.unlink()
    assert sha256_folder(folder_entries(tmp_path)) != before
