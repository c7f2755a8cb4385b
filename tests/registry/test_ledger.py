"""The ledger loses nothing, and whatever is changed or taken away shows."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest
from ledger_records import evaluated, failed, rejected

from weighbridge import paths
from weighbridge.digest import canonical_json, sha256_bytes
from weighbridge.errors import RecordError
from weighbridge.registry import ledger, ledger_book, ledger_rows
from weighbridge.stages import agreement


def _append_many(root: Path, writer: int, number: int) -> None:
    for index in range(number):
        ledger.append(root, failed(error=f"{writer}-{index}"))


def _file(root: Path, digest: str) -> Path:
    return root / "runs" / digest[:2] / f"{digest}.json"


def test_records_come_back_in_the_order_they_were_written(tmp_path: Path) -> None:
    digests = [ledger.append(tmp_path, evaluated(seed=i, metrics={"roc_auc": i / 10})) for i in range(12)]
    entries = ledger.read(tmp_path)
    assert [entry.digest for entry in entries] == digests
    assert entries[3].record == evaluated(seed=3, metrics={"roc_auc": 0.3})
    assert entries[3].parents == (digests[2],)
    assert ledger.heads(tmp_path) == (digests[-1],)
    assert ledger.count(tmp_path) == 12


def test_an_empty_ledger_has_a_root_too(tmp_path: Path) -> None:
    assert ledger.read(tmp_path) == ()
    assert ledger.heads(tmp_path) == ()
    assert ledger.count(tmp_path) == 0
    assert ledger.root_digest(tmp_path) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_sixteen_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(16) as pool:
        pool.starmap(_append_many, [(tmp_path, writer, 20) for writer in range(16)], chunksize=1)
    errors = {entry.record["error"] for entry in ledger.read(tmp_path)}
    assert errors == {f"{writer}-{index}" for writer in range(16) for index in range(20)}
    assert ledger.count(tmp_path) == len(ledger_book.read(tmp_path)) == 320
    ledger.append(tmp_path, rejected())
    assert len(ledger.heads(tmp_path)) == 1


def test_branches_merge_by_copying_files(tmp_path: Path) -> None:
    for side in ("left", "right"):
        ledger.append(tmp_path / side, failed(error=side))
    for path, content in ledger.files(tmp_path / "right").items():
        target = tmp_path / "left" / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)
    assert len(ledger.heads(tmp_path / "left")) == 2
    assert ledger.problems(tmp_path / "left") == ()


def test_an_edited_record_is_reported_and_the_others_read(tmp_path: Path) -> None:
    digests = [ledger.append(tmp_path, evaluated(seed=i)) for i in range(3)]
    path = _file(tmp_path, digests[1])
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"seed":1', b'"seed":9'))
    with pytest.raises(RecordError, match=f"{digests[1]}.json: its content has the digest"):
        ledger.read(tmp_path)
    assert {entry.digest for entry in ledger.inspect(tmp_path)[0]} == {digests[0], digests[2]}


def test_a_record_taken_from_the_middle_is_missed(tmp_path: Path) -> None:
    digests = [ledger.append(tmp_path, evaluated(seed=i)) for i in range(3)]
    _file(tmp_path, digests[1]).unlink()
    with pytest.raises(RecordError, match=f"its parent {digests[1][:12]} is missing"):
        ledger.read(tmp_path)


def test_a_newest_record_taken_away_changes_root_and_count(tmp_path: Path) -> None:
    ledger.append(tmp_path, evaluated(seed=1))
    last = ledger.append(tmp_path, evaluated(seed=2))
    before = ledger.root_digest(tmp_path), ledger.count(tmp_path)
    _file(tmp_path, last).unlink()
    assert (ledger.root_digest(tmp_path), ledger.count(tmp_path)) != before


def test_a_damaged_record_keeps_no_new_one_from_being_written(tmp_path: Path) -> None:
    path = _file(tmp_path, ledger.append(tmp_path, evaluated(seed=1)))
    path.chmod(0o644)
    path.write_bytes(b"\xff{")
    (path.parent / "notes.txt").write_text("mine")
    ledger.append(tmp_path, evaluated(seed=2))
    assert len(ledger.problems(tmp_path)) == 2
    assert any("notes.txt: not the name of a record" in problem for problem in ledger.problems(tmp_path))


@pytest.mark.parametrize("record", [{"parents": []}, {"loss": float("nan")}, {"name": "\udcff"}, {"x": object()}])
def test_what_canonical_json_cannot_hold_is_refused(tmp_path: Path, record: dict[str, object]) -> None:
    with pytest.raises(RecordError):
        ledger.append(tmp_path, evaluated() | record)
    assert ledger.count(tmp_path) == 0


def test_a_record_is_canonical_read_only_json_named_by_its_digest(tmp_path: Path) -> None:
    path = _file(tmp_path, ledger.append(tmp_path, failed(error="ü")))
    said = '"error":"ü","kind":"attempt","parents":[],"stage":"train","status":"failed","when":"2026-01-31T12:00:00Z"'
    assert path.read_text() == f"{{{said}}}\n"
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_chain_of_a_thousand_records_has_one_head(tmp_path: Path) -> None:
    parent: list[str] = []
    for number in range(1000):
        content = canonical_json({"run": number, "metrics": {"a": 0.5}, "parents": parent}).encode() + b"\n"
        digest = sha256_bytes(content[:-1])
        _file(tmp_path, digest).parent.mkdir(parents=True, exist_ok=True)
        _file(tmp_path, digest).write_bytes(content)
        parent = [digest]
    assert ledger.heads(tmp_path) == tuple(parent)
    assert json.loads(_file(tmp_path, parent[0]).read_bytes())["run"] == 999


UNREADABLE = {
    "deep": b'{"parents":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "deeper than the views go": b'{"parents":[],"x":' + b"[" * 64 + b"]" * 64 + b"}\n",
    "large": b'{"parents":[],"x":"' + b"x" * ledger_rows.LARGEST + b'"}\n',
    "a number of many digits": b'{"parents":[],"x":' + b"9" * 10_000 + b"}\n",
    "a parent that is a path": b'{"parents":["' + b"x" * 300 + b'"]}\n',
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_record_that_nobody_could_read_is_named_and_stops_nothing(tmp_path: Path, content: bytes) -> None:
    digest = ledger.digest_of(content)
    _file(tmp_path, digest).parent.mkdir(parents=True)
    _file(tmp_path, digest).write_bytes(content)
    with pytest.raises(RecordError, match="don't take it in"):
        ledger.adopt(tmp_path, digest, content)
    assert len(ledger.problems(tmp_path)) == 1
    ledger.append(tmp_path, evaluated())
    assert len(ledger.rows(tmp_path)) == 2


def test_what_nobody_could_read_is_not_written(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "x" * ledger_rows.LARGEST):
        with pytest.raises(RecordError):
            ledger.append(tmp_path, evaluated(value=value))
    assert ledger.count(tmp_path) == 0


def test_a_pipe_or_a_folder_in_a_records_place_is_named_and_waited_for_by_nobody(tmp_path: Path) -> None:
    for digit, make in (("a", Path.mkdir), ("b", os.mkfifo)):
        path = _file(tmp_path, digit * 64)
        path.parent.mkdir(parents=True)
        make(path)
    (tmp_path / "runs" / "notes.txt").write_text("mine")
    assert [problem.split(":")[0] for problem in ledger.problems(tmp_path)] == [
        f"runs/aa/{'a' * 64}.json", f"runs/bb/{'b' * 64}.json", "runs/notes.txt",
    ]  # fmt: skip
    ledger.append(tmp_path, evaluated())
    assert len(ledger.inspect(tmp_path)[0]) == 1


def test_no_new_record_names_one_that_is_damaged(tmp_path: Path) -> None:
    first, second = (ledger.append(tmp_path, evaluated(seed=i)) for i in range(2))
    path = _file(tmp_path, second)
    good = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(b"{}")  # in its place: the folder's time stays
    assert ledger.heads(tmp_path) == (first,)
    path.write_bytes(good)
    assert ledger.heads(tmp_path) == (second,)


def test_half_a_line_in_the_book_swallows_no_digest(tmp_path: Path) -> None:
    first = ledger.append(tmp_path, evaluated(seed=0))
    with (tmp_path / paths.LEDGER_SEEN).open("a") as book:
        book.write("0123")
    second = ledger.append(tmp_path, evaluated(seed=1))
    assert ledger_book.read(tmp_path) == {first, second}


def test_a_record_that_lies_there_already_gets_into_the_book(tmp_path: Path) -> None:
    """As the acceptance does that a release which advances the branch has laid there."""
    digest = ledger.append(tmp_path, evaluated())
    (tmp_path / paths.LEDGER_SEEN).unlink()
    assert not ledger.adopt(tmp_path, digest, _file(tmp_path, digest).read_bytes())
    assert ledger_book.read(tmp_path) == {digest}


def test_a_list_where_a_name_belongs_keeps_no_release_from_reading_the_evidence(tmp_path: Path) -> None:
    """The reader is the release, which asks whether what was measured is on record."""
    odd = canonical_json({"kind": "evidence", "file": ["x"], "sha256": [], "parents": []}).encode() + b"\n"
    path = _file(tmp_path, ledger.digest_of(odd))
    path.parent.mkdir(parents=True)
    path.write_bytes(odd)
    for file in (paths.PACKAGE, paths.WEIGHING):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("x")
    assert [claim.expected for claim in agreement._recorded(tmp_path)] == ["a file that the ledger knows"] * 2
