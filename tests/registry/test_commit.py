"""A release is made whole or not at all, once, and beside what the user is doing."""

import dataclasses
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import ReleaseRefused, SetupError
from weighbridge.registry import commit, git, index, releases
from weighbridge.registry.commit import Made
from weighbridge.registry.notes import Notes

Sh = Callable[..., str]
FILES = {"models/flights.yaml": b"schema: x\r\n", "models/fl\xfcg \u2602.md": b"# Card\n", "runs/aa/b.json": b"{}\n"}


@pytest.fixture
def order(example: Notes) -> dict[str, Any]:
    """What to release: the arguments of :func:`commit.create`."""
    text = releases.message(example)
    return {"tag": str(example.tag), "message": text, "files": FILES, "identity_env": {}, "advance_branch": False}


def _busy(root: Path, sh: Sh) -> str:
    """Leave staged, unstaged and untracked work behind and return Git's view of it."""
    (root / "README.md").write_text("staged\n")
    sh(root, "git", "add", "README.md")
    (root / "README.md").write_text("unstaged\n")
    (root / "config" / "config.yaml").unlink()
    (root / "notes.txt").write_text("untracked")
    return sh(root, "git", "status", "--porcelain")


def test_the_commit_is_heads_tree_and_the_files_to_the_letter(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    made = commit.create(repository, **order)
    assert made.made
    assert sh(repository, "git", "rev-parse", f"{made.commit}^", "HEAD").split()[0] == git.head(repository)
    listing = sh(repository, "git", "-c", "core.quotePath=false", "ls-tree", "-r", made.commit).splitlines()
    assert [line.split("\t")[1] for line in listing] == sorted(["README.md", "config/config.yaml", *FILES])
    assert all(line.startswith("100644 blob") for line in listing)
    for path, content in FILES.items():
        assert releases.blob(repository, made.commit, path) == content
    assert releases.find(repository, order["tag"]).text == order["message"]
    assert sh(repository, "git", "log", "-1", "--format=%B", made.commit).strip() == order["message"].strip()
    sh(repository, "git", "fsck", "--strict", "--no-dangling")


def test_branch_index_and_working_tree_stay_as_they_are(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    before = _busy(repository, sh), git.head(repository), (repository / ".git" / "index").read_bytes()
    commit.create(repository, **order)
    assert (repository / ".git" / "index").read_bytes() == before[2]
    assert (sh(repository, "git", "status", "--porcelain"), git.head(repository)) == before[:2]
    assert not (repository / "models").exists()


def test_a_tracked_file_is_replaced_and_others_kept(repository: Path, order: dict[str, Any]) -> None:
    made = commit.create(repository, **{**order, "files": {"config/config.yaml": b"name: new\n"}})
    assert releases.blob(repository, made.commit, "config/config.yaml") == b"name: new\n"
    assert releases.blob(repository, made.commit, "README.md") == b"A project.\n"
    assert (repository / "config" / "config.yaml").read_text() == "name: flights\n"


def test_the_same_release_again_is_no_second_one(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    first = commit.create(repository, **order)
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    assert commit.create(repository, **order) == Made(first.commit, made=False)


def test_other_content_under_the_same_tag_is_refused(repository: Path, order: dict[str, Any], example: Notes) -> None:
    first = commit.create(repository, **order)
    with pytest.raises(ReleaseRefused, match=r"flights@v1\.2\.0 was released before .* models/flights\.yaml"):
        commit.create(repository, **{**order, "files": {**FILES, "models/flights.yaml": b"other"}})
    other = releases.message(dataclasses.replace(example, ledger_count=43))
    with pytest.raises(ReleaseRefused, match="the tag's message"):
        commit.create(repository, **{**order, "message": other})
    assert releases.find(repository, order["tag"]).commit == first.commit


def test_a_tag_made_by_hand_is_not_taken_over(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    sh(repository, "git", "tag", order["tag"])
    with pytest.raises(ReleaseRefused, match="exists and is no release"):
        commit.create(repository, **order)


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "./a", ".git/hooks/x", "sub/.GIT/config", "a/../b", ""])
def test_a_path_out_of_the_project_is_refused(repository: Path, order: dict[str, Any], path: str) -> None:
    with pytest.raises(SetupError, match="plain path"):
        commit.create(repository, **{**order, "files": {path: b"x"}})
    assert releases.releases(repository) == ()


def test_a_project_in_a_subfolder_releases_below_it(repository: Path, order: dict[str, Any]) -> None:
    made = commit.create(repository / "config", **order)
    assert releases.blob(repository, made.commit, "config/models/flights.yaml") == FILES["models/flights.yaml"]
    assert commit.create(repository / "config", **order) == Made(made.commit, made=False)


def test_a_detached_head_releases_but_advances_nothing(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    sh(repository, "git", "switch", "--quiet", "--detach")
    with pytest.raises(SetupError, match="no branch to advance"):
        commit.create(repository, **{**order, "advance_branch": True})
    assert commit.create(repository, **order).made


def test_a_shallow_clone_makes_no_release(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    clone = repository.parent / "clone"
    sh(repository.parent, "git", "clone", "--quiet", "--depth=1", f"file://{repository}", str(clone))
    with pytest.raises(SetupError, match="unshallow"):
        commit.create(clone, **order)


def test_the_owner_signs_where_git_knows_no_one(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    sh(repository, "git", "config", "--unset", "user.email")
    env = git.identity(repository, "Grace Hopper <grace@example.org>")
    made = commit.create(repository, **{**order, "identity_env": env})
    assert sh(repository, "git", "log", "-1", "--format=%an %ae %cn", made.commit).strip() == (
        "Grace Hopper grace@example.org Grace Hopper"
    )
    assert releases.find(repository, order["tag"]).author == "Grace Hopper"


def test_advancing_moves_the_branch_and_leaves_the_rest_of_the_work(
    repository: Path, order: dict[str, Any], sh: Sh
) -> None:
    before = _busy(repository, sh)
    staged = sh(repository, "git", "diff", "--cached")
    made = commit.create(repository, **{**order, "advance_branch": True})
    assert git.head(repository) == made.commit
    assert git.branch(repository) == "main"
    assert sh(repository, "git", "status", "--porcelain") == before
    assert sh(repository, "git", "diff", "--cached") == staged
    assert (repository / "models" / "flights.yaml").read_bytes() == FILES["models/flights.yaml"]
    assert "release: flights@v1.2.0" in sh(repository, "git", "reflog", "-1", "main")


def test_advancing_overwrites_what_differs_and_touches_nothing_else(
    repository: Path, order: dict[str, Any], sh: Sh
) -> None:
    for path, content in {**FILES, "models/flights.yaml": b"of an earlier run"}.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_bytes(content)
    os.utime(repository / "runs/aa/b.json", (1, 1))
    commit.create(repository, **{**order, "advance_branch": True})
    assert (repository / "models/flights.yaml").read_bytes() == FILES["models/flights.yaml"]
    assert (repository / "runs/aa/b.json").stat().st_mtime == 1
    assert sh(repository, "git", "status", "--porcelain") == ""
    assert not (repository / ".git" / "index.lock").exists()


def test_a_held_index_stops_the_advance_before_anything_happened(
    repository: Path, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_PATIENCE_SECONDS", 0.2)
    lock = repository / ".git" / "index.lock"
    lock.touch()
    head = git.head(repository)
    with pytest.raises(SetupError, match=r"index\.lock is held by another Git command"):
        commit.create(repository, **{**order, "advance_branch": True})
    assert (releases.releases(repository), git.head(repository), lock.exists()) == ((), head, True)
    assert commit.create(repository, **order).made


def test_a_left_over_reference_lock_is_named_and_nothing_done(
    repository: Path, order: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit, "_PATIENCE_SECONDS", 0.2)
    (repository / ".git" / "refs" / "tags" / f"{order['tag']}.lock").touch()
    with pytest.raises(SetupError, match=r"nothing was changed: .*\.lock"):
        commit.create(repository, **order)
    assert releases.releases(repository) == ()


def _race(root: Path, order: dict[str, Any], number: int, same: bool) -> tuple[str, bool] | str:  # noqa: FBT001 - for starmap
    files = order["files"] if same else {**order["files"], "models/flights.yaml": str(number).encode()}
    try:
        made = commit.create(root, **{**order, "files": files})
    except ReleaseRefused:
        return "refused"
    return made.commit, made.made


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("advance", [True, False])
def test_of_eight_at_once_exactly_one_makes_the_release(
    repository: Path, order: dict[str, Any], sh: Sh, *, same: bool, advance: bool
) -> None:
    order["advance_branch"] = advance
    with multiprocessing.get_context("fork").Pool(8) as pool:
        outcomes = pool.starmap(_race, [(repository, order, number, same) for number in range(8)])
    made = releases.find(repository, order["tag"]).commit
    assert outcomes.count((made, True)) == 1
    assert outcomes.count((made, False) if same else "refused") == 7
    assert sh(repository, "git", "status", "--porcelain") == ""
    assert (git.head(repository) == made) == advance


def _key(folder: Path, sh: Sh) -> Path:
    sh(folder, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "key")
    (folder / "allowed").write_text(f"ada@example.org {(folder / 'key.pub').read_text()}")
    return folder / "key"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
def test_a_configured_ssh_key_signs_the_tag_and_git_accepts_it(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    key = _key(repository.parent, sh)
    for name, value in (("gpg.format", "ssh"), ("tag.gpgSign", "true"), ("user.signingKey", str(key))):
        sh(repository, "git", "config", name, value)
    commit.create(repository, **order)
    allowed = ("-c", f"gpg.ssh.allowedSignersFile={repository.parent / 'allowed'}")
    sh(repository, "git", *allowed, "verify-tag", order["tag"])
    release = releases.find(repository, order["tag"])
    assert release.signed
    assert releases.message(release.notes) == order["message"]
    assert not commit.create(repository, **order).made
    forged = git.run(repository, "cat-file", "tag", order["tag"]).replace(b"boosting", b"logistic")
    sh(repository, "git", "tag", "--delete", order["tag"])
    other = git.run(repository, "mktag", input=forged).decode().strip()
    assert git.attempt(repository, *allowed, "verify-tag", other).returncode


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs OpenSSH")
def test_a_key_given_as_public_text_is_asked_of_the_agent(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    key = _key(repository.parent, sh)
    public = key.with_suffix(".pub").read_text().strip()
    for name, value in (("gpg.format", "ssh"), ("tag.gpgSign", "true"), ("user.signingKey", f"key::{public}")):
        sh(repository, "git", "config", name, value)
    with pytest.raises(SetupError, match="can't be signed with ssh-keygen"):
        commit.create(repository, **order)
    assert releases.releases(repository) == ()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gpg") is None, reason="needs GnuPG")
def test_gits_default_format_of_signatures_works_too(
    repository: Path, order: dict[str, Any], sh: Sh, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as home:  # its path must be short: GnuPG makes a socket in it
        monkeypatch.setenv("GNUPGHOME", home)
        who = "Ada Lovelace <ada@example.org>"
        sh(repository, "gpg", "--batch", "--passphrase", "", "--quick-generate-key", who, "ed25519", "sign", "never")
        sh(repository, "git", "config", "tag.gpgSign", "true")
        try:
            commit.create(repository, **order)
            sh(repository, "git", "verify-tag", order["tag"])
        finally:
            sh(repository, "gpgconf", "--kill", "all")
    assert releases.find(repository, order["tag"]).signed


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"gpg.format": "ssh"}, "user.signingKey"),
        ({"gpg.format": "ssh", "user.signingKey": "/no/such/key"}, "can't be signed"),
        ({"gpg.format": "ssh", "user.signingKey": "k", "gpg.ssh.program": "no-such-program"}, "no-such-program"),
        ({"gpg.format": "x509"}, "ssh or openpgp"),
    ],
)
def test_a_signature_that_is_asked_for_is_never_left_out(
    repository: Path, order: dict[str, Any], sh: Sh, settings: dict[str, str], complaint: str
) -> None:
    for name, value in {"tag.gpgSign": "true", **settings}.items():
        sh(repository, "git", "config", name, value)
    with pytest.raises(SetupError, match=complaint):
        commit.create(repository, **order)
    assert releases.releases(repository) == ()


def test_a_push_brings_tag_and_branch_and_may_be_done_again(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    remote = repository.parent / "remote.git"
    sh(repository.parent, "git", "init", "--quiet", "--bare", str(remote))
    sh(repository, "git", "remote", "add", "origin", str(remote))
    made = commit.create(repository, **order)
    for _ in range(2):
        commit.push(repository, "origin", order["tag"])
    assert sh(remote, "git", "for-each-ref", "--format=%(refname)").split() == [f"refs/tags/{order['tag']}"]
    commit.push(repository, "origin", order["tag"], "main")
    assert sh(remote, "git", "rev-parse", f"{order['tag']}^{{commit}}", "main").split() == [
        made.commit, git.head(repository),
    ]  # fmt: skip


def test_a_push_that_is_refused_changes_nothing_there(repository: Path, order: dict[str, Any], sh: Sh) -> None:
    remote = repository.parent / "remote.git"
    sh(repository.parent, "git", "clone", "--quiet", "--bare", str(repository), str(remote))
    sh(repository, "git", "remote", "add", "origin", str(remote))
    sh(remote, "git", "-c", "user.name=B", "-c", "user.email=b@example.org", "tag", "-m", "taken", order["tag"])
    sh(repository, "git", "commit", "--quiet", "--allow-empty", "--message=Go on")
    commit.create(repository, **order)
    before = sh(remote, "git", "for-each-ref")
    with pytest.raises(
        SetupError, match=r"origin has another release .*flights@v1\.2\.0.*`git tag -d flights@v1\.2\.0`"
    ):
        commit.push(repository, "origin", order["tag"], "main")
    assert sh(remote, "git", "for-each-ref") == before


def test_a_remote_out_of_reach_is_named_without_credentials(repository: Path, order: dict[str, Any]) -> None:
    commit.create(repository, **order)
    start = time.monotonic()
    with pytest.raises(SetupError) as caught:
        commit.push(repository, "https://ada:s3cret@localhost:1/x.git", order["tag"])
    assert "s3cret" not in str(caught.value)
    assert "https://localhost:1/x.git" in str(caught.value)
    assert time.monotonic() - start < 10
