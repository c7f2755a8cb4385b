"""What verify reads comes from DVC's cache, or from its remote without a trace in the project; offline it doesn't."""

import contextlib
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from weighbridge.digest import folder_entries, sha256_file
from weighbridge.errors import SetupError
from weighbridge.registry import content, storage
from weighbridge.verification.steps import UnprovedError
from weighbridge.verification.stored import Stored


def everything(root: Path) -> dict[str, str]:
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in root.rglob("*") if path.is_file()}


@contextlib.contextmanager
def at(root: Path, *, offline: bool) -> Iterator[Stored]:
    with contextlib.ExitStack() as stack:
        folder = root.parent / "temporary"
        folder.mkdir()
        yield Stored(root, folder, stack.enter_context(ThreadPoolExecutor(1)), stack, offline=offline)


@pytest.fixture
def pushed(stored: Path) -> Path:
    """A project whose data is on a remote alone, which its configuration names relative to itself."""
    content.push(stored, [content.add(stored, "data/raw")])
    config = stored / ".dvc/config"
    config.write_text(config.read_text().replace(str(stored.parent), "../.."))
    for folder in (".dvc/cache", ".dvc/tmp"):
        shutil.rmtree(stored / folder)
    return stored


def test_the_remote_is_read_without_a_trace_in_the_project(pushed: Path) -> None:
    before = everything(pushed)
    with at(pushed, offline=False) as stored:
        found = stored.listed((pushed / "data/raw.dvc").read_bytes(), "raw", None)
        digests = {path: sha256_file(place) for path, place in found.items()}
    assert digests == {entry.path: entry.sha256 for entry in folder_entries(pushed / "data/raw")}
    assert everything(pushed) == before
    assert not (pushed / ".dvc/tmp").exists()


def test_offline_the_remote_is_not_asked(pushed: Path) -> None:
    with at(pushed, offline=True) as stored, pytest.raises(UnprovedError, match=r"not in DVC's cache; without --off"):
        stored.listed((pushed / "data/raw.dvc").read_bytes(), "raw", None)
    assert list((pushed.parent / "temporary").iterdir()) == []


def test_offline_the_cache_is_enough(stored: Path) -> None:
    content.add(stored, "data/raw")
    with at(stored, offline=True) as found:
        listed = found.listed((stored / "data/raw.dvc").read_bytes(), "raw", None)
    assert set(listed) == {entry.path for entry in folder_entries(stored / "data/raw")}


def test_a_project_without_dvc_is_told_so(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="dvc init"), storage.opened(repository, tmp_path):
        pytest.fail("it was opened")
