"""What keeps a release back: no tag, exit code 1, and a message that says by how much and what to do."""

import re

import pytest
from small_project import Project

pytestmark = pytest.mark.slow

FIRST = "small@v1.0.0"


def test_a_gate_that_fails_refuses_with_value_limit_and_gap(finished: Project) -> None:
    finished.edit("config/gates.yaml", "min: 0.6", "min: 0.99")
    finished.commit("Ask for too much")
    finished.git("tag", "--delete", FIRST)
    before = finished.read("results/package.yaml")
    text = finished.refused()
    row = next(line for line in text.splitlines() if re.match(r"\s*ranks\s", line))
    assert re.search(r"0\.8\d+", row), "the value"
    assert "0.99" in row, "the limit"
    assert re.search(r"0\.1\d+", row), "by how much"
    assert "fail" in row
    assert finished.tags() == []
    assert finished.read("results/package.yaml") == before
    assert 'verdict: "fail"' in finished.read("results/verdict.yaml")


def test_a_gate_that_holds_again_releases_without_training(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.edit("config/gates.yaml", "min: 0.6", "min: 0.99")
    finished.commit("Ask for too much")
    finished.refused()
    finished.edit("config/gates.yaml", "min: 0.99", "min: 0.7")
    finished.commit("Ask for enough")
    assert finished.planned() == {"judge", "draw", "release"}
    finished.snakemake()
    assert finished.tags() == [FIRST]


def test_a_worse_model_is_not_released(finished: Project) -> None:
    config = finished.read("config/config.yaml")
    start, end = config.index("candidates:"), config.index("seeds:")
    worse = 'candidates: {stump: {model: "sklearn.tree:DecisionTreeClassifier", params: {max_depth: 1}}}\n'
    (finished.root / "config/config.yaml").write_text(config[:start] + worse + config[end:])
    finished.commit("See less")
    text = finished.refused()
    row = next(line for line in text.splitlines() if re.match(r"\s*not_worse\s", line))
    assert "fail" in row
    assert finished.tags() == [FIRST]
    assert FIRST in finished.log("package")


@pytest.mark.parametrize(
    ("path", "named"),
    [("weighbridge/training/models.py", "weighbridge/training/models.py"), ("project/models.py", "project/models.py")],
)
def test_uncommitted_code_is_named(path: str, named: str, finished: Project) -> None:
    """The stage is called alone: the training code differs from what has run, which is found first."""
    finished.git("tag", "--delete", FIRST)
    finished.append(path, "\n# Not committed.\n")
    found = finished.stage("release")
    assert found.code != 0
    assert "Traceback" not in found.text
    assert finished.tags() == []
    assert named in found.text or "training code" in found.text


def test_uncommitted_files_that_train_nothing_are_named(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.append("weighbridge/views/log.py", "\n# Not committed.\n")
    (finished.root / "project/notes.py").write_text("")
    found = finished.stage("release")
    assert found.code == 1
    assert "weighbridge/views/log.py" in found.text
    assert "project/notes.py" in found.text
    assert finished.tags() == []


def test_raw_data_that_differs_from_its_pointer_is_named(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    (finished.root / "data/raw/more.csv").write_text("id\n")
    found = finished.stage("release")
    assert found.code == 1
    assert "data/raw" in found.text
    assert "dvc add data/raw" in found.text
    assert finished.tags() == []


def test_an_edited_bundle_is_refused(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.append("models/small/README.md", "Better than it is.\n")
    found = finished.stage("release")
    assert found.code == 2
    assert "edited" in found.text
    assert finished.tags() == []


def test_a_foreign_tag_of_that_name_is_refused_and_kept(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.git("tag", FIRST)
    found = finished.stage("release")
    assert found.code != 0
    assert f"git tag -d {FIRST}" in found.text
    assert finished.git("cat-file", "-t", FIRST) == "commit"


def test_a_shallow_clone_is_refused(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.git("commit", "--quiet", "--allow-empty", "--message=Second")
    (finished.root / ".git/shallow").write_text(finished.git("rev-parse", "HEAD") + "\n")
    found = finished.stage("release")
    assert found.code == 2
    assert "git fetch --unshallow" in found.text
    assert finished.tags() == []


def test_without_a_repository_it_says_what_to_do(finished: Project) -> None:
    (finished.root / ".git").rename(finished.root.parent / "git")
    found = finished.stage("release")
    assert found.code == 2
    assert "git init" in found.text
    assert "Traceback" not in found.text


def test_without_a_commit_it_says_what_to_do(finished: Project) -> None:
    (finished.root / ".git").rename(finished.root.parent / "git")
    finished.git("init", "--quiet")
    found = finished.stage("release")
    assert found.code == 2
    assert "git commit" in found.text
    assert "Traceback" not in found.text


def test_without_dvc_it_says_what_to_do(finished: Project) -> None:
    (finished.root / ".dvc").rename(finished.root.parent / "dvc")
    found = finished.stage("package")
    assert found.code == 2
    assert "dvc init" in found.text
    assert "Traceback" not in found.text


def test_a_detached_head_releases_all_the_same(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.git("switch", "--quiet", "--detach")
    assert finished.stage("release").code == 0
    assert finished.tags() == [FIRST]


def test_a_detached_head_can_not_advance(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.append("config/config.yaml", "release: {advance_branch: true}\n")
    finished.commit("Keep releases on the branch")
    finished.git("switch", "--quiet", "--detach")
    found = finished.stage("release")
    assert found.code == 2
    assert "git switch" in found.text
    assert finished.tags() == []


def test_without_an_identity_the_owner_signs(finished: Project) -> None:
    finished.git("tag", "--delete", FIRST)
    finished.git("config", "--unset", "user.name")
    finished.git("config", "--unset", "user.email")
    found = finished.stage("release")
    assert found.code == 0, found.text
    author = finished.git("log", "-1", "--format=%an <%ae>", FIRST)
    assert author == "Ada Lovelace <ada@example.org>"
