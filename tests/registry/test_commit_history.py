"""Trailers, authors and the last hand on a file are read as Git has them, under anyone's configuration."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import SetupError
from weighbridge.registry import history
from weighbridge.registry.history import Person

Sh = Callable[..., str]
NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="<>"), min_size=1)
GRACE = Person("Grace Hopper", "grace@example.org")


def commit(root: Path, message: str, *files: str, author: Person | None = None) -> str:
    """Commit *files*, each with the message as its content, and return the commit's first ten digits."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(message)
    env = dict(os.environ)
    if author:
        env |= {"GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
    for command in (["add", "."], ["commit", "--quiet", "--allow-empty", f"--message={message}"]):
        subprocess.run(["git", *command], cwd=root, env=env, check=True, capture_output=True)
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout[:10]


@pytest.fixture
def released(repository: Path, sh: Sh) -> Path:
    """The repository with a release commit beside its branch, as a release leaves it."""
    commit(repository, "Before\n\nSemver: major", "config/old.yaml", author=Person("Old", "old@example.org"))
    tree = sh(repository, "git", "rev-parse", "HEAD^{tree}").strip()
    made = sh(repository, "git", "commit-tree", "-p", "HEAD", "-m", "Release\n\nSemver: major", tree).strip()
    sh(repository, "git", "tag", "--annotate", "--message=Release", "flights@v1.0.0", made)
    return repository


def test_trailers_since_a_release_are_read_newest_first(released: Path) -> None:
    first = commit(released, "One\n\nWhy.\n\nSemver: minor\nReviewed-by: x", "config/a.yaml")
    commit(released, "Two", "config/a.yaml")
    empty = commit(released, "Three\n\nsemver:  Major ")
    both = commit(released, "Four\n\nSemver: patch\nSemver: minor", "config/b.yaml")
    expected = ((both, "patch"), (both, "minor"), (empty, "Major"), (first, "minor"))
    assert history.trailers(released, "Semver", "flights@v1.0.0") == expected


def test_what_only_looks_like_a_trailer_is_none(released: Path) -> None:
    commit(released, "Semver: major")
    commit(released, "One\n\nSemver: major is what we follow, says this\nlong text.\n\nMore text.")
    assert history.trailers(released, "Semver", "flights@v1.0.0") == ()


def test_a_trailer_without_a_value_is_not_overlooked(released: Path) -> None:
    bare = commit(released, "One\n\nSemver:")
    assert history.trailers(released, "Semver", "flights@v1.0.0") == ((bare, ""),)


def test_before_the_first_release_all_of_the_history_counts(released: Path) -> None:
    assert [value for _, value in history.trailers(released, "Semver", None)] == ["major"]


def test_the_release_commit_itself_asks_for_nothing_where_the_branch_was_advanced(released: Path, sh: Sh) -> None:
    sh(released, "git", "merge", "--quiet", "--ff-only", "flights@v1.0.0")
    asked = commit(released, "After\n\nSemver: minor")
    assert history.trailers(released, "Semver", "flights@v1.0.0") == ((asked, "minor"),)


def test_peoples_own_settings_change_nothing(released: Path, sh: Sh) -> None:
    for key, value in (
        ("trailer.separators", "#"), ("log.showSignature", "true"), ("i18n.logOutputEncoding", "UTF-16"),
        ("log.mailmap", "true"), ("format.pretty", "oneline"), ("color.ui", "always"),
    ):  # fmt: skip
        sh(released, "git", "config", key, value)
    (released / ".mailmap").write_text("Somebody <else@example.org> <grace@example.org>\n")
    found = commit(released, "Ein ü\n\nSemver: minor", "config/a.yaml", author=GRACE)
    assert history.trailers(released, "Semver", "flights@v1.0.0") == ((found, "minor"),)
    both = {"grace@example.org": found, "else@example.org": found}
    assert history.authors(released, ("config",), "flights@v1.0.0") == both
    assert history.last_change(released, "config/a.yaml") == (found, GRACE)


def test_a_project_in_a_folder_of_its_own_hears_its_own_commits(released: Path) -> None:
    commit(released, "Elsewhere\n\nSemver: major", "other/a.yaml")
    own = commit(released, "Here\n\nSemver: minor", "config/a.yaml")
    assert history.trailers(released / "config", "Semver", "flights@v1.0.0") == ((own, "minor"),)


def test_authors_are_those_of_commits_that_touch_what_is_asked_for(released: Path) -> None:
    commit(released, "Docs", "docs/a.md", author=Person("D", "docs@example.org"))
    first = commit(released, "One", "config/a.yaml", author=Person("Grace", "Grace@Example.ORG"))
    second = commit(
        released, "Two\n\nCo-authored-by: Alan <alan@example.org>\nCo-authored-by: nobody", "data/x", author=GRACE
    )
    found = history.authors(released, ("config", "data"), "flights@v1.0.0")
    assert found == {"grace@example.org": second, "alan@example.org": second}
    assert history.authors(released, ("config",), "flights@v1.0.0") == {"grace@example.org": first}
    assert set(history.authors(released, ("config",), None)) == {
        "grace@example.org", "old@example.org", "ada@example.org",
    }  # fmt: skip


def test_who_only_merges_is_no_author_but_whose_work_was_merged_is(released: Path, sh: Sh) -> None:
    sh(released, "git", "switch", "--quiet", "--create", "side")
    side = commit(released, "Side", "config/side.yaml", author=Person("Alan", "alan@example.org"))
    sh(released, "git", "switch", "--quiet", "main")
    main = commit(released, "Main", "config/main.yaml", author=GRACE)
    sh(released, "git", "config", "user.email", "merger@example.org")
    sh(released, "git", "merge", "--quiet", "--no-edit", "side")
    found = history.authors(released, ("config",), "flights@v1.0.0")
    assert found == {"alan@example.org": side, "grace@example.org": main}


MERGER = Person("Merger", "merger@example.org")


def merge(root: Path, author: Person, files: dict[str, str]) -> str:
    """Merge ``side`` as *author*, with *files* written before the merge is committed."""
    env = {**os.environ, "GIT_AUTHOR_NAME": author.name, "GIT_AUTHOR_EMAIL": author.email}
    subprocess.run(["git", "merge", "--no-commit", "--no-ff", "side"], cwd=root, check=False, capture_output=True)
    for name, text in files.items():
        (root / name).write_text(text)
    for command in (["add", "."], ["commit", "--quiet", "--message=Merge"]):
        subprocess.run(["git", *command], cwd=root, env=env, check=True, capture_output=True)
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout[:10]


def diverged(root: Path, sh: Sh, name: str, side: str, main: str) -> None:
    """Let Alan write a file on ``side`` and Grace on ``main``."""
    sh(root, "git", "switch", "--quiet", "--create", "side")
    commit(root, side, name, author=Person("Alan", "alan@example.org"))
    sh(root, "git", "switch", "--quiet", "main")
    commit(root, main, name, author=GRACE)


@pytest.mark.parametrize("files", [{"config/a.yaml": "by hand"}, {"config/a.yaml": "one", "config/new.yaml": "mine"}])
def test_who_changes_files_in_a_merge_is_an_author(released: Path, sh: Sh, files: dict[str, str]) -> None:
    diverged(released, sh, "config/a.yaml", "one", "two")
    made = merge(released, MERGER, files)
    assert history.authors(released, ("config",), "flights@v1.0.0")["merger@example.org"] == made


def test_a_merge_that_changes_other_files_makes_no_author_of_these(released: Path, sh: Sh) -> None:
    diverged(released, sh, "docs/a.md", "one", "two")
    commit(released, "More", "config/a.yaml", author=GRACE)
    merge(released, MERGER, {"docs/a.md": "by hand"})
    assert set(history.authors(released, ("config",), "flights@v1.0.0")) == {"grace@example.org"}


def test_a_clean_merge_of_one_file_makes_nobody_an_author(released: Path, sh: Sh) -> None:
    lines = [f"line {number}" for number in range(30)]
    commit(released, "\n".join(lines), "config/long.yaml", author=GRACE)
    diverged(released, sh, "config/long.yaml", "\n".join(["first", *lines[1:]]), "\n".join([*lines[:-1], "last"]))
    merge(released, MERGER, {})
    assert set(history.authors(released, ("config",), "flights@v1.0.0")) == {"alan@example.org", "grace@example.org"}


def test_co_authors_are_known_by_the_mailmap_too(released: Path) -> None:
    (released / ".mailmap").write_text("Alan <alan@example.org> <turing@example.org>\n")
    commit(released, "One\n\nCo-authored-by: T <turing@example.org>", "config/a.yaml", author=GRACE)
    found = history.authors(released, ("config",), "flights@v1.0.0")
    assert {"alan@example.org", "turing@example.org"} <= set(found)


def test_two_who_made_the_same_change_are_both_authors(released: Path, sh: Sh) -> None:
    sh(released, "git", "switch", "--quiet", "--create", "side")
    commit(released, "Same", "config/same.yaml", author=Person("Alan", "alan@example.org"))
    sh(released, "git", "switch", "--quiet", "main")
    commit(released, "Same", "config/same.yaml", author=GRACE)
    sh(released, "git", "merge", "--quiet", "--no-edit", "side")
    assert set(history.authors(released, ("config",), "flights@v1.0.0")) == {"alan@example.org", "grace@example.org"}


def test_a_file_that_was_never_committed_has_no_last_change(repository: Path) -> None:
    (repository / "new.yaml").write_text("x")
    assert history.last_change(repository, "new.yaml") is None


def test_a_shallow_clone_tells_nothing_and_says_what_brings_the_rest(released: Path, tmp_path: Path, sh: Sh) -> None:
    commit(released, "More")
    sh(tmp_path, "git", "clone", "--quiet", "--depth=1", f"file://{released}", "clone")
    clone = tmp_path / "clone"
    for ask in (
        lambda: history.trailers(clone, "Semver", None),
        lambda: history.authors(clone, ("config",), None),
        lambda: history.last_change(clone, "README.md"),
    ):
        with pytest.raises(SetupError, match="git fetch --unshallow"):
            ask()


def test_who_types_is_who_git_says(repository: Path, sh: Sh, monkeypatch: pytest.MonkeyPatch) -> None:
    assert history.typist(repository) == Person("Ada Lovelace", "ada@example.org")
    assert history.releaser(repository, "Owner <owner@example.org>") == Person("Ada Lovelace", "ada@example.org")
    monkeypatch.setenv("GIT_AUTHOR_EMAIL", "grace@example.org")
    assert history.typist(repository).email == "grace@example.org"
    monkeypatch.delenv("GIT_AUTHOR_EMAIL")
    for key in ("user.name", "user.email"):
        sh(repository, "git", "config", "--unset", key)
    assert history.releaser(repository, "Owner <owner@example.org>") == Person("Owner", "owner@example.org")
    with pytest.raises(SetupError, match=r"git config user\.name"):
        history.typist(repository)


@given(NAMES.map(str.strip).filter(bool), NAMES.map(str.strip).filter(bool))
def test_a_person_is_read_as_written(name: str, email: str) -> None:
    person = Person(name, email)
    assert history.parse_person(str(person)) == person


@pytest.mark.parametrize("text", ["", "Ada", "<ada@example.org>", "Ada <>", "Ada <a@b> c", "Ada a@b>", "Ada <a@b"])
def test_what_names_no_person_is_none(text: str) -> None:
    assert history.parse_person(text) is None


def test_a_graft_hides_nobody(repository: Path) -> None:
    commit(repository, "Grace's", "config/new.yaml", author=GRACE)
    last = commit(repository, "Another's", "config/other.yaml")
    whole = subprocess.run(["git", "rev-parse", last], cwd=repository, capture_output=True, text=True, check=True)
    (repository / ".git/info").mkdir(exist_ok=True)
    (repository / ".git/info/grafts").write_text(whole.stdout)
    assert "grace@example.org" in history.authors(repository, ("config",), None)
