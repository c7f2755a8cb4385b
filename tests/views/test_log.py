"""log lists releases and runs, quickly."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from ledger_records import SHA, WHEN, accepted, evaluated, failed, rejected, trained

from weighbridge import cli
from weighbridge.errors import SettingsError, SetupError
from weighbridge.registry import ledger
from weighbridge.views import log
from weighbridge.views.log_runs import Query, since

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
    assert "roc_auc 0.7123" in text


def test_what_to_raise_after_a_kill_is_told_to_its_last_word(project: Path) -> None:
    error = (
        "Slurm job 3 on n2 was killed for memory: asked for 500 MiB, had 590 MiB at the last look; "
        "raise memory_mb in config/config.yaml, such as 800 for a training of one process"
    )
    ledger.append(project, failed(candidate="network", seed=2, error=error) | {"status": "killed"})
    header, *lines = log.log(project, None, query=Query(statuses=("killed",))).splitlines()
    place = header.index("NOTE")
    assert " ".join(line[place:] for line in lines) == f"train: {error}"
    assert [line[:place].strip() for line in lines[1:]] == [""] * (len(lines) - 1)


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


FIRST, SECOND, THIRD = "boosting-aaaaaaaaaaaa", "boosting-bbbbbbbbbbbb", "logistic-cccccccccccc"


@pytest.fixture
def several(project: Path) -> Path:
    """Three runs, trained and measured, one of them accepted; a failed attempt; a file on record."""
    said: list[tuple[str, float, dict[str, Any]]] = [
        (FIRST, 0.72, {"hyperparameters": {"max_iter": 100, "learning_rate": 0.1}, "threads": 1}),
        (SECOND, 0.74, {"hyperparameters": {"max_iter": 200, "learning_rate": 0.1}, "threads": 1}),
        (THIRD, 0.68, {"hyperparameters": {"C": 1.0}, "threads": 1}),
    ]
    for day, (run, auc, parameters) in enumerate(said, 1):
        when = f"2026-01-0{day}T12:00:00Z"
        ledger.append(project, trained(run, parameters=parameters, when=when))
        ledger.append(project, evaluated(run, metrics={"roc_auc": auc, "log_loss": 1 - auc}, when=when))
    ledger.append(project, accepted(run=SECOND, when="2026-01-04T12:00:00Z"))
    ledger.append(project, failed("preprocess", "data/raw: no files", when="2026-01-05T12:00:00Z"))
    ledger.append(
        project, {"kind": "evidence", "status": "written", "file": "results/package.yaml", "sha256": SHA, "when": WHEN}
    )
    return project


def listed(root: Path, limit: int = 0, **asked: Any) -> list[tuple[str | None, str]]:
    """Return run and status of each line."""
    found = json.loads(log.log(root, None, limit=limit, query=Query(**asked), json=True))
    return [(line["run"], line["status"]) for line in found["runs"]]


def test_a_run_shows_once_by_what_it_came_to_and_decisions_by_themselves(several: Path) -> None:
    assert listed(several) == [
        (None, "failed"), (SECOND, "accepted"), (THIRD, "evaluated"), (SECOND, "evaluated"), (FIRST, "evaluated"),
    ]  # fmt: skip
    decided = next(line for line in log.log(several, None).splitlines() if "accepted" in line)
    assert "roc_auc 0.7400" in decided, "the run's metrics stand beside the decision"
    assert "flights@v1.0.0" in decided


def test_a_restored_run_says_so(several: Path) -> None:
    origin = ledger.append(several, trained("boosting-dddddddddddd"))
    restored = {"kind": "run", "status": "restored", "candidate": "boosting", "seed": 0, "from": origin, "when": WHEN}
    ledger.append(several, restored | {"run": "boosting-dddddddddddd"})
    assert ("boosting-dddddddddddd", "restored") in listed(several)
    ledger.append(several, evaluated("boosting-dddddddddddd"))
    assert ("boosting-dddddddddddd", "evaluated") in listed(several)
    assert f"restored from {origin[:12]}" in log.log(several, None)


@pytest.mark.parametrize(
    ("asked", "runs"),
    [
        ({"statuses": ("failed",)}, [None]),
        ({"statuses": ("failed", "accepted")}, [None, SECOND]),
        ({"candidates": ("logistic",)}, [THIRD]),
        ({"since": "2026-01-03"}, [None, SECOND, THIRD]),
        ({"where": ("roc_auc>0.7",), "statuses": ("evaluated",)}, [SECOND, FIRST]),
        ({"where": ("roc_auc >= 0.72", "log_loss<2.8e-1")}, [SECOND, SECOND]),
        ({"where": ("roc_auc=0.68",)}, [THIRD]),
        ({"where": ("roc_auc!=0.68",), "statuses": ("evaluated",)}, [SECOND, FIRST]),
        ({"sort": "roc_auc", "statuses": ("evaluated",)}, [SECOND, FIRST, THIRD]),
        ({"sort": "log_loss", "statuses": ("evaluated",)}, [SECOND, FIRST, THIRD]),
        ({"statuses": ("killed",)}, []),
        ({"since": "0999-01-01", "statuses": ("failed",)}, [None]),
        ({"since": "58000w", "statuses": ("failed",)}, [None]),
    ],
)
def test_lines_are_chosen_and_sorted(several: Path, asked: dict[str, Any], runs: list[str | None]) -> None:
    assert [run for run, _ in listed(several, **asked)] == runs


def test_a_time_ago_is_counted_from_now(several: Path) -> None:
    ledger.append(several, failed("draw", "now", when=since("1h")))
    assert len(listed(several, since="2h")) == 1
    assert since("1d") < since("12h") < since("1h")
    assert since("1w") == min(since("1w"), since("6d"))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"where": ("roc_auc",)}, "found 'roc_auc'; expected a metric, a sign and a number"),
        ({"where": ("roc_auc>1.2.3",)}, "expected a metric, a sign and a number"),
        ({"where": ("roc_acu>0.7",)}, "did you mean 'roc_auc'"),
        ({"sort": "roc_acu"}, "did you mean 'roc_auc'"),
        ({"since": "lately"}, "expected a day such as"),
        ({"since": "7y"}, "expected a day such as"),
        ({"since": "0000-01-01"}, "expected a day such as"),
        ({"statuses": ("faild",)}, "did you mean 'failed'"),
        ({"statuses": ("bogus",)}, "expected one of trained, evaluated"),
    ],
)
def test_what_cannot_be_understood_is_refused(several: Path, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        log.log(several, None, query=Query(**asked))


def test_runs_side_by_side_show_all_metrics_and_what_differs(several: Path) -> None:
    text = log.log(several, None, query=Query(statuses=("evaluated",), sort="roc_auc"), compare=True)
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines()}
    assert text.split()[:3] == [SECOND, FIRST, THIRD]
    assert lines["roc_auc"] == ["0.74", "0.72", "0.68"]
    assert lines["parameters.hyperparameters.max_iter"] == ["200", "100", "-"]
    assert lines["parameters.hyperparameters.C"] == ["-", "-", "1.0"]
    assert "parameters.threads" not in lines
    assert not any(name.startswith(("data", "code", "environment")) for name in lines), "they are the same"


def test_other_data_code_and_versions_are_named(project: Path, run: Make) -> None:
    inputs = {"data": {"train": "b" * 64}, "code": SHA, "environment": SHA}
    other = run("boosting-abcdef012345")
    ledger.append(project, trained(other))
    ledger.append(project, trained(FIRST, seed=7, inputs=inputs))
    found = json.loads(log.log(project, None, compare=True, json=True))["comparison"]
    differing = dict(zip(found["runs"], found["differing"]["data.train"], strict=True))
    assert differing == {FIRST: "b" * 64, other: SHA}
    assert "environment.numpy" not in found["differing"], "the record of the ledger doesn't tell"


def test_the_same_run_has_nothing_that_differs(several: Path) -> None:
    text = log.log(several, None, query=Query(candidates=("logistic",)), compare=True)
    assert text.splitlines()[-1] == "Parameters, data, code and environment are the same."
    assert log.log(several, None, query=Query(statuses=("failed",)), compare=True) == "No run to compare."


def test_a_decision_on_a_bundle_does_not_hide_its_run(several: Path) -> None:
    before = log.log(several, None, compare=True)
    ledger.append(several, rejected(run=SECOND, when="2025-12-31T12:00:00Z"))  # then restored and measured again
    assert log.log(several, None, compare=True).splitlines()[1:] == before.splitlines()[1:]


def test_a_question_about_runs_leaves_releases_out(several: Path, release: Make) -> None:
    release("1.0.0")
    assert "RELEASE" not in log.log(several, None, query=Query(statuses=("failed",)))
    assert "RELEASE" in log.log(several, None, query=Query(candidates=("boosting",)))
    assert "No such release" in log.log(several, None, query=Query(candidates=("network",)))
    assert "No such release" in log.log(several, None, query=Query(since="2999-01-01"))


def test_a_limit_below_nothing_is_refused() -> None:
    done = CliRunner().invoke(cli.main, ["log", "--limit", "-5"])
    assert done.exit_code == 2
    assert "-5 is not in the range x>=0" in done.output
