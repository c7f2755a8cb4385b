"""Bootstrap intervals beside those of SciPy and stambo.

Measured: whether the samples agree, as the distance of their 2.5 % and 97.5 % quantiles in Monte Carlo standard errors
of both (the greatest of all comparisons), and how much faster the area under the curve gets 2,000 resamples of 30,000
rows. Predictions are made up, with a seed.

Peers: ``scipy.stats.bootstrap``, by percentiles, over the two classes as two samples: our scheme where rows are
independent; with scikit-learn's ``roc_auc_score`` as its statistic, as most would write it. And ``stambo`` for whole
groups, on the paired difference of two models.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.measure import Figure, finish
from weighbridge.evidence import bootstrap

RATIO_GOAL = 20.0
DISTANCE_GOAL = 4.5
_ROWS = 30_000
_RESAMPLES = 2000
_FEWER = 100  # of SciPy's resamples at a time; its time grows with their number and nothing else
_AGREEMENT_ROWS = 600
_GROUPS = 30
_TAILS = (0.025, 0.975)

Floats = npt.NDArray[np.float64]


def main() -> None:
    """Run, print and judge."""
    distance = max(_agreement_with_scipy(), _agreement_with_stambo())
    ours, theirs = _times()
    print(f"  {_ROWS} rows, {_RESAMPLES} resamples, roc_auc: {ours:.3f} s; SciPy with scikit-learn {theirs:.1f} s")
    finish(
        Figure("interval_distance_in_errors", distance, DISTANCE_GOAL),
        Figure("interval_ratio_to_scipy", theirs / ours, RATIO_GOAL, at_least=True),
    )


def _rows(n: int) -> tuple[npt.NDArray[np.int64], Floats, Floats, npt.NDArray[np.int64]]:
    """Return outcomes, two models' probabilities, and groups that differ in what can't be known."""
    random = np.random.default_rng(1)
    group = np.arange(n) % _GROUPS
    score = random.normal(-0.9, 1.0, n)
    chance = 1 / (1 + np.exp(-score - random.normal(0, 0.5, _GROUPS)[group]))
    y = (random.random(n) < chance).astype(np.int64)
    new, old = (1 / (1 + np.exp(-score - random.normal(0, noise, n))) for noise in (0.3, 0.5))
    return y, new, old, group


def _area(high: Floats, low: Floats) -> float:
    from sklearn.metrics import roc_auc_score

    truth = np.concatenate([np.ones(len(high)), np.zeros(len(low))])
    return float(roc_auc_score(truth, np.concatenate([high, low])))


def _scipy(y: Any, p: Floats, statistic: Callable[..., Any], resamples: int) -> Floats:
    from scipy import stats

    found = stats.bootstrap(
        (p[y == 1], p[y == 0]), statistic, n_resamples=resamples, method="percentile", vectorized=False, rng=7
    )
    return np.asarray(found.bootstrap_distribution, dtype=np.float64)


def _agreement_with_scipy() -> float:
    """Return the greatest distance over metrics that are means, and the area."""
    y, p, _, _ = _rows(_AGREEMENT_ROWS)
    share = float(np.mean(y))

    def accuracy(high: Floats, low: Floats) -> float:
        return float(share * np.mean(high >= 0.5) + (1 - share) * np.mean(low < 0.5))

    def brier(high: Floats, low: Floats) -> float:
        return float(share * np.mean((1 - high) ** 2) + (1 - share) * np.mean(low**2))

    ((_, ours),) = bootstrap.measure(["accuracy", "brier_score_loss", "roc_auc"], y, [p], None, 0.5, 20_000)
    theirs = {"accuracy": (accuracy, 10_000), "brier_score_loss": (brier, 10_000), "roc_auc": (_area, 2000)}
    return max(
        _distance(f"{name}, SciPy", ours[name], _scipy(y, p, function, resamples))
        for name, (function, resamples) in theirs.items()
    )


def _agreement_with_stambo() -> float:
    """Return the greatest distance for two models and their difference, over whole groups."""
    import stambo
    from sklearn.metrics import roc_auc_score

    y, new, old, group = _rows(_AGREEMENT_ROWS)
    theirs = stambo.bootstrap_arrays(
        tuple(np.column_stack([y, p]) for p in (new, old)),
        {"roc_auc": lambda rows: roc_auc_score(rows[:, 0], rows[:, 1])},
        groups=group, n_bootstrap=_RESAMPLES, seed=7, silent=True,
    )["roc_auc"]  # fmt: skip
    ours = [found["roc_auc"] for _, found in bootstrap.measure(["roc_auc"], y, [new, old], group, 0.5, 20_000)]
    return max(
        _distance("roc_auc of groups, stambo", ours[0], theirs[:, 0]),
        _distance("its paired difference, stambo", ours[0] - ours[1], theirs[:, 0] - theirs[:, 1]),
    )


def _distance(what: str, ours: Floats, theirs: Floats) -> float:
    """Return how far both quantiles are apart, in standard errors of their difference.

    The error of a quantile is sqrt(q (1 - q) / resamples) over the density there, that of the pooled samples.
    """
    pooled = np.sort(np.concatenate([ours, theirs]))
    worst = 0.0
    for tail in _TAILS:
        step = 0.01
        density = 2 * step / max(float(np.diff(np.quantile(pooled, [tail - step, tail + step]))[0]), 1e-12)
        error = np.sqrt(tail * (1 - tail) * (1 / len(ours) + 1 / len(theirs))) / density
        apart = abs(float(np.quantile(ours, tail) - np.quantile(theirs, tail)))
        worst = max(worst, apart / error)
    ends = [", ".join(f"{end:.4f}" for end in np.quantile(samples, _TAILS)) for samples in (ours, theirs)]
    print(f"  {what}: ours {ends[0]}, theirs {ends[1]}; {worst:.1f} Monte Carlo errors apart", flush=True)
    return worst


def _times() -> tuple[float, float]:
    """Return seconds for all resamples: ours, the median of some runs; SciPy's, from fewer resamples, in turns."""
    y, p, _, _ = _rows(_ROWS)
    ours, theirs = [], []
    for _ in range(5):
        started = time.perf_counter()
        bootstrap.measure(["roc_auc"], y, [p], None, 0.5, _RESAMPLES)
        ours.append(time.perf_counter() - started)
        started = time.perf_counter()
        _scipy(y, p, _area, _FEWER)
        theirs.append((time.perf_counter() - started) * _RESAMPLES / _FEWER)
    return statistics.median(ours), statistics.median(theirs)


if __name__ == "__main__":
    main()
