"""Whatever way a metric takes, its samples are those of the rows, each as often as it was drawn."""

import tracemalloc
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from weighbridge.evidence import bootstrap, catalogue, designs, metrics, resampling
from weighbridge.evidence.metrics.totals import exact

Floats = npt.NDArray[np.float64]
RESAMPLES = 70  # more than a chunk


def make(task: str, n: int = 240, *, seed: int = 0) -> tuple[Any, list[Any]]:
    """Outcomes, and two models' predictions with a few ties."""
    random = np.random.default_rng(seed)
    if task == "binary":
        y = random.integers(0, 2, n)
        return y, [np.round(np.clip(0.2 * y + 0.8 * random.random(n), 0, 1), digits) for digits in (2, 8)]
    if task == "multiclass":
        return np.arange(n) % 3, [random.dirichlet(np.ones(3), n) for _ in range(2)]
    truth = random.normal(size=n)
    guesses = [truth + random.normal(size=n) for _ in range(2)]
    return truth, [np.stack([guess, guess - 1, guess + 1], axis=1) for guess in guesses]


def literally(task: str, y: Any, predictions: list[Any], drawn: Any) -> list[dict[str, list[float]]]:
    """Each model's metrics of rows that are repeated as often as *drawn* [resamples, n] says."""
    names = catalogue.names(task)
    found: list[dict[str, list[float]]] = []
    for p in predictions:
        rows = [metrics.scored(task, y, p).under(names, weights[np.newaxis].astype(float)) for weights in drawn]
        found.append({name: [float(row[name][0]) for row in rows] for name in names})
    return found


@pytest.mark.parametrize("task", catalogue.TASKS)
@pytest.mark.parametrize("many", [False, True])
def test_samples_of_groups_are_those_of_their_rows(task: str, many: bool, monkeypatch: Any) -> None:  # noqa: FBT001 - a parameter
    """Patterns, sums by group, pairs between groups (or, with many groups, rows) all come to the same."""
    if many:
        monkeypatch.setattr(designs, "MANY_GROUPS", 1)
    y, predictions = make(task)
    groups = np.random.default_rng(1).integers(0, 12, len(y))
    names = catalogue.names(task)
    drawn = np.concatenate([
        resampling.counts(chunk.generator(0), chunk.resamples, 12)
        for chunk in (resampling.Chunk(0, 64, 5), resampling.Chunk(64, RESAMPLES - 64, 5))
    ])  # fmt: skip
    measured = bootstrap.measure(names, y, predictions, groups, 0.5, RESAMPLES, 5, task=task)
    expected = literally(task, y, predictions, drawn[:, groups])
    for (_, samples), rows in zip(measured, expected, strict=True):
        for name in names:
            assert samples[name] == pytest.approx(rows[name], abs=1e-9), name


@pytest.mark.parametrize("task", catalogue.TASKS)
def test_samples_of_rows_are_those_of_the_drawn_rows(task: str) -> None:
    y, predictions = make(task)
    names = [name for name in catalogue.names(task) if not metrics.scored(task, y, predictions[0]).sees_decisions(name)]
    order = designs.Independent.order(metrics.scored(task, y, predictions[0]), names)
    y, predictions = y[order], [p[order] for p in predictions]
    sizes = [len(y)] if task == "regression" else np.bincount(y).tolist()
    chunk = resampling.Chunk(0, 60, 5)
    drawn = np.concatenate(
        [resampling.counts(chunk.generator(2 * k), 60, size) for k, size in enumerate(sizes)], axis=1
    )
    measured = bootstrap.measure(names, y, predictions, None, 0.5, 60, 5, task=task)
    expected = literally(task, y, predictions, drawn)
    for (_, samples), rows in zip(measured, expected, strict=True):
        for name in names:
            assert samples[name] == pytest.approx(rows[name], abs=1e-9), name


@pytest.mark.parametrize("task", catalogue.TASKS)
def test_values_are_those_of_all_rows_to_the_bit(task: str) -> None:
    y, predictions = make(task)
    names = catalogue.names(task)
    for groups in (None, np.arange(len(y)) % 7):
        measured = bootstrap.measure(names, y, predictions, groups, 0.5, 10, task=task)
        for (values, _), p in zip(measured, predictions, strict=True):
            assert values == metrics.compute(names, y, p, task=task)


@pytest.mark.parametrize("task", ["binary", "multiclass"])  # a regression decides nothing
def test_patterns_of_decisions_vary_as_rows_do(task: str) -> None:
    """Accuracy within classes has the variance of independent draws; of both models, and of their difference."""
    y, predictions = make(task, 900)
    measured = bootstrap.measure(["accuracy"], y, predictions, None, 0.5, 8000, task=task)
    right = [metrics.scored(task, y, p).decided == y for p in predictions]
    samples = [found["accuracy"] for _, found in measured]
    for drawn, column in (*zip(samples, right, strict=True), (samples[0] - samples[1], 1.0 * right[0] - right[1])):
        variance = sum(column[y == part].var() * (y == part).sum() for part in np.unique(y)) / len(y) ** 2
        assert drawn.var() == pytest.approx(variance, rel=0.08)
        assert drawn.mean() == pytest.approx(column.mean(), abs=4 * np.sqrt(variance / 8000))


@pytest.mark.parametrize("task", catalogue.TASKS)
@pytest.mark.parametrize("grouped", [False, True])
def test_samples_depend_on_neither_threads_nor_batches_nor_their_number(
    task: str,
    grouped: bool,  # noqa: FBT001 - a parameter
    monkeypatch: Any,
) -> None:
    y, predictions = make(task)
    groups = np.arange(len(y)) % 16 if grouped else None
    names = catalogue.names(task)

    def samples(resamples: int = 150) -> list[list[float]]:
        measured = bootstrap.measure(names, y, predictions, groups, 0.5, resamples, 7, task=task)
        return [found[name].tolist() for _, found in measured for name in names]

    first = samples()
    for cores, cells in ((1, 1 << 17), (5, 1 << 17), (3, 700), (2, 1)):
        monkeypatch.setattr(resampling, "cores", lambda cores=cores: cores)
        monkeypatch.setattr(resampling, "_CELLS", cells)
        assert samples() == first
    assert samples(100) == [found[:100] for found in first]
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads):
            assert samples() == first


def test_the_order_of_rows_with_groups_changes_no_bit() -> None:
    y, predictions = make("binary")
    groups, order = np.arange(len(y)) % 15, np.random.default_rng(3).permutation(len(y))
    names = catalogue.names("binary")
    first = bootstrap.measure(names, y, predictions, groups, 0.5, 100)
    again = bootstrap.measure(names, y[order], [p[order] for p in predictions], groups[order], 0.5, 100)
    for (values, samples), (other_values, others) in zip(first, again, strict=True):
        assert values == other_values
        assert {name: found.tolist() for name, found in samples.items()} == {k: v.tolist() for k, v in others.items()}


@pytest.mark.parametrize("size", [1, 2, 300, 4096, 20_001])
def test_every_resample_has_as_many_rows_as_there_are(size: int) -> None:
    drawn = resampling.counts(np.random.default_rng(0), 30, size)
    assert drawn.shape == (30, size)
    assert drawn.dtype.kind == "u"
    assert (drawn.sum(axis=1, dtype=np.int64) == size).all()


@pytest.mark.parametrize("size", [500, 5000])
def test_counts_are_distributed_as_draws_with_replacement(size: int) -> None:
    """One row's count is binomial (chi-squared over all rows), and two rows' counts repel each other by 1 / n."""
    drawn = resampling.counts(np.random.default_rng(0), 400, size).astype(np.float64)
    seen = np.bincount(drawn.astype(int).reshape(-1), minlength=12)[:7]
    expected = stats.binom.pmf(np.arange(7), size, 1 / size) * drawn.size
    assert (((seen - expected) ** 2 / expected)[expected > 5]).sum() < stats.chi2.ppf(0.9999, 7)
    halves = drawn[:, : size // 2].sum(axis=1)  # binomial with n / 4 as its variance
    assert halves.var() == pytest.approx(size / 4, rel=0.25)
    assert halves.mean() == pytest.approx(size / 2, abs=4 * np.sqrt(size / 4 / 400))


def test_sixteen_bits_and_the_rest_make_the_whole_distribution() -> None:
    poisson = resampling._poisson(4096)
    mean = 1 - 5 / 64
    table = np.bincount(poisson.table, minlength=256)[:40] / 65536
    left = (poisson.table == 255).mean()
    chances = table + left * np.diff(poisson.rest, prepend=0)
    assert chances == pytest.approx(stats.poisson.pmf(np.arange(40), mean), abs=1e-15)


@given(
    st.lists(st.floats(-1e9, 1e9, allow_subnormal=False), min_size=2, max_size=50), st.randoms(use_true_random=False)
)
@settings(max_examples=60, deadline=None)
def test_sums_of_a_rounded_column_are_the_same_in_any_order(values: list[float], random: Any) -> None:
    column = exact(values)
    assert column == pytest.approx(values, abs=max(map(abs, values)) * 1e-12, rel=0)
    shuffled = column.tolist()
    random.shuffle(shuffled)
    assert sum(shuffled) == float(column.sum()) == float(column @ np.ones(len(column)))


@pytest.mark.parametrize("names", [["accuracy", "f1"], ["roc_auc"], ["log_loss", "expected_calibration_error"]])
def test_memory_is_that_of_a_few_columns(names: list[str]) -> None:
    n = 200_000
    y, predictions = make("binary", n)
    tracemalloc.start()
    bootstrap.measure(names, y, predictions, None, 0.5, 256)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * 8 * n  # 64 MB; weights of all resamples would be 51 MB as bytes, 410 MB as numbers


def test_groups_are_numbered_in_the_order_of_their_labels() -> None:
    for labels in (["b", "a", "b", None], [7, 3, 7, 900], [7.0, 3.0, 7.0, 9.5], np.array([2, 1, 2, 10**9])):
        numbers, count = designs.group_numbers(np.array(labels), 4)
        assert count == 3
        assert numbers[0] == numbers[2] != numbers[1]
        assert sorted(set(numbers.tolist())) == [0, 1, 2]
