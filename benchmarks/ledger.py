"""The ledger with 100,000 records: how long a look takes, and how long a proof.

Measured: CPU seconds of ``weighbridge log --where 'roc_auc>0.7' --sort roc_auc`` (start of Python included, median of a
few) in a project whose ledger holds 100,000 records, half of them trainings and half of them measures with eight
metrics; and wall seconds of one ``weighbridge audit`` there, which reads and checks every record, against the book of
what was written, a release that carries them all, and HEAD. The index is there, as after any other ``log``; what it
costs to make is printed, and what one more record costs.

Peer: reading the same records with nothing but ``json.loads``, as a script would that keeps one JSON file a run.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import ROOT, Figure, environment, finish, run
from weighbridge import paths
from weighbridge.digest import canonical_json, sha256_bytes
from weighbridge.manifest import Interval
from weighbridge.registry import ledger, releases
from weighbridge.registry.tags import Tag, Version

LOG_SECONDS_GOAL = 1.0
AUDIT_SECONDS_GOAL = 30.0
RECORDS = 100_000
_REPEATS = 5
_METRICS = ("roc_auc", "average_precision", "accuracy", "f1", "precision", "recall", "log_loss", "brier_score_loss")
_DIGEST = sha256_bytes(b"rows")
_TAG = Tag("flights", Version.parse("1.0.0"))
_WHO = ("-c", "user.name=Example", "-c", "user.email=owner@example.org")


def main() -> None:
    """Run, print and judge."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-ledger-") as folder:
        root = Path(folder)
        _make_project(root)
        variables = environment(ROOT)
        query = ["weighbridge", "log", "--where", "roc_auc>0.7", "--sort", "roc_auc"]
        cold = run(query, root, variables).cpu
        warm = statistics.median(run(query, root, variables).cpu for _ in range(_REPEATS))
        proof = run(["weighbridge", "audit"], root, variables)
        print(f"  {RECORDS} records: the first log {cold:.2f} s of CPU, the next ones {warm:.2f} s")
        print(f"  audit {proof.wall:.1f} s, {proof.cpu:.1f} s of CPU, {proof.peak_mib:.0f} MiB at most")
        print(f"  one more record {_append(root):.3f} s; reading all by json.loads {_peer(root):.1f} s")
    finish(Figure("log_cpu_seconds", warm, LOG_SECONDS_GOAL), Figure("audit_seconds", proof.wall, AUDIT_SECONDS_GOAL))


def _make_project(root: Path) -> None:
    """Write the records, and commit them under the tag of a release that carries them."""
    (root / "config").mkdir()
    (root / paths.CONFIG).write_bytes((ROOT / paths.CONFIG).read_bytes())
    (root / ".gitignore").write_text("/results/\n", encoding="utf-8")
    head, digests = "", []
    for record in _records():
        content = canonical_json({**record, "parents": [head] if head else []}).encode() + b"\n"
        head = ledger.digest_of(content)
        path = root / ledger.path_of(head)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digests.append(f"{head}\n")
    (root / paths.LEDGER_SEEN).parent.mkdir()
    (root / paths.LEDGER_SEEN).write_text("".join(digests), encoding="ascii")
    for command in (["init", "--quiet"], ["add", "."], [*_WHO, "commit", "--quiet", "--message=start"]):
        run(["git", *command], root)
    message = _message(head).encode()
    tag = ["git", *_WHO, "tag", "--annotate", "--cleanup=verbatim", "--file=-", str(_TAG)]
    subprocess.run(tag, cwd=root, input=message, check=True)


def _records() -> Iterator[dict[str, Any]]:
    """Yield trainings and their measures, and last the record of a release."""
    for number in range((RECORDS - 1) // 2):
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_750_000_000 + 60 * number))
        name = f"boosting-{number:012x}"
        about = {"kind": "run", "run": name, "candidate": "boosting", "seed": number % 5, "when": when}
        inputs = {"data": {"train": _DIGEST, "validation": _DIGEST}, "code": _DIGEST, "environment": _DIGEST}
        files = [{"path": "model.skops", "bytes": 300_000 + number, "sha256": sha256_bytes(name.encode())}]
        made = {"inputs": inputs, "files": files, "dvc": f"{number:032x}.dir", "parameters": {"max_iter": number}}
        yield about | {"status": "trained", "host": "node", "wall_seconds": 1.5} | made
        auc = 0.5 + (number * 7919 % 40_000) / 1e5
        yield about | {"status": "evaluated", "metrics": dict.fromkeys(_METRICS, auc)}
    about = {"kind": "evidence", "status": "written", "file": "results/package.yaml", "sha256": _DIGEST, "when": when}
    yield from [about] * ((RECORDS - 1) % 2)
    digests = dict.fromkeys(("content_sha256", "manifest_sha256"), _DIGEST)
    yield {"kind": "release", "status": "accepted", "run": name, "tag": str(_TAG), "when": when} | digests


def _message(head: str) -> str:
    return releases.message(
        releases.Notes(
            tag=_TAG,
            bump="first",
            reasons=("the first release",),
            candidate="boosting",
            primary="roc_auc",
            metrics={"roc_auc": Interval(value=0.7, low=0.6, high=0.8)},
            verdict="pass",
            content_sha256=_DIGEST,
            manifest_sha256=_DIGEST,
            ledger_root=ledger.root_of([head]),
            ledger_count=RECORDS,
        )
    )


def _append(root: Path) -> float:
    """Return the seconds that one more record takes, in the middle of a series."""
    seconds = []
    for number in range(_REPEATS):
        started = time.perf_counter()
        error = {"kind": "attempt", "status": "failed", "stage": "train", "error": str(number)}
        ledger.append(root, error | {"when": "2026-01-31T12:00:00Z"})
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _peer(root: Path) -> float:
    started = time.perf_counter()
    found = sum(1 for path in (root / paths.LEDGER).glob("*/*.json") if json.loads(path.read_bytes())["parents"])
    if found < RECORDS - 1:
        sys.exit(f"the peer read {found} records")
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
