"""The environment that a release recorded: compared with the one at hand, and built anew."""

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from weighbridge import documents
from weighbridge.errors import SetupError
from weighbridge.manifest import EnvironmentSection
from weighbridge.registry.objects import NOTHING_FETCHED

_COMMAND = "#!{python}\nimport sys\n\nfrom weighbridge.cli import main\n\nsys.exit(main())\n"


def build(recorded: EnvironmentSection, lock: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """Make a virtual environment in *folder* with Python as *recorded* and all that *lock* pins.

    The engine itself isn't installed: its command is there, and runs the code that ``PYTHONPATH`` names.

    Args:
        recorded: what the release says of its environment.
        lock: its ``requirements.lock``.
        folder: where to; must not exist.
        say: told of each step.

    Returns:
        The environment's Python.

    Raises:
        SetupError: where that Python isn't installed, or pip fails; in its own words.
    """
    base = find_python(recorded.python)
    say(f"new virtual environment with {base}")
    _call([str(base), "-m", "venv", str(folder)], "the virtual environment can't be made")
    python = folder / "bin/python"
    say(f"installing what {lock.name} pins, which may take minutes")
    options = ("--quiet", "--disable-pip-version-check", "--no-input")
    _call([str(python), "-m", "pip", "install", *options, "-r", str(lock)], "pip can't install what the lock pins")
    command = folder / "bin/weighbridge"
    documents.write(command, _COMMAND.format(python=python))
    command.chmod(0o755)
    return python


def find_python(recorded: str) -> Path:
    """Return an interpreter of the version *recorded* (``CPython 3.11.7``), else of the same minor version.

    Raises:
        SetupError: where there is none.
    """
    version = recorded.rpartition(" ")[2]
    if version == platform.python_version():
        return Path(sys.executable)
    minor = ".".join(version.split(".")[:2])
    found = shutil.which(f"python{minor}")
    if found:
        return Path(found)
    if minor == ".".join(platform.python_version_tuple()[:2]):
        return Path(sys.executable)
    raise SetupError(
        f"found no python{minor} on PATH; the release was made with {recorded}: install that, and try again"
    )


def _call(command: list[str], what: str) -> None:
    variables = dict(os.environ.items() - NOTHING_FETCHED.items())  # a lock may pin what pip brings by Git
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        said = "\n".join(f"  {line}" for line in lines[-8:])
        raise SetupError(f"{what}:\n{said}\nMend that (pip reads its own configuration), and try again")
