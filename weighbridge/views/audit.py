"""audit: whether the ledger is whole, and what is wrong with it."""

from pathlib import Path

import msgspec

from weighbridge.registry import auditing, losses
from weighbridge.registry.auditing import Audit
from weighbridge.registry.findings import Finding
from weighbridge.views.columns import thousands

_MOST_SHOWN = 100


def audit(root: Path, *, json: bool = False, accept_loss: str = "") -> tuple[str, int]:
    """Return what the audit of the ledger says, and the exit code: 1 where something is wrong.

    Args:
        root: the project's root.
        json: one JSON document instead of words.
        accept_loss: why records that are damaged or gone, and held nowhere, are lost; puts that on record first.

    Raises:
        SetupError: where Git fails.
    """
    found = auditing.audit(root)
    if accept_loss and losses.accept(root, found.findings, accept_loss):
        found = auditing.audit(root)
    code = 1 if found.findings else 0
    if json:
        document = {"sound": not found.findings, **msgspec.to_builtins(found)}
        return msgspec.json.format(msgspec.json.encode(document), indent=2).decode(), code
    return "\n".join(_lines(found)), code


def _lines(found: Audit) -> list[str]:
    lines = [_looked_at(found)]
    for finding in found.findings[:_MOST_SHOWN]:
        lines += _told(finding)
    if len(found.findings) > _MOST_SHOWN:
        lines.append(f"… and {thousands(len(found.findings) - _MOST_SHOWN)} more; --json lists all")
    lines += [f"note: {note}" for note in found.notes]
    return [*lines, _verdict(found)]


def _looked_at(found: Audit) -> str:
    place = "in runs/" if found.source == "runs" else "in the commits of releases, since there is no runs/ here"
    heads = "one head" if len(found.heads) == 1 else f"{len(found.heads)} heads"
    looked_at = (f"{_count(found.records, 'record')} {place}", heads, f"root {found.root[:12]}")
    return f"{', '.join(looked_at)}; {_count(found.releases, 'release')}"


def _count(number: int, thing: str) -> str:
    return f"{thousands(number)} {thing}{'' if number == 1 else 's'}"


def _told(finding: Finding) -> list[str]:
    lines = [f"{finding.kind.upper():<9} {finding.path}", f"          {finding.said}"]
    return [*lines, *([f"          → {finding.mend}"] if finding.mend else [])]


def _verdict(found: Audit) -> str:
    if not found.findings:
        return "Nothing was edited, removed, reordered or forged."
    return f"{_count(len(found.findings), 'thing')} {'is' if len(found.findings) == 1 else 'are'} wrong."
