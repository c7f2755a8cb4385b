"""Slurm doesn't answer for a while: the head waits and says so, loses no job, and goes on."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_lab

from weighbridge import cluster, cluster_patience

Until = Callable[[Callable[[], object]], None]
ROOT = Path(__file__).parents[2]
SNAKEFILE = """
import sys
sys.path.insert(0, {root!r})
from weighbridge import cluster_patience
cluster_patience._LOOK_SECONDS = 2.0

rule all:
    input: "made"

rule made:
    output: "made"
    resources: mem_mb=300, runtime=5
    shell: "touch began; while [ ! -e go ]; do sleep 0.2; done; touch {{output}}"

onstart:
    from snakemake_executor_plugin_slurm import Executor
    cluster_patience.install(Executor)
"""


class Job:
    """A job of Snakemake's that was sent."""

    def __init__(self, external_jobid: str = "") -> None:
        self.external_jobid = external_jobid


class Executor:
    """As the plugin's: where Slurm doesn't answer it is silent on all jobs."""

    def __init__(self) -> None:
        self.wait = True
        self.answers = True
        self.ended: set[int] = set()
        self.reported: list[Job] = []
        self.failed: list[str] = []
        self.sent: list[Job] = []

    async def check_active_jobs(self, active_jobs: list[Job]) -> AsyncIterator[Job]:
        if self.answers:
            for job in active_jobs:
                if id(job) in self.ended:
                    self.report_job_success(job)
                else:
                    yield job

    def report_job_success(self, job: Job) -> None:
        self.reported.append(job)

    def report_job_error(self, job: Job, msg: str) -> None:
        self.reported.append(job)
        self.failed.append(msg)

    def run_job(self, job: Job) -> None:
        self.sent.append(job)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def executor(said: list[str]) -> Executor:
    class Patient(Executor):
        pass

    cluster_patience.install(Patient, said.append)
    cluster_patience.install(Patient, said.append)
    return Patient()


def look(executor: Executor, active: list[Job]) -> list[Job]:
    """Return the jobs that stay active."""

    async def found() -> list[Job]:
        return [job async for job in executor.check_active_jobs(active)]

    return asyncio.run(found())


def test_a_job_of_which_nothing_was_learned_stays_active(executor: Executor, said: list[str]) -> None:
    jobs = [Job(), Job()]
    executor.ended.add(id(jobs[0]))
    executor.answers = False
    assert look(executor, jobs) == jobs
    assert look(executor, jobs) == jobs
    assert said == ["Slurm doesn't answer; its jobs go on, and this snakemake waits: nothing is lost"]
    executor.answers = True
    assert look(executor, jobs) == [jobs[1]]
    assert executor.reported == [jobs[0]], "once"
    assert said[1:] == ["Slurm answers again, after 0 s"]


def test_an_error_is_no_silence(executor: Executor, said: list[str]) -> None:
    job = Job()
    executor.report_job_error(job, msg="failed")
    executor.ended.add(id(job))
    assert look(executor, [job]) == []
    assert look(executor, []) == []
    assert said == []


def test_nothing_is_submitted_until_slurm_answers(
    executor: Executor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_patience, "_PAUSE_SECONDS", 0.01)
    answers = iter([False, False, True])
    monkeypatch.setattr(cluster, "answers", lambda: next(answers))
    job = Job()
    executor.run_job(job)
    assert executor.sent == [job]
    assert [line[:12] for line in said] == ["Slurm doesn'", "Slurm answer"]


def test_a_snakemake_that_ends_submits_nothing_more(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "answers", lambda: False)
    executor.wait = False
    executor.run_job(Job())
    assert executor.sent == []


def state_of(job: str) -> cluster.State:
    """Return what Slurm says of jobs 2 to 5, none of which the queue lists."""
    said = {"2": "COMPLETED", "3": "TIMEOUT", "4": "", "5": "RUNNING"}[job]
    return cluster.State(job=job, phase=cluster.Phase.RUNNING if job == "5" else cluster.Phase.ENDED, said=said)


def test_jobs_that_slurm_lists_no_more_are_not_waited_for(
    executor: Executor, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_patience, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "listed", lambda: frozenset({"1"}))
    monkeypatch.setattr(cluster, "state", state_of)
    listed, ended, failed, forgotten, accounted = jobs = [Job(str(number)) for number in range(1, 6)]
    assert look(executor, jobs) == [listed, forgotten, accounted]
    assert executor.reported == [ended, failed]
    assert [text.strip() for text in executor.failed] == ["Slurm's job 3 failed: TIMEOUT."]
    assert look(executor, [listed, forgotten, accounted]) == [listed, accounted], "a minute later"
    assert executor.reported == [ended, failed, forgotten]
    assert "forgotten job 4" in executor.failed[1]
    assert said == []


@pytest.mark.parametrize("listed", [None, frozenset({"4"})], ids=["no answer", "listed"])
def test_no_job_counts_as_forgotten_that_slurm_lists_or_is_silent_on(
    executor: Executor, monkeypatch: pytest.MonkeyPatch, listed: frozenset[str] | None
) -> None:
    monkeypatch.setattr(cluster_patience, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(cluster, "listed", lambda: listed)
    monkeypatch.setattr(cluster, "state", state_of)
    jobs = [Job("4")]
    assert look(executor, jobs) == look(executor, jobs) == jobs
    assert executor.reported == []


def test_slurm_is_asked_for_each_job_once_a_minute_at_most(executor: Executor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "listed", lambda: pytest.fail("asked"))
    jobs = [Job("4")]
    assert look(executor, jobs) == look(executor, jobs) == jobs


def test_the_plugin_has_what_patience_rests_on(said: list[str]) -> None:
    plugin: Any = pytest.importorskip("snakemake_executor_plugin_slurm")
    cluster_patience.install(type("Patient", (plugin.Executor,), {}), said.append)
    assert said == []


async def at_once(self: Executor, active_jobs: list[Job]) -> list[Job]:
    """Not as the plugin's: return the jobs, one by one no more."""
    assert self.wait
    return active_jobs


@pytest.mark.parametrize(
    "other",
    [{"check_active_jobs": None}, {"check_active_jobs": at_once}, {"run_job": lambda: None}, {"report_job_error": 1}],
    ids=["gone", "no generator", "other parameters", "no method"],
)
def test_a_plugin_of_another_kind_is_left_as_it_is(other: dict[str, Any], said: list[str]) -> None:
    unknown = type("Unknown", (Executor,), other)
    before = dict(vars(unknown))
    cluster_patience.install(unknown, said.append)
    assert vars(unknown) == before
    (line,) = said
    assert line.startswith("snakemake-executor-plugin-slurm: another version than this pipeline knows")


@contextlib.contextmanager
def head(slurm: slurm_lab.Lab, folder: Path, *options: str) -> Iterator[tuple[Until, Path]]:
    """Lead a pipeline of one job that waits for the file ``go``; yield what waits for a sight, and the log."""
    (folder / "Snakefile").write_text(SNAKEFILE.format(root=str(ROOT)), encoding="utf-8")
    profile = ROOT / "workflow/profiles/slurm"
    fast = ("--seconds-between-status-checks", "1", "--slurm-init-seconds-before-status-checks", "1")
    # With one attempt the executor forgets its jobs at the first question that isn't answered.
    command = [sys.executable, "-m", "snakemake", "--profile", str(profile), *fast, "--slurm-status-attempts", "1"]
    command += ["--latency-wait", "5", *options]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **slurm.env}, stdout=stream, stderr=stream)

    def until(seen: Callable[[], object]) -> None:
        deadline = time.monotonic() + 150
        while not seen():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)

    try:
        until((folder / "began").exists)
        yield until, log
        (folder / "go").touch()
        assert process.wait(150) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow(seconds=70)
def test_a_head_waits_for_a_slurm_that_was_away(slurm: slurm_lab.Lab, tmp_path: Path) -> None:
    with head(slurm, tmp_path, "--retries", "0") as (until, log):
        slurm.stop_controller()
        try:
            until(lambda: "Slurm doesn't answer" in log.read_text())
        finally:
            slurm.start_controller()
    assert (tmp_path / "made").exists()
    text = log.read_text()
    assert text.count("Slurm doesn't answer") == text.count("Slurm answers again") == 1
    assert len(slurm.jobs()) == 1, "it wasn't sent again"


@pytest.mark.slow(seconds=70)
def test_a_job_that_slurm_has_forgotten_is_sent_again(slurm: slurm_lab.Lab, tmp_path: Path) -> None:
    with head(slurm, tmp_path, "--retries", "1") as (until, log):
        slurm.stop_controller()
        try:
            for state in (slurm.folder / "state").glob("job_state*"):
                state.unlink()
        finally:
            slurm.start_controller()
        until(lambda: "Slurm has forgotten job" in log.read_text())
    assert (tmp_path / "made").exists()
