"""A release carries its own proofs, and is made by nobody whom the list of signers leaves out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import ssh_keys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from small_project import Project

from weighbridge.evidence import bill_of_materials, provenance
from weighbridge.registry import git, model_keys, releases, signers

pytestmark = pytest.mark.slow
TAG = "small@v1.0.0"
GRACE = "grace@example.org"


@pytest.fixture
def ready(finished: Project) -> Project:
    """All but the release is done, which is to be by who is listed, with a key for bundles."""
    finished.git("tag", "--delete", TAG)
    mine = ssh_keys.make(finished.root.parent, "grace")
    subprocess.run(model_keys.MAKE_KEY.split(), cwd=finished.root.parent, check=True, capture_output=True)
    finished.git("config", model_keys.SETTING, "../model-key.pem")
    file = finished.root / signers.path("release")
    file.parent.mkdir()
    file.write_text(ssh_keys.listed(GRACE, mine))
    finished.git("add", "config")
    finished.commit("Say who may release")
    return finished


def verified(project: Project, signature: bytes) -> subprocess.CompletedProcess[str]:
    """Let OpenSSF's own command hold the bundle's folder against a signature."""
    folder = project.root.parent
    (folder / "signature.json").write_bytes(signature)
    project.sh("openssl", "ec", "-in", "../model-key.pem", "-pubout", "-out", "../public.pem")
    command = [
        str(Path(sys.executable).with_name("model_signing")),
        "verify",
        "key",
        str(project.root / "models/small"),
    ]
    options = ["--signature", str(folder / "signature.json"), "--public_key", str(folder / "public.pem")]
    return subprocess.run([*command, *options], capture_output=True, text=True, check=False)


def test_only_who_is_listed_releases_and_the_release_proves_itself(ready: Project) -> None:
    root = ready.root
    ssh_keys.sign_with(root, ssh_keys.make(root.parent, "eve"))
    said = ready.refused("--forcerun", "release")
    assert "you may not release" in said
    assert f"isn't listed for {GRACE}" in said
    assert ready.tags() == []

    ssh_keys.sign_with(root, root.parent / "grace")
    ready.snakemake()
    assert ready.tags() == [TAG]
    release = releases.find(root, TAG)
    allowed = signers.at(root, release.commit, "release")
    assert allowed is not None
    assert signers.check_tag(root, release, allowed).principal == GRACE

    manifest = releases.manifest_of(root, release)

    def held(kind: str) -> bytes:
        return releases.blob(root, release.commit, f"models/small.{kind}.json")

    assert held("provenance").decode() == provenance.provenance(manifest)
    assert held("cdx").decode() == bill_of_materials.bill_of_materials(manifest)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(held("cdx").decode()) is None
    commit = json.loads(held("provenance"))["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert commit["digest"] == {"gitCommit": git.run(root, "rev-parse", f"{TAG}^{{commit}}^").decode().strip()}

    accepted = verified(ready, held("sig"))
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    model = root / "models/small/model.onnx"
    model.unlink()  # a link into the cache, which has to stay whole
    model.write_bytes(b"another model")
    assert verified(ready, held("sig")).returncode != 0
