"""The whole pipeline on a real Slurm: jobs ask for what their rules declare, and the release is the local one's."""

import re
from pathlib import Path
from typing import Any

import pytest
import slurm_lab
import small_project
import yaml
from small_project import Done, Project

pytestmark = pytest.mark.slow(seconds=15)
SLURM = slurm_lab.Shape(nodes=2, cpus=1)
SLURM_PROFILE = ("snakemake", "--profile", "workflow/profiles/slurm")
# What a job of each rule asks for: memory, and the longest time.
ASKED = {
    "preprocess": ("4000M", "00:30:00"),
    "train": ("4000M", "04:00:00"),
    "evaluate_run": ("4000M", "00:30:00"),
    "package": ("4000M", "01:00:00"),
    "weigh": ("4000M", "01:00:00"),
    "judge": ("4000M", "00:30:00"),
    "draw": ("2000M", "00:30:00"),
}
RUNS = [("logistic", 0), ("network", 0)]
BOOSTING = """\
  boosting:
    model: "sklearn.ensemble:HistGradientBoostingClassifier"
    params: {max_iter: 10, min_samples_leaf: 20}
    strings: "ordinal"
"""
# Takes more than it asks for at first, and less than it gets at the second attempt.
HUNGRY = """\
rule hungry:
    output:
        "results/hungry.txt",
    resources:
        mem_mb=memory(700),
        runtime=10,
    shell:
        "python -c 'import time; held = bytearray(900 << 20); time.sleep(8)' && touch {output:q}"
"""


def rule(job: dict[str, str]) -> str:
    """Return the rule of a job: ``rule_train_wildcards_network_0``."""
    return job["Comment"].removeprefix("rule_").partition("_wildcards_")[0]


def asked(job: dict[str, str]) -> dict[str, str]:
    """Return what a job asks for: ``cpu``, ``mem``, ``node``."""
    return dict(one.split("=") for one in job["TRES"].split(","))


def released(project: Project) -> dict[str, Any]:
    """Return the manifest of the release."""
    manifest: dict[str, Any] = yaml.safe_load(project.git("show", "small@v1.0.0:models/small.yaml"))
    return manifest


def record(project: Project, candidate: str, seed: int) -> dict[str, Any]:
    """Return the record of a run."""
    found: dict[str, Any] = yaml.safe_load(project.read(f"results/runs/{candidate}/{seed}/run.yaml"))
    return found


class OnSlurm:
    """A project after ``snakemake`` on Slurm, and the jobs that there were."""

    def __init__(self, project: Project, slurm: slurm_lab.Lab, *arguments: str) -> None:
        before = {job["JobId"] for job in slurm.jobs()}
        self.project = project
        self.done: Done = project.attempt(*SLURM_PROFILE, *arguments, env=slurm.env)
        self.jobs = [job for job in slurm.jobs() if job["JobId"] not in before]


@pytest.fixture(scope="module")
def whole(made: Project, slurm: slurm_lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> OnSlurm:
    """The small project's first run; two of its trainings are enough, of each kind one."""
    project = small_project.copy(made, tmp_path_factory.mktemp("whole"))
    project.edit("config/config.yaml", BOOSTING, "")
    project.edit("config/config.yaml", "seeds: [0, 1]", "seeds: [0]")
    project.commit("Train less")
    return OnSlurm(project, slurm)


@pytest.fixture(scope="module")
def failing(done: Project, slurm: slurm_lab.Lab, tmp_path_factory: pytest.TempPathFactory) -> OnSlurm:
    """A training that finds no GPU, and a job that needs more memory than it said; each has two attempts."""
    project = small_project.copy(done, tmp_path_factory.mktemp("failing"))
    project.edit("config/config.yaml", "batch_size: 256}", "batch_size: 256, device: cuda}")
    project.append("config/config.yaml", 'custom_rules: ["project/hungry.smk"]\n')
    (project.root / "project/hungry.smk").write_text(HUNGRY)
    to_gpu = ("--set-resources", "train:slurm_partition=gpu", "--retries", "1")
    return OnSlurm(project, slurm, *to_gpu, "--", "results/hungry.txt", "results/runs/network/0/run.yaml")


def test_the_whole_pipeline_comes_to_a_release(whole: OnSlurm) -> None:
    assert whole.done.code == 0, whole.done.text + whole.project.logs()
    assert whole.project.tags() == ["small@v1.0.0"]
    assert whole.project.read("results/summary.txt") in whole.done.text


def test_heavy_rules_are_jobs_and_light_ones_are_not(whole: OnSlurm) -> None:
    rules = sorted(rule(job) for job in whole.jobs)
    assert rules == sorted([*ASKED, "train", "evaluate_run"])
    assert {job["JobState"] for job in whole.jobs} == {"COMPLETED"}


def test_each_job_asks_for_what_its_rule_declares(whole: OnSlurm) -> None:
    for job in whole.jobs:
        memory, minutes = ASKED[rule(job)]
        wanted = asked(job)
        assert (wanted["mem"], job["TimeLimit"]) == (memory, minutes), job
        assert (wanted["cpu"], wanted["node"], job["CPUs/Task"], job["Partition"]) == ("1", "1", "1", "cpu"), job
        assert "TresPerJob" not in job


def test_the_release_is_the_local_one_to_the_bit(whole: OnSlurm, done: Project) -> None:
    here, there = released(done), released(whole.project)
    for name in ("content_sha256", "dvc"):
        assert there["artifacts"][name] == here["artifacts"][name]
    for key in RUNS:
        local, remote = record(done, *key), record(whole.project, *key)
        assert (remote["run"], remote["files"]) == (local["run"], local["files"])


def test_each_training_says_in_which_job_it_was(whole: OnSlurm) -> None:
    jobs = {job["Comment"]: job for job in whole.jobs}
    for candidate, seed in RUNS:
        training = record(whole.project, candidate, seed)["training"]
        job = jobs[f"rule_train_wildcards_{candidate}_{seed}"]
        found = training["cluster"]
        assert (found["scheduler"], found["job"], found["partition"]) == ("slurm", job["JobId"], "cpu")
        assert (found["nodes"], found["cpus"], found["memory_mib"]) == ([job["NodeList"]], 1, 4000)
        assert 50 < training["peak_memory_mib"] < 4000
    assert released(whole.project)["training"]["cluster"]["scheduler"] == "slurm"


def test_nothing_is_left_to_do_here_or_there(whole: OnSlurm) -> None:
    assert whole.project.planned() == set()


def test_a_job_that_was_killed_for_its_memory_gets_more(failing: OnSlurm) -> None:
    jobs = [job for job in failing.jobs if rule(job) == "hungry"]
    assert [(asked(job)["mem"], job["JobState"]) for job in jobs] == [("700M", "FAILED"), ("1400M", "COMPLETED")]
    assert (failing.project.root / "results/hungry.txt").exists()
    first = f"hungry: Slurm job {jobs[0]['JobId']} on {jobs[0]['NodeList']} was killed for memory: asked for 700 MiB"
    assert failing.done.text.count(first) == 1
    raised = re.search(r"such as hungry: \{mem_mb: (\d+)00\}", failing.done.text)
    assert raised, failing.done.text
    assert int(raised[1]) > 9, "more than it had"
    assert "killed for memory" in failing.project.sh("weighbridge", "log", "--status", "killed")


def test_a_training_on_gpus_asks_for_them(failing: OnSlurm) -> None:
    jobs = [job for job in failing.jobs if rule(job) == "train"]
    told = [(job["TresPerJob"].replace("gres/", "gres:"), job["Partition"]) for job in jobs]
    assert told == [("gres:gpu:1", "gpu")] * 2
    assert [asked(job)["mem"] for job in jobs] == ["4000M", "8000M"]
    assert {job["JobState"] for job in jobs} == {"FAILED"}


def test_the_log_of_a_job_that_fails_is_on_the_terminal(failing: OnSlurm) -> None:
    assert failing.done.code == 1, failing.done.text
    assert "fit.device is cuda" in failing.done.text
    assert Path(failing.project.root / ".snakemake/slurm_logs/rule_train/network_0").is_dir()
