"""Trust comes from outside, or from one release to the next: a chain with a bad link proves nothing."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import ssh_keys

from weighbridge.errors import RecordError
from weighbridge.registry import commit, git, releases
from weighbridge.registry.notes import Notes
from weighbridge.registry.objects import Objects
from weighbridge.registry.tags import Tag, Version
from weighbridge.verification import trust
from weighbridge.verification.subject import Subject
from weighbridge.verification.trust import Trust

ADA, EVE = "ada@example.org", "eve@example.org"
Keys = dict[str, Path]
Make = Callable[[str, str | None], None]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    return {email: ssh_keys.make(folder, email.partition("@")[0]) for email in (ADA, EVE)}


@pytest.fixture
def release(repository: Path, example: Notes, keys: Keys) -> Make:
    """Make a release of a version, signed by somebody or not, in a project whose list names Ada alone."""
    (repository / "config/signers").mkdir()
    (repository / "config/signers/release").write_text(ssh_keys.listed(ADA, keys[ADA]))
    git.run(repository, "add", "config")
    git.run(repository, "commit", "--quiet", "--message=List who may release")

    def make(version: str, who: str | None) -> None:
        tag = Tag("flights", Version.parse(version))
        git.run(repository, "config", "tag.gpgSign", "true" if who else "false")
        ssh_keys.sign_with(repository, keys[who or ADA])
        commit.create(
            repository,
            tag=str(tag),
            message=releases.message(dataclasses.replace(example, tag=tag)),
            files={"models/flights.yaml": version.encode()},
            identity_env={"GIT_COMMITTER_NAME": "Someone", "GIT_COMMITTER_EMAIL": who or ADA},
            advance_branch=False,
        )

    return make


def signature(root: Path, version: str, given: Trust = Trust()) -> str:  # noqa: B008 - immutable
    with Objects(root) as objects:
        return trust.signature(Subject(root, Tag("flights", Version.parse(version)), objects), given)


def test_each_link_is_held_against_the_one_before(repository: Path, release: Make) -> None:
    release("1.0.0", None)
    release("1.1.0", ADA)
    release("1.2.0", ADA)
    said = signature(repository, "1.2.0")
    assert said.startswith(f"by {ADA} (SHA256:")
    assert "the chain of 2 signed releases begins at flights@v1.0.0, which is taken on trust" in said


def test_a_release_by_somebody_else_is_refused(repository: Path, release: Make) -> None:
    release("1.0.0", ADA)
    release("1.1.0", EVE)
    with pytest.raises(RecordError, match=EVE):
        signature(repository, "1.1.0")


def test_an_unsigned_release_is_refused_where_the_one_before_lists_signers(repository: Path, release: Make) -> None:
    release("1.0.0", ADA)
    release("1.1.0", None)
    with pytest.raises(RecordError, match="isn't signed"):
        signature(repository, "1.1.0")


def test_a_bad_link_in_between_breaks_the_chain(repository: Path, release: Make) -> None:
    release("1.0.0", ADA)
    release("1.1.0", EVE)
    release("1.2.0", ADA)
    with pytest.raises(RecordError, match=EVE):
        signature(repository, "1.2.0")


def test_a_list_from_outside_counts_alone(repository: Path, release: Make, keys: Keys) -> None:
    release("1.0.0", ADA)
    release("1.1.0", EVE)
    eves = Trust("a list", ssh_keys.listed(EVE, keys[EVE]).encode())
    assert "who may release by a list" in signature(repository, "1.1.0", eves)
    with pytest.raises(RecordError, match=ADA):
        signature(repository, "1.0.0", eves)
