"""check finds what is wrong, says how to mend it, and never falls over."""

import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from ledger_records import rejected

from weighbridge import documents
from weighbridge.errors import SettingsError
from weighbridge.registry import content, ledger
from weighbridge.settings import Config, GateFile, Settings
from weighbridge.views import check

DVC_CONFIG = """[core]
    remote = local
['remote "local"']
    url = ../storage
    verify = true
"""
DVC_YAML = "artifacts:\n  flights:\n    path: models/flights\n    type: model\n"


def loader(root: Path) -> Callable[[], Settings]:
    return lambda: Settings(
        config=documents.typed(documents.read(root / "config/config.yaml"), Config),
        gates=documents.typed(documents.read(root / "config/gates.yaml"), GateFile),
    )


@pytest.fixture
def sound(project: Path) -> Path:
    """Return the root of a project in which nothing is wrong."""
    version = importlib.metadata.version("click")
    (project / "requirements.lock").write_text(
        f'click=={version}+local\nno.such_thing==1.0 ; sys_platform == "win32"\n'
    )
    (project / "weighbridge").mkdir()  # as a project has, whose lock is then its own
    (project / ".dvc").mkdir()
    (project / ".dvc/config").write_text(DVC_CONFIG)
    (project / "storage").mkdir()
    (project / ".gitignore").write_text("/results/\n/storage/\n/data/raw/\n")
    (project / "dvc.yaml").write_text(DVC_YAML)
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw/a.csv").write_text("a\n")
    address, _ = content.folder_address(project / "data/raw")
    (project / "data/raw.dvc").write_text(f"outs:\n- md5: {address}\n  hash: md5\n  path: raw\n")
    commit(project)
    return project


def commit(root: Path) -> None:
    subprocess.run(["git", "add", "."], cwd=root, check=True)
    subprocess.run(["git", "commit", "--quiet", "-m", "Step"], cwd=root, check=True)


def found(root: Path, level: str) -> str:
    return "\n".join(
        f"{finding.topic}: {finding.found} → {finding.mend}"
        for finding in check.findings(root, loader(root))
        if finding.level == level
    )


def test_nothing_is_wrong_in_a_sound_project(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40))
    text, code = check.check(sound, loader(sound))
    assert text.splitlines()[-1] == "All is well."
    assert code == 0


def test_a_problem_makes_exit_code_1_and_is_told_with_its_remedy(sound: Path) -> None:
    (sound / "requirements.lock").unlink()
    text, code = check.check(sound, loader(sound))
    assert code == 1
    assert "→ write it with 'make lock', and commit it" in text


def test_a_broken_configuration_is_told_with_its_key(sound: Path) -> None:
    path = sound / "config/config.yaml"
    path.write_text(path.read_text().replace("threads:", "treads:"))
    assert "unknown key; did you mean 'threads'?" in found(sound, "problem")


def test_another_version_than_locked_is_found(sound: Path) -> None:
    (sound / "requirements.lock").write_text("click==0.0.1\nabsent-thing==1.0\nCLICK_==1\n")
    problems = found(sound, "problem")
    assert "click: requirements.lock says 0.0.1, installed is 8." in problems
    assert "absent-thing: requirements.lock says 1.0, installed is nothing" in problems


def test_an_old_python_is_found(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 0))
    assert "python: 3.9.0; expected 3.11 to 3.13" in found(sound, "problem")


def test_a_folder_without_git_is_found(sound: Path) -> None:
    shutil.rmtree(sound / ".git")
    assert "git: " in found(sound, "problem")
    assert "run `git init`" in found(sound, "problem")


def test_a_detached_head_is_a_warning(sound: Path) -> None:
    subprocess.run(["git", "checkout", "--quiet", "--detach"], cwd=sound, check=True)
    assert "HEAD is detached" in found(sound, "warning")


def test_a_shallow_clone_is_found(sound: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{sound}", tmp_path / "shallow"], check=True)
    assert "git fetch --unshallow --tags" in found(tmp_path / "shallow", "problem")


def test_a_missing_identity_is_a_warning(sound: Path) -> None:
    subprocess.run(["git", "config", "--unset", "user.email"], cwd=sound, check=True)
    assert "releases would be signed by card.owner" in found(sound, "warning")


def test_conflict_markers_are_found(sound: Path) -> None:
    (sound / "notes.txt").write_text("<<<<<<< HEAD\none\n=======\ntwo\n>>>>>>> other\n")
    commit(sound)
    assert "conflict markers in: notes.txt" in found(sound, "problem")


def test_uncommitted_sources_are_a_warning_and_what_the_pipeline_writes_is_not(sound: Path) -> None:
    (sound / "models").mkdir()
    (sound / "models/flights.yaml").write_text("written by the pipeline\n")
    assert "uncommitted" not in found(sound, "warning")
    (sound / "dvc.yaml").write_text(DVC_YAML + "# edited\n")
    assert "uncommitted: dvc.yaml" in found(sound, "warning")


@pytest.mark.parametrize(
    ("config", "level", "words"),
    [
        (None, "problem", "dvc init"),
        ("[core]\n", "warning", "no default remote"),
        (DVC_CONFIG.replace("url = ../storage\n", ""), "problem", "has no address"),
        (DVC_CONFIG.replace("../storage", "../../nowhere"), "warning", "which isn't there"),
        (DVC_CONFIG.replace("verify = true", ""), "warning", "verify true"),
        (DVC_CONFIG + "    password = hunter2\n", "problem", "dvc remote modify --unset local password"),
        (DVC_CONFIG.replace("../storage", "https://me:hunter2@example.org"), "problem", "holds credentials"),
        ("password = hunter2\n", "problem", "config: not as DVC writes it"),
    ],
)
def test_a_bad_dvc_configuration_is_found(sound: Path, config: str | None, level: str, words: str) -> None:
    path = sound / ".dvc/config"
    path.write_text(config) if config else path.unlink()
    assert words in found(sound, level)


def test_a_secret_is_never_printed(sound: Path) -> None:
    path = sound / ".dvc/config"
    path.write_text(DVC_CONFIG.replace("../storage", "https://me:hunter2@example.org") + "    password = hunter2\n")
    assert "hunter2" not in check.check(sound, loader(sound))[0]
    path.write_text("password = hunter2\n")
    assert "hunter2" not in check.check(sound, loader(sound))[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "there is no dvc.yaml"),
        ("stages: {}\n", "no artifact flights (found: none)"),
        (DVC_YAML.replace("flights:", "fligts:"), "no artifact flights (found: fligts)"),
        (DVC_YAML.replace("models/flights", "models/other"), "path 'models/other' for flights"),
        ("artifacts: [\n", "not YAML"),
    ],
)
def test_a_dvc_yaml_without_the_models_artifact_is_found(sound: Path, text: str | None, words: str) -> None:
    path = sound / "dvc.yaml"
    path.write_text(text) if text else path.unlink()
    assert words in found(sound, "problem")


def test_raw_data_other_than_its_pointer_is_found(sound: Path) -> None:
    (sound / "data/raw/a.csv").write_text("b\n")
    assert "dvc add data/raw where the new files are meant" in found(sound, "problem")
    (sound / "data/raw/a.csv").unlink()
    assert "data/raw holds no files" in found(sound, "warning")


def test_a_damaged_ledger_is_found(sound: Path) -> None:
    digest = ledger.append(sound, rejected())
    path = sound / "runs" / digest[:2] / f"{digest}.json"
    path.chmod(0o644)
    path.write_text("{}\n")
    assert "git show TAG:runs/" in found(sound, "problem")


def test_a_full_disk_is_found(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    assert "disk: 0.0 GiB free" in found(sound, "problem")


def test_whatever_breaks_is_a_finding_and_the_other_looks_are_taken(tmp_path: Path) -> None:
    """An empty folder, and a loader that fails in a way no one foresaw."""

    def broken() -> Settings:
        raise ZeroDivisionError("by zero")

    text, code = check.check(tmp_path, broken)
    assert code == 1
    assert "ZeroDivisionError: by zero" in text
    assert "disk" in text


def test_settings_that_refuse_are_told_in_their_own_words(sound: Path) -> None:
    def refusing() -> Settings:
        raise SettingsError("config/config.yaml:3: seeds: found []")

    assert "config/config.yaml:3: seeds: found []" in check.check(sound, refusing)[0]
