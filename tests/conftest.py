"""A small project that all may copy: fresh, or with a finished run of the whole pipeline."""

import collections
import fcntl
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import slurm_lab
import small_project
from small_project import Project

# A job in the background, or under nohup, may be started deaf to these, and would hand that on to what tests start.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)

# A busy machine is no failure; and what CI tries is the same each time, and less, while people's machines try anew.
hypothesis.settings.register_profile(
    "house",
    deadline=None,
    derandomize="CI" in os.environ,
    max_examples=40 if "CI" in os.environ else 100,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("house")


_SECONDS = 3  # of a slow test that doesn't say how long it takes


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no worker is left with one when the others are done.

    In CI leave out the few tests whose claim shorter ones make as well.
    """
    seconds: collections.Counter[Path] = collections.Counter()
    for item in items:
        for marker in item.iter_markers("slow"):
            seconds[item.path] += marker.kwargs.get("seconds", _SECONDS)
    items.sort(key=lambda item: -seconds[item.path])
    if "CI" in os.environ:
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="left to people's machines: CI tries the same on less"))


def _once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Project]) -> Project:
    """Return a project that all workers of this session share; the first that asks makes it, others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    complete = folder / "complete"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if complete.exists():
            return Project(folder / "project")
        shutil.rmtree(folder / "project", ignore_errors=True)  # of a worker that failed
        project = make(folder)
        complete.touch()
    return project


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small project, committed, never run. Not to be changed."""
    return _once(tmp_path_factory, "made", lambda folder: small_project.make(folder / "project"))


@pytest.fixture(scope="session")
def done(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same after ``snakemake``, without network where that can be had: v1.0.0 is released. Not to be changed."""

    def run(folder: Path) -> Project:
        project = small_project.copy(made, folder)
        project.sh(*small_project.without_network(), "snakemake", "--cores", "2")
        return project

    return _once(tmp_path_factory, "done", run)


@pytest.fixture
def fresh(made: Project, tmp_path: Path) -> Project:
    """A copy of the project before its first run."""
    return small_project.copy(made, tmp_path)


@pytest.fixture
def finished(done: Project, tmp_path: Path) -> Project:
    """A copy of the project after its first run."""
    return small_project.copy(done, tmp_path)


@pytest.fixture(scope="module")
def slurm(request: pytest.FixtureRequest) -> Iterator[slurm_lab.Lab]:
    """A Slurm of this module's own, as its ``SLURM`` says; see :mod:`slurm_lab`."""
    shape = getattr(request.module, "SLURM", slurm_lab.Shape())
    lacking = slurm_lab.missing(shape)
    if lacking and os.geteuid():
        pytest.skip(f"{', '.join(lacking)} not installed, and no right to: see CONTRIBUTING.md")
    with slurm_lab.lab(shape) as lab:
        yield lab
