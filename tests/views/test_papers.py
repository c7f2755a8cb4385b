"""A release's proofs follow from its manifest and keys; what stands in their way is told by ``check``, hours before."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import ssh_keys

from weighbridge.errors import RecordError, SetupError
from weighbridge.evidence import bill_of_materials, provenance
from weighbridge.manifest import Manifest
from weighbridge.registry import git, model_keys, model_signature, signers
from weighbridge.stages import papers
from weighbridge.views import check

Release = Callable[..., Manifest]
ADA = "ada@example.org"


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ada's key."""
    return ssh_keys.make(tmp_path_factory.mktemp("keys"), "ada")


def list_them(root: Path, text: str) -> None:
    """Commit a list of who may release."""
    file = root / signers.path("release")
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    git.run(root, "add", "config")
    git.run(root, "commit", "--quiet", "--message=Say who may")


def looked(root: Path) -> list[tuple[str, str]]:
    """Return level and words of what ``check`` finds about signing."""
    return [(each.level, each.found) for each in check._taken("signing", lambda: check._signing(root, ["flights"]))]


def test_without_a_key_they_follow_from_the_manifest_alone(project: Path, release: Release) -> None:
    made = release("1.0.0")
    assert papers.papers(project, made) == {
        "models/flights.provenance.json": provenance.provenance(made).encode(),
        "models/flights.cdx.json": bill_of_materials.bill_of_materials(made).encode(),
    }
    assert looked(project) == []


def test_with_a_key_the_bundle_is_signed(project: Path, release: Release, tmp_path: Path) -> None:
    made = release("1.0.0")
    subprocess.run(model_keys.MAKE_KEY.split(), cwd=tmp_path, check=True, capture_output=True)
    git.run(project, "config", model_keys.SETTING, str(tmp_path / "model-key.pem"))
    key = model_keys.load_key(tmp_path / "model-key.pem")
    signature = papers.papers(project, made)["models/flights.sig.json"]
    assert signature == model_signature.sign("flights", made.artifacts, key)
    assert looked(project) == [("ok", f"bundles with {tmp_path / 'model-key.pem'}")]


def test_a_key_that_will_not_do_stops_the_release_and_is_told_before(project: Path, release: Release) -> None:
    made = release("1.0.0")
    git.run(project, "config", model_keys.SETTING, "no-such-key.pem")
    with pytest.raises(SetupError, match="No such file") as caught:
        papers.papers(project, made)
    assert looked(project) == [("problem", str(caught.value))]


def test_the_list_that_counts_is_asked_for_and_signing_is_told_before(
    project: Path, release: Release, mine: Path
) -> None:
    assert papers.who_may_release(project, "flights") is None
    first = ssh_keys.listed(ADA, mine)
    list_them(project, first)
    assert papers.who_may_release(project, "flights") == first.encode()
    release("1.0.0")
    list_them(project, ssh_keys.listed("eve@example.org", mine))
    assert papers.who_may_release(project, "flights") == first.encode()
    assert [level for level, words in looked(project) if "git config gpg.format ssh" in words] == ["problem"]
    ssh_keys.sign_with(project, mine)
    assert looked(project) == [("ok", f"tags with {mine}, by config/signers/release")]


def test_a_damaged_list_stops_the_release_that_would_carry_it_on(project: Path, mine: Path) -> None:
    list_them(project, f"{ssh_keys.listed(ADA, mine)}nonsense\n")
    with pytest.raises(RecordError, match="config/signers/release:2: no signer"):
        papers.who_may_release(project, "flights")
    assert [level for level, _ in looked(project)] == ["problem"]


def test_before_the_first_commit_nothing_is_said(tmp_path: Path) -> None:
    git.run(tmp_path, "init", "--quiet")
    assert looked(tmp_path) == []
