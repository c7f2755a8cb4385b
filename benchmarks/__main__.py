"""List the benchmarks, one a line."""

from benchmarks import NAMES

print(*NAMES, sep="\n")
