from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import bootstrap, metrics
from weighbridge.settings import OwnMetric

HITS = OwnMetric(function="own_metrics:hits_per_row", sees="decisions")
AREA = OwnMetric(function="own_metrics:area")


def own(name: str, **values: Any) -> dict[str, OwnMetric]:
    return {"mine": OwnMetric(function=f"own_metrics:{name}", **values)}


def make_rows(n: int = 400) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, n)
    return y, np.clip(0.3 * y + random.random(n) * 0.7, 0, 1), np.arange(n) % 20


@pytest.mark.parametrize("weights", [None, np.arange(400) % 3])
def test_an_own_metric_sees_decisions_or_probabilities_and_weights(weights: Any) -> None:
    y, p, _ = make_rows()
    found = metrics.compute(["hits", "area"], y, p, 0.6, weights, own={"hits": HITS, "area": AREA})
    assert found == pytest.approx({
        "hits": reference.accuracy_score(y, p >= 0.6, sample_weight=weights),
        "area": reference.roc_auc_score(y, p, sample_weight=weights),
    })  # fmt: skip


@pytest.mark.parametrize("grouped", [True, False])
def test_an_own_metric_has_the_interval_of_ours_that_it_equals(grouped: bool) -> None:  # noqa: FBT001 - a parameter
    """The same resamples, so the same samples; of decisions it sees patterns of rows instead of rows."""
    y, p, groups = make_rows()
    ((values, samples),) = bootstrap.measure(
        ["accuracy", "hits", "roc_auc", "area"], y, [p], groups if grouped else None, 0.6, 100,
        own={"hits": HITS, "area": AREA},
    )  # fmt: skip
    assert samples["hits"] == pytest.approx(samples["accuracy"], abs=1e-12)
    assert samples["area"] == pytest.approx(samples["roc_auc"], abs=1e-12)
    assert (values["hits"], values["area"]) == pytest.approx((values["accuracy"], values["roc_auc"]))


def test_an_own_metric_of_a_regression_sees_numbers() -> None:
    random = np.random.default_rng(0)
    y = random.normal(size=50)
    predictions = np.stack([y + 0.3, y - 1, y + 1], axis=1)
    found = metrics.compute(["mine"], y, predictions, task="regression", own=own("median_error", sees="decisions"))
    assert found == pytest.approx({"mine": 0.3})


def test_an_own_metric_of_many_classes_sees_all_probabilities() -> None:
    random = np.random.default_rng(0)
    y, p = random.integers(0, 3, 90), random.dirichlet(np.ones(3), 90)
    mine = {"loss": OwnMetric(function="sklearn.metrics:log_loss", better="lower"), "hits": HITS}
    found = metrics.compute(["loss", "hits"], y, p, task="multiclass", own=mine)
    assert found == pytest.approx({
        "loss": reference.log_loss(y, p), "hits": reference.accuracy_score(y, p.argmax(axis=1)),
    })  # fmt: skip
    assert not metrics.greater_is_better("loss", mine)
    assert metrics.greater_is_better("hits", mine)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("not_a_number", r"metric mine \(own_metrics:not_a_number\) is nan on all rows; expected a finite number"),
        ("words", "metric mine .* gives a str on all rows; expected a number"),
        ("fragile", r"metric mine \(own_metrics:fragile\) fails on resample 0: ZeroDivisionError: no weight"),
    ],
)
def test_an_own_metric_that_fails_is_named_and_where(name: str, says: str) -> None:
    y, p, groups = make_rows()
    for resampled in (groups, None):
        with pytest.raises(DataError, match=says):
            bootstrap.measure(["mine"], y, [p], resampled, 0.5, 200, own=own(name))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("NO_FUNCTION", "own_metrics:NO_FUNCTION: found a int; expected a function .*metrics.own.mine"),
        ("absent", "has no 'absent'"),
    ],
)
def test_what_is_no_function_is_refused(name: str, says: str) -> None:
    y, p, _ = make_rows()
    with pytest.raises(SettingsError, match=says):
        metrics.compute(["mine"], y, p, own=own(name))


def test_an_unknown_name_is_compared_with_own_ones_too() -> None:
    y, p, _ = make_rows()
    with pytest.raises(SettingsError, match="found metric 'mime'; did you mean 'mine'"):
        metrics.compute(["mime"], y, p, own=own("area"))
