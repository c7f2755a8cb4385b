"""make sees to an environment that works: made where there is none, anew where the project was moved."""

import shutil
import sys
from pathlib import Path

import pytest
from small_project import Project


@pytest.fixture
def made(baked: Project, tmp_path: Path) -> Project:
    """A project whose environment is up to date, as far as make can see."""
    project = Project(shutil.copytree(baked.root, tmp_path / "larder"))
    (project.root / ".venv/bin").mkdir(parents=True)
    (project.root / ".venv/bin/python").symlink_to(sys.executable)
    (project.root / ".venv/.installed").write_text(f"{project.root}/.venv\n")
    return project


def planned(project: Project, *options: str) -> str:
    alone = {"MAKEFLAGS": "", "MFLAGS": "", "MAKELEVEL": "0"}  # these tests may be run by make themselves
    return project.sh("make", "--dry-run", *options, "run", env=alone)


def test_an_environment_made_here_is_used(made: Project) -> None:
    assert planned(made) == "weighbridge setup\nsnakemake --cores all\n"


def test_where_there_is_none_one_is_made(baked: Project) -> None:
    said = planned(baked)
    assert "-m venv  .venv" in said
    assert said.endswith("weighbridge setup\nsnakemake --cores all\n")


def test_another_lock_is_installed_into_it(made: Project) -> None:
    said = planned(made, "--what-if=requirements.lock")
    assert "install --quiet --disable-pip-version-check -r requirements.lock" in said
    assert "--clear" not in said


def test_of_a_moved_project_it_is_made_from_nothing(made: Project) -> None:
    moved = Project(made.root.rename(made.root.parent / "moved"))
    assert "-m venv --clear .venv" in planned(moved)


def test_an_environment_whose_python_is_gone_is_made_from_nothing(made: Project) -> None:
    (made.root / ".venv/bin/python").unlink()
    (made.root / ".venv/bin/python").symlink_to("/gone/python3")
    assert "-m venv --clear .venv" in planned(made)


def test_an_environment_of_ones_own_is_never_emptied(made: Project) -> None:
    (made.root / ".venv/.installed").unlink()
    assert "--clear" not in planned(made)


def test_benchmarks_are_not_the_projects(made: Project) -> None:
    done = made.attempt("make", "bench")
    assert done.code != 0
    assert "benchmarks are the template's, not a project's" in done.text
