"""The projects below examples/, whose modules all have the same names."""

import importlib.util
import sys
from types import ModuleType

from small_project import REPOSITORY

EXAMPLES = REPOSITORY / "examples"


def module(example: str, name: str) -> ModuleType:
    """Import a module of an example's project, beside that of this repository."""
    spec = importlib.util.spec_from_file_location(f"{example}_{name}", EXAMPLES / example / f"project/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found
