"""How many times as fast or slow as the last release: intervals of ratios of times that were measured in turns.

Whole rounds are resampled, since the calls of a round share what else the machine was doing.
"""

from collections.abc import Sequence

import numpy as np

from weighbridge.evidence import bootstrap
from weighbridge.evidence.metrics import Floats
from weighbridge.manifest import Interval

CONFIDENCE = 0.90
"""Of the interval: each of its ends is a one-sided bound at 95 %."""
_RESAMPLES = 1000
_SEED = 0
_SHARES = {"latency_ms_p50": 0.50, "latency_ms_p95": 0.95, "latency_ms_p99": 0.99}
Rounds = Sequence[Sequence[float]]


def of_times(latency: Sequence[Rounds], batch: Sequence[Rounds], load: Sequence[Rounds]) -> dict[str, Interval]:
    """Return the ratios, new over old, by the names of :class:`weighbridge.manifest.Serving`.

    Args:
        latency: times of single rows, of the new and of the old model: [rounds][calls].
        batch: times of batches of equal size, likewise.
        load: times to open the model, likewise.
    """
    found = {name: _ratio(latency, share) for name, share in _SHARES.items()}
    median = 0.5
    found["rows_per_second"] = _ratio(batch[::-1], median)  # fast is short: the old model's time over the new one's
    found["load_seconds"] = _ratio(load, median)
    return found


def _ratio(sides: Sequence[Rounds], share: float) -> Interval:
    """Return the ratio of the two sides' quantiles, with its interval over rounds that both sides were timed in."""
    rounds = len(sides[0])
    generator = np.random.Generator(np.random.PCG64(_SEED))
    drawn = generator.multinomial(rounds, np.full(rounds, 1 / rounds), size=_RESAMPLES).astype(np.float64)
    above, below = (_quantiles(side, drawn, share) for side in sides)
    value, under = (_quantiles(side, np.ones((1, rounds)), share)[0] for side in sides)
    return bootstrap.interval(float(value / under), above / below, CONFIDENCE, groups=rounds)


def _quantiles(times: Rounds, drawn: Floats, share: float) -> Floats:
    """Return the quantile of all calls for each row of *drawn* [r, rounds]: how often each round counts."""
    calls = np.concatenate([np.asarray(times_of, dtype=np.float64) for times_of in times])
    member = np.repeat(np.arange(len(times)), [len(times_of) for times_of in times])
    order = np.argsort(calls, kind="stable")
    weights = np.cumsum(drawn[:, member[order]], axis=1)
    place = (weights < share * weights[:, -1:]).sum(axis=1)
    found: Floats = calls[order][place]
    return found
