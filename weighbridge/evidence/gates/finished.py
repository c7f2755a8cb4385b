"""``complete`` and ``clean``: what only the release can know."""

from weighbridge.evidence.gates.results import AT_RELEASE, counted, result
from weighbridge.manifest import GateResult
from weighbridge.settings import Clean, Complete

COMPLETE_RULE = "every field of the manifest is filled"
CLEAN_RULE = "all that the release is made of is committed"
_SHOWN_FILES = 10


def judge_complete(name: str, _gate: Complete) -> GateResult:
    """Leave it to the release."""
    return result(name, "complete", COMPLETE_RULE, AT_RELEASE, limit=0.0)


def judge_clean(name: str, _gate: Clean) -> GateResult:
    """Leave it to the release."""
    return result(name, "clean", CLEAN_RULE, AT_RELEASE, limit=0.0)


def complete_gate(name: str, missing: tuple[str, ...]) -> GateResult:
    """Return the finished result of a ``complete`` gate: *missing* are the fields that aren't filled."""
    reason = f"not filled: {', '.join(missing)}" if missing else ""
    return counted(name, "complete", COMPLETE_RULE, len(missing), reason)


def clean_gate(name: str, files: tuple[str, ...]) -> GateResult:
    """Return the finished result of a ``clean`` gate: *files* are those that differ from the commit or the pointer."""
    more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
    reason = f"not committed: {', '.join(files[:_SHOWN_FILES])}{more}; commit or restore them" if files else ""
    return counted(name, "clean", CLEAN_RULE, len(files), reason)
