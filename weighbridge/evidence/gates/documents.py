"""``documents``: the card is filled with more than placeholders, and was looked through not too long ago."""

import datetime as dt
import re

from weighbridge import settings
from weighbridge.errors import SettingsError
from weighbridge.evidence.gates.results import AT_RELEASE, FAIL, PASS, part, result, worst
from weighbridge.manifest import GateResult

_PLACEHOLDER = re.compile(
    r"(to[- ]?do|tbd|tba|tbc|fixme|xxx+|n/?a|none|nothing|unknown|null|empty|placeholder|\?+"
    r"|to be (done|defined|determined|added|written|filled|announced|confirmed)( in)?"
    r"|(please )?(fill|write|describe|insert|add|edit|change|replace)( (me|this|it))?( (in|out|here|text))*"
    r"|your (text|name|answer|description)( here)?|lorem ipsum.*|some (text|words)|text|description)",
    re.IGNORECASE | re.DOTALL,
)
_OPENING = re.compile(r"(to-?do|tbd|tba|fixme)\b\s*[:;,.!(-]", re.IGNORECASE)
_BRACKETED = re.compile(r"<[^<>]*>|\{\{.*?\}\}|\[[^\[\]]*\](?!\()", re.DOTALL)
_FEWEST_LETTERS = 2


def is_filled(text: str) -> bool:
    """Return whether *text* says something: not blank, "TODO", "tbd", "...", "fill in" or "<what it is for>"."""
    bare = _BRACKETED.sub(" ", text).strip()
    words = bare.strip(" \t\r\n.…:;,!-\u2013\u2014_*#\"'`()")
    if sum(letter.isalnum() for letter in words) < _FEWEST_LETTERS:
        return False
    return not (_PLACEHOLDER.fullmatch(words) or _OPENING.match(bare))


def judge(name: str, gate: settings.Documents) -> GateResult:
    """Leave it to the release, which knows the card and the day."""
    return result(name, "documents", _rule(gate), AT_RELEASE)


def documents_gate(name: str, gate: settings.Documents, card: settings.Card, today: dt.date) -> GateResult:
    """Return the finished result of a ``documents`` gate.

    Args:
        name: of the gate.
        gate: its settings.
        card: the section ``card`` of the configuration.
        today: the day of the release.

    Raises:
        SettingsError: where ``card.reviewed`` is no day of the calendar.
    """
    parts = [
        part(f"card.{section}", *((PASS,) if is_filled(getattr(card, section)) else (FAIL, "not filled")))
        for section in gate.sections
    ]
    age = None
    if gate.max_age_days is not None:
        age, *aged = _age(gate.max_age_days, card.reviewed, today)
        parts.append(part("card.reviewed", *aged, value=age))
    wrong = [f"{each.name} {each.reason}" for each in parts if each.verdict == FAIL]
    reason = f"{'; '.join(wrong)}. Edit card in config/config.yaml" if wrong else ""
    limit = None if gate.max_age_days is None else float(gate.max_age_days)
    found = worst(each.verdict for each in parts)
    return result(name, "documents", _rule(gate), found, reason, value=age, limit=limit, parts=tuple(parts))


def _rule(gate: settings.Documents) -> str:
    filled = f"{', '.join(gate.sections)} of the card are filled" if gate.sections else ""
    aged = "" if gate.max_age_days is None else f"the card was reviewed within {gate.max_age_days} days"
    return "; ".join(filter(None, [filled, aged]))


def _age(limit: int, reviewed: str | None, today: dt.date) -> tuple[float | None, str, str]:
    """Return the days since the review, the verdict and why."""
    if reviewed is None:
        return None, FAIL, "isn't set; set it to the day on which a person last looked through the card"
    try:
        day = dt.date.fromisoformat(reviewed)
    except ValueError:
        raise SettingsError(
            f"config/config.yaml: card.reviewed: found {reviewed!r}; expected a day of the calendar, as 2026-01-31"
        ) from None
    days = float((today - day).days)
    if days < 0:
        return days, FAIL, f"is {reviewed}, a day to come"
    return (days, FAIL, f"is {days:.0f} days ago, at most {limit} are allowed") if days > limit else (days, PASS, "")
