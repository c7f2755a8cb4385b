"""The lab is a real Slurm: it counts, kills, preempts and comes back; and it leaves nothing running."""

from pathlib import Path

import psutil
import pytest
import slurm_lab

pytestmark = pytest.mark.slow
SLEEP = ("sbatch", "--parsable", "--output=/dev/null", "--wrap", "sleep 300")


def test_a_lost_nodes_job_runs_again_elsewhere(slurm: slurm_lab.Lab) -> None:
    number = slurm.run(*SLEEP)
    name = slurm.until(number, "RUNNING")["NodeList"]
    slurm.lose(name)
    slurm.until(number, "PENDING")
    slurm.hasten(number)
    job = slurm.until(number, "RUNNING")
    assert (job["Restarts"], job["NodeList"] != name) == ("1", True)
    slurm.recover(name)
    slurm.run("scancel", number)
    slurm.until(number, "CANCELLED")


def test_a_job_with_too_much_memory_is_killed(slurm: slurm_lab.Lab, tmp_path: Path) -> None:
    take = "python3 -c 'import time; held = bytearray(300 << 20); time.sleep(120)'"
    output = tmp_path / "output"
    number = slurm.run("sbatch", "--parsable", f"--output={output}", "--mem=50", "--wrap", take)
    assert slurm.until(number, "COMPLETED", "FAILED", "OUT_OF_MEMORY", "CANCELLED")["JobState"] == "FAILED"
    assert "exceeded memory limit" in output.read_text()


def test_jobs_of_the_lower_partition_give_way(slurm: slurm_lab.Lab) -> None:
    low = slurm.run(*SLEEP[:-2], "--partition=spot", "--nodes=2", "--exclusive", *SLEEP[-2:])
    slurm.until(low, "RUNNING")
    high = slurm.run(*SLEEP[:-2], "--exclusive", *SLEEP[-2:])
    slurm.until(high, "RUNNING")
    assert slurm.until(low, "PENDING")["Restarts"] == "1"
    slurm.run("scancel", low, high)


def test_jobs_outlive_the_controller(slurm: slurm_lab.Lab) -> None:
    number = slurm.run(*SLEEP)
    slurm.until(number, "RUNNING")
    slurm.stop_controller()
    with pytest.raises(slurm_lab.LabError, match="Unable to contact slurm controller"):
        slurm.run("squeue")
    slurm.start_controller()
    assert slurm.until(number, "RUNNING")["Restarts"] == "0"
    slurm.run("scancel", number)


def test_nothing_is_left_running() -> None:
    before = {process.pid for process in psutil.process_iter()}
    with slurm_lab.lab() as lab:
        lab.until(lab.run(*SLEEP), "RUNNING")
        folder = str(lab.folder)
    assert not lab.folder.exists()
    left = []
    for process in psutil.process_iter():
        try:
            if process.pid not in before and folder in " ".join((*process.cmdline(), *process.environ().values())):
                left.append(process.cmdline())
        except psutil.Error:
            continue
    assert left == []
