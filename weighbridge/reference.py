"""The generated files: reference pages in ``docs/reference/``, and ``schemas/``.

``python -m weighbridge.reference`` writes them; with ``--check`` it writes nothing and exits 1 where one of them
isn't what the code says.
"""

import json
import sys
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from weighbridge import documents, fields, formats, manifest, settings
from weighbridge.evidence.catalogue import METRICS

COMMAND = "python -m weighbridge.reference"
ROOT = Path(__file__).resolve().parent.parent
_SCALARS: dict[Any, str] = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}
_PATTERNS = {
    settings.Name: "name (`a-z`, `0-9`, `-`, `_`)",
    settings.ImportPath: "import path `package.module:name`",
    settings.Day: "day `YYYY-MM-DD`",
}
_LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
_FIXED_WIDTH: dict[str, Any] = {"terminal_width": 100}
_LENGTHS = {"min_length": "entries: at least", "max_length": "entries: at most"}


def configuration() -> str:
    """Return the page of ``config/config.yaml`` and ``config/gates.yaml``: a table a section."""
    head = [
        "# Configuration",
        "",
        _NOTE,
        "",
        "Both files are parsed once, before any job. An unknown key, a wrong type or a value out of its limits",
        "stops the run and names file, line and key. A key without a default must be given.",
        "",
    ]
    pages = [
        _settings_page("`config/config.yaml`", settings.Config),
        _settings_page("`config/gates.yaml`", settings.GateFile),
    ]
    return "\n".join([*head, *(line for page in pages for line in page), *_metrics()])


def _metrics() -> Iterator[str]:
    yield "## Metrics"
    yield ""
    yield "By scikit-learn's names where it has them. Projects are binary classifications today; the evidence behind"
    yield "gates measures the other tasks as well. Metrics of your own: `metrics.own`."
    yield ""
    rows = [
        (f"`{metric.name}`", task, "greater" if metric.greater_is_better else "lower", metric.meaning)
        for task, metrics in METRICS.items()
        for metric in metrics.values()
    ]
    yield from _table(("metric", "task", "better", "meaning"), rows)
    yield ""


def _settings_page(title: str, root: type[msgspec.Struct]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    for record in fields.reachable(root):
        if record is not root:
            yield f"### {_section_title(record)}"
            yield ""
        yield from fields.summary(record).split("\n")
        yield ""
        rows = list(_settings_rows(record))
        if rows:
            yield from _table(("key", "type and limits", "default", "meaning"), rows)
        else:
            yield "It has no keys of its own."
        yield ""


def _section_title(record: type[msgspec.Struct]) -> str:
    config = record.__struct_config__
    tag = f" with `{config.tag_field}: {config.tag}`" if config.tag_field else ""
    return f"`{_key_of(record)}`{tag}"


def _key_of(record: type[msgspec.Struct]) -> str:
    """Return the dotted key at which the configuration holds *record*; ``<name>`` for a name of one's choice."""
    pending: list[tuple[str, type[msgspec.Struct]]] = [("", settings.Config), ("", settings.GateFile)]
    while pending:
        prefix, parent = pending.pop(0)
        for field in msgspec.structs.fields(parent):
            named = ".<name>" if _origin(field.type) is dict else ""
            for inner in fields.records_of(field.type):
                key = f"{prefix}{field.encode_name}{named}"
                if inner is record:
                    return key
                pending.append((f"{key}.", inner))
    raise KeyError(record.__name__)


def _settings_rows(record: type[msgspec.Struct]) -> Iterator[tuple[str, ...]]:
    config = record.__struct_config__
    if config.tag_field:
        yield f"`{config.tag_field}`", f"`{config.tag}`", "", "Which kind this is."
    for field in msgspec.structs.fields(record):
        meaning = fields.meaning(record, field.name)
        yield f"`{field.encode_name}`", type_in_words(field.type), _default(field), meaning


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return ""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "see below"
    return f"`{json.dumps(msgspec.to_builtins(value), ensure_ascii=False)}`"


def manifest_page() -> str:
    """Return the page of the manifest: a table a record."""
    lines = [
        "# Manifest",
        "",
        _NOTE,
        "",
        f"`models/<name>.yaml` in a release commit, schema `{manifest.SCHEMA}`. Times are UTC, digests are SHA-256,",
        "units are in the names. `weighbridge show` prints it as text, YAML, JSON or protobuf;",
        "`schemas/manifest.schema.json` and `schemas/manifest.proto` describe it for other programs.",
        "",
    ]
    for record in fields.reachable(manifest.Manifest):
        lines += [f"## {record.__name__}", "", *fields.summary(record).split("\n"), ""]
        rows = [
            (f"`{field.name}`", type_in_words(field.type, links=True), fields.meaning(record, field.name))
            for field in msgspec.structs.fields(record)
        ]
        lines += [*_table(("field", "type", "meaning"), rows), ""]
    return "\n".join(lines)


def type_in_words(annotation: Any, *, links: bool = False) -> str:
    """Return a field's type and limits in words.

    Args:
        annotation: the type, as msgspec takes it.
        links: name records as links to their tables on the same page.
    """
    if typing.get_origin(annotation) is typing.Annotated:
        return _with_limits(annotation, links=links)
    origin, arguments = _origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return "one of " + ", ".join(f"`{choice}`" for choice in arguments)
    if origin in {typing.Union, types.UnionType}:
        words = dict.fromkeys(type_in_words(a, links=links) for a in arguments if a is not types.NoneType)
        return " or ".join(words) + (" or null" if types.NoneType in arguments else "")
    if origin in {tuple, dict}:
        head = "list of" if origin is tuple else "mapping of names to"
        return f"{head}: {type_in_words(arguments[0 if origin is tuple else 1], links=links)}"
    record: Any = f"[{annotation.__name__}](#{annotation.__name__.lower()})" if links else "section"
    return str(_SCALARS.get(annotation, record))


def _with_limits(annotation: Any, *, links: bool) -> str:
    base, meta = typing.get_args(annotation)[:2]
    for known, words in _PATTERNS.items():
        if typing.get_args(known)[1].pattern == meta.pattern and meta.pattern:
            return words
    limits = [
        f"{words} {getattr(meta, key)}" for key, words in (_LIMITS | _LENGTHS).items() if getattr(meta, key) is not None
    ]
    words = type_in_words(base, links=links)
    return f"{words} ({', '.join(limits)})" if limits else words


def _origin(annotation: Any) -> Any:
    inner = typing.get_args(annotation)[0] if typing.get_origin(annotation) is typing.Annotated else annotation
    return typing.get_origin(inner)


def commands() -> str:
    """Return the page of the command line: each command's usage, text, arguments and options."""
    import click

    from weighbridge.cli import main as group

    lines = ["# Commands", "", _NOTE, ""]
    for context in _walk(click.Context(group, info_name="weighbridge", **{**_FIXED_WIDTH, **group.context_settings})):
        lines += [f"## `{context.command_path}`", "", "```text", *context.get_help().splitlines(), "```", ""]
    return "\n".join(lines)


def _walk(context: Any) -> Iterator[Any]:
    import click

    yield context
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.commands[name]
            if not command.hidden:
                yield from _walk(click.Context(command, info_name=name, parent=context, **_FIXED_WIDTH))


def json_text(kind: formats.Kind) -> str:
    """Return a JSON Schema as the text of its file."""
    return json.dumps(formats.json_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"


_NOTE = f"*Made from the code by `{COMMAND}`; edit the code's docstrings, not this page.*"

FILES: dict[str, Callable[[], str]] = {
    "docs/reference/configuration.md": configuration,
    "docs/reference/manifest.md": manifest_page,
    "docs/reference/commands.md": commands,
    "schemas/manifest.schema.json": lambda: json_text("manifest"),
    "schemas/config.schema.json": lambda: json_text("config"),
    "schemas/gates.schema.json": lambda: json_text("gates"),
    "schemas/manifest.proto": formats.proto,
}


def differing(root: Path) -> tuple[str, ...]:
    """Return the generated files below *root* that are missing or aren't what the code says."""
    return tuple(name for name, text in FILES.items() if not _holds(root / name, text()))


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main(arguments: list[str]) -> int:
    """Write the generated files, or with ``--check`` only compare them; return the exit code."""
    if arguments not in ([], ["--check"]):
        sys.stderr.write(f"usage: {COMMAND} [--check]\n")
        return 2
    stale = differing(ROOT)
    if not arguments:
        for name in stale:
            documents.write(ROOT / name, FILES[name]())
            sys.stdout.write(f"wrote {name}\n")
        return 0
    if stale:
        sys.stderr.write(f"not what the code says: {', '.join(stale)}; run `{COMMAND}`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
