"""What an import path of the configuration may name: the project's own code, and libraries made for it.

A path is called with the configuration's values. Python's standard library holds what runs commands and deletes
folders (``os:system``, ``shutil:rmtree``) and no model, table or metric; so it can't be named, nor reached through
another module's imports. What a project's own code does is its own affair: it is reviewed as code.
"""

import inspect
import sys
from typing import Any


def problem(path: str, found: Any = None) -> str | None:
    """Return in words why ``package.module:attribute`` may not be used; ``None`` where it may.

    *found* is what it names, once it is imported: a function may come from elsewhere than where it is found.
    """
    modules = [path.partition(":")[0]]
    if inspect.isroutine(found) or inspect.isclass(found):
        modules.append(str(getattr(found, "__module__", None) or ""))
    standard = [module for module in modules if module.partition(".")[0] in sys.stdlib_module_names]
    if not standard:
        return None
    return (
        f"{path!r} names a part of Python's standard library ({standard[0]}), which holds nothing to train, read or "
        "measure with; name a function of project/, or of a library made for it"
    )
