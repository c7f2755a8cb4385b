"""The projects below examples/: their modules, which all have the same names, and the commands of their pages."""

import importlib.util
import re
import sys
from types import ModuleType

import pytest
from small_project import REPOSITORY, Project

from weighbridge import documents, manifest, paths

EXAMPLES = REPOSITORY / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/README.md"))
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FIGURE = re.compile(r"^\| (\w+) \| (-?[\d.]+) \|$", re.MULTILINE)
_FEW_SEEDS = {
    "breast_cancer": ("seeds: [0, 1, 2, 3, 4]", "seeds: [0, 1]"),
    "penguins": ("seeds: [0, 1]", "seeds: [0]"),
    "cars": ("samples: 2", "samples: 1"),
}
"""Nothing of the champion depends on it: the lowest seed is what ships."""


def readme(name: str) -> str:
    """Return an example's page."""
    return (EXAMPLES / name / "README.md").read_text(encoding="utf-8")


def blocks(name: str) -> list[list[str]]:
    """Return the commands of an example's page, a list a block."""
    found = _BLOCK.findall(readme(name))
    return [[line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")] for block in found]


def module(example: str, name: str) -> ModuleType:
    """Import a module of an example's project, beside that of this repository."""
    spec = importlib.util.spec_from_file_location(f"{example}_{name}", EXAMPLES / example / f"project/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


def type_in(project: Project, *commands: str, **env: str) -> None:
    """Type commands as they stand in a page; each must succeed."""
    for command in commands:
        project.sh("bash", "-c", command, env={"VENV": str(project.root.parent / "environment"), **env})


def begin(project: Project, name: str) -> None:
    """Do what the first block of an example's page says, with few seeds."""
    lay_over, *others = blocks(name)[0]
    type_in(project, lay_over)
    if name in _FEW_SEEDS:
        project.edit("config/config.yaml", *_FEW_SEEDS[name])
    type_in(project, *others)


def released(project: Project, version: str = "1.0.0") -> manifest.Manifest:
    """Return the manifest of a project's release, which must be there."""
    (name,) = {tag.partition("@")[0] for tag in project.tags()}
    assert f"{name}@v{version}" in project.tags()
    found = project.git("show", f"{name}@v{version}:{paths.manifest(name).as_posix()}")
    (project.root.parent / "manifest.yaml").write_text(found)
    return documents.read_record(project.root.parent / "manifest.yaml", manifest.Manifest)


def assert_as_in_readme(name: str, made: manifest.Manifest) -> None:
    """Compare what the page says of the test rows with what was measured; processors differ in the third digit."""
    metrics = {key: value.value for key, value in made.performance.test.metrics.items()}
    said = {key: float(value) for key, value in _FIGURE.findall(readme(name))}
    assert said.keys() == metrics.keys(), f"examples/{name}/README.md: the table has other metrics than the release"
    assert said == pytest.approx(metrics, rel=0.02, abs=0.005), f"examples/{name}/README.md: measured was {metrics}"
    assert f"{made.data.splits['test'].rows:,} test rows" in readme(name)
    assert f"`{made.parameters.candidate}`" in readme(name), "the page names the champion"
