"""A release's bundle is signed afterwards: only what its tag says it is, and only a release by who may release."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import ssh_keys
from click.testing import CliRunner
from cryptography.hazmat.primitives import serialization

from weighbridge import cli
from weighbridge.errors import RecordError, SettingsError, SetupError, WeighbridgeError
from weighbridge.manifest import Manifest
from weighbridge.registry import git, model_keys, model_signature, signers
from weighbridge.views import sign as view

Release = Callable[..., Manifest]
ADA = "ada@example.org"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """A private key, as openssl makes it."""
    subprocess.run(model_keys.MAKE_KEY.split(), cwd=tmp_path, check=True, capture_output=True)
    return tmp_path / "model-key.pem"


def public(key: Path) -> bytes:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return model_keys.load_key(key).public_key().public_bytes(serialization.Encoding.PEM, form)


def refused(root: Path, error: type[WeighbridgeError], ref: str = "v1.0.0", key: Path | None = None) -> str:
    target = root.parent / "refused.json"
    with pytest.raises(error) as caught:
        view.sign(root, ref, key, target)
    assert not target.exists()
    return str(caught.value)


@pytest.mark.parametrize("ref", ["v1.0.0", "flights@v1.0.0", "latest"])
def test_it_signs_what_the_manifest_names(project: Path, release: Release, key: Path, ref: str) -> None:
    made = release("1.0.0")
    target = project.parent / "signature.json"
    text = view.sign(project, ref, key, target)
    assert model_signature.check(target.read_bytes(), public(key), "flights", made.artifacts)
    assert f"model_signing verify key flights --signature {target}" in text
    assert "--rev flights@v1.0.0" in text


def test_gits_configuration_names_the_key_and_the_release_names_the_file(
    project: Path, release: Release, key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = release("1.0.0")
    git.run(project, "config", model_keys.SETTING, str(key))
    monkeypatch.chdir(project)
    done = CliRunner().invoke(cli.main, ["sign"])
    assert done.exit_code == 0, done.output
    content = (project / "flights-v1.0.0.sig.json").read_bytes()
    assert model_signature.check(content, public(key), "flights", made.artifacts)


def test_without_a_key_it_says_how_to_make_one(project: Path, release: Release) -> None:
    release("1.0.0")
    assert model_keys.MAKE_KEY in refused(project, SettingsError)


def test_what_is_no_release_is_refused(project: Path, key: Path, run: Callable[..., str]) -> None:
    assert "no release" in refused(project, SettingsError, key=key)
    assert "expected a release" in refused(project, SettingsError, ref=run(), key=key)


def test_a_file_that_can_not_be_written_is_said(project: Path, release: Release, key: Path) -> None:
    release("1.0.0")
    with pytest.raises(SetupError, match="give another --output"):
        view.sign(project, "v1.0.0", key, Path("/proc/no/such/folder/s.json"))


def test_a_release_that_is_not_by_who_may_is_not_vouched_for(project: Path, release: Release, key: Path) -> None:
    mine = ssh_keys.make(project.parent / "keys", "ada")
    file = project / signers.path("release")
    file.parent.mkdir()
    file.write_text(ssh_keys.listed(ADA, mine))
    git.run(project, "add", "config")
    git.run(project, "commit", "--quiet", "--message=Say who may")
    release("1.0.0")
    release("1.1.0")
    assert "isn't signed" in refused(project, RecordError, "v1.1.0", key)
    git.run(project, "tag", "--delete", "flights@v1.1.0")
    ssh_keys.sign_with(project, mine)
    git.run(project, "config", "tag.gpgSign", "true")
    release("1.2.0")
    assert "signed into" in view.sign(project, "v1.2.0", key, project.parent / "signature.json")
    git.run(project, "config", "tag.gpgSign", "false")
    release("1.3.0")
    git.run(project, "config", "tag.gpgSign", "true")
    release("1.4.0")
    assert "it rests on flights@v1.3.0, which is refused" in refused(project, RecordError, "v1.4.0", key)


def test_a_moved_tag_is_refused(project: Path, release: Release, key: Path) -> None:
    release("1.0.0")
    release("1.1.0", {"parameters.seed": 1})
    other = git.run(project, "rev-parse", "flights@v1.1.0^{commit}").decode().strip()
    raw = git.run(project, "cat-file", "tag", "flights@v1.0.0").split(b"\n", 1)[1]
    moved = git.run(project, "mktag", input=f"object {other}\n".encode() + raw).decode().strip()
    git.run(project, "update-ref", "refs/tags/flights@v1.0.0", moved)
    assert "don't trust it" in refused(project, RecordError, key=key)


def test_help_shows_how_to_make_keys() -> None:
    text = CliRunner().invoke(cli.main, ["sign", "--help"]).output
    for words in ("ssh-keygen -t ed25519", "openssl ecparam", "config/signers/release", "weighbridge sign v1.0.0"):
        assert words in text
