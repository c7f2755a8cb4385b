"""A training that Slurm interrupts, in whatever way, goes on by itself and ends in the bits of one that it let be."""

import contextlib
import dataclasses
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from pathlib import Path

import psutil
import pytest
import slurm_lab
import small_project
from small_project import Project

from weighbridge import cluster, documents, plan
from weighbridge.digest import sha256_file
from weighbridge.manifest import RunRecord
from weighbridge.registry import ledger, markers

pytestmark = pytest.mark.slow(seconds=17)

SLURM = slurm_lab.Shape(nodes=4)
RUN = "results/runs/slow/0"
PATIENCE_SECONDS = 120
# Files beside it say how slowly it goes, so that a test can come between.
NETWORK = '''
"""A network that takes its time while somebody wants to see it at work."""

import time
from pathlib import Path

from project.models import MLP

ROOT = Path(__file__).parents[1]


class Slow(MLP):
    """As its base; with ``hold`` there, it isn't even built.

    With ``until-warned`` there, its first start learns nothing until Snakemake was told to end, and for a while after.
    """

    def __init__(self, inputs, **params):
        super().__init__(inputs, dropout=0.2, **params)
        while (ROOT / "hold").exists():
            time.sleep(0.1)

    def forward(self, rows):
        if self.training and (ROOT / "slow").exists():
            time.sleep(0.2)
        if self.training and (ROOT / "until-warned").exists() and not any((ROOT / "results/checkpoints").glob("*/0*")):
            (ROOT / "at-work").touch()
            logs = ROOT / ".snakemake/slurm_logs"
            while not any("Will exit after finishing" in log.read_text() for log in logs.rglob("*.log")):
                time.sleep(0.1)
            time.sleep(8)
        return super().forward(rows)
'''
CANDIDATE = """\
candidates:
  slow:
    model: "project.slow:Slow"
    params: {hidden: [4]}
    fit: {epochs: 12, batch_size: 32, patience: 12, schedule: "cosine", warmup_epochs: 1}
"""


def wait(reached: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@dataclasses.dataclass(frozen=True)
class Training:
    """The run ``slow``, seed 0, of a project of its own, as jobs of Slurm's."""

    project: Project
    slurm: slurm_lab.Lab

    @property
    def env(self) -> dict[str, str]:
        """Environment of its jobs."""
        return self.project.env() | self.slurm.env | {"PYTHONPATH": str(self.project.root)}

    def submit(self, *options: str) -> str:
        """Submit it as the workflow's rule does, and return the job's id."""
        told = plan.Plan(plan.load(self.project.root), self.project.root).settings_file("train", "slow")
        command = f"srun --ntasks=1 weighbridge train --settings {told} --candidate slow --seed 0"
        asked = ("--parsable", "--ntasks=1", "--mem=1000", "--requeue", "--open-mode=append", "--output=job.log")
        env = self.env | {"WEIGHBRIDGE_CHECKPOINT_SECONDS": "0"}
        return self.slurm.run("sbatch", *asked, *options, f"--wrap={command}", cwd=self.project.root, env=env)

    def until_saved(self) -> None:
        """Wait until there is something to go on from, newer than what is there now."""
        there = self.checkpoints()
        wait(lambda: self.checkpoints() - there, f"no checkpoint{self.log()}")

    def checkpoints(self) -> set[str]:
        """Return the checkpoints' names."""
        return {path.name for path in (self.project.root / "results/checkpoints").glob("*/0*")}

    def until_back(self, job: str) -> None:
        """Wait until Slurm has put the job back into its queue, and let it start at once, and quickly."""
        self.slurm.until(job, "PENDING", "REQUEUED")
        (self.project.root / "slow").unlink()
        self.slurm.hasten(job)

    def log(self) -> str:
        """Return what its jobs have printed."""
        path = self.project.root / "job.log"
        return f"\n{path.read_text()}" if path.exists() else ""

    def attempts(self) -> list[str]:
        """Return how its starts ended that came to nothing, in words."""
        found = [entry.record for entry in ledger.read(self.project.root) if entry.record["kind"] == "attempt"]
        return [f"{record['status']}: {record['error']}" for record in found if record["stage"] == "train"]

    def weights(self) -> tuple[str, str]:
        """Return the digests of weights and curve."""
        folder = self.project.root / RUN
        return sha256_file(folder / "model.safetensors"), sha256_file(folder / "curve.csv")

    def record(self) -> RunRecord:
        """Return the run's record."""
        return documents.read_record(self.project.root / RUN / "run.yaml", RunRecord)

    def kill(self) -> None:
        """Kill the stage's process, and nothing else of its job."""
        (marker,) = markers.running(self.project.root)
        psutil.Process(marker.process.pid).kill()


@pytest.fixture(scope="module")
def prepared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose rows are prepared, with the one candidate."""
    project = small_project.copy(done, tmp_path_factory.mktemp("prepared"))
    (project.root / "project/slow.py").write_text(NETWORK)
    text = project.read("config/config.yaml")
    start, end = text.index("candidates:"), text.index("seeds:")
    (project.root / "config/config.yaml").write_text(text[:start] + CANDIDATE + text[end:])
    return project


@pytest.fixture(scope="module")
def undisturbed(prepared: Project, tmp_path_factory: pytest.TempPathFactory, slurm: slurm_lab.Lab) -> tuple[str, str]:
    """The digests of the run's weights and curve where nothing comes between, without Slurm."""
    training = Training(small_project.copy(prepared, tmp_path_factory.mktemp("undisturbed")), slurm)
    done = training.project.stage("train", "--candidate", "slow", "--seed", "0")
    assert done.code == 0, done.text
    return training.weights()


@pytest.fixture
def training(prepared: Project, tmp_path: Path, slurm: slurm_lab.Lab) -> Training:
    """The run in a project of its own, which goes slowly."""
    training = Training(small_project.copy(prepared, tmp_path), slurm)
    (training.project.root / "slow").touch()
    return training


@contextlib.contextmanager
def running(training: Training) -> Iterator[subprocess.Popen[str]]:
    """Run the workflow's head meanwhile; whatever happens, it is ended."""
    command = (
        "snakemake", "--profile", "workflow/profiles/slurm", "--seconds-between-status-checks", "2", "--retries", "0",
        "--set-resources", "train:slurm_extra='--signal=TERM@30 --open-mode=append'", "--nolock",
         "--allowed-rules", "train", "--", f"{RUN}/run.yaml",
    )  # fmt: skip
    with (training.project.root / "head.log").open("w") as log:
        head = subprocess.Popen(command, cwd=training.project.root, env=training.env, stdout=log, stderr=log, text=True)
    try:
        yield head
    finally:
        head.kill()
        head.wait()


@pytest.fixture(scope="module", autouse=True)
def at_its_limit(
    prepared: Project, slurm: slurm_lab.Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Training, subprocess.Popen[str]]]:
    """The workflow, with a training that is at work when its time is over; it waits while other tests run."""
    training = Training(small_project.copy(prepared, tmp_path_factory.mktemp("limit")), slurm)
    (training.project.root / "until-warned").touch()
    with running(training) as head:
        yield training, head


@pytest.fixture(scope="module", autouse=True)
def limited(
    at_its_limit: tuple[Training, subprocess.Popen[str]], undisturbed: tuple[str, str]
) -> Iterator[futures.Future[str]]:
    """Its job, which is at its limit half a minute to a minute and a half from when it is at work, once it is back."""
    del undisturbed
    training, _ = at_its_limit
    wait((training.project.root / "at-work").exists, "not at work" + training.project.logs())
    (job,) = (job for job in training.slurm.jobs() if job["JobState"] == "RUNNING")
    number, ran = job["JobId"], cluster.seconds(job["RunTime"])
    assert ran is not None
    training.slurm.run("scontrol", "update", f"JobId={number}", f"TimeLimit={(ran + 35) // 60 + 1}")

    def more_time() -> str:
        training.slurm.until(number, "PENDING", seconds=2 * PATIENCE_SECONDS)
        training.slurm.run("scontrol", "update", f"JobId={number}", "TimeLimit=60", "StartTime=now")
        return number

    with futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(more_time)


def check(training: Training, undisturbed: tuple[str, str], job: str, restarts: int) -> None:
    """It went on, ended in the same bits, and says so."""
    training.slurm.until(job, "COMPLETED")
    assert training.weights() == undisturbed
    record = training.record().training
    assert record.resumed_from is not None
    assert record.cluster is not None
    assert (record.cluster.job, record.cluster.restarts) == (job, restarts)
    assert not training.checkpoints()


def test_put_back_by_hand(training: Training, undisturbed: tuple[str, str]) -> None:
    job = training.submit("--time=10")
    training.until_saved()
    training.slurm.run("scontrol", "requeue", job)
    training.until_back(job)
    check(training, undisturbed, job, 1)
    (attempt,) = training.attempts()
    said = f"Slurm has put job {job} back into its queue, to go on from its last checkpoint"
    assert attempt == f"cancelled: stopped by SIGTERM: {said}"


def test_driven_out_by_a_job_of_a_higher_partition(training: Training, undisturbed: tuple[str, str]) -> None:
    job = training.submit("--time=10", "--partition=spot", "--nodelist=n2", "--exclusive")
    training.until_saved()
    higher = training.slurm.run(
        "sbatch", "--parsable", "--nodelist=n2", "--exclusive", "--output=/dev/null", "--wrap=true"
    )
    training.until_back(job)
    check(training, undisturbed, job, 1)
    assert training.slurm.job(higher)["JobState"] == "COMPLETED"
    assert "Slurm has put job" in training.attempts()[0]


def test_its_node_goes_down(training: Training, undisturbed: tuple[str, str]) -> None:
    """It goes on at another one."""
    job = training.submit("--time=10", "--nodelist=n3")
    training.until_saved()
    training.slurm.lose("n3")
    training.slurm.until(job, "PENDING", "REQUEUED")
    training.slurm.run("scontrol", "update", f"JobId={job}", "ReqNodeList=")
    training.until_back(job)
    check(training, undisturbed, job, 1)
    training.slurm.recover("n3")
    (attempt,) = training.attempts()
    assert attempt.startswith("killed: ")


def test_killed_hard_and_not_allowed_back(training: Training, undisturbed: tuple[str, str]) -> None:
    """Neither is requeued; the next submission goes on from where both have come to."""
    first = training.submit("--time=10", "--no-requeue")
    training.until_saved()
    training.slurm.run("scancel", "--signal=TERM", first)
    training.slurm.until(first, "FAILED")
    second = training.submit("--time=10")
    training.until_saved()
    training.kill()
    training.slurm.until(second, "FAILED")
    (training.project.root / "slow").unlink()
    third = training.submit("--time=10")
    check(training, undisturbed, third, 0)
    stopped, killed = training.attempts()
    assert stopped == (
        f"cancelled: stopped by SIGTERM: Slurm doesn't put job {first} back into its queue; the next start goes on "
        "from the last checkpoint"
    )
    assert killed.startswith("killed: ")


def test_who_cancels_a_job_wants_no_more_of_it(training: Training) -> None:
    job = training.submit("--time=10")
    training.until_saved()
    training.slurm.run("scancel", job)
    training.slurm.until(job, "CANCELLED")
    wait(training.attempts, f"no record{training.log()}")
    (attempt,) = training.attempts()
    assert attempt.startswith("cancelled: stopped by SIGTERM")
    assert " back" not in attempt
    assert training.checkpoints()
    assert training.slurm.job(job)["Restarts"] == "0"


def test_a_limit_too_short_for_any_work_isn_t_tried_for_ever(training: Training) -> None:
    (training.project.root / "hold").touch()
    job = training.submit("--time=2")
    wait(lambda: list(markers.running(training.project.root)), "not begun")
    wait(lambda: "run slow-" in training.log(), "not begun")
    training.slurm.run("scancel", "--signal=TERM", job)
    training.slurm.until(job, "FAILED")
    assert "the time limit of 2 min is over before anything could be saved; raise runtime" in training.log()
    assert not training.checkpoints()


def test_the_workflow_waits_for_a_job_that_its_limit_has_put_back(
    at_its_limit: tuple[Training, subprocess.Popen[str]], limited: futures.Future[str], undisturbed: tuple[str, str]
) -> None:
    """The head, its job, Snakemake within the job, and in there the stage, which takes a while to save."""
    (training, head), job = at_its_limit, limited.result()
    assert head.wait(PATIENCE_SECONDS) == 0, training.project.read("head.log") + training.project.logs()
    check(training, undisturbed, job, 1)
    assert training.attempts() == [
        f"cancelled: stopped by SIGTERM: put job {job} back into Slurm's queue, to go on from its last checkpoint"
    ]
