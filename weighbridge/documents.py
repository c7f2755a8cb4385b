"""YAML documents: read strictly, written quoted, replaced atomically.

The YAML of people has traps that a record may not fall into: a duplicate key is silently the last one,
``1e-3`` is a string, ``no`` a boolean, an alias of an alias fills the memory, a tag builds an object.
:func:`parse` refuses them all with file and line, and :func:`read_record` turns a document into a typed,
frozen record in one step, reporting every problem at once with the key it stands at.
"""

import datetime as dt
import difflib
import math
import os
import re
import tempfile
import types
import typing
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import yaml

from weighbridge import paths
from weighbridge.errors import RecordError, SettingsError, WeighbridgeError

T = TypeVar("T")
Path_ = tuple[str | int, ...]

SIZE_LIMIT = 8 * 1024 * 1024
_DEPTH_LIMIT = 50
_DIGITS_LIMIT = 1000
_NUMBER_AS_TEXT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)[eE][+-]?\d+")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map")}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed document: its plain value and, for each key's path, the line it stands on (from 1)."""

    source: str
    value: Any
    lines: dict[Path_, int]

    def where(self, path: Path_) -> str:
        """Return ``file:line: key`` for a path, or for the nearest parent that has a line."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        line = self.lines.get(known)
        place = f"{self.source}:{line}" if line else self.source
        return f"{place}: {dotted(path)}" if path else place


def dotted(path: Path_) -> str:
    """Return ``candidates.boosting.params`` for a path of keys; list positions as ``[0]``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def parse(text: str, source: str, error: type[WeighbridgeError] = SettingsError) -> Document:
    """Parse one YAML document strictly.

    Raises:
        WeighbridgeError: of class *error*, for a syntax error, a duplicate key, an alias, an anchor, a tag,
            a key that is no string, a number written such that YAML reads it as text, or too much of it.
    """
    if len(text.encode()) > SIZE_LIMIT:
        raise error(f"{source}: larger than {SIZE_LIMIT} bytes; expected a short document")
    lines: dict[Path_, int] = {}
    try:
        _check_events(text, source, error)
        node = yaml.compose(text, Loader=_Loader)
        value = None if node is None else _construct(node, (), source, lines, error)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        at = f":{mark.line + 1}" if mark else ""
        what = getattr(problem, "problem", None) or str(problem).splitlines()[0]
        raise error(f"{source}{at}: not YAML: {what}") from None
    return Document(source=source, value=value, lines=lines)


def _check_events(text: str, source: str, error: type[WeighbridgeError]) -> None:
    """Refuse aliases, which may stand for any amount of memory, and nesting that would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        anchor = getattr(event, "anchor", None)
        if anchor:
            raise error(f"{source}:{line}: alias or anchor {anchor!r}; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEPTH_LIMIT:
            raise error(f"{source}:{line}: nested more than {_DEPTH_LIMIT} deep")


def _construct(
    node: yaml.Node, path: Path_, source: str, lines: dict[Path_, int], error: type[WeighbridgeError]
) -> Any:
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    where = f"{source}:{line}"
    if isinstance(node, yaml.MappingNode):
        _check_tag(node, where, error)
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else None
            key_line = f"{source}:{key_node.start_mark.line + 1}"
            if key is None or key_node.tag != "tag:yaml.org,2002:str":
                raise error(f"{key_line}: the key {key!r} is no string; put it in quotes")
            if key in mapping:
                raise error(f"{key_line}: duplicate key {dotted((*path, key))!r}; remove one of the two")
            lines[*path, key] = key_node.start_mark.line + 1
            mapping[key] = _construct(value_node, (*path, key), source, lines, error)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        _check_tag(node, where, error)
        return [_construct(item, (*path, i), source, lines, error) for i, item in enumerate(node.value)]
    _check_tag(node, where, error)
    return _scalar(node, path, where, error)


def _check_tag(node: yaml.Node, where: str, error: type[WeighbridgeError]) -> None:
    if node.tag not in _PLAIN_TAGS and node.tag != "tag:yaml.org,2002:timestamp":
        raise error(f"{where}: tag {node.tag!r}; expected a plain value without '!'")


def _scalar(node: Any, path: Path_, where: str, error: type[WeighbridgeError]) -> Any:
    text = node.value
    kind = node.tag.rsplit(":", 1)[1]
    name = dotted(path)
    if kind in {"str", "timestamp"}:
        if not node.style and _NUMBER_AS_TEXT.fullmatch(text):
            number = _with_point(text)
            raise error(f"{where}: {name}: YAML reads {text} as text; write {number} for the number, or quote it")
        return text
    if kind == "int":
        return _whole(text, f"{where}: {name}", error)
    if kind == "float":
        if ":" in text or "_" in text:
            raise error(f"{where}: {name}: {text} would be read as another number; quote it, or write plain digits")
        if text.lstrip("+-").lower() in {".inf", ".nan"} or not math.isfinite(float(text)):
            raise error(f"{where}: {name}: {text} is no finite number")
        return float(text)
    if kind == "bool":
        if text not in {"true", "false", "True", "False"}:
            raise error(f"{where}: {name}: YAML reads {text} as a boolean; write true or false, or quote it")
        return text in {"true", "True"}
    return None


def _whole(text: str, where: str, error: type[WeighbridgeError]) -> int:
    if ":" in text or not re.fullmatch(r"[+-]?(0|[1-9]\d*)", text):
        raise error(f"{where}: {text} would be read as another number; quote it, or write plain digits")
    if len(text) > _DIGITS_LIMIT:
        raise error(f"{where}: a number of {len(text)} digits; quote it, or write a shorter one")
    return int(text)


def _with_point(text: str) -> str:
    mantissa, exponent = re.split("[eE]", text)
    sign = "" if exponent[0] in "+-" else "+"
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}e{sign}{exponent}"


def read(path: Path, error: type[WeighbridgeError] = SettingsError) -> Document:
    """Read and :func:`parse` the file at *path*."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise error(f"{path}: no such file") from None
    except UnicodeDecodeError as problem:
        raise error(f"{path}: not UTF-8 text (byte {problem.start})") from None
    return parse(text, str(path), error)


def read_record(path: Path, kind: type[T]) -> T:
    """Read the document at *path* as a record that an earlier stage wrote.

    Raises:
        RecordError: where the file is missing, damaged or of another shape.
    """
    return typed(read(path, RecordError), kind, RecordError)


def typed(document: Document, kind: type[T], error: type[WeighbridgeError] = SettingsError) -> T:
    """Return the document's value as a record of type *kind*.

    Raises:
        WeighbridgeError: of class *error*, listing every unknown key, missing key and wrong type, each with
            file, line, key, what was found and what was expected.
    """
    problems = list(_problems(document.value, kind, (), document))
    if problems:
        raise error("\n".join(problems))
    try:
        return msgspec.convert(document.value, kind, strict=True)
    except msgspec.ValidationError as problem:
        raise error(f"{document.source}: {problem}") from None


def _problems(value: Any, kind: Any, path: Path_, document: Document) -> Iterator[str]:
    shape = _shape(kind, value)
    arguments = typing.get_args(shape)
    if isinstance(value, dict) and isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        yield from _record_problems(value, shape, path, document)
    elif isinstance(value, dict) and typing.get_origin(shape) is dict:
        for key, item in value.items():
            yield from _leaf(key, arguments[0], (*path, key), document)
            yield from _problems(item, arguments[1], (*path, key), document)
    elif isinstance(value, list) and typing.get_origin(shape) in {list, tuple} and arguments[1:] in {(), (...,)}:
        for i, item in enumerate(value):
            yield from _problems(item, arguments[0], (*path, i), document)
        yield from _leaf([], kind, path, document) if not value else ()
    elif isinstance(value, dict) and (tags := _tags(kind)):
        field, known = tags
        found = value.get(field)
        hint = nearest(found, known) if isinstance(found, str) else f"expected one of {', '.join(known)}"
        said = "missing" if found is None else f"found {found!r}"
        yield f"{document.where((*path, field))}: {said}; {hint}"
    else:
        yield from _leaf(value, kind, path, document)


def _tags(kind: Any) -> tuple[str, list[str]] | None:
    """Return the key that tells the records of a union apart, and its values; ``None`` for any other annotation."""
    members = typing.get_args(kind) if typing.get_origin(kind) in {typing.Union, types.UnionType} else ()
    configs = [getattr(member, "__struct_config__", None) for member in members]
    tagged = [config for config in configs if config is not None and config.tag_field]
    return (tagged[0].tag_field, [str(config.tag) for config in tagged]) if tagged else None


def nearest(found: str, known: Collection[str]) -> str:
    """Return which of the *known* names was meant, or what they are."""
    near = difflib.get_close_matches(found, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(sorted(known)) or '(none)'}"


def _record_problems(
    value: dict[str, Any], shape: type[msgspec.Struct], path: Path_, document: Document
) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for key in value:
        if key not in fields and key != shape.__struct_config__.tag_field:
            yield f"{document.where((*path, key))}: unknown key; {nearest(key, fields)}"
    for name, field in fields.items():
        if name in value:
            yield from _problems(value[name], field.type, (*path, name), document)
        elif field.required:
            yield f"{document.where((*path, name))}: missing; expected {_expected(field.type)}"


def _shape(kind: Any, value: Any) -> Any:
    """Return the part of an annotation that describes *value*'s structure."""
    origin = typing.get_origin(kind)
    if origin is typing.Annotated:
        return _shape(typing.get_args(kind)[0], value)
    if origin in {typing.Union, types.UnionType}:
        members = [_shape(member, value) for member in typing.get_args(kind)]
        records = [member for member in members if isinstance(member, type) and issubclass(member, msgspec.Struct)]
        tagged = [r for r in records if r.__struct_config__.tag_field]
        if isinstance(value, dict) and tagged:
            records = [r for r in tagged if value.get(r.__struct_config__.tag_field) == r.__struct_config__.tag]
        containers = [member for member in members if typing.get_origin(member) in {dict, list, tuple}]
        matching = records if isinstance(value, dict) and records else containers
        return matching[0] if len(matching) == 1 else kind
    return kind


def _leaf(value: Any, kind: Any, path: Path_, document: Document) -> Iterator[str]:
    try:
        msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as problem:
        text = str(problem).split(" - at ")[0].replace("`", "'")
        shown = "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
        choices = typing.get_args(kind) if typing.get_origin(kind) is Literal else ()
        hint = f"; {nearest(value, choices)}" if choices and isinstance(value, str) else ""
        yield f"{document.where(path)}: found {shown[:80]}: {text[0].lower()}{text[1:]}{hint}"


def _expected(kind: Any) -> str:
    shape = _shape(kind, {})
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        needed = [field.encode_name for field in msgspec.structs.fields(shape) if field.required]
        return "a mapping with " + ", ".join(needed) if needed else "a mapping"
    names: dict[Any, str] = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    if shape in names:
        return names[shape]
    return "a mapping" if typing.get_origin(shape) is dict else "a list"


class _QuotingDumper(_Dumper):  # type: ignore[misc] # yaml has no types for its C dumper
    """Writes each string value in double quotes, so that no reader takes it for something else."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


class _Quoted(str):
    __slots__ = ()


_QuotingDumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style='"')
)
# PyYAML writes 1e-07 without a point, which YAML 1.1 then reads as text.
_QuotingDumper.add_representer(
    float,
    lambda dumper, number: dumper.represent_scalar(
        "tag:yaml.org,2002:float", _with_point(repr(number)) if "e" in repr(number) else repr(number)
    ),
)


def _quoted(value: Any) -> Any:
    if isinstance(value, str):
        return _Quoted(value)
    if isinstance(value, dict):
        return {str(key): _quoted(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_quoted(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise RecordError(f"a record may not hold {value}; leave the field out or say null")
    return value


def dump(value: Any) -> str:
    """Return *value* (plain, or a record) as YAML with quoted strings, in the order of its fields.

    Raises:
        RecordError: where it holds NaN or an infinity.
    """
    plain = _quoted(msgspec.to_builtins(value))
    text: str = yaml.dump(plain, Dumper=_QuotingDumper, sort_keys=False, allow_unicode=True, width=4096)
    return text


def write(path: Path, content: str | bytes) -> None:
    """Write the file whole or not at all: a temporary name, fsync, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=paths.TEMPORARY)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_record(path: Path, record: Any) -> None:
    """Write *record* as YAML, atomically."""
    write(path, dump(record))


def utc_now() -> str:
    """Return the present moment as ``2026-01-31T12:00:00Z``."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
