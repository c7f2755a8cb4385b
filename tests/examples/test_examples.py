"""Each example, laid over a new project as its README says, comes to a release, and to the figures in its README."""

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import baking
import pytest
from example_projects import EXAMPLES, module
from small_project import Project

from weighbridge import documents, manifest, paths
from weighbridge.registry import content

NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
LINES = 60
"""Lines of a dataset that a user copies from, without its docstrings and blank lines."""
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"^\| (\w+) \| (-?[\d.]+) \|$", re.MULTILINE)
_FEW_SEEDS = {
    "breast_cancer": ("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 1]"),
    "penguins": ("seeds: [0, 1]", "seeds: [0]"),
    "cars": ("samples: 2", "samples: 1"),
}
"""Nothing of the champion depends on it: the lowest seed is what ships."""


def readme(name: str) -> str:
    """Return an example's page."""
    return (EXAMPLES / name / "README.md").read_text(encoding="utf-8")


def blocks(name: str) -> list[list[str]]:
    """Return the commands of an example's page, a list a block."""
    found = _BLOCK.findall(readme(name))
    return [[line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")] for block in found]


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that cookiecutter has just made. Not to be changed."""
    folder = tmp_path_factory.mktemp("baked")
    return baking.bake(folder, str(baking.template(folder / "template").root), project_slug="mine")


@pytest.fixture
def new(baked: Project, tmp_path: Path) -> Project:
    """The same to work in, and beside it an environment for ``make``: the one that runs this test."""
    shutil.copytree(baked.root, tmp_path / "mine")
    environment = tmp_path / "environment"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to(sys.executable)
    (environment / ".installed").write_text(f"{environment}\n")
    os.utime(environment / ".installed", (time.time() + 60,) * 2)  # younger than the lock
    return Project(tmp_path / "mine")


def type_in(project: Project, *commands: str, **env: str) -> None:
    """Type commands as they stand in a page; each must succeed."""
    for command in commands:
        project.sh("bash", "-c", command, env={"VENV": str(project.root.parent / "environment"), **env})


def begin(project: Project, name: str) -> None:
    """Do what the first block of an example's page says, with few seeds."""
    lay_over, *others = blocks(name)[0]
    type_in(project, lay_over)
    if name in _FEW_SEEDS:
        project.edit("config/config.yaml", *_FEW_SEEDS[name])
    type_in(project, *others)


def released(project: Project, version: str = "1.0.0") -> manifest.Manifest:
    """Return the manifest of a project's release, which must be there."""
    (name,) = {tag.partition("@")[0] for tag in project.tags()}
    assert f"{name}@v{version}" in project.tags()
    found = project.git("show", f"{name}@v{version}:{paths.manifest(name).as_posix()}")
    (project.root.parent / "manifest.yaml").write_text(found)
    return documents.read_record(project.root.parent / "manifest.yaml", manifest.Manifest)


def assert_as_in_readme(name: str, made: manifest.Manifest) -> None:
    """Compare what the page says of the test rows with what was measured; processors differ in the third digit."""
    metrics = {key: value.value for key, value in made.performance.test.metrics.items()}
    said = {key: float(value) for key, value in _FIGURE.findall(readme(name))}
    assert said.keys() == metrics.keys(), f"examples/{name}/README.md: the table has other metrics than the release"
    assert said == pytest.approx(metrics, rel=0.02, abs=0.005), f"examples/{name}/README.md: measured was {metrics}"
    assert f"{made.data.splits['test'].rows:,} test rows" in readme(name)
    assert f"`{made.parameters.candidate}`" in readme(name), "the page names the champion"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if name != "sensors"])
def test_an_example_comes_to_a_release_and_to_the_figures_in_its_page(name: str, new: Project) -> None:
    begin(new, name)
    made = released(new)
    assert_as_in_readme(name, made)
    if name == "breast_cancer":
        scores = made.performance.selected_from["logistic"]
        assert len({seed.metrics["roc_auc"] for seed in scores.seeds}) == 2, "each seed has a fold of its own"
    assert new.git("status", "--porcelain", "config", "project", "data", "dvc.yaml") == ""
    assert new.attempt("weighbridge", "check").code == 0


@pytest.mark.slow
def test_a_class_that_comes_later_is_a_major_change_that_somebody_else_approves(new: Project) -> None:
    begin(new, "sensors")
    assert_as_in_readme("sensors", released(new))
    for key, value in (("user.name", "Grace Hopper"), ("user.email", "grace@example.org")):
        new.git("config", key, value)
    grow, approve, again = blocks("sensors")[1:]
    type_in(new, *grow[:-1])
    refused = new.attempt("bash", "-c", grow[-1])
    assert refused.code != 0, refused.text
    assert "Traceback" not in refused.text
    assert "overheated" in refused.text
    assert "no release: the verdict is needs approval" in refused.text
    ada = {"NAME": "Ada Lovelace", "EMAIL": "ada@example.org"}
    type_in(new, *approve, **{f"GIT_{role}_{key}": ada[key] for role in ("AUTHOR", "COMMITTER") for key in ada})
    type_in(new, *again)
    made = released(new, "2.0.0")
    assert made.data.labels == ("idle", "running", "jammed", "overheated")


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
