"""How often test rows have decided is counted in bundles, each once, across clones and refusals."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_records import failed, rejected

from weighbridge.digest import sha256_bytes
from weighbridge.manifest import Manifest
from weighbridge.registry import decisions, ledger

Sh = Callable[..., str]
TEST, OTHER = "7" * 64, "8" * 64
TAG = "flights@v1.0.0"


def named(content: str) -> str:
    return sha256_bytes(content.encode())


def decided(root: Path, content: str, test: str | None = TEST, kind: str = "release") -> None:
    record = (rejected if kind == "release" else failed)(content_sha256=named(content))
    ledger.append(root, record | ({"outcomes_sha256": test} if test else {}))


def released(root: Path, sh: Sh, *, keep_ledger: bool) -> None:
    """Commit the ledger beside the branch under a tag, as a release does; a clone has the tag and no ledger."""
    sh(root, "git", "add", "--force", ledger.FOLDER)
    tree = sh(root, "git", "write-tree").strip()
    sh(root, "git", "reset", "--quiet")
    made = sh(root, "git", "commit-tree", "-p", "HEAD", "-m", "Release", tree).strip()
    sh(root, "git", "tag", "--annotate", "--message=Release", TAG, made)
    if not keep_ledger:
        for path in sorted((root / ledger.FOLDER).rglob("*.json")):
            path.unlink()


@pytest.fixture
def last() -> Callable[..., Manifest]:
    """Make the last release's manifest, as far as it matters here."""

    def make(content: str, count: int | None, test: str = TEST) -> Manifest:
        gates = msgspec.defstruct("Gates", [("test_decisions", int | None)])(count)
        weighed = msgspec.defstruct("Weighing", [("outcomes_sha256", str)])(test)
        performance = msgspec.defstruct("Performance", [("test", object)])(weighed)
        artifacts = msgspec.defstruct("Artifacts", [("content_sha256", str)])(named(content))
        fields = {"gates": gates, "performance": performance, "artifacts": artifacts}
        return cast("Manifest", msgspec.defstruct("Manifest", [(name, object) for name in fields])(**fields))

    return make


def test_the_first_decision_is_one(repository: Path) -> None:
    assert decisions.count(repository, TEST, named("a"), None, None) == 1


def test_a_bundle_counts_once_however_often_it_was_refused(repository: Path) -> None:
    for content in ("a", "b", "a", "a"):
        decided(repository, content)
    assert decisions.count(repository, TEST, named("a"), None, None) == 2
    assert decisions.count(repository, TEST, named("c"), None, None) == 3


def test_other_rows_and_other_records_count_for_nothing(repository: Path) -> None:
    decided(repository, "b", OTHER)
    decided(repository, "c", None)
    decided(repository, "d", kind="attempt")
    assert decisions.count(repository, TEST, named("a"), None, None) == 1


@pytest.mark.parametrize("keep_ledger", [True, False])
def test_a_clone_without_a_ledger_goes_on_from_the_last_release(
    repository: Path, sh: Sh, last: Callable[..., Manifest], *, keep_ledger: bool
) -> None:
    for content in ("a", "b", "c"):
        decided(repository, content)
    released(repository, sh, keep_ledger=keep_ledger)
    previous = last("c", 3)
    assert decisions.count(repository, TEST, named("d"), previous, TAG) == 4
    assert decisions.count(repository, TEST, named("a"), previous, TAG) == 3, "decided before"
    decided(repository, "e")
    decided(repository, "b")
    assert decisions.count(repository, TEST, named("d"), previous, TAG) == 5


def test_peoples_own_settings_of_git_change_no_count(repository: Path, sh: Sh, last: Callable[..., Manifest]) -> None:
    for key in ("grep.lineNumber", "grep.column", "grep.fullName", "color.grep"):
        sh(repository, "git", "config", key, "always" if key == "color.grep" else "true")
    decided(repository, "a")
    released(repository, sh, keep_ledger=False)
    assert decisions.count(repository, TEST, named("a"), last("c", 2), TAG) == 2


def test_a_project_in_a_folder_of_its_own_has_a_ledger_of_its_own(
    repository: Path, sh: Sh, last: Callable[..., Manifest]
) -> None:
    project = repository / "config"
    decided(repository, "elsewhere")
    decided(project, "a")
    sh(repository, "git", "add", "--force", ".")
    sh(repository, "git", "commit", "--quiet", "--message=All")
    sh(repository, "git", "tag", "--annotate", "--message=Release", TAG)
    for path in sorted((project / ledger.FOLDER).rglob("*.json")):
        path.unlink()
    assert decisions.count(project, TEST, named("a"), last("c", 2), TAG) == 2
    assert decisions.count(project, TEST, named("elsewhere"), last("c", 2), TAG) == 3


def test_the_last_releases_own_count_holds_more_than_its_ledger(
    repository: Path, sh: Sh, last: Callable[..., Manifest]
) -> None:
    """It was itself released from a clone."""
    decided(repository, "c")
    released(repository, sh, keep_ledger=True)
    assert decisions.count(repository, TEST, named("d"), last("c", 7), TAG) == 8


def test_the_last_release_itself_is_not_counted_again(repository: Path, sh: Sh, last: Callable[..., Manifest]) -> None:
    decided(repository, "x", OTHER)
    released(repository, sh, keep_ledger=False)
    decided(repository, "c")
    assert decisions.count(repository, TEST, named("d"), last("c", 2), TAG) == 3


def test_a_last_release_that_counted_nothing_is_one_decision(
    repository: Path, sh: Sh, last: Callable[..., Manifest]
) -> None:
    decided(repository, "x", OTHER)
    released(repository, sh, keep_ledger=False)
    assert decisions.count(repository, TEST, named("d"), last("c", None), TAG) == 2


def test_new_rows_begin_anew_but_for_what_the_ledger_knows(
    repository: Path, sh: Sh, last: Callable[..., Manifest]
) -> None:
    decided(repository, "a", OTHER)
    decided(repository, "b")
    released(repository, sh, keep_ledger=False)
    assert decisions.count(repository, OTHER, named("d"), last("b", 9), TAG) == 2
    assert decisions.count(repository, "9" * 64, named("d"), last("b", 9), TAG) == 1


@given(st.lists(st.sampled_from("abcdef")), st.sampled_from("abcdef"))
def test_on_one_machine_it_is_the_number_of_different_bundles(before: list[str], now: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for content in before:
            decided(Path(folder), content)
        assert decisions.count(Path(folder), TEST, named(now), None, None) == len({*before, now})


def test_records_are_written_as_they_are_looked_for(repository: Path) -> None:
    """The search in a commit relies on canonical JSON: no space after the colon."""
    decided(repository, "a")
    (path,) = (repository / ledger.FOLDER).rglob("*.json")
    assert f'"outcomes_sha256":"{TEST}"' in path.read_text()
    assert json.loads(path.read_text())["content_sha256"] == named("a")


def test_a_record_of_a_release_that_nobody_could_read_stops_nothing(
    repository: Path, sh: Sh, last: Callable[..., Manifest]
) -> None:
    decided(repository, "one")
    deep = b'{"outcomes_sha256":"%s","parents":[],"x":%s}\n' % (TEST.encode(), b"[" * 100_000 + b"]" * 100_000)
    path = repository / ledger.path_of(ledger.digest_of(deep))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(deep)
    released(repository, sh, keep_ledger=False)
    assert decisions.count(repository, TEST, named("two"), last("one", None), TAG) == 2
