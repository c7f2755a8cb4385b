"""What verification says: one step after the other, each proved, not proved, or failed."""

from collections.abc import Callable

import msgspec

from weighbridge.errors import DataError, RecordError, WeighbridgeError

PROVED, UNPROVED, FAILED = "proved", "not proved", "FAILED"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at."""

    name: str
    """What it is, in a word or two."""
    verdict: str
    """``proved``, ``not proved`` or ``FAILED``."""
    said: str
    """What was proved and by what; else why not."""


class UnprovedError(Exception):
    """Nothing is wrong, and nothing is proved; the text says why."""


def step(name: str, check: Callable[[], str]) -> Step:
    """Return what comes of *check*, which returns what it proved, or raises.

    What disagrees (a record, data) has failed. What can't be told here (Git, DVC or a setting lacks) is not proved.
    What is said can be written as UTF-8, whatever a forger calls a file.
    """
    verdict, said = _come_of(check)
    return Step(name=name, verdict=verdict, said=said.encode(errors="replace").decode())


def _come_of(check: Callable[[], str]) -> tuple[str, str]:
    try:
        return PROVED, check()
    except UnprovedError as why:
        return UNPROVED, str(why)
    except (RecordError, DataError) as problem:
        return FAILED, str(problem)
    except WeighbridgeError as problem:
        return UNPROVED, str(problem)
    except OSError as problem:
        return UNPROVED, f"can't be read here: {problem}"
    except Exception as problem:  # noqa: BLE001 - whatever a forged file provokes, it is no proof
        return FAILED, f"can't be read: {type(problem).__name__}: {problem}"
