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
    """
    try:
        return Step(name=name, verdict=PROVED, said=check())
    except UnprovedError as why:
        return Step(name=name, verdict=UNPROVED, said=str(why))
    except (RecordError, DataError) as problem:
        return Step(name=name, verdict=FAILED, said=str(problem))
    except WeighbridgeError as problem:
        return Step(name=name, verdict=UNPROVED, said=str(problem))
    except OSError as problem:
        return Step(name=name, verdict=UNPROVED, said=f"can't be read here: {problem}")
    except Exception as problem:  # noqa: BLE001 - whatever a forged file provokes, it is no proof
        return Step(name=name, verdict=FAILED, said=f"can't be read: {type(problem).__name__}: {problem}")
