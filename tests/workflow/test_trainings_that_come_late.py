"""A training that ends when the world has moved on: another did the same, another leads, or its rows are others now."""

import fcntl
import subprocess
import time
from pathlib import Path

import pytest
import small_project
from small_project import Project

from weighbridge import paths
from weighbridge.registry import ledger

pytestmark = pytest.mark.slow
MODELS = '''"""Models that change the world while they are made."""

from pathlib import Path

from sklearn.linear_model import LogisticRegression


def overtaken() -> LogisticRegression:
    """Another snakemake leads, and its own run is there already."""
    Path(".snakemake/weighbridge.head").write_text("another")
    Path("results/runs/overtaken/0/run.yaml").write_text("theirs")
    return LogisticRegression()


def moved() -> LogisticRegression:
    """What the run's id is made of isn't so any more."""
    Path("requirements.lock").write_text("")
    return LogisticRegression()
'''
CANDIDATES = """  overtaken: {model: "project.late:overtaken"}
  moved: {model: "project.late:moved"}
seeds:"""
# No locks for this process alone: it runs although another one has the turn.
DEAF = "import fcntl; fcntl.flock = lambda descriptor, kind: None"


@pytest.fixture(scope="module")
def late(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with such models, whose tables are there. Not to be changed."""
    project = small_project.copy(done, tmp_path_factory.mktemp("late"))
    (project.root / "project/late.py").write_text(MODELS)
    project.edit("config/config.yaml", "seeds:", CANDIDATES)
    project.append("config/config.yaml", "reuse: false\n")
    return project


@pytest.fixture
def project(late: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    return small_project.copy(late, tmp_path)


def statuses(project: Project, candidate: str) -> list[str | None]:
    """Return what the ledger says of a candidate's run with seed 0."""
    return [row.status for row in ledger.rows(project.root) if (row.candidate, row.seed) == (candidate, 0)]


def test_who_waited_for_the_same_training_takes_its_result_though_nothing_is_to_be_reused(
    project: Project, tmp_path: Path
) -> None:
    (tmp_path / "seam").mkdir()
    (tmp_path / "seam/sitecustomize.py").write_text(DEAF)
    train = ("train", "--candidate", "logistic", "--seed", "0")
    lock = project.root / paths.STAGE_LOCKS / "train-logistic-0"
    log = project.root / "waiting.txt"
    before = len(statuses(project, "logistic"))
    assert project.stage(*train).code == 0  # which writes the settings, and trains without having waited
    settings = max(
        (project.root / "results/settings").glob("train-logistic-*.json"), key=lambda path: path.stat().st_mtime
    )
    assert statuses(project, "logistic")[before:] == ["trained"]
    with lock.open("r+") as held, log.open("w") as output:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            ["weighbridge", "train", "--settings", settings, *train[1:]], cwd=project.root, stdout=output,
            stderr=subprocess.STDOUT, env=project.env() | {"PYTHONPATH": str(project.root)},
        )  # fmt: skip
        while "this one waits for it" not in log.read_text():
            assert waiting.poll() is None, log.read_text()
            time.sleep(0.05)
        assert project.stage(*train, env={"PYTHONPATH": f"{project.root}:{tmp_path / 'seam'}"}).code == 0
        fcntl.flock(held, fcntl.LOCK_UN)
        assert waiting.wait() == 0, log.read_text()
    assert statuses(project, "logistic")[before:] == ["trained", "trained", "restored"]


def test_who_was_overtaken_leaves_the_run_that_is_there(project: Project) -> None:
    own = f"{project.root.stat().st_ino}-0123456789abcdef"
    (project.root / paths.HEAD).write_text(own)
    found = project.stage("train", "--candidate", "overtaken", "--seed", "0", env={"WEIGHBRIDGE_HEAD": own})
    assert found.code == 0, found.text
    assert "on record, and not put in place" in found.text
    assert project.read("results/runs/overtaken/0/run.yaml") == "theirs"
    assert statuses(project, "overtaken") == ["trained"]


def test_a_run_whose_inputs_were_changed_meanwhile_is_nobodys(project: Project) -> None:
    found = project.stage("train", "--candidate", "moved", "--seed", "0")
    assert found.code == 2, found.text
    assert "changed while this run was trained" in found.text
    assert statuses(project, "moved") == ["failed"]
    assert not (project.root / "results/runs/moved/0/run.yaml").exists()
