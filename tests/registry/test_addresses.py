"""DVC's addresses are read and computed without DVC; that they are what DVC computes is shown beside ``content``."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from weighbridge.errors import DataError, RecordError
from weighbridge.registry import addresses, content


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A folder with files in folders."""
    folder = tmp_path / "raw"
    (folder / "inner" / "more").mkdir(parents=True)
    (folder / "flights.csv").write_text("late\n1\n0\n")
    (folder / "empty").touch()
    (folder / "inner" / "more" / "wétter ☂.csv").write_text("rain\n")
    return folder


def test_the_address_is_the_digest_of_dvcs_listing(raw: Path) -> None:
    listing = (
        rb'[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "empty"}, '
        rb'{"md5": "a742fcbc84cb003c2114d5a23553671c", "relpath": "flights.csv"}, '
        rb'{"md5": "a07e68d398230e8cf376955c7e8f5025", "relpath": "inner/more/w\u00e9tter \u2602.csv"}]'
    )
    assert addresses.folder_address(raw)[0] == hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir"


def test_unchanged_files_are_not_read_again(raw: Path) -> None:
    path = raw / "flights.csv"
    for file in (raw).rglob("*.csv"):
        os.utime(file, (1_000_000_000, 1_000_000_000))
    address, known = addresses.folder_address(raw)
    assert set(known) == {"flights.csv", "inner/more/wétter ☂.csv"}, "the file of a second ago isn't remembered"
    path.write_bytes(path.read_bytes().replace(b"1", b"7"))
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert addresses.folder_address(raw, known)[0] == address, "same size and time: taken from memory"
    os.utime(path, (1_000_000_001, 1_000_000_001))
    changed, updated = addresses.folder_address(raw, known)
    assert changed != address
    assert updated["flights.csv"] != known["flights.csv"]
    assert changed == addresses.folder_address(raw)[0]


def test_the_address_needs_no_dvc(raw: Path) -> None:
    program = (
        "import pathlib, sys; from weighbridge.registry import content; "
        "content.folder_address(pathlib.Path(sys.argv[1])); sys.exit('dvc' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(raw)], check=True)


def test_a_missing_folder_and_a_broken_link_have_no_address(raw: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        addresses.folder_address(raw / "nothing")
    (raw / "link").symlink_to("nowhere")
    with pytest.raises(DataError, match="leads nowhere"):
        addresses.folder_address(raw)


@pytest.mark.parametrize(
    "text",
    [
        "outs:\n- md5: {a}\n  path: ../x\n", "outs:\n- md5: {a}\n  path: /x\n", "outs:\n- md5: {a}\n  path: .git\n",
        "outs:\n- md5: {a}\n  path: x\nwdir: ../..\n", "outs:\n- md5: {a}\n  path: x\ncmd: touch x\n",
        "outs:\n- md5: short\n  path: x\n", "outs: []\n", "x", "\x00",
        "outs:\n- path: x\n", "outs:\n- md5: {a}\n  path: x\n- md5: {a}\n  path: y\n",
    ],
)  # fmt: skip
def test_a_pointer_that_leads_elsewhere_or_nowhere_is_refused(tmp_path: Path, text: str) -> None:
    written = text.replace("{a}", "a" * 32)
    with pytest.raises(RecordError):
        addresses.pointer_address(written.encode())
    (tmp_path / "x.dvc").write_text(written)
    with pytest.raises(RecordError, match=r"x\.dvc"):
        addresses.pointer_address(tmp_path / "x.dvc")


def test_no_pointer_is_no_address(tmp_path: Path) -> None:
    assert addresses.pointer_address(tmp_path / "x.dvc") is None
    with pytest.raises(DataError, match="no such DVC pointer"):
        content.pull(tmp_path, "x.dvc")


@pytest.mark.parametrize(
    "names",
    [
        [".git"], ["a/.GIT/config"], [".git /x"], ["git~1"], ["GIT~1/config"], [".gi\u200dt/x"], [".git:stream"],
        ["a/.dvc./x"], ["dvc~1/config"], ["\uff0egit/x"], ["a\x1b]0;x"], ["a\x9bx"], ["a\udcff"],
        ["HEAD", "objects/x", "refs/x"],
        ["x", "a/head", "a/Objects/x", "a/refs/heads/main"],
    ],
)  # fmt: skip
def test_names_that_git_dvc_or_a_terminal_would_obey_are_unsafe(names: list[str]) -> None:
    assert addresses.unsafe(names) == names[-1]


def test_plain_names_are_safe() -> None:
    assert (
        addresses.unsafe([".gitignore", "a/git/x", "wétter ☂.csv", "a/HEAD", "refs/x", "b/objects/x", ".dvcignore"])
        is None
    )


MD5 = "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([("a", MD5), ("b", MD5), ("a", "0" * 32)], "unsafe entry 'a'"),
        ([("a", f"{MD5}.dir")], "unsafe entry 'a'"),
        ([("../a", MD5)], "unsafe entry '../a'"),
        ([(["a"], MD5)], r"unsafe entry \['a'\]"),
        ([("a", None)], "unsafe entry 'a'"),
    ],
)
def test_a_listing_is_read_by_one_strict_reader(entries: list[tuple[str, str]], words: str) -> None:
    text = json.dumps([{"relpath": name, "md5": md5} for name, md5 in entries]).encode()
    with pytest.raises(DataError, match=words):
        addresses.read_listing(text, "the listing")
    with pytest.raises(DataError, match="no listing of DVC's"):
        addresses.read_listing(b"[" * 100_000, "the listing")
