"""What a scheduler says is read to the letter, and what it doesn't say stays unknown."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge import cluster, cluster_limits, manifest, stage_commands
from weighbridge.cluster import Phase
from weighbridge.evidence import wording
from weighbridge.registry import ledger

TOLD = (
    "JobId={job} JobName=8f4c UserId=root(0) Account=(null) JobState={state} Reason={reason} Requeue=1 Restarts=2 "
    "ExitCode={code} RunTime=00:00:02 TimeLimit=1-00:03:00 Partition=cpu NodeList=n[1-2] BatchHost=n1 NumNodes=2 "
    "NumCPUs=4 NumTasks=2 CPUs/Task=2 TRES=cpu=4,mem=1000M,node=2,billing=2 MinMemoryNode=500M Command=/p/train.sh a "
    "StdErr=/p/slurm logs/3.log TresPerNode=gres:gpu:a100:2\n"
).replace("slurm logs", "slurm_logs")
SCHEDULERS = ("SLURM_", "PBS_", "LSB_", "JOB_ID", "NCPUS", "NSLOTS", "PE_HOSTFILE", "QUEUE", "RESTARTED", "CUDA_")


@pytest.fixture(autouse=True)
def _outside_of_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the job that it may itself run in."""
    import os

    for name in [name for name in os.environ if name.startswith(SCHEDULERS)]:
        monkeypatch.delenv(name)


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    """Put a program of this name before all others."""
    path = folder / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")


@given(st.integers(0, 400), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_time_is_read_in_each_of_its_forms(days: int, hours: int, minutes: int, rest: int) -> None:
    of_day = (hours * 60 + minutes) * 60 + rest
    assert cluster.seconds(f"{days}-{hours:02}:{minutes:02}:{rest:02}") == days * 86400 + of_day
    assert cluster.seconds(f"{hours:02}:{minutes:02}:{rest:02}") == of_day
    assert cluster.seconds(f"{minutes:02}:{rest:02}.123") == minutes * 60 + rest
    assert cluster.seconds(f"{days}-{hours:02}") == days * 86400 + hours * 3600
    assert cluster.seconds(f"{minutes}") == minutes * 60


@pytest.mark.parametrize("text", ["UNLIMITED", "Partition_Limit", "", "1:2:3:4", "-1:00", "INVALID", "a"])
def test_what_is_no_time_has_none(text: str) -> None:
    assert cluster.seconds(text) is None


@given(st.integers(0, 10**7), st.sampled_from(["K", "M", "G", "T", ""]), st.sampled_from(["", "n", "c"]))
def test_a_size_is_read_in_each_unit(number: int, unit: str, of: str) -> None:
    expected = {"K": number / 1024, "M": number, "": number, "G": number * 1024, "T": number * 1024**2}[unit]
    assert cluster.mib(f"{number}{unit}{of}") == pytest.approx(expected)
    assert cluster.mib(f"{number}.50G") == pytest.approx((number + 0.5) * 1024)


@pytest.mark.parametrize("text", ["", "M", "1.5.2G", "-1M", "16Q", "(null)", "1e9"])
def test_what_is_no_size_has_none(text: str) -> None:
    assert cluster.mib(text) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99), st.integers(0, 5), st.booleans()), max_size=4))
def test_a_list_of_machines_is_written_out(groups: list[tuple[str, int, int, bool]]) -> None:
    text = ",".join(
        f"{name}[{first:03}-{first + more:03},7]" if many else f"{name}{first}" for name, first, more, many in groups
    )
    expected: list[str] = []
    for name, first, more, many in groups:
        whole = [f"{name}{number:03}" for number in range(first, first + more + 1)]
        expected += [*whole, f"{name}7"] if many else [f"{name}{first}"]
    assert cluster.hosts(text) == tuple(expected)


def test_a_list_with_two_ranges_is_a_grid_and_an_endless_one_is_cut() -> None:
    assert cluster.hosts("r[1-2]n[01-02]") == ("r1n01", "r1n02", "r2n01", "r2n02")
    assert len(cluster.hosts("n[1-99999999]")) == 10_000
    assert cluster.hosts("n[a-b]") == ("n[a-b]",)
    assert cluster.hosts("") == ()


def test_a_number_that_no_cluster_has_is_none() -> None:
    """Python itself refuses to read one of more than 4300 digits."""
    many = "9" * 5000
    assert cluster.mib(many) is None
    assert [cluster.seconds(text) for text in (many, f"{many}-1", f"1:{many}", f"1:1:{many}")] == [None] * 4
    assert cluster.hosts(f"n[{many}]") == (f"n[{many}]",)
    assert cluster.parsed("3", f"JobId=3 NumNodes={many} NumCPUs={many} Restarts={many} ExitCode=0:{many}").cpus is None
    assert cluster_limits.parsed_gpus(f"gpu:{many}") == {many: 1}
    (node,) = cluster_limits.parsed_nodes(f"NodeName=n1 CPUTot={many} RealMemory={many}")
    assert (node.cpus, node.memory_mib) == (0, 0)


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(text: str) -> None:
    cluster.seconds(text)
    cluster.mib(text)
    cluster.hosts(text)
    assert cluster.parsed("3", text).job == "3"
    assert cluster.parsed("3", f"JobId=3 {text}").job == "3"
    cluster.parsed_accounting("3", f"3|{text}")


@given(st.text("[]-,n0123456789", max_size=40))
def test_no_list_of_machines_breaks_the_reading(text: str) -> None:
    assert len(cluster.hosts(text)) <= 10_000


def test_what_scontrol_says_of_a_job_is_read_for_each_machine() -> None:
    text = TOLD.format(job=3, state="TIMEOUT", reason="TimeLimit", code="0:15")
    assert cluster.parsed("3", text) == cluster.State(
        job="3",
        phase=Phase.ENDED,
        said="TIMEOUT",
        reason="TimeLimit",
        signal=15,
        nodes=("n1", "n2"),
        partition="cpu",
        cpus=2,
        memory_mib=500.0,
        ran_seconds=2,
        limit_seconds=86400 + 180,
        restarts=2,
        gpus=2,
        log=Path("/p/slurm_logs/3.log"),
    )


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        ("PENDING", Phase.WAITING),
        ("CONFIGURING", Phase.WAITING),
        ("RUNNING", Phase.RUNNING),
        ("COMPLETING", Phase.RUNNING),
        ("SUSPENDED", Phase.RUNNING),
        ("COMPLETED", Phase.ENDED),
        ("OUT_OF_MEMORY", Phase.ENDED),
        ("PREEMPTED", Phase.ENDED),
        ("A_WORD_OF_LATER_VERSIONS", Phase.UNKNOWN),
    ],
)
def test_each_word_of_slurm_has_its_phase(said: str, phase: Phase) -> None:
    assert cluster.parsed("3", TOLD.format(job=3, state=said, reason="None", code="0:0")).phase is phase


def test_of_an_array_the_task_with_the_id_counts() -> None:
    other = TOLD.format(job=2, state="RUNNING", reason="None", code="0:0")
    assert cluster.parsed("3", other + TOLD.format(job=3, state="FAILED", reason="None", code="1:0")).said == "FAILED"


def test_accounting_tells_the_most_memory_of_the_steps() -> None:
    text = (
        "3||CANCELLED by 1000|0:15|n[1-2]|cpu|2|4|1000M|62|1\n"
        "3.batch|2048K|CANCELLED|0:15|n1|cpu|1|2||62|\n"
        "3.0|612.50M|CANCELLED|0:15|n1|cpu|1|2||62|\n"
    )
    found = cluster.parsed_accounting("3", text)
    assert found is not None
    assert (found.phase, found.said, found.signal, found.nodes) == (Phase.ENDED, "CANCELLED", 15, ("n1", "n2"))
    assert (found.used_mib, found.memory_mib, found.cpus, found.limit_seconds) == (612.5, 500.0, 2, 60)
    assert cluster.parsed_accounting("4", text) is None
    older = cluster.parsed_accounting("3", text.replace("1000M", "1000Mc"))
    assert older is not None
    assert older.memory_mib == 2000.0


def test_without_slurm_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SLURM_JOB_ID", "3")
    assert cluster.state("3").phase is Phase.UNKNOWN
    assert not cluster.requeue()


@pytest.mark.parametrize("job", ["", "12.server", "3; rm -rf /", "--help", "٣"])
def test_what_is_no_id_of_slurms_is_not_asked_about(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: str) -> None:
    program(tmp_path, monkeypatch, "scontrol", f"touch {tmp_path}/asked")
    monkeypatch.setenv("SLURM_JOB_ID", job)
    assert cluster.state(job).phase is Phase.UNKNOWN
    assert not cluster.requeue()
    assert not (tmp_path / "asked").exists()


def test_a_slurm_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, monkeypatch, "scontrol", "exec sleep 60")
    program(tmp_path, monkeypatch, "sacct", "exec sleep 60")
    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 0.2)
    assert cluster.state("3").phase is Phase.UNKNOWN


@pytest.mark.parametrize(("answer", "asked"), [("exec sleep 60", 1), ("echo JobId=$4 JobState=RUNNING", 3)], ids=str)
def test_of_many_jobs_a_slurm_that_never_answers_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str, asked: int
) -> None:
    program(tmp_path, monkeypatch, "scontrol", f"echo >> {tmp_path}/asked; {answer}")
    program(tmp_path, monkeypatch, "sacct", "exit 1")
    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 3.0)
    questions = cluster.Questions()
    assert questions.state("12.server").phase is Phase.UNKNOWN, "no id of Slurm's: says nothing of Slurm"
    assert {questions.state(job).phase for job in "345"} == {Phase.UNKNOWN if asked == 1 else Phase.RUNNING}
    assert (tmp_path / "asked").read_text() == asked * "\n"


def test_of_many_jobs_those_asked_about_too_late_are_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, monkeypatch, "scontrol", "echo JobId=3 JobState=RUNNING")
    monkeypatch.setattr(cluster, "_MOST_SECONDS", 0.0)
    assert cluster.Questions().state("3").phase is Phase.UNKNOWN


def test_a_job_that_slurm_has_forgotten_has_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, monkeypatch, "scontrol", "echo slurm_load_jobs error: Invalid job id specified >&2; exit 1")
    program(tmp_path, monkeypatch, "sacct", "echo Slurm accounting storage is disabled >&2; exit 1")
    assert cluster.state("3") == cluster.State(job="3", phase=Phase.ENDED)


def test_where_the_controller_is_down_accounting_may_know(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path, monkeypatch, "scontrol", "echo slurm_load_jobs error: Unable to contact slurm controller; exit 1")
    program(tmp_path, monkeypatch, "sacct", "echo '3||OUT_OF_MEMORY|0:125|n1|cpu|1|2|500M|62|240'")
    found = cluster.state("3")
    assert (found.phase, found.said, found.memory_mib) == (Phase.ENDED, "OUT_OF_MEMORY", 500.0)


def test_outside_of_a_cluster_there_is_no_job() -> None:
    assert cluster.job() is None
    assert cluster.job_id() is None


def test_where_slurm_is_not_at_hand_the_environment_tells(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = {
        "SLURM_JOB_ID": "3",
        "SLURM_JOB_NODELIST": "n[1-2]",
        "SLURM_JOB_PARTITION": "cpu",
        "SLURM_CPUS_ON_NODE": "2",
        "SLURM_MEM_PER_NODE": "500",
        "SLURM_GPUS_ON_NODE": "1",
        "SLURM_RESTART_COUNT": "1",
        "PATH": str(tmp_path),
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert cluster.job() == manifest.ClusterJob(
        scheduler="slurm",
        job="3",
        nodes=("n1", "n2"),
        partition="cpu",
        cpus=2,
        memory_mib=500.0,
        gpus=1,
        limit_seconds=None,
        restarts=1,
    )


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"PBS_JOBID": "7.head", "PBS_QUEUE": "long", "NCPUS": "4"}, ("pbs", "7.head", ("a", "b"), "long", 4)),
        ({"LSB_JOBID": "8", "LSB_QUEUE": "q", "LSB_HOSTS": "a a b b"}, ("lsf", "8", ("a", "b"), "q", 2)),
        ({"JOB_ID": "9", "QUEUE": "all.q", "NSLOTS": "4"}, ("sge", "9", ("a", "b"), "all.q", None)),
    ],
    ids=["pbs", "lsf", "sge"],
)
def test_another_scheduler_tells_by_its_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: dict[str, str], expected: tuple[object, ...]
) -> None:
    machines = tmp_path / "machines"
    machines.write_text("a 2 all.q\na 2 all.q\nb 2 all.q\n", encoding="utf-8")
    told = told | {"PBS_NODEFILE": str(machines), "PE_HOSTFILE": str(machines), "PATH": str(tmp_path)}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    found = cluster.job()
    assert found is not None
    assert (found.scheduler, found.job, found.nodes, found.partition, found.cpus) == expected
    assert cluster.job_id() == expected[1]
    assert cluster.state(found.job).phase is Phase.UNKNOWN


def trained(**cluster_facts: object) -> manifest.Training:
    job = {"scheduler": "slurm", "job": "123", "nodes": ("n1",), "partition": "cpu", "cpus": 2, "memory_mib": 4000.0}
    job |= {"gpus": 0, "limit_seconds": 14400, "restarts": 0}
    return manifest.Training(
        started="2026-01-31T11:58:00Z",
        ended="2026-01-31T12:28:00Z",
        wall_seconds=1800.0,
        cpu_seconds=1700.0,
        peak_memory_mib=612.4,
        epochs=None,
        best_epoch=None,
        curve_sha256=None,
        resumed_from=None,
        cluster_job="123",
        host="n1",
        cluster=msgspec.convert(job | cluster_facts, manifest.ClusterJob),
    )


def test_a_training_tells_what_its_job_asked_for_and_used() -> None:
    assert wording.cluster_job(trained()) == (
        "slurm job 123 on n1; partition cpu; asked for 4,000 MiB, itself used 612; asked for 240 min, took 30.0; 2 CPUs"
    )
    little = trained(nodes=(), partition="", cpus=None, memory_mib=None, limit_seconds=None, gpus=2, restarts=1)
    assert wording.cluster_job(little) == "slurm job 123; 2 GPUs; started 2 times"
    assert wording.cluster_job(msgspec.structs.replace(little, cluster=None)) == ""


def test_what_a_stage_wrote_names_the_job_that_it_ran_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "weighing.yaml").write_text("{}", encoding="utf-8")
    stage_commands._record_evidence(tmp_path, Path("weighing.yaml"))
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    stage_commands._record_evidence(tmp_path, Path("weighing.yaml"))
    assert [entry.record.get("cluster_job") for entry in ledger.read(tmp_path)] == [None, "7"]
