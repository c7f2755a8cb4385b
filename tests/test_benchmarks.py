"""The benchmarks are complete; what they measure is not tested here, since that takes minutes and a quiet machine."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import NAMES

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks"
SHARED = {
    "__init__",
    "__main__",
    "bare",
    "killing",
    "made_evidence",
    "measure",
    "plain_pandas",
    "survival",
    "weather_dataset",
}


def test_every_benchmark_is_on_the_list() -> None:
    assert sorted(NAMES) == sorted({path.stem for path in FOLDER.glob("*.py")} - SHARED)


def test_the_list_is_printed_one_name_a_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks"], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:-1] == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_has_goals_and_says_what_is_measured_beside_which_peer(name: str) -> None:
    module = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    text = ast.get_docstring(module) or ""
    assert "Measured:" in text
    assert "Peer" in text
    assigned = [
        target.id for node in module.body if isinstance(node, ast.Assign) for target in node.targets
        if isinstance(target, ast.Name)
    ]  # fmt: skip
    assert any(target.endswith("_GOAL") for target in assigned)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in (FOLDER.parent / "docs" / "benchmarks.md").read_text(encoding="utf-8")


@pytest.mark.slow(seconds=10)
def test_growing_data_can_be_measured_at_a_small_size() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growing", "--rows", "3000", "--format", "csv"],
        cwd=FOLDER.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.count("of CPU,") == 5, done.stderr
    figures = [line.split()[0] for line in done.stdout.splitlines()[-3:]]
    assert figures == ["growing_peak_mib", "growing_time_ratio_to_pandas", "growing_cpu_a_row_ratio"]
