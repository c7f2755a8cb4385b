"""diff says in words what changed, and that nothing did."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from strategies import SLOW_TO_SHRINK, manifests

from weighbridge.manifest import Manifest
from weighbridge.views import diff

Make = Callable[..., Any]
OTHER = "1" * 64


def side(record: Manifest) -> diff.Side:
    return diff.Side(title="one", record=record, validation={})


@settings(SLOW_TO_SHRINK, max_examples=10)
@given(manifests())
def test_nothing_changed_between_a_manifest_and_itself(manifest: Manifest) -> None:
    assert not any(diff.compare(side(manifest), side(manifest)).values())


def test_that_nothing_changed_is_said(project: Path, release: Make) -> None:
    release("1.0.0")
    assert diff.diff(project, "v1.0.0", "latest").splitlines()[-1] == "Nothing changed."


@pytest.mark.parametrize(
    ("changes", "group", "words"),
    [
        ({"data.raw.sha256": OTHER}, "data", "raw files: 9f86d081884c → 111111111111"),
        ({"data.splits.train.rows": 120}, "data", "train rows: 100 → 120"),
        ({"data.features.0.type": "string"}, "data", "feature distance: type: number → string"),
        ({"data.features.0.name": "speed"}, "data", "feature distance: removed, was number"),
        ({"data.features.0.name": "speed"}, "data", "feature speed: added, number"),
        ({"code.stages.train": OTHER}, "code", "code of train: 9f86d081884c → 111111111111"),
        ({"parameters.hyperparameters.max_iter": 300}, "parameters", "hyperparameter max_iter: 200 → 300"),
        ({"parameters.hyperparameters.max_iter": 200.0}, "parameters", "hyperparameter max_iter: 200 → 200.0"),
        ({"parameters.settings.gates.gates.size.max": 30.0}, "settings", "gates.gates.size.max: 20.0 → 30.0"),
        ({"environment.distributions.0.version": "2.0"}, "environment", "distribution numpy: 1.0 → 2.0"),
        ({"environment.distributions.0.name": "jax"}, "environment", "distribution numpy: removed, was 1.0"),
        ({"environment.distributions.0.record_sha256": OTHER}, "environment", "both 1.0, with other files"),
        ({"hardware.cpu": "Another"}, "hardware", "cpu: A processor → Another"),
        (
            {"performance.test.metrics.roc_auc": {"value": 0.72, "low": 0.7, "high": 0.74}},
            "metrics",
            "roc_auc: 0.71 → 0.72 (+0.01, intervals overlap)",
        ),
        (
            {"performance.test.metrics.roc_auc": {"value": 0.8, "low": 0.78, "high": 0.82}},
            "metrics",
            "roc_auc: 0.71 → 0.8 (+0.09, intervals apart)",
        ),
        ({"interface.inputs.0.name": "speed"}, "interface", "input distance: removed, was number"),
        ({"interface.inputs.0.may_be_missing": True}, "interface", "input distance: may be missing: no → yes"),
        ({"gates.results.0.limit": 0.6}, "gates", "gate ranks: limit: 0.65 → 0.6"),
        ({"gates.loosened": ["ranks: 0.65 → 0.6"]}, "gates", "loosened: none → ranks: 0.65 → 0.6"),
        ({"artifacts.parameter_count": 2000}, "size", "parameter count: 1000 → 2000"),
    ],
)
def test_a_change_is_told_in_words_in_its_group(altered: Make, changes: dict[str, Any], group: str, words: str) -> None:
    found = diff.compare(side(altered({})), side(altered(changes)))
    assert any(words in str(difference) for difference in found[group])
    assert [name for name, differences in found.items() if differences] == [group]


def test_commits_between_are_listed(project: Path, release: Make) -> None:
    release("1.0.0")
    for number in range(25):
        subprocess.run(["git", "commit", "--quiet", "--allow-empty", "-m", f"Step {number}"], cwd=project, check=True)
    release("1.1.0")
    text = diff.diff(project, "v1.0.0", "v1.1.0")
    assert "25 commits between them:" in text
    assert "Step 24" in text
    assert "Step 0" not in text
    assert "Nothing changed in: data, parameters" in text


def test_json_holds_what_the_words_say(project: Path, release: Make) -> None:
    release("1.0.0")
    release("1.1.0", {"data.rows": 301})
    found = json.loads(diff.diff(project, "v1.0.0", "v1.1.0", json=True))
    assert (found["old"], found["new"]) == ("flights@v1.0.0", "flights@v1.1.0")
    assert found["changes"]["data"] == [{"what": "rows", "old": 300, "new": 301, "note": ""}]


def test_a_difference_on_the_same_rows_is_told(altered: Make) -> None:
    change = {"baseline": 0.71, "difference": {"value": 0.01, "low": 0.002, "high": 0.018}}
    comparison = {
        "release": "flights@v1.0.0", "comparable": True, "reason": "", "metrics": {"roc_auc": change},
        "changed_decisions": 0.04, "serving": None,
    }  # fmt: skip
    (found,) = diff.compare(side(altered({})), side(altered({"performance.test.comparison": comparison})))["metrics"]
    assert str(found) == "roc_auc: 0.71 → 0.72 (on the same rows +0.01, interval +0.002 to +0.018)"


def test_two_runs_are_compared_by_what_runs_have(project: Path, run: Make) -> None:
    first, second = run(auc=0.7), run("boosting-999999999999", seed=1, auc=0.71)
    text = diff.diff(project, first, second)
    assert "seed: 0 → 1" in text
    assert "validation roc_auc: 0.7 → 0.71 (+0.01)" in text
    assert "gates" not in text


def test_a_run_is_compared_with_a_release(project: Path, release: Make, run: Make) -> None:
    release("1.0.0")
    text = diff.diff(project, "v1.0.0", run(auc=0.7))
    assert "parameter count: 1000 → 900" in text
    assert "validation roc_auc: 0.72 → 0.7 (-0.02)" in text
