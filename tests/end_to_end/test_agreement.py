"""Before a tag is made, all records must be about one thing; what Snakemake's times don't show is found here."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_project
from small_project import Project

pytestmark = pytest.mark.slow

FIRST, SECOND = "small@v1.0.0", "small@v1.1.0"


@pytest.fixture(scope="module")
def changed(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with another model than the released one, all but released. Not to be changed."""
    project = small_project.copy(done, tmp_path_factory.mktemp("changed"))
    project.edit("config/config.yaml", "C: 1.0", "C: 0.01")
    project.commit("Regularise more")
    project.snakemake("judge", "draw")
    return project


@pytest.fixture
def ready(changed: Project, tmp_path: Path) -> Project:
    """A copy of it to play with."""
    return small_project.copy(changed, tmp_path)


def check_out(project: Project, path: str) -> None:
    """Lay the first release's version of a file into the working tree, as ``git checkout`` does."""
    (project.root / path).write_text(project.sh("git", "show", f"{FIRST}:{path}"))


def commit(project: Project, old: str, new: str) -> None:
    """Change the settings, and run nothing."""
    project.edit("config/config.yaml", old, new)
    project.commit(f"{old} becomes {new}")


def forge_verdict(project: Project) -> None:
    """Let a gate fail, and say that it passed."""
    project.edit("config/gates.yaml", "min: 0.6", "min: 0.99")
    project.commit("Ask for too much")
    assert project.stage("judge").code == 0
    verdict = project.read("results/verdict.yaml")
    assert 'verdict: "fail"' in verdict
    (project.root / "results/verdict.yaml").write_text(verdict.replace('verdict: "fail"', 'verdict: "pass"'))


def forge_last_release(project: Project) -> None:
    """Say that the last release asked for less, so that nothing seems loosened; and judge by that."""
    project.edit("config/gates.yaml", "min: 0.6", "min: 0.5")
    project.commit("Ask for less")
    project.edit("results/baseline/manifest.yaml", "min: 0.6\n", "min: 0.5\n")
    judged_again(project)
    assert "loosened: []" in project.read("results/verdict.yaml")


def forge_latency(project: Project) -> None:
    """Ask for the impossible, and say that it was reached; and judge by that."""
    path = project.root / "results/weighing/weighing.yaml"
    text, count = re.subn(r"latency_ms_p95: .*", "latency_ms_p95: 0.00001", path.read_text(), count=1)
    assert count == 1
    path.write_text(text)
    judged_again(project)


def judged_again(project: Project) -> None:
    assert project.stage("judge").code == 0
    assert project.stage("draw").code == 0


CASES: dict[str, tuple[Callable[[Project], None], str, str]] = {
    "older pointer": (lambda p: check_out(p, "models/small.dvc"), "models/small.dvc: found", "package"),
    "older plot": (lambda p: check_out(p, "models/plots/roc.csv"), "models/plots/roc.csv: found", "draw"),
    "forged verdict": (forge_verdict, "verdict in results/verdict.yaml: found pass, expected fail", "judge"),
    "forged last release": (forge_last_release, "results/baseline/manifest.yaml: found", "package"),
    "forged latency": (forge_latency, "results/weighing/weighing.yaml (edited?)", "weigh"),
    "other parameters": (lambda p: commit(p, "C: 0.01", "C: 0.5"), "parameters of the champion", "train"),
    "other seeds": (
        lambda p: commit(p, "seeds: [0, 1]", "seeds: [0]"),
        "seeds: found (0, 1), expected (0,)",
        "package",
    ),
    "other metrics": (lambda p: commit(p, "resamples: 200", "resamples: 300"), "settings of the metrics", "weigh"),
}


@pytest.mark.parametrize("case", CASES)
def test_what_disagrees_is_named_with_the_stage_to_run_again(case: str, ready: Project) -> None:
    disturb, named, again = CASES[case]
    disturb(ready)
    found = ready.stage("release")
    assert found.code == 2, found.text
    assert "Traceback" not in found.text
    assert named in found.text
    assert f"--forcerun {again}'" in found.text
    assert ready.tags() == [FIRST]


def test_a_damaged_ledger_is_not_carried_into_a_release(ready: Project) -> None:
    record = next((ready.root / "runs").rglob("*.json"))
    record.chmod(0o644)
    record.write_text(record.read_text().replace("small", "other").replace("roc", "r0c") + " ")
    found = ready.stage("release")
    assert found.code == 2, found.text
    assert "the ledger is damaged" in found.text
    assert record.stem[:12] in found.text
    assert ready.tags() == [FIRST]


def test_the_bundle_that_was_weighed_is_named(ready: Project) -> None:
    """Swapped for the weighing, and put back: the weighing is of another bundle."""
    readme = ready.root / "models/small/README.md"
    content = readme.read_bytes()
    readme.unlink()  # DVC may have linked it to its cache
    readme.write_text("Another bundle.\n")
    assert ready.stage("weigh").code == 0
    readme.write_bytes(content)
    found = ready.stage("release")
    assert found.code == 2, found.text
    assert "--forcerun weigh" in found.text


def test_the_named_stage_mends_it(ready: Project) -> None:
    check_out(ready, "models/small.dvc")
    assert "--forcerun package" in ready.refused()
    ready.snakemake("--forcerun", "package")
    released = ready.sh("git", "show", f"{SECOND}:models/small.dvc")
    assert released != ready.sh("git", "show", f"{FIRST}:models/small.dvc")


def test_metrics_for_dvc_are_those_of_the_weighing(ready: Project) -> None:
    check_out(ready, "models/metrics.yaml")
    old = ready.read("models/metrics.yaml")
    assert ready.stage("release").code == 0
    assert ready.sh("git", "show", f"{SECOND}:models/metrics.yaml") != old


@pytest.mark.parametrize("way", ["ignored", "assumed unchanged"])
def test_code_that_git_status_does_not_see_is_named(way: str, ready: Project) -> None:
    if way == "ignored":
        ready.append(".git/info/exclude", "project/extra.py\n")
        ready.append("project/dataset.py", "\nfrom project import extra  # noqa: E402, F401\n")
        (ready.root / "project/extra.py").write_text("")
        ready.commit("Use what is ignored")
    else:
        ready.git("update-index", "--assume-unchanged", "project/dataset.py")
        ready.append("project/dataset.py", "\n# Not committed.\n")
    found = ready.stage("release")
    assert found.code == 1, found.text
    assert f"uncommitted: project/{'extra' if way == 'ignored' else 'dataset'}.py" in found.text
    assert ready.tags() == [FIRST]


def test_an_overlay_loosens_no_gate_of_a_release(ready: Project) -> None:
    ready.edit("config/gates.yaml", "min: 0.6", "min: 0.99")
    ready.commit("Ask for too much")
    (ready.root / "loose.yaml").write_text("gates:\n  ranks: {min: 0.6}\n")
    text = ready.refused("--configfile", "loose.yaml", "--retries", "2")
    assert "Trying to restart" not in text, "a release is asked for once, whatever the profile says of other jobs"
    assert "config/gates.yaml (an overlay says otherwise" in text
    assert ready.tags() == [FIRST]


def test_an_overlay_may_say_where_a_release_goes(ready: Project) -> None:
    (ready.root / "here.yaml").write_text("release: {advance_branch: true}\n")
    ready.snakemake("--configfile", "here.yaml")
    assert ready.git("rev-parse", "main") == ready.git("rev-parse", f"{SECOND}^{{commit}}")


DAMAGE = {
    "a curve of words": ("draw", "results/runs/network/0/curve.csv", "epoch,train_loss\n1,low\n", "no learning curve"),
    "a curve too wide": ("draw", "results/runs/network/0/curve.csv", "epoch,train_loss\n1,2,3\n", "no learning curve"),
    "an empty evaluation": ("package", "results/runs/network/0/validation.yaml", "", "validation.yaml"),
    "another run's evaluation": (
        "package",
        "results/runs/network/0/validation.yaml",
        'run: "network-0123456789ab"\ncandidate: "network"\nseed: 0\nmetrics: {accuracy: 0.9}\n',
        "run.yaml says network-",
    ),
    "a package of another shape": ("weigh", "results/package.yaml", "[]", "package.yaml:1: found a list"),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_a_damaged_record_is_refused_by_the_stage_that_reads_it(case: str, finished: Project) -> None:
    stage, path, text, words = DAMAGE[case]
    (finished.root / path).write_text(text)
    found = finished.stage(stage)
    assert found.code == 2, found.text
    assert words in found.text
    assert "Traceback" not in found.text


def test_what_a_killed_job_left_is_swept_away(finished: Project) -> None:
    left_over = [
        finished.root / "models/.weighbridge-tmp-bundle-abcd_234",
        finished.root / "data/.weighbridge-tmp-raw-abcd_234",
    ]
    mine = [finished.root / "models/.small-20260101", finished.root / "data/.raw-20260101"]
    for folder in (*left_over, *mine):
        folder.mkdir()
        (folder / "part").write_text("half")
    for stage in ("fetch", "package"):
        assert finished.stage(stage).code == 0
    assert all(folder.exists() for folder in left_over), "they may be at work still, on another machine"
    assert ".weighbridge-tmp" not in finished.git("status", "--porcelain")
    for folder in (*left_over, *mine):
        os.utime(folder, (0, 0))
    for stage in ("fetch", "package"):
        assert finished.stage(stage).code == 0
    assert not any(folder.exists() for folder in left_over)
    assert all(folder.exists() for folder in mine)


def test_a_clone_without_the_last_bundle_comes_as_far_as_the_verdict(ready: Project) -> None:
    """Tags come with a clone, content doesn't where the remote is a folder of another machine."""
    shutil.rmtree(ready.root / ".dvc/cache")
    for stage in ("package", "weigh", "judge", "draw"):
        assert ready.stage(stage).code == 0
    found = ready.stage("release")
    assert found.code == 1, found.text
    assert f"the bundle of {FIRST} isn't at hand" in found.text
    assert "inconclusive" in found.text
    assert ready.tags() == [FIRST]
