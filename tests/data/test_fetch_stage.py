"""fetch: what the project's own function may bring, and how it is told where it fails."""

from pathlib import Path

import pytest

from weighbridge import paths
from weighbridge.errors import DataError
from weighbridge.stages import fetch
from weighbridge.tasks import FetchTask


def linking(folder: Path) -> None:
    (folder / "rows.csv").write_text("id,y\n")
    (folder / "elsewhere.csv").symlink_to("/etc/hostname")


def failing(folder: Path) -> None:
    raise ValueError(f"no rows for {folder.is_dir()}")


@pytest.mark.parametrize(
    ("function", "says"),
    [("linking", "wrote the link 'elsewhere.csv'"), ("failing", "fails.*: ValueError: no rows for True")],
)
def test_links_and_failures_are_told_in_words_and_leave_nothing(tmp_path: Path, function: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        fetch.run(tmp_path, FetchTask(fetch=f"{__name__}:{function}", address=None))
    assert list((tmp_path / paths.RAW).parent.iterdir()) == []
