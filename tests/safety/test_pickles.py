"""A pickle is recognised by its bytes, whatever its name and its wrapping, and is never loaded; nothing else is."""

import bz2
import datetime as dt
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as to_safetensors

from weighbridge.errors import RecordError
from weighbridge.registry import pickles

ROOT = Path(__file__).parents[2]
RAN: list[str] = []


class Attack:
    """Loading it would run a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return RAN.append, ("it ran",)


class Plain:
    """An object of a class that loading would import."""

    def __init__(self) -> None:
        self.a = 1


VALUES = [Attack(), Plain(), {"weights": [1.0, 2.5]}, {1, 2}, ("a", None), dt.date(2024, 1, 1), b"bytes", 7]


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme.txt", "harmless")
        archive.writestr("archive/data.txt", content)
    return buffer.getvalue()


def tarred(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("weights.bin")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "bare": bytes,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "fast zlib": lambda content: zlib.compress(content, 1),
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "old lzma": lambda content: lzma.compress(content, format=lzma.FORMAT_ALONE),
    "zip": zipped,
    "zip behind something else": lambda content: b"#!/bin/sh\n" + zipped(content),
    "tar": tarred,
    "tar.gz": lambda content: gzip.compress(tarred(content)),
    "zip in a zip": lambda content: zipped(zipped(content)),
    "twice compressed": lambda content: bz2.compress(gzip.compress(content)),
    "behind an empty gzip member": lambda content: gzip.compress(b"") + gzip.compress(content),
    "a damaged end": lambda content: gzip.compress(content + np.random.default_rng(1).bytes(200_000))[:-100_000],
}


def look(content: bytes) -> str | None:
    return pickles.look(io.BytesIO(content))


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES[:3], ids=["a call", "an object", "plain data"])
def test_a_pickle_is_found_in_each_protocol_and_wrapping(value: Any, protocol: int, wrapping: str) -> None:
    found = look(WRAPPINGS[wrapping](pickle.dumps(value, protocol)))
    # Plain data without a header and with noise behind it is nothing that an unpickler would run.
    assert found or (wrapping == "a damaged end" and protocol < 2 and value is VALUES[2])
    assert not RAN, "nothing was loaded"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES)
def test_a_pickle_of_anything_is_found(value: Any, protocol: int) -> None:
    assert look(pickle.dumps(value, protocol))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_damage_behind_the_call_hides_nothing(protocol: int) -> None:
    """An unpickler runs what it has read before it stumbles."""
    whole = pickle.dumps(Attack(), protocol)
    assert look(whole[:-1] + b"\x00 no opcode")
    assert look(whole[:-1])


@pytest.mark.parametrize(
    "content",
    [
        b"\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.",  # protocol 4 without its header
        b"(S'id'\nios\nsystem\n.",
        b"(cos\nsystem\nS'id'\no.",
        b"N0cos\nsystem\n(S'id'\ntR0.",
        b"Vnothing\n0(I1\nI2\nl0cos\nsystem\n(S'id'\ntR\x00",
        b"cantigravity\nfly\n.",  # importing runs code as well
    ],
)
def test_pickles_made_by_hand_are_found(content: bytes) -> None:
    assert look(content)


def test_what_torch_and_numpy_wrap_in_pickles_is_found() -> None:
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"a": torch.zeros(3)}, buffer, _use_new_zipfile_serialization=new)  # the format itself, to refuse it
        assert look(buffer.getvalue())
    objects = io.BytesIO()
    np.save(objects, np.array([{"a": 1}, None], dtype=object), allow_pickle=True)
    assert look(objects.getvalue()) == "an array of Python objects, which is a pickle"
    several = io.BytesIO()
    np.savez(several, numbers=np.zeros(3), things=np.array([None], dtype=object))
    assert look(several.getvalue())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x28\xb5\x2f\xfd" + bytes(20), "zstd"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(20), "7z"),
        (b"\x04\x22\x4d\x18" + bytes(20), "lz4"),
        (zipped(b"x" * 1000)[:-40], "damaged zip"),
        (b"X" + (2**30).to_bytes(4, "little") + bytes(17 * 2**20), None),
        (b"V" + b"a" * (17 * 2**20) + b"\n0cos\nsystem\n(S'id'\ntR.", "too long to look at"),
    ],
)
def test_what_can_not_be_looked_into_is_told(content: bytes, words: str | None) -> None:
    found = look(content)
    assert found
    assert words is None or words in found


def test_archives_within_archives_have_an_end() -> None:
    content = b"harmless"
    for _ in range(8):
        content = zipped(content)
    assert "too deep" in (look(content) or "")


def test_a_bomb_takes_no_more_than_is_looked_at() -> None:
    bomb = gzip.compress(bytes(200 * 2**20), 9)
    assert look(bomb) is None


@given(st.dictionaries(st.text(max_size=20), st.integers() | st.text() | st.floats(allow_nan=False)))
def test_json_and_yaml_are_no_pickles(value: dict[str, Any]) -> None:
    import json

    import yaml

    assert look(json.dumps(value).encode()) is None
    assert look(f"document:\n- {yaml.safe_dump(value, default_flow_style=True)}".encode()) is None


@given(st.integers(1, 700), st.integers(0, 3))
def test_tensors_are_no_pickles(length: int, padding: int) -> None:
    """A safetensors file begins with its header's length, which may read like a pickle's first two bytes."""
    metadata = {"weighbridge": "x" * length + " " * padding}
    assert look(to_safetensors({"a": np.zeros(3, np.float32)}, metadata)) is None


def test_numbers_are_no_pickles() -> None:
    for kind in (np.uint8, np.float32, np.int64):
        buffer = io.BytesIO()
        np.save(buffer, np.arange(128, 255).astype(kind))
        assert look(buffer.getvalue()) is None


def test_nothing_in_this_repository_is_taken_for_one() -> None:
    folders = ("docs", "weighbridge", "project", "config", "workflow", "schemas", "benchmarks")
    assert [
        found for folder in folders for found in pickles.in_folder(ROOT / folder) if "pycache" not in found[0]
    ] == []


def test_a_folder_with_one_is_refused_by_name(tmp_path: Path) -> None:
    pickles.refuse(tmp_path, "the bundle")
    (tmp_path / "model.onnx").write_bytes(b"\x08\x0a\x12\x00")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "README.md").write_bytes(pickle.dumps(Attack()))
    with pytest.raises(RecordError, match=r"inner/README\.md: a pickle of protocol 4") as caught:
        pickles.refuse(tmp_path, "the bundle")
    assert str(caught.value).startswith("the bundle holds what may run code")
    assert not RAN
