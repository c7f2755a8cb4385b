"""What check says of a project's bond with the template that made it: updates, conflicts, edits, a move elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from weighbridge import secrets_guard
from weighbridge.digest import sha256_file
from weighbridge.errors import RecordError
from weighbridge.registry import git
from weighbridge.root import ENGINE
from weighbridge.views.columns import files
from weighbridge.views.finding import Finding, listed

RECORD = Path(".weighbridge.json")
"""The engine's files as the template gave them, by its hook: path and SHA-256."""
NOTE = Path(".cruft.json")
"""Which template made the project, at which commit; cruft's own file."""
UPDATE = "cruft update --allow-untracked-files"
_ENVIRONMENT = Path(".venv")
T = TypeVar("T")
_MADE_IN = re.compile(r"VIRTUAL_ENV=['\"]?(/[^'\"\n]*)")


class _Record(msgspec.Struct, frozen=True):
    engine: dict[str, str]


class _Note(msgspec.Struct, frozen=True):
    template: str
    commit: str


def template(root: Path) -> Iterator[Finding]:
    """Say which template made the project, and where it can be told without network, whether that has gone on."""
    if not (root / NOTE).is_file():
        if (root / RECORD).is_file():
            found = f"there is no {NOTE}; without it the template's improvements can't be brought"
            yield Finding(
                "warning", "template", found, "cruft link ADDRESS, with that of the template; commit the file"
            )
        return
    note = _read(root / NOTE, _Note)
    address = git.without_credentials(note.template)
    if secrets_guard.is_secret(note.template):
        found = f"{NOTE}: the template's address holds credentials, and Git shares that file"
        yield Finding("problem", "template", found, f"write {address} in it; then change the secret, for Git remembers")
    newest = _newest(Path(note.template))
    if newest in {None, note.commit}:
        yield Finding("ok", "template", f"{address} at {note.commit[:12]}; 'cruft check' asks whether it has gone on")
    else:
        found = f"{address} has gone on, from {note.commit[:12]} to {str(newest)[:12]}"
        yield Finding("warning", "template", found, f"{UPDATE}; docs/upgrade.md says what it leaves alone")


def _newest(folder: Path) -> str | None:
    """Return the newest commit of a template that lies on this machine."""
    if not folder.is_absolute() or not folder.is_dir():
        return None
    done = git.attempt(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    return None if done.returncode else done.stdout.decode().strip()


def rejected(root: Path) -> Iterator[Finding]:
    """Name what an update couldn't apply and left beside its file."""
    done = git.attempt(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = done.stdout.decode(errors="replace").split("\0")
    if found := sorted(name for name in names if name.endswith(".rej")):
        mend = "take over by hand what each says of the file beside it, remove it, then commit"
        yield Finding("problem", "conflicts", "\n".join(["an update left rejected changes in:", *listed(found)]), mend)


def engine(root: Path) -> Iterator[Finding]:
    """Name the engine's files that aren't as the template gave them."""
    if not (root / RECORD).is_file():
        return
    given = _read(root / RECORD, _Record).engine
    edited = sorted(name for name, sha256 in given.items() if _differs(root / name, sha256))
    if edited:
        found = ["not as the template gave them:", *listed(edited)]
        mend = (
            "'cruft diff' shows how; an update merges such edits, or leaves conflicts to settle. What is yours belongs "
            "into config/, project/ and custom_rules"
        )
        yield Finding("warning", "engine", "\n".join(found), mend)
    else:
        yield Finding("ok", "engine", f"{files(len(given))} as the template gave them")


def _differs(path: Path, sha256: str) -> bool:
    return not path.is_file() or sha256_file(path) != sha256


def moved(root: Path) -> Iterator[Finding]:
    """Say where the environment was made elsewhere, or the engine that answers is another project's."""
    script = root / _ENVIRONMENT / "bin" / "activate"
    found = _MADE_IN.search(script.read_text(encoding="utf-8", errors="replace")) if script.is_file() else None
    if found and Path(found[1]).resolve() != (root / _ENVIRONMENT).resolve():
        mend = "'make check' makes it anew, as each target of make does; where you made it yourself, remove it first"
        what = f"{_ENVIRONMENT} was made as {found[1]}, and works only there: the project was moved or copied"
        yield Finding("problem", "environment", what, mend)
    others = [] if root == ENGINE else [name for name in _engine_files(root) if _other(root, name)]
    if others:
        what = f"what answers here is the engine in {ENGINE}, which differs from this project's: {others[0]}"
        more = f" and {len(others) - 1} more" if others[1:] else ""
        mend = f"use this project's own environment: 'make check', or 'pip install -e {root}' into the present one"
        yield Finding("warning", "environment", what + more, mend)


def _engine_files(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in (root / "weighbridge").rglob("*.py"))


def _other(root: Path, name: str) -> bool:
    return not (ENGINE / name).is_file() or (ENGINE / name).read_bytes() != (root / name).read_bytes()


def _read(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RecordError(
            f"{path.name}: damaged ({problem}); bring it back: git checkout HEAD -- {path.name}"
        ) from None
