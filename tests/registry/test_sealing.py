"""The record of an acceptance is in the release before it is in the folder, and is the same in both."""

import json
from pathlib import Path
from typing import Any

import pytest

from weighbridge.errors import RecordError
from weighbridge.registry import ledger, sealing

RECORD: dict[str, Any] = {
    "kind": "release",
    "status": "accepted",
    "run": "boosting-0123456789ab",
    "tag": "flights@v1.2.0",
    "content_sha256": "a" * 64,
    "manifest_sha256": "b" * 64,
    "when": "2026-01-31T12:00:00Z",
}


def _written(root: Path, number: int) -> str:
    return ledger.append(root, {"kind": "evidence", "status": "written", "file": f"{number}", "sha256": "c" * 64}
                         | {"when": RECORD["when"]})  # fmt: skip


def test_nothing_is_written_until_it_is_kept(tmp_path: Path) -> None:
    before = _written(tmp_path, 0)
    sealed = sealing.seal(tmp_path, RECORD)
    assert set(ledger.files(tmp_path)) == {ledger.path_of(before).as_posix()}
    sealing.keep(tmp_path, sealed)
    sealing.keep(tmp_path, sealed)
    assert ledger.files(tmp_path) == sealed.files


def test_root_and_number_are_what_the_ledger_then_has(tmp_path: Path) -> None:
    for number in range(3):
        _written(tmp_path, number)
    sealed = sealing.seal(tmp_path, RECORD)
    assert len(sealed.files) == sealed.number
    sealing.keep(tmp_path, sealed)
    assert (ledger.root_digest(tmp_path), ledger.count(tmp_path)) == (sealed.root, sealed.number)
    assert json.loads(sealed.content)["parents"], "it names what was there"
    assert ledger.problems(tmp_path) == ()


def test_a_record_written_meanwhile_stands_beside_it(tmp_path: Path) -> None:
    _written(tmp_path, 0)
    sealed = sealing.seal(tmp_path, RECORD)
    meanwhile = _written(tmp_path, 1)
    sealing.keep(tmp_path, sealed)
    assert set(ledger.heads(tmp_path)) == {sealed.digest, meanwhile}
    assert ledger.problems(tmp_path) == ()


def test_what_is_no_record_is_refused_before_there_is_a_release(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="manifest_sha256"):
        sealing.seal(tmp_path, RECORD | {"manifest_sha256": "none"})
