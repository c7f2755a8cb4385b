"""Intervals by the bootstrap: percentiles of the metrics over resamples of the rows (Efron 1979).

Rows that depend on each other (the flights of a day) are resampled together, whole groups at a time, since
resampling them one by one claims several times the certainty there is (Davison and Hinkley 1997, 3.8).
Without groups, rows are resampled within each class, so that every resample holds both; those of a regression as one.

One set of resamples serves all models under comparison: the difference of two models is taken within each resample,
where most of what makes rows hard or easy cancels out.

A few groups make percentiles too narrow: they ignore both that a variance was estimated and its factor (G - 1) / G.
With G groups the percentiles are therefore those of level Phi(-sqrt(G / (G - 1)) t), where t is Student's quantile
with G - 1 degrees of freedom: the expanded percentile interval of Hesterberg 2015, The American Statistician 69(4).

What is exact, and what it costs (n rows, R resamples):

- Of decisions only the count of each pattern of outcome and decisions matters, so patterns are drawn, in one
  multinomial draw: R times a handful.
- Of groups only the sums matter, and for the area under the curve the pairs between two groups: n once, then R times
  the groups, or their square.
- Otherwise each row's count is drawn: R times n, on rows sorted once. Memory is that of a few columns of n.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from weighbridge.errors import DataError
from weighbridge.evidence.designs import Design, Grouped, Independent, alike, group_numbers
from weighbridge.evidence.metrics import defined, scored
from weighbridge.evidence.metrics.totals import Array, Floats, Index
from weighbridge.evidence.resampling import Chunk, Samples, counts, run
from weighbridge.manifest import Change, Interval
from weighbridge.settings import OwnMetric

__all__ = ["Measured", "Samples", "bound", "change", "interval", "mean", "means", "measure"]

Measured = tuple[dict[str, float], Samples]
"""The metrics' values, and their samples [resamples]."""
_DEFINED = 0.95
_INDICATORS = 16


def measure(  # noqa: PLR0913, PLR0917 - rows, and how to resample them
    names: Sequence[str],
    y: npt.ArrayLike,
    predictions: Sequence[npt.ArrayLike],
    groups: npt.ArrayLike | None,
    threshold: float | Sequence[float],
    resamples: int,
    seed: int = 0,
    *,
    task: str = "binary",
    own: Mapping[str, OwnMetric] | None = None,
) -> tuple[Measured, ...]:
    """Return, for each of *predictions*, the metrics' values and their samples [resamples], over the same resamples.

    Args:
        names: metrics wanted.
        y: outcomes [n], as :func:`weighbridge.evidence.metrics.scored` takes them.
        predictions: those of each model, likewise.
        groups: group of each row [n], or ``None`` where rows are independent.
        threshold: probability from which a row is decided to be positive; that of all models, or one for each.
        resamples: how many.
        seed: of the generator; equal seeds give equal samples, on any number of threads.
        task: ``binary``, ``multiclass`` or ``regression``.
        own: the project's own metrics, by name.

    Raises:
        DataError: where predictions or outcomes can't be measured, there are fewer than two groups, or an own metric
            fails.
        SettingsError: for an unknown metric.
    """
    thresholds = threshold if isinstance(threshold, Sequence) else [threshold] * len(predictions)
    models = [scored(task, y, p, limit, own) for p, limit in zip(predictions, thresholds, strict=True)]
    for model in models:
        model.require(names)
    design: Design
    if groups is None:
        order = Independent.order(models[0], names)
        models = [
            scored(task, np.asarray(y)[order], np.asarray(p)[order], limit, own)
            for p, limit in zip(predictions, thresholds, strict=True)
        ]
        design = Independent(models)
    else:
        design = Grouped(models, *group_numbers(groups, len(models[0])))
    return _measured(design, names, resamples, seed)


def _measured(design: Design, names: Sequence[str], resamples: int, seed: int) -> tuple[Measured, ...]:
    """Return values and samples by *design*, each metric in the cheapest way that is exact for it."""
    values: list[dict[str, float]] = [{} for _ in design.models]
    samples: list[Samples] = [{} for _ in design.models]
    for point, job in design.parts(names):
        for found, model in zip(values, design.models, strict=True):
            # Before the threads start, since it also computes what all resamples share.
            found.update({name: float(value[0]) for name, value in point(model).items()})
        for made, more in zip(samples, run(job, resamples, seed), strict=True):
            made.update(more)
    ordered = [{name: found[name] for name in names} for found in values]
    return tuple(
        (defined(found, model), {name: made[name] for name in names})
        for found, made, model in zip(ordered, samples, design.models, strict=True)
    )


def means(
    indicators: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    resamples: int,
    seed: int = 0,
    strata: npt.ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Return the share of rows [k] for which each of *indicators* [k, n] holds, and its samples [k, resamples].

    Args:
        indicators: true or false for each row; all of them see the same resamples, so they may be compared.
        groups: group of each row [n], or ``None`` where rows are independent.
        resamples: how many.
        seed: of the generator; with groups, the same as for :func:`measure` gives the same resamples.
        strata: stratum of each row [n], a whole number from 0: rows are resampled within it; without groups only.

    Raises:
        DataError: where there is no row, the groups aren't one a row or are fewer than two, or there are more than
            sixteen indicators.
    """
    held = np.asarray(indicators, dtype=bool)
    if held.ndim != 2 or not 0 < len(held) <= _INDICATORS or not held.shape[1]:  # noqa: PLR2004 - indicators by rows
        raise DataError(
            f"found indicators of shape {held.shape}; expected (up to {_INDICATORS}, rows): at least one row"
        )
    rows = held.shape[1]
    if groups is not None:
        members, size = group_numbers(groups, rows)
        sums = np.stack([np.bincount(members, column, size) for column in (*held, np.ones(rows))], axis=1).astype(
            np.float64
        )
        return _shares(sums, lambda chunk: counts(chunk.generator(0), chunk.resamples, size), resamples, seed)
    stratum = np.zeros(rows, dtype=np.intp) if strata is None else np.asarray(strata).astype(np.intp)
    code = stratum.copy()
    for column in held:
        code = 2 * code + column
    chosen, sizes = alike(code, int(code.max()) + 1)
    columns = np.column_stack([held[:, chosen].T, np.ones(len(chosen))])

    def draw(chunk: Chunk) -> Array:
        weights = np.empty((chunk.resamples, len(chosen)))
        for number in np.unique(stratum[chosen]):
            mine = stratum[chosen] == number
            total = int(sizes[mine].sum())
            generator = chunk.generator(2 * int(number) + 1)
            weights[:, mine] = generator.multinomial(total, sizes[mine] / total, size=chunk.resamples)
        return weights

    return _shares(columns, draw, resamples, seed, sizes)


def _shares(
    columns: Floats, draw: Callable[[Chunk], Array], resamples: int, seed: int, sizes: Index | None = None
) -> tuple[Floats, Floats]:
    """Return shares [k] and samples [k, resamples] of what is drawn; of *columns* [drawn, k + 1] the last is rows."""
    whole = columns.sum(axis=0) if sizes is None else sizes @ columns

    def job(chunk: Chunk) -> list[Samples]:
        sums = draw(chunk) @ columns  # whole numbers: exact in any order
        return [{str(k): sums[:, k] / sums[:, -1] for k in range(columns.shape[1] - 1)}]

    (samples,) = run(job, resamples, seed)
    return whole[:-1] / whole[-1], np.stack([samples[str(k)] for k in range(columns.shape[1] - 1)])


def mean(
    indicator: npt.ArrayLike,
    groups: npt.ArrayLike | None,
    resamples: int,
    seed: int = 0,
    strata: npt.ArrayLike | None = None,
) -> tuple[float, Floats]:
    """Return the share of rows for which *indicator* [n] holds, and its samples [resamples]; see :func:`means`."""
    values, samples = means(np.asarray(indicator)[np.newaxis], groups, resamples, seed, strata)
    return float(values[0]), samples[0]


def interval(value: float, samples: Floats, confidence: float, groups: int | None = None) -> Interval:
    """Return *value* with the percentiles of *samples* that enclose the share *confidence*, on both sides alike.

    Args:
        value: as measured on all rows.
        samples: the same over resamples [resamples].
        confidence: share of such intervals that hold the truth.
        groups: how many groups were resampled, for which the interval is made wider; ``None`` where rows were.

    Raises:
        DataError: where the metric is undefined in more than one resample in twenty.
    """
    defined_ones = _defined_ones(samples)
    tail = level((1 - confidence) / 2, groups)
    low, high = np.quantile(defined_ones, [tail, 1 - tail])
    return Interval(value=value, low=float(low), high=float(high))


def bound(samples: Floats, confidence: float, *, upper: bool, groups: int | None = None) -> float:
    """Return the one-sided bound of what *samples* [resamples] are of: the truth is beyond with chance 1 - confidence.

    Raises:
        DataError: as :func:`interval`.
    """
    tail = level(1 - confidence, groups)
    return float(np.quantile(_defined_ones(samples), 1 - tail if upper else tail))


def level(tail: float, groups: int | None) -> float:
    """Return the share of resamples to leave out on one side, so that the truth is beyond with chance *tail*.

    Source: Hesterberg 2015, The American Statistician 69(4), section 5.3, where rows are what is here a group.
    """
    if groups is None:
        return tail
    from scipy import special

    return float(special.ndtr(np.sqrt(groups / (groups - 1)) * special.stdtrit(groups - 1, tail)))


def change(name: str, new: Measured, old: Measured, confidence: float, groups: int | None = None) -> Change:
    """Return what became of the metric *name* between two results of one :func:`measure`."""
    difference = interval(new[0][name] - old[0][name], new[1][name] - old[1][name], confidence, groups)
    return Change(baseline=old[0][name], difference=difference)


def _defined_ones(samples: Floats) -> Floats:
    found = samples[np.isfinite(samples)]
    if len(found) < _DEFINED * len(samples):
        raise DataError(
            f"{len(samples) - len(found)} of {len(samples)} resamples hold one class only; expected groups enough "
            "that both classes are drawn. Measure a longer span, or leave out the schema's group"
        )
    return found
