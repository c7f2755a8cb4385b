"""Each example, laid over a new project as its README says, comes to a release, and to the figures in its README."""

import re
from pathlib import Path
from typing import Any

import pytest
from example_projects import EXAMPLES, NAMES, assert_as_in_readme, begin, module, released
from small_project import Project

from weighbridge.registry import content

APART = ("flights_recipe", "sensors")
"""Those with a file of tests of their own, which runs beside this one."""
LINES = 60
"""Lines of a module that a user copies from, without its docstrings and blank lines."""


@pytest.mark.slow(seconds=20)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.long if name == "breast_cancer" else ())
        for name in NAMES
        if name not in APART
    ],
)
def test_an_example_comes_to_a_release_and_to_the_figures_in_its_page(name: str, new: Project) -> None:
    begin(new, name)
    made = released(new)
    assert_as_in_readme(name, made)
    if name == "breast_cancer":
        scores = made.performance.selected_from["logistic"]
        assert len({seed.metrics["roc_auc"] for seed in scores.seeds}) == 2, "each seed has a fold of its own"
    assert new.git("status", "--porcelain", "config", "project", "data/raw.dvc", "dvc.yaml") == ""
    assert new.attempt("weighbridge", "check").code == 0


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_short_and_brings_the_rows_that_it_points_to(name: str, tmp_path: Path) -> None:
    for path in sorted((EXAMPLES / name / "project").glob("*.py")):
        code = re.sub(r'^ *""".*?"""\n', "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        assert len([line for line in code.splitlines() if line.strip()]) <= LINES, path
    dataset: Any = module(name, "dataset")
    dataset.fetch(tmp_path)
    assert content.folder_address(tmp_path)[0] == content.pointer_address(EXAMPLES / name / "data/raw.dvc")


def test_the_list_of_examples_names_each() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert {name for name in NAMES if f"[{name}]({name}/README.md)" not in page} == set()
