"""What a record says of itself: the docstring of the class, and the string below each field.

Python drops the strings below fields, so they are read from the source, once a class. The JSON Schemas, the
``.proto`` file and the reference pages all take their words from here.
"""

import ast
import functools
import inspect
import itertools
import re
import textwrap

import msgspec

_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")


def summary(kind: type) -> str:
    """Return the docstring of the class *kind* as plain text, paragraphs on lines of their own."""
    paragraphs = inspect.cleandoc(kind.__doc__ or "").split("\n\n")
    return "\n".join(plain(paragraph) for paragraph in paragraphs)


def plain(text: str) -> str:
    """Return reStructuredText as one line of plain text with single backticks."""
    return " ".join(_ROLE.sub(r"`\1`", text).replace("``", "`").split())


@functools.cache
def descriptions(kind: type) -> dict[str, str]:
    """Return the text below each field of the record *kind*, by field, where there is one."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            found.update(_strings_below_fields(base))
    return found


def _strings_below_fields(kind: type) -> dict[str, str]:
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    found = {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = plain(text)
    return found


def meaning(kind: type, field: str) -> str:
    """Return what the field means: the text below it, or that of the record it holds."""
    own = descriptions(kind).get(field)
    if own:
        return own
    inner = record_of(next(f.type for f in msgspec.structs.fields(kind) if f.name == field))
    return summary(inner).split("\n")[0] if inner else ""


def record_of(annotation: object) -> type[msgspec.Struct] | None:
    """Return the one record that an annotation such as ``tuple[Split, ...]`` holds, if any."""
    found = records_of(annotation)
    return found[0] if len(found) == 1 else None


def records_of(annotation: object) -> tuple[type[msgspec.Struct], ...]:
    """Return the records that an annotation holds, in the order they are named."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return (annotation,)
    arguments = getattr(annotation, "__args__", ())
    return tuple(dict.fromkeys(record for argument in arguments for record in records_of(argument)))


def reachable(kind: type[msgspec.Struct]) -> tuple[type[msgspec.Struct], ...]:
    """Return *kind* and all records below it, each once, in the order a reader meets them."""
    found: dict[type[msgspec.Struct], None] = {}
    pending: list[type[msgspec.Struct]] = [kind]
    while pending:
        record = pending.pop(0)
        if record not in found:
            found[record] = None
            inner = [r for field in msgspec.structs.fields(record) for r in records_of(field.type)]
            pending = [*inner, *pending]
    return tuple(found)
