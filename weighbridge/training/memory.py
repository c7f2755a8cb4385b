"""Whether the rows of a training fit into memory; told from the profile alone, without reading them."""

import math

from weighbridge.manifest import DataSection
from weighbridge.settings import Candidate

_NUMBER_BYTES = 4
_COPIES = 3  # the table, the matrix of inputs, and what the model makes of it
_MEBIBYTE = 2**20


def needed_mib(data: DataSection, candidate: Candidate) -> int:
    """Return how many MiB a training with all rows in memory needs at least.

    That is rows x inputs x 4 bytes x 3, for the rows learned from and those for early stopping. A text column counts
    with the values that the profile lists of it, so one of very many values needs more than is said here.
    """
    rows = data.splits["train"].rows + data.splits["validation"].rows
    inputs = 0
    for feature in data.features:
        several = feature.type == "string" and candidate.strings == "one_hot"
        inputs += len(feature.values) + 1 if several else math.prod(feature.shape)
    return math.ceil(rows * inputs * _NUMBER_BYTES * _COPIES / _MEBIBYTE)


def streams(data: DataSection, candidate: Candidate, memory_mb: int) -> bool:
    """Return whether rows are streamed from disk, since they need more than *memory_mb* MiB; that gives other bits."""
    return needed_mib(data, candidate) > memory_mb
