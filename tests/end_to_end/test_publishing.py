"""What a release builds on is on the remote before it; the branch goes along where it has the release."""

from typing import Any

import forger
import pytest
from small_project import Project

from weighbridge import plan
from weighbridge.errors import SetupError
from weighbridge.registry import releases
from weighbridge.stages import publishing
from weighbridge.tasks import ReleaseTask

FIRST, SECOND, THIRD = "small@v1.0.0", "small@v1.1.0", "small@v1.2.0"

pytestmark = pytest.mark.slow


def _next(project: Project, tag: str, version: str) -> str:
    def edit(plain: dict[str, Any]) -> None:
        plain["model_info"]["version"] = version
        plain["lineage"]["previous"] = tag

    return forger.forge(project, tag, edit)


def _publish(project: Project, tag: str) -> None:
    settings = plan.load(project.root, {"release": {"push": "origin", "advance_branch": True}})
    publishing.publish(project.root, ReleaseTask(config=settings.config, gates=settings.gates), tag)


@pytest.fixture
def line(finished: Project) -> Project:
    """Three releases in a line, and an empty remote; none was pushed."""
    finished.sh("git", "init", "--quiet", "--bare", "../origin.git")
    finished.git("remote", "add", "origin", str(finished.root.parent / "origin.git"))
    assert _next(finished, FIRST, "1.1.0") == SECOND
    assert _next(finished, SECOND, "1.2.0") == THIRD
    return finished


def _there(project: Project) -> dict[str, str]:
    lines = (line.split() for line in project.git("ls-remote", "--refs", "origin").splitlines())
    return {ref.removeprefix("refs/tags/"): found for found, ref in lines}


def test_releases_that_were_never_pushed_go_first(line: Project) -> None:
    _publish(line, THIRD)
    assert _there(line) == {tag: releases.find(line.root, tag).object for tag in (FIRST, SECOND, THIRD)}
    clone = Project(line.root.parent / "clone")
    line.sh("git", "clone", "--quiet", "--branch", FIRST, "../origin.git", str(clone.root))
    clone.sh("dvc", "pull", "--quiet")
    line.git("push", "--quiet", "origin", "--delete", FIRST)
    _publish(line, THIRD)
    assert FIRST in _there(line), "a remote that lacks one in the middle is mended"


def test_another_release_of_an_earlier_name_is_no_base(line: Project) -> None:
    line.git("push", "--quiet", "origin", f"{SECOND}:refs/tags/{FIRST}")
    before = _there(line)
    with pytest.raises(SetupError, match=f"{THIRD} builds on {FIRST}, and origin has another.*git tag -d"):
        _publish(line, THIRD)
    assert _there(line) == before


def test_a_branch_without_the_release_stays_and_one_with_it_goes_along(line: Project) -> None:
    line.git("push", "--quiet", "origin", "main")
    line.git("commit", "--quiet", "--allow-empty", "--message=Go on")
    main = _there(line)["refs/heads/main"]
    _publish(line, FIRST)
    assert _there(line)["refs/heads/main"] == main
    line.git("merge", "--quiet", "--no-edit", "--strategy=ours", SECOND)
    _publish(line, SECOND)
    assert _there(line)["refs/heads/main"] == line.git("rev-parse", "HEAD")


def test_a_release_that_the_remote_has_pushes_no_branch(line: Project) -> None:
    """As after a lost race with the same content: it is theirs, and the branch there has gone on."""
    line.git("merge", "--quiet", "--no-edit", "--strategy=ours", FIRST)
    line.git("push", "--quiet", "origin", FIRST, "HEAD:main")
    line.git("commit", "--quiet", "--amend", "--allow-empty", "--message=Otherwise")
    before = _there(line)
    _publish(line, FIRST)
    assert _there(line) == before
