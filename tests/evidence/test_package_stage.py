"""What packaging reads off the runs: the champion, the noise floor of its seeds, and what all trainings took."""

from pathlib import Path

import msgspec
import pandas as pd
import pytest
from flights_sample import make_manifest

from weighbridge import documents, manifest, paths
from weighbridge.data import tables
from weighbridge.settings import Candidate, OwnMetric
from weighbridge.stages import package
from weighbridge.tasks import PackageTask


def task(seeds: tuple[int, ...]) -> PackageTask:
    candidates = {name: Candidate(model="m:M") for name in ("big", "small")}
    return PackageTask(
        name="m", candidates=candidates, seeds=seeds, data_schema="p:S", threads=1, metric="cost", threshold=0.5, own={}
    )


def run(root: Path, candidate: str, seed: int, probabilities: list[float], seconds: float) -> None:
    folder = root / paths.run(candidate, seed)
    table = pd.DataFrame({"id": ["a", "b"], "target": [0, 1], "probability": probabilities})
    tables.write_parquet(table, folder / "validation.parquet")
    training = manifest.Training(
        started="", ended="", wall_seconds=seconds, cpu_seconds=2 * seconds, peak_memory_mib=1, epochs=None,
        best_epoch=None, curve_sha256=None, resumed_from=None, cluster_job=None, host="h",
    )  # fmt: skip
    environment = manifest.EnvironmentSection(python="", lock_sha256="", distributions=(), os="", libc="", variables={})
    hardware = manifest.Hardware(
        cpu="", instruction_sets=(), cores=1, memory_mib=1, accelerators=(), blas=(), required_memory_mib=None,
        required_accelerator=None,
    )  # fmt: skip
    parameters = manifest.Parameters(
        candidate=candidate, model="m:M", hyperparameters={}, fit={}, seed=seed, threads=1, settings={}
    )
    record = manifest.RunRecord(
        run=f"{candidate}-{seed}", kind="sklearn", framework=manifest.Framework(name="", version=""),
        parameter_count=1, environment=environment, hardware=hardware, parameters=parameters, training=training,
        stage_code="", files=(),
    )  # fmt: skip
    documents.write_record(folder / "run.yaml", record)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for seed in (0, 1):
        run(tmp_path, "big", seed, [0.1, 0.9 if seed else 0.2], 10.5)
        run(tmp_path, "small", seed, [0.1, 0.9], 1.25)
    return tmp_path


def test_the_noise_is_that_of_the_champion_s_seeds(root: Path) -> None:
    data = make_manifest().data
    found = package._noise(root, "big", task((0, 1)), data)
    assert found is not None
    assert (found.seeds, found.changed_decisions.value, found.negative_flips.value) == (2, 0.5, 0.25)
    still = package._noise(root, "small", task((0, 1)), data)
    assert still is not None
    assert still.changed_decisions.value == 0
    assert package._noise(root, "big", task((0,)), data) is None
    folds = msgspec.structs.replace(data, folds=5)
    assert package._noise(root, "big", task((0, 1)), folds) is None, "each seed has rows of its own"


def test_the_cost_is_of_all_trainings(root: Path) -> None:
    assert package._cost(root, task((0, 1))) == manifest.TrainingCost(runs=4, cpu_seconds=47.0, wall_seconds=23.5)
    assert package._cost(root, task((1,))).runs == 2


def scores(**means: float) -> dict[str, manifest.CandidateScore]:
    return {
        name: manifest.CandidateScore(
            seeds=(manifest.SeedScore(seed=0, run="", metrics={"cost": mean}),), mean={"cost": mean}, deviation={}
        )
        for name, mean in means.items()
    }


def test_a_metric_of_the_project_s_own_says_which_way_is_better() -> None:
    for better, champion in (("lower", "small"), ("greater", "big")):
        own = {"cost": OwnMetric(function="m:f", better=better)}  # type: ignore[arg-type]  # one of the two
        assert package.choose(scores(big=2.0, small=1.0), "cost", own) == (champion, 0)
