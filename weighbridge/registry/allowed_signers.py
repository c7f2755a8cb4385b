"""Who may sign, in OpenSSH's format of allowed signers, and ``ssh-keygen``'s word on a signature.

Source: https://man.openbsd.org/ssh-keygen.1#ALLOWED_SIGNERS (the format),
https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig (signatures). ``ssh-keygen`` decides; what is
parsed here tells a damaged list from a sound one, and names what changed in it.
"""

import base64
import binascii
import datetime as dt
import hashlib
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from weighbridge.errors import RecordError, SetupError

NAMESPACE = "git"
PROGRAM = "ssh-keygen"

_LINE = re.compile(
    r'(?P<principals>"[^"]+"|[^\s"]+)[ \t]+'
    r'(?:(?P<options>(?!(?:sk-)?(?:ssh|ecdsa)-)(?:[^\s"]|"[^"]*")+)[ \t]+)?'
    r"(?P<type>[a-z0-9@.-]+)[ \t]+(?P<key>[A-Za-z0-9+/]+={0,2})(?:[ \t]+.*)?"
)
_OPTION = re.compile(r'(?:[^,"]|"[^"]*")+')
_GOOD = re.compile(r'Good "git" signature .*with [A-Z0-9-]+ key (SHA256:[A-Za-z0-9+/=]+)')
# What would be a pattern, a list or two words; none of it stands in an address that people use.
_NO_ADDRESS = re.compile(r'[\s*?!,"\x00-\x1f\x7f]|^-|^$')


class Entry(NamedTuple):
    """One line of a list: whose it is (patterns, as written), the options, and the key."""

    principals: str
    options: frozenset[str]
    type: str
    key: str

    @property
    def fingerprint(self) -> str:
        """The key's fingerprint, as ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(base64.b64decode(self.key)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"

    def __str__(self) -> str:
        options = f", {' '.join(sorted(self.options))}" if self.options else ""
        return f"{self.principals} ({self.type} {self.fingerprint}{options})"


def read(text: bytes, source: str) -> tuple[Entry, ...]:
    """Return the entries of a list.

    Args:
        text: the file's content.
        source: its name, for the message.

    Raises:
        RecordError: naming each line that isn't one, or where nobody is listed.
    """
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError as problem:
        raise RecordError(f"{source}: not UTF-8 text (byte {problem.start})") from None
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    entries = {number: _entry(line) for number, line in numbered if line and not line.startswith("#")}
    wrong = [f"{source}:{number}: no signer" for number, entry in entries.items() if entry is None]
    if wrong:
        raise RecordError(f"{'; '.join(wrong)}; expected lines such as: name@example.org ssh-ed25519 AAAA…")
    if not entries:
        raise RecordError(f"{source}: lists nobody; list who may sign, or remove the file so that anyone may")
    return tuple(entry for entry in entries.values() if entry)


def _entry(line: str) -> Entry | None:
    found = _LINE.fullmatch(line)
    if not found or not _holds(found["type"], found["key"]):
        return None
    return Entry(
        found["principals"].strip('"'),
        frozenset(_OPTION.findall(found["options"] or "")),
        found["type"],
        found["key"],
    )


def _holds(kind: str, key: str) -> bool:
    """Return whether the key says of itself what kind it is: its first field is the kind, after its length."""
    try:
        content = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return False
    return content.startswith(len(kind).to_bytes(4, "big") + kind.encode())


def loosened(before: bytes | None, after: bytes | None, source: str) -> tuple[str, ...]:
    """Return, in words, who may sign now and might not before; empty where there was no list, so that anyone might.

    Taking someone away is none, nor is a day before or after which a key no longer counts.

    Raises:
        RecordError: where one of them is damaged.
    """
    if before is None:
        return ()
    if after is None:
        return (f"{source}: removed, so that anyone may sign",)
    known = read(before, source)
    return tuple(f"{source}: added {entry}" for entry in read(after, source) if not _covered(entry, known))


def _covered(entry: Entry, known: tuple[Entry, ...]) -> bool:
    return any(
        (entry.principals, entry.type, entry.key) == (other.principals, other.type, other.key)
        and other.options <= entry.options
        and all(option.startswith(("valid-before=", "valid-after=")) for option in entry.options - other.options)
        for other in known
    )


def verify(text: bytes, signature: bytes, principal: str, allowed: bytes, when: int) -> str:
    """Return the fingerprint of the key with which *principal* signed *text*, as ``ssh-keygen`` finds.

    Nothing of Git's configuration is asked.

    Args:
        text: what is signed.
        signature: the armoured signature.
        principal: e-mail address of who must have signed.
        allowed: the list of who may.
        when: the moment at which the key must have been valid, in seconds since 1970, UTC.

    Raises:
        RecordError: where the signature is damaged, of another text, or by a key that isn't theirs at that moment.
        SetupError: where ``ssh-keygen`` isn't there.
    """
    if _NO_ADDRESS.search(principal):
        raise RecordError(f"{principal!r} is no e-mail address of a signer")
    moment = dt.datetime.fromtimestamp(when, dt.UTC).strftime("%Y%m%d%H%M%S")
    with tempfile.TemporaryDirectory(prefix="signature-") as folder:
        for name, content in (("signature", signature), ("allowed", allowed)):
            Path(folder, name).write_bytes(content)
        whole = _ask(folder, text, "check-novalidate")
        if whole is None:
            raise RecordError("the signature is damaged, or what it signs was changed; don't trust it")
        lists = ("-f", "allowed", "-O", f"verify-time={moment}")
        if _ask(folder, text, "verify", "-I", principal, *lists):
            return whole
        others = _run(folder, text, "find-principals", *lists).stdout.decode(errors="replace").split("\n")[:-1]
        day = _run(folder, text, "verify", "-I", principal, *lists).stderr
    raise RecordError(f"signed with the key {whole}, {_why_not(principal, others, day)}")


def _why_not(principal: str, others: list[str], said: bytes) -> str:
    if b"key has expired" in said or b"key is not yet valid" in said:
        return "which wasn't valid at that moment"
    if others and principal not in others:
        return f"which is listed for {', '.join(others)}; expected one of {principal}"
    return f"which isn't listed for {principal}"


def _ask(folder: str, text: bytes, *arguments: str) -> str | None:
    """Return the fingerprint that ``ssh-keygen`` prints where it says that the signature is good."""
    done = _run(folder, text, *arguments)
    found = _GOOD.fullmatch(done.stdout.decode(errors="replace").strip())
    return found[1] if found and done.returncode == 0 else None


def _run(folder: str, text: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    namespace = () if arguments[0] == "find-principals" else ("-n", NAMESPACE)
    command = [PROGRAM, "-Y", *arguments, *namespace, "-s", "signature"]
    # In another zone a day without a zone, as lists have it, would be another moment.
    env = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    try:
        return subprocess.run(command, cwd=folder, input=text, env=env, capture_output=True, check=False)  # noqa: S603 - no shell
    except OSError as problem:
        raise SetupError(f"{PROGRAM}: {problem.strerror}; install OpenSSH 8.9 or later") from None
