"""A snakemake that is lost leaves jobs in Slurm: none of them does harm, and what they have done isn't done again."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import slurm_lab
import small_project
from small_project import Project

from weighbridge import documents, manifest, paths
from weighbridge.registry import ledger, markers

pytestmark = pytest.mark.slow(seconds=40)
SLURM = slurm_lab.Shape(nodes=1, cpus=1)  # a job runs, the others wait
PATIENCE = 600.0
HOLD = "results/hold"
WAITING = f"""

class Waiting(MLP):
    \"\"\"Waits, while it is made, until a file is gone.\"\"\"

    def __init__(self, inputs: int, *, outputs: int = 1) -> None:
        import time
        from pathlib import Path

        while Path("{HOLD}").exists():
            time.sleep(0.05)
        super().__init__(inputs, (4,), outputs=outputs)
"""
COMMAND = ("snakemake", "--profile", "workflow/profiles/slurm", "--slurm-init-seconds-before-status-checks", "1",
           "--latency-wait", "5", "evaluate")  # fmt: skip


def until(reached: Callable[[], object], what: str) -> None:
    """Wait until something came true."""
    end = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < end, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.1)


class Head:
    """A snakemake in the background, that sends jobs to Slurm."""

    started: ClassVar[list["Head"]] = []

    def __init__(self, project: Project, lab: slurm_lab.Lab, *arguments: str) -> None:
        self.output = project.root.parent / f"head{time.monotonic_ns()}.txt"
        with self.output.open("w") as stream:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments], cwd=project.root, env=project.env() | lab.env, stdout=stream,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self.started.append(self)

    @property
    def said(self) -> str:
        """What it has printed."""
        return self.output.read_text()

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Let a signal end it, and no other process."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)


@pytest.fixture(scope="module")
def prepared(made: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """One candidate, a network that waits for a file to go, with two seeds; its rows are there. Not to be changed."""
    project = small_project.copy(made, tmp_path_factory.mktemp("prepared"))
    project.append("project/models.py", WAITING)
    text = project.read("config/config.yaml")
    logistic, network = text.index("  logistic:\n"), text.index("  network:\n")
    text = (text[:logistic] + text[network:]).replace("models:MLP", "models:Waiting")
    (project.root / "config/config.yaml").write_text(text.replace("{hidden: [4]}", "{}"))
    project.commit("Wait")
    project.snakemake("preprocess")
    return project


@pytest.fixture
def project(prepared: Project, tmp_path: Path, slurm: slurm_lab.Lab) -> Iterator[Project]:
    """A copy of that project whose trainings wait."""
    project = small_project.copy(prepared, tmp_path)
    (project.root / HOLD).touch()
    yield project
    for head in Head.started:
        head.end()
    Head.started.clear()
    slurm.run("scancel", "--full", "--signal=KILL", f"--user={os.getuid()}")
    until(lambda: not slurm.run("squeue", "--noheader"), "an empty queue")


def bits(project: Project) -> dict[str, str]:
    """Return the digest of each file that the two runs are made of, and their metrics."""
    found: dict[str, str] = {}
    for seed in (0, 1):
        folder = project.root / paths.run("network", seed)
        record = documents.read_record(folder / "run.yaml", manifest.RunRecord)
        found |= {f"{seed}/{file.path}": file.sha256 for file in record.files}
        found[f"{seed}/validation"] = (folder / "validation.yaml").read_text()
    return found


def times(project: Project) -> dict[Path, int]:
    """Return when each file of the runs was written."""
    return {path: path.stat().st_mtime_ns for path in sorted((project.root / paths.RUNS).rglob("*")) if path.is_file()}


def states(lab: slurm_lab.Lab, project: Project) -> list[str]:
    """Return the states of the project's jobs, in the order in which they were sent."""
    return [job["JobState"] for job in lab.jobs() if job["WorkDir"] == str(project.root)]


@pytest.fixture(scope="module")
def undisturbed(prepared: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What nobody has disturbed makes, without Slurm."""
    project = small_project.copy(prepared, tmp_path_factory.mktemp("undisturbed"))
    project.snakemake("evaluate")
    return bits(project)


def test_whatever_ends_a_head_the_next_one_goes_on_and_nothing_is_trained_twice(
    project: Project, slurm: slurm_lab.Lab, undisturbed: dict[str, str]
) -> None:
    first = Head(project, slurm)
    until(lambda: [marker.stage for marker in markers.running(project.root)] == ["train"], "a training")
    until(lambda: states(slurm, project) == ["RUNNING", "PENDING"], "a job that waits")
    running = markers.running(project.root)[0].seed
    jobs = [job["JobId"] for job in slurm.jobs() if job["WorkDir"] == str(project.root)]
    first.end(signal.SIGKILL)
    second = Head(project, slurm)
    until(lambda: len(states(slurm, project)) == 4, "two jobs more")
    second.end(signal.SIGHUP)
    assert f"of its jobs {jobs[0]} run on" in second.said
    assert f"of its jobs {jobs[1]} wait in the queue" in second.said
    assert states(slurm, project) == ["RUNNING", *["PENDING"] * 3], "a lost head's jobs stay"
    last = Head(project, slurm)
    until(lambda: len(states(slurm, project)) == 6, "two jobs more")
    (project.root / HOLD).unlink()
    assert last.process.wait(PATIENCE) == 0, last.said
    assert bits(project) == undisturbed
    assert states(slurm, project) == ["COMPLETED", *["FAILED"] * 3, *["COMPLETED"] * 4]
    made = [(row.status, row.seed) for row in ledger.rows(project.root) if row.status in {"trained", "restored"}]
    assert sorted(made, key=str) == [("restored", running), ("trained", 0), ("trained", 1)]
    assert markers.running(project.root) == ()


def test_a_job_that_starts_when_others_have_done_its_work_with_new_settings_changes_nothing(
    project: Project, slurm: slurm_lab.Lab
) -> None:
    (project.root / HOLD).unlink()
    slurm.run("scontrol", "update", "PartitionName=cpu", "State=DOWN")
    old = Head(project, slurm, "--config", "reuse=false")
    until(lambda: states(slurm, project) == ["PENDING"] * 2, "two jobs that wait")
    old.end()
    project.edit("config/config.yaml", "epochs: 2", "epochs: 3")
    said = project.snakemake("evaluate", env=slurm.env)
    assert "wait in the queue: they will do nothing" in said
    before = bits(project), times(project), ledger.heads(project.root)
    slurm.run("scontrol", "update", "PartitionName=cpu", "State=UP")
    until(lambda: states(slurm, project) == ["FAILED"] * 2, "the end of both")
    assert (bits(project), times(project), ledger.heads(project.root)) == before
    (log, *_) = sorted((project.root / ".snakemake/slurm_logs").rglob("*.log"))
    assert "another one does its work in this folder; nothing is done" in log.read_text()
    assert project.planned("evaluate") == set()


def test_arrays_are_refused_before_any_job(project: Project, slurm: slurm_lab.Lab) -> None:
    """Where a job of an array fails, the plugin removes what others of it have made."""
    head = Head(project, slurm, "--slurm-array-jobs", "all")
    assert head.process.wait(PATIENCE) == 1
    assert "slurm-array-jobs: found it set" in head.said
    assert states(slurm, project) == []
    assert not list((project.root / ".snakemake/locks").glob("*"))
