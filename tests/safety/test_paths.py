"""No name from outside leads out of its folder: in releases, trees of Git's, graphs and archives."""

import io
import subprocess
import zipfile
from pathlib import Path

import forger
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from small_project import Project

from weighbridge.errors import ModelError, RecordError, WeighbridgeError
from weighbridge.registry import adoption, placing
from weighbridge.training import native
from weighbridge.views import restore

FIRST = "small@v1.0.0"


def _write(root: Path, kind: str, content: bytes) -> str:
    """Store an object that Git itself would not make."""
    command = ["git", "hash-object", "-t", kind, "-w", "--literally", "--stdin"]
    return subprocess.run(command, cwd=root, input=content, capture_output=True, check=True).stdout.decode().strip()


def _tree(*entries: tuple[str, str, str]) -> bytes:
    return b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(one) for mode, name, one in entries)


def _forged_release(project: Project, tree: bytes) -> str:
    """Make v1.0.0 a tag, with the message it has, of a commit whose ``config`` is *tree*."""
    root = project.root
    evil = _write(root, "tree", tree)
    listing = [line.split(maxsplit=3) for line in project.git("ls-tree", FIRST).splitlines()]
    kept = [(mode, name, one) for mode, _, one, name in listing]
    top = _tree(*((mode.lstrip("0"), name, evil if name == "config" else one) for mode, name, one in kept))
    commit = project.git("commit-tree", "-p", f"{FIRST}^", "-m", "Forged", _write(root, "tree", top))
    message = project.git("tag", "--list", "--format=%(contents)", FIRST)
    project.git("tag", "--force", "--annotate", "--cleanup=verbatim", f"--message={message}\n", FIRST, commit)
    return commit


@pytest.mark.slow
@pytest.mark.parametrize("name", ["..", ".", "../../escaped", "x/../../../escaped"])
def test_a_tree_that_leads_out_is_not_restored(name: str, finished: Project) -> None:
    blob = _write(finished.root, "blob", b"evil\n")
    held = [line.split(maxsplit=3) for line in finished.git("ls-tree", f"{FIRST}:config").splitlines()]
    good = [(mode.lstrip("0"), file, one) for mode, _, one, file in held]
    inner = _write(finished.root, "tree", _tree(("100644", "escaped", blob)))
    entry = ("40000", name, inner) if name.strip(".") == "" else ("100644", name, blob)
    _forged_release(finished, _tree(*sorted([*good, entry], key=lambda one: one[1])))
    with pytest.raises(WeighbridgeError, match="a tree of Git's is damaged or forged"):
        restore.restore(finished.root, FIRST, finished.root.parent / "restored")
    with pytest.raises(WeighbridgeError):
        restore.restore(finished.root, FIRST, None)
    assert not list(finished.root.parent.parent.rglob("escaped"))
    assert not (finished.root.parent / "restored").exists()


def _settings_tree(project: Project, name: str, entry: str, mode: str = "40000") -> bytes:
    held = [line.split(maxsplit=3) for line in project.git("ls-tree", f"{FIRST}:config").splitlines()]
    good = [(mode.lstrip("0"), file, one) for mode, _, one, file in held]
    return _tree(*sorted([*good, (mode, name, entry)], key=lambda one: one[1]))


def _refused(project: Project, match: str) -> None:
    before = sorted((project.root / "config").rglob("*"))
    for to in (project.root.parent / "restored", None):
        with pytest.raises(WeighbridgeError, match=match):
            restore.restore(project.root, FIRST, to)
    assert not (project.root.parent / "restored").exists()
    assert sorted((project.root / "config").rglob("*")) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", [".git", ".GIT", ".git. .", "git~1", ".g\u200cit", ".dvc", ".git::$INDEX_ALLOCATION"])
def test_no_configuration_that_git_or_dvc_would_obey_is_restored(name: str, finished: Project) -> None:
    command = _write(finished.root, "blob", b"[core]\n\tfsmonitor = touch PWNED; false\n")
    folder = _write(finished.root, "tree", _tree(("100644", "config", command)))
    _forged_release(finished, _settings_tree(finished, name, folder))
    _refused(finished, "which is no plain file; don't trust it")


@pytest.mark.slow
@pytest.mark.parametrize("names", [(".dvc/config",), ("HEAD", "config", "objects/x", "refs/x")], ids=["dvc", "bare"])
def test_nor_where_the_commit_before_has_it_as_well(names: tuple[str, ...], finished: Project) -> None:
    for name in names:
        place = finished.root / "config" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("[core]\n")
    finished.git("add", "--force", "config")
    finished.git("commit", "--quiet", "--message=Configure")
    made_of = finished.git("rev-parse", "HEAD").strip()
    forger.forge(finished, FIRST, lambda manifest: manifest["code"].update(commit=made_of))
    _refused(finished, "which is no plain file; don't trust it")


@pytest.mark.slow
def test_settings_that_the_release_commit_itself_changes_are_not_restored(finished: Project) -> None:
    blob = _write(finished.root, "blob", b"more\n")
    _forged_release(finished, _settings_tree(finished, "more.yaml", blob, "100644"))
    _refused(finished, "its commit changes config/, which no release does")


def test_nothing_is_written_where_one_name_is_unsafe(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="no name of a plain file"):
        placing.write_files(tmp_path, {"config/a.yaml": b"", "config/.git/config": b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("path", ["../escaped.json", "00/../../escaped.json", "zz/" + "z" * 64 + ".json"])
def test_records_with_other_names_than_theirs_are_not_taken_in(path: str, finished: Project) -> None:
    blob = _write(finished.root, "blob", b"{}\n")
    folder, _, name = path.rpartition("/")
    shard = _write(finished.root, "tree", _tree(("100644", name, blob)))
    runs = _write(finished.root, "tree", _tree(("40000", folder, shard)))
    top = _write(finished.root, "tree", _tree(("40000", "runs", runs)))
    commit = finished.git("commit-tree", "-m", "Forged", top)
    finished.git("tag", "--annotate", "--message=forged", "small@v9.0.0", commit)
    before = sorted(path.name for path in (finished.root / "runs").rglob("*.json"))
    said: list[str] = []
    adoption.attempt(finished.root, said.append)
    assert sorted(path.name for path in (finished.root / "runs").rglob("*.json")) == before
    assert not list(finished.root.parent.rglob("escaped*"))


def test_a_graph_does_not_read_files_beside_its_bundle(tmp_path: Path) -> None:
    """Our libraries see to it; should a later version not, this says so."""
    (tmp_path / "bundle").mkdir()
    (tmp_path / "private.bin").write_bytes(np.ones(4, np.float32).tobytes())
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value="../private.bin")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [4]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "bundle" / "model.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Exception, match="escapes model directory"):
        onnxruntime.InferenceSession(str(path))
    with pytest.raises(Exception, match="points outside the directory"):
        onnx.load(path)


def test_members_of_an_archive_are_written_nowhere(tmp_path: Path) -> None:
    """Weights are read from the archive; nothing of ours unpacks one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../escaped.npy", "x")
        archive.writestr("schema.json", "{}")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "model.skops").write_bytes(buffer.getvalue())
    with pytest.raises(ModelError, match="not a skops file"):
        native.from_skops(tmp_path / "inner" / "model.skops")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "model.skops"]
    sources = (Path(__file__).parents[2] / "weighbridge").rglob("*.py")
    assert not [path for path in sources if "extractall" in path.read_text() or ".extract(" in path.read_text()]
