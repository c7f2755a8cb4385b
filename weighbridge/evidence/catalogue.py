"""The metrics by name: what each is, and which way is better. Light, for those who only need the names."""

import dataclasses
import difflib
from collections.abc import Iterable

from weighbridge.errors import SettingsError


@dataclasses.dataclass(frozen=True)
class Metric:
    """What a metric is called, whether more of it is better, and what it says in words."""

    name: str
    greater_is_better: bool
    meaning: str


_BINARY = (
    Metric("roc_auc", greater_is_better=True, meaning="chance that a positive row scores above a negative one"),
    Metric(
        "average_precision", greater_is_better=True, meaning="precision averaged over the recall gained, all thresholds"
    ),
    Metric("accuracy", greater_is_better=True, meaning="share of rows decided rightly"),
    Metric("f1", greater_is_better=True, meaning="harmonic mean of precision and recall"),
    Metric("precision", greater_is_better=True, meaning="share of rows decided positive that are"),
    Metric("recall", greater_is_better=True, meaning="share of positive rows decided positive"),
    Metric("log_loss", greater_is_better=False, meaning="mean negative logarithm of the outcome's probability"),
    Metric("brier_score_loss", greater_is_better=False, meaning="mean squared difference of probability and outcome"),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _BINARY}


def names() -> tuple[str, ...]:
    """Return the names of all metrics."""
    return tuple(METRICS)


def require(name: str, known: Iterable[str] = METRICS, what: str = "metric") -> str:
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


def greater_is_better(name: str) -> bool:
    """Return whether more of the metric is better.

    Raises:
        SettingsError: for an unknown name, with the nearest.
    """
    return METRICS[require(name)].greater_is_better
