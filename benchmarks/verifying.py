"""``weighbridge verify`` of a release whose bundle is 1 GiB.

Measured: seconds on the clock of the whole command, start of Python, Git and all steps included; and the speed of
:func:`weighbridge.digest.sha256_file`. Medians of a few runs that are taken in turns with the peer.

Peer: reading and hashing the bundle's files once, one after the other, with ``hashlib.file_digest`` of the standard
library, which nobody who verifies anything can do without.

The release is a real one, of the small project of the tests, whose pipeline runs first; then a file of 1 GiB is put
into its bundle, and all that names the bundle is made anew. Nothing may fail, and the bundle must be proved.

The bundle is read from the disk each time, by both: who verifies a release has seldom just read it.
"""

import hashlib
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.measure import ROOT, Figure, environment, finish, interleaved, output_of
from weighbridge import documents, paths
from weighbridge.digest import folder_entries, sha256_bytes, sha256_file, sha256_folder
from weighbridge.manifest import Manifest
from weighbridge.registry import cache, ledger
from weighbridge.registry.addresses import md5_file
from weighbridge.verification.judgement import packaged_of

HASHING_GOAL = 0.9
VERIFYING_GOAL = 1.5
_REPEATS = 5
_GIB = 2**30
_BLOCK = 2**24
_TAG = "small@v1.0.0"
_WEIGHTS = "weights.bin"


def main() -> None:
    """Run, print and judge."""
    sys.path.insert(0, str(ROOT / "tests"))
    with tempfile.TemporaryDirectory(prefix="weighbridge-verify-") as folder:
        root = _release(Path(folder))
        weights, *others = _objects(root)
        by_library, ours = interleaved(
            _REPEATS, lambda: _seconds(_by_library, [weights]), lambda: _seconds(sha256_file, [weights])
        )
        once, verified = interleaved(
            _REPEATS,
            lambda: _seconds(_by_library, _forgotten(weights, *others)),
            lambda: _verify(root, weights, *others),
        )
    read, took = statistics.median(once), statistics.median(verified)
    hashing = statistics.median(by_library) / statistics.median(ours)
    print(f"  1 GiB from the disk: read and hashed once in {read:.2f} s, verified in {took:.2f} s")
    print(f"  1 GiB in memory: hashed in {statistics.median(ours):.2f} s")
    finish(
        Figure("verify_by_one_reading", took / read, VERIFYING_GOAL),
        Figure("hashing_by_file_digest", hashing, HASHING_GOAL, at_least=True),
    )


def _release(folder: Path) -> Path:
    """Make the release in *folder* and return the project's root."""
    import forger
    import small_project

    project = small_project.make(folder / "project")
    print("  running the small project's pipeline", flush=True)
    project.snakemake()
    bundle = project.root / "models/small"
    _write_random(bundle / _WEIGHTS)
    address = cache.of(project.root).put(bundle)
    entries = folder_entries(bundle)

    def edit(found: dict[str, Any]) -> None:
        roles = {one["path"]: one["role"] for one in found["artifacts"]["files"]}
        files = [msgspec.to_builtins(one) | {"role": roles.get(one.path, "native weights")} for one in entries]
        found["artifacts"] |= {"files": files, "dvc": address, "content_sha256": sha256_folder(entries)}
        found["performance"]["test"]["content_sha256"] = sha256_folder(entries)
        found["gates"]["test_decisions"] = 2  # the bundle without weights was released as well
        changed = msgspec.convert(found, Manifest)
        for path, part in ((paths.PACKAGE, packaged_of(changed)), (paths.WEIGHING, changed.performance.test)):
            digest = sha256_bytes(documents.dump(part).encode())
            written = {"kind": "evidence", "status": "written", "file": path.as_posix(), "sha256": digest}
            ledger.append(project.root, written | {"when": documents.utc_now()})

    pointer = f"outs:\n- md5: {address}\n  hash: md5\n  path: small\n"
    forger.forge(project, _TAG, edit, others={"models/small.dvc": pointer.encode()})
    return project.root


def _write_random(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(bytes(8))  # noise alone may look like the beginning of a pickle
        for _ in range(_GIB // _BLOCK):
            stream.write(os.urandom(_BLOCK))


def _by_library(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _objects(root: Path) -> list[Path]:
    """Return the bundle's files in DVC's cache, the largest first."""
    held = cache.of(root)
    files = (root / "models/small").iterdir()
    return sorted((held.path(md5_file(file)) for file in files), key=lambda file: -file.stat().st_size)


def _forgotten(*files: Path) -> list[Path]:
    """Let the system forget what it has of the files in memory, as after a night; return them."""
    for file in files:
        with file.open("rb") as stream:
            os.fsync(stream.fileno())
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return list(files)


def _seconds(digest: Callable[[Path], str], files: list[Path]) -> float:
    started = time.perf_counter()
    for file in files:
        digest(file)
    return time.perf_counter() - started


def _verify(root: Path, *files: Path) -> float:
    """Return how long the command takes, once it is seen to prove the bundle and to refuse nothing."""
    _forgotten(*files)
    command = [shutil.which("weighbridge") or "weighbridge", "verify", _TAG, "--json"]
    started = time.perf_counter()
    text = output_of(command, root, environment(ROOT))
    took = time.perf_counter() - started
    verdicts = {step["name"]: step["verdict"] for step in json.loads(text)["steps"]}
    if "FAILED" in verdicts.values() or verdicts["bundle"] != "proved" or verdicts["gates"] != "proved":
        raise RuntimeError(f"expected the release to be proved, found {verdicts}")
    return took


if __name__ == "__main__":
    main()
