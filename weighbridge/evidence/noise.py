"""The noise floor: what another seed alone changes, so that a release isn't blamed for it.

Refitting one model on the same rows with another seed changes some decisions at no gain or loss in accuracy (D'Amour
et al. 2022, JMLR 23(226)); a limit on changed decisions means something only as a multiple of that.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.errors import RecordError
from weighbridge.manifest import Interval, Noise

_COLUMNS = ["id", "target", "probability"]


def noise(predictions: Mapping[Path, pd.DataFrame], threshold: float) -> Noise | None:
    """Return the share of rows that two seeds of a candidate decide differently, over all pairs of seeds.

    Args:
        predictions: by its file, each seed's predictions of the same rows, in any order: columns id, target and
            probability.
        threshold: probability from which a row is decided to be positive.

    Returns:
        The mean with the least and the greatest; ``None`` for a single seed, which tells nothing.

    Raises:
        RecordError: where the seeds have predicted other rows, or the same rows with other targets.
    """
    if len(predictions) < 2:  # noqa: PLR2004 - there is no pair
        return None
    target, decided = _aligned(predictions, threshold)
    right = decided == target
    pairs = list(itertools.combinations(range(len(decided)), 2))
    changed = [float(np.mean(decided[i] != decided[j])) for i, j in pairs]
    flips = [float(np.mean(right[i] & ~right[j])) for pair in pairs for i, j in (pair, pair[::-1])]
    return Noise(
        seeds=len(decided), pairs=len(pairs), changed_decisions=_spread(changed), negative_flips=_spread(flips)
    )


def _spread(values: list[float]) -> Interval:
    return Interval(value=float(np.mean(values)), low=min(values), high=max(values))


def _aligned(
    predictions: Mapping[Path, pd.DataFrame], threshold: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Return outcomes [n] and each seed's decisions [seeds, n], rows in the order of their ids."""
    (first, known), *others = ((path, _sorted(path, table)) for path, table in predictions.items())
    decided = [known["probability"].to_numpy() >= threshold]
    for path, table in others:
        for name in ("id", "target"):
            if len(table) != len(known) or not np.array_equal(table[name], known[name]):
                raise RecordError(
                    f"{path}: found {len(table)} rows that aren't those of {first} ({len(known)}), by {name}; expected "
                    "each seed's predictions of the same rows. Run 'snakemake --cores all --forcerun evaluate_run'"
                )
        decided.append(table["probability"].to_numpy() >= threshold)
    return known["target"].to_numpy().astype(np.bool_), np.stack(decided)


def _sorted(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    ordered = table[_COLUMNS].sort_values("id", ignore_index=True)
    if ordered["id"].duplicated().any() or not np.isfinite(ordered["probability"]).all():
        raise RecordError(
            f"{path}: expected each id once, with a finite probability; run 'snakemake --cores all --forcerun "
            "evaluate_run'"
        )
    return ordered
