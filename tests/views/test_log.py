"""log lists releases and runs, quickly."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_records import failed, rejected

from weighbridge.errors import SetupError
from weighbridge.registry import ledger
from weighbridge.views import log

Make = Callable[..., Any]


def test_releases_come_newest_first_with_metric_interval_and_verdict(project: Path, release: Make) -> None:
    for version in ("1.2.0", "1.10.0"):
        release(version)
    lines = log.log(project, None, runs=False).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["flights@v1.10.0", "flights@v1.2.0"]
    assert "Ada" in lines[1]
    assert "roc_auc  0.7100  0.6900 to 0.7300  pass" in lines[1]


def test_a_limit_says_how_many_are_left_out(project: Path, release: Make) -> None:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        release(version)
    assert log.log(project, None, limit=2, runs=False).splitlines()[-1] == "… and 1 older; --limit 0 lists all"
    assert "older" not in log.log(project, None, limit=0, runs=False)


def test_runs_come_from_the_ledger_and_from_results_each_once(project: Path, run: Make) -> None:
    known = run("boosting-abcdef012345", seed=0)
    run("boosting-999999999999", seed=1, auc=0.7123)
    ledger.append(project, rejected(known, gates=["ranks"]))
    ledger.append(project, failed(candidate="network", seed=2, error="no\nmemory"))
    text = log.log(project, None)
    assert text.count(known) == 1
    assert "fell short: ranks" in text
    assert "train: no memory" in text
    assert "0.2000" in text


def test_json_has_the_same_lines(project: Path, release: Make, run: Make) -> None:
    release("1.0.0")
    run()
    found = json.loads(log.log(project, "flights", json=True))
    assert found["releases"][0]["tag"] == "flights@v1.0.0"
    assert found["releases"][0]["low"] == 0.69
    assert found["runs"][0]["metrics"] == {"brier_score_loss": 0.2, "roc_auc": 0.7}
    assert "runs" not in json.loads(log.log(project, None, runs=False, json=True))


def test_a_tag_of_that_shape_by_another_tool_is_listed_as_such(project: Path) -> None:
    subprocess.run(["git", "tag", "-a", "flights@v0.1.0", "-m", "By hand"], cwd=project, check=True)
    assert "not made by Weighbridge" in log.log(project, None)


def test_an_empty_project_says_what_to_do(project: Path) -> None:
    assert log.log(project, None) == "No release yet; make one with 'snakemake --cores all'.\n\nNo run on record."


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="git init"):
        log.log(tmp_path, None)


def test_a_damaged_ledger_is_told_and_the_rest_listed(project: Path, release: Make) -> None:
    release("1.0.0")
    digest = ledger.append(project, rejected())
    path = project / "runs" / digest[:2] / f"{digest}.json"
    path.chmod(0o644)
    path.write_text("{}\n")
    text = log.log(project, None)
    assert "flights@v1.0.0" in text
    assert "The ledger is damaged" in text
