"""What one look of ``weighbridge check`` found."""

from typing import Literal

import msgspec

Level = Literal["ok", "warning", "problem"]
MOST_SHOWN = 8


class Finding(msgspec.Struct, frozen=True):
    """What one look found, and how to mend it."""

    level: Level
    topic: str
    found: str
    mend: str = ""


def listed(items: list[str]) -> list[str]:
    """Return the first of *items*, and how many more there are."""
    return [*items[:MOST_SHOWN], *([f"… and {len(items) - MOST_SHOWN} more"] if len(items) > MOST_SHOWN else [])]
