"""No decision rests on this machine's clock agreeing with the one that dates files."""

import os
import time
from pathlib import Path

import pytest
from ledger_records import failed

from weighbridge import clock, paths
from weighbridge.registry import ledger, ledger_index

_MINUTES = 10 * 60 * 10**9


def test_files_are_dated_by_their_own_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "before").touch()
    own = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: own + _MINUTES)
    found = clock.of_files(tmp_path)
    (tmp_path / "after").touch()
    assert (tmp_path / "before").stat().st_mtime_ns <= found <= (tmp_path / "after").stat().st_mtime_ns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["after", "before"]


def test_where_nothing_can_be_written_the_own_clock_has_to_do(tmp_path: Path) -> None:
    before = time.time_ns()
    assert before <= clock.of_files(tmp_path / "missing") <= time.time_ns()
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("ahead", [-_MINUTES, _MINUTES], ids=["behind", "ahead"])
def test_a_record_of_the_same_tick_is_seen_where_this_clock_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    (tmp_path / paths.LEDGER_INDEX).parent.mkdir()
    first = ledger.append(tmp_path, failed(error="0"))
    own = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: own + ahead)
    index = ledger_index.look(tmp_path)
    (tmp_path / paths.LEDGER_INDEX).write_bytes(index.pack())
    folder = tmp_path / "runs" / first[:2]
    dated = folder.stat().st_mtime_ns
    second = next(f"{first[:2]}{number:062x}" for number in range(99) if number)
    (folder / f"{second}.json").write_text("torn", encoding="utf-8")
    os.utime(folder, ns=(dated, dated))
    assert {row.digest for row in ledger_index.look(tmp_path).rows()} == {first, second}
