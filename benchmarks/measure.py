"""What all benchmarks share: the cost of a command, a clone to run it in, and figures beside their goals."""

import contextlib
import dataclasses
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).resolve().parents[1]
_KIB_IN_MIB = 1024


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command cost, together with all processes it waited for.

    Attributes:
        wall: seconds on the clock.
        cpu: seconds of CPU, user and system.
        peak_mib: largest resident set of a single process, in MiB.
    """

    wall: float
    cpu: float
    peak_mib: float


@dataclasses.dataclass(frozen=True)
class Figure:
    """A measured value and its goal: at most *limit*, or at least where *at_least* says so."""

    name: str
    value: float
    limit: float
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the goal is reached."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def __str__(self) -> str:
        sign, verdict = ">=" if self.at_least else "<=", "ok" if self.reached else "MISSED"
        return f"{self.name} {self.value:.3g} goal {sign} {self.limit:g} {verdict}"


def finish(*figures: Figure) -> None:
    """Print the figures, and exit with 1 where one of them misses its goal."""
    print(*figures, sep="\n", flush=True)
    sys.exit(0 if all(figure.reached for figure in figures) else 1)


def environment(root: Path) -> dict[str, str]:
    """Return variables under which the tools of this environment run the code of the checkout *root*.

    Byte code is written, as it is on any user's machine.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return inherited | {"PATH": path, "PYTHONPATH": str(root)}


def run(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str] | None = None) -> Cost:
    """Run *command* in *folder* and return what it cost.

    ``wait4`` counts the whole tree of processes: whoever was waited for, and by whom that was waited for in turn.

    Raises:
        RuntimeError: with the end of its output, where it fails.
    """
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)  # else Popen would wait for it again
        if process.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")[-4000:]
            raise RuntimeError(f"{command[0]} exited with {process.returncode}:\n{text}")
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / _KIB_IN_MIB)


def output_of(command: Sequence[str | Path], folder: Path, variables: Mapping[str, str]) -> str:
    """Run *command* in *folder* and return what it prints to standard output."""
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=dict(variables), check=True, text=True, stdout=subprocess.PIPE
    ).stdout


@contextlib.contextmanager
def clone() -> Iterator[Path]:
    """Yield a fresh clone of this repository's HEAD in a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="weighbridge-") as folder:
        target = Path(folder, "clone")
        run(["git", "clone", "--quiet", ROOT, target], Path(folder))
        yield target


def snakemake(root: Path, *arguments: str, cores: int = 2) -> Cost:
    """Run the pipeline of the checkout *root* with this environment's tools."""
    return run(["snakemake", "--cores", str(cores), "--nocolor", *arguments], root, environment(root))


def interleaved(times: int, *measures: Callable[[], T]) -> list[list[T]]:
    """Return *times* values of each of *measures*, taken in turns, so that a change of the machine hits all alike."""
    rounds = [[measure() for measure in measures] for _ in range(times)]
    return [list(values) for values in zip(*rounds, strict=True)]
