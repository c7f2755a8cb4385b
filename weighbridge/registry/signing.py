"""The tag object: written by ``git mktag``, signed as Git's own ``git tag -s`` would.

``git tag`` itself can't be used: it makes the reference at once, and a release needs that in one transaction with
the branch.
"""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from weighbridge import paths
from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import allowed_signers, git
from weighbridge.registry.tags import Tag

_WHO = f"{paths.SIGNERS}/release"
BEGIN = r"^-----BEGIN (?:SSH|PGP) (?:SIGNATURE|MESSAGE)-----$"
"""Pattern of the line with which a signature begins, in a text of several lines."""
_SIGNATURE = re.compile(BEGIN, re.MULTILINE)


def write_tag(  # noqa: PLR0913 - the last by name
    root: Path, tag: Tag, commit: str, message: str, env: Mapping[str, str], *, allowed: bytes | None = None
) -> str:
    """Store the tag object and return its id; no reference is made.

    Args:
        root: the project's root.
        tag: its name.
        commit: what it names.
        message: its message, kept to the letter.
        env: variables that name the tagger, see :func:`weighbridge.registry.git.identity`.
        allowed: where given, the list of who may release: the tag is signed, whatever Git's settings, and it is looked
            at before anything refers to it.

    Raises:
        SetupError: where it has to be signed and can't, or who signs isn't allowed to.
    """
    tagger = _tagger(root, env)
    text = f"object {commit}\ntype commit\ntag {tag}\ntagger {tagger}\n\n{message}".encode()
    if allowed is not None:
        text += _sign_as_allowed(root, text, tagger, allowed)
    elif _wanted(root):
        text += _sign(root, text, tagger)
    return git.run(root, "mktag", input=text).decode().strip()


def key_for_list(root: Path) -> str:
    """Return what ``user.signingKey`` says, once Git is seen to be set up to sign with SSH, as a list of signers asks.

    Raises:
        SetupError: with the commands that set it up.
    """
    form, key = git.setting(root, "gpg.format"), git.setting(root, "user.signingKey")
    if form != "ssh" or not key:
        raise SetupError(
            f"{_WHO} lists who may release, so the tag has to be signed with SSH; found gpg.format "
            f"{form or 'unset'}, user.signingKey {'set' if key else 'unset'}. Run `git config gpg.format ssh` and "
            "`git config user.signingKey FILE` with the key that is listed for you"
        )
    return key


def _tagger(root: Path, env: Mapping[str, str]) -> str:
    return git.run(root, "var", "GIT_COMMITTER_IDENT", env=env).decode().strip()


def _sign_as_allowed(root: Path, text: bytes, tagger: str, allowed: bytes) -> bytes:
    key = key_for_list(root)
    signature = _sign_ssh(root, text, key)
    email, when = re.fullmatch(r".*<([^<>]*)> (\d+) [+-]\d{4}", tagger, re.DOTALL).groups()  # type: ignore[union-attr] # Git's own form
    try:
        allowed_signers.verify(text, signature, email, allowed, int(when))
    except RecordError as problem:
        raise SetupError(
            f"you may not release: {problem}. {_WHO} says who may, and that of the last release counts where it has "
            "one; let one of them release, or let them list you there and release first"
        ) from None
    return signature


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
