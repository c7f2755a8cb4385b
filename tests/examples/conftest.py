"""A project that cookiecutter has just made, to lay examples over."""

import os
import shutil
import sys
import time
from pathlib import Path

import baking
import pytest
from small_project import Project


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
