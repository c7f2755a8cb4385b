"""Records as the pipeline writes them, for tests that need some on the ledger."""

from typing import Any

WHEN = "2026-01-31T12:00:00Z"
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
RUN = "boosting-0123456789ab"


def evaluated(run: str = RUN, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return a run's metrics on the validation rows."""
    return {
        "kind": "run", "status": "evaluated", "run": run, "candidate": run.rpartition("-")[0], "seed": seed,
        "metrics": {"roc_auc": 0.7}, "when": WHEN, **more,
    }  # fmt: skip


def trained(run: str = RUN, seed: int = 0, **more: Any) -> dict[str, Any]:
    """Return a training's inputs and what came out of it."""
    return {
        "kind": "run", "status": "trained", "run": run, "candidate": run.rpartition("-")[0], "seed": seed,
        "inputs": {"data": {"train": SHA}, "code": SHA, "settings": {}, "environment": SHA, "seed": seed},
        "parameters": {"max_iter": 10}, "files": [{"path": "model.skops", "bytes": 3, "sha256": SHA}],
        "dvc": "a" * 32 + ".dir", "host": "node", "wall_seconds": 1.5, "when": WHEN, **more,
    }  # fmt: skip


def failed(stage: str = "train", error: str = "no rows", **more: Any) -> dict[str, Any]:
    """Return an attempt that an error ended."""
    return {"kind": "attempt", "status": "failed", "stage": stage, "error": error, "when": WHEN, **more}


def rejected(run: str = RUN, **more: Any) -> dict[str, Any]:
    """Return the refusal of a bundle."""
    return {"kind": "release", "status": "rejected", "run": run, "content_sha256": SHA, "when": WHEN, **more}


def accepted(tag: str = "flights@v1.0.0", run: str = RUN, **more: Any) -> dict[str, Any]:
    """Return the release of a bundle."""
    digests = {"content_sha256": SHA, "manifest_sha256": SHA}
    return {"kind": "release", "status": "accepted", "run": run, "tag": tag, "when": WHEN, **digests, **more}
