"""The tag object: written by ``git mktag``, signed as Git's own ``git tag -s`` would.

``git tag`` itself can't be used: it makes the reference at once, and a release needs that in one transaction with
the branch.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from weighbridge.errors import SetupError
from weighbridge.registry import git
from weighbridge.registry.tags import Tag

_SIGNATURE = re.compile(r"^-----BEGIN (SSH|PGP) (SIGNATURE|MESSAGE)-----$", re.MULTILINE)


def write_tag(root: Path, tag: Tag, commit: str, message: str, env: Mapping[str, str]) -> str:
    """Store the tag object and return its id; no reference is made.

    Raises:
        SetupError: where Git is configured to sign and can't.
    """
    tagger = git.run(root, "var", "GIT_COMMITTER_IDENT", env=env).decode().strip()
    text = f"object {commit}\ntype commit\ntag {tag}\ntagger {tagger}\n\n{message}".encode()
    if _wanted(root):
        text += _sign(root, text, tagger)
    return git.run(root, "mktag", input=text).decode().strip()


def unsigned(text: str) -> str:
    """Return a tag's message without the signature that may follow it."""
    found = _SIGNATURE.search(text)
    return text[: found.start()] if found else text


def _wanted(root: Path) -> bool:
    return any(git.setting(root, key, "bool") == "true" for key in ("tag.gpgSign", "tag.forceSignAnnotated"))


def _sign(root: Path, text: bytes, tagger: str) -> bytes:
    form = git.setting(root, "gpg.format") or "openpgp"
    key = git.setting(root, "user.signingKey")
    if form == "ssh":
        return _sign_ssh(root, text, key)
    if form == "openpgp":
        program = git.setting(root, "gpg.openpgp.program", "path") or git.setting(root, "gpg.program", "path") or "gpg"
        return _call([program, "-bsau", key or re.sub(r" \d+ [+-]\d+$", "", tagger)], text)
    raise SetupError(f"gpg.format is {form!r}; tags are signed with ssh or openpgp: `git config gpg.format ssh`")


def _sign_ssh(root: Path, text: bytes, key: str | None) -> bytes:
    if not key:
        raise SetupError("tag.gpgSign is set without a key; run `git config user.signingKey <file of the SSH key>`")
    program = git.setting(root, "gpg.ssh.program", "path") or "ssh-keygen"
    literal = key.removeprefix("key::")
    if literal != key or key.startswith("ssh-"):
        with tempfile.NamedTemporaryFile("w", prefix="signing-key-", suffix=".pub") as public:
            public.write(f"{literal}\n")
            public.flush()
            return _call([program, "-Y", "sign", "-n", "git", "-U", "-f", public.name], text)
    path = git.setting(root, "user.signingKey", "path") or key
    return _call([program, "-Y", "sign", "-n", "git", "-f", path], text, root)


def _call(command: list[str], text: bytes, root: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, input=text, cwd=root, capture_output=True, check=False)  # noqa: S603 - no shell
    except OSError as problem:
        raise SetupError(f"the tag can't be signed: {command[0]}: {problem.strerror}; install it") from None
    if done.returncode or not _SIGNATURE.search(done.stdout.decode(errors="replace")):
        raise SetupError(
            f"the tag can't be signed with {command[0]}: {git.last_words(done.stderr)}; "
            "check user.signingKey, or release unsigned with `git config tag.gpgSign false`"
        )
    return done.stdout.replace(b"\r\n", b"\n")
