"""What has to hold at any instant of a pipeline, whatever was killed; and once it has ended."""

import functools
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from weighbridge import documents, manifest, paths
from weighbridge.digest import sha256_file
from weighbridge.errors import WeighbridgeError
from weighbridge.registry import addresses, auditing, releases, storage

_RECORDS: dict[str, type[Any]] = {
    "results/raw.yaml": manifest.Raw,
    "data/processed/profile.yaml": manifest.DataSection,
    "results/runs/*/*/run.yaml": manifest.RunRecord,
    "results/runs/*/*/validation.yaml": manifest.Evaluation,
    "results/package.yaml": manifest.Packaged,
    "results/weighing/weighing.yaml": manifest.Weighing,
    "results/verdict.yaml": manifest.Verdict,
    "results/release.yaml": manifest.Released,
}


def broken(root: Path, name: str) -> list[str]:
    """Return what isn't as it must be at any instant, whatever was killed: damaged records, tags without their data.

    Args:
        root: the project's root.
        name: the model's name.
    """
    found = [f"ledger: {finding.path}: {finding.said}" for finding in auditing.audit(root).findings]
    for pattern, kind in _RECORDS.items():
        for path in root.glob(pattern):
            found += _complaints(str(path.relative_to(root)), functools.partial(_read, path, kind))
    made = releases.releases(root, name)
    contents = [release.notes.content_sha256 for release in made]
    if len(set(contents)) != len(contents):
        found.append(f"the same content has two versions: {', '.join(str(release.tag) for release in made)}")
    for release in made:
        found += _complaints(str(release.tag), functools.partial(_whole, root, release))
    return found


def _complaints(what: str, check: Callable[[], Sequence[str]]) -> list[str]:
    try:
        return [f"{what}: {problem}" for problem in check()]
    except WeighbridgeError as problem:
        return [f"{what}: {problem}"]


def _read(path: Path, kind: type[Any]) -> Sequence[str]:
    """Complain of a record that its reader doesn't take; one that is gone meanwhile is no fault."""
    try:
        documents.read_record(path, kind)
    except WeighbridgeError:
        if path.exists():
            raise
    return ()


def _whole(root: Path, release: releases.Release) -> list[str]:
    """Complain of a release whose manifest has gaps, or whose data isn't in the cache, whole."""
    found = list(manifest.missing_fields(releases.manifest_of(root, release)))
    pointers = (paths.RAW_POINTER, paths.PROCESSED_POINTER, paths.PREDICTIONS_POINTER, paths.pointer(release.name))
    with storage.opened(root) as store:
        for pointer in pointers:
            text = releases.blob(root, release.commit, pointer.as_posix())
            address = addresses.parse_pointer(text, str(pointer))[0]
            whole = store.is_sound(address) and all(store.is_sound(one) for one in store.files(address).values())
            found += [] if whole else [f"the cache lacks part of {pointer}"]
    return found


def unfinished(root: Path, name: str, expected: str) -> list[str]:
    """Return what a pipeline that has ended by itself left undone: it must be the release of *expected* content."""
    made = releases.releases(root, name)
    found = [] if made else ["no release"]
    found += [f"{made[-1].tag} has other content"] if made and made[-1].notes.content_sha256 != expected else []
    for path in root.glob("results/runs/*/*/run.yaml"):
        record = documents.read_record(path, manifest.RunRecord)
        lost = [entry.path for entry in record.files if sha256_file(path.parent / entry.path) != entry.sha256]
        found += [f"{path.parent.relative_to(root)}/{file}: not as recorded" for file in lost]
    for command in (["git", "fsck", "--strict"], ["git", "status", "--porcelain", "--", "data", "models", "runs"]):
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        strange = [line for line in done.stdout.splitlines() if "/." in line and ".gitignore" not in line]
        found += strange if not done.returncode else [done.stderr]
    return found


def content_of(root: Path, name: str) -> str:
    """Return the digest of the newest release's bundle."""
    return releases.releases(root, name)[-1].notes.content_sha256
