"""The project that a command is run in."""

import sys
from pathlib import Path

from weighbridge.errors import SettingsError
from weighbridge.paths import CONFIG


def find_root() -> Path:
    """Return the project's root, the nearest folder above that holds the configuration; its modules can be imported.

    Raises:
        SettingsError: outside of a project.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / CONFIG).is_file():
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))
            return folder
    raise SettingsError(f"no {CONFIG} in {here} or above; run this inside a project")
