"""What a real Slurm does to a stage's job is on record, in words."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import slurm_lab

from weighbridge import clock, cluster
from weighbridge.registry import attempts, ledger, markers

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BODY = """
import time
from pathlib import Path
from weighbridge.registry import attempts
with attempts.recorded(Path("."), "train", "network", 0):
    Path("began").touch()
    {body}
"""


@pytest.fixture
def here(tmp_path: Path, slurm: slurm_lab.Lab, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, from which the lab's Slurm is seen."""
    for name, value in slurm.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    return tmp_path


Submit = Callable[..., str]


@pytest.fixture
def submit(here: Path, slurm: slurm_lab.Lab) -> Iterator[Submit]:
    """Submit a stage with this body, as the executor does; return its job's id once it runs."""
    jobs = []

    def start(body: str, *options: str) -> str:
        (here / "began").unlink(missing_ok=True)
        (here / "stage.py").write_text(BODY.format(body=body), encoding="utf-8")
        logs = here / ".snakemake/slurm_logs/rule_train/network_0"
        logs.mkdir(parents=True, exist_ok=True)
        command = f"srun -n1 --nodes=1 {sys.executable} stage.py"
        given = ("--parsable", f"--output={logs}/%j.log", "--ntasks=1", "--time=10", *options)
        jobs.append(slurm.run("sbatch", *given, "--wrap", command, cwd=here))
        deadline = time.monotonic() + 60
        while not (here / "began").exists():
            assert time.monotonic() < deadline, slurm.job(jobs[-1])
            time.sleep(0.05)
        return jobs[-1]

    yield start
    for job in jobs:
        slurm.run("scancel", job)


def only_record(root: Path, seconds: float = 60) -> dict[str, Any]:
    """Return the one record of the ledger, once it is there."""
    deadline = time.monotonic() + seconds
    while not (found := ledger.read(root)):
        attempts.close_dead(root, everywhere=True)
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (entry,) = found
    return entry.record


def test_a_kill_for_memory(here: Path, slurm: slurm_lab.Lab, submit: Submit) -> None:
    before = clock.of_files(here)
    body = "kept = b'1' * (400 << 20); time.sleep(60)"
    job = submit(body, "--mem=200")
    slurm.until(job, "FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert cluster.state(job).phase is cluster.Phase.ENDED
    (line,) = attempts.ended_by_cluster(here, before)
    record = only_record(here)
    assert (record["status"], record["cluster_job"], record["cluster"]["cause"]) == ("killed", job, "memory")
    assert line == f"train network, seed 0: {record['error']}"
    assert f"Slurm job {job} on n" in line
    assert "was killed for memory: asked for 200 MiB, had " in line
    assert "raise memory_mb in config/config.yaml, such as " in line
    assert record["cluster"]["used_memory_mib"] > 200
    assert markers.running(here) == ()


def test_a_job_that_somebody_cancels(here: Path, slurm: slurm_lab.Lab, submit: Submit) -> None:
    job = submit("time.sleep(60)", "--mem=200")
    slurm.run("scancel", job)
    slurm.until(job, "CANCELLED")
    record = only_record(here)
    assert record["status"] == "cancelled", "the stage itself has put that on record"
    assert record["error"].startswith(f"stopped by SIGTERM: Slurm job {job} on n")
    assert "was cancelled" in record["error"]
    assert record["error"].endswith("(scancel, Ctrl-C in the head, or an administrator)")


def test_a_node_that_is_lost(here: Path, slurm: slurm_lab.Lab, submit: Submit) -> None:
    job = submit("time.sleep(60)", "--mem=200", "--no-requeue", "--nodelist=n2")
    slurm.lose("n2")
    try:
        slurm.until(job, "NODE_FAIL")
        record = only_record(here)
    finally:
        slurm.recover("n2")
    assert (record["status"], record["cluster"]["cause"], record["cluster"]["nodes"]) == ("killed", "node", ["n2"])
    assert f"Slurm job {job} on n2 was lost with its machine" in record["error"]


def test_a_stage_sees_its_own_job(here: Path, slurm: slurm_lab.Lab, submit: Submit) -> None:
    seen = (
        "import msgspec; from weighbridge import cluster; Path('job').write_bytes(msgspec.json.encode(cluster.job()))"
    )
    job = submit(seen, "--mem=300", "--cpus-per-task=2", "--gres=gpu:1", "--nodelist=n1")
    slurm.until(job, "COMPLETED")
    import msgspec

    assert msgspec.json.decode((here / "job").read_bytes()) == {
        "scheduler": "slurm",
        "job": job,
        "nodes": ["n1"],
        "partition": "cpu",
        "cpus": 2,
        "memory_mib": 300.0,
        "gpus": 1,
        "limit_seconds": 600,
        "restarts": 0,
    }
    assert ledger.read(here) == ()
    assert os.environ["SLURM_CONF"], "and from outside:"
    assert cluster.state(job).said == "COMPLETED"
    assert cluster.state("999999").phase is cluster.Phase.ENDED


def test_a_slurm_that_is_down_tells_nothing_and_nothing_is_closed(
    here: Path, slurm: slurm_lab.Lab, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_TIMEOUT_SECONDS", 2.0)
    job = submit("time.sleep(60)", "--mem=200")
    monkeypatch.setattr("weighbridge.registry.processes.is_alive", lambda _process: None)  # as from another machine
    slurm.stop_controller()
    try:
        assert cluster.state(job).phase is cluster.Phase.UNKNOWN
        assert attempts.close_dead(here, everywhere=True) == 0
    finally:
        slurm.start_controller()
    assert cluster.state(job).phase is cluster.Phase.RUNNING
    assert attempts.close_dead(here, everywhere=True) == 0
