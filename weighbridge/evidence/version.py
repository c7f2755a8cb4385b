"""The next version, derived from what changed since the last release (semver.org 2.0.0, read for models).

======  ==========================================================================================
MAJOR   callers must change: inputs, outputs, labels, what the model is for, where it runs; or the
        model is another one: another family of graph, other decisions
MINOR   callers may notice: a new optional input, a better, larger or differently made model, more
        decisions changed than another seed would change
PATCH   the same model again: another seed, newer data
======  ==========================================================================================

The rules of :mod:`weighbridge.evidence.version_rules` are asked in order; the first that finds something decides the
bump, and whatever the others find is recorded as well. What can't be told rounds up. A person may ask for another
bump by a commit's trailer ``Semver:``, see :func:`asked`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from weighbridge.errors import RecordError, SettingsError
from weighbridge.evidence.data_changes import data_changes
from weighbridge.evidence.version_rules import MAJOR, MINOR, PATCH, RULES, Proposal
from weighbridge.manifest import DataSection, Manifest, Packaged, Parameters, Weighing
from weighbridge.settings import OwnMetric

__all__ = ["FIRST", "FIRST_VERSION", "MAJOR", "MINOR", "PATCH", "RULES", "Derived", "asked", "derive", "raised"]

FIRST_VERSION = "1.0.0"
FIRST = "first"
TRAILER = "Semver"
"""Name of the trailer by which a commit asks for a bump."""

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)
_ORDER = (PATCH, MINOR, MAJOR)


class Derived(NamedTuple):
    """The next version, which part of it was raised (``first``, ``major``, ``minor``, ``patch``), and why.

    *lowered* says, as an approval has to, that a person asked for less than was derived; else it is empty.
    """

    version: str
    bump: str
    reasons: tuple[str, ...]
    data_changes: tuple[str, ...]
    lowered: str = ""


def derive(  # noqa: PLR0913 - all that a version depends on, by name
    previous: Manifest | None,
    *,
    packaged: Packaged,
    parameters: Parameters,
    data: DataSection,
    weighing: Weighing,
    intended_use: str,
    own: Mapping[str, OwnMetric] | None = None,
) -> Derived:
    """Return the next version after the release *previous*, or the first.

    Args:
        previous: manifest of the last release.
        packaged: the bundle: its interface, primary metric and noise floor.
        parameters: what the champion was trained with.
        data: the dataset version and how it was prepared.
        weighing: the bundle beside the last release.
        intended_use: what the card says.
        own: metrics of the project's own, by name, for which way is better.

    Raises:
        RecordError: where the previous version isn't MAJOR.MINOR.PATCH.
    """
    if previous is None:
        return Derived(FIRST_VERSION, FIRST, ("no release before it",), ())
    proposal = Proposal(
        packaged=packaged,
        parameters=parameters,
        data=data,
        weighing=weighing,
        intended_use=intended_use,
        own=own or {},
    )
    found = [(bump, reason) for bump, rule in RULES if (reason := rule(previous, proposal)) is not None]
    bump = found[0][0] if found else PATCH
    reasons = tuple(reason for _, reason in found) or ("same model and data, made again",)
    return Derived(raised(previous.model_info.version, bump), bump, reasons, data_changes(previous.data, data))


def raised(version: str, bump: str) -> str:
    """Return *version* with its part *bump* raised by one and the lesser parts at 0.

    Raises:
        RecordError: where *version* isn't MAJOR.MINOR.PATCH.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise RecordError(f"found version {version!r} in the last release; expected MAJOR.MINOR.PATCH, as in 1.2.0")
    major, minor, patch = map(int, match.groups())
    parts = {MAJOR: (major + 1, 0, 0), MINOR: (major, minor + 1, 0), PATCH: (major, minor, patch + 1)}[bump]
    return ".".join(map(str, parts))


def asked(derived: Derived, previous: str | None, trailers: Sequence[tuple[str, str]]) -> Derived:
    """Return what becomes of the derived version where commits ask for another by a trailer; the highest counts.

    More than was derived is given. Less is given too, with *lowered* filled, which a person has to approve. The first
    version stays the first.

    Args:
        derived: what the evidence says.
        previous: version of the last release, ``None`` where there was none.
        trailers: commit and value of each trailer, newest first.

    Raises:
        SettingsError: naming each commit whose trailer is none of the three words.
    """
    wanted = [(commit, value.lower()) for commit, value in trailers]
    _refuse_other_words([(commit, value) for commit, value in trailers if value.lower() not in _ORDER])
    if not wanted or previous is None or derived.bump not in _ORDER:
        return derived
    commit, bump = max(wanted, key=lambda each: _ORDER.index(each[1]))
    if bump == derived.bump:
        return derived
    raises = _ORDER.index(bump) > _ORDER.index(derived.bump)
    reason = f"{'raised' if raises else 'lowered'} to {bump} by {commit}: {TRAILER}: {bump}; derived: {derived.bump}"
    return Derived(
        raised(previous, bump),
        bump,
        (reason, *derived.reasons),
        derived.data_changes,
        "" if raises else f"version lowered from {derived.bump} to {bump}",
    )


def _refuse_other_words(wrong: Sequence[tuple[str, str]]) -> None:
    if wrong:
        named = "\n".join(f"- commit {commit}: found '{TRAILER}: {value}'" for commit, value in wrong)
        raise SettingsError(
            f"trailers that ask for no known part of the version:\n{named}\nExpected '{TRAILER}: major', "
            f"'{TRAILER}: minor' or '{TRAILER}: patch'; reword the commit ('git commit --amend', or 'git rebase -i')"
        )
