"""How a cluster ended a job is said in words, with what it asked for, what it used, and which setting to raise."""

import os
from pathlib import Path

import pytest

from weighbridge.registry import attempts, endings, ledger, records
from weighbridge.registry.endings import Cause

TOLD = (
    "JobId=3 JobName=x JobState={state} Reason={reason} Restarts={restarts} ExitCode={code} RunTime=00:02:05 "
    "TimeLimit=04:00:00 Partition=cpu NodeList=n2 NumNodes=1 NumCPUs=2 TRES=cpu=2,mem=500M,node=1"
)
HEAD = "SNAKEMAKE\n=========\nsrun: cluster configuration lacks support for cpu binding\n"
JOB = "slurmstepd-n2: error: *** JOB 3 ON n2 CANCELLED AT 2026-11-22T11:50:43{why} ***\n"
STEP = "slurmstepd-n2: error: *** STEP 3.0 ON n2 CANCELLED AT 2026-11-22T11:50:43{why} ***\n"
KILLED_BY_ACCOUNTING = (
    "slurmstepd-n2: error: StepId=3.0 exceeded memory limit (618737664 > 524288000), being killed\n"
    + STEP.format(why="")
    + "slurmstepd-n2: error: Exceeded job memory limit\nsrun: error: n2: task 0: Killed\n"
)
KILLED_BY_CGROUP = (
    "slurmstepd: error: Detected 1 oom_kill event in StepId=3.0. Some of the step tasks have been OOM Killed.\n"
)


class Slurm:
    """What Slurm answers of job 3, and the job's log."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / ".snakemake/slurm_logs/rule_train/network_0/3.log"
        self.log.parent.mkdir(parents=True)
        self._program("sacct", "exit 1")
        self.answer()

    def answer(self, state: str = "", reason: str = "None", code: str = "0:0", restarts: int = 0) -> None:
        told = TOLD.format(state=state, reason=reason, code=code, restarts=restarts)
        gone = "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1"
        self._program("scontrol", f"echo '{told}'" if state else gone)

    def accounts(self, used: str) -> None:
        self._program(
            "sacct", f"echo '3||FAILED|0:9|n2|cpu|1|2|500M|125|240'; echo '3.0|{used}|FAILED|0:9|n2|cpu|1|2|||'"
        )

    def of(self, stage: str = "train", *, alive: bool = False) -> endings.Ending | None:
        return endings.of(self.root, stage, "3", alive=alive)

    def _program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    return Slurm(tmp_path)


def words(ending: endings.Ending | None) -> str:
    assert ending is not None
    return ending.words


def test_a_kill_for_memory_says_what_it_had_and_what_to_raise(job: Slurm) -> None:
    job.answer("FAILED", "NonZeroExitCode", "137:0")
    job.log.write_text(HEAD + KILLED_BY_ACCOUNTING, encoding="utf-8")
    assert words(job.of()) == (
        "Slurm job 3 on n2 was killed for memory: asked for 500 MiB, had 590 MiB at the last look; "
        "raise memory_mb in config/config.yaml, such as 800 for a training of one process"
    )
    assert words(job.of("package")).endswith(
        "raise mem_mb in set-resources of profiles/site/config.yaml, such as package: {mem_mb: 800}"
    )


def test_cgroups_tell_of_the_kill_and_accounting_of_the_memory(job: Slurm) -> None:
    job.answer("OUT_OF_MEMORY", "OutOfMemory", "0:125")
    assert "for memory: asked for 500 MiB; raise" in words(job.of()), "without a log Slurm's word will do"
    job.answer("FAILED", "NonZeroExitCode", "1:0")
    job.log.write_text(HEAD + KILLED_BY_CGROUP, encoding="utf-8")
    job.accounts("498M")
    assert "asked for 500 MiB, had 498 MiB at the last look" in words(job.of())


def test_a_time_limit_says_what_was_asked_for(job: Slurm) -> None:
    job.answer("TIMEOUT", "TimeLimit", "0:15")
    assert words(job.of("evaluate")) == (
        "Slurm job 3 on n2 came to its time limit: asked for 240 min; raise runtime, in minutes, in set-resources of "
        "profiles/site/config.yaml, such as evaluate_run: {runtime: 480}"
    )


@pytest.mark.parametrize(
    ("state", "log", "cause"),
    [
        (("CANCELLED", "None", "0:15"), "", Cause.CANCELLED),
        (("COMPLETING", "None", "0:0"), JOB.format(why=""), Cause.CANCELLED),
        (("NODE_FAIL", "None", "0:0"), "", Cause.NODE),
        (("FAILED", "None", "1:0"), JOB.format(why=" DUE TO NODE FAILURE"), Cause.NODE),
        (("FAILED", "None", "1:0"), JOB.format(why=" DUE TO TIME LIMIT"), Cause.TIME),
        (("COMPLETING", "None", "0:0"), STEP.format(why=" DUE TO PREEMPTION"), Cause.PREEMPTED),
        (("COMPLETING", "None", "0:0"), JOB.format(why=" DUE TO JOB REQUEUE"), Cause.REQUEUED),
        (("CANCELLED", "None", "0:15"), JOB.format(why=" DUE to SIGNAL Terminated"), Cause.CANCELLED),
        (("FAILED", "NonZeroExitCode", "137:0"), "srun: error: n2: task 0: Killed\n", Cause.KILLED),
        (("", "", ""), "", Cause.FORGOTTEN),
        (("", "", ""), KILLED_BY_CGROUP, Cause.MEMORY),
    ],
    ids=lambda value: "-".join(value)[:20] if isinstance(value, tuple) else None if isinstance(value, Cause) else "log",
)
def test_each_sign_has_its_cause(job: Slurm, state: tuple[str, str, str], log: str, cause: Cause) -> None:
    job.answer(*state)
    job.log.write_text(HEAD + log, encoding="utf-8")
    found = job.of()
    assert found is not None
    assert found.cause is cause
    assert found.words.startswith("Slurm job 3 ")


def test_what_the_stage_prints_is_no_word_of_slurms(job: Slurm) -> None:
    job.answer("FAILED", "NonZeroExitCode", "1:0")
    job.log.write_text(HEAD + "my model: oom_kill, exceeded memory limit (1 > 0)\n", encoding="utf-8")
    found = job.of()
    assert found is not None
    assert found.cause is Cause.KILLED


def test_of_a_log_that_goes_on_the_last_start_counts(job: Slurm) -> None:
    before = HEAD + JOB.format(why=" DUE TO PREEMPTION")
    job.log.write_text(before + HEAD, encoding="utf-8")
    job.answer("FAILED", "NonZeroExitCode", "137:0", restarts=1)
    found = job.of()
    assert found is not None
    assert found.cause is Cause.KILLED
    job.answer("RUNNING", restarts=1)
    found = job.of()
    assert found is not None
    assert found.cause is Cause.PREEMPTED, "it runs again: what is asked about is the start before"
    assert job.of(alive=True) is None, "and this one goes on"


def test_where_nobody_tells_there_are_no_words(job: Slurm) -> None:
    job._program("scontrol", "exit 1")
    assert job.of() is None
    job.answer("RUNNING")
    assert job.of() is None
    job.answer("COMPLETED")
    assert job.of() is None


def test_a_job_that_ended_before_its_stage_began_goes_on_record_once(job: Slurm) -> None:
    job.answer("FAILED", "NonZeroExitCode", "137:0")
    job.log.write_text(HEAD + KILLED_BY_ACCOUNTING, encoding="utf-8")
    os.utime(job.log, ns=(10, 10))
    assert attempts.ended_by_cluster(job.root, 11) == (), "it is of another start of snakemake"
    (line,) = attempts.ended_by_cluster(job.root, 10)
    assert line.startswith("train: Slurm job 3 on n2 was killed for memory")
    assert attempts.ended_by_cluster(job.root, 10) == (line,)
    (entry,) = ledger.read(job.root)
    assert (entry.record["status"], entry.record["stage"], entry.record["cluster_job"]) == ("killed", "train", "3")
    assert entry.record["cluster"]["asked_memory_mib"] == 500.0
    assert entry.record["cluster"]["used_memory_mib"] == pytest.approx(590.1, abs=0.1)


def test_a_job_that_failed_by_itself_was_not_ended_by_the_cluster(job: Slurm) -> None:
    job.answer("FAILED", "NonZeroExitCode", "1:0")
    job.log.write_text(HEAD + "srun: error: n2: task 0: Exited with exit code 1\n", encoding="utf-8")
    assert attempts.ended_by_cluster(job.root, 0) == ()


def test_an_error_that_each_retry_meets_in_its_job_is_said_once(job: Slurm) -> None:
    record = {
        "kind": records.ATTEMPT, "status": records.FAILED, "stage": "train", "candidate": "a", "seed": 0,
        "when": "2026-01-31T12:00:00Z",
    }  # fmt: skip
    for number in ("4", "5"):
        ledger.append(job.root, record | {"cluster_job": number, "error": "no GPU here", "attempt": number})
    ledger.append(job.root, record | {"error": "typed by hand", "attempt": "6"})
    assert attempts.ended_by_cluster(job.root, 0) == ("train a, seed 0: no GPU here (2 attempts)",)
