"""Evidence for gates, made up: rows with two models of known quality, and records of a bundle that is in order."""

import numpy as np
import numpy.typing as npt

from weighbridge import manifest, settings
from weighbridge.evidence.gates import Evidence
from weighbridge.evidence.rows import Rows

SHA = "0" * 64
RELEASE = "made@v1.0.0"
CHECKS = ("unique_ids", "finite", "known_in_time", "time_order", "groups_apart", "ranges")
TEN_GATES = settings.GateFile(
    gates={
        "absolute": settings.Absolute(metric="roc_auc", min=0.7),
        "change": settings.Change(metric="roc_auc", margin=0.01),
        "decisions": settings.Change(metric="accuracy", margin=0.01),
        "slices": settings.Slices(
            metric="roc_auc", columns=("site", "line"), crossings=(("site", "line"),), margin=0.01, max_gap=0.1
        ),
        "calibration": settings.CalibrationGate(metric="expected_calibration_error", max=0.1),
        "churn": settings.Churn(max_negative_flips=0.1, max_times_noise=3.0),
        "budget": settings.Budget(quantity="latency_ms_p95", max=5.0, max_ratio=2.0),
        "data": settings.DataGate(max_psi=0.25),
        "golden": settings.GoldenGate(),
        "parity": settings.ParityGate(max_difference=1e-4),
    }
)


def rows(count: int, *, groups: int = 0, noise: float = 0.3, seed: int = 0) -> Rows:
    """Return binary rows of two models of equal quality, cut by ``site`` (8 values) and ``line`` (12)."""
    random = np.random.default_rng(seed)
    truth = random.normal(-0.5, 1.5, count)
    columns = {"site": _labels(random, "site", 8, count), "line": _labels(random, "line", 12, count)}
    if groups:
        columns["day"] = _labels(random, "day", groups, count)
    return Rows(
        task="binary",
        y=(random.random(count) < _logistic(truth)).astype(np.int64),
        new=_logistic(truth + noise * random.normal(size=count)),
        old=_logistic(truth + noise * random.normal(size=count)),
        thresholds=(0.5, 0.5),
        columns=columns,
        group_by="day" if groups else None,
    )


def _labels(random: np.random.Generator, name: str, values: int, count: int) -> npt.NDArray[np.str_]:
    named = np.array([f"{name}{value}" for value in range(values)])
    return np.asarray(named[random.integers(0, values, count)])


def _logistic(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-x)))


def evidence(made: Rows, resamples: int) -> Evidence:
    """Return evidence of *made* rows, and of a bundle whose other records are in order."""
    return Evidence(
        rows=made,
        weighing=_weighing(len(made), resamples),
        packaged=_packaged(),
        data=_data(len(made)),
        cost=settings.Cost(),
        resamples=resamples,
    )


def _interval(value: float) -> manifest.Interval:
    return manifest.Interval(value=value, low=0.9 * value, high=1.1 * value)


def _weighing(count: int, resamples: int) -> manifest.Weighing:
    serving = manifest.Serving(
        latency_ms_p50=0.1, latency_ms_p95=0.2, latency_ms_p99=0.4, rows_per_second=1e5, load_seconds=0.1,
        peak_memory_mib=90.0, size_mib=1.0,
    )  # fmt: skip
    comparison = manifest.Comparison(
        release=RELEASE, comparable=True, reason="", metrics={}, changed_decisions=None, serving=serving,
        ratios={"latency_ms_p95": _interval(1.0)},
    )  # fmt: skip
    return manifest.Weighing(
        rows=count, groups=None, group_by=None, confidence=0.95, resamples=resamples, threshold=0.5, metrics={},
        slices=(), calibration=manifest.Calibration(expected_calibration_error=0.0, bins=10), serving=serving,
        comparison=comparison, test_sha256=SHA, content_sha256=SHA,
        golden=manifest.Golden(samples=32, largest_difference=0.0, packages={}),
        drift=(manifest.Drift(feature="x", psi=0.01),),
    )  # fmt: skip


def _packaged() -> manifest.Packaged:
    artifacts = manifest.Artifacts(files=(), content_sha256=SHA, dvc="", parameter_count=100, loaded_memory_mib=None)
    noise = manifest.Noise(seeds=3, pairs=3, changed_decisions=_interval(0.1), negative_flips=_interval(0.05))
    return manifest.Packaged(
        name="made", champion="one", seed=0, run="one-0", primary="roc_auc", candidates={},
        interface=manifest.Interface(inputs=(), outputs=()), artifacts=artifacts,
        parity=manifest.Parity(rows=1000, largest_difference=0.0, changed_decisions=0), baseline=RELEASE, same_as=None,
        noise=noise,
    )  # fmt: skip


def _data(count: int) -> manifest.DataSection:
    split = manifest.Split(rows=count, groups=None, first=None, last=None, target_rate=0.4, sha256=SHA)
    return manifest.DataSection(
        raw=manifest.Raw(sha256=SHA, dvc="", files=()), source="", licence="", rows=count, dropped_rows=0, target="y",
        labels=("0", "1"), split_rule="", splits={"test": split}, features=(),
        checks=tuple(manifest.Check(name=key, passed=True, found="held", key=key) for key in CHECKS),
    )  # fmt: skip
