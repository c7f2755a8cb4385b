"""Whatever becomes of a start of the pipeline, the ledger tells, and its audit finds nothing wrong."""

import json
import os
import signal
import subprocess
import time

import pytest
from small_project import Project

pytestmark = pytest.mark.slow


def listed(project: Project, *options: str) -> list[dict[str, object]]:
    return list(json.loads(project.sh("weighbridge", "log", "--limit", "0", "--json", *options))["runs"])


def sound(project: Project) -> str:
    done = project.attempt("weighbridge", "audit")
    assert done.code == 0, done.text
    return done.text


def test_after_a_release_each_run_is_there_once_and_the_ledger_is_sound(finished: Project) -> None:
    runs = [line["run"] for line in listed(finished, "--status", "evaluated")]
    assert len(runs) == len(set(runs)) > 1
    assert [line["note"] for line in listed(finished, "--status", "accepted")] == finished.tags()
    assert not list((finished.root / "results/attempts").iterdir())
    assert "1 release\n" in sound(finished)
    clone = Project(finished.root.parent / "clone" / "project")
    finished.sh("git", "clone", "--quiet", ".", str(clone.root))
    assert "in the commits of releases" in sound(clone)


def test_settings_that_cannot_be_read_are_an_attempt_and_a_look_is_none(fresh: Project) -> None:
    fresh.edit("config/config.yaml", "seeds:", "sedes:")
    assert fresh.dry_run().code != 0
    assert listed(fresh) == []
    assert "did you mean 'seeds'" in fresh.refused()
    (line,) = listed(fresh)
    assert (line["status"], str(line["note"]).partition(":")[0]) == ("failed", "settings")
    sound(fresh)


def started(project: Project) -> subprocess.Popen[bytes]:
    """Start the pipeline in a session of its own; returns once a stage is at work for long."""
    command = ["snakemake", "--cores", "1", "data/processed/profile.yaml"]
    process = subprocess.Popen(
        command, cwd=project.root, env=project.env(), stderr=subprocess.DEVNULL, start_new_session=True
    )
    log = project.root / "logs/preprocess.log"
    deadline = time.monotonic() + 60
    began = time.time()
    while not (log.is_file() and log.stat().st_mtime > began and "at work" in log.read_text()):
        assert process.poll() is None, project.logs()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def test_a_killed_and_a_cancelled_stage_are_on_record_with_their_last_words(fresh: Project) -> None:
    rows = fresh.read("project/dataset.py")
    fresh.append("project/dataset.py", "\n\nimport time\nprint('at work', flush=True)\ntime.sleep(120)\n")
    process = started(fresh)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process = started(fresh)
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    (fresh.root / "project/dataset.py").write_text(rows, encoding="utf-8")
    fresh.snakemake("data/processed/profile.yaml")
    found = [(line["status"], line["note"]) for line in listed(fresh)]
    assert ("killed", "preprocess: its process was gone at the next start") in found
    assert ("cancelled", "preprocess: stopped by SIGINT") in found
    assert len(found) == 2
    told = [json.loads(path.read_text()) for path in (fresh.root / "runs").glob("*/*.json")]
    assert [("at work" in one["last_lines"]) for one in told if one["kind"] == "attempt"] == [True, True]
    sound(fresh)
