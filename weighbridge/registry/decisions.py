"""How often test rows have decided: each bundle that is released or refused on them leaves less for them to prove.

Test rows are the same where ids and outcomes are, whatever columns stand beside. Counted are different bundles. The
ledger knows those decided here and, in the last release's commit, those before; a clone has no ledger of its own, so
the last release's own count goes on where its test rows are the same.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from weighbridge.manifest import Manifest
from weighbridge.registry import git, ledger


def count(  # noqa: PLR0913 - what a count is made of
    root: Path,
    outcomes_sha256: str,
    content_sha256: str,
    previous: Manifest | None,
    tag: str | None,
    *,
    records: Iterable[dict[str, Any]] | None = None,
) -> int:
    """Return how many bundles these test rows have decided on, the one with *content_sha256* included.

    Args:
        root: the project's root.
        outcomes_sha256: digest of the test rows' ids and outcomes.
        content_sha256: digest of the bundle that is decided on now.
        previous: manifest of the last release, ``None`` where there was none.
        tag: its tag.
        records: the ledger's; those of *root* where none are given.
    """
    records = (entry.record for entry in ledger.inspect(root)[0]) if records is None else records
    here = {content_sha256, *_bundles(records, outcomes_sha256)}
    if previous is None or tag is None:
        return len(here)
    carried = set(_bundles(_carried(root, tag, outcomes_sha256), outcomes_sha256))
    if previous.performance.test.outcomes_sha256 != outcomes_sha256:
        return len(here | carried)
    carried.add(previous.artifacts.content_sha256)
    before = previous.gates.test_decisions or len(carried)
    return before + len(here - carried)


def _bundles(records: Iterable[dict[str, Any]], outcomes_sha256: str) -> Iterator[str]:
    for record in records:
        if record.get("kind") == "release" and record.get("outcomes_sha256") == outcomes_sha256:
            yield str(record.get("content_sha256"))


def _carried(root: Path, tag: str, outcomes_sha256: str) -> Iterator[dict[str, Any]]:
    """Yield the records about these test rows that a release's commit holds, by one call of Git."""
    wanted = f'"outcomes_sha256":"{outcomes_sha256}"'
    commit = f"{tag}^{{commit}}"
    options = ("-h", "--no-color", "--no-line-number", "--no-column", "-F")
    found = git.attempt(root, "grep", *options, "-e", wanted, commit, "--", ledger.FOLDER)
    for line in found.stdout.splitlines():
        with contextlib.suppress(msgspec.DecodeError, RecursionError):  # damage is told where the ledger is checked
            yield msgspec.json.decode(line, type=dict[str, Any])
