"""A run in DVC's cache is an object as DVC's own, and nothing of it is used that its record doesn't say."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.digest import folder_entries, sha256_file
from weighbridge.errors import DataError, SetupError, WeighbridgeError
from weighbridge.manifest import RunRecord
from weighbridge.registry import addresses, cache, ledger, records, runs, storage

Sh = Callable[..., str]
INPUTS = {"data": {"train": "a" * 64}, "seed": 0}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run's folder."""
    folder = tmp_path / "made"
    (folder / "inner").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 8)
    (folder / "curve.csv").write_text("epoch\n1\n")
    (folder / "inner" / "wétter.txt").write_text("rain\n")
    return folder


def record(root: Path, made: Path, **changed: object) -> str:
    address, files = runs.keep(root, made)
    entry = {"kind": records.RUN, "status": records.TRAINED, "run": "mlp-0123456789ab", "candidate": "mlp", "seed": 0}
    entry |= {"inputs": INPUTS, "dvc": address, "files": files, "when": "2026-01-01T00:00:00Z"}
    return ledger.append(root, entry | changed)


def only(root: Path) -> runs.Kept:
    (found,) = runs.find(root, "mlp-0123456789ab", INPUTS)
    return found


def bring(root: Path, kept: runs.Kept, folder: Path) -> dict[str, str]:
    folder.mkdir()
    runs.bring(root, kept, folder)
    return {entry.path: entry.sha256 for entry in folder_entries(folder)}


def send(root: Path, address: str) -> Path:
    """Push what is at *address*; return the remote's folder."""
    with storage.opened(root) as store:
        assert store.send(store.remote(), [address, *store.files(address).values()]) == []
    return root.parent / "remote" / "files" / "md5"


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    path.chmod(0o444)


SETTINGS = {
    "nothing said": "",
    "a relative folder": "[cache]\n    dir = ../../elsewhere\n",
    "an absolute folder": "[cache]\n    dir = {absolute}\n",
    "shared by a group": "[cache]\n    shared = group\n",
}


@pytest.mark.parametrize("case", SETTINGS)
def test_the_cache_and_what_is_put_there_are_as_dvc_has_them(case: str, stored: Path, made: Path) -> None:
    local = stored / ".dvc" / "config.local"
    local.write_text(SETTINGS[case].format(absolute=stored.parent / "absolute"))
    place = cache.of(stored)
    address = place.put(made)
    with storage.opened(stored) as store:
        assert store.cache == place.folder
        assert store.cached(address) == place.path(address)
        ours = {one: (store.cached(one).read_bytes(), store.cached(one).stat().st_mode) for one in _all(store, address)}
        folders = {store.cached(one).parent.stat().st_mode for one in ours}
        for one in ours:
            store.cached(one).unlink()
            store.cached(one).parent.rmdir()
        assert _added(stored, made) == address
        assert {one: (store.cached(one).read_bytes(), store.cached(one).stat().st_mode) for one in ours} == ours
        assert store.cached(address).parent.stat().st_mode in folders


def _all(store: storage.Store, address: str) -> list[str]:
    return [address, *store.files(address).values()]


def _added(root: Path, made: Path) -> str:
    """Add the same with DVC itself, from within the project."""
    inside = made.rename(root / "added")
    with storage.opened(root) as store:
        store.repo.add(str(inside), relink=False)
    return str(addresses.pointer_address(root / "added.dvc"))


def test_dvc_is_found_above_the_project(stored: Path) -> None:
    (stored / "below").mkdir()
    assert cache.of(stored / "below") == cache.of(stored)


def test_without_dvc_it_says_how_to_set_it_up(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="run `dvc init`"):
        cache.of(tmp_path)


def test_a_damaged_configuration_is_told(stored: Path) -> None:
    (stored / ".dvc" / "config.local").write_text("[cache]\n    what = ever\n")
    with pytest.raises(SetupError, match="config"):
        cache.of(stored)


def test_a_kept_run_comes_back_to_the_byte(stored: Path, made: Path) -> None:
    record(stored, made)
    assert bring(stored, only(stored), stored.parent / "back") == {
        entry.path: entry.sha256 for entry in folder_entries(made)
    }


def test_without_dvc_imported(stored: Path, made: Path, sh: Sh) -> None:
    """The whole of DVC takes longer to import than a small run to restore."""
    record(stored, made)
    code = (
        "import sys; from pathlib import Path; from weighbridge.registry import runs; "
        f"(kept,) = runs.find(Path({str(stored)!r}), 'mlp-0123456789ab'); Path('back').mkdir(); "
        f"runs.bring(Path({str(stored)!r}), kept, Path('back')); "
        "print(*sorted({'dvc.repo', 'torch', 'sklearn', 'pandas', 'numpy'} & sys.modules.keys()))"
    )
    assert sh(stored.parent, sys.executable, "-c", code).strip() == ""
    assert (stored.parent / "back" / "curve.csv").is_file()


@pytest.mark.parametrize(
    "changed",
    [
        {"inputs": INPUTS | {"seed": 1}},
        {"status": records.EVALUATED, "metrics": {}},
        {"run": "mlp-000000000000"},
        {"dvc": ""},
    ],
    ids=["other inputs under the same id", "not a training", "another run", "not kept"],
)
def test_another_record_is_not_taken_for_it(changed: dict[str, object], stored: Path, made: Path) -> None:
    record(stored, made, **changed)
    assert runs.find(stored, "mlp-0123456789ab", INPUTS) == ()


def test_an_unsafe_path_in_a_record_is_never_written(stored: Path, made: Path) -> None:
    record(stored, made, files=[{"path": "../../evil", "bytes": 1, "sha256": "0" * 64}])
    assert runs.find(stored, "mlp-0123456789ab", INPUTS) == ()


def test_the_newest_training_comes_first(stored: Path, made: Path) -> None:
    older, newer = record(stored, made), record(stored, made)
    assert [kept.record for kept in runs.find(stored, "mlp-0123456789ab", INPUTS)] == [newer, older]


def test_an_edited_record_is_none(stored: Path, made: Path) -> None:
    digest = record(stored, made)
    path = stored / ledger.path_of(digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"seed":0', b'"seed":7'))
    assert runs.find(stored, "mlp-0123456789ab") == ()


@pytest.mark.parametrize("part", ["listing", "file"])
def test_a_damaged_cache_is_refused(part: str, stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    damage(_object(stored, kept, part))
    with pytest.raises(DataError, match="damaged"):
        bring(stored, kept, stored.parent / "back")


def _object(root: Path, kept: runs.Kept, part: str) -> Path:
    place = cache.of(root)
    return place.path(kept.dvc if part == "listing" else place.listing(kept.dvc)["model.safetensors"])


@pytest.mark.parametrize("part", ["listing", "file"])
def test_a_better_copy_of_the_remote_takes_its_place(part: str, stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    send(stored, kept.dvc)
    path = _object(stored, kept, part)
    damage(path)
    assert bring(stored, kept, stored.parent / "back")["curve.csv"] == sha256_file(made / "curve.csv")
    assert runs.at_hand(stored, kept)


def test_a_remote_is_asked_where_the_cache_is_empty(stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    send(stored, kept.dvc)
    cache.of(stored).folder.rename(stored.parent / "lost")
    assert bring(stored, kept, stored.parent / "back")["curve.csv"] == sha256_file(made / "curve.csv")


def test_nowhere_to_be_had_is_told_apart_from_damaged(stored: Path, made: Path) -> None:
    record(stored, made, host="apollo\x1b[2J")
    kept = only(stored)
    cache.of(stored).folder.rename(stored.parent / "lost")
    with pytest.raises(runs.NotAtHandError, match=r"on its remote; it was trained on apollo\[2J, 2026-"):
        bring(stored, kept, stored.parent / "back")


def test_a_damaged_remote_is_refused_and_mended(stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    remote = send(stored, kept.dvc)
    (bad,) = [path for path in remote.rglob("*") if path.is_file() and path.stat().st_size == 2048]
    damage(bad)
    cache.of(stored).folder.rename(stored.parent / "lost")
    with pytest.raises(DataError, match=r"the remote's object .* is damaged"):
        bring(stored, kept, stored.parent / "back")
    address, _ = runs.keep(stored, made)
    assert [cache.of(stored).path(one).stat().st_size for one in runs.mend_remote(stored, address)] == [2048]
    assert bad.read_bytes() == (made / "model.safetensors").read_bytes()
    assert runs.mend_remote(stored, address) == ()


def test_same_address_and_other_content_is_refused(stored: Path, made: Path) -> None:
    """As two files with the same MD5 would do; the record's SHA-256 tells them apart."""
    _, files = runs.keep(stored, made)
    forged = [{"path": file.path, "bytes": file.bytes, "sha256": "0" * 64} for file in files]
    record(stored, made, files=forged)
    with pytest.raises(DataError, match=r"SHA-256 .* damaged or replaced, refused"):
        bring(stored, only(stored), stored.parent / "back")


def test_a_listing_that_leads_elsewhere_is_refused(stored: Path, made: Path) -> None:
    place = cache.of(stored)
    md5 = addresses.md5_file(made / "curve.csv")
    text = json.dumps([{"md5": md5, "relpath": "../../../evil"}]).encode()
    address = addresses.listing_address([("../../../evil", md5)])
    place.path(address).parent.mkdir(parents=True)
    place.path(address).write_bytes(text)
    with pytest.raises(DataError, match="unsafe entry"):
        place.listing(address)


def test_a_damaged_object_is_replaced_when_the_same_is_kept_again(stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    damage(_object(stored, kept, "file"))
    assert not runs.at_hand(stored, kept)
    assert runs.keep(stored, made)[0] == kept.dvc
    assert runs.at_hand(stored, kept)


def test_only_runs_whose_files_are_at_hand_are_named_for_a_push(stored: Path, made: Path) -> None:
    record(stored, made)
    kept = only(stored)
    blank = dict.fromkeys(RunRecord.__struct_fields__)
    run = RunRecord(**{**blank, "run": kept.run, "files": kept.files})  # type: ignore[arg-type]  # two fields matter
    assert runs.addresses_of(stored, [run]) == [kept.dvc]
    damage(_object(stored, kept, "file"))
    assert runs.addresses_of(stored, [run]) == []


def test_no_space_leaves_nothing_half_written(stored: Path, made: Path) -> None:
    """A file stands where a folder would be made, which fails as a full disk does."""
    place = cache.of(stored)
    place.folder.parent.mkdir(parents=True, exist_ok=True)
    place.folder.write_text("")
    with pytest.raises((OSError, WeighbridgeError)):
        runs.keep(stored, made)
    assert [path.name for path in place.folder.parent.iterdir()] == ["md5"]
