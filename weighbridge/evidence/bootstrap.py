"""Intervals by the bootstrap: percentiles of the metrics over resamples of the rows (Efron 1979).

Rows that depend on each other (the flights of a day) are resampled together, whole groups at a time, since
resampling them one by one claims several times the certainty there is (Davison and Hinkley 1997, 3.8).
Without groups, rows are resampled within each class, so that every resample holds both.

One set of resamples serves all metrics and all models under comparison: the difference of two models is taken
within each resample, where most of what makes rows hard or easy cancels out.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.metrics import Floats, Scored
from weighbridge.manifest import Change, Interval

Samples = dict[str, Floats]
_CELLS = 1 << 18  # weights held at once (2 MiB): what fits the cache is also several times faster
_DEFINED = 0.95


def intervals(  # noqa: PLR0913, PLR0917 - rows, and how to resample them
    names: Sequence[str],
    y: npt.ArrayLike,
    p: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    threshold: float,
    confidence: float,
    resamples: int,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return each metric's value on the rows [n], with its percentile interval.

    Args:
        names: metrics wanted.
        y: outcomes [n].
        p: probabilities [n].
        groups: group of each row [n], or ``None`` where rows are independent.
        threshold: probability from which a row is decided to be positive.
        confidence: share of resamples within the interval.
        resamples: how many.
        seed: of the generator; equal seeds give equal intervals.

    Raises:
        DataError: where predictions or outcomes can't be measured, there are fewer than two groups, or too few
            groups hold both classes.
        SettingsError: for an unknown metric.
    """
    ((values, samples),) = measure(names, y, [p], groups, threshold, resamples, seed)
    return {name: interval(values[name], samples[name], confidence) for name in names}


def paired_differences(  # noqa: PLR0913, PLR0917 - rows, and how to resample them
    names: Sequence[str],
    y: npt.ArrayLike,
    p_new: npt.ArrayLike,
    p_old: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    threshold: float,
    confidence: float,
    resamples: int,
    seed: int = 0,
) -> dict[str, Change]:
    """Return, for each metric, the old value and new minus old with its interval, over the same resamples.

    Arguments and errors are those of :func:`intervals`.
    """
    new, old = measure(names, y, [p_new, p_old], groups, threshold, resamples, seed)
    return {name: change(name, new, old, confidence) for name in names}


def measure(  # noqa: PLR0913, PLR0917 - rows, and how to resample them
    names: Sequence[str],
    y: npt.ArrayLike,
    predictions: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None,
    threshold: float | Sequence[float],
    resamples: int,
    seed: int = 0,
) -> tuple[tuple[dict[str, float], Samples], ...]:
    """Return, for each of *predictions* [n], the metrics' values and their samples [resamples].

    Every metric of every prediction sees the same resamples. *threshold* is that of all predictions, or one for each.
    """
    thresholds = threshold if isinstance(threshold, Sequence) else [threshold] * len(predictions)
    models = [Scored(y, p, limit) for p, limit in zip(predictions, thresholds, strict=True)]
    rows = len(models[0].y)
    members = None if groups is None else _members(groups, rows)
    values = [_point(model, names) for model in models]
    parts: list[list[Samples]] = [[] for _ in models]
    for weights in _weights(models[0].y, members, resamples, seed):
        for model, part in zip(models, parts, strict=True):
            part.append(model.under(names, weights))
    samples = [{name: np.concatenate([chunk[name] for chunk in part]) for name in names} for part in parts]
    return tuple(zip(values, samples, strict=True))


def interval(value: float, samples: Floats, confidence: float) -> Interval:
    """Return *value* with the percentiles of *samples* that enclose the share *confidence* of them.

    Raises:
        DataError: where the metric is undefined in more than one resample in twenty.
    """
    defined = samples[np.isfinite(samples)]
    if len(defined) < _DEFINED * len(samples):
        raise DataError(
            f"{len(samples) - len(defined)} of {len(samples)} resamples hold one class only; expected groups enough "
            "that both classes are drawn. Measure a longer span, or leave out the schema's group"
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high))


def change(
    name: str, new: tuple[dict[str, float], Samples], old: tuple[dict[str, float], Samples], confidence: float
) -> Change:
    """Return what became of the metric *name* between two results of one :func:`measure`."""
    difference = interval(new[0][name] - old[0][name], new[1][name] - old[1][name], confidence)
    return Change(baseline=old[0][name], difference=difference)


def _point(model: Scored, names: Sequence[str]) -> dict[str, float]:
    measured = model.under(names, np.ones((1, len(model.y))))
    return {name: float(value[0]) for name, value in measured.items()}


def _members(groups: npt.ArrayLike, rows: int) -> npt.NDArray[np.intp]:
    """Return each row's group as a number from 0."""
    labels = np.asarray(groups)
    if labels.shape != (rows,):
        raise DataError(f"found groups of shape {labels.shape}; expected ({rows},): one group a row")
    # As text: object columns (dates, missing values) have no order to sort by.
    found, numbers = np.unique(labels.astype(str), return_inverse=True)
    if len(found) < 2:  # noqa: PLR2004 - one group has nothing to vary by
        raise DataError(
            f"all {rows} rows are of one group ({found[0]}); expected at least two, and many for an honest interval. "
            "Measure a longer span, or leave out the schema's group"
        )
    return numbers.reshape(-1)


def _weights(
    positive: npt.NDArray[np.bool_], members: npt.NDArray[np.intp] | None, resamples: int, seed: int
) -> Iterator[Floats]:
    """Yield how often each row is drawn, [some, n] at a time, until there are *resamples*."""
    generator = np.random.Generator(np.random.PCG64(seed))
    step = max(1, _CELLS // len(positive))
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        if members is not None:
            drawn = _counts(generator, count, int(members.max()) + 1)
            yield np.take(drawn, members, axis=1)
            continue
        weights = np.empty((count, len(positive)))
        for stratum in (np.flatnonzero(positive), np.flatnonzero(~positive)):
            weights[:, stratum] = _counts(generator, count, len(stratum))
        yield weights


def _counts(generator: np.random.Generator, count: int, size: int) -> Floats:
    """Draw *size* of *size* things with replacement, *count* times; return how often each was drawn [count, size]."""
    drawn = generator.integers(0, size, size=(count, size))
    drawn += np.arange(count)[:, np.newaxis] * size
    return np.bincount(drawn.reshape(-1), minlength=count * size).reshape(count, size).astype(np.float64)
