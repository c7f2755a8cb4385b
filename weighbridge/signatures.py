"""What a model's class or function takes, read from its source: nothing is imported, so that the plan may ask.

A library takes seconds to import, and each job makes the plan. What isn't plain from the source (a decorator, an
inherited ``__init__``, a compiled module) stays unknown here; the training, which builds the model, tells then.
"""

import ast
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_MOST_HOPS = 5  # imports from module to module
_Definition = ast.FunctionDef | ast.ClassDef


def parameters(root: Path, path: str) -> frozenset[str] | None:
    """Return the names that ``package.module:attribute`` takes; ``None`` where it takes any, or isn't known."""
    module, _, name = path.partition(":")
    found = _definition(root, module, name, _MOST_HOPS)
    own = 0
    if isinstance(found, ast.ClassDef):
        own = 1  # self
        named = {each.name: each for each in found.body if isinstance(each, ast.FunctionDef)}
        plain = not (found.decorator_list or found.keywords or "__new__" in named)
        found = named.get("__init__") if plain else None
    if found is None or found.decorator_list or found.args.kwarg is not None:
        return None
    return frozenset(each.arg for each in (*found.args.args[own:], *found.args.kwonlyargs))


def _definition(root: Path, module: str, name: str, hops: int) -> _Definition | None:
    """Return where *name* is defined, in *module* or where that imports it from."""
    file = _file(root, module)
    if file is None or not hops:
        return None
    try:
        body = ast.parse(file.read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return None
    bound = [each for each in body if isinstance(each, ast.FunctionDef | ast.ClassDef) and each.name == name]
    imported = [
        (each, alias.name)
        for each in body
        if isinstance(each, ast.ImportFrom)
        for alias in each.names
        if (alias.asname or alias.name) == name
    ]
    if len(bound) == 1 and not imported:
        return bound[0]
    if bound or len(imported) != 1:
        return None
    statement, origin = imported[0]
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    above = package.split(".")[: len(package.split(".")) + 1 - statement.level] if statement.level else []
    return _definition(root, ".".join([*above, *filter(None, [statement.module])]), origin, hops - 1)


def _file(root: Path, module: str) -> Path | None:
    """Return a module's source; none of what isn't found without importing anything."""
    places: list[str] | None = [str(root), *sys.path]
    parts, origin = module.split("."), None
    for count in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:count]), places)
        if spec is None:
            return None
        places, origin = list(spec.submodule_search_locations or []), spec.origin
    return Path(origin) if origin and origin.endswith(".py") else None
