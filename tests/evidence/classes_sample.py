"""Weighings of several classes and of numbers, with the tables of their pictures."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from flights_sample import (
    interval,
    make_gates,
    make_interface,
    make_learning_curves,
    make_lineage,
    make_packaged,
    make_weighing,
)  # fmt: skip

from weighbridge import manifest
from weighbridge.evidence import plot_tables
from weighbridge.evidence.predictions import Predicted
from weighbridge.evidence.scene import Scene, Target

SPECIES = ("Adelie", "Chinstrap", "Gentoo")
OF_CLASSES = {"roc_auc_ovr": 0.93, "accuracy": 0.81, "log_loss": 0.52}
OF_NUMBERS = {"root_mean_squared_error": 54.1, "mean_absolute_error": 43.2, "r2": 0.48, "bias": -1.3}


def class_scores(classes: int = 3, rows: int = 600, *, certain: float = 2.0) -> Predicted:
    """Return outcomes and the probabilities of two models, the older of which knows less."""
    random = np.random.default_rng(3)
    target = random.integers(0, classes, rows)
    scores = random.normal(0, 1, (rows, classes))
    scores[np.arange(rows), target] += certain
    return Predicted(target, _softmax(scores), _softmax(scores + random.normal(0, 0.8, scores.shape)))


def _softmax(scores: Any) -> Any:
    powers = np.exp(scores)
    return powers / powers.sum(axis=1, keepdims=True)


def number_scores(rows: int = 3000, scale: float = 100.0) -> Predicted:
    """Return truths, predictions and those of an older model."""
    random = np.random.default_rng(4)
    target = random.gamma(3, scale / 2, rows)
    new = target * 0.8 + random.normal(0, scale / 4, rows)
    return Predicted(target, new, new + random.normal(0, scale / 4, rows))


def scene(  # noqa: PLR0913 - all that a scene is made of
    folder: Path, task: str, predicted: Predicted, labels: tuple[str, ...] = (), *, target: Target | None = None,
    unknown: tuple[str, ...] = (), **changes: Any,
) -> Scene:  # fmt: skip
    """Return a scene of a *task* with its tables in *folder*."""
    measured = OF_NUMBERS if task == "regression" else OF_CLASSES
    primary = next(iter(measured))
    score = manifest.CandidateScore(
        seeds=tuple(
            manifest.SeedScore(seed=seed, run="r", metrics={primary: measured[primary] * factor})
            for seed, factor in ((0, 0.99), (1, 1.01))
        ),
        mean={primary: measured[primary]},
        deviation={primary: measured[primary] * 0.01},
    )
    output = manifest.Output(name="label" if labels else "prediction", type="int64", labels=labels, meaning="")
    packaged = make_packaged(
        name="penguins",
        primary=primary,
        champion="network",
        candidates={"network": score},
        interface=msgspec.structs.replace(make_interface(), outputs=(output,)),
    )
    metrics = {name: interval(value, abs(value) / 20) for name, value in measured.items()}
    compared = manifest.Comparison(
        release="penguins@v1.0.0", comparable=True, reason="", changed_decisions=0.1, serving=None,
        unknown_labels=unknown,
        metrics={name: manifest.Change(baseline=value * 0.9, difference=interval(value / 10, abs(value) / 50))
                 for name, value in measured.items()},
    )  # fmt: skip
    slices = tuple(
        manifest.Slice(column="island", value=name, rows=100, metrics=metrics) for name in ("Biscoe", "Dream")
    )
    weighing = make_weighing(
        task=task, rows=len(predicted.target), groups=None, group_by=None, metrics=metrics, slices=slices,
        calibration=None, comparison=None if predicted.old is None else compared, **changes,
    )  # fmt: skip
    plot_tables.write_all(
        folder, predicted=predicted, packaged=packaged, weighing=weighing, learning_curves=make_learning_curves()
    )
    gates = make_gates()
    judged = tuple(result for result in gates.results if result.kind != "slices")
    verdict = manifest.Verdict(
        gates=msgspec.structs.replace(gates, results=judged), version="1.1.0", lineage=make_lineage()
    )
    return Scene(packaged, weighing, folder, verdict, target or Target())
