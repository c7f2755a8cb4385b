"""Content moves through DVC whole and verified, or not at all."""

import errno
import hashlib
import json
import multiprocessing
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from weighbridge.errors import DataError, SetupError
from weighbridge.registry import content, storage

Sh = Callable[..., str]
RAW = Path("data/raw")
POINTER = Path("data/raw.dvc")

pytestmark = pytest.mark.slow


def _object(folder: Path, address: str) -> Path:
    return folder / "files" / "md5" / address[:2] / address[2:]


def _cache(root: Path, address: str) -> Path:
    return _object(root / ".dvc" / "cache", address)


def _flip(path: Path) -> None:
    """Change one byte and nothing else that DVC looks at."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    path.chmod(mode)


def _snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _forget(root: Path) -> None:
    shutil.rmtree(root / ".dvc" / "cache")
    shutil.rmtree(root / RAW)


def _disguised(root: Path, listing: list[dict[str, str]]) -> Path:
    """Put a listing of anyone's making into cache and pointer, as a hostile remote and branch would."""
    text = json.dumps(listing).encode()
    address = hashlib.md5(text, usedforsecurity=False).hexdigest() + ".dir"
    _cache(root, address).parent.mkdir(parents=True, exist_ok=True)
    _cache(root, address).write_bytes(text)
    (root / POINTER).write_text(f'outs:\n- md5: {address}\n  hash: md5\n  path: "raw"\n')
    return root / POINTER


def test_adding_gives_dvcs_address_and_leaves_the_files_alone(stored: Path) -> None:
    before = _snapshot(stored / RAW)
    address = content.add(stored, RAW)
    assert address.endswith(".dir")
    assert content.pointer_address(stored / POINTER) == address
    assert content.pointer_address((stored / POINTER).read_bytes()) == address
    assert _snapshot(stored / RAW) == before
    assert content.add(stored, stored / RAW) == address


def test_our_address_is_the_one_dvc_computes(stored: Path) -> None:
    odd = stored / RAW / "a b" / "\N{SNOWMAN}"
    odd.mkdir(parents=True)
    for name in ("Z", "a", "ä", "a.b", "A-b", 'quote"back\\slash'):
        (odd / name).write_text(name * 3)
    (stored / RAW / "folder without files").mkdir()
    (stored / RAW / ".hidden").write_text("yes")
    (stored / RAW / ".git").mkdir()
    (stored / RAW / ".git" / "config").write_text("left out by DVC's defaults")
    (stored / RAW / "link").symlink_to("flights.csv")
    ours, _ = content.folder_address(stored / RAW)
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", "--no-relink", str(RAW)], cwd=stored, check=True)
    assert content.pointer_address(stored / POINTER) == ours


def test_there_must_be_something_to_add_and_a_dvc_to_add_it_to(stored: Path, repository: Path) -> None:
    (stored / "hollow").mkdir()
    with pytest.raises(DataError, match="nothing there to add"):
        content.add(stored, "hollow")
    shutil.rmtree(repository / ".dvc")
    with pytest.raises(SetupError, match="run `dvc init`"):
        content.add(repository, RAW)


def test_what_dvcignore_leaves_out_is_noticed(stored: Path) -> None:
    (stored / ".dvcignore").write_text("*.csv\n")
    with pytest.raises(DataError, match=r"a \.dvcignore leaves out part"):
        content.add(stored, RAW)


def _hold_lock(root: Path, taken: "multiprocessing.synchronize.Event", seconds: float) -> None:
    from dvc.repo import Repo

    with Repo(str(root)) as repo, repo.lock:
        taken.set()
        time.sleep(seconds)


@pytest.mark.parametrize(("held", "patience"), [(3.5, 30.0), (8.0, 0.0)])
def test_another_command_is_waited_for_but_not_forever(stored: Path, held: float, patience: float) -> None:
    context = multiprocessing.get_context("spawn")
    taken = context.Event()
    other = context.Process(target=_hold_lock, args=(stored, taken, held))
    other.start()
    assert taken.wait(30)
    try:
        if patience:
            assert content.add(stored, RAW, patience_seconds=patience).endswith(".dir")
        else:
            with pytest.raises(SetupError, match="another DVC command held its lock"):
                content.add(stored, RAW, patience_seconds=patience)
    finally:
        other.kill()
        other.join()


def test_a_full_disk_is_called_that(stored: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/cache/x")
    with pytest.raises(SetupError, match=r"no space left on the disk \(/cache/x\)"), storage.opened(stored):
        raise RuntimeError("wrapped") from full


def test_credentials_in_the_committed_configuration_are_refused(stored: Path) -> None:
    with (stored / ".dvc" / "config").open("a") as config:
        config.write("    password = s3cret\n")
    with pytest.raises(SetupError, match=r"config:5: 'password' doesn't belong") as caught:
        content.add(stored, RAW)
    assert "s3cret" not in str(caught.value)


def test_pushed_content_comes_back_whole_in_another_clone(stored: Path) -> None:
    address = content.add(stored, RAW)
    files = {name: text for name, (text, _) in _snapshot(stored / RAW).items()}
    assert content.push(stored, [address]) == 4
    assert content.push(stored, [address, address]) == 4
    _forget(stored)
    assert content.pull(stored, POINTER)
    assert {name: text for name, (text, _) in _snapshot(stored / RAW).items()} == files
    assert content.pull(stored, POINTER)


def test_a_single_file_goes_the_same_way(stored: Path) -> None:
    (stored / "table.csv").write_text("a\n1\n")
    address = content.add(stored, "table.csv")
    assert content.push(stored, [address]) == 1
    shutil.rmtree(stored / ".dvc" / "cache")
    (stored / "table.csv").unlink()
    assert content.pull(stored, "table.csv.dvc")
    assert (stored / "table.csv").read_text() == "a\n1\n"
    content.materialise(stored, (stored / "table.csv.dvc").read_bytes(), stored / "results" / "beside")
    assert (stored / "results" / "beside" / "table.csv").read_text() == "a\n1\n"


def test_what_is_nowhere_is_said_to_be(stored: Path) -> None:
    content.add(stored, RAW)
    pointer = (stored / POINTER).read_bytes()
    _forget(stored)
    assert not (stored.parent / "remote").exists()
    assert content.pull(stored, POINTER) is False
    with pytest.raises(SetupError, match="neither in DVC's cache nor on its remote"):
        content.materialise(stored, pointer, stored / "results" / "last")
    (stored / ".dvc" / "config").write_text("")
    assert content.pull(stored, POINTER) is False
    assert not (stored / "results" / "last").exists()


def test_a_part_that_is_missing_on_the_remote_is_no_success(stored: Path) -> None:
    address = content.add(stored, RAW)
    content.push(stored, [address])
    _forget(stored)
    gone = next(path for path in (stored.parent / "remote").rglob("*") if path.is_file() and path.suffix != ".dir")
    gone.unlink()
    assert content.pull(stored, POINTER) is False
    assert not (stored / RAW).exists()


def test_pushing_again_mends_a_remote_that_lost_a_file(stored: Path) -> None:
    address = content.add(stored, RAW)
    content.push(stored, [address])
    for path in (stored.parent / "remote").rglob("*"):
        if path.is_file() and path.suffix != ".dir":
            path.unlink()
    content.push(stored, [address])
    _forget(stored)
    assert content.pull(stored, POINTER)


def test_without_a_remote_there_is_nothing_to_push_to(stored: Path) -> None:
    address = content.add(stored, RAW)
    (stored / ".dvc" / "config").write_text("")
    with pytest.raises(SetupError, match="dvc remote add -d"):
        content.push(stored, [address])


def test_a_remote_that_does_not_take_it_is_no_success(stored: Path) -> None:
    address = content.add(stored, RAW)
    (stored.parent / "remote").write_text("a file where the folder should be")
    with pytest.raises(SetupError):
        content.push(stored, [address])


def test_a_damaged_object_is_fetched_anew(stored: Path) -> None:
    address = content.add(stored, RAW)
    content.push(stored, [address])
    whole = (stored / RAW / "flights.csv").read_bytes()
    _flip(_cache(stored, hashlib.md5(whole, usedforsecurity=False).hexdigest()))
    shutil.rmtree(stored / RAW)
    assert content.pull(stored, POINTER)
    assert (stored / RAW / "flights.csv").read_bytes() == whole


@pytest.mark.parametrize("part", ["file", "listing"])
def test_a_damaged_object_without_a_better_copy_is_refused_and_kept(stored: Path, part: str) -> None:
    address = content.add(stored, RAW)
    file = hashlib.md5((stored / RAW / "flights.csv").read_bytes(), usedforsecurity=False).hexdigest()
    damaged = _cache(stored, file if part == "file" else address)
    _flip(damaged)
    with pytest.raises(DataError, match="damaged or not at all"):
        content.push(stored, [address])
    with pytest.raises(DataError, match="is damaged, and no remote has a copy"):
        content.materialise(stored, (stored / POINTER).read_bytes(), stored / "results" / "last")
    shutil.rmtree(stored / RAW)
    with pytest.raises(DataError, match="is damaged, and no remote has a copy"):
        content.pull(stored, POINTER)
    assert damaged.exists()
    assert not (stored / RAW).exists()


@pytest.mark.parametrize("part", ["file", "listing"])
def test_a_damaged_remote_is_found_out(stored: Path, part: str) -> None:
    address = content.add(stored, RAW)
    content.push(stored, [address])
    file = hashlib.md5((stored / RAW / "flights.csv").read_bytes(), usedforsecurity=False).hexdigest()
    _flip(_object(stored.parent / "remote", file if part == "file" else address))
    _forget(stored)
    with pytest.raises(DataError, match=r"the remote's object .* is damaged"):
        content.pull(stored, POINTER)
    assert not (stored / RAW).exists()
    assert not list((stored / ".dvc" / "cache").rglob(".incoming*"))


def test_files_that_dvc_does_not_have_are_not_overwritten(stored: Path) -> None:
    content.add(stored, RAW)
    (stored / RAW / "flights.csv").write_text("edited by hand\n")
    with pytest.raises(DataError, match="holds files that DVC doesn't have"):
        content.pull(stored, POINTER)
    assert (stored / RAW / "flights.csv").read_text() == "edited by hand\n"


@pytest.mark.parametrize(
    "name",
    ["../../escaped", "/escaped", "a/../../../escaped", ".git/hooks/x", "a\\..\\b", "C:x", "a//b", ".GIT./x", ""],
)
def test_a_listing_that_leads_out_is_refused(stored: Path, name: str) -> None:
    content.add(stored, RAW)
    good = hashlib.md5((stored / RAW / "flights.csv").read_bytes(), usedforsecurity=False).hexdigest()
    shutil.rmtree(stored / RAW)
    pointer = _disguised(stored, [{"md5": good, "relpath": name}])
    with pytest.raises(DataError, match="unsafe entry"):
        content.pull(stored, POINTER)
    with pytest.raises(DataError, match="unsafe entry"):
        content.materialise(stored, pointer.read_bytes(), stored / "results" / "last")
    assert not (stored / "results" / "last").exists()
    assert not list(stored.parent.rglob("escaped"))


@pytest.mark.parametrize("text", ["not json", '{"a": 1}', "[1]", '[{"md5": "x", "relpath": "a"}]'])
def test_a_listing_that_is_none_is_refused(stored: Path, text: str) -> None:
    address = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"
    _cache(stored, address).parent.mkdir(parents=True, exist_ok=True)
    _cache(stored, address).write_text(text)
    pointer = f'outs:\n- md5: {address}\n  path: "raw"\n'.encode()
    with pytest.raises(DataError, match="refused"):
        content.materialise(stored, pointer, stored / "results" / "last")


@pytest.mark.parametrize("link", [RAW, RAW / "inner", RAW / "flights.csv", Path("data")])
def test_nothing_is_written_through_a_link(stored: Path, link: Path) -> None:
    content.add(stored, RAW)
    outside = stored.parent / "outside"
    place = stored / link
    place.rename(outside)
    place.symlink_to(outside)
    if outside.is_dir():
        for path in [p for p in outside.rglob("*") if p.is_file() and p.suffix == ".csv"]:
            path.unlink()
    else:
        outside.write_text("mine")
    with pytest.raises(DataError, match="is a link"):
        content.pull(stored, POINTER)


def test_an_earlier_version_is_laid_out_beside_the_present_one(stored: Path) -> None:
    content.push(stored, [content.add(stored, RAW)])
    earlier, files = (stored / POINTER).read_bytes(), _snapshot(stored / RAW)
    (stored / RAW / "flights.csv").write_text("late\n0\n")
    content.add(stored, RAW)
    shutil.rmtree(stored / ".dvc" / "cache")
    destination = stored / "results" / "last"
    destination.mkdir(parents=True)
    (destination / "left over").touch()
    content.materialise(stored, earlier, destination)
    assert {name: text for name, (text, _) in _snapshot(destination).items()} == {
        name: text for name, (text, _) in files.items()
    }
    laid = _snapshot(destination)
    content.materialise(stored, earlier, destination)
    assert _snapshot(destination) == laid
    assert (stored / RAW / "flights.csv").read_text() == "late\n0\n"
    assert sorted(path.name for path in (stored / "results").iterdir()) == ["last"]


@pytest.mark.parametrize("part", ["file", "listing"])
def test_a_damaged_object_is_replaced_when_its_content_is_added_again(stored: Path, part: str) -> None:
    address = content.add(stored, RAW)
    file = hashlib.md5(b"late\n1\n0\n", usedforsecurity=False).hexdigest()
    _flip(_cache(stored, file if part == "file" else address))
    assert content.add(stored, RAW) == address
    shutil.rmtree(stored / RAW)
    assert content.pull(stored, POINTER)
    assert (stored / RAW / "flights.csv").read_text() == "late\n1\n0\n"


def test_a_book_of_locks_that_a_kill_cut_short_is_begun_anew(stored: Path) -> None:
    book = stored / ".dvc" / "tmp" / "rwlock"
    book.parent.mkdir(exist_ok=True)
    book.write_text('{"write": {"/da')
    content.add(stored, RAW)
    assert not any(json.loads(book.read_text()).values())
