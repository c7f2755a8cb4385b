import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import stambo
from scipy import stats

from weighbridge.errors import DataError, SettingsError
from weighbridge.evidence import bootstrap, metrics
from weighbridge.manifest import Change, Interval

NAMES = metrics.names()
Floats = npt.NDArray[np.float64]


def make_rows(n: int, groups: int, *, spread: float = 0.0, seed: int = 0) -> tuple[Any, Floats, Floats, Any]:
    """Outcomes, two models' probabilities and groups; *spread* is how much the days differ in what can't be known."""
    random = np.random.default_rng(seed)
    group = np.arange(n) % groups
    weather = random.normal(0, spread, groups)[group]
    score = random.normal(-0.8, 1.0, n)
    y = (random.random(n) < 1 / (1 + np.exp(-score - weather))).astype(int)
    new = 1 / (1 + np.exp(-score))
    old = 1 / (1 + np.exp(-score - random.normal(0, 0.4, n)))
    return y, new, old, group


def intervals(  # noqa: PLR0913 - rows, and how to resample them
    names: Sequence[str], y: Any, p: Any, groups: Any, resamples: int, *, seed: int = 0, task: str = "binary"
) -> dict[str, Interval]:
    """Percentile intervals as they are for any number of groups."""
    ((values, samples),) = bootstrap.measure(names, y, [p], groups, 0.5, resamples, seed, task=task)
    return {name: bootstrap.interval(values[name], samples[name], 0.95) for name in names}


def differences(  # noqa: PLR0913, PLR0917 - likewise
    names: Sequence[str], y: Any, new: Any, old: Any, groups: Any, resamples: int
) -> dict[str, Change]:
    one, other = bootstrap.measure(names, y, [new, old], groups, 0.5, resamples)
    return {name: bootstrap.change(name, one, other, 0.95) for name in names}


def width(interval: Interval) -> float:
    return interval.high - interval.low


def test_without_groups_it_agrees_with_scipy_on_a_mean() -> None:
    """Accuracy within classes: scipy resamples the two classes as two samples."""
    y, p, _, _ = make_rows(400, 10)
    right = ((p >= 0.5) == y).astype(float)

    def accuracy(a: Any, b: Any, axis: int) -> Any:
        return (a.sum(axis) + b.sum(axis)) / (a.shape[axis] + b.shape[axis])

    theirs = stats.bootstrap(
        (right[y == 1], right[y == 0]), accuracy, n_resamples=20_000, method="percentile", rng=1
    ).confidence_interval
    ours = intervals(["accuracy"], y, p, None, 20_000)["accuracy"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.0026)  # a row is 0.0025


def test_without_groups_it_agrees_with_scipy_on_the_area() -> None:
    y, p, _, _ = make_rows(200, 10)

    def area(a: Any, b: Any, axis: int) -> Any:  # noqa: ARG001 - scipy asks for it
        return (a[..., :, np.newaxis] > b[..., np.newaxis, :]).mean((-2, -1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = stats.bootstrap((p[y == 1], p[y == 0]), area, n_resamples=2000, method="percentile", batch=100, rng=1)
    ours = intervals(["roc_auc"], y, p, None, 4000)["roc_auc"]
    limits = theirs.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((limits.low, limits.high), abs=0.2 * theirs.standard_error)


def test_with_groups_it_agrees_with_scipy_on_sums_of_groups() -> None:
    y, p, _, groups = make_rows(900, 30, spread=1.0)
    right = np.bincount(groups, (p >= 0.5) == y)
    size = np.bincount(groups).astype(float)

    def accuracy(a: Any, b: Any, axis: int) -> Any:
        return a.sum(axis) / b.sum(axis)

    theirs = stats.bootstrap((right, size), accuracy, paired=True, n_resamples=20_000, method="percentile", rng=1)
    ours = intervals(["accuracy"], y, p, groups, 20_000)["accuracy"]
    limits = theirs.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((limits.low, limits.high), abs=0.1 * theirs.standard_error)


def test_with_groups_it_agrees_with_stambo_on_a_paired_difference_of_areas() -> None:
    y, new, old, groups = make_rows(600, 30, spread=1.0)

    def area(rows: Floats) -> float:
        """Scikit-learn's area, in a tenth of its time (Mann and Whitney 1947)."""
        high = rows[:, 0] == 1
        possible = high.sum() * (~high).sum()
        return float((stats.rankdata(rows[:, 1])[high].sum() - high.sum() * (high.sum() + 1) / 2) / possible)

    theirs = stambo.bootstrap_arrays(
        tuple(np.column_stack([y, p]) for p in (new, old)),
        {"area": area},
        groups=groups, n_bootstrap=800, seed=1, silent=True,
    )["area"]  # fmt: skip
    difference = theirs[:, 0] - theirs[:, 1]
    ours = differences(["roc_auc"], y, new, old, groups, 8000)["roc_auc"].difference
    expected = np.quantile(difference, [0.025, 0.975])
    assert (ours.low, ours.high) == pytest.approx(tuple(expected), abs=0.35 * float(difference.std()))
    middle = intervals(["roc_auc"], y, new, groups, 8000)["roc_auc"]
    assert width(middle) == pytest.approx(float(np.ptp(np.quantile(theirs[:, 0], [0.025, 0.975]))), rel=0.15)


def test_rows_that_depend_on_each_other_widen_the_interval() -> None:
    y, p, _, groups = make_rows(6000, 30, spread=1.5)
    alone = intervals(["brier_score_loss"], y, p, None, 1000)["brier_score_loss"]
    together = intervals(["brier_score_loss"], y, p, groups, 1000)["brier_score_loss"]
    assert width(together) > 2 * width(alone)


def test_a_paired_difference_is_narrower_than_an_unpaired_one() -> None:
    y, new, old, groups = make_rows(3000, 30, spread=1.0)
    paired = differences(NAMES, y, new, old, groups, 1000)
    new_alone = intervals(NAMES, y, new, groups, 1000, seed=1)
    old_alone = intervals(NAMES, y, old, groups, 1000, seed=2)
    for name in ("roc_auc", "average_precision", "log_loss", "brier_score_loss"):
        unpaired = np.hypot(width(new_alone[name]), width(old_alone[name]))
        assert width(paired[name].difference) < 0.8 * unpaired


def test_differences_are_new_minus_old_beside_the_old_value() -> None:
    y, new, old, groups = make_rows(1000, 20)
    changes = differences(NAMES, y, new, old, groups, 200)
    for name, value in metrics.compute(NAMES, y, old, 0.5).items():
        assert changes[name].baseline == pytest.approx(value)
        assert changes[name].difference.value == pytest.approx(metrics.compute([name], y, new, 0.5)[name] - value)


def test_a_model_does_not_differ_from_itself() -> None:
    y, p, _, groups = make_rows(500, 10)
    for change in differences(NAMES, y, p, p, groups, 200).values():
        assert change.difference == Interval(value=0.0, low=0.0, high=0.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 samples from one population, about 95 % of the intervals hold the population's accuracy."""
    y, p, _, _ = make_rows(200_000, 10, seed=5)
    truth = float(((p >= 0.5) == y).mean())
    held = 0
    for part in range(200):
        at = slice(part * 300, (part + 1) * 300)
        found = intervals(["accuracy"], y[at], p[at], np.arange(300), 400)["accuracy"]
        held += found.low <= truth <= found.high
    assert 182 <= held <= 199


def test_a_metric_s_interval_does_not_depend_on_the_others() -> None:
    y, p, _, groups = make_rows(500, 10)
    together = intervals(NAMES, y, p, groups, 300)
    assert together["f1"] == intervals(["f1"], y, p, groups, 300)["f1"]


@pytest.mark.parametrize("grouped", [True, False])
def test_equal_seeds_give_equal_intervals_and_others_do_not(grouped: bool) -> None:  # noqa: FBT001 - a parameter
    y, p, _, groups = make_rows(500, 10)
    first, again, other = (
        intervals(["roc_auc"], y, p, groups if grouped else None, 300, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_groups_may_be_text_or_have_missing_ones() -> None:
    y, p, _, groups = make_rows(500, 10)
    named = np.array([f"day {group}" for group in groups], dtype=object)
    as_numbers = intervals(["brier_score_loss"], y, p, groups, 300)
    assert intervals(["brier_score_loss"], y, p, named, 300) == as_numbers
    named[groups == 9] = None
    assert (
        intervals(["brier_score_loss"], y, p, named, 300)["brier_score_loss"].value
        == as_numbers["brier_score_loss"].value
    )


def test_one_group_is_refused() -> None:
    y, p, _, _ = make_rows(100, 5)
    with pytest.raises(DataError, match="all 100 rows are of one group"):
        intervals(["brier_score_loss"], y, p, np.zeros(100), 200)


def test_groups_of_another_length_are_refused() -> None:
    y, p, _, _ = make_rows(100, 5)
    with pytest.raises(DataError, match=r"expected \(100,\): one group a row"):
        intervals(["brier_score_loss"], y, p, np.arange(99), 200)


def test_too_few_groups_with_both_classes_are_refused() -> None:
    y = np.array([0] * 50 + [1] * 50)
    with pytest.raises(DataError, match="resamples hold one class only"):
        intervals(["roc_auc"], y, np.linspace(0, 1, 100), y, 200)


def test_predictions_that_are_not_finite_are_refused() -> None:
    y, p, old, groups = make_rows(100, 5)
    old[3] = np.nan
    with pytest.raises(DataError, match="NaN or infinite"):
        differences(["brier_score_loss"], y, p, old, groups, 200)


def test_an_unknown_metric_is_refused() -> None:
    y, p, _, groups = make_rows(100, 5)
    with pytest.raises(SettingsError, match="did you mean 'brier_score_loss'"):
        intervals(["brier_score"], y, p, groups, 200)


@pytest.mark.parametrize("upper", [True, False])
def test_a_bound_is_one_end_of_the_interval_at_twice_the_error(upper: bool) -> None:  # noqa: FBT001 - a parameter
    samples = np.random.default_rng(0).normal(size=5000)
    found = bootstrap.interval(0.0, samples, 0.90, groups=12)
    assert bootstrap.bound(samples, 0.95, upper=upper, groups=12) == pytest.approx(found.high if upper else found.low)


@pytest.mark.parametrize("groups", [2, 5, 30, 365])
def test_few_groups_widen_the_levels_as_hesterberg_says(groups: int) -> None:
    expanded = stats.norm.cdf(-np.sqrt(groups / (groups - 1)) * stats.t.ppf(0.975, groups - 1))
    assert bootstrap.level(0.025, groups) == pytest.approx(expanded, rel=1e-9)
    assert bootstrap.level(0.025, groups) < bootstrap.level(0.025, None) == 0.025
    assert bootstrap.level(0.025, 10**6) == pytest.approx(0.025, rel=1e-4)


def test_widened_for_few_groups_it_covers_as_it_says_and_plain_percentiles_do_not() -> None:
    random = np.random.default_rng(3)
    held = np.zeros(2)
    for _ in range(400):
        errors, groups = np.repeat(random.normal(size=8), 5), np.repeat(np.arange(8), 5)
        ((values, samples),) = bootstrap.measure(["bias"], np.zeros(40), [errors], groups, 0.5, 400, task="regression")
        for number, few in enumerate((8, None)):
            found = bootstrap.interval(values["bias"], samples["bias"], 0.95, few)
            held[number] += found.low <= 0 <= found.high
    assert 0.92 <= held[0] / 400 <= 0.98
    assert held[1] / 400 <= 0.91


def test_shares_of_rows_are_compared_over_the_same_resamples() -> None:
    y, new, old, groups = make_rows(600, 20)
    right = np.stack([(p >= 0.5) == y for p in (new, old)])
    for resampled in (groups, None):
        values, samples = bootstrap.means(right, resampled, 2000)
        assert values.tolist() == right.mean(axis=1).tolist()
        assert samples.shape == (2, 2000)
        assert (samples[0] - samples[1]).std() < 0.9 * np.hypot(samples[0].std(), samples[1].std())
        alone = bootstrap.mean(right[0], resampled, 2000)
        assert alone[0] == values[0]
        assert alone[1].std() == pytest.approx(samples[0].std(), rel=0.1)
    ((_, measured),) = bootstrap.measure(["accuracy"], y, [new], groups, 0.5, 2000)
    assert bootstrap.mean(right[0], groups, 2000)[1].tolist() == measured["accuracy"].tolist()


def test_strata_take_their_part_out_of_a_share_s_error() -> None:
    stratum = np.repeat([0, 1], 500)
    held = np.random.default_rng(0).random(1000) < np.where(stratum, 0.95, 0.05)
    shares = [held[stratum == part].mean() for part in (0, 1)]
    expected = np.sqrt(sum(500 * share * (1 - share) for share in shares)) / 1000
    assert bootstrap.mean(held, None, 8000, strata=stratum)[1].std() == pytest.approx(expected, rel=0.05)
    whole = np.sqrt(held.mean() * (1 - held.mean()) / 1000)
    assert bootstrap.mean(held, None, 8000)[1].std() == pytest.approx(whole, rel=0.05)


def test_a_share_of_no_rows_is_refused() -> None:
    with pytest.raises(DataError, match="at least one row"):
        bootstrap.mean(np.zeros(0, dtype=bool), None, 200)
    with pytest.raises(DataError, match="one group a row"):
        bootstrap.mean(np.ones(3, dtype=bool), [1, 2], 200)
