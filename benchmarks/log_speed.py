"""``weighbridge log`` in a repository with a thousand releases.

Measured: CPU seconds of ``weighbridge log --limit 0`` (all of them listed, with metrics and verdicts), start of Python
included, in a repository with 1,000 releases. Their tags are annotated and bear the message that a release bears;
they were written by ``git fast-import``. Median of a few runs.

Peer: ``gto show`` in the same repository, which lists the models of a repository; a single run, since it takes long.
Tags of the form ``flights@v1.2.3`` are GTO's own.
"""

import statistics
import tempfile
from pathlib import Path

from benchmarks.measure import ROOT, Figure, environment, finish, run
from weighbridge import paths
from weighbridge.digest import sha256_bytes
from weighbridge.manifest import Interval
from weighbridge.registry import releases
from weighbridge.registry.tags import Tag, Version

SECONDS_GOAL = 0.5
RATIO_GOAL = 10.0
_RELEASES = 1000
_REPEATS = 7
_METRICS = ("roc_auc", "average_precision", "accuracy", "f1", "precision", "recall", "log_loss", "brier_score_loss")
_WHO = "Example <owner@example.org>"


def main() -> None:
    """Run, print and judge."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-log-") as folder:
        root = Path(folder)
        _make_repository(root)
        variables = environment(ROOT)
        listed = ["weighbridge", "log", "--limit", "0"]
        ours = statistics.median(run(listed, root, variables).cpu for _ in range(_REPEATS))
        theirs = run(["gto", "show"], root, variables).cpu
    print(f"  {_RELEASES} releases: weighbridge log {ours:.2f} s of CPU, gto show {theirs:.2f} s")
    finish(
        Figure("log_ratio_to_gto", theirs / ours, RATIO_GOAL, at_least=True),
        Figure("log_cpu_seconds", ours, SECONDS_GOAL),
    )


def _make_repository(root: Path) -> None:
    """Make a project's repository with one commit and all releases on it."""
    run(["git", "init", "--quiet", "--initial-branch=main"], root)
    (root / "stream").write_bytes(_stream())
    run(["sh", "-c", "git fast-import --quiet < stream"], root)
    run(["git", "reset", "--quiet", "--hard"], root)
    (root / "stream").unlink()


def _stream() -> bytes:
    """Return what ``git fast-import`` reads: a commit with the configuration, and a tag for each release."""
    config = (ROOT / paths.CONFIG).read_bytes()
    head = f"commit refs/heads/main\nmark :1\ncommitter {_WHO} 1750000000 +0000\ndata 5\nstart\n"
    parts = [head.encode(), f"M 644 inline {paths.CONFIG.as_posix()}\n".encode(), _data(config)]
    for number in range(_RELEASES):
        tag = Tag("flights", Version.parse(f"{1 + number // 100}.{number // 10 % 10}.{number % 10}"))
        tagger = f"tag {tag}\nfrom :1\ntagger {_WHO} {1750000000 + 60 * number} +0000\n"
        parts += [tagger.encode(), _data(_message(tag, number).encode())]
    return b"".join(parts)


def _data(content: bytes) -> bytes:
    return f"data {len(content)}\n".encode() + content + b"\n"


def _message(tag: Tag, number: int) -> str:
    value = 0.7 + number / 1e5
    return releases.message(
        releases.Notes(
            tag=tag,
            bump="patch",
            reasons=("retrained with other settings", f"roc_auc is {value:.5f}"),
            candidate="boosting",
            primary="roc_auc",
            metrics=dict.fromkeys(_METRICS, Interval(value=value, low=value - 0.01, high=value + 0.01)),
            verdict="pass",
            content_sha256=sha256_bytes(f"content {number}".encode()),
            manifest_sha256=sha256_bytes(f"manifest {number}".encode()),
            ledger_root=sha256_bytes(f"ledger {number}".encode()),
            ledger_count=9 * number,
        )
    )


if __name__ == "__main__":
    main()
