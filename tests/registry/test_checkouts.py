"""A checkout holds one commit, the tags it is given and content of its own; where it comes from isn't touched."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.digest import folder_entries, sha256_file
from weighbridge.errors import DataError, SetupError
from weighbridge.registry import checkouts, commit, content, git, releases
from weighbridge.registry.notes import Notes

Sh = Callable[..., str]


def snapshot(root: Path) -> dict[str, str]:
    """Return all that Git and DVC keep, but for what DVC calls temporary."""
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_relative_to(root / ".dvc/tmp"))
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in files}


def tagged(root: Path, example: Notes, *versions: str) -> list[releases.Release]:
    for version in versions:
        tag = f"flights@v{version}"
        message = releases.message(example).replace("v1.2.0", f"v{version}", 1)
        files = {"models/flights.yaml": version.encode()}
        commit.create(root, tag=tag, message=message, files=files, identity_env={}, advance_branch=False)
    return [releases.find(root, f"flights@v{version}") for version in versions]


def test_it_holds_the_commit_and_only_the_tags_that_it_is_given(
    repository: Path, example: Notes, tmp_path: Path
) -> None:
    first, _ = tagged(repository, example, "1.0.0", "1.1.0")
    commit_id = git.head(repository)
    (repository / "README.md").write_text("Changed since.\n")
    git.run(repository, "commit", "--quiet", "--all", "--message=Go on")
    (repository / "README.md").write_text("Not committed.\n")
    before = snapshot(repository)
    place = checkouts.check_out(repository, tmp_path / "place", commit_id, [first])
    assert (place / "README.md").read_text() == "A project.\n"
    assert git.head(place) == commit_id
    assert [str(release.tag) for release in releases.releases(place)] == ["flights@v1.0.0"]
    assert git.run(place, "for-each-ref", "--format=%(refname)").decode().split() == ["refs/tags/flights@v1.0.0"]
    assert git.dirty_files(place, ["."]) == ()
    assert snapshot(repository) == before


def test_a_project_in_a_folder_of_its_repository_is_found_there(repository: Path, tmp_path: Path) -> None:
    place = checkouts.check_out(repository / "config", tmp_path / "place", git.head(repository))
    assert place == tmp_path / "place/config"
    assert (place / "config.yaml").is_file()


def test_hooks_and_templates_of_the_user_do_not_run_there(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "template/hooks/post-checkout"
    hook.parent.mkdir(parents=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    place = checkouts.check_out(repository, tmp_path / "place", git.head(repository))
    assert not (place / ".git/hooks").exists()
    assert not (tmp_path / "ran").exists()


def test_a_commit_that_is_not_there_is_named_with_the_command_that_brings_it(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"000000000000 isn't in this repository.*fetch"):
        checkouts.check_out(repository, tmp_path / "place", "0" * 40)


@pytest.mark.parametrize("place", [".dvc", ".dvc/tmp", ".dvc/config.local", "data", "data/raw", "results", "config"])
def test_a_commit_with_a_link_where_something_is_written_is_refused(
    repository: Path, tmp_path: Path, place: str
) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "config.local").write_text("mine")
    shutil.rmtree(repository / place, ignore_errors=True)
    (repository / place).parent.mkdir(exist_ok=True)
    (repository / place).symlink_to(victim)
    git.run(repository, "add", "--force", "--all")
    git.run(repository, "commit", "--quiet", "--message=Lead elsewhere")
    with pytest.raises(SetupError, match=f"has a link at {place}, to '.*victim'"):
        checkouts.check_out(repository, tmp_path / "place", git.head(repository))
    assert {path.name: path.read_text() for path in victim.iterdir()} == {"config.local": "mine"}


def test_a_link_above_the_project_is_refused_as_well(repository: Path, tmp_path: Path) -> None:
    (repository / "inner").mkdir()
    (repository / "config").rename(repository / "inner/config")
    git.run(repository, "add", "--all")
    (repository / "inner").rename(tmp_path / "elsewhere")
    (repository / "inner").symlink_to(tmp_path / "elsewhere")
    git.run(repository, "add", "--all")
    git.run(repository, "commit", "--quiet", "--message=Lead elsewhere")
    commit_id = git.head(repository)
    (repository / "inner").unlink()
    (repository / "inner").mkdir()
    with pytest.raises(SetupError, match="has a link at inner"):
        checkouts.check_out(repository / "inner", tmp_path / "place", commit_id)


@pytest.fixture
def borrowed(stored: Path, sh: Sh, tmp_path: Path) -> tuple[Path, Path, str]:
    """A project with data in its cache, a checkout of it, and the data's address."""
    address = content.add(stored, "data/raw")
    sh(stored, "git", "add", "data")
    sh(stored, "git", "commit", "--quiet", "--message=Add data")
    place = checkouts.check_out(stored, tmp_path / "place", git.head(stored))
    checkouts.isolate(place)
    return stored, place, address


def test_content_is_copied_from_the_cache_which_stays_as_it_is(borrowed: tuple[Path, Path, str]) -> None:
    stored, place, address = borrowed
    before = snapshot(stored)
    assert checkouts.lend(stored, place, [address, "0" * 32 + ".dir"]) == {address}
    assert snapshot(stored) == before
    shutil.rmtree(stored / ".dvc/cache")
    assert content.pull(place, "data/raw.dvc")
    assert folder_entries(place / "data/raw") == folder_entries(stored / "data/raw")


def test_content_is_brought_from_the_remote_past_the_cache(borrowed: tuple[Path, Path, str]) -> None:
    stored, place, address = borrowed
    content.push(stored, [address])
    shutil.rmtree(stored / ".dvc/cache")
    before = snapshot(stored)
    assert checkouts.lend(stored, place, [address]) == {address}
    assert snapshot(stored) == before
    content.materialise(place, (stored / "data/raw.dvc").read_bytes(), place / "data/raw")
    assert folder_entries(place / "data/raw") == folder_entries(stored / "data/raw")


def test_a_damaged_object_of_the_cache_comes_from_the_remote(borrowed: tuple[Path, Path, str]) -> None:
    stored, place, address = borrowed
    content.push(stored, [address])
    for path in [path for path in (stored / ".dvc/cache").rglob("*") if path.is_file()]:
        path.chmod(0o644)
        path.write_text("damaged")
    assert checkouts.lend(stored, place, [address]) == {address}


def test_content_that_is_damaged_everywhere_is_not_lent(borrowed: tuple[Path, Path, str]) -> None:
    stored, place, address = borrowed
    content.push(stored, [address])
    for folder in (stored / ".dvc/cache", stored.parent / "remote"):
        for path in [path for path in folder.rglob("*") if path.is_file()]:
            path.chmod(0o644)
            path.write_text("damaged")
    with pytest.raises(DataError, match="damaged where it comes from"):
        checkouts.lend(stored, place, [address])


def test_content_that_is_nowhere_is_not_lent(borrowed: tuple[Path, Path, str]) -> None:
    stored, place, address = borrowed
    shutil.rmtree(stored / ".dvc/cache")
    assert checkouts.lend(stored, place, [address]) == frozenset()


def test_the_checkout_never_writes_to_a_shared_cache_or_a_remote(stored: Path, sh: Sh, tmp_path: Path) -> None:
    sh(stored, "dvc", "config", "cache.dir", str(tmp_path / "shared"))
    sh(stored, "git", "commit", "--quiet", "--all", "--message=Share a cache")
    place = checkouts.check_out(stored, tmp_path / "place", git.head(stored))
    checkouts.isolate(place)
    (place / "data").mkdir()
    (place / "data/new.csv").write_text("late\n")
    address = content.add(place, "data/new.csv")
    content.push(place, [address])
    assert not (tmp_path / "shared").exists()
    assert not [path for path in (stored.parent / "remote").rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ({"a": "0" * 64}, "a: found ca978112ca1b, expected 000000000000"),
        ({"b": "0" * 64}, "b: found nothing, expected 000000000000"),
        ({}, "a: found, and not named"),
    ],
)
def test_files_by_another_sha256_are_listed(tmp_path: Path, expected: dict[str, str], said: str) -> None:
    (tmp_path / "a").write_text("a")
    with pytest.raises(DataError, match=said):
        checkouts.require(tmp_path, expected, whole=True, source="the manifest")


def test_files_of_the_expected_sha256_pass(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    expected = checkouts.digests(folder_entries(tmp_path))
    checkouts.require(tmp_path, expected, whole=True, source="the manifest")
    (tmp_path / "b").write_text("b")
    checkouts.require(tmp_path, expected, whole=False, source="the manifest")
    assert expected == {"a": "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"}
