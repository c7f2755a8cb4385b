"""A model's life on real flights: what each change comes to. The same story is told in docs/story.md."""

from pathlib import Path

import flights_story as story
import pytest
from small_project import Project

from weighbridge import documents
from weighbridge.manifest import GateResult, Verdict
from weighbridge.verification.steps import PROVED, Step
from weighbridge.views import verify

pytestmark = pytest.mark.slow(seconds=260)


def verdict(project: Project) -> Verdict:
    """Return what was decided last."""
    return documents.read_record(project.root / "results/verdict.yaml", Verdict)


def gate(project: Project, name: str) -> GateResult:
    """Return one gate of it."""
    return next(result for result in verdict(project).gates.results if result.name == name)


def newest(project: Project) -> str:
    """Return the newest release's tag."""
    return project.git(
        "for-each-ref", "--sort=-version:refname", "--format=%(refname:strip=2)", "refs/tags/flights@v*"
    ).split()[0]


def test_the_story(tmp_path: Path) -> None:
    project = story.begin(tmp_path / "project")

    project.snakemake()
    assert newest(project) == "flights@v1.0.0"
    assert verdict(project).lineage.bump == "first"

    story.grow(project)
    project.snakemake()
    grown = verdict(project)
    assert newest(project) == "flights@v1.1.0", grown.lineage
    assert any("new raw data" in change for change in grown.lineage.data_changes)
    change = gate(project, "not_worse_than_last")
    assert change.baseline is not None, "the old model was scored on the new month"
    assert change.verdict == "pass"

    story.boost(project)
    text = project.refused()
    better, slices = gate(project, "not_worse_than_last"), gate(project, "leaves_no_one_behind")
    assert better.difference is not None
    assert better.difference > 0, "a better average"
    assert better.verdict == "pass"
    assert slices.verdict == "fail"
    assert [part.name for part in slices.parts if part.verdict == "fail"] == ["carrier=MQ"]
    assert "carrier=MQ" in text
    assert newest(project) == "flights@v1.1.0"

    story.mend(project)
    project.snakemake()
    assert newest(project) == "flights@v1.2.0", verdict(project).lineage

    story.reseed(project)
    project.snakemake()
    assert newest(project) == "flights@v1.2.1", verdict(project).lineage
    assert verdict(project).lineage.bump == "patch"

    story.weaken(project)
    text = project.refused()
    assert gate(project, "not_worse_than_last").verdict == "fail"
    assert "not_worse_than_last" in text
    assert newest(project) == "flights@v1.2.1"

    story.drop_column(project)
    text = project.refused()
    dropped = verdict(project)
    assert dropped.version == "2.0.0"
    assert any("seats" in reason for reason in dropped.lineage.reasons)
    assert dropped.gates.verdict == "needs approval"
    assert "weighbridge approve" in text
    assert newest(project) == "flights@v1.2.1"

    story.approve(project)
    project.snakemake()
    assert newest(project) == "flights@v2.0.0"

    for tag in project.tags():
        *steps, _ = verify.run(project.root, tag, None, None)
        doubtful = {step.name: step.said for step in steps if isinstance(step, Step) and step.verdict != PROVED}
        lacking = {"signature", "model signature", *(["approvals"] if tag == "flights@v2.0.0" else [])}
        assert set(doubtful) == lacking, doubtful
