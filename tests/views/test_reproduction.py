"""How far a reproduction got is told by digests and numbers; a gap is explained by facts, the most telling first."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge.digest import FileEntry
from weighbridge.evidence import reproduction
from weighbridge.evidence.reproduction import BIT, DIGITS, LEVELS, RECORDED, TOLERANCE, Made
from weighbridge.manifest import Manifest, Packaged, RunRecord
from weighbridge.views import reproduce

Alter = Callable[[dict[str, Any]], Manifest]
OTHER = "4a5e1e4baab89f3a" + "1" * 48
MODEL = {"path": "model.onnx", "role": "model", "bytes": 500, "sha256": OTHER}


def made(manifest: Manifest) -> Made:
    """Return what a pipeline leaves that makes what *manifest* says."""
    return Made(
        raw=manifest.data.raw,
        data=manifest.data,
        packaged=Packaged(
            name="flights",
            champion=manifest.parameters.candidate,
            seed=manifest.parameters.seed,
            run=manifest.model_info.run,
            primary="roc_auc",
            candidates=manifest.performance.selected_from,
            interface=manifest.interface,
            artifacts=manifest.artifacts,
            parity=manifest.performance.parity,
            baseline=None,
            same_as=None,
        ),
        run=RunRecord(
            run=manifest.model_info.run,
            kind="sklearn",
            framework=manifest.model_info.framework,
            parameter_count=900,
            environment=manifest.environment,
            hardware=manifest.hardware,
            parameters=manifest.parameters,
            training=manifest.training,
            stage_code=manifest.code.stages["train"],
            files=(),
        ),
        weighing=manifest.performance.test,
        bundle=tuple(
            FileEntry(path=file.path, bytes=file.bytes, sha256=file.sha256) for file in manifest.artifacts.files
        ),
    )


def outcome(altered: Alter, changes: dict[str, Any]) -> reproduction.Outcome:
    """Compare what *changes* make of the example with the example."""
    return reproduction.compare("flights@v1.0.0", altered({}), made(altered(changes)), 1.0)


TEST = "performance.test.metrics.roc_auc.value"
VALIDATION = "performance.selected_from.boosting.seeds.0.metrics.roc_auc"


@pytest.mark.parametrize(
    ("changes", "level"),
    [
        ({}, BIT),
        ({"artifacts.files.0": MODEL}, DIGITS),
        ({"artifacts.files": []}, DIGITS),
        ({"artifacts.files.0": MODEL, TEST: 0.7100004}, DIGITS),
        ({"artifacts.files.0": MODEL, TEST: 0.71001}, TOLERANCE),
        ({"artifacts.files.0": MODEL, VALIDATION: 0.5}, TOLERANCE),
        ({"artifacts.files.0": MODEL, TEST: 0.6899}, RECORDED),
        ({"artifacts.files.0": MODEL, "performance.test.metrics": {}}, RECORDED),
    ],
)
def test_the_level_is_the_furthest_that_holds(altered: Alter, changes: dict[str, Any], level: str) -> None:
    found = outcome(altered, changes)
    assert found.level == level
    assert [found.reaches(one) for one in LEVELS] == [LEVELS.index(one) <= LEVELS.index(level) for one in LEVELS]
    assert reproduce.text(found).startswith(f"flights@v1.0.0: {level}\n")


def test_a_file_that_no_release_has_is_no_equality_to_the_bit(altered: Alter) -> None:
    found = outcome(
        altered, {"artifacts.files": [*msgspec.to_builtins(altered({}).artifacts.files), {**MODEL, "path": "x"}]}
    )
    assert found.level == DIGITS
    assert [(one.what, one.recorded) for one in found.files] == [("bundle: x", None)]


def test_files_that_differ_come_in_the_order_in_which_they_are_made(altered: Alter) -> None:
    found = outcome(
        altered,
        {
            "data.raw.files.0.sha256": OTHER,
            "data.splits.train.sha256": OTHER,
            "training.curve_sha256": OTHER,
            "artifacts.files": [MODEL, {**MODEL, "path": "model.skops"}],
            "performance.test.predictions_sha256": OTHER,
        },
    )
    names = ["raw: a.csv", "processed: train", "learning curve", "bundle: model.skops", "bundle: model.onnx"]
    assert [one.what for one in found.files] == names  # no predictions on record, so none that differ


def test_another_champion_is_named(altered: Alter) -> None:
    found = outcome(altered, {"artifacts.files.0": MODEL, "parameters.candidate": "network", "parameters.seed": 1})
    assert "champion: recorded boosting, seed 0, here network, seed 1" in reproduce.text(found)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parameters.threads": 2}, "threads: recorded 1, here 2"),
        ({"hardware.instruction_sets": ["avx2", "avx512f"]}, "instruction sets: recorded avx2, here avx2, avx512f"),
        ({"hardware.blas": ["mkl"]}, "blas: recorded openblas, here mkl"),
        ({"hardware.cpu": "Another"}, "cpu: recorded A processor, here Another"),
        ({"environment.variables": {}}, "variable OMP_NUM_THREADS: recorded 1, here none"),
        ({"environment.python": "CPython 3.12.1"}, "python: recorded CPython 3.11.7, here CPython 3.12.1"),
        ({"environment.distributions.0.version": "2.0"}, "library numpy: recorded 1.0, here 2.0"),
        ({"environment.distributions": []}, "library scikit-learn: recorded 1.0, here none"),
        ({"environment.libc": "glibc 2.40"}, "libc: recorded glibc 2.36, here glibc 2.40"),
        ({"code.stages.train": OTHER}, "code of train: recorded 9f86d081884c, here 4a5e1e4baab8"),
    ],
)
def test_a_recorded_fact_that_differs_is_named(altered: Alter, change: dict[str, Any], said: str) -> None:
    text = reproduce.text(outcome(altered, {"artifacts.files.0": MODEL, **change}))
    assert "Recorded facts that differ:" in text
    assert f"  {said}" in text
    assert f"  {said}" in reproduce.text(outcome(altered, change))
    assert "without effect on the bundle" in reproduce.text(outcome(altered, change))


def test_the_facts_that_change_bits_most_often_come_first(altered: Alter) -> None:
    facts = {
        "hardware.cores": 64,
        "environment.os": "Another",
        "environment.distributions": [],
        "parameters.threads": 2,
    }
    names = [one.what for one in outcome(altered, facts).facts]
    assert names == ["threads", "library numpy", "library scikit-learn", "os", "cores"]


def test_a_distribution_of_the_same_version_installed_elsewhere_is_the_same(altered: Alter) -> None:
    assert outcome(altered, {"environment.distributions.0.record_sha256": OTHER}).facts == ()


def test_a_gap_that_no_fact_explains_is_laid_at_the_trainings_door(altered: Alter) -> None:
    assert "unseeded" in reproduce.text(outcome(altered, {"artifacts.files.0": MODEL}))
    assert "unseeded" not in reproduce.text(outcome(altered, {}))


def test_what_could_not_be_made_is_recorded_and_says_why() -> None:
    found = reproduction.failed("flights@v1.0.0", "weighbridge train: no rows", (), 2.0)
    assert (found.level, found.reaches(TOLERANCE)) == (RECORDED, False)
    assert "It could not be made again:\n  weighbridge train: no rows" in reproduce.text(found)


def test_a_pipeline_that_can_not_run_is_told_with_its_last_words_and_facts(
    project: Path, release: Callable[..., Any], tmp_path: Path
) -> None:
    """The example's commit has no Snakefile; its environment has two distributions, this one many."""
    release("1.0.0")
    told: list[str] = []
    before = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=project, capture_output=True, check=True)
    found = reproduce.reproduce(project, "latest", reproduce.Options(cores=1, keep=tmp_path / "kept"), told.append)
    after = subprocess.run(["git", "status", "--porcelain", "--ignored"], cwd=project, capture_output=True, check=True)
    assert (found.level, found.files) == (RECORDED, ())
    assert "Snakefile" in found.problem
    assert "Snakefile" in (tmp_path / "kept/reproduce.log").read_text()
    assert "library numpy" in [one.what for one in found.facts]
    assert any("--rebuild-environment" in line for line in told)
    assert after.stdout == before.stdout


def test_json_has_all_of_it(altered: Alter) -> None:
    found = outcome(altered, {"artifacts.files.0": MODEL, TEST: 0.72})
    assert msgspec.json.decode(reproduce.json(found), type=reproduction.Outcome) == found
