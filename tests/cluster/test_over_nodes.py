"""A training over two nodes of Slurm comes to the bits of two processes on one machine."""

from pathlib import Path

import pytest
import slurm_lab
import small_project
from small_project import Project

from weighbridge import documents, plan
from weighbridge.digest import sha256_file
from weighbridge.manifest import RunRecord

pytestmark = pytest.mark.slow(seconds=30)

RUN = "results/runs/network/0"


@pytest.fixture(scope="module")
def prepared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose rows are prepared, with a network that asks for two nodes."""
    project = small_project.copy(done, tmp_path_factory.mktemp("prepared"))
    project.edit(
        "config/config.yaml", "fit: {epochs: 2, batch_size: 256}", "fit: {epochs: 2, batch_size: 256, nodes: 2}"
    )
    return project


def made(project: Project) -> tuple[RunRecord, str, str]:
    """Return the run's record, and the digests of weights and curve."""
    folder = project.root / RUN
    record = documents.read_record(folder / "run.yaml", RunRecord)
    return record, sha256_file(folder / "model.safetensors"), sha256_file(folder / "curve.csv")


def test_two_nodes_and_two_processes_of_one_machine_agree(
    prepared: Project, slurm: slurm_lab.Lab, tmp_path: Path
) -> None:
    """The job's script runs the stage as Snakemake's executor does: once, with next to nothing of SLURM_* left."""
    here, there = small_project.copy(prepared, tmp_path / "here"), small_project.copy(prepared, tmp_path / "there")
    alone = here.stage("train", "--candidate", "network", "--seed", "0")
    assert alone.code == 0, alone.text
    assert "this is no Slurm job of so many: all 2 processes run here" in alone.out

    told = plan.Plan(plan.load(there.root), there.root).settings_file("train", "network")
    stripped = "for name in $(env | grep -o '^SLURM_[A-Z_]*' | grep -v '^SLURM_JOB_ID$'); do unset $name; done"
    job = slurm.run(
        "sbatch", "--parsable", "--nodes=2", "--ntasks=2", "--mem=1000", "--time=10", "--output=job.log",
        f"--wrap={stripped}; weighbridge train --settings {told} --candidate network --seed 0",
        cwd=there.root, env=there.env() | slurm.env | {"PYTHONPATH": str(there.root)},
    )  # fmt: skip
    slurm.until(job, "COMPLETED", "FAILED")
    log = there.read("job.log")
    (record, *bits), (_, *others) = made(there), made(here)
    assert bits == others, log
    assert "processes run here" not in log
    assert record.training.processes == 2
    assert record.training.cluster is not None
    assert len(record.training.cluster.nodes) == 2
