"""The index only saves time: what it says is what the files say, whatever happened to them or to it."""

import itertools
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_records import evaluated, failed, rejected

from weighbridge import paths
from weighbridge.registry import ledger, ledger_index

OLD_NS = 1_700_000_000 * 10**9
TICKS = itertools.count()


def settle(root: Path) -> None:
    """Let the ledger's folders look as if nothing had changed for long; no two changes at the same time."""
    for folder in sorted((root / "runs").iterdir()):
        if folder.is_dir():
            moment = OLD_NS + next(TICKS)
            os.utime(folder, ns=(moment, moment))


def by_the_files(root: Path) -> tuple[tuple[str, ...], int]:
    """Return heads and count as the files have them, each of them read."""
    entries, _ = ledger.inspect(root)
    digests = {entry.digest for entry in entries}
    return tuple(sorted(digests - {parent for entry in entries for parent in entry.parents})), len(digests)


def remember(root: Path) -> None:
    (root / "results").mkdir(exist_ok=True)
    index = ledger_index.look(root)
    (root / paths.LEDGER_INDEX).write_bytes(index.pack())


@settings(max_examples=40)
@given(steps=st.lists(st.sampled_from(["append", "remove", "return", "merge", "remember", "settle"]), max_size=25))
def test_heads_and_count_are_those_of_the_files(steps: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    root, other = tmp_path_factory.mktemp("ledger"), tmp_path_factory.mktemp("other")
    removed: list[tuple[Path, bytes]] = []
    ledger.append(root, evaluated())
    for number, step in enumerate(steps):
        here = sorted((root / "runs").glob("*/*.json"))
        if step == "append":
            ledger.append(root, failed(error=str(number)))
        elif step == "remove" and here:
            path = here[number % len(here)]
            removed.append((path, path.read_bytes()))
            path.unlink()
        elif step == "return" and removed:
            path, content = removed.pop()
            path.write_bytes(content)
        elif step == "merge":
            digest = ledger.append(other, failed(error=f"other {number}"))
            ledger.adopt(root, digest, (other / ledger.path_of(digest)).read_bytes())
        elif step == "remember":
            remember(root)
        elif step == "settle":
            settle(root)
        index = ledger_index.look(root)
        assert (index.heads, index.count) == by_the_files(root)
        assert {row.digest for row in index.rows()} == {path.stem for path in (root / "runs").glob("*/*.json")}


def test_a_settled_folder_is_not_listed_again(tmp_path: Path) -> None:
    digest = ledger.append(tmp_path, evaluated())
    settle(tmp_path)
    remember(tmp_path)
    folder = (tmp_path / ledger.path_of(digest)).parent
    before = folder.stat().st_mtime_ns
    (tmp_path / ledger.path_of(digest)).unlink()
    os.utime(folder, ns=(before, before))
    assert ledger.count(tmp_path) == 1, "what the folder's time hides, only the audit sees"
    os.utime(folder)
    assert ledger.count(tmp_path) == 0


def test_a_young_folder_is_listed_again(tmp_path: Path) -> None:
    digest = ledger.append(tmp_path, evaluated())
    remember(tmp_path)
    folder = (tmp_path / ledger.path_of(digest)).parent
    before = folder.stat().st_mtime_ns
    (tmp_path / ledger.path_of(digest)).unlink()
    os.utime(folder, ns=(before, before))
    assert ledger.count(tmp_path) == 0, "its time may be that of two changes"


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "gone", "folder"])
def test_a_damaged_index_is_made_anew(tmp_path: Path, damage: str) -> None:
    digests = [ledger.append(tmp_path, evaluated(seed=seed)) for seed in range(5)]
    settle(tmp_path)
    remember(tmp_path)
    path = tmp_path / paths.LEDGER_INDEX
    content = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        path.write_bytes(content[:-9] + bytes([content[-9] ^ 1]) + content[-8:])
    elif damage == "other":
        path.write_bytes(b"\x93\x63\x00\xc4\x00")
    elif damage == "folder":
        path.mkdir()
    assert ledger.heads(tmp_path) == (digests[-1],)
    assert [row.seed for row in ledger.rows(tmp_path)] == list(range(5))


def test_it_is_written_once_enough_is_new_and_then_read(tmp_path: Path) -> None:
    for seed in range(130):
        ledger.append(tmp_path, evaluated(seed=seed))
    assert ledger.count(tmp_path) == 130
    assert (tmp_path / paths.LEDGER_INDEX).is_file()
    assert [row.seed for row in ledger.rows(tmp_path)] == list(range(130))


def test_where_it_cannot_be_written_the_ledger_is_read_all_the_same(tmp_path: Path) -> None:
    for seed in range(130):
        ledger.append(tmp_path, evaluated(seed=seed))
    (tmp_path / paths.LEDGER_INDEX).unlink(missing_ok=True)
    for path in (tmp_path / "results").iterdir():
        path.unlink()
    (tmp_path / "results").rmdir()
    (tmp_path / "results").write_text("in the way")
    assert ledger.count(tmp_path) == 130


def test_a_record_of_a_later_version_is_listed_as_far_as_it_can_be(tmp_path: Path) -> None:
    ledger.append(tmp_path, evaluated(novelty={"a": [1]}))
    (row,) = ledger.rows(tmp_path)
    assert (row.status, row.metrics, row.damaged) == ("evaluated", {"roc_auc": 0.7}, False)


def test_an_edited_record_that_names_itself_is_no_trap(tmp_path: Path) -> None:
    digest = ledger.append(tmp_path, rejected())
    path = tmp_path / ledger.path_of(digest)
    path.unlink()
    path.write_text(f'{{"parents":["{digest}"]}}\n')
    started = time.monotonic()
    assert [row.damaged for row in ledger.rows(tmp_path)] == [True]
    assert time.monotonic() - started < 10
