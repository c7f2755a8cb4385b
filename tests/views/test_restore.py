"""restore brings back what a release is made of, checked; nothing that isn't kept elsewhere is replaced."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from weighbridge import documents, paths, plan
from weighbridge.digest import FileEntry, folder_entries, sha256_file, sha256_folder
from weighbridge.errors import DataError, RecordError, SettingsError
from weighbridge.manifest import DataSection
from weighbridge.registry import commit, content, git, releases
from weighbridge.tasks import plain
from weighbridge.views import restore

Make = Callable[..., Any]
BUNDLE = Path("models/flights")
FOLDERS = (paths.RAW, paths.PROCESSED, BUNDLE, paths.PREDICTIONS)
TAG = "flights@v1.0.0"


@pytest.fixture(autouse=True)
def _own_dvc(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    home = str(tmp_path_factory.mktemp("home"))
    for name in ("HOME", "XDG_CONFIG_HOME", "DVC_GLOBAL_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
        monkeypatch.setenv(name, home)


def fill(root: Path, folder: Path, **texts: str) -> tuple[FileEntry, ...]:
    """Replace a folder's files and give them to DVC."""
    shutil.rmtree(root / folder, ignore_errors=True)
    for name, text in texts.items():
        documents.write(root / folder / name.replace("__", "."), text)
    content.add(root, folder)
    return folder_entries(root / folder)


@pytest.fixture
def released(project: Path, altered: Make) -> Path:
    """A project with a release of small files, and all of them in DVC's cache."""
    from dvc.repo import Repo

    Repo.init(str(project)).close()
    raw = fill(project, paths.RAW, rows__csv="late\n1\n")
    bundle = fill(project, BUNDLE, model__onnx="a model", README__md="how to use it")
    parts = {f"{name}__parquet": f"rows of {name}" for name in paths.SPLITS}
    fill(project, paths.PROCESSED, **parts)
    documents.write(project / paths.PREDICTIONS, "predictions of test")
    content.add(project, paths.PREDICTIONS)
    splits = {f"data.splits.{name}.sha256": sha256_file(project / paths.split(name)) for name in paths.SPLITS}
    artifacts = [{**msgspec.to_builtins(entry), "role": "a file"} for entry in bundle]
    changes = {
        **splits,
        "data.raw": {"sha256": sha256_folder(raw), "dvc": "a" * 32 + ".dir", "files": msgspec.to_builtins(raw)},
        "artifacts.files": artifacts,
        "performance.test.predictions_sha256": sha256_file(project / paths.PREDICTIONS),
        "parameters.settings": plain(plan.load(project)),
    }
    data: DataSection = altered(changes).data
    fill(project, paths.PROCESSED, **parts, profile__yaml=documents.dump(data))
    git.run(project, "add", "data/raw.dvc", "data/.gitignore", "models/.gitignore", ".dvc", ".dvcignore")
    git.run(project, "commit", "--quiet", "--message=Add data")
    make_release(project, altered, "1.0.0", changes)
    return project


def make_release(project: Path, altered: Make, version: str, changes: dict[str, Any]) -> None:
    """Make a release with the pointers that lie there."""
    from weighbridge.digest import sha256_bytes
    from weighbridge.registry.tags import Tag, Version

    made = altered({**changes, "model_info.version": version, "code.commit": git.head(project)})
    text = documents.dump(made).encode()
    notes = releases.Notes(
        tag=Tag("flights", Version.parse(version)), bump="first", reasons=("the first release",), candidate="boosting",
        primary="roc_auc", metrics=made.performance.test.metrics, verdict="pass", content_sha256="9" * 64,
        manifest_sha256=sha256_bytes(text), ledger_root="0" * 64, ledger_count=0,
    )  # fmt: skip
    pointers = {f"{folder}.dvc": (project / f"{folder}.dvc").read_bytes() for folder in FOLDERS}
    commit.create(
        project,
        tag=str(notes.tag),
        message=releases.message(notes),
        files={"models/flights.yaml": text, **pointers},
        identity_env={},
        advance_branch=False,
    )


def state(root: Path) -> dict[str, str]:
    """Return what lies in the working tree, DVC's own scratch files aside."""
    left_out = (root / ".git", root / ".dvc", root / ".snakemake", root / "results")
    files = (
        path for path in root.rglob("*") if path.is_file() and not any(path.is_relative_to(one) for one in left_out)
    )
    return {path.relative_to(root).as_posix(): sha256_file(path) for path in files}


def test_a_folder_holds_all_of_it_and_nothing_else(released: Path, tmp_path: Path) -> None:
    expected = {
        path: sha for path, sha in state(released).items()
        if path.startswith(("config/", "data/", "models/")) and not path.endswith(".gitignore")
    }  # fmt: skip
    before = state(released)
    text = restore.restore(released, "v1.0.0", tmp_path / "new/there")
    found = state(tmp_path / "new/there")
    assert found.pop("models/flights.yaml") == releases.find(released, TAG).notes.manifest_sha256
    assert found == expected
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["there"]
    assert state(released) == before
    assert f"{TAG} restored: 7 files" in text


def test_a_folder_in_use_is_left_alone(released: Path, tmp_path: Path) -> None:
    documents.write(tmp_path / "used/mine.txt", "mine")
    for to in (tmp_path / "used", tmp_path / "used/mine.txt", tmp_path / "used/mine.txt/below"):
        with pytest.raises(SettingsError, match="--to"):
            restore.restore(released, "v1.0.0", to)
    assert state(tmp_path / "used") == {"mine.txt": sha256_file(tmp_path / "used/mine.txt")}


def test_the_working_tree_is_as_it_was_after_everything_was_committed_and_changed(released: Path) -> None:
    before = state(released)
    fill(released, BUNDLE, model__onnx="another model", extra__txt="more")
    fill(released, paths.RAW, rows__csv="late\n0\n")
    shutil.rmtree(released / paths.PROCESSED)
    documents.write(released / paths.PREDICTIONS, "other predictions")
    content.add(released, paths.PREDICTIONS)
    config = (released / paths.CONFIG).read_text()
    documents.write(released / paths.CONFIG, config.replace("max_iter: 200", "max_iter: 7"))
    git.run(released, "commit", "--quiet", "--all", "--message=Change it")
    text = restore.restore(released, "v1.0.0", None)
    assert state(released) == before
    for place in (
        "config/config.yaml",
        "data/raw.dvc",
        "data/raw",
        "data/processed",
        "models/flights",
        "models/flights.dvc",
        "models/predictions.parquet",
    ):
        assert f"\n  {place}" in text
    assert "is here already" in restore.restore(released, "v1.0.0", None)
    assert git.dirty_files(released, ["config", "data/raw.dvc"]) == ("config/config.yaml", "data/raw.dvc")


def test_what_was_replaced_is_still_in_the_cache(released: Path, tmp_path: Path) -> None:
    other = fill(released, BUNDLE, model__onnx="another model")
    pointer = (released / "models/flights.dvc").read_bytes()
    restore.restore(released, "v1.0.0", None)
    content.materialise(released, pointer, tmp_path / "other")
    assert folder_entries(tmp_path / "other") == other


def edit_settings(root: Path) -> str:
    with (root / paths.CONFIG).open("a") as stream:
        stream.write("# a thought\n")
    return "config/config.yaml: differs from HEAD"


def keep_settings_from_git(root: Path) -> str:
    git.run(root, "rm", "--quiet", "--cached", "config/critical_cases.csv")
    git.run(root, "commit", "--quiet", "--message=Keep the cases to myself")
    documents.write(root / "config/critical_cases.csv", "mine\n")
    return "config/critical_cases.csv: differs from HEAD"


def hide_an_edit(root: Path) -> str:
    git.run(root, "update-index", "--assume-unchanged", "config/gates.yaml")
    documents.write(root / paths.GATES, "gates: {}\n")
    return "config/gates.yaml: differs from HEAD"


def edit_the_bundle(root: Path) -> str:
    documents.write(root / BUNDLE / "model.onnx", "by hand")
    return "models/flights: holds what DVC's cache doesn't"


def edit_the_predictions(root: Path) -> str:
    documents.write(root / paths.PREDICTIONS, "by hand")
    return "models/predictions.parquet: holds what DVC's cache doesn't"


def add_raw_rows(root: Path) -> str:
    documents.write(root / paths.RAW / "more.csv", "late\n1\n")
    return "data/raw: holds what DVC's cache doesn't"


def damage_the_cache_of_other_rows(root: Path) -> str:
    fill(root, paths.RAW, rows__csv="late\n0\n")
    damaged = next(
        path for path in (root / ".dvc/cache").rglob("*") if path.is_file() and path.read_bytes() == b"late\n0\n"
    )
    damaged.chmod(0o644)
    damaged.write_text("late\n9\n")
    return "data/raw: holds what DVC's cache doesn't"


def link_the_bundle(root: Path) -> str:
    (root / BUNDLE).rename(root.parent / "elsewhere")
    (root / BUNDLE).symlink_to(root.parent / "elsewhere")
    return "models/flights: is a link"


def link_the_settings(root: Path) -> str:
    (root / "config").rename(root.parent / "settings")
    (root / "config").symlink_to(root.parent / "settings")
    return "config: is a link"


def put_a_repository_into_the_data(root: Path) -> str:
    documents.write(root / paths.RAW / ".git/HEAD", "ref: refs/heads/main\n")
    return "data/raw: holds links or folders that DVC leaves out"


@pytest.mark.parametrize(
    "change",
    [
        edit_settings, keep_settings_from_git, hide_an_edit, edit_the_bundle, edit_the_predictions, add_raw_rows,
        damage_the_cache_of_other_rows, link_the_bundle, link_the_settings, put_a_repository_into_the_data,
    ],
)  # fmt: skip
def test_what_would_be_lost_is_named_and_nothing_is_changed(released: Path, change: Callable[[Path], str]) -> None:
    said = change(released)
    before = state(released)
    with pytest.raises(DataError, match="nothing was changed") as refusal:
        restore.restore(released, "v1.0.0", None)
    assert said in str(refusal.value)
    assert state(released) == before


def test_a_file_that_dvc_was_given_meanwhile_no_longer_stands_in_the_way(released: Path) -> None:
    edit_the_bundle(released)
    content.add(released, BUNDLE)
    restore.restore(released, "v1.0.0", None)
    assert (released / BUNDLE / "model.onnx").read_text() == "a model"


@pytest.mark.parametrize("to", [None, "there"])
def test_content_that_is_nowhere_leaves_all_as_it_was(released: Path, tmp_path: Path, to: str | None) -> None:
    shutil.rmtree(released / BUNDLE)
    shutil.rmtree(released / ".dvc/cache")
    before = state(released)
    with pytest.raises(content.NowhereError, match="dvc push"):
        restore.restore(released, "v1.0.0", tmp_path / to if to else None)
    assert state(released) == before
    assert not (tmp_path / "there").exists()


def test_content_by_another_sha256_is_refused(released: Path, altered: Make, tmp_path: Path) -> None:
    settings = {"parameters.settings": plain(plan.load(released))}
    raw = {"data.raw.files": [{"path": "rows.csv", "bytes": 7, "sha256": "0" * 64}]}
    make_release(released, altered, "1.0.1", {**settings, **raw})
    before = state(released)
    for to in (None, tmp_path / "there"):
        with pytest.raises(DataError, match=r"rows.csv: found [0-9a-f]{12}, expected 000000000000"):
            restore.restore(released, "v1.0.1", to)
    assert state(released) == before
    assert not (tmp_path / "there").exists()


def test_settings_that_are_not_the_manifests_are_refused(released: Path, altered: Make) -> None:
    settings = plain(plan.load(released))
    settings["config"]["candidates"]["boosting"]["params"]["max_iter"] = 7
    make_release(released, altered, "1.0.1", {"parameters.settings": settings})
    with pytest.raises(RecordError, match=r"candidates\.boosting\.params\.max_iter: found 200, the manifest says 7"):
        restore.restore(released, "v1.0.1", None)


def test_what_is_no_release_is_refused(released: Path) -> None:
    with pytest.raises(SettingsError, match="no release"):
        restore.restore(released, "v9.0.0", None)


def test_a_kill_between_two_folders_is_mended_by_the_next_restore(
    released: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(released)
    fill(released, BUNDLE, model__onnx="another model")
    fill(released, paths.RAW, rows__csv="late\n0\n")
    git.run(released, "commit", "--quiet", "--all", "--message=Change it")
    child = os.fork()
    if child == 0:
        rename = Path.rename

        def rename_once(source: Path, target: Path) -> Path:
            rename(source, target)
            os._exit(9) if target == released / paths.RAW else None
            return target

        monkeypatch.setattr(Path, "rename", rename_once)
        try:
            restore.restore(released, "v1.0.0", None)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    restore.restore(released, "v1.0.0", None)
    assert {path: sha for path, sha in state(released).items() if "/." not in path} == {
        path: sha for path, sha in before.items() if "/." not in path
    }
