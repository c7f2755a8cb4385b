"""The manifest in JSON, JSON Schema and protobuf: nothing is lost, and the files say what the records say."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # has no types of its own
import msgspec
import pytest
from hypothesis import given, settings
from strategies import SLOW_TO_SHRINK, VALUES, manifests

from weighbridge import documents, fields, formats
from weighbridge.errors import RecordError
from weighbridge.manifest import Manifest, Parameters

ROOT = Path(__file__).resolve().parents[1]


def through_yaml(record: Any) -> Any:
    return documents.typed(documents.parse(documents.dump(record), "test", RecordError), type(record), RecordError)


@settings(SLOW_TO_SHRINK, max_examples=40)
@given(manifests())
def test_yaml_protobuf_and_json_round_trip_to_the_same_yaml(manifest: Manifest) -> None:
    text = documents.dump(manifest)
    read = through_yaml(manifest)
    assert documents.dump(read) == text
    assert documents.dump(formats.from_proto(formats.to_proto(read))) == text
    assert documents.dump(msgspec.json.decode(msgspec.json.encode(read), type=Manifest)) == text


@given(VALUES)
def test_a_value_of_any_type_keeps_its_type_in_protobuf(value: Any) -> None:
    message = formats.messages()["Value"]()
    formats._fill_value(message, value)
    again = formats.messages()["Value"].FromString(message.SerializeToString())
    assert repr(formats._read_value(again, "value")) == repr(value)


def test_order_of_keys_survives_protobuf() -> None:
    value = {"z": 1, "a": {"y": 1.0, "b": None}, "m": [True, 1, 1.0, "1"]}
    message = formats.messages()["Value"]()
    formats._fill_value(message, value)
    assert repr(formats._read_value(message, "value")) == repr(value)


def test_other_readers_see_maps_in_the_same_bytes() -> None:
    record = Parameters(
        candidate="boosting",
        model="m:M",
        hyperparameters={"depth": 3, "rate": 0.1},
        fit={},
        seed=0,
        threads=1,
        settings={},
    )
    ours = formats.messages()["Parameters"]()
    formats._fill(ours, record)
    theirs = formats.messages(maps=True)["Parameters"].FromString(ours.SerializeToString())
    assert theirs.hyperparameters["depth"].integer == 3
    assert theirs.hyperparameters["rate"].number == 0.1


@pytest.mark.parametrize("content", [b"", b"\xff\xff", b"\x0a\x01x", b"schema: no protobuf"])
def test_bytes_that_are_no_manifest_are_refused(content: bytes) -> None:
    with pytest.raises(RecordError, match="no manifest in protobuf"):
        formats.from_proto(content)


def test_a_type_that_protobuf_lacks_is_refused() -> None:
    for annotation in (bytes, tuple[tuple[int, ...], ...], dict[int, str], tuple[int, ...] | None, int | str):
        with pytest.raises(TypeError, match="another type"):
            formats.shape(annotation)


def parsed(text: str) -> dict[str, dict[str, tuple[str, int]]]:
    """Read a ``.proto`` file back: message → field → (declaration, number)."""
    found: dict[str, dict[str, tuple[str, int]]] = {}
    message = ""
    for raw in text.splitlines():
        line = raw.split("//")[0].strip()
        if opened := re.fullmatch(r"message (\w+) \{", line):
            message = opened[1]
            found[message] = {}
        elif field := re.fullmatch(r"(.+) (\w+) = (\d+);", line):
            found[message][field[2]] = (field[1], int(field[3]))
        else:
            assert re.fullmatch(r'(oneof \w+ \{|\}|syntax = "proto3";|package [\w.]+;|)', line), raw
    return found


def declared(message: Any, field: Any) -> str:
    """Return a descriptor's field as the ``.proto`` file says it."""
    scalars = {9: "string", 3: "int64", 1: "double", 8: "bool"}
    nested = {f".{formats.PACKAGE}.{message.name}.{inner.name}": inner for inner in message.nested_type}
    if field.type_name in nested:
        return f"map<string, {declared(message, nested[field.type_name].field[1])}>"
    name = scalars.get(field.type) or field.type_name.removeprefix(f".{formats.PACKAGE}.")
    label = "repeated " if field.label == 3 else "optional " if field.proto3_optional else ""
    return label + name


def test_the_proto_file_says_what_the_bytes_are_written_with() -> None:
    file = formats.file_descriptor(maps=True)
    expected = {m.name: {f.name: (declared(m, f), f.number) for f in m.field} for m in file.message_type}
    assert parsed(formats.proto()) == expected


@pytest.mark.skipif(shutil.which("protoc") is None, reason="protoc isn't installed")
def test_protoc_compiles_the_proto_file(tmp_path: Path) -> None:
    (tmp_path / "manifest.proto").write_text(formats.proto())
    subprocess.run(["protoc", "--proto_path=.", "--descriptor_set_out=out", "manifest.proto"], cwd=tmp_path, check=True)
    assert (tmp_path / "out").stat().st_size > 0


@pytest.mark.parametrize("kind", list(formats.ROOTS))
def test_a_json_schema_describes_every_record_and_names_no_host(kind: formats.Kind) -> None:
    schema = formats.json_schema(kind)
    assert schema["$id"] == f"urn:weighbridge:v1:{kind}"
    for name, definition in schema["$defs"].items():
        assert definition["description"], name
        assert definition["type"] == "object", name


@settings(SLOW_TO_SHRINK, max_examples=20)
@given(manifests())
def test_every_manifest_is_valid_by_its_json_schema(manifest: Manifest) -> None:
    plain = msgspec.json.decode(msgspec.json.encode(manifest))
    jsonschema.Draft202012Validator(formats.json_schema("manifest")).validate(plain)


@pytest.mark.parametrize("kind", ["config", "gates"])
def test_the_configuration_is_valid_by_its_json_schema_and_a_typing_error_is_not(kind: formats.Kind) -> None:
    validator = jsonschema.Draft202012Validator(formats.json_schema(kind))
    value = documents.read(ROOT / f"config/{kind}.yaml").value
    validator.validate(value)
    with pytest.raises(jsonschema.ValidationError, match="treads"):
        validator.validate({**value, "treads": 1})


def test_json_schema_patterns_are_those_of_ecma_262() -> None:
    text = msgspec.json.encode(formats.json_schema("config")).decode()
    assert '"^[a-z0-9][a-z0-9_-]{0,63}$"' in text
    assert "\\Z" not in text


@pytest.mark.parametrize("root", formats.ROOTS.values())
def test_every_field_has_a_meaning(root: type[msgspec.Struct]) -> None:
    silent = [
        f"{record.__name__}.{field.name}"
        for record in fields.reachable(root)
        for field in msgspec.structs.fields(record)
        if not fields.meaning(record, field.name)
    ]
    assert silent == []
