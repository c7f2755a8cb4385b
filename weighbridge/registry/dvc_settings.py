"""What a committed ``.dvc/config`` may not hold: who clones the project would send it, trust it, or run it.

Credentials belong into ``.dvc/config.local``. So do names of files to send as credentials, which lead a colleague's
DVC to a file of theirs; and commands, which run on their machine.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from weighbridge import secrets_guard

_REFUSED = re.compile(
    r"credentialpath|configpath|keyfile|key_path|cert_path|plugins_path|site_cache_dir|ssh_private|kerb_ticket"
    r"|oss_key_id|oss_key_secret|sse_customer_key|\w*_command|\w*_script|\w+_file|\w+_file_path"
    r"|custom_auth_header|session_token|sas_token|proxy_to"
)
"""Source: ``dvc.config_schema``; keys whose name tells a secret are known by it."""


class Refused(NamedTuple):
    """A line of the file, from 1, and its key; *url* where an address holds the secret."""

    line: int
    key: str
    url: bool = False


def home(root: Path) -> Path | None:
    """Return the folder ``.dvc`` that DVC finds from *root*, there or above, as ``dvc.repo.Repo.find_root`` does."""
    start = root.absolute()
    return next((folder / ".dvc" for folder in (start, *start.parents) if (folder / ".dvc").is_dir()), None)


def is_refused(key: str) -> bool:
    """Return whether a key has no place in the committed file, whatever its value."""
    asked = key.lower().startswith("ask_")  # whether DVC asks people for it is none
    return not asked and (bool(_REFUSED.fullmatch(key.lower())) or secrets_guard.is_secret_name(key))


def refused(text: str) -> Iterator[Refused]:
    """Yield the lines of a ``.dvc/config`` that may not be committed; keys may be in quotes, as ConfigObj has it."""
    for number, line in enumerate(text.splitlines(), start=1):
        name, assigned, value = line.partition("=")
        key = name.strip().strip("'\"").strip()
        if not assigned or line.lstrip().startswith(("#", "[")):
            continue
        if is_refused(key):
            yield Refused(number, key)
        elif secrets_guard.is_secret(value):
            yield Refused(number, key, url=True)
