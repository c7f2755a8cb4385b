"""Weighbridge beside its peers, measured in one run on one machine.

``python -m benchmarks`` lists the names, ``python -m benchmarks.NAME`` runs one. Each prints one line a figure,
``name value goal <= limit ok``, and exits with 1 where a figure falls short. See docs/benchmarks.md.
"""

NAMES = (
    "trainer", "log_speed", "intervals", "nothing_to_do", "first_run", "overhead", "judgement", "dvc_repro", "coverage",
    "gate_errors", "growing", "ledger", "verifying", "reproduction", "checkpointing", "data_parallel",
    "sweep_on_slurm", "faults",
)  # fmt: skip
"""The benchmarks, the short ones first."""
