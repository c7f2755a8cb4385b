"""Trust comes from outside, or from one release to the next: a chain with a bad link proves nothing."""

import dataclasses
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import ssh_keys

from weighbridge.errors import RecordError, SetupError
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


def test_a_list_that_somebody_slipped_in_begins_no_chain(repository: Path, release: Make, keys: Keys) -> None:
    """Neither by a release that lists nobody, nor by the one after it, which lists the forger."""
    release("1.0.0", ADA)
    git.run(repository, "rm", "--quiet", "config/signers/release")
    git.run(repository, "commit", "--quiet", "--message=List nobody")
    release("1.0.1", None)
    write(repository / "config/signers/release", ssh_keys.listed(EVE, keys[EVE]))
    git.run(repository, "add", "config")
    git.run(repository, "commit", "--quiet", "--message=List Eve")
    release("1.0.2", None)
    release("1.0.3", EVE)
    for version in ("1.0.2", "1.0.3"):
        with pytest.raises(RecordError, match=r"it rests on flights@v1\.0\.1, which is refused: .* isn't signed"):
            signature(repository, version)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def replace(root: Path, named: str, content: bytes) -> None:
    """Put other bytes under the name of a loose object; Git itself doesn't look."""
    name, kind = (git.run(root, *words, named).decode().strip() for words in (("rev-parse",), ("cat-file", "-t")))
    file = root / ".git/objects" / name[:2] / name[2:]
    file.chmod(0o644)
    file.write_bytes(zlib.compress(f"{kind} {len(content)}\0".encode() + content))


def test_a_list_whose_object_was_replaced_is_refused(repository: Path, release: Make, keys: Keys) -> None:
    release("1.0.0", None)
    release("1.0.1", EVE)
    replace(repository, "flights@v1.0.0:config/signers/release", ssh_keys.listed(EVE, keys[EVE]).encode())
    assert EVE.encode() in git.run(repository, "show", "flights@v1.0.0:config/signers/release")
    with pytest.raises(RecordError, match="damaged or forged"):
        signature(repository, "1.0.1")


def test_a_release_before_whose_tag_was_replaced_is_refused(repository: Path, release: Make, keys: Keys) -> None:
    release("1.0.0", None)
    write(repository / "config/signers/release", ssh_keys.listed(EVE, keys[EVE]))
    git.run(repository, "commit", "--quiet", "--all", "--message=List Eve")
    release("1.0.1", EVE)
    raw = git.run(repository, "cat-file", "tag", "flights@v1.0.0")
    others = git.run(repository, "rev-parse", "HEAD").strip()
    replace(repository, "flights@v1.0.0", raw.replace(raw.split()[1], others))
    with pytest.raises((RecordError, SetupError)):
        signature(repository, "1.0.1")


def test_a_day_before_that_of_the_release_before_is_refused(
    repository: Path, release: Make, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key that has expired since, whose day it names."""
    release("1.0.0", ADA)
    monkeypatch.setenv("GIT_COMMITTER_DATE", "2020-01-01T00:00:00Z")
    release("1.0.1", ADA)
    adas = ssh_keys.listed(ADA, keys[ADA]).encode()
    for given in (Trust(), Trust("a list", adas)):
        with pytest.raises(RecordError, match=r"flights@v1\.0\.1 says it was made before flights@v1\.0\.0"):
            signature(repository, "1.0.1", given)


def test_a_list_from_outside_counts_alone(repository: Path, release: Make, keys: Keys) -> None:
    release("1.0.0", ADA)
    release("1.1.0", EVE)
    eves = Trust("a list", ssh_keys.listed(EVE, keys[EVE]).encode())
    assert "who may release by a list" in signature(repository, "1.1.0", eves)
    with pytest.raises(RecordError, match=ADA):
        signature(repository, "1.0.0", eves)
