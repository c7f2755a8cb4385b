"""Records that are lost for good, and whose loss somebody has put on record: a gap that is known, and still shown.

Without it a record that was damaged, and that nobody else has, would keep every later release from being made: its
successors name it for ever.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from weighbridge import documents, paths
from weighbridge.registry import git, ledger, records
from weighbridge.registry.findings import Finding


def of(entries: Iterable[ledger.Entry]) -> dict[str, ledger.Entry]:
    """Return the records that tell of a loss, by the digest of what was lost."""
    return {entry.record["lost"]: entry for entry in entries if records.is_loss(entry.record)}


def accept(root: Path, findings: Iterable[Finding], why: str) -> tuple[str, ...]:
    """Put on record that what is damaged or gone, and held nowhere, is lost; return these records' digests.

    A damaged file is moved away, to ``results/lost/``.

    Raises:
        SetupError: where Git doesn't know who says so.
    """
    lost = [Path(finding.path) for finding in findings if finding.nowhere]
    by = git.run(root, "var", "GIT_AUTHOR_IDENT").decode(errors="replace").rsplit(" ", 2)[0] if lost else ""
    for path in lost:
        said: dict[str, Any] = {"kind": records.LEDGER, "status": records.LOST, "lost": path.stem}
        ledger.append(root, said | {"why": why, "by": by, "when": documents.utc_now()})
        if (root / path).is_file():
            (root / paths.LOST).mkdir(parents=True, exist_ok=True)
            (root / path).replace(root / paths.LOST / path.name)
    return tuple(path.stem for path in lost)
