"""How often each row is drawn in a resample, and running thousands of resamples over the cores at hand.

A bootstrap resample is n draws with replacement, so all that matters of it is how often each row was drawn: a
multinomial count. :func:`counts` draws these directly. For many rows it draws independent Poisson counts that end a
little below n together, and adds the few draws that lack: given their total, Poisson counts are multinomial, so the
result is distributed exactly as n draws are, at a quarter of the cost.

Resamples are made in chunks of :data:`CHUNK`, each with a seed of its own, so that neither the number of threads nor
the number of resamples asked for changes any of them.
"""

import concurrent.futures
import functools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from weighbridge.evidence.metrics.totals import Array, Floats

CHUNK = 64
"""Resamples that share a seed."""
_CELLS = 1 << 17  # weights held at once by a thread: what fits the cache is also several times faster
_MANY = 4096  # rows from which Poisson counts pay
_RARE = 255  # entry of the table below that sends to the rest
_SHORT = 1 << 31  # what 32 bits hold
_LARGEST = 40  # counts above have a chance below 1e-48
_SIXTEEN_BITS = 1 << 16

Samples = dict[str, Floats]
Job = Callable[["Chunk"], list[Samples]]


class Chunk(NamedTuple):
    """Some resamples: the number of the first, how many, and where their random numbers come from."""

    first: int
    resamples: int
    seed: int

    def generator(self, stream: int) -> np.random.Generator:
        """Return the generator of one *stream* of these resamples; streams are independent of each other."""
        key = (self.first // CHUNK, stream)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))

    def batches(self, width: int) -> Iterator[tuple[int, int]]:
        """Yield begin and end of parts so small that *width* weights for each resample fit the cache."""
        step = max(1, _CELLS // width)
        for begin in range(0, self.resamples, step):
            yield begin, min(begin + step, self.resamples)


def run(job: Job, resamples: int, seed: int) -> list[Samples]:
    """Return what *job* makes of all chunks, put together: one dictionary of samples [resamples] for each model."""
    chunks = [Chunk(first, min(CHUNK, resamples - first), seed) for first in range(0, resamples, CHUNK)]
    with concurrent.futures.ThreadPoolExecutor(max_workers=min(cores(), len(chunks))) as pool:
        parts = list(pool.map(job, chunks))
    return [joined([part[model] for part in parts]) for model in range(len(parts[0]))]


def joined(parts: Sequence[Samples]) -> Samples:
    """Return the samples of all parts, one after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def counts(generator: np.random.Generator, resamples: int, size: int) -> Array:
    """Draw *size* of *size* things with replacement; return how often each was drawn, [resamples, size] unsigned."""
    if size < _MANY:
        drawn = generator.integers(0, size, size=(resamples, size))
        drawn += np.arange(resamples)[:, np.newaxis] * size
        found = np.bincount(drawn.reshape(-1), minlength=resamples * size)
        return found.reshape(resamples, size).astype(np.uint16)
    out = np.empty((resamples, size), dtype=np.uint8)
    for row in out:
        _fill(generator, row)
    return out


class _Poisson(NamedTuple):
    """Poisson counts by sixteen random bits: *table* has most of the distribution, the rest is drawn by *rest*."""

    table: npt.NDArray[np.uint8]
    rest: Floats


@functools.lru_cache(maxsize=64)
def _poisson(size: int) -> _Poisson:
    """Return the distribution whose sum over *size* exceeds *size* once in three million times."""
    mean = 1.0 - 5.0 / math.sqrt(size)
    chances = np.array([math.exp(-mean) * mean**k / math.factorial(k) for k in range(_LARGEST)]) * _SIXTEEN_BITS
    entries = np.floor(chances).astype(np.intp)
    table = np.full(_SIXTEEN_BITS, _RARE, dtype=np.uint8)
    table[: entries.sum()] = np.repeat(np.arange(_LARGEST, dtype=np.uint8), entries)
    rest = np.cumsum(chances - entries)
    return _Poisson(table, rest / rest[-1])


def _fill(generator: np.random.Generator, out: npt.NDArray[np.uint8]) -> None:
    """Write multinomial counts of ``len(out)`` draws into *out*."""
    size = len(out)
    poisson = _poisson(size)
    missing = -1
    while missing < 0:  # too many: drawn anew, which leaves the distribution given any other total as it is
        words = generator.integers(0, np.iinfo(np.uint64).max, size=-(-size // 4), dtype=np.uint64, endpoint=True)
        bits = words.astype("<u8", copy=False).view("<u2")[:size]
        np.take(poisson.table, bits, out=out, mode="clip")
        rare = np.flatnonzero(out == _RARE)
        out[rare] = np.searchsorted(poisson.rest, generator.random(len(rare)), side="right")
        missing = size - int(out.sum(dtype=np.uint32 if size < _SHORT else np.uint64))
    np.add.at(out, generator.integers(0, size, size=missing), np.uint8(1))  # a plain 1 takes numpy's slow way
