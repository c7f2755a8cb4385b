"""The manifest in other people's formats: JSON Schema, a ``.proto`` file, and protobuf bytes.

All three are made from the records in :mod:`weighbridge.manifest` and :mod:`weighbridge.settings`, so there is
no generated code to keep in step. Protobuf's own ``Struct`` turns whole numbers into floats, hence the message
``Value`` for values of any type. A field ``dict[str, X]`` is a ``map`` in the ``.proto`` file; protobuf maps
forget the order of their keys, so bytes are written and read here as the list of entries that a map is on the wire
(https://protobuf.dev/programming-guides/encoding/#maps), which keeps it.
"""

import functools
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from weighbridge import fields, manifest, settings
from weighbridge.errors import RecordError

Kind = Literal["manifest", "config", "gates"]
ROOTS: dict[Kind, type[msgspec.Struct]] = {
    "manifest": manifest.Manifest,
    "config": settings.Config,
    "gates": settings.GateFile,
}
PACKAGE = "weighbridge.v1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INT64 = 2**63


def json_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the manifest, the configuration or the gates.

    Titles and descriptions are the docstrings of the records and of their fields.
    """
    root = ROOTS[kind]
    schema = msgspec.json.schema(root)
    for record in fields.reachable(root):
        _describe(schema["$defs"][record.__name__], record)
    portable: dict[str, Any] = _portable(schema)
    return {"$schema": _DIALECT, "$id": f"urn:weighbridge:v1:{kind}", "title": root.__name__, **portable}


def _describe(definition: dict[str, Any], record: type[msgspec.Struct]) -> None:
    definition["description"] = fields.summary(record)
    for name, shape in definition["properties"].items():
        text = fields.descriptions(record).get(name)
        if text:
            shape["description"] = text


def _portable(node: Any) -> Any:
    """Return the schema with Python's end-of-text anchor in the spelling of JSON Schema's patterns (ECMA-262)."""
    if isinstance(node, dict):
        return {
            key: item.replace("\\Z", "$") if key == "pattern" and isinstance(item, str) else _portable(item)
            for key, item in node.items()
        }
    return [_portable(item) for item in node] if isinstance(node, list) else node


# --- the .proto file -------------------------------------------------------------------------------------------

_SCALARS: dict[Any, str] = {str: "string", int: "int64", float: "double", bool: "bool"}
_VALUE_MESSAGES = """\
// A value of any type. `integer_text` holds, in decimal, a whole number that an int64 can't.
message Value {
  oneof kind {
    bool null = 1;
    bool boolean = 2;
    int64 integer = 3;
    double number = 4;
    string text = 5;
    ValueList list = 6;
    ValueMap mapping = 7;
    string integer_text = 8;
  }
}

// Values in a row.
message ValueList {
  repeated Value items = 1;
}

// Values by name.
message ValueMap {
  map<string, Value> items = 1;
}
"""


class Shape(msgspec.Struct, frozen=True):
    """A field as protobuf sees it: its *label* (``optional``, ``repeated``, ``map`` or none) and its element."""

    label: Literal["", "optional", "repeated", "map"]
    element: Any

    @property
    def type_name(self) -> str:
        """The element's name in the ``.proto`` file."""
        if self.element is Any:
            return "Value"
        return _SCALARS.get(self.element) or str(self.element.__name__)

    @property
    def declaration(self) -> str:
        """What stands before the field's name."""
        if self.label == "map":
            return f"map<string, {self.type_name}>"
        return f"{self.label} {self.type_name}".lstrip()


def shape(annotation: Any) -> Shape:
    """Return a field's shape.

    Raises:
        TypeError: for a type that the records don't use, so that a new one is thought about here first.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in {typing.Union, types.UnionType}:
        inner = [argument for argument in arguments if argument is not types.NoneType]
        if len(inner) == 1 and shape(inner[0]).label == "":
            return Shape("optional", inner[0])
    elif origin is tuple and arguments[1:] == (...,):
        return Shape("repeated", _element(arguments[0]))
    elif origin is dict and arguments[0] is str:
        return Shape("map", _element(arguments[1]))
    elif origin is None:
        return Shape("", _element(annotation))
    raise TypeError(f"{annotation}: no such field in protobuf; give the record another type")


def _element(annotation: Any) -> Any:
    known = annotation is Any or annotation in _SCALARS
    if known or (isinstance(annotation, type) and issubclass(annotation, msgspec.Struct)):
        return annotation
    raise TypeError(f"{annotation}: no such element in protobuf; give the record another type")


def shapes(record: type[msgspec.Struct]) -> list[tuple[str, int, Shape]]:
    """Return each field's name, number (its position, from 1) and shape."""
    declared = msgspec.structs.fields(record)
    return [(field.name, number, shape(field.type)) for number, field in enumerate(declared, start=1)]


def proto() -> str:
    """Return the text of ``manifest.proto`` (proto3): a message a record, numbered by order of declaration."""
    head = [
        "// The manifest of a release. Made from weighbridge/manifest.py by `python -m weighbridge.reference`.",
        'syntax = "proto3";',
        "",
        f"package {PACKAGE};",
        "",
    ]
    messages = ["\n".join(_message(record)) + "\n" for record in fields.reachable(manifest.Manifest)]
    return "\n".join([*head, *messages, _VALUE_MESSAGES])


def _message(record: type[msgspec.Struct]) -> Iterator[str]:
    yield from (f"// {line}" for line in fields.summary(record).split("\n"))
    yield f"message {record.__name__} {{"
    for name, number, field in shapes(record):
        text = fields.descriptions(record).get(name)
        if text:
            yield f"  // {text}"
        yield f"  {field.declaration} {name} = {number};"
    yield "}"


# --- protobuf bytes --------------------------------------------------------------------------------------------


@functools.cache
def messages(*, maps: bool = False) -> dict[str, Any]:
    """Return the message classes by name.

    Args:
        maps: declare ``dict`` fields as protobuf maps, as other readers do, and lose the order of keys.
    """
    from google.protobuf import descriptor_pool, message_factory

    pool = descriptor_pool.DescriptorPool()
    pool.Add(file_descriptor(maps=maps))
    file = pool.FindFileByName("weighbridge/manifest.proto")
    return {name: message_factory.GetMessageClass(kind) for name, kind in file.message_types_by_name.items()}


def file_descriptor(*, maps: bool) -> Any:
    """Return protobuf's own description of ``manifest.proto``; *maps* as in :func:`messages`."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="weighbridge/manifest.proto", package=PACKAGE, syntax="proto3")
    for record in fields.reachable(manifest.Manifest):
        message = file.message_type.add(name=record.__name__)
        for name, number, field in shapes(record):
            _declare(message, name, number, field, maps=maps)
    _declare_value(file.message_type.add(name="Value"))
    _declare(file.message_type.add(name="ValueList"), "items", 1, Shape("repeated", Any), maps=maps)
    _declare(file.message_type.add(name="ValueMap"), "items", 1, Shape("map", Any), maps=maps)
    return file


def _declare(message: Any, name: str, number: int, field: Shape, *, maps: bool) -> None:
    added = message.field.add(name=name, number=number, label=3 if field.label in {"repeated", "map"} else 1)
    if field.label == "map":
        entry = message.nested_type.add(name=_entry_name(name))
        entry.options.map_entry = maps
        _set_type(entry.field.add(name="key", number=1, label=1), "string")
        _set_type(entry.field.add(name="value", number=2, label=1), field.type_name)
        _set_type(added, f"{message.name}.{entry.name}")
        return
    _set_type(added, field.type_name)
    if field.label == "optional":
        added.proto3_optional = True
        added.oneof_index = len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")


def _entry_name(field: str) -> str:
    return "".join(part.title() for part in field.split("_")) + "Entry"


def _set_type(field: Any, name: str) -> None:
    scalars = {"string": 9, "int64": 3, "double": 1, "bool": 8}
    if name in scalars:
        field.type = scalars[name]
    else:
        field.type = 11
        field.type_name = f".{PACKAGE}.{name}"


_VALUE_FIELDS = {
    "null": "bool",
    "boolean": "bool",
    "integer": "int64",
    "number": "double",
    "text": "string",
    "list": "ValueList",
    "mapping": "ValueMap",
    "integer_text": "string",
}


def _declare_value(message: Any) -> None:
    message.oneof_decl.add(name="kind")
    for number, (name, kind) in enumerate(_VALUE_FIELDS.items(), start=1):
        _set_type(message.field.add(name=name, number=number, label=1, oneof_index=0), kind)


def to_proto(record: manifest.Manifest) -> bytes:
    """Return the manifest as protobuf bytes of the message ``weighbridge.v1.Manifest``.

    Raises:
        RecordError: where a field's whole number needs more than 64 bits, or a text isn't Unicode.
    """
    message = messages()["Manifest"]()
    try:
        _fill(message, record)
    except (ValueError, OverflowError) as problem:
        raise RecordError(f"the manifest has no protobuf form: {problem}; use --format json") from None
    content: bytes = message.SerializeToString(deterministic=True)
    return content


def _fill(message: Any, record: msgspec.Struct) -> None:
    message.SetInParent()
    for name, _, field in shapes(type(record)):
        value, target = getattr(record, name), getattr(message, name)
        if field.label == "map":
            for key, item in value.items():
                _set(target.add(key=key), "value", item, field.element)
        elif field.label == "repeated" and field.element in _SCALARS:
            target.extend(value)
        elif field.label == "repeated":
            for item in value:
                _fill_element(target.add(), item, field.element)
        elif value is not None:
            _set(message, name, value, field.element)


def _set(message: Any, name: str, value: Any, element: Any) -> None:
    if element in _SCALARS:
        setattr(message, name, value)
    else:
        _fill_element(getattr(message, name), value, element)


def _fill_element(message: Any, value: Any, element: Any) -> None:
    if element is Any:
        _fill_value(message, value)
    else:
        _fill(message, value)


def _fill_value(message: Any, value: Any) -> None:
    if value is None:
        message.null = True
    elif isinstance(value, bool):
        message.boolean = value
    elif isinstance(value, int) and not -_INT64 <= value < _INT64:
        message.integer_text = str(value)
    elif isinstance(value, int):
        message.integer = value
    elif isinstance(value, float):
        message.number = value
    elif isinstance(value, str):
        message.text = value
    elif isinstance(value, dict):
        message.mapping.SetInParent()
        for key, item in value.items():
            _fill_value(message.mapping.items.add(key=key).value, item)
    else:
        message.list.SetInParent()
        for item in value:
            _fill_value(message.list.items.add(), item)


def from_proto(content: bytes) -> manifest.Manifest:
    """Return the manifest that :func:`to_proto` wrote.

    Raises:
        RecordError: where the bytes are damaged or hold another message.
    """
    from google.protobuf.message import DecodeError

    message = messages()["Manifest"]()
    try:
        message.ParseFromString(content)
        found = _read(message, manifest.Manifest, "manifest")
    except (DecodeError, ValueError) as problem:
        raise RecordError(f"no manifest in protobuf: {problem}; expected the output of --format proto") from None
    if not isinstance(found, manifest.Manifest) or found.schema != manifest.SCHEMA:
        raise RecordError(f"no manifest in protobuf: found schema {message.schema!r}; expected {manifest.SCHEMA!r}")
    return found


def _read(message: Any, record: type[msgspec.Struct], where: str) -> msgspec.Struct:
    values: dict[str, Any] = {}
    for name, _, field in shapes(record):
        place, value = f"{where}.{name}", getattr(message, name)
        if field.label == "map":
            values[name] = {item.key: _read_element(item.value, field.element, place) for item in value}
        elif field.label == "repeated":
            values[name] = tuple(_read_element(item, field.element, place) for item in value)
        elif (field.label == "optional" or field.element not in _SCALARS) and not message.HasField(name):
            if field.label != "optional":
                raise ValueError(f"{place} is missing")
            values[name] = None
        else:
            values[name] = _read_element(value, field.element, place)
    return record(**values)


def _read_element(value: Any, element: Any, where: str) -> Any:
    if element is Any:
        return _read_value(value, where)
    return value if element in _SCALARS else _read(value, element, where)


def _read_value(message: Any, where: str) -> Any:
    kind = message.WhichOneof("kind")
    if kind == "mapping":
        return {item.key: _read_value(item.value, where) for item in message.mapping.items}
    if kind == "list":
        return [_read_value(item, where) for item in message.list.items]
    if kind == "null":
        return None
    if kind == "integer_text":
        return int(message.integer_text)
    if kind is None:
        raise ValueError(f"{where} holds a value without a kind")
    return getattr(message, kind)
