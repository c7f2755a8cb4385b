"""A user's life with the template: made, run, tested, edited, brought up to date, run again; and a conflict."""

import json
import shutil
from pathlib import Path

import baking
import pytest
from small_project import REPOSITORY, Project

OLD = {"weighbridge/views/log.py": "# as it was\n", "docs/concepts.md": "\nAs it was.\n"}


class Life(Project):
    """A project whose own engine answers, as in its own environment, on a machine where Git knows nobody."""

    def env(self) -> dict[str, str]:
        """Return an environment in which the project's engine comes first."""
        return super().env() | {"PYTHONPATH": str(self.root)}


def before(template: Project, folder: Path) -> Project:
    """Copy the template's repository, with an earlier version as its newest."""
    old = Project(shutil.copytree(template.root, folder / "weighbridge"))
    for name, text in OLD.items():
        old.append(name, text)
    old.commit("As it was")
    return old


def restored(old: Project, template: Project) -> None:
    for name in OLD:
        shutil.copy2(template.root / name, old.root / name)
    old.commit("As it is")


def with_small_data(made: Project) -> Life:
    """Put the small data and settings of the tests in the example's place."""
    small = REPOSITORY / "tests/small"
    shutil.copy2(small / "dataset.py", made.root / "project/dataset.py")
    shutil.copy2(small / "gates.yaml", made.root / "config/gates.yaml")
    (made.root / "config/config.yaml").write_text((small / "config.yaml").read_text().replace('"small"', '"larder"'))
    (made.root / "data/raw.dvc").unlink()
    return Life(made.root)


@pytest.mark.slow(seconds=30)
def test_a_project_lives_with_its_template(template: Project, tmp_path: Path) -> None:
    old = before(template, tmp_path)
    life = with_small_data(baking.bake(tmp_path / "here", str(old.root)))

    # The first day: what `make run` does.
    said = life.sh("weighbridge", "setup")
    assert "wrote data/raw.dvc" in said
    assert "made a repository here" in said
    assert "by Ada Lovelace <ada@example.org>, who is card.owner" in said
    life.snakemake()
    assert life.tags() == ["larder@v1.0.0"]
    assert "7 passed" in life.sh("pytest", "-q", "-p", "no:cacheprovider", "tests")

    # Edits of one's own, then an update.
    identity = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org")
    life.edit("config/config.yaml", "C: 1.0", "C: 0.5")
    life.append("project/models.py", "\n# ours\n")
    life.git(*identity, "commit", "--quiet", "--all", "--message=Weaker logistic")
    restored(old, template)
    assert "out of date" in life.attempt("cruft", "check").text
    life.sh("cruft", "update", "--allow-untracked-files", "--skip-apply-ask")
    assert life.git("diff", "--name-only", "--diff-filter=U") == ""
    for name in OLD:
        assert (life.root / name).read_bytes() == (template.root / name).read_bytes()
    assert "C: 0.5" in life.read("config/config.yaml")
    assert life.read("project/models.py").endswith("# ours\n")
    changed = {line[3:] for line in life.sh("git", "status", "--porcelain", "--untracked-files=no").splitlines()}
    assert changed == {*OLD, ".cruft.json", ".weighbridge.json"}
    life.git(*identity, "commit", "--quiet", "--all", "--message=Update the template")
    found = life.attempt("weighbridge", "check").text
    assert "files as the template gave them" in found
    assert "up to date" in life.sh("cruft", "check")

    # Only what the edits concern is trained: the network is in models.py, boosting is not.
    assert not {work for work in life.planned() if work.startswith("train boosting")}
    life.snakemake()
    assert len(life.tags()) == 2

    # A conflict: both have changed the same line of the engine.
    line = '"""log: '
    life.edit("weighbridge/views/log.py", line, f"{line}ours, ")
    life.git(*identity, "commit", "--quiet", "--all", "--message=Our log")
    assert "weighbridge/views/log.py" in life.attempt("weighbridge", "check").text
    old.edit("weighbridge/views/log.py", line, f"{line}theirs, ")
    old.commit("Their log")
    updated = life.attempt("cruft", "update", "--allow-untracked-files", "--skip-apply-ask")
    assert updated.code == 0, updated.text
    checked = life.attempt("weighbridge", "check")
    assert checked.code == 1
    assert "conflict markers in: weighbridge/views/log.py" in checked.text
    assert json.loads(life.read(".cruft.json"))["commit"] == old.git("rev-parse", "HEAD")
