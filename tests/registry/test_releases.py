"""Releases are what Git's tags say, whatever else lies among them."""

import dataclasses
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.errors import RecordError
from weighbridge.registry import commit, git, releases
from weighbridge.registry.releases import Notes
from weighbridge.registry.tags import Tag

Sh = Callable[..., str]


Release = Callable[..., Notes]


@pytest.fixture
def release(repository: Path, example: Notes) -> Release:
    """Make a release in the repository, by its tag, the digest of its bundle (64 times a digit) and its files."""

    def make(tag: str, content: str = "a", files: dict[str, bytes] | None = None) -> Notes:
        notes = dataclasses.replace(example, tag=Tag.parse(tag), content_sha256=content * 64)
        text = releases.message(notes)
        commit.create(repository, tag=tag, message=text, files=files or {}, identity_env={}, advance_branch=False)
        return notes

    return make


def test_releases_come_by_name_and_version_with_their_notes(repository: Path, release: Release) -> None:
    made = [release(tag) for tag in ("flights@v0.10.0", "flights@v0.9.0", "cats@v1.0.0")]
    found = releases.releases(repository)
    assert [str(one.tag) for one in found] == ["cats@v1.0.0", "flights@v0.9.0", "flights@v0.10.0"]
    assert found[2].notes.reasons == made[0].reasons
    assert found[2].author == "Ada Lovelace"
    assert abs(found[2].created - time.time()) < 60
    assert not found[2].signed
    assert [str(one.tag) for one in releases.releases(repository, "cats")] == ["cats@v1.0.0"]
    assert releases.releases(repository, "fl") == ()


def test_tags_of_other_shapes_are_no_releases(repository: Path, sh: Sh) -> None:
    for tag in ("v1.0.0", "flights@v1", "flights@v1.0.0-rc1", "sub/flights@v1.0.0", "flights#prod#1"):
        sh(repository, "git", "tag", "--annotate", tag, "--message=x")
    sh(repository, "git", "tag", "flights@v1.1.0")
    sh(repository, "git", "tag", "--annotate", "flights@v1.2.0", "--message=a tree", "HEAD^{tree}")
    sh(repository, "git", "tag", "--annotate", "tmp", "--message=renamed")
    sh(repository, "git", "update-ref", "refs/tags/flights@v1.3.0", "refs/tags/tmp")
    assert releases.releases(repository) == ()
    sh(repository, "git", "tag", "--annotate", "flights@v2.0.0", "--message=by hand")
    assert [str(release.tag) for release in releases.releases(repository)] == ["flights@v2.0.0"]
    with pytest.raises(RecordError):
        _ = releases.releases(repository)[0].notes
    assert releases.latest(repository, "flights") is None


def test_damaged_tags_hide_no_others(repository: Path, release: Release) -> None:
    for number in range(5):
        release(f"flights@v1.{number}.0")
    refs = repository / ".git" / "refs" / "tags"
    (refs / "flights@v1.1.0").write_text("f" * 40 + "\n")
    (refs / "flights@v1.2.0").write_text("rubbish\n")
    found = subprocess.run(
        ["git", "rev-parse", "flights@v1.3.0"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    damaged = repository / ".git" / "objects" / found[:2] / found[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(b"rubbish")
    assert [str(one.tag) for one in releases.releases(repository)] == ["flights@v1.0.0", "flights@v1.4.0"]


def test_the_release_to_beat_is_the_newest_with_other_content(repository: Path, release: Release) -> None:
    for tag, content in (("flights@v1.0.0", "a"), ("flights@v1.1.0", "b"), ("flights@v1.2.0", "c")):
        release(tag, content)
    newest = releases.latest(repository, "flights")
    other = releases.latest(repository, "flights", other_than_content="c" * 64)
    same = releases.with_content(repository, "flights", "a" * 64)
    assert [str(found.tag) for found in (newest, other, same) if found] == [
        "flights@v1.2.0", "flights@v1.1.0", "flights@v1.0.0",
    ]  # fmt: skip
    assert releases.with_content(repository, "flights", "d" * 64) is None
    assert releases.latest(repository, "cats") is None


def test_a_release_that_is_not_there_is_told_with_its_neighbours(repository: Path, release: Release) -> None:
    release("flights@v1.0.0")
    assert str(releases.find(repository, "flights@v1.0.0").tag) == "flights@v1.0.0"
    with pytest.raises(RecordError, match=r"no release flights@v1\.1\.0; the newest of flights: flights@v1\.0\.0"):
        releases.find(repository, "flights@v1.1.0")


def test_files_are_read_from_any_revision_and_from_a_subfolder(repository: Path, release: Release) -> None:
    release("flights@v1.0.0", files={"models/flights.dvc": b"outs: []\n"})
    assert releases.blob(repository, "flights@v1.0.0", "models/flights.dvc") == b"outs: []\n"
    assert releases.blob(repository / "config", "HEAD", "config.yaml") == b"name: flights\n"
    with pytest.raises(RecordError, match=r"HEAD has no file models/flights\.dvc"):
        releases.blob(repository, "HEAD", "models/flights.dvc")
    with pytest.raises(RecordError, match="no revision"):
        releases.blob(repository, "--batch", "x")


def test_a_manifest_other_than_the_tag_says_is_refused(repository: Path, release: Release) -> None:
    release("flights@v1.0.0", files={"models/flights.yaml": b'schema: "weighbridge/v1"\n'})
    with pytest.raises(RecordError, match="don't trust it"):
        releases.manifest_of(repository, "flights@v1.0.0")


def test_a_thousand_releases_are_read_in_order(repository: Path, example: Notes) -> None:
    head = git.head(repository)
    lines = ["feature done"]
    for number in range(1000):
        text = releases.message(dataclasses.replace(example, tag=Tag.parse(f"flights@v0.{number}.0"))).encode()
        lines += [f"tag flights@v0.{number}.0", f"from {head}", f"tagger A <a@example.org> {number} +0000"]
        lines += [f"data {len(text)}", text.decode()]
    feed = "\n".join([*lines, "done", ""]).encode()
    subprocess.run(["git", "fast-import", "--quiet"], cwd=repository, input=feed, check=True)
    found = releases.releases(repository)
    assert [release.version.minor for release in found] == list(range(1000))
    assert found[-1].notes.ledger_count == 42
