"""Content that shares DVC's address with the right one is refused by its SHA-256, before it is put in place."""

import dataclasses
import hashlib
import pickle
import shutil
from pathlib import Path

import pytest
from small_project import Project

from weighbridge import documents, manifest, paths
from weighbridge.digest import folder_entries, sha256_file, sha256_folder
from weighbridge.errors import DataError, RecordError
from weighbridge.registry import content, ledger, releases, trusted
from weighbridge.registry.tags import Tag, Version
from weighbridge.stages import package

pytestmark = pytest.mark.slow

# Two blocks of one MD5, by Wang, Feng, Lai and Yu (2004), https://eprint.iacr.org/2004/199; they differ in six bytes.
_BLOCK = bytes.fromhex(
    "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f89"
    "55ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5b"
    "d8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0"
    "e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70"
)
_DIFFERS = {19: 0x07, 45: 0xF1, 59: 0x72, 83: 0x34, 109: 0x28, 123: 0xAB}
GENUINE, FORGED = _BLOCK, bytes(_DIFFERS.get(i, byte) for i, byte in enumerate(_BLOCK))


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def test_the_two_are_one_to_dvc_and_two_to_us() -> None:
    assert md5(GENUINE) == md5(FORGED)
    assert hashlib.sha256(GENUINE).digest() != hashlib.sha256(FORGED).digest()


def _object(folder: Path, data: bytes) -> Path:
    address = md5(data)
    return folder / "files/md5" / address[:2] / address[2:]


def replace(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(FORGED)


@pytest.fixture
def pushed(finished: Project) -> Project:
    """A project whose raw data have the genuine block, seen by fetch and pushed, and that has no copy of its own."""
    (finished.root / "data/raw/sensor.bin").write_bytes(GENUINE)
    assert finished.stage("fetch").code == 0
    finished.sh("dvc", "add", "--quiet", "data/raw")
    finished.sh("dvc", "push", "--quiet", "data/raw")
    shutil.rmtree(finished.root / ".dvc/cache")
    shutil.rmtree(finished.root / "data/raw")
    return finished


def test_raw_data_replaced_on_the_remote_are_not_put_in_place(pushed: Project) -> None:
    replace(_object(pushed.root.parent / "storage", GENUINE))
    done = pushed.stage("fetch")
    assert done.code == 2
    assert "found content with the SHA-256" in done.text
    assert "it was replaced. Don't use it" in done.text
    assert "Traceback" not in done.text
    assert not (pushed.root / "data/raw").exists()


def test_raw_data_as_they_were_come_back(pushed: Project) -> None:
    done = pushed.stage("fetch")
    assert done.code == 0, done.text
    assert (pushed.root / "data/raw/sensor.bin").read_bytes() == GENUINE


def test_raw_data_replaced_in_place_are_refused_as_well(finished: Project) -> None:
    (finished.root / "data/raw/sensor.bin").write_bytes(GENUINE)
    assert finished.stage("fetch").code == 0
    (finished.root / "data/raw/sensor.bin").write_bytes(FORGED)
    done = finished.stage("fetch")
    assert done.code == 2
    assert "data/raw: found content with the SHA-256" in done.text


def test_a_release_vouches_for_its_raw_data(done: Project) -> None:
    """In a clone there is no ledger: the release's manifest is what its tag names."""
    address = content.pointer_address(done.root / paths.RAW_POINTER)
    assert address
    expected = sha256_folder(folder_entries(done.root / paths.RAW))
    clone = done.root.parent / "clone"
    done.git("clone", "--quiet", str(done.root), str(clone))
    assert not (clone / "runs").exists()
    assert trusted.raw_sha256(clone, address) == expected
    assert trusted.raw_sha256(clone, "0" * 32 + ".dir") is None


def test_a_bundle_with_another_digest_than_its_tag_says_is_not_laid_out(finished: Project) -> None:
    release = releases.find(finished.root, "small@v1.0.0")
    pointer = (finished.root / paths.pointer("small")).read_bytes()
    place = finished.root / "results/beside"
    content.materialise(finished.root, pointer, place, sha256=release.notes.content_sha256)
    assert folder_entries(place) == folder_entries(finished.root / "models/small")
    shutil.rmtree(place)
    with pytest.raises(DataError, match="it was replaced"):
        content.materialise(finished.root, pointer, place, sha256="0" * 64)
    assert not place.exists()


def _with_pickle(project: Project) -> tuple[str, str]:
    """Hide a pickle in the bundle, give it to DVC, and return the bundle's new digest and address."""
    (project.root / "models/small/golden.json").unlink()
    (project.root / "models/small/golden.json").write_bytes(pickle.dumps({"inputs": [1.0]}, 2))
    address = content.add(project.root, "models/small")
    return sha256_folder(folder_entries(project.root / "models/small")), address


def test_a_release_with_a_pickle_in_its_bundle_is_no_baseline(finished: Project) -> None:
    """As someone else's pipeline might have made it: tag, pointer and digest agree with each other."""
    root, first = finished.root, releases.find(finished.root, "small@v1.0.0")
    digest, _ = _with_pickle(finished)
    (root / "models/small.yaml").write_bytes(releases.blob(root, first.commit, "models/small.yaml"))
    finished.git("add", "--force", "models/small.dvc", "models/small.yaml")
    finished.git("commit", "--quiet", "--message=Take this one")
    second = Tag("small", Version(1, 1, 0))
    text = releases.message(dataclasses.replace(first.notes, tag=second, content_sha256=digest))
    finished.git("tag", "--annotate", "--cleanup=verbatim", f"--message={text}", str(second))
    found = releases.find(root, str(second))
    interface = releases.manifest_of(root, first).interface
    with pytest.raises(RecordError, match=r"the bundle of small@v1\.1\.0 holds .*\n  golden\.json: a pickle"):
        package._bring_baseline(root, "small", found, interface)


def test_a_bundle_with_a_pickle_is_not_released_though_all_records_agree(finished: Project) -> None:
    """As who may write everywhere could forge it: files, DVC, records, and the ledger."""
    finished.git("tag", "--delete", "small@v1.0.0")
    packaged = documents.read_record(finished.root / paths.PACKAGE, manifest.Packaged).artifacts
    digest, address = _with_pickle(finished)
    for path in (paths.PACKAGE, paths.WEIGHING):
        text = finished.read(str(path)).replace(packaged.content_sha256, digest).replace(packaged.dvc, address)
        (finished.root / path).write_text(text)
        written = {"file": str(path), "sha256": sha256_file(finished.root / path), "when": documents.utc_now()}
        ledger.append(finished.root, {"kind": "evidence", "status": "written"} | written)
    assert finished.stage("judge").code == 0
    assert finished.stage("draw").code == 0
    done = finished.stage("release")
    assert done.code == 2, done.text
    assert "models/small holds what may run code when it is loaded:\n  golden.json: a pickle of protocol 2" in done.text
    assert finished.tags() == []
