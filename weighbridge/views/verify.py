"""``weighbridge verify``: what can be proved of a release, and what can't."""

import os
import re
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec

from weighbridge import paths
from weighbridge.documents import read
from weighbridge.errors import RecordError, SettingsError, WeighbridgeError
from weighbridge.registry import git, model_keys, releases
from weighbridge.registry.tags import NAME, Tag
from weighbridge.verification import trust
from weighbridge.verification.steps import FAILED, PROVED, UNPROVED, Step
from weighbridge.verification.verifying import verify
from weighbridge.views.columns import printable

_NAME_WIDTH = 16
_VERDICT_WIDTH = 12
_NARROWEST = 60


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of verifying a release."""

    tag: str
    """The release."""
    failed: bool
    """Whether something contradicts something else. Where nothing does, not all need be proved."""
    complete: bool
    """Whether each step was proved: this is the gate for machines, as ``--strict`` is."""
    steps: tuple[Step, ...]
    """Each step."""

    def exit_code(self, *, strict: bool) -> int:
        """Return 1 where something failed, or (where *strict*) wasn't proved."""
        return int(not self.complete if strict else self.failed)


def run(
    root: Path, ref: str, signers: Path | None, model_key: Path | None, *, offline: bool = False
) -> "Iterator[Step | Report]":
    """Yield each step, and at last the report.

    Args:
        root: the project's root, in any clone.
        ref: ``v1.2.0``, ``1.2.0``, ``flights@v1.2.0`` or ``latest``.
        signers: file or folder with lists of signers, from outside.
        model_key: file of the public key of the model's signature, from outside.
        offline: never ask DVC's remote.

    Raises:
        SettingsError: where *ref* names no tag of a release's shape, or a file from outside can't be read or isn't
            from outside.
    """
    tag = resolve(root, ref)
    for option, place in (("--signers", signers), ("--model-key", model_key)):
        _require_outside(root, option, place)
    lists, key = trust.read(signers), _key(model_key)
    steps: list[Step] = []
    for found in verify(root, tag, lists, key, offline=offline):
        steps.append(found)
        yield found
    verdicts = {found.verdict for found in steps}
    yield Report(tag=str(tag), failed=FAILED in verdicts, complete=verdicts == {PROVED}, steps=tuple(steps))


def resolve(root: Path, ref: str) -> Tag:
    """Return the tag that *ref* names; whether it is a release at all is what has to be proved.

    Raises:
        SettingsError: where it names none, or several.
    """
    version = "" if ref == "latest" else ref.removeprefix("v")
    try:
        if "@" in ref:
            return Tag.parse(ref)
        if version:
            return Tag.parse(f"{_name(root)}@v{version}")
        known = releases.releases(root, _name(root))
    except RecordError:
        raise SettingsError(
            f"found {ref!r}; expected a release, such as v1.2.0, flights@v1.2.0 or latest; `weighbridge log` lists them"
        ) from None
    if not known:
        raise SettingsError("latest: this repository has no release yet; `git fetch --tags` brings those of the remote")
    return known[-1].tag


def _require_outside(root: Path, option: str, place: Path | None) -> None:
    """Refuse what comes from the clone itself: who made the release may have made that as well."""
    if place is None:
        return
    asked = git.attempt(root, "rev-parse", "--path-format=absolute", "--show-toplevel", "--git-common-dir")
    clone = [root, *map(Path, os.fsdecode(asked.stdout).splitlines())]
    if any(place.resolve().is_relative_to(folder.resolve()) for folder in clone):
        raise SettingsError(
            f"{option} {place}: lies in the clone that is verified, so it proves nothing; take it from a place "
            "that you trust"
        )


def _key(place: Path | None) -> bytes | None:
    """Return the public key in the file *place*, once it is seen to be one."""
    if place is None:
        return None
    content = trust.given("--model-key", place, "a public key in PEM")
    try:
        model_keys.load_public_key(content)
    except RecordError as problem:
        raise SettingsError(f"--model-key {place}: {problem}") from None
    return content


def _name(root: Path) -> str:
    """Return the model's name: the settings', else that of the only model with releases."""
    found = _named(root)
    names = {found} if found else {release.name for release in releases.releases(root)}
    if len(names) != 1:
        raise SettingsError(f"this repository has {len(names)} models with releases; name one, as in flights@v1.2.0")
    return names.pop()


def _named(root: Path) -> str | None:
    try:
        value = read(root / paths.CONFIG).value
    except WeighbridgeError:
        return None
    name = value.get("name") if isinstance(value, dict) else None
    return name if isinstance(name, str) and re.fullmatch(NAME, name) else None


def line(found: Step) -> str:
    """Return a step for people, wrapped to the terminal."""
    head = f"{found.verdict:<{_VERDICT_WIDTH}}{found.name:<{_NAME_WIDTH}}"
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    words = [
        part
        for text in printable(found.said).splitlines() or [""]
        for part in textwrap.wrap(text, width - len(head), break_on_hyphens=False, break_long_words=False) or [""]
    ]
    return f"\n{' ' * len(head)}".join([head + words[0], *words[1:]])


def summary(report: Report) -> str:
    """Return the last line."""
    counts = {verdict: sum(one.verdict == verdict for one in report.steps) for verdict in (PROVED, UNPROVED, FAILED)}
    told = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    if report.failed:
        return f"{report.tag}: {told}. Don't trust this release"
    return f"{report.tag}: {told}" if report.complete else f"{report.tag}: nothing failed; {told}"


def json(report: Report) -> str:
    """Return the report as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(report)).decode()


def place() -> Path:
    """Return the project's root in the clone that is worked in; unlike elsewhere, its code isn't made importable.

    Raises:
        SetupError: where this is no Git repository.
    """
    here = Path.cwd().resolve()
    for folder in (here, *here.parents):
        if (folder / paths.CONFIG).is_file():
            return folder
    git.run(here, "rev-parse", "--git-dir")
    return here
