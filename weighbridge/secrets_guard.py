"""Secrets: what looks like one stops the pipeline before it begins, and is struck out of whatever is written.

Three places are known to leak them. Configuration goes into every release's manifest, so a key or a value that looks
like a secret, or that holds the value of a secret in the environment, is refused (:func:`refuse`). Errors of other
people's libraries quote addresses and settings, and a project's own code may print what it reads from the
environment: so records and logs are written through :func:`redact`. And the manifest itself is looked through once
more before it is tagged (:func:`refuse_values`).

Nothing here tells a secret from its look alone with certainty; what is refused wrongly can be renamed.
"""

import functools
import os
import re
import sys
import urllib.parse
from collections.abc import Iterator
from typing import Any, NamedTuple, TextIO

from weighbridge import documents
from weighbridge.errors import ReleaseRefused, SettingsError

STRUCK = "***"

_KINDS = "api|access|private|secret|account|auth|encryption|customer"
_NAME = (
    r"(?:[\w.-]*(?:password|passwd|passphrase|connection_string|auth_header)|pwd|pass|authorization|bearer"
    rf"|(?:[\w.-]*[_.-])?(?:secrets?|token|credentials?|(?:{_KINDS})[_-]?keys?(?:[_-]?id)?))"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_NO_SECRET = re.compile(
    r"(?:[\w.-]*[_.-])?(?:pad|padding|eos|bos|unk|unknown|mask|cls|sep|oov|start|end|stop|begin|special|image|blank"
    r"|next|per|extra|suppress|forced|stop|new|max|min|num)[_-]tokens?",
    re.IGNORECASE,
)
"""Tokens of language models."""
_SECRET_VALUE = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Z])"  # AWS
    r"|(?<!\w)(?:gh[opsur]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{16,}|hf_[A-Za-z0-9]{30,})"
    r"|(?<!\w)(?:npm_[A-Za-z0-9]{30,}|pypi-[\w-]{40,}|dop_v1_[0-9a-f]{40,}|AIza[\w-]{35}|ya29\.[\w-]{20,})"
    r"|(?<![\w-])(?:sk|pk|rk)[-_](?=[\w-]*\d)(?:live_|test_|proj-|ant-|svcacct-)?[A-Za-z0-9][\w-]{19,}"
    r"|(?<!\w)xox[abeprs]-[\w-]{10,}"  # Slack
    r"|(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+"  # a JSON web token
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----)?"
    r"|(?i:(?<!\w)(?:Bearer|Basic) [A-Za-z0-9+/_=.~-]{16,})"
    r"|(?i:(?:AccountKey|SharedAccessKey|SharedAccessSignature|Pwd|Password)=[^\s;\"']+)"
)
_USERINFO = re.compile(r"(?P<scheme>\w[\w+.-]*://)[^/?#\s'\"@]*(?:@[^/?#\s'\"@]*)*@")
_QUERY = re.compile(
    rf"(?P<key>[?&;](?:{_NAME}|sig|signature|key|code|X-Amz-(?:Signature|Credential|Security-Token)|X-Goog-Signature)=)"
    r"[^&\s'\"#]+",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    rf"(?P<key>(?<![\w.-])(?P<quote>['\"]?)(?P<name>{_NAME})(?P=quote)(?:=|(?P<colon>\s*:\s*)(?=['\"])))"
    r"(?:'[^'\n]+'|\"[^\"\n]+\"|[^\s,;&)\]}'\"]+)",
    re.IGNORECASE,
)
_SHORTEST = 8
"""Characters of a secret in the environment; what is shorter stands in too many words."""
_FOLDER = "PWD"
"""The shell's variable for the folder one is in: no secret, though its name means a password elsewhere."""
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Suspicion(NamedTuple):
    """Where a secret seems to stand, and why; never what it is."""

    path: documents.Path_
    why: str


def is_secret_name(name: str) -> bool:
    """Return whether a key or variable of this name holds a secret, as a rule: ``api_key``, ``DbPassword``."""
    plain = _CAMEL.sub("_", name)
    return bool(_SECRET_NAME.fullmatch(plain)) and not _NO_SECRET.fullmatch(plain)


def is_secret(text: str) -> bool:
    """Return whether *text* looks like a secret, or holds one: by its form, or as the value of a secret variable."""
    return redact(text, assigned=False) != text


def redact(text: str, *, assigned: bool = True) -> str:
    """Return *text* with ``***`` in the place of each secret; the same again changes nothing.

    Struck out are values of the environment's secret variables, tokens of well-known forms, the user in an address,
    and parameters of an address that sign it; with *assigned* also what stands behind ``password=`` and the like.
    """
    for value in _of_environment():
        text = text.replace(value, STRUCK)
    text = _SECRET_VALUE.sub(STRUCK, text)
    text = _USERINFO.sub(_without_user, text)
    text = _QUERY.sub(rf"\g<key>{STRUCK}", text)
    return _ASSIGNED.sub(_without_value, text) if assigned else text


def _without_user(match: re.Match[str]) -> str:
    """Leave a user without password, as ``ssh://git@host``, where it is no secret by its length."""
    user = match[0][len(match["scheme"]) : -1]
    harmless = user == STRUCK or (re.fullmatch(r"[a-z][a-z0-9._-]{0,15}", user) and ":" not in user)
    return match[0] if harmless else f"{match['scheme']}{STRUCK}@"


def _without_value(match: re.Match[str]) -> str:
    return f"{match['key']}{STRUCK}" if is_secret_name(match["name"]) else match[0]


def _of_environment() -> tuple[str, ...]:
    """Return the values of secret variables, as they are and as an address would write them; the longest first."""
    return _secret_values(tuple(os.environ.items()))


@functools.lru_cache(maxsize=1)
def _secret_values(variables: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    values = {value for name, value in variables if is_secret_name(name) and name != _FOLDER}
    lines = {line.strip() for value in values for line in (value, *value.splitlines())}
    found = {one for line in lines for one in (line, urllib.parse.quote(line, safe="")) if len(one) >= _SHORTEST}
    return tuple(sorted(found, key=lambda one: (-len(one), one)))


def suspicions(value: Any, path: documents.Path_ = (), *, named: bool = False) -> Iterator[Suspicion]:
    """Yield where below *value* (plain dicts and lists) a secret seems to stand; *named*: a key above says so."""
    if isinstance(value, dict):
        for key, item in value.items():
            here = (*path, key)
            if is_secret(str(key)):
                yield Suspicion(path, "a key in it looks like a secret")
            else:
                yield from suspicions(item, here, named=named or is_secret_name(str(key)))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from suspicions(item, (*path, i), named=named)
    elif isinstance(value, str) and value and named:
        yield Suspicion(path, "looks like a secret")
    elif isinstance(value, str) and is_secret(value):
        yield Suspicion(path, "the value looks like a secret")


def refuse(document: documents.Document) -> None:
    """Refuse configuration that holds a secret.

    Raises:
        SettingsError: with file, line and key of each, and never the value.
    """
    found = [
        f"{redact(document.where(one.path))}: {one.why}; the configuration is recorded in every release. "
        "Remove it, and let the code read it from the environment"
        for one in suspicions(document.value)
    ]
    if found:
        raise SettingsError("\n".join(found))


def refuse_values(value: Any, name: str) -> None:
    """Refuse to publish *value* (plain dicts and lists) where one of its texts looks like a secret.

    Keys aren't asked: in a record they are ours.

    Raises:
        ReleaseRefused: naming each place in *name*, and never the value.
    """
    texts = tuple(_texts(value, ()))
    if not is_secret("\0".join(text for _, text in texts)):  # all at once, which is cheap
        return
    found = [documents.dotted(path) for path, text in texts if is_secret(text)]
    if found:
        raise ReleaseRefused(
            f"{name} would publish what looks like a secret, in: {', '.join(found)}. Nothing was tagged. Take it out "
            "of where it comes from, and change the secret: by now others may know it"
        )


def _texts(value: Any, path: documents.Path_) -> Iterator[tuple[documents.Path_, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _texts(item, (*path, i))


class Redacted:
    """A text stream that strikes out secrets, line by line, before it passes them on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begun = ""

    def write(self, text: str) -> int:
        """Pass on whole lines (a carriage return ends one as well); the rest waits for its end, or for a flush."""
        whole, end, self._begun = _after_last_line(self._begun + text)
        if end:
            self._stream.write(redact(whole))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write each of *lines*."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Pass on what is there."""
        begun, self._begun = self._begun, ""
        if begun:
            self._stream.write(redact(begun))
        self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _after_last_line(text: str) -> tuple[str, bool, str]:
    end = max(text.rfind("\n"), text.rfind("\r")) + 1
    return text[:end], end > 0, text[end:]


def guard_output() -> None:
    """From here on, strike secrets out of what this process prints, tracebacks included."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, Redacted):
            setattr(sys, name, Redacted(stream))
