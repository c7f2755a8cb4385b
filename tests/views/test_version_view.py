"""``weighbridge version`` says what a release would be called and why; approvals and trailers are heard before it."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import small_project
from click.testing import CliRunner
from small_project import Project

from weighbridge import cli, paths, plan
from weighbridge.errors import RecordError
from weighbridge.views import version as view

FIRST = "small@v1.0.0"
MAJOR, LOWERED = "major: input origin removed", "lowered: version lowered from minor to patch"
ALAN = {
    "GIT_AUTHOR_NAME": "Alan Turing", "GIT_AUTHOR_EMAIL": "alan@example.org", "GIT_COMMITTER_NAME": "Alan Turing",
    "GIT_COMMITTER_EMAIL": "alan@example.org",
}  # fmt: skip
NEXT = view.NextVersion(
    name="flights", previous="flights@v1.0.0", released=None, version="2.0.0", bump="major", derived="minor",
    reasons=("raised to major by c0ffee: Semver: major; derived: minor", "max_iter 200 became 300"),
    verdict="needs approval", standing=("ranks: inconclusive, the limit lies within",),
    needs_approval=(MAJOR, "loosened: a: min went from 2 to 1"), approved=(MAJOR,), problems=("approvals/x: no",),
    test_decisions=3,
)  # fmt: skip


def lines(**changes: Any) -> str:
    return "\n".join(view._lines(msgspec.structs.replace(NEXT, **changes)))


def test_it_says_the_version_first_then_why() -> None:
    text = lines()
    assert text.startswith("flights 2.0.0 (major), after flights@v1.0.0\n")
    assert text.index("raised to major") < text.index("max_iter") < text.index("Verdict: needs approval")
    assert "ranks: inconclusive, the limit lies within" in text
    assert "decided on 3 bundles, this one included" in text


def test_it_says_what_is_approved_what_is_not_and_why_not() -> None:
    text = lines()
    assert f"{MAJOR}: approved\n" in text
    assert "loosened: a: min went from 2 to 1: not approved yet\n" in text
    assert "! approvals/x: no" in text
    assert "run 'weighbridge approve'" in text
    assert "run 'weighbridge approve'" not in lines(approved=NEXT.needs_approval)
    assert "approv" not in lines(needs_approval=(), verdict="pass").partition("release itself")[0]


def test_of_content_that_is_released_there_is_no_next_version() -> None:
    assert lines(released="flights@v1.1.0") == (
        "flights: this very content is released already, as flights@v1.1.0; there is no next version."
    )


def test_before_any_run_it_says_what_to_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecordError) as caught:
        view.version(project, plan.load(project))
    for path in (paths.PACKAGE, paths.WEIGHING, paths.PREDICTIONS, paths.PROFILE):
        assert str(path) in str(caught.value)
    assert "run 'snakemake --cores all'" in str(caught.value)
    monkeypatch.chdir(project)
    done = CliRunner().invoke(cli.main, ["version"])
    assert done.exit_code == 2
    assert done.output.startswith("weighbridge version: there is nothing to derive a version from yet")


@pytest.fixture(scope="module")
def changed(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The released project after a change, judged and not released. Not to be changed."""
    project = small_project.copy(done, tmp_path_factory.mktemp("changed"))
    project.edit("config/config.yaml", "C: 1.0", "C: 0.01")
    project.commit("Regularise more")
    project.snakemake("results/verdict.yaml", "results/plots.yaml")
    return project


@pytest.fixture
def judged(changed: Project, tmp_path: Path) -> Project:
    """A copy of it."""
    return small_project.copy(changed, tmp_path)


def told(project: Project) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(project.sh("weighbridge", "version", "--json", env=here(project)))
    return found


def here(project: Project) -> dict[str, str]:
    return {"PYTHONPATH": str(project.root)}


def ask(project: Project, bump: str) -> None:
    project.git("commit", "--quiet", "--allow-empty", "--message", f"Think again\n\nSemver: {bump}")


def approve(project: Project) -> None:
    project.sh("weighbridge", "approve", "--reason", "Seen", env=here(project) | ALAN)
    project.git("add", "approvals")
    project.sh("git", "commit", "--quiet", "--message=Approve", "--", "approvals", env=ALAN)


@pytest.mark.slow
class TestOnRealResults:
    def test_it_derives_what_a_release_then_makes(self, judged: Project) -> None:
        text = judged.sh("weighbridge", "version", env=here(judged))
        assert text.startswith(f"small 1.1.0 (minor), after {FIRST}\n")
        assert "C 1.0 became 0.01" in text
        found = told(judged)
        assert (found["version"], found["verdict"], found["test_decisions"]) == ("1.1.0", "pass", 2)
        assert judged.tags() == [FIRST], "looking releases nothing"
        judged.snakemake()
        assert judged.tags() == [FIRST, "small@v1.1.0"]
        assert told(judged)["released"] == "small@v1.1.0"

    def test_results_of_other_settings_are_stale(self, judged: Project) -> None:
        judged.edit("config/config.yaml", "C: 0.01", "C: 0.02")
        found = judged.attempt("weighbridge", "version", env=here(judged))
        assert found.code == 2
        assert "parameters of the champion" in found.text
        assert "snakemake --cores all --forcerun train" in found.text

    def test_a_raised_version_waits_for_another_person_and_is_then_released(self, judged: Project) -> None:
        ask(judged, "major")
        found = told(judged)
        assert (found["version"], found["bump"], found["derived"]) == ("2.0.0", "major", "minor")
        assert (found["verdict"], found["needs_approval"]) == (
            "needs approval", [f"major: {'; '.join(found['reasons'])}"]
        )  # fmt: skip
        assert found["reasons"][0].startswith("raised to major by ")
        refused = judged.stage("release")
        assert refused.code == 1
        assert f"not approved: {found['needs_approval'][0]}" in refused.text
        assert "weighbridge approve" in refused.text
        own = judged.attempt("weighbridge", "approve", env=here(judged))
        assert (own.code, "who is an author of what is released" in own.text) == (2, True)
        approve(judged)
        assert told(judged)["approved"] == found["needs_approval"]
        assert judged.stage("release", env=ALAN).code == 1, "who approves can't be who releases"
        assert judged.stage("release").code == 0
        assert judged.tags() == [FIRST, "small@v2.0.0"]
        tag = "small@v2.0.0"
        assert re.search(
            r"- raised to major by [0-9a-f]{10}: Semver: major; derived: minor", judged.git("cat-file", "tag", tag)
        )
        text = judged.git("show", f"{tag}:models/small.yaml")
        assert 'approver: "Alan Turing <alan@example.org>"' in text
        assert "test_decisions: 2" in text
        held = judged.git("ls-tree", "-r", "--name-only", tag, "approvals").splitlines()
        assert len(held) == 1
        statement = json.loads(judged.git("show", f"{tag}:models/small.verdict.json"))
        assert statement["predicate"]["result"] == "PASSED"
        assert "asks_a_person" in statement["predicate"]["passedTests"]

    def test_a_lowered_version_is_refused_and_not_ignored(self, judged: Project) -> None:
        ask(judged, "patch")
        refused = judged.stage("release")
        assert refused.code == 1
        assert f"not approved: {LOWERED}" in refused.text
        approve(judged)
        assert judged.stage("release").code == 0
        assert judged.tags() == [FIRST, "small@v1.0.1"]

    def test_a_trailer_of_another_word_stops_all_with_its_commit(self, judged: Project) -> None:
        ask(judged, "breaking")
        commit = judged.git("rev-parse", "--short=10", "HEAD")
        for found in (judged.stage("release"), judged.attempt("weighbridge", "version", env=here(judged))):
            assert found.code == 2
            assert f"commit {commit}: found 'Semver: breaking'" in found.text

    def test_a_second_bundle_on_the_same_rows_is_counted(self, judged: Project) -> None:
        judged.edit("config/gates.yaml", "min: 0.6", "min: 0.99")
        judged.commit("Ask for too much")
        judged.refused()
        assert "These test rows have decided on 2 bundles" in judged.log("release")
