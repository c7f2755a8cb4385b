"""Whatever stands in a configuration, a file's name or a target: nothing of it is run."""

import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import small_project
from small_project import Done, Project

from weighbridge import importable, plan
from weighbridge.errors import SettingsError, SetupError
from weighbridge.registry import commit

pytestmark = pytest.mark.slow

CONFIG = "config/config.yaml"


def refused(done: Done, *words: str) -> None:
    assert done.code != 0, done.text
    assert "Traceback" not in done.text, done.text
    for word in words:
        assert word in done.text, f"{word!r} is missing in:\n{done.text}"


def edit(path: str, old: str, new: str) -> Callable[[Project], object]:
    return lambda project: project.edit(path, old, new)


SETTINGS: dict[str, tuple[Callable[[Project], object], str]] = {
    "a command as a model": (edit(CONFIG, "sklearn.linear_model:LogisticRegression", "os:system"), "standard library"),
    "a command as a loader": (edit(CONFIG, "project.dataset:load", "shutil:rmtree"), "standard library"),
    "code as a metric": (edit(CONFIG, '["roc_auc"', '["roc_auc; touch X"'), "roc_auc; touch X"),
    "code in an import path": (edit(CONFIG, "project.dataset:fetch", "project.dataset:fetch()"), "data.fetch"),
    "cases elsewhere": (
        edit("config/gates.yaml", "max_negative_flips: 0.2", 'cases: "config/../../../etc/passwd"'),
        "expected a CSV file in config/",
    ),
    "a name that leaves its folder": (edit(CONFIG, "  logistic:", '  "../../logistic":'), "../../logistic"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_values_are_refused_before_any_job(case: str, made: Project, tmp_path: Path) -> None:
    project = Project(tmp_path)
    for name in ("config", "project"):
        shutil.copytree(made.root / name, tmp_path / name)
    change, words = SETTINGS[case]
    change(project)
    with pytest.raises(SettingsError) as caught:
        plan.load(project.root)
    assert words in str(caught.value)


def test_the_standard_library_is_not_reached_through_other_modules() -> None:
    import os
    import subprocess

    assert importable.problem("project.dataset:load", os.system)
    assert importable.problem("sklearn.utils:run", subprocess.Popen)
    assert importable.problem("builtins:eval")
    assert importable.problem("project.dataset:load", small_project.make) is None
    assert importable.problem("project.dataset:SCHEMA", object()) is None


@pytest.mark.parametrize(
    "target",
    [
        "results/runs/a;touch X;/0/run.yaml",
        "results/runs/$(touch X)/0/run.yaml",
        "results/runs/logistic/0;touch X/run.yaml",
        "results/runs/../../X/0/run.yaml",
        "results/runs/Logistic/0/run.yaml",
    ],
)
def test_hostile_wildcards_match_no_rule(target: str, fresh: Project) -> None:
    refused(fresh.dry_run(target), "MissingRuleException")
    assert not (fresh.root / "X").exists()


def test_a_candidate_that_nobody_configured_is_not_trained(fresh: Project) -> None:
    done = fresh.dry_run("results/runs/other/0/run.yaml")
    assert done.code != 0
    assert "no candidate 'other'; expected one of logistic, boosting, network" in done.text


def test_a_folder_and_a_file_with_shell_syntax_in_their_names_run_nothing(made: Project, tmp_path: Path) -> None:
    root = tmp_path / "a b;touch X;$(touch Y)`touch Z`'\"&"
    shutil.copytree(made.root, root, symlinks=True)
    project = Project(root)
    data = root / "data/raw/$(touch X);touch Y;.csv"
    data.write_text("a\n1\n")
    project.snakemake("fetch", "results/raw.yaml")
    assert data.name in project.read("results/raw.yaml")
    left = {path.name for folder in (tmp_path, root, root.parent, root / "data/raw") for path in folder.iterdir()}
    assert not left & set("XYZ")


BOMB = "card: &a0 {x: 1}\n" + "".join(
    f"k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)  # 9 ** 11 values where it is written out


def test_an_alias_bomb_in_an_overlay_is_refused_within_bounds(fresh: Project) -> None:
    (fresh.root / "over.yaml").write_text(BOMB)
    limited = ("bash", "-c", 'ulimit -v 6000000 -t 60; exec "$@"', "bash")
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = fresh.attempt(*limited, "snakemake", "--cores", "1", "--dry-run", "--configfile", "over.yaml")
    refused(done, "alias or anchor 'a0'")
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 20


@pytest.mark.parametrize("file", ["profiles/default/config.yaml", "workflow/profiles/other/profile.yaml"])
def test_a_profile_that_is_a_program_is_named(file: str, made: Project, tmp_path: Path) -> None:
    shutil.copytree(made.root / "config", tmp_path / "config")
    plan.load(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text("cores: 1\n__use_yte__: true\n")
    with pytest.raises(SettingsError, match="__use_yte__: Snakemake runs the Python code of this file"):
        plan.load(tmp_path)


@pytest.mark.parametrize("remote", ["ext::sh -c touch% X", "--upload-pack=touch X", "--receive-pack=touch X", "-oX"])
def test_a_remote_to_push_to_is_no_command(remote: str, finished: Project) -> None:
    with pytest.raises(SetupError):
        commit.push(finished.root, remote, "small@v1.0.0")
    assert not (finished.root / "X").exists()
