"""The project that runs is the one in the working folder, wherever its engine lies."""

import sys
from pathlib import Path

import pytest

from weighbridge import paths
from weighbridge.root import find_root


@pytest.mark.parametrize("later", [[], ["here"]], ids=["absent", "behind the engine"])
def test_the_projects_modules_come_before_those_beside_the_engine(
    later: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An analysis in PYTHONPATH stands behind the engine, whose folder holds the example's ``project``."""
    root = tmp_path / "here"
    (root / paths.CONFIG).parent.mkdir(parents=True)
    (root / paths.CONFIG).touch()
    monkeypatch.chdir(root)
    monkeypatch.setattr(sys, "path", ["/engine", *(str(tmp_path / name) for name in later), "/others"])
    assert find_root() == root
    assert sys.path == [str(root), "/engine", "/others"]
