"""A link that a commit brings carries nothing out of the project."""

from pathlib import Path

import pytest
from small_project import Project

from weighbridge import links, running
from weighbridge.errors import SetupError

FOLDERS = ("results", "logs", "models", "data", "runs", "approvals", "data/raw", "data/processed", "models/small")


@pytest.mark.parametrize("place", [*FOLDERS, "results/runs", "results/weighing/weighing.yaml", "logs/train/a.log",
                                   "models/metrics.yaml", "models/plots", "runs/0a"])  # fmt: skip
def test_a_link_is_refused_wherever_the_pipeline_writes(place: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    outside.mkdir()
    (root / place).parent.mkdir(parents=True)
    links.refuse(root, "small")
    (root / place).symlink_to(outside)
    with pytest.raises(SetupError) as caught:
        links.refuse(root, "small")
    assert f"  {place} -> {outside}" in str(caught.value)
    assert "git rm" in str(caught.value)


def test_a_link_into_the_project_itself_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / ".git/hooks").mkdir(parents=True)
    (tmp_path / "models").mkdir()
    (tmp_path / "models/small").symlink_to("../.git/hooks")
    with pytest.raises(SetupError, match=r"models/small -> \.\./\.git/hooks"):
        links.refuse(tmp_path, "small")


def test_files_that_dvc_has_linked_into_its_cache_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("1")
    for folder in ("data/raw", "data/processed", "models/small"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "file").symlink_to(tmp_path / "cache")
    links.refuse(tmp_path, "small")
    assert (tmp_path / "data/raw/file").is_symlink()


def test_many_links_are_not_all_listed(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    for number in range(9):
        (tmp_path / "results" / str(number)).symlink_to("/")
    with pytest.raises(SetupError, match="and 4 more"):
        links.refuse(tmp_path, "small")


@pytest.mark.parametrize("place", ["results", "models", "models/small", "data", "data/processed", "approvals"])
def test_what_a_killed_run_left_is_not_swept_away_through_a_link(place: str, tmp_path: Path) -> None:
    root, outside = tmp_path / "project", tmp_path / "outside"
    left = ".weighbridge-tmp-abcd1234"
    for folder in (outside, outside / "processed", outside / "small", root / ".snakemake/locks", root / "logs"):
        folder.mkdir(parents=True)
        (folder / left).write_text("half")
    (root / ".snakemake/locks/0.output.lock").touch()
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).symlink_to(outside)
    (root / "runs/0a").mkdir(parents=True)
    (root / "runs/0a" / left).write_text("half")
    running._sweep(root)
    assert not (root / "runs/0a" / left).exists(), "what is our own is swept away"
    assert sorted(path.name for path in outside.rglob("*") if path.is_file()) == [left] * 3


@pytest.mark.slow
@pytest.mark.parametrize("place", ["results", "models/small", "data/raw"])
def test_a_clone_with_such_a_link_writes_nothing_outside(place: str, fresh: Project) -> None:
    outside = fresh.root.parent / "outside"
    outside.mkdir()
    (outside / "mine.txt").write_text("precious")
    target = fresh.root / place
    if target.exists():
        target.rename(fresh.root.parent / "aside")
    target.symlink_to(outside)
    fresh.git("add", "--force", place)
    fresh.git("commit", "--quiet", "--message=Bring a link")
    done = fresh.attempt("snakemake", "--cores", "1")
    assert done.code != 0
    assert "Traceback" not in done.text
    assert f"{place} -> {outside}" in done.text
    written = [path.name for path in outside.rglob("*") if path.is_file()]
    assert [name for name in written if not name.startswith(".")] == ["mine.txt"]
    assert (outside / "mine.txt").read_text() == "precious"
