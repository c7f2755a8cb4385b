"""What may be answered to the template's questions; all that is wrong is said at once, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_OWNER = re.compile(r"[^<>\s][^<>]* <[^<>@\s]+@[^<>@\s]+>\Z")
_TAKEN = ("metrics", "plots")
_LONGEST = 200
# Braces would be read as a program by the next update; quotes and backslashes have no business in a name.
_REFUSED = '{}"\\`'


def problems(answers: Mapping[str, object]) -> list[str]:
    """Return what is wrong with the *answers*, a mapping from question to text; empty where nothing is."""
    name, project, owner = (str(answers[key]) for key in ("project_slug", "project", "owner"))
    return [*_of_name(name), *_of_text("project", project), *_of_text("owner", owner), *_of_owner(owner)]


def _of_name(name: str) -> Iterator[str]:
    if not _NAME.match(name):
        near = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:64]
        such = near if _NAME.match(near) and near not in _TAKEN else "my-model"
        yield (
            f"name of the model: found {name!r}; expected 1 to 64 small letters, digits, '-' and '_', beginning with a "
            f"letter or digit, such as {such}"
        )
    elif name in _TAKEN:
        yield f"name of the model: {name} is taken, for the folder models/ has files of this name; expected another"


def _of_text(key: str, text: str) -> Iterator[str]:
    if not text.strip():
        yield f"{key}: found nothing; expected a few words"
    elif len(text) > _LONGEST:
        yield f"{key}: found {len(text)} characters; expected at most {_LONGEST}"
    elif not text.isprintable():
        yield f"{key}: found {text!r}; expected one line without control characters"
    elif set(text) & set(_REFUSED):
        found = " ".join(sorted(set(text) & set(_REFUSED)))
        yield f"{key}: found {found} in {text!r}; expected words without braces, double quotes, backquotes, backslashes"


def _of_owner(owner: str) -> Iterator[str]:
    if owner.strip() and owner.isprintable() and not _OWNER.match(owner):
        yield f"owner: found {owner!r}; expected a name and a mail address, such as Ada Lovelace <ada@example.org>"
