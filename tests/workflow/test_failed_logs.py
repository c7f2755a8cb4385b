"""Of a job that failed on a cluster the terminal shows the end of its log, once, and nothing of an earlier run."""

import logging
import os
from pathlib import Path

import pytest
from snakemake.logging import DefaultFormatter
from snakemake_interface_logger_plugins.common import LogEvent

from weighbridge import clock, failed_logs


@pytest.fixture
def terminal(tmp_path: Path) -> logging.Handler:
    handler = logging.StreamHandler()
    handler.name = "DefaultStreamHandler"
    handler.setFormatter(DefaultFormatter(show_failed_logs=True))
    failed_logs.shorten([handler], clock.of_files(tmp_path))
    return handler


def failure(*logs: Path, job: int = 3) -> logging.LogRecord:
    told = {"rule_name": "train", "msg": None, "rule_msg": None, "jobid": job, "conda_env": None, "shellcmd": None}
    files = {
        "input": [f"input-{number}.csv" for number in range(45)],
        "output": ["run.yaml"],
        "log": [str(log) for log in logs],
    }
    return logging.makeLogRecord(told | files | {"aux": {"external_jobid": "7"}, "event": LogEvent.JOB_ERROR})


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_only_the_end_of_the_stages_own_log_is_shown(terminal: logging.Handler, tmp_path: Path) -> None:
    stage = written(tmp_path / "logs/network-0.log", "".join(f"epoch {number}\n" for number in range(327)))
    cluster = written(tmp_path / ".snakemake/slurm_logs/7.log", "SNAKEMAKE\nBuilding DAG\n")
    text = terminal.format(failure(cluster, stage))
    assert [line for line in text.splitlines() if "epoch" in line] == [f"        epoch {n}" for n in range(312, 327)]
    assert "external_jobid: 7" in text
    assert "Building DAG" not in text
    assert "input-0.csv" not in text


def test_the_same_end_is_shown_once_for_a_job(terminal: logging.Handler, tmp_path: Path) -> None:
    stage = written(tmp_path / "logs/network-0.log", "no GPU here\n")
    assert "no GPU here" in terminal.format(failure(stage))
    moment = stage.stat().st_mtime_ns + 1_000_000_000
    os.utime(stage, ns=(moment, moment))
    again = terminal.format(failure(stage))
    assert "no GPU here" not in again
    assert "ends as before" in again
    assert "no GPU here" in terminal.format(failure(stage, job=4))


def test_an_earlier_runs_log_gives_way_to_the_clusters(tmp_path: Path) -> None:
    stage = written(tmp_path / "logs/network-0.log", "of yesterday\n")
    handler = logging.StreamHandler()
    handler.name = "DefaultStreamHandler"
    handler.setFormatter(DefaultFormatter(show_failed_logs=True))
    failed_logs.shorten([handler], stage.stat().st_mtime_ns + 1)
    cluster = written(tmp_path / ".snakemake/slurm_logs/7.log", "slurmstepd: error: killed\n")
    moment = stage.stat().st_mtime_ns + 2
    os.utime(cluster, ns=(moment, moment))
    text = handler.format(failure(stage, cluster))
    assert "of yesterday" not in text
    assert "        slurmstepd: error: killed" in text


def test_an_attempt_killed_before_its_stage_shows_no_log_of_the_one_before(
    terminal: logging.Handler, tmp_path: Path
) -> None:
    stage = written(tmp_path / "logs/network-0.log", "epoch 8\n")
    cluster = written(tmp_path / ".snakemake/slurm_logs/8.log", "slurmstepd: error: killed\n")
    assert "epoch 8" in terminal.format(failure(stage))
    text = terminal.format(failure(stage, cluster))
    assert "epoch 8" not in text
    assert text.splitlines()[-2:] == [f"    {cluster} ends:", "        slurmstepd: error: killed"]


@pytest.mark.parametrize("name", ["DefaultStreamHandler", "DefaultLogFileHandler"])
def test_who_wants_no_logs_sees_none_and_the_file_keeps_all(name: str, tmp_path: Path) -> None:
    stage = written(tmp_path / "train.log", "".join(f"epoch {number}\n" for number in range(40)))
    handler = logging.StreamHandler()
    handler.name = name
    handler.setFormatter(DefaultFormatter(show_failed_logs=name == "DefaultLogFileHandler"))
    failed_logs.shorten([handler], 0)
    assert handler.format(failure(stage)).count("epoch") == (40 if name == "DefaultLogFileHandler" else 0)


def test_a_log_that_stands_elsewhere_is_left_out(tmp_path: Path) -> None:
    log = written(tmp_path / "release.log", "release refused\n")
    handler = logging.StreamHandler()
    handler.name = "DefaultStreamHandler"
    handler.setFormatter(DefaultFormatter(show_failed_logs=True))
    failed_logs.shorten([handler], 0, apart=[log])
    assert "refused" not in handler.format(failure(log))
