"""setup makes what is missing, asks nothing, and leaves what is there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from weighbridge import dvc_file, plan
from weighbridge.errors import SetupError
from weighbridge.settings import Config
from weighbridge.views import setup

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project's files, in no repository, on a machine where nobody has told Git who they are."""
    for name in ("HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER")) or name == "EMAIL"]:
        monkeypatch.delenv(name)
    shutil.copytree(REPOSITORY / "config", tmp_path / "outer/project/config")
    (tmp_path / "outer/project/data").mkdir()
    (tmp_path / "outer/project/data/raw.dvc").write_text("outs: []\n")
    (tmp_path / "outer/project/.gitignore").write_text("/results/\n/.storage/\n/.venv/\n")
    return tmp_path / "outer/project"


def config(root: Path) -> Config:
    return plan.load(root).config


def said(root: Path) -> str:
    lines: list[str] = []
    setup.setup(root, config(root), lines.append)
    return "\n".join(lines)


def git(root: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def identify(root: Path) -> None:
    git(root, "config", "user.name", "Grace Hopper")
    git(root, "config", "user.email", "grace@example.org")


def test_a_new_project_gets_git_dvc_and_a_first_commit_and_is_told_so(root: Path) -> None:
    text = said(root)
    for words in (
        "made a repository here",
        "wrote .dvc/config",
        "dvc.yaml: made of config/config.yaml",
        "first commit",
    ):
        assert words in text
    assert git(root, "symbolic-ref", "--short", "HEAD") == "main"
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "--format=%an <%ae>") == "Weighbridge Example <owner@example.org>"
    assert "who is card.owner, since Git knows no name" in text
    assert dvc_file.stale(root, config(root)) is None


def test_a_second_time_it_does_nothing(root: Path) -> None:
    said(root)
    before = git(root, "rev-parse", "HEAD"), (root / ".git/index").read_bytes()
    assert said(root) == "Git, DVC and dvc.yaml are there; nothing to do."
    assert (git(root, "rev-parse", "HEAD"), (root / ".git/index").read_bytes()) == before


def test_the_dvc_files_are_those_that_the_template_has() -> None:
    assert {name: (REPOSITORY / name).read_text() for name in setup.DVC_FILES} == setup.DVC_FILES


def test_neighbours_do_not_share_a_remote(root: Path) -> None:
    said(root)
    found = subprocess.run(["dvc", "config", "remote.local.url"], cwd=root, capture_output=True, text=True, check=True)
    assert (root / ".dvc" / found.stdout.strip()).resolve() == root / ".storage"


def test_who_git_knows_is_the_author(root: Path) -> None:
    git(root, "init", "--quiet", "--initial-branch=trunk")
    identify(root)
    assert "by Grace Hopper <grace@example.org>" in said(root)
    assert git(root, "symbolic-ref", "--short", "HEAD") == "trunk"


def test_an_existing_history_and_index_are_left_alone(root: Path) -> None:
    git(root, "init", "--quiet")
    identify(root)
    git(root, "add", ".gitignore")
    git(root, "commit", "--quiet", "--message=Mine")
    git(root, "add", "config/gates.yaml")
    before = git(root, "rev-parse", "HEAD"), git(root, "diff", "--cached", "--name-only")
    assert "first commit" not in said(root)
    assert (git(root, "rev-parse", "HEAD"), git(root, "diff", "--cached", "--name-only")) == before


def test_dvc_yaml_made_anew_in_a_clean_tree_is_to_be_committed_first(root: Path) -> None:
    said(root)
    path = root / "config/config.yaml"
    path.write_text(path.read_text().replace('name: "flights"', 'name: "planes"'))
    git(root, "-c", "user.name=A", "-c", "user.email=a@b", "commit", "--quiet", "--all", "--message=Rename")
    with pytest.raises(SetupError, match=r"dvc\.yaml was made anew.*commit it, and run again"):
        said(root)
    assert "planes:" in (root / "dvc.yaml").read_text()
    path.write_text(path.read_text() + "# an edit, to try something\n")
    assert said(root) == "Git, DVC and dvc.yaml are there; nothing to do."


def test_a_dvc_yaml_of_ones_own_is_left_alone(root: Path) -> None:
    (root / "dvc.yaml").write_text("artifacts: {}\n")
    assert "left as it is" in said(root)
    assert (root / "dvc.yaml").read_text() == "artifacts: {}\n"


def test_raw_files_that_nobody_knows_get_a_pointer_in_the_first_commit(root: Path) -> None:
    (root / "data/raw.dvc").unlink()
    (root / "data/raw").mkdir()
    (root / "data/raw/a.csv").write_text("a\n")
    assert "data: wrote data/raw.dvc" in said(root)
    assert {"data/raw.dvc", "data/.gitignore"} <= {*git(root, "ls-files").split()}
    assert "data/raw/a.csv" not in git(root, "ls-files")
    assert git(root, "status", "--porcelain") == ""


def test_raw_files_that_cannot_be_had_yet_stop_nothing(root: Path) -> None:
    (root / "data/raw.dvc").unlink()
    path = root / "config/config.yaml"
    path.write_text(path.read_text().replace("project.dataset:fetch", "no_such_project.dataset:fetch"))
    assert "data: no raw files yet (no_such_project.dataset:fetch: can't import" in said(root)
    assert git(root, "rev-parse", "HEAD")


class TestInsideAnotherRepository:
    def test_which_does_not_hold_it_the_project_gets_its_own(self, root: Path) -> None:
        git(root.parent, "init", "--quiet")
        text = said(root)
        assert f"{root.parent} has one as well, which doesn't hold this project's files" in text
        assert git(root, "rev-parse", "--show-toplevel") == str(root)
        assert git(root.parent, "status", "--porcelain") == "?? project/"

    def test_which_holds_it_nothing_is_made(self, root: Path) -> None:
        git(root.parent, "init", "--quiet")
        identify(root.parent)
        git(root.parent, "add", ".")
        git(root.parent, "commit", "--quiet", "--message=All")
        assert "repository" not in said(root)
        assert not (root / ".git").exists()

    def test_which_holds_it_and_has_no_commit_that_is_asked_for(self, root: Path) -> None:
        git(root.parent, "init", "--quiet")
        git(root.parent, "add", ".")
        with pytest.raises(SetupError, match="a repository without a commit; make one there"):
            said(root)


def test_a_repository_that_git_cannot_read_is_left_alone(root: Path) -> None:
    (root / ".git").mkdir()
    with pytest.raises(SetupError, match=r"Git refuses to read it.*remove \.git"):
        said(root)
    assert list((root / ".git").iterdir()) == []


def test_an_environment_is_not_taken_into_the_first_commit(root: Path) -> None:
    (root / "venv").mkdir()
    (root / "venv/pyvenv.cfg").write_text("")
    with pytest.raises(SetupError, match=r"add a line /venv/ to \.gitignore"):
        said(root)
    with (root / ".gitignore").open("a") as stream:
        stream.write("/venv/\n")
    assert "first commit" in said(root)


def test_nobody_can_be_named_as_author_where_card_owner_is_no_person(root: Path) -> None:
    """The settings refuse such an owner before; a configuration that was made by hand doesn't."""
    import msgspec

    known = config(root)
    nobody = msgspec.structs.replace(known, card=msgspec.structs.replace(known.card, owner="nobody"))
    with pytest.raises(SetupError, match="Git has no identity"):
        setup.setup(root, nobody, print)
