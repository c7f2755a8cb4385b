"""The profile for other schedulers: real jobs of a real Grid Engine, and what PBS is told by a stand-in."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grid_engine
import pytest
import yaml
from small_project import REPOSITORY, Project

PROFILE = REPOSITORY / "workflow/profiles/cluster-generic"
sys.path.append(str(PROFILE))
import scheduler  # noqa: E402 - lies beside the commands that use it

OPTIONS = ("--profile", "workflow/profiles/cluster-generic", "--seconds-between-status-checks", "1", "--retries", "0")
SCRIPT = """\
#!/bin/sh
# properties = {"type": "single", "rule": "train", "local": false, "input": [], "output": [], "wildcards": {},\
 "threads": 4, "resources": {"mem_mb": 2000, "nodes": 2, "runtime": 90, "gpu": 2}, "jobid": 7}
true
"""


@pytest.fixture(scope="module")
def grid() -> Iterator[grid_engine.Lab]:
    if not grid_engine.is_installed() and os.geteuid():
        pytest.skip(f"no Grid Engine here: apt-get install {' '.join(grid_engine.PACKAGES)}")
    with grid_engine.lab() as lab:
        yield lab


@pytest.fixture
def folder(grid: grid_engine.Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where the commands meet Grid Engine."""
    monkeypatch.chdir(tmp_path)
    for name, value in grid.env.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "job.sh").write_text(SCRIPT.replace('"nodes": 2', '"nodes": 1').replace('"gpu": 2', '"gpu": 0'))
    return tmp_path


def write_overlay(project: Project, options: str) -> None:
    (project.root / "profiles/site").mkdir()
    (project.root / "profiles/site/config.yaml").write_text(
        f"cluster-generic-submit-cmd: workflow/profiles/cluster-generic/submit.py {options}\n", encoding="utf-8"
    )


def submit_and_hold(folder: Path, *options: str) -> str:
    return scheduler.submit(["-h", *options, str(folder / "job.sh")])


@pytest.mark.slow
def test_a_training_over_nodes_is_one_job_of_grid_engine_with_all_processes(
    grid: grid_engine.Lab, fresh: Project
) -> None:
    fresh.edit("config/config.yaml", "fit: {epochs: 2,", "fit: {nodes: 2, epochs: 2,")
    fresh.snakemake("--until", "preprocess")
    done = fresh.attempt("timeout", "300", "snakemake", *OPTIONS, "results/runs/network/0/run.yaml", env=grid.env)
    assert done.code == 0, done.text + fresh.logs()
    training = yaml.safe_load(fresh.read("results/runs/network/0/run.yaml"))["training"]
    assert f"external jobid '{training['cluster']['job']}'" in done.text
    assert (training["cluster"]["scheduler"], training["processes"], training["cluster"]["cpus"]) == ("sge", 2, 2)


@pytest.mark.slow
def test_what_the_scheduler_refuses_is_said(grid: grid_engine.Lab, fresh: Project) -> None:
    """The site's overlay has options of its own for qsub."""
    write_overlay(fresh, "-q nowhere")
    command = ("snakemake", *OPTIONS, "--profile", "profiles/site", "--until", "preprocess")
    done = fresh.attempt("timeout", "120", *command, env=grid.env)
    assert done.code != 0
    assert "weighbridge: qsub -terse" in done.text
    assert 'unknown queue "nowhere"' in done.text
    assert "Traceback" not in done.text


@pytest.mark.slow
def test_ctrl_c_cancels_jobs(grid: grid_engine.Lab, fresh: Project) -> None:
    """Between two looks, that is: Snakemake loses sight of the jobs that it is just asking for."""
    write_overlay(fresh, "-h")
    seldom = ("--profile", "workflow/profiles/cluster-generic", "--seconds-between-status-checks", "60")
    command = ("snakemake", *seldom, "--profile", "profiles/site", "--until", "preprocess")
    output = fresh.root.parent / "head.txt"
    with output.open("w") as stream:
        head = subprocess.Popen(command, cwd=fresh.root, env=fresh.env() | grid.env, stdout=stream, stderr=stream)
    try:
        grid.until(lambda: "external jobid" in output.read_text(), "no job was submitted")
        assert grid.states()
        time.sleep(1)  # what is said is done a moment later
        head.send_signal(signal.SIGINT)
        grid.until(lambda: not grid.states(), "the job is still there")
    finally:
        head.kill()
        head.wait()


@pytest.mark.slow
@pytest.mark.parametrize(("exit_code", "said"), [(0, "success"), (3, "failed")], ids=["well", "badly"])
def test_how_a_job_ends_is_told(grid: grid_engine.Lab, folder: Path, exit_code: int, said: str) -> None:
    with (folder / "job.sh").open("a") as script:
        script.write(f"exit {exit_code}\n")
    job = submit_and_hold(folder)
    assert scheduler.status(job) == "running"
    grid.run("qalter", "-h", "U", job)
    grid.until(lambda: scheduler.status(job) != "running", "the job doesn't end")
    assert scheduler.status(job) == said


@pytest.mark.slow
def test_a_cancelled_job_has_failed_after_some_patience(
    grid: grid_engine.Lab, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    job = submit_and_hold(folder)
    scheduler.cancel([job])
    grid.until(lambda: job not in grid.states(), "the job is still there")
    assert scheduler.status(job) == "running"
    monkeypatch.setattr(scheduler, "PATIENCE_SECONDS", 0)
    assert scheduler.status(job) == "failed"
    assert f"job {job} is gone without a word" in capsys.readouterr().err


@pytest.mark.slow
def test_a_job_that_grid_engine_keeps_for_ever_has_failed(
    grid: grid_engine.Lab, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job = scheduler.submit(["-wd", "/nowhere", str(folder / "job.sh")])
    grid.until(lambda: scheduler.status(job) == "failed", "the job's state is no error")
    assert f"'qstat -j {job}' says why" in capsys.readouterr().err
    grid.until(lambda: job not in grid.states(), "the job is still there")


@pytest.mark.slow
def test_memory_and_time_are_asked_for(grid: grid_engine.Lab, folder: Path) -> None:
    job = submit_and_hold(folder)
    told = grid.run("qstat", "-j", job)
    assert "h_rt=5400,h_vmem=500M" in told
    assert "parallel environment:  smp range: 4" in told
    scheduler.cancel([job])


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_ends_no_job(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with grid_engine.lab() as lab:
        os.environ.update(lab.env)  # which the fixture's monkeypatch takes back
        job = submit_and_hold(folder)
        lab.stop("sge_qmaster")
        assert scheduler.status(job) == "running"
        assert "asked again later" in capsys.readouterr().err


def stand_in(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{text}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def pbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PBS can't be installed from Debian: its commands only write down what they are given."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda name: None if name == "qconf" else name)
    stand_in(tmp_path, "qsub", 'for one in "$@"; do echo "$one"; done > told; echo 12.server')
    stand_in(tmp_path, "qselect", "cat queue")
    (tmp_path / "queue").write_text("12.server\n")
    (tmp_path / "job.sh").write_text(SCRIPT)


@pytest.mark.usefixtures("pbs")
def test_an_id_that_comes_again_is_another_job(tmp_path: Path) -> None:
    """PBS counts anew where its server was installed anew; the last job of that number was given up long ago."""
    (tmp_path / scheduler.RECORDS).mkdir(parents=True)
    (tmp_path / scheduler.RECORDS / "12.server.gone").write_text("0")
    job = scheduler.submit([str(tmp_path / "job.sh")])
    (tmp_path / "queue").write_text("")  # not yet there, or not any more
    assert scheduler.status(job) == "running"


@pytest.mark.usefixtures("pbs")
def test_pbs_is_told_all_that_a_job_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert scheduler.submit(["-q", "short", str(tmp_path / "job.sh")]) == "12.server"
    told = (tmp_path / "told").read_text().splitlines()
    assert told[told.index("-l") :][:4] == ["-l", "select=1:ncpus=4:mem=4000mb:ngpus=2", "-l", "walltime=01:30:00"]
    assert told[-3:-1] == ["-q", "short"]
    assert scheduler.status("12.server") == "running"
    (tmp_path / "queue").write_text("")
    monkeypatch.setattr(scheduler, "PATIENCE_SECONDS", 0)
    assert scheduler.status("12.server") == "failed"


def test_without_a_scheduler_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(scheduler.SchedulerError, match=r"neither Grid Engine .* nor PBS"):
        scheduler.scheduler()


def test_half_a_scheduler_is_said_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "qselect").write_text("#!/bin/sh\n")
    (tmp_path / "qselect").chmod(0o755)
    (tmp_path / "job.sh").write_text(SCRIPT)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(scheduler.SchedulerError, match=r"qsub can't be run \(No such file or directory\); log in"):
        scheduler.submit([str(tmp_path / "job.sh")])


def test_a_script_that_says_nothing_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/sh\ntrue\n")
    with pytest.raises(scheduler.SchedulerError, match="expected a script that Snakemake wrote"):
        scheduler.read_job(script, tmp_path / "log")
