"""A release is by whom the release before it lets release; a tag or commit that isn't, or was touched, is refused."""

import dataclasses
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import ssh_keys

from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import allowed_signers, commit, git, releases, signers
from weighbridge.registry.notes import Notes
from weighbridge.registry.objects import Objects
from weighbridge.registry.tags import Tag, Version

ADA, GRACE, EVE = "ada@example.org", "grace@example.org", "eve@example.org"
Keys = dict[str, Path]
Make = Callable[..., releases.Release]


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """A key for each of the three."""
    folder = tmp_path_factory.mktemp("keys")
    return {email: ssh_keys.make(folder, email.partition("@")[0]) for email in (ADA, GRACE, EVE)}


def listing(keys: Keys, *emails: str) -> bytes:
    return "".join(ssh_keys.listed(email, keys[email]) for email in emails).encode()


def write(root: Path, role: signers.Role, text: bytes | None) -> None:
    """Commit a list, or its absence."""
    file = root / signers.path(role)
    if text is None:
        git.run(root, "rm", "--quiet", signers.path(role))
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        git.run(root, "add", signers.path(role))
    git.run(root, "commit", "--quiet", "--message=Say who may")


def by_the_one_before(root: Path, release: releases.Release, role: signers.Role) -> bytes | None:
    with Objects(root) as objects:
        return signers.Chain(root, objects).allowed(release, role)[1]


@pytest.fixture
def release(repository: Path, example: Notes, keys: Keys) -> Make:
    """Make a release of a version as one of the three: held against a list, or signed unasked, or not signed."""

    def make(
        version: str, who: str = ADA, allowed: bytes | None = None, *, key: str = "", sign: bool = True
    ) -> releases.Release:
        tag = Tag("flights", Version.parse(version))
        ssh_keys.sign_with(repository, keys[key or who])
        git.run(repository, "config", "tag.gpgSign", "true" if sign else "false")
        commit.create(
            repository,
            tag=str(tag),
            message=releases.message(dataclasses.replace(example, tag=tag)),
            files={"models/flights.yaml": version.encode()},
            identity_env={"GIT_COMMITTER_NAME": "Someone", "GIT_COMMITTER_EMAIL": who},
            advance_branch=False,
            allowed=allowed,
        )
        return releases.find(repository, str(tag))

    return make


def refused(root: Path, release: releases.Release, allowed: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        signers.check_tag(root, release, allowed)
    return str(caught.value)


def test_who_signed_is_told_with_the_key(repository: Path, release: Make, keys: Keys) -> None:
    allowed = listing(keys, ADA, GRACE)
    (entry,) = allowed_signers.read(listing(keys, GRACE), "list")
    found = signers.check_tag(repository, release("1.0.0", GRACE), allowed)
    assert found == signers.Signed(GRACE, entry.fingerprint)


def test_a_tag_that_is_not_by_its_tagger_is_refused(repository: Path, release: Make, keys: Keys) -> None:
    allowed = listing(keys, ADA, GRACE)
    assert "isn't signed" in refused(repository, release("1.0.0", sign=False), allowed)
    assert f"isn't listed for {EVE}" in refused(repository, release("1.0.1", EVE), allowed)
    # Eve's own key under Ada's address, and Grace's key, which is listed, under Ada's address.
    assert f"isn't listed for {ADA}" in refused(repository, release("1.0.2", ADA, key=EVE), allowed)
    assert f"listed for {GRACE}; expected one of {ADA}" in refused(
        repository, release("1.0.3", ADA, key=GRACE), allowed
    )


def forge(root: Path, release: releases.Release, old: bytes, new: bytes) -> releases.Release:
    """Put an altered tag object in place of a release's."""
    raw = git.run(root, "cat-file", "tag", release.object)
    assert raw.count(old) == 1
    made = git.run(root, "hash-object", "-w", "-t", "tag", "--literally", "--stdin", input=raw.replace(old, new))
    git.run(root, "update-ref", release.tag.ref, made.decode().strip())
    return dataclasses.replace(release, object=made.decode().strip())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b"boosting", b"logistic"), "what it signs was changed"),
        ((b"tagger Someone", b"tagger Somebody"), "what it signs was changed"),
        ((ADA.encode(), GRACE.encode()), "what it signs was changed"),
        ((b"type commit", b"type tree"), "isn't of the shape"),
        ((b"\ntagger", b"\nencoding x\ntagger"), "isn't of the shape"),
        ((b"-----END SSH SIGNATURE-----\n", b"-----END SSH SIGNATURE-----\nmore\n"), "text after it"),
        ((b"-----BEGIN SSH SIGNATURE-----", b"-----BEGIN PGP SIGNATURE-----"), "signed with OpenPGP"),
        ((b"-----BEGIN SSH", b"-----BEGIN SSH SIGNATURE-----\nx\n-----BEGIN SSH"), "more than one signature"),
        ((b"-----BEGIN SSH SIGNATURE-----", b"----- SSH -----"), "isn't signed"),
    ],
)
def test_an_altered_tag_is_refused(
    release: Make, keys: Keys, change: tuple[bytes, bytes], said: str, repository: Path
) -> None:
    forged = forge(repository, release("1.0.0"), *change)
    assert said in refused(repository, forged, listing(keys, ADA, GRACE))


def test_the_object_of_another_tag_or_commit_is_refused(repository: Path, release: Make, keys: Keys) -> None:
    allowed = listing(keys, ADA)
    first, second = release("1.0.0"), release("1.1.0")
    renamed = dataclasses.replace(second, object=first.object)
    assert "of another tag or commit" in refused(repository, renamed, allowed)
    moved = dataclasses.replace(first, commit=second.commit)
    assert "of another tag or commit" in refused(repository, moved, allowed)


def test_an_object_whose_bytes_are_not_its_names_is_refused(repository: Path, release: Make, keys: Keys) -> None:
    """By Git where the object lies alone; in a pack Git doesn't look."""
    first, second = release("1.0.0"), release("1.1.0")
    folder = repository / ".git" / "objects"
    target, source = (folder / one.object[:2] / one.object[2:] for one in (first, second))
    target.chmod(0o644)
    target.write_bytes(source.read_bytes())
    with pytest.raises((RecordError, SetupError)):
        signers.check_tag(repository, first, listing(keys, ADA))


def test_what_counts_is_the_list_of_the_release_before(repository: Path, release: Make, keys: Keys) -> None:
    unlisted = release("0.9.0", sign=False)
    assert signers.for_next(repository, "flights") is None
    write(repository, "release", listing(keys, ADA))
    assert signers.for_next(repository, "trains") == listing(keys, ADA), "the first one, by its own list"
    assert signers.for_next(repository, "flights") == listing(keys, ADA), "so is the one that brings the list"
    first = release("1.0.0")
    write(repository, "release", listing(keys, EVE))
    assert signers.for_next(repository, "flights") == listing(keys, ADA), "a change takes effect one release later"
    second = release("1.1.0")
    third = release("1.2.0")
    assert signers.previous(repository, unlisted) is None
    assert by_the_one_before(repository, unlisted, "release") is None
    assert signers.previous(repository, first) == unlisted
    assert by_the_one_before(repository, first, "release") is None
    assert by_the_one_before(repository, second, "release") == listing(keys, ADA)
    assert by_the_one_before(repository, third, "release") == listing(keys, EVE)
    assert by_the_one_before(repository, third, "approve") is None


def test_a_tag_that_is_no_release_is_no_release_before(repository: Path, release: Make, keys: Keys) -> None:
    write(repository, "release", listing(keys, ADA))
    first = release("1.0.0")
    write(repository, "release", listing(keys, EVE))
    git.run(repository, "tag", "--annotate", "--message=Mine", "--no-sign", "flights@v1.0.1")
    second = release("1.1.0")
    assert signers.previous(repository, second) == first


def test_where_a_list_is_given_the_tag_is_signed_or_not_made(repository: Path, release: Make, keys: Keys) -> None:
    allowed = listing(keys, ADA)
    made = release("1.0.0", ADA, allowed, sign=False)
    assert signers.check_tag(repository, made, allowed).principal == ADA
    before = git.run(repository, "for-each-ref")
    for who, key, said in ((EVE, EVE, "isn't listed"), (EVE, ADA, "expected one of eve"), (ADA, EVE, "isn't listed")):
        with pytest.raises(SetupError, match=said) as caught:
            release("1.1.0", who, allowed, key=key)
        assert "you may not release" in str(caught.value)
    assert git.run(repository, "for-each-ref") == before


@pytest.mark.parametrize("unset", ["gpg.format", "user.signingKey"])
def test_without_a_key_it_says_how_to_set_git_up(repository: Path, keys: Keys, example: Notes, unset: str) -> None:
    ssh_keys.sign_with(repository, keys[ADA])
    git.run(repository, "config", "--unset", unset)
    with pytest.raises(SetupError, match=r"git config gpg\.format ssh"):
        commit.create(
            repository,
            tag=str(example.tag),
            message=releases.message(example),
            files={},
            identity_env={},
            advance_branch=False,
            allowed=listing(keys, ADA),
        )
    assert releases.releases(repository) == ()


def test_a_list_that_is_a_link_is_refused(repository: Path) -> None:
    target = repository / signers.path("release")
    target.parent.mkdir()
    target.symlink_to("/etc/passwd")
    git.run(repository, "add", "config")
    git.run(repository, "commit", "--quiet", "--message=Link")
    with pytest.raises(RecordError, match="expected a regular file"):
        signers.at(repository, "HEAD", "release")


@pytest.mark.parametrize("text", [b"nonsense\n", b"# nobody\n"])
def test_a_damaged_list_is_refused_before_it_shuts_everyone_out(repository: Path, keys: Keys, text: bytes) -> None:
    write(repository, "approve", listing(keys, ADA))
    signers.require_sound(repository)
    write(repository, "approve", text)
    with pytest.raises(RecordError, match="config/signers/approve"):
        signers.require_sound(repository)


def test_who_is_let_in_besides_is_named(repository: Path, release: Make, keys: Keys) -> None:
    write(repository, "release", listing(keys, ADA))
    tag = str(release("1.0.0").tag)
    write(repository, "approve", listing(keys, GRACE))
    assert signers.loosened(repository, tag) == ()
    write(repository, "release", listing(keys, ADA, EVE))
    (words,) = signers.loosened(repository, tag)
    assert words.startswith(f"config/signers/release: added {EVE} (ssh-ed25519 SHA256:")
    write(repository, "release", None)
    assert signers.loosened(repository, tag) == ("config/signers/release: removed, so that anyone may sign",)


def commit_as(root: Path, author: str, key: Path | None, *, committer: str = "", amend: bool = False) -> str:
    """Commit as somebody, signed with a key or not, and return the commit."""
    env: Mapping[str, str] = {
        **os.environ, "GIT_AUTHOR_NAME": "Someone", "GIT_AUTHOR_EMAIL": author, "GIT_COMMITTER_NAME": "Someone",
        "GIT_COMMITTER_EMAIL": committer or author,
    }  # fmt: skip
    if key:
        ssh_keys.sign_with(root, key)
    options = ["--amend", "--no-edit"] if amend else ["--message=Approve\n\n-----BEGIN SSH SIGNATURE-----"]
    sign = "--gpg-sign" if key else "--no-gpg-sign"
    command = ["git", "commit", "--quiet", "--allow-empty", sign, *options]
    subprocess.run(command, cwd=root, env=env, check=True, capture_output=True)
    return git.head(root)


def commit_refused(root: Path, name: str, allowed: bytes) -> str:
    with pytest.raises(RecordError) as caught:
        signers.check_commit(root, name, allowed)
    return str(caught.value)


def test_a_commit_is_by_its_author(repository: Path, keys: Keys) -> None:
    allowed = listing(keys, ADA, GRACE)
    signed = commit_as(repository, GRACE, keys[GRACE])
    assert signers.check_commit(repository, signed[:10], allowed).principal == GRACE
    assert "isn't signed" in commit_refused(repository, commit_as(repository, GRACE, None), allowed)
    assert "isn't listed" in commit_refused(repository, commit_as(repository, EVE, keys[EVE]), allowed)
    # Ada signs again what Grace had said, as `git commit --amend` does.
    commit_as(repository, GRACE, keys[GRACE])
    amended = commit_as(repository, "", keys[ADA], committer=ADA, amend=True)
    assert f"listed for {ADA}; expected one of {GRACE}" in commit_refused(repository, amended, allowed)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"\n\nApprove", b"\n\nRefuse", "what it signs was changed"),
        (GRACE.encode(), ADA.encode(), "what it signs was changed"),
        (b"gpgsig ", b"gpgsig-sha256 x\ngpgsig ", "more than one signature"),
        (b"-----BEGIN SSH SIGNATURE-----\n ", b"-----BEGIN PGP SIGNATURE-----\n ", "signed with OpenPGP"),
        (b"\nauthor ", b"\nauthor Eve <eve@example.org> 1 +0000\nauthor ", "isn't of the shape"),
    ],
)
def test_an_altered_commit_is_refused(repository: Path, keys: Keys, old: bytes, new: bytes, said: str) -> None:
    raw = git.run(repository, "cat-file", "commit", commit_as(repository, GRACE, keys[GRACE]))
    assert old in raw
    altered = raw.replace(old, new, 1)
    name = git.run(repository, "hash-object", "-w", "-t", "commit", "--literally", "--stdin", input=altered)
    assert said in commit_refused(repository, name.decode().strip(), listing(keys, ADA, GRACE))
