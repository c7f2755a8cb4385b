"""A judgement of ten gates on a million rows.

Measured: seconds on the clock and peak memory of a process that judges ten gates on 1,000,000 test rows and tests
them on damaged models, start of Python included, on the machine's cores; once with independent rows and once with 365
groups. Gates are of the kinds absolute, change (two), slices (two columns and a crossing, with a gap), calibration,
churn, budget, data, golden and parity, each bound from 1,000 resamples. And how the time grows with the rows, from
62,500 to 1,000,000, beside n log n: the time a row and logarithm at the most rows, over that at a quarter of them.

Peer: none judges. The nearest, ``scipy.stats.bootstrap``, takes minutes for the interval of one area under the curve
on these rows; see ``intervals``.
"""

import argparse
import math
import sys
import time

from benchmarks.measure import ROOT, Cost, Figure, environment, finish, run

SECONDS_GOAL = 60.0
MEMORY_GOAL_MIB = 2048.0
GROWTH_GOAL = 1.0
ROWS = (62_500, 250_000, 1_000_000)
GROUPS = 365
RESAMPLES = 1000
_SLACK = 0.1  # of the time a row, for what else the machine does


def main() -> None:
    """Run, print and judge."""
    figures = []
    for groups in (0, GROUPS):
        costs = {rows: _cost(rows, groups) for rows in ROWS}
        kind = f"{groups} groups" if groups else "independent rows"
        for rows, cost in costs.items():
            print(f"  {kind}, {rows} rows: {cost.wall:.1f} s ({cost.cpu:.1f} s of CPU), {cost.peak_mib:.0f} MiB")
        name = f"judgement_{'groups' if groups else 'rows'}"
        most = costs[ROWS[-1]]
        growth = _per_row(ROWS[-1], most) / _per_row(ROWS[-2], costs[ROWS[-2]])
        figures += [
            Figure(f"{name}_seconds", most.wall, SECONDS_GOAL),
            Figure(f"{name}_peak_mib", most.peak_mib, MEMORY_GOAL_MIB),
            Figure(f"{name}_growth", growth, GROWTH_GOAL + _SLACK),
        ]
    finish(*figures)


def _cost(rows: int, groups: int) -> Cost:
    command = [sys.executable, "-m", "benchmarks.judgement", "--rows", str(rows), "--groups", str(groups)]
    return run(command, ROOT, environment(ROOT))


def _per_row(rows: int, cost: Cost) -> float:
    """Return CPU seconds over n log n, which a busy machine changes less than those on the clock."""
    return cost.cpu / (rows * math.log(rows))


def judge(rows: int, groups: int) -> None:
    """Judge once, in this process, and print how long the parts took."""
    from benchmarks import made_evidence
    from weighbridge.evidence import gates

    evidence = made_evidence.evidence(made_evidence.rows(rows, groups=groups), RESAMPLES)
    started = time.perf_counter()
    results = gates.judge(made_evidence.TEN_GATES, evidence)
    judged = time.perf_counter()
    tests = gates.self_test(made_evidence.TEN_GATES, evidence)
    tested = time.perf_counter()
    print(f"judged in {judged - started:.1f} s, tested in {tested - judged:.1f} s")
    for result in (*results, gates.self_test_gate(tests)):
        print(f"{result.name}: {result.verdict} {result.reason}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int)
    parser.add_argument("--groups", type=int, default=0)
    asked = parser.parse_args()
    if asked.rows:
        judge(asked.rows, asked.groups)
    else:
        main()
