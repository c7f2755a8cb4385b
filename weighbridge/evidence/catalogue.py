"""The metrics by scikit-learn's names: what each is, and which way is better. Light, for those who only need names."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping

from weighbridge.errors import SettingsError
from weighbridge.settings import OwnMetric

TASKS = ("binary", "multiclass", "regression")
"""What kinds of prediction there are."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a metric is called, whether more of it is better, and what it says in words."""

    name: str
    greater_is_better: bool
    meaning: str


def _by_name(*metrics: Metric) -> dict[str, Metric]:
    return {metric.name: metric for metric in metrics}


_ACCURACY = Metric("accuracy", greater_is_better=True, meaning="share of rows decided rightly")
_BALANCED = Metric("balanced_accuracy", greater_is_better=True, meaning="recall, averaged over the classes")
_MATTHEWS = Metric("matthews_corrcoef", greater_is_better=True, meaning="correlation of decisions and outcomes")
_LOG_LOSS = Metric("log_loss", greater_is_better=False, meaning="mean negative logarithm of the outcome's probability")

METRICS: dict[str, dict[str, Metric]] = {
    "binary": _by_name(
        Metric("roc_auc", greater_is_better=True, meaning="chance that a positive row scores above a negative one"),
        Metric(
            "average_precision",
            greater_is_better=True,
            meaning="precision averaged over the recall gained, all thresholds",
        ),
        _ACCURACY,
        _BALANCED,
        Metric("f1", greater_is_better=True, meaning="harmonic mean of precision and recall"),
        Metric("precision", greater_is_better=True, meaning="share of rows decided positive that are"),
        Metric("recall", greater_is_better=True, meaning="share of positive rows decided positive"),
        _MATTHEWS,
        _LOG_LOSS,
        Metric(
            "brier_score_loss", greater_is_better=False, meaning="mean squared difference of probability and outcome"
        ),
        Metric(
            "expected_calibration_error",
            greater_is_better=False,
            meaning="mean distance of probability and observed share, over ten bins of equal count",
        ),
    ),
    "multiclass": _by_name(
        _ACCURACY,
        _BALANCED,
        Metric("f1_macro", greater_is_better=True, meaning="f1 of each class against the rest, averaged"),
        Metric("f1_weighted", greater_is_better=True, meaning="the same, averaged by the classes' rows"),
        Metric("precision_macro", greater_is_better=True, meaning="precision of each class, averaged"),
        Metric("recall_macro", greater_is_better=True, meaning="recall of each class, averaged"),
        Metric("roc_auc_ovr", greater_is_better=True, meaning="roc_auc of each class against the rest, averaged"),
        _LOG_LOSS,
        _MATTHEWS,
    ),
    "regression": _by_name(
        Metric("mean_absolute_error", greater_is_better=False, meaning="mean distance of prediction and truth"),
        Metric("mean_squared_error", greater_is_better=False, meaning="mean squared distance"),
        Metric("root_mean_squared_error", greater_is_better=False, meaning="root of the mean squared distance"),
        Metric("r2", greater_is_better=True, meaning="share of the truth's variation that is predicted"),
        Metric("explained_variance", greater_is_better=True, meaning="the same, a constant bias forgiven"),
        Metric(
            "mean_absolute_percentage_error", greater_is_better=False, meaning="mean distance as a share of the truth"
        ),
        Metric("bias", greater_is_better=False, meaning="mean of prediction minus truth; best at 0, not below"),
        Metric("interval_coverage", greater_is_better=True, meaning="share of truths within their predicted interval"),
    ),
}
"""The metrics of each task, by name."""
USUAL: dict[str, tuple[str, ...]] = {
    "binary": (
        "roc_auc", "average_precision", "accuracy", "f1", "precision", "recall", "log_loss", "brier_score_loss",
    ),
    "multiclass": ("roc_auc_ovr", "accuracy", "balanced_accuracy", "f1_macro", "log_loss"),
    "regression": ("root_mean_squared_error", "mean_absolute_error", "r2", "bias"),
}  # fmt: skip
"""What is measured of each task where the configuration doesn't say; the first chooses the champion."""
_ALL: dict[str, Metric] = {name: metric for metrics in METRICS.values() for name, metric in metrics.items()}


def names(task: str = "binary") -> tuple[str, ...]:
    """Return the names of all metrics of *task*.

    Raises:
        SettingsError: for an unknown task, with the nearest.
    """
    return tuple(METRICS[require(task, METRICS, "task")])


def require(name: str, known: Iterable[str] = _ALL, what: str = "metric") -> str:
    """Return *name* where it is among the *known* ones.

    Raises:
        SettingsError: naming the nearest known one, or all of them.
    """
    choices = list(known)
    if name in choices:
        return name
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"expected one of {', '.join(choices) or '(none)'}"
    raise SettingsError(f"found {what} {name!r}; {hint}")


def greater_is_better(name: str, own: Mapping[str, OwnMetric] | None = None) -> bool:
    """Return whether more of the metric is better; *own* are those of the project, by name.

    Raises:
        SettingsError: for an unknown name, with the nearest.
    """
    mine = own or {}
    if name in mine:
        return mine[name].better == "greater"
    return _ALL[require(name, [*mine, *_ALL])].greater_is_better
