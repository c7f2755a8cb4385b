"""Which source files a stage's result depends on, found by following its imports.

Snakemake compares declared inputs by content, and sees no imported module; so each rule declares what this
module finds. Settings and the plumbing around a stage are left out: a rule gets every value it may see as a
parameter, and a comment beside a default must not retrain.
"""

import ast
import contextlib
from functools import cache
from pathlib import Path, PurePosixPath

import msgspec

from weighbridge import documents, paths
from weighbridge.digest import sha256_bytes, sha256_file, sha256_json
from weighbridge.errors import SettingsError
from weighbridge.root import engine, is_engines, located

_PLUMBING = (
    "__init__", "cli", "code", "documents", "errors", "machine", "manifest", "paths", "plan", "root", "settings",
    "stage_commands", "tasks",
)  # fmt: skip
STAGES = ("fetch", "preprocess", "train", "evaluate", "package", "weigh", "judge", "draw", "release")
"""Each stage of the pipeline; ``weighbridge/stages/`` has a module for each."""

_NOT_COUNTED = frozenset(f"weighbridge/{name}.py" for name in _PLUMBING)


def closure(root: Path, *modules: str) -> tuple[str, ...]:
    """Return the files of the modules and of all they import from the project; named relative to *root*.

    Those of an engine that lies elsewhere are named relative to its folder: :func:`weighbridge.root.located`. Modules
    that lie in neither (installed libraries) are passed over. Imports inside functions count, and relative ones.

    Raises:
        SettingsError: where a file isn't Python.
    """
    found: set[str] = set()
    memory = _remembered(root)
    known = len(memory)
    waiting = [file for module in modules for file in _files(root, module)]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        if file not in _NOT_COUNTED:
            modules_named = (_absolute(name, file) for name in _imports(located(root, file), memory))
            waiting.extend(target for module in modules_named for target in _files(root, module))
    if len(memory) > known:
        with contextlib.suppress(OSError):
            documents.write(root / paths.IMPORTS, msgspec.json.encode(memory))
    return tuple(sorted(found - _NOT_COUNTED))


def digest(root: Path, files: tuple[str, ...]) -> str:
    """Return one digest for the files' names and contents."""
    return sha256_json([[file, sha256_file(located(root, file))] for file in files])


_Memory = dict[str, tuple[str, ...]]
"""What each source file imports, by a digest of its content and of this module; it only saves time."""


@cache
def _remembered(root: Path) -> _Memory:
    try:
        return msgspec.json.decode((root / paths.IMPORTS).read_bytes(), type=_Memory)
    except (OSError, msgspec.DecodeError):
        return {}


@cache
def _own_digest() -> bytes:
    return sha256_file(Path(__file__)).encode()


def _imports(path: Path, memory: _Memory) -> tuple[str, ...]:
    content = path.read_bytes()
    key = sha256_bytes(_own_digest() + content)
    if key not in memory:
        memory[key] = _parsed(content, path)
    return memory[key]


def _parsed(content: bytes, path: Path) -> tuple[str, ...]:
    """Return the modules that are named, relative ones with their dots; a name imported from one may be one as well."""
    try:
        tree = ast.parse(content, filename=str(path))
    except (SyntaxError, ValueError) as problem:
        line = getattr(problem, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise SettingsError(f"{where}: not Python: {getattr(problem, 'msg', problem)}; mend the file") from None
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            names += [base, *(f"{base}{'.' if node.module else ''}{alias.name}" for alias in node.names)]
    return tuple(names)


def _absolute(module: str, file: str) -> str:
    """Return the full name of *module* as *file* (relative to the root) imports it."""
    name = module.lstrip(".")
    level = len(module) - len(name)
    if not level:
        return name
    package = PurePosixPath(file).parent.parts
    return ".".join([*package[: len(package) - level + 1], *([name] if name else [])])


@cache
def _files(root: Path, module: str) -> tuple[str, ...]:
    """Return the module's file and the ``__init__.py`` of each package above it, where it is the project's own."""
    parts = module.split(".")
    home = engine(root) if is_engines(f"{parts[0]}/") else root
    if not parts[0] or not (home / parts[0]).is_dir():
        return ()
    files = [Path(*parts[: i + 1], "__init__.py") for i in range(len(parts))]
    files.append(Path(*parts).with_suffix(".py"))
    return tuple(file.as_posix() for file in files if (home / file).is_file())
