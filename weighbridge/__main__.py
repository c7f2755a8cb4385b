"""The command ``weighbridge``, which is ``python -m weighbridge`` as well."""

import re
import sys
from pathlib import Path

_MARKER = re.compile(r"^<{7} ", re.MULTILINE)


def main() -> None:
    """Run the command line; where an update has left conflicts in the engine itself, say so in words."""
    try:
        from weighbridge.cli import main as commands

        commands()
    except SyntaxError as error:
        file = Path(error.filename or "")
        if not (file.is_file() and _MARKER.search(file.read_text(encoding="utf-8", errors="replace"))):
            raise
        sys.exit(
            f"weighbridge: {file}:{error.lineno}: an update of the template has left conflict markers in the engine; "
            "settle them there (git diff shows where), then commit. docs/upgrade.md says more"
        )


if __name__ == "__main__":
    main()
