"""What the template asks of Jinja: where it lies, and whether the answers will do.

Hooks are rendered while the template's repository is the working directory, by cookiecutter and cruft alike, and by
nothing else can they know it: ``_repo_dir`` is relative for ``cookiecutter .``, and cruft has none. It is looked up at
each use, since one process may render several templates, and Python imports this module once.
"""

import sys
from pathlib import Path

from jinja2.ext import Extension

from hooks.answers import problems


class WeighbridgeTemplate(Extension):
    """``template_root()`` and ``accept(answers)``, for ``cookiecutter.json`` and the hooks."""

    def __init__(self, environment):
        super().__init__(environment)
        environment.globals["template_root"] = lambda: Path.cwd().as_posix()
        environment.globals["accept"] = accept


def accept(answers):
    """Refuse *answers* before any folder is made of them.

    The hook before generation asks again, from the template's own files: here the rules may be those of another
    version that was rendered by the same process, and a replay asks nothing. But what it says comes with a traceback.

    Raises:
        SystemExit: of all exceptions the one whose words both cookiecutter and cruft print alone.
    """
    found = problems(answers)
    if found:
        sys.exit("\n".join(["No project was made.", *found]))
    return "accepted"
