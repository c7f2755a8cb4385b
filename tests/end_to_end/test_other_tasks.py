"""Models of several classes and of numbers, from raw files to releases that are proved, and to the next ones."""

from pathlib import Path
from typing import Any

import flights_story as story
import forger
import pytest
import small_project
from small_project import Project

from weighbridge import documents
from weighbridge.manifest import Verdict

pytestmark = pytest.mark.slow


def verdict(project: Project) -> Verdict:
    return documents.read_record(project.root / "results/verdict.yaml", Verdict)


def require_proved(project: Project, tag: str, *, approved: bool = False) -> None:
    """See that all of a release is proved but who signed it, its model, and its approval: nobody lists signers here."""
    text = project.sh("weighbridge", "verify", tag)
    proved, unproved = (23, 3) if approved else (24, 2)
    assert f"{tag}: nothing failed; {proved} proved, {unproved} not proved" in text, text


def test_several_classes_become_more(tmp_path: Path) -> None:
    project = small_project.make(tmp_path / "project", "small_classes")
    project.snakemake()
    assert project.tags() == ["small@v1.0.0"]
    require_proved(project, "small@v1.0.0")

    project.edit(
        "project/dataset.py", 'LABELS = ("basil", "mint", "sage")', 'LABELS = ("basil", "mint", "sage", "thyme")'
    )
    small_project.fetch(project)
    project.commit("Tell thyme as well")
    project.refused()
    found = verdict(project)
    assert (found.version, found.lineage.bump) == ("2.0.0", "major")
    assert any("classes added: thyme" in reason for reason in found.lineage.reasons)
    results = {one.name: one.verdict for one in found.gates.results}
    assert results["not_worse"] == "pass", "the last release gives thyme nothing"
    assert "couldn't name, thyme: by it" in (project.root / "results/verdict.md").read_text()
    story.approve(project)
    project.snakemake()
    assert project.tags() == ["small@v1.0.0", "small@v2.0.0"]
    require_proved(project, "small@v2.0.0", approved=True)

    def hide(found: dict[str, Any]) -> None:
        found["performance"]["test"]["comparison"]["unknown_labels"] = []

    forger.forge(project, "small@v2.0.0", hide)
    text = " ".join(project.attempt("weighbridge", "verify", "small@v2.0.0").text.split())
    assert "classes that small@v1.0.0 couldn't name: on record none, found thyme, by the same code" in text, text


@pytest.mark.long
def test_numbers_are_released_again(tmp_path: Path) -> None:
    project = small_project.make(tmp_path / "project", "small_numbers")
    project.snakemake()
    require_proved(project, "small@v1.0.0")

    project.edit("config/config.yaml", "alpha: 1.0", "alpha: 2.0")
    project.commit("Punish more")
    project.snakemake()
    found = verdict(project)
    assert (found.version, found.lineage.bump) == ("1.1.0", "minor")
    assert any("numbers have no noise floor" in reason for reason in found.lineage.reasons)
    assert project.tags() == ["small@v1.0.0", "small@v1.1.0"]
    require_proved(project, "small@v1.1.0")
