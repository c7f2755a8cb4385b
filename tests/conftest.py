"""A small project that all may copy: fresh, or with a finished run of the whole pipeline."""

import os
import signal
from pathlib import Path

import hypothesis
import pytest
import small_project
from small_project import Project

# A job in the background, or under nohup, may be started deaf to these, and would hand that on to what tests start.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# A busy machine is no failure; and what CI tries is the same each time, while people's machines try anew.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, committed, never run. Not to be changed."""
    return small_project.make(tmp_path_factory.mktemp("made") / "project")


@pytest.fixture(scope="session")
def done(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same after ``snakemake``, without network where that can be had: v1.0.0 is released. Not to be changed."""
    project = small_project.copy(made, tmp_path_factory.mktemp("done"))
    project.sh(*small_project.without_network(), "snakemake", "--cores", "2")
    return project


@pytest.fixture
def fresh(made: Project, tmp_path: Path) -> Project:
    """A copy of the project before its first run."""
    return small_project.copy(made, tmp_path)


@pytest.fixture
def finished(done: Project, tmp_path: Path) -> Project:
    """A copy of the project after its first run."""
    return small_project.copy(done, tmp_path)
