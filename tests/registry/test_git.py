"""What Git is asked for comes out the same under anyone's configuration, and its refusals say what to do."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.errors import SetupError
from weighbridge.registry import git

Sh = Callable[..., str]
WORDS = st.from_regex(r"[A-Za-z0-9._%~-]{1,12}", fullmatch=True)


def test_a_folder_without_a_repository_is_told_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="run `git init`"):
        git.require_repository(tmp_path)


def test_a_repository_without_a_commit_is_told_to_commit(empty: Path) -> None:
    with pytest.raises(SetupError, match=r"no commit yet.*`git commit`"):
        git.require_repository(empty)


def test_a_missing_git_is_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SetupError, match="install Git"):
        git.head(repository)


def test_a_missing_folder_is_not_taken_for_a_missing_git(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no such folder"):
        git.head(tmp_path / "nowhere")


def test_a_bare_repository_is_no_work_tree(tmp_path: Path, sh: Sh) -> None:
    sh(tmp_path, "git", "init", "--quiet", "--bare")
    with pytest.raises(SetupError, match="isn't in a Git work tree"):
        git.require_repository(tmp_path)


def test_head_and_branch(repository: Path, sh: Sh) -> None:
    commit = sh(repository, "git", "rev-parse", "HEAD").strip()
    assert git.require_repository(repository) == git.head(repository) == commit
    assert git.branch(repository) == "main"
    sh(repository, "git", "switch", "--quiet", "--create", "feature/two")
    assert git.branch(repository) == "feature/two"
    sh(repository, "git", "switch", "--quiet", "--detach")
    assert git.branch(repository) is None


def test_a_shallow_clone_is_refused_with_the_command_that_mends_it(repository: Path, tmp_path: Path, sh: Sh) -> None:
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    sh(tmp_path, "git", "clone", "--quiet", "--depth=1", f"file://{repository}", "clone")
    git.require_whole_history(repository)
    with pytest.raises(SetupError, match="git fetch --unshallow"):
        git.require_whole_history(tmp_path / "clone")


def test_variables_of_a_surrounding_hook_do_not_lead_astray(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git.head(repository)
    for name in ("GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    assert git.head(repository) == head


def test_an_error_carries_gits_own_words_without_credentials(repository: Path) -> None:
    with pytest.raises(SetupError, match=r"git show failed.*unknown revision"):
        git.run(repository, "show", "nothing-of-that-name")
    said = git.last_words(b"hint: x\nfatal: unable to access 'https://me:s3cret@host/x'\n")
    assert said == "fatal: unable to access 'https://host/x'"


def test_changes_of_every_kind_are_dirty(repository: Path, sh: Sh) -> None:
    (repository / "keep").mkdir()
    for name in ("gone", "staged", "changed", "same", "moved"):
        (repository / "keep" / name).write_text(name)
    (repository / ".gitignore").write_text("*.tmp\n")
    sh(repository, "git", "add", ".")
    sh(repository, "git", "commit", "--quiet", "--message=More")
    (repository / "keep" / "gone").unlink()
    (repository / "keep" / "staged").write_text("new")
    sh(repository, "git", "add", "keep/staged")
    sh(repository, "git", "mv", "keep/moved", "keep/there")
    (repository / "keep" / "changed").write_text("new")
    (repository / "keep" / "ü *☂\nx").write_text("untracked")
    (repository / "keep" / "x.tmp").write_text("ignored")
    (repository / "README.md").write_text("elsewhere")
    found = git.dirty_files(repository, ["keep", "absent"])
    assert found == tuple(sorted(f"keep/{name}" for name in ("gone", "staged", "moved", "there", "changed", "ü *☂\nx")))
    assert git.dirty_files(repository, ["keep"], generated=["keep/gone", "keep/sta"]) == tuple(
        name for name in found if name != "keep/gone"
    )
    assert git.dirty_files(repository, ["."], generated=["keep/"]) == ("README.md",)
    assert git.dirty_files(repository, []) == ()


def test_a_project_in_a_folder_of_the_repository_has_paths_of_its_own(repository: Path) -> None:
    (repository / "config" / "new.yaml").write_text("x")
    (repository / "README.md").write_text("outside")
    assert git.prefix(repository / "config") == "config/"
    assert git.dirty_files(repository / "config", ["."]) == ("new.yaml",)


def test_looking_takes_no_lock_and_writes_no_index(repository: Path) -> None:
    index = repository / ".git" / "index"
    before = index.read_bytes(), index.stat().st_mtime_ns
    os.utime(repository / "README.md", (1, 1))
    assert git.dirty_files(repository, ["."]) == ()
    assert (index.read_bytes(), index.stat().st_mtime_ns) == before


def test_the_digest_of_changes_sees_names_contents_modes_and_deletions(repository: Path) -> None:
    seen = {git.dirty_sha256(repository, ["README.md", "config/config.yaml"])}
    (repository / "README.md").write_text("changed")
    seen.add(git.dirty_sha256(repository, ["README.md", "config/config.yaml"]))
    (repository / "README.md").chmod(0o755)
    seen.add(git.dirty_sha256(repository, ["config/config.yaml", "README.md"]))
    (repository / "README.md").unlink()
    seen.add(git.dirty_sha256(repository, ["README.md", "config/config.yaml"]))
    (repository / "README.md").symlink_to("nowhere")
    seen.add(git.dirty_sha256(repository, ["README.md", "config/config.yaml"]))
    assert len(seen) == 5
    assert git.dirty_sha256(repository, []) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://ada:s3cret@example.org/a/b.git", "https://example.org/a/b.git"),
        ("https://s3cret@example.org:8443/a.git?token=s3cret#s3cret", "https://example.org:8443/a.git"),
        ("https://ada:s3/cret@example.org/a.git", "https://example.org/a.git"),
        ("https://ada:s3@cret@example.org/a.git", "https://example.org/a.git"),
        ("https://example.org/@scope/a.git", "https://example.org/@scope/a.git"),
        ("ssh://git@[::1]:22/a.git", "ssh://[::1]:22/a.git"),
        ("git@example.org:a/b.git", "example.org:a/b.git"),
        ("ada:s3cret@example.org:a/b.git?token=s3cret", "example.org:a/b.git"),
        ("example.org:a/b.git", "example.org:a/b.git"),
        ("/srv/git/a@b.git", "/srv/git/a@b.git"),
        ("../a.git", "../a.git"),
        ("", ""),
    ],
)
def test_an_address_loses_its_credentials_and_nothing_else(url: str, expected: str) -> None:
    assert git.without_credentials(url) == expected


@given(user=WORDS, host=WORDS, path=WORDS, shape=st.sampled_from(["https://{}@{}/{}", "ssh://x:{}@{}/{}", "{}@{}:{}"]))
def test_no_user_survives(user: str, host: str, path: str, shape: str) -> None:
    secret = f"S3CRET{user}S3CRET"
    assert secret not in git.without_credentials(shape.format(secret, host, path))


def test_the_remote_is_origin_or_the_first(repository: Path, sh: Sh) -> None:
    assert git.remote_url(repository) == ""
    sh(repository, "git", "remote", "add", "backup", "https://ada:s3cret@example.org/backup.git")
    assert git.remote_url(repository) == "https://example.org/backup.git"
    sh(repository, "git", "remote", "add", "origin", "git@example.org:flights.git")
    assert git.remote_url(repository) == "example.org:flights.git"
    assert git.remote_url(repository, "backup") == "https://example.org/backup.git"


def test_gits_own_identity_comes_first(repository: Path) -> None:
    assert git.identity(repository, "not even an owner") == {}


def test_the_owner_signs_where_git_has_no_identity(repository: Path, sh: Sh) -> None:
    sh(repository, "git", "config", "--unset", "user.email")
    env = git.identity(repository, "Grace Hopper <grace@example.org>")
    assert env == {
        "GIT_AUTHOR_NAME": "Grace Hopper", "GIT_AUTHOR_EMAIL": "grace@example.org",
        "GIT_COMMITTER_NAME": "Grace Hopper", "GIT_COMMITTER_EMAIL": "grace@example.org",
    }  # fmt: skip
    assert git.run(repository, "var", "GIT_COMMITTER_IDENT", env=env).startswith(b"Grace Hopper <grace@example.org>")
    with pytest.raises(SetupError, match=r"git config user\.name"):
        git.identity(repository, "Grace Hopper")


def test_an_identity_in_the_environment_is_gits_own(repository: Path, sh: Sh, monkeypatch: pytest.MonkeyPatch) -> None:
    sh(repository, "git", "config", "--unset", "user.name")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Build")
    assert git.identity(repository, "Grace Hopper <grace@example.org>") == {}


def test_no_hook_of_the_users_runs(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    head = git.head(repository)
    assert subprocess.run(["git", "tag", "x"], cwd=repository, check=False, capture_output=True).returncode
    git.run(repository, "update-ref", "refs/tags/x", head)


@pytest.mark.parametrize("folder", ["", "inner"])
def test_contents_are_compared_where_status_is_silent(folder: str, repository: Path, sh: Sh) -> None:
    root = repository / folder
    root.mkdir(exist_ok=True)
    for name in ("same.py", "hidden.py", "gone.py"):
        (root / name).write_text("one = 1\n")
    sh(root, "git", "add", ".")
    sh(root, "git", "commit", "--quiet", "--message=Three")
    sh(root, "git", "update-index", "--assume-unchanged", "hidden.py", "gone.py")
    (root / "hidden.py").write_text("one = 2\n")
    (root / "gone.py").unlink()
    (root / ".git/info/exclude" if not folder else root / ".gitignore").write_text("ignored.py\n")
    (root / "ignored.py").write_text("")
    names = ["gone.py", "hidden.py", "ignored.py", "same.py"]
    assert git.dirty_files(root, names) == ()
    assert git.unlike_head(root, names) == ("gone.py", "hidden.py", "ignored.py")
    assert git.unlike_head(root, []) == ()


def test_line_ends_that_git_converts_are_no_difference(repository: Path, sh: Sh) -> None:
    (repository / ".gitattributes").write_text("*.py text eol=crlf\n")
    (repository / "code.py").write_bytes(b"one = 1\r\n")
    sh(repository, "git", "add", ".")
    sh(repository, "git", "commit", "--quiet", "--message=Windows")
    assert git.unlike_head(repository, ["code.py"]) == ()
