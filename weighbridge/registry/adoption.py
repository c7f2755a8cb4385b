"""Records that releases carry, taken into this clone's ledger: so a new clone goes on where the others are.

Each release commit holds the whole ledger as it was. What ``runs/`` lacks of it is copied in from Git, each record
checked against its own name, parents before children. Tags whose records are all here are remembered, so that a look
costs one ``git for-each-ref``.
"""

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from weighbridge import documents, paths
from weighbridge.errors import RecordError, WeighbridgeError
from weighbridge.registry import git, ledger

_RECORD = re.compile(rf"{ledger.FOLDER}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})\.json")
_RELEASES = "refs/tags/*@v*"


def adopt(root: Path) -> int:
    """Take in what the releases' commits have on record and this ledger hasn't; return the number of records.

    Safe while others write, and after a kill: what is half taken in is taken in the next time.

    Raises:
        SetupError: where Git fails.
        RecordError: where a release's record isn't what its name says; all others are taken in first.
    """
    memory = root / paths.ADOPTED
    known = _remembered(memory) if (root / ledger.FOLDER).is_dir() else frozenset()
    tags = _tags(root)
    new = {name: commit for name, commit in tags.items() if name not in known}
    if not new:
        return 0
    taken = 0
    wrong: list[str] = []
    for commit in dict.fromkeys(new.values()):
        count, problems = _take_in(root, commit)
        taken += count
        wrong += problems
    if wrong:
        raise RecordError(
            "records of releases aren't what their names say: " + "; ".join(wrong[:3]) + "; look at who made the tag"
        )
    with contextlib.suppress(OSError):  # it only saves time
        documents.write(memory, msgspec.json.encode(sorted(known & tags.keys() | new.keys())))
    return taken


def attempt(root: Path, say: Callable[[str], object]) -> int:
    """Do :func:`adopt`, and *say* what was taken in, or why nothing could be: a stage can go on without."""
    try:
        taken = adopt(root)
    except (WeighbridgeError, OSError) as problem:
        say(f"the releases' records can't be taken in: {problem}")
        return 0
    if taken:
        say(f"records of earlier releases taken into {ledger.FOLDER}/: {taken}")
    return taken


def _remembered(memory: Path) -> frozenset[str]:
    try:
        return frozenset(msgspec.json.decode(memory.read_bytes(), type=list[str]))
    except (OSError, msgspec.DecodeError):
        return frozenset()


def _tags(root: Path) -> dict[str, str]:
    """Return the commit of each release's tag by the tag object, the newest release first; it has most of them all."""
    form = "--format=%(objectname) %(objecttype) %(*objecttype) %(*objectname)"
    text = git.run(root, "for-each-ref", "--sort=-taggerdate", form, _RELEASES).decode(errors="replace")
    cells = (line.split(" ") for line in text.splitlines())
    return {cell[0]: cell[3] for cell in cells if cell[1:3] == ["tag", "commit"]}


def _take_in(root: Path, commit: str) -> tuple[int, list[str]]:
    """Take in one commit's records; return how many were new, and what is wrong with others."""
    contents = dict(_contents(root, _lacking(root, commit)))
    taken, wrong = 0, []
    for digest in _parents_first(contents):
        try:
            taken += ledger.adopt(root, digest, contents[digest])
        except RecordError as problem:
            wrong.append(str(problem))
    return taken, wrong


def _lacking(root: Path, commit: str) -> dict[str, str]:
    """Return the object of each record that the commit has and the ledger lacks, by the record's digest."""
    listing = git.run(root, "ls-tree", "-r", "-z", commit, "--", ledger.FOLDER).decode(errors="surrogateescape")
    found: dict[str, str] = {}
    for line in filter(None, listing.split("\0")):
        about, _, path = line.partition("\t")
        mode, kind, blob = about.split(" ")
        match = _RECORD.fullmatch(path)
        if match and kind == "blob" and mode == "100644" and not (root / path).exists():
            found[match[2]] = blob
    return found


def _contents(root: Path, blobs: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    """Yield each record's bytes from one ``git cat-file``; a partial clone may lack some, which are passed over."""
    if not blobs:
        return
    asked = "".join(f"{blob}\n" for blob in blobs.values()).encode()
    stream = git.run(root, "cat-file", "--batch", input=asked)
    place = 0
    for digest in blobs:
        end = stream.index(b"\n", place)
        head = stream[place:end].split(b" ")
        place = end + 1
        if head[1] == b"blob":
            size = int(head[2])
            yield digest, stream[place : place + size]
            place += size + 1


def _parents_first(contents: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the records such that a kill in between leaves none whose parents are lacking."""
    parents: dict[str, tuple[str, ...]] = {}
    for digest, content in contents.items():
        entry = ledger.parse(content, digest)
        parents[digest] = entry.parents if isinstance(entry, ledger.Entry) else ()
    done: set[str] = set()
    for start in parents:
        pending = [start]
        while pending:
            waiting = [one for one in parents[pending[-1]] if one in parents and one not in done]
            if waiting:
                pending.extend(waiting)
            else:
                last = pending.pop()
                if last not in done:
                    done.add(last)
                    yield last
