"""Several processes behind one command: told to end, killed and lost, they come to the same bits all the same."""

import platform
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import small_project
from small_project import Project

from weighbridge import documents, plan
from weighbridge.digest import sha256_file
from weighbridge.errors import ModelError
from weighbridge.manifest import RunRecord
from weighbridge.training import launch

pytestmark = pytest.mark.slow(seconds=15)

RUN = "results/runs/many/0"
PATIENCE_SECONDS = 120
NETWORK = '''
"""A network that takes its time while somebody wants to see it at work, and one that fails in one process."""

import os
import time
from pathlib import Path

from project.models import MLP

SLOW = Path(__file__).parents[1] / "slow"


class Slow(MLP):
    """As its base, with dropout."""

    def __init__(self, inputs, **params):
        super().__init__(inputs, dropout=0.2, **params)

    def forward(self, rows):
        if self.training and SLOW.exists():
            time.sleep(0.2)
        return super().forward(rows)


class Broken(MLP):
    """Fails where it isn't alone."""

    def forward(self, rows):
        if os.environ.get("RANK") == "1":
            raise ValueError("not on this one")
        return super().forward(rows)
'''
CANDIDATES = """\
candidates:
  many:
    model: "project.slow:Slow"
    params: {hidden: [4]}
    fit: {epochs: 4, batch_size: 64, patience: 4, processes_per_node: 2}
  broken:
    model: "project.slow:Broken"
    fit: {processes_per_node: 2}
"""


def wait(reached: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture(scope="module")
def prepared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose rows are prepared, with two candidates of two processes."""
    project = small_project.copy(done, tmp_path_factory.mktemp("prepared"))
    (project.root / "project/slow.py").write_text(NETWORK)
    text = project.read("config/config.yaml")
    start, end = text.index("candidates:"), text.index("seeds:")
    (project.root / "config/config.yaml").write_text(text[:start] + CANDIDATES + text[end:])
    return project


def weights(project: Project) -> tuple[str, str]:
    """Return the digests of weights and curve."""
    return sha256_file(project.root / RUN / "model.safetensors"), sha256_file(project.root / RUN / "curve.csv")


@pytest.fixture(scope="module")
def undisturbed(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """What it comes to where nothing comes between."""
    project = small_project.copy(prepared, tmp_path_factory.mktemp("undisturbed"))
    done = project.stage("train", "--candidate", "many", "--seed", "0")
    assert done.code == 0, done.text
    assert done.out.count("epoch 4/4") == 1
    record = documents.read_record(project.root / RUN / "run.yaml", RunRecord)
    assert record.training.processes == 2
    assert record.hardware.blas
    return weights(project)


class Start:
    """The training, started and at work: it has saved something that wasn't there before."""

    def __init__(self, project: Project) -> None:
        (project.root / "slow").touch()
        self._project = project
        before = self._checkpoints()
        told = plan.Plan(plan.load(project.root), project.root).settings_file("train", "many")
        command = ("weighbridge", "train", "--settings", told, "--candidate", "many", "--seed", "0")
        env = project.env() | {"PYTHONPATH": str(project.root), "WEIGHBRIDGE_CHECKPOINT_SECONDS": "0.5"}
        self.log = project.root / "start.log"
        with self.log.open("w") as log:
            self.driver = psutil.Popen(command, cwd=project.root, env=env, stdout=log, stderr=subprocess.STDOUT)
        wait(lambda: self._checkpoints() - before, "no checkpoint")
        self.started = self.driver.children(recursive=True)
        self.workers = [each for each in self.started if "weighbridge.training.worker" in self._words(each)]

    def _checkpoints(self) -> set[str]:
        return {path.name for path in (self._project.root / "results/checkpoints").glob("*/0*")}

    @staticmethod
    def _words(process: psutil.Process) -> list[str]:
        words: list[str] = process.cmdline()
        return words[:4] if "torch.distributed.run" not in words else []

    def ended(self) -> tuple[int, str]:
        """Wait for its end, of all processes, and return exit code and log."""
        code = self.driver.wait(PATIENCE_SECONDS)
        _, left = psutil.wait_procs(self.started, timeout=PATIENCE_SECONDS)
        assert not left
        return code, self.log.read_text()


def test_stopped_and_killed_in_every_way_they_come_to_the_same_bits(
    prepared: Project, undisturbed: tuple[str, str], tmp_path: Path
) -> None:
    project = small_project.copy(prepared, tmp_path)
    first = Start(project)
    assert len(first.workers) == 2
    for process in (first.driver, *first.workers, first.driver):  # as a scheduler does, which signals all of a job
        process.send_signal(signal.SIGTERM)
    code, said = first.ended()
    assert code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM" in said
    assert f"2 processes on {platform.node()}" in said
    second = Start(project)
    second.workers[1].kill()
    code, said = second.ended()
    assert code == 2
    assert "goes on from a checkpoint" in said
    assert "was ended by SIGKILL, as when memory runs out" in said
    assert "Traceback" not in said
    third = Start(project)
    third.driver.kill()  # nobody tells the others
    assert third.ended()[0] == -signal.SIGKILL
    (project.root / "slow").unlink()
    done = project.stage("train", "--candidate", "many", "--seed", "0")
    assert done.code == 0, done.text
    assert "goes on from a checkpoint" in done.out
    assert weights(project) == undisturbed


def test_the_process_that_failed_says_why(prepared: Project, tmp_path: Path) -> None:
    project = small_project.copy(prepared, tmp_path)
    done = project.stage("train", "--candidate", "broken", "--seed", "0")
    assert done.code == 2
    assert "weighbridge train: the network failed: ValueError: not on this one; mend its forward" in done.text
    assert "Traceback" not in done.text
    assert "Connection closed" not in done.text


def test_without_a_loopback_interface_the_message_says_so(prepared: Project, tmp_path: Path) -> None:
    alone = small_project.without_network()
    if not alone:
        pytest.skip("this system doesn't let us take the network away")
    project = small_project.copy(prepared, tmp_path)
    done = project.stage("train", "--candidate", "many", "--seed", "0", before=alone)
    assert done.code == 2
    assert "which can't be reached here" in done.text
    assert "ip link set lo up" in done.text


def test_processes_that_say_nothing_are_quoted(tmp_path: Path) -> None:
    complaints = tmp_path / "stderr"
    complaints.write_text("first\nsrun: error: Unable to create step\n")
    assert launch._failure(tmp_path, complaints.read_text()) is None
    assert "ended with 1 and no word" in str(launch._wordless(1, complaints))
    assert "Unable to create step" in str(launch._wordless(1, complaints))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (9, "process 1 of the training was ended by SIGKILL, as when memory runs out"),
        (6, "process 1 of the training was ended by SIGABRT, a fault in what the network calls"),
    ],
    ids=["killed", "aborted"],
)
def test_a_process_that_a_signal_ended_is_told(number: int, words: str, tmp_path: Path) -> None:
    said = f"  rank      : 1 (local_rank: 1)\n  exitcode  : -{number} (pid: 12)\n"
    assert words in str(launch._failure(tmp_path, said))


def test_a_lost_link_is_told_where_nobody_says_more(tmp_path: Path) -> None:
    (tmp_path / "failed-1.json").write_text('{"error": "Parted", "message": "closed", "traceback": ""}')
    found = launch._failure(tmp_path, "")
    assert isinstance(found, ModelError)
    assert "lost each other: closed" in str(found)
