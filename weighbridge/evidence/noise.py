"""The noise floor: what another seed alone changes, so that a release isn't blamed for it.

Refitting one model on the same rows with another seed changes some decisions at no gain or loss in accuracy (D'Amour
et al. 2022, JMLR 23(226)); a limit on changed decisions means something only as a multiple of that.
"""

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from weighbridge.errors import RecordError
from weighbridge.evidence.predictions import values
from weighbridge.evidence.rows import decided
from weighbridge.manifest import Interval, Noise

_COLUMNS = ["id", "target", "probability"]


def noise(predictions: Mapping[Path, pd.DataFrame], threshold: float, task: str = "binary") -> Noise | None:
    """Return the share of rows that two seeds of a candidate decide differently, over all pairs of seeds.

    Args:
        predictions: by its file, each seed's predictions of the same rows, in any order: columns id, target and
            probability (of several classes, a list).
        threshold: probability from which a row is decided to be positive, of two classes.
        task: ``binary``, ``multiclass`` or ``regression``.

    Returns:
        The mean with the least and the greatest; ``None`` for a single seed, which tells nothing, and for a
        regression, which decides nothing.

    Raises:
        RecordError: where the seeds have predicted other rows, or the same rows with other targets.
    """
    if len(predictions) < 2 or task == "regression":  # noqa: PLR2004 - there is no pair
        return None
    target, made = _aligned(predictions, threshold, task)
    right = made == target
    pairs = list(itertools.combinations(range(len(made)), 2))
    changed = [float(np.mean(made[i] != made[j])) for i, j in pairs]
    flips = [float(np.mean(right[i] & ~right[j])) for pair in pairs for i, j in (pair, pair[::-1])]
    return Noise(seeds=len(made), pairs=len(pairs), changed_decisions=_spread(changed), negative_flips=_spread(flips))


def _spread(values: list[float]) -> Interval:
    return Interval(value=float(np.mean(values)), low=min(values), high=max(values))


def _aligned(
    predictions: Mapping[Path, pd.DataFrame], threshold: float, task: str
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return outcomes [n] and each seed's decisions [seeds, n], rows in the order of their ids."""
    (first, known), *others = ((path, _sorted(path, table)) for path, table in predictions.items())
    made = [_decisions(first, known, threshold, task)]
    for path, table in others:
        for name in ("id", "target"):
            if len(table) != len(known) or not np.array_equal(table[name], known[name]):
                raise RecordError(
                    f"{path}: found {len(table)} rows that aren't those of {first} ({len(known)}), by {name}; expected "
                    "each seed's predictions of the same rows. Run 'snakemake --cores all --forcerun evaluate_run'"
                )
        made.append(_decisions(path, table, threshold, task))
    return known["target"].to_numpy(), np.stack(made)


def _decisions(path: Path, table: pd.DataFrame, threshold: float, task: str) -> npt.NDArray[Any]:
    found = values(table["probability"], task)
    if not np.isfinite(found).all():
        raise _not_sound(path)
    return decided(task, found, threshold)


def _sorted(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    ordered = table[_COLUMNS].sort_values("id", ignore_index=True)
    if ordered["id"].duplicated().any():
        raise _not_sound(path)
    return ordered


def _not_sound(path: Path) -> RecordError:
    return RecordError(
        f"{path}: expected each id once, with a finite probability; run 'snakemake --cores all --forcerun evaluate_run'"
    )
