"""check tells what became of a project's bond with its template: each way it breaks, and the step that mends it."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weighbridge import errors, root
from weighbridge.views import check_template
from weighbridge.views.finding import Finding

Look = Callable[[Path], Iterator[Finding]]


def told(look: Look, project: Path) -> str:
    return "\n".join(f"{finding.level}: {finding.found} → {finding.mend}" for finding in look(project))


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def bound(project: Path) -> Path:
    """A project with an engine of one file, made of a template on this machine."""
    origin = project.parent / "template"
    shutil.copytree(project, origin)
    (project / "Snakefile").write_text("rule all:\n")
    digest = hashlib.sha256((project / "Snakefile").read_bytes()).hexdigest()
    (project / ".weighbridge.json").write_text(json.dumps({"engine": {"Snakefile": digest}}))
    note = {"template": str(origin), "commit": git(origin, "rev-parse", "HEAD"), "context": {}}
    (project / ".cruft.json").write_text(json.dumps(note))
    return project


def test_a_project_as_the_template_made_it_is_well(bound: Path) -> None:
    assert told(check_template.engine, bound).startswith("ok: 1 file as the template gave them")
    assert told(check_template.template, bound).startswith(f"ok: {bound.parent}/template at ")
    assert told(check_template.rejected, bound) == told(check_template.moved, bound) == ""


def test_the_template_itself_has_no_bond(project: Path) -> None:
    assert told(check_template.engine, project) == told(check_template.template, project) == ""


def test_edited_and_removed_files_of_the_engine_are_named(bound: Path) -> None:
    (bound / "Snakefile").write_text("rule mine:\n")
    assert "warning: not as the template gave them:\nSnakefile" in told(check_template.engine, bound)
    (bound / "Snakefile").unlink()
    assert "Snakefile" in told(check_template.engine, bound)


def test_a_template_that_has_gone_on_is_told_with_the_command(bound: Path) -> None:
    git(bound.parent / "template", "commit", "--quiet", "--allow-empty", "--message=On")
    assert "has gone on" in told(check_template.template, bound)
    assert "cruft update --allow-untracked-files" in told(check_template.template, bound)


def test_without_network_a_template_elsewhere_is_told_as_it_is_known(bound: Path) -> None:
    note = {"template": "https://example.org/weighbridge.git", "commit": "a" * 40}
    (bound / ".cruft.json").write_text(json.dumps(note))
    found = told(check_template.template, bound)
    assert found.startswith("ok: https://example.org/weighbridge.git at aaaaaaaaaaaa; 'cruft check' asks")


def test_credentials_in_the_templates_address_are_found_and_not_printed(bound: Path) -> None:
    note = {"template": "https://me:hunter2@example.org/weighbridge.git", "commit": "a" * 40}
    (bound / ".cruft.json").write_text(json.dumps(note))
    found = told(check_template.template, bound)
    assert "problem: .cruft.json: the template's address holds credentials" in found
    assert "hunter2" not in found


def test_a_project_without_a_note_is_told_how_to_get_one(bound: Path) -> None:
    (bound / ".cruft.json").unlink()
    assert "cruft link ADDRESS" in told(check_template.template, bound)


@pytest.mark.parametrize("text", ["", "<<<<<<< ours\n", '{"engine": [1]}', "[]", "\ufeff{"])
def test_a_damaged_record_is_refused_with_the_way_to_bring_it_back(bound: Path, text: str) -> None:
    (bound / ".weighbridge.json").write_text(text)
    (bound / ".cruft.json").write_text(text)
    for look, name in ((check_template.engine, ".weighbridge.json"), (check_template.template, ".cruft.json")):
        with pytest.raises(errors.RecordError, match=f"git checkout HEAD -- {name}"):
            told(look, bound)


def test_rejected_changes_are_found(bound: Path) -> None:
    (bound / "Snakefile.rej").write_text("+rule more:\n")
    assert "problem: an update left rejected changes in:\nSnakefile.rej" in told(check_template.rejected, bound)


@pytest.mark.parametrize("line", ['VIRTUAL_ENV="{}"', "export VIRTUAL_ENV={}", "    VIRTUAL_ENV='{}'"])
def test_an_environment_that_was_made_elsewhere_is_found(bound: Path, line: str) -> None:
    script = bound / ".venv/bin/activate"
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\n{line.format('/gone/project/.venv')}\n")
    found = told(check_template.moved, bound)
    assert "problem: .venv was made as /gone/project/.venv, and works only there" in found
    assert "'make check' makes it anew" in found
    script.write_text(f"{line.format(bound / '.venv')}\n")
    assert told(check_template.moved, bound) == ""


def test_another_engine_that_answers_is_found(bound: Path) -> None:
    shutil.copytree(root.ENGINE / "weighbridge/views", bound / "weighbridge/views")
    assert told(check_template.moved, bound) == ""
    with (bound / "weighbridge/views/check.py").open("a") as stream:
        stream.write("# another version\n")
    found = told(check_template.moved, bound)
    assert "which differs from this project's: weighbridge/views/check.py → use this project's own" in found


def test_conflict_markers_in_the_engine_itself_are_told_in_words(tmp_path: Path) -> None:
    shutil.copytree(root.ENGINE / "weighbridge", tmp_path / "weighbridge", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "weighbridge/errors.py"
    path.write_text(f"{path.read_text()}\n<<<<<<< ours\nA = 1\n=======\nA = 2\n>>>>>>> theirs\n")
    command = [sys.executable, "-m", "weighbridge", "check"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "errors.py:" in done.stderr
    assert "conflict markers in the engine; settle them there" in done.stderr
    assert "Traceback" not in done.stderr
    path.write_text("def (\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
