"""Whatever is killed, nothing is lost and the next start goes on; `benchmarks.faults` does the same at length."""

import itertools
from pathlib import Path

import pytest
import small_project
from small_project import Project

from benchmarks import killing, survival
from benchmarks.killing import Copy, Kill

pytestmark = pytest.mark.slow

PLAN = (
    Kill(killing.HEAD, "train", 1.0),
    Kill(killing.INTERRUPT, "evaluate", 0.3),
    Kill(killing.GROUP, "package", 1.0),
    Kill(killing.CHILD, "weigh", 0.3),
    Kill(killing.TERMINATE, "judge", 0.0),
    Kill(killing.GROUP, "release", 0.4),
    Kill(killing.HEAD, "release", 0.8),
    Kill(killing.GROUP, "release", 1.2),
)


def test_eight_kills_over_the_pipeline_lose_nothing(made: Project, done: Project, tmp_path: Path) -> None:
    copies = itertools.count()
    expected = survival.content_of(done.root, "small")
    told: list[str] = []
    tally = killing.series(
        fresh=lambda: Copy(small_project.copy(made, tmp_path / f"copy{next(copies)}"), expected),
        name="small",
        plan=iter(PLAN),
        number=len(PLAN),
        tell=told.append,
    )
    assert tally.troubles == {}, "\n".join(told)
    assert tally.kills == len(PLAN)
    assert {"train", "package", "weigh", "release"} <= set(tally.stages)
