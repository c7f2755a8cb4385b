"""A release after another: what it is compared with, what it carries on and what it follows can't be forged."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import forger
import msgspec
import pyarrow as pa
import pytest
import small_project
from forger import forge
from pyarrow import parquet
from small_project import Project

from weighbridge import paths
from weighbridge.digest import sha256_bytes
from weighbridge.registry import cache
from weighbridge.verification.steps import FAILED, PROVED, UNPROVED
from weighbridge.views import verify as view

pytestmark = pytest.mark.slow

FIRST, SECOND = "small@v1.0.0", "small@v1.1.0"


@pytest.fixture(scope="module")
def shared(done: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the finished project, with a second release."""
    project = small_project.copy(done, tmp_path_factory.mktemp("verify-next"))
    project.edit("config/config.yaml", "C: 1.0", "C: 0.2")
    project.commit("Try a stronger penalty")
    project.snakemake()
    assert project.tags() == [FIRST, SECOND]
    return project


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """The project, whose tags are put back in the end."""
    before = {tag: shared.git("rev-parse", f"refs/tags/{tag}") for tag in shared.tags()}
    yield shared
    for tag in shared.tags():
        shared.git("tag", "--delete", tag)
    for tag, identity in before.items():
        shared.git("update-ref", f"refs/tags/{tag}", identity)


def verified(project: Project, ref: str = SECOND) -> dict[str, tuple[str, str]]:
    """Return verdict and words of each step."""
    *steps, _ = view.run(project.root, ref, None, None)
    return {step.name: (step.verdict, step.said) for step in steps if not isinstance(step, view.Report)}


def failed(project: Project, ref: str = SECOND) -> dict[str, str]:
    return {name: said for name, (verdict, said) in verified(project, ref).items() if verdict == FAILED}


def test_an_honest_one_is_proved_but_for_signatures(project: Project) -> None:
    found = verified(project)
    assert {name for name, (verdict, _) in found.items() if verdict != PROVED} == {"signature", "model signature"}
    assert f"model.onnx of {FIRST} repeats what this one is compared with" in found["last release"][1]


class TestTheLastRelease:
    def test_whose_predictions_were_made_up_is_found_out(self, project: Project) -> None:
        """A forger lets the last release predict what the new one does: then nothing is worse, and nothing changed."""
        table = parquet.read_table(project.root / paths.PREDICTIONS)
        place = table.schema.get_field_index("baseline")
        buffer = io.BytesIO()
        parquet.write_table(table.set_column(place, "baseline", pa.array(table["probability"].to_pylist())), buffer)
        made_up = buffer.getvalue()
        address = hashlib.md5(made_up, usedforsecurity=False).hexdigest()
        file = cache.of(project.root).path(address)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(made_up)
        pointer = f"outs:\n- md5: {address}\n  hash: md5\n  path: predictions.parquet\n".encode()

        def edit(found: dict[str, Any]) -> None:
            found["performance"]["test"]["predictions_sha256"] = sha256_bytes(made_up)

        forge(project, SECOND, edit, others={paths.PREDICTIONS_POINTER.as_posix(): pointer})
        found = verified(project)
        assert found["predictions"][0] == found["model"][0] == PROVED
        assert found["last release"][0] == FAILED
        assert "predicts otherwise than on record" in found["last release"][1]

    def test_that_is_not_at_hand_leaves_what_compares_unproved(self, project: Project) -> None:
        before = msgspec.to_builtins(forger.manifest_of(project, FIRST))
        (onnx,) = (one for one in before["artifacts"]["files"] if one["path"] == "model.onnx")
        objects = [path for path in (project.root / ".dvc/cache").rglob("*") if path.is_file()]
        (held,) = (path for path in objects if hashlib.sha256(path.read_bytes()).hexdigest() == onnx["sha256"])
        away = held.rename(held.with_suffix(".away"))
        try:
            found = verified(project)
        finally:
            away.rename(held)
        assert found["last release"][0] == found["gates"][0] == UNPROVED
        assert "those that compare (keeps_its_word, not_worse, stores) rest on" in found["gates"][1]
        assert FAILED not in {verdict for verdict, _ in found.values()}


def test_a_release_between_cannot_be_passed_over(project: Project) -> None:
    def between(found: dict[str, Any]) -> None:
        found["model_info"]["version"] = "1.0.1"

    forge(project, SECOND, between)
    assert "version" not in failed(project), "one that was tagged later could not be known"
    forge(project, SECOND)
    assert failed(project)["version"] == (
        f"it follows {FIRST}, and passes over small@v1.0.1, made before it; don't trust a comparison with an older "
        "release"
    )


class TestTheLedger:
    """A ledger of nothing but the acceptance is whole, and its root and count are the tag's."""

    def test_that_was_begun_anew_is_refused(self, project: Project, tmp_path: Path) -> None:
        forge(project, SECOND, ledger=tmp_path)
        assert f"records of {FIRST} are missing from the ledger" in failed(project)["ledger"]

    def test_needs_the_trainings_that_the_manifest_tells_of(self, project: Project, tmp_path: Path) -> None:
        project.git("tag", "--delete", SECOND)
        forge(project, FIRST, ledger=tmp_path)
        assert "seed 0: the ledger has no such metrics of the run" in failed(project, FIRST)["record"]
