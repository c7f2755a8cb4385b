"""The template as its users get it: a repository of this checkout's files, and projects made of it by their tools."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import small_project
from small_project import REPOSITORY, Done, Project

ANSWERS = {"project_slug": "larder", "project": "Ada's larder", "owner": "Ada O'Hara <ada@example.org>"}
MADE_BY_THE_HOOK = {".cruft.json", ".weighbridge.json"}
RENDERED = {"README.md", "models/.gitignore"}
RENAMED = {"config/config.yaml", "dvc.yaml"}
_LEFT_OUT = ("tests/", "benchmarks/", "examples/", "docs/story/")


def settings() -> dict[str, Any]:
    """Return what ``cookiecutter.json`` says."""
    found: dict[str, Any] = json.loads((REPOSITORY / "cookiecutter.json").read_text(encoding="utf-8"))
    return found


def is_shared(name: str) -> bool:
    """Return whether a project gets the file *name* as it is."""
    return any(f"{name}/".startswith(f"{part}/") for part in settings()["_shared"])


def template(folder: Path) -> Project:
    """Make a repository of this checkout's files as they lie there, committed; what no project gets is left out."""
    for path in small_project.files():
        name = path.as_posix()
        if is_shared(name) or not name.startswith(_LEFT_OUT):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / path, folder / path)
    made = Project(folder)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "user.name", "Grace Hopper")
    made.git("config", "user.email", "grace@example.org")
    made.git("add", ".")
    made.git("commit", "--quiet", "--message=Begin")
    return made


def attempt(folder: Path, source: str, *options: str, **answers: str) -> Done:
    """Let cookiecutter make a project in *folder*, whatever comes of it."""
    folder.mkdir(parents=True, exist_ok=True)
    given = [f"{key}={value}" for key, value in (ANSWERS | answers).items()]
    return Project(folder).attempt("cookiecutter", "--no-input", *options, source, *given)


def bake(folder: Path, source: str, *options: str, **answers: str) -> Project:
    """Let cookiecutter make a project in *folder*."""
    done = attempt(folder, source, *options, **answers)
    assert done.code == 0, done.text
    return Project(folder / (ANSWERS | answers)["project_slug"])


def contents(folder: Path) -> dict[str, str]:
    """Return the digest of each file below *folder*, but for Git's own and what Python keeps."""
    files = [
        path for path in sorted(folder.rglob("*")) if path.is_file() and not {".git", "__pycache__"} & {*path.parts}
    ]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
