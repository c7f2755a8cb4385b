"""A repository of the template, and a project made of it, that all tests here may read."""

from pathlib import Path

import baking
import pytest
from small_project import Project


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The template's repository. Not to be changed."""
    return baking.template(tmp_path_factory.mktemp("template") / "weighbridge")


@pytest.fixture(scope="session")
def baked(template: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project made by ``cookiecutter PATH``. Not to be changed."""
    return baking.bake(tmp_path_factory.mktemp("baked"), str(template.root))


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """An empty folder to make projects in."""
    return tmp_path / "elsewhere"
