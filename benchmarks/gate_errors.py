"""How often the gates err: models whose quality is known, judged again and again on fresh rows.

Measured: over 2,000 judgements in each cell, on 500, 2,000, 10,000 and 40,000 independent rows, with decisions of
which 8 % differ from the last release's: the share of models exactly at the margin that pass a ``change`` gate (not
worse, and better; equivalence is the first of these twice); the share of equal models that pass with as many rows as
the gate says it needs; and the share of equal models with 20 equal slices that a ``slices`` gate blocks. Each
judgement is that of the product on rows of its own. A goal of 5 % is held with one point of room for the 0.5 points
that 2,000 judgements are uncertain by. ``--judgements`` takes another number.

Peer: the usual gate, ``candidate >= released``, on the same rows; and slices each tested at 5 % by itself.
"""

import argparse
import concurrent.futures
import math
import os
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from benchmarks import made_evidence
from benchmarks.measure import Figure, finish
from weighbridge import settings
from weighbridge.evidence import gates
from weighbridge.evidence.inference import chance
from weighbridge.evidence.rows import Rows
from weighbridge.manifest import GateResult

ROWS = (500, 2000, 10_000, 40_000)
AT_MARGIN_GOAL = 0.06
POWER_GOAL = 0.78
BLOCKED_GOAL = 0.06
CHURN = 0.08
MARGINS = (0.03, 0.02, 0.01, 0.005)
"""Margin by the number of rows in :data:`ROWS`: about what they can prove."""
_ACCURACY = 0.8
_POSITIVE = 0.3
_SLICES = 20
_RESAMPLES = 1000
_TESTS: tuple[Literal["non_inferior", "superior"], ...] = ("non_inferior", "superior")


class Cell(NamedTuple):
    """What is simulated: how many rows, how much worse the new model is, and which gate judges it."""

    rows: int
    worse_by: float
    gate: settings.Change | settings.Slices


class Found(NamedTuple):
    """How many judgements passed, failed, and passed or were blocked by the usual way; and how many there were."""

    passed: int
    failed: int
    usual: int
    judged: int


def main(judgements: int) -> None:
    """Run, print and judge."""
    cells = list(_cells())
    # One process a core, each with one thread: the judgements are many and small.
    os.environ["OMP_NUM_THREADS"] = "1"
    with concurrent.futures.ProcessPoolExecutor() as pool:
        jobs = [[pool.submit(simulate, cell, part) for part in _parts(judgements)] for _, cell in cells]
        finish(
            *[
                _figure(name, cell, [each.result() for each in job])
                for (name, cell), job in zip(cells, jobs, strict=True)
            ]
        )


def _figure(name: str, cell: Cell, found: list[Found]) -> Figure:
    """Print what became of a cell's judgements, and return its figure."""
    judgements = sum(part.judged for part in found)
    passed, failed, usual = (sum(part[i] for part in found) / judgements for i in range(3))
    slices = isinstance(cell.gate, settings.Slices)
    does = "blocks" if slices else "passes"
    print(f"  {name}: {passed:.1%} pass, {failed:.1%} fail; the usual way {does} {usual:.1%}", flush=True)
    if slices:
        return Figure(name, failed, BLOCKED_GOAL)
    equal = not cell.worse_by
    return Figure(name, passed, POWER_GOAL if equal else AT_MARGIN_GOAL, at_least=equal)


def _cells() -> Iterable[tuple[str, Cell]]:
    for rows, margin in zip(ROWS, MARGINS, strict=True):
        for test in _TESTS:
            worse = -margin if test == "superior" else margin
            gate = settings.Change(metric="accuracy", test=test, margin=margin)
            yield f"at_margin_{test}_{rows}", Cell(rows, worse, gate)
    for margin in MARGINS[1:]:
        gate = settings.Change(metric="accuracy", margin=margin)
        needed = math.ceil((1.6449 + 0.8416) ** 2 * CHURN / margin**2)
        yield f"equal_enough_{needed}", Cell(needed, 0.0, gate)
    for rows in ROWS[1:]:
        small = settings.Slices(metric="accuracy", columns=("slice",), min_rows=50)
        yield f"slices_blocked_{rows}", Cell(rows, 0.0, small)


def _parts(judgements: int) -> Iterable[range]:
    """Divide the judgements into parts, each seeded by its numbers alone."""
    size = 100
    return [range(first, min(first + size, judgements)) for first in range(0, judgements, size)]


def simulate(cell: Cell, numbers: range) -> Found:
    """Return how the judgements of these *numbers* ended."""
    passed = failed = usual = 0
    for number in numbers:
        rows = made_rows(cell.rows, cell.worse_by, number)
        evidence = made_evidence.evidence(rows, _RESAMPLES)
        (result,) = gates.judge(settings.GateFile(gates={"it": cell.gate}), evidence)
        passed += result.verdict == gates.PASS
        failed += result.verdict == gates.FAIL
        usual += _usually(rows, result)
    return Found(passed, failed, usual, len(numbers))


def made_rows(count: int, worse_by: float, seed: int) -> Rows:
    """Return rows of two models that err in a fifth of them, of which the new one errs more often by *worse_by*.

    Both decide :data:`CHURN` of the rows differently, whatever the outcome.
    """
    random = np.random.default_rng([seed, count])
    y = (random.random(count) < _POSITIVE).astype(np.int64)
    kind = random.random(count)
    broken = (CHURN + worse_by) / 2
    both_right = (kind >= CHURN) & (kind < _ACCURACY + CHURN - broken)
    old_right = both_right | (kind < broken)
    new_right = both_right | ((kind >= broken) & (kind < CHURN))
    slices = np.char.add("s", (np.arange(count) % _SLICES).astype(str))
    return Rows(
        task="binary",
        y=y,
        new=np.where(new_right == (y == 1), 0.75, 0.25),
        old=np.where(old_right == (y == 1), 0.75, 0.25),
        thresholds=(0.5, 0.5),
        columns={"slice": slices},
    )


def _usually(rows: Rows, result: GateResult) -> bool:
    """Return what is usual: whether the value is no worse; for slices, whether one of them is worse by itself."""
    if result.kind == "change":
        return result.difference is not None and result.difference >= 0
    new, old = rows.decisions()
    losses = np.asarray(old == rows.y, dtype=np.float64) - (new == rows.y)
    groups = [losses[rows.columns["slice"] == name] for name in np.unique(rows.columns["slice"])]
    chances = [chance(float(each.mean()), float(each.std() / math.sqrt(len(each))), None) for each in groups]
    return min(chances) <= 0.05


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--judgements", type=int, default=2000)
    main(parser.parse_args().judgements)
