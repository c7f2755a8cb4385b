"""What is released here, other tools read with their own commands."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.registry import commit, content, releases
from weighbridge.registry.notes import Notes

Sh = Callable[..., str]
pytestmark = pytest.mark.slow


@pytest.fixture
def released(stored: Path, example: Notes) -> Path:
    """A repository whose release isn't on the branch, its content on the remote and nowhere else."""
    bundle = stored / "models" / "flights"
    bundle.mkdir(parents=True)
    (bundle / "model.onnx").write_bytes(b"a graph")
    content.push(stored, [content.add(stored, "models/flights")])
    pointer = (stored / "models" / "flights.dvc").read_bytes()
    text = releases.message(example)
    files = {"models/flights.dvc": pointer}
    commit.create(stored, tag=str(example.tag), message=text, files=files, identity_env={}, advance_branch=False)
    shutil.rmtree(stored / "models")
    shutil.rmtree(stored / ".dvc" / "cache")
    return stored


def test_dvc_gets_a_bundle_by_its_tag(released: Path, sh: Sh) -> None:
    sh(released.parent, sys.executable, "-m", "dvc", "get", str(released), "models/flights", "--rev", "flights@v1.2.0")
    assert (released.parent / "flights" / "model.onnx").read_bytes() == b"a graph"


def test_gto_shows_the_release(released: Path, sh: Sh) -> None:
    program = Path(sys.executable).with_name("gto")
    if not program.exists():
        pytest.skip("needs gto")
    assert "v1.2.0" in sh(released, str(program), "show", "flights")


def test_a_clone_at_the_tag_has_the_release(released: Path, sh: Sh) -> None:
    sh(released.parent, "git", "clone", "--quiet", "--branch=flights@v1.2.0", str(released), "clone")
    clone = released.parent / "clone"
    assert content.pull(clone, "models/flights.dvc")
    assert (clone / "models" / "flights" / "model.onnx").read_bytes() == b"a graph"
