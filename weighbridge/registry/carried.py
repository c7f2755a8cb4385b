r"""The records that commits hold: each release's commit has the whole ledger as it was.

Commits are walked in turn, and of each only the folders that differ from the one before are read; so a thousand
releases of a long ledger need neither the time nor the memory of a thousand ledgers. The format of a tree object:
``MODE NAME\0`` and the binary object id, again and again.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from weighbridge.registry import git, ledger
from weighbridge.registry.ledger_rows import LARGEST

_SHARD = re.compile(r"[0-9a-f]{2}")
_FOLDER = "40000"


class Step(NamedTuple):
    """How a commit's records differ from those of the commit before it in the walk.

    *added* are blobs by the records' digests, also of those whose blob is another now; *removed* are digests;
    *strangers* are the names in folders read anew that are no record's.
    """

    commit: str
    added: dict[str, str]
    removed: frozenset[str]
    strangers: tuple[str, ...]


def walk(root: Path, commits: Sequence[str]) -> Iterator[Step]:
    """Yield a step for each of *commits* in turn; the first one's is from an empty ledger.

    Raises:
        SetupError: where Git fails.
    """
    place = f"{git.prefix(root)}{ledger.FOLDER}" if commits else ""
    trees: dict[str, str] = {}
    records: dict[str, dict[str, str]] = {}
    tops = _objects(root, [f"{commit}:{place}" for commit in commits], "tree")
    for commit, top in zip(commits, tops, strict=True):
        entries = list(_entries(top or b"", len(commit) // 2))
        now = {name: tree for mode, name, tree in entries if mode == _FOLDER and _SHARD.fullmatch(name)}
        strangers = [name for _, name, _ in entries if name not in now]
        changed = [name for name in now if trees.get(name) != now[name]]
        read: dict[str, dict[str, str]] = {}
        for name, tree in zip(changed, _objects(root, [now[name] for name in changed], "tree"), strict=True):
            read[name], odd = _records(tree or b"", name, len(commit) // 2)
            strangers += odd
        left: dict[str, dict[str, str]] = {name: {} for name in trees if name not in now} | read
        before = {name: records.get(name, {}) for name in left}
        added = {one: blob for name in read for one, blob in read[name].items() if before[name].get(one) != blob}
        removed = frozenset(one for name in left for one in before[name] if one not in left[name])
        trees, records = now, {name: (records | read)[name] for name in now}
        yield Step(commit, added, removed, tuple(strangers))


def _records(tree: bytes, folder: str, width: int) -> tuple[dict[str, str], list[str]]:
    """Return a folder's records, blobs by digest, and the names that are no record's."""
    pattern = rb"100644 (%s[0-9a-f]{62})\.json\0(.{%d})" % (folder.encode(), width)
    found = {name.decode(): blob.hex() for name, blob in re.findall(pattern, tree, re.DOTALL)}
    if len(found) * len(f"100644 {64 * '0'}.json\0".encode() + bytes(width)) == len(tree):
        return found, []
    whole = {(mode, name): blob for mode, name, blob in _entries(tree, width)}
    found = {digest: blob for digest, blob in found.items() if whole.get(("100644", f"{digest}.json")) == blob}
    return found, [f"{folder}/{name}" for mode, name in whole if mode != "100644" or name[:-5] not in found]


def _entries(tree: bytes, width: int) -> Iterator[tuple[str, str, str]]:
    """Yield mode, name and object id of each entry of a tree object; ids are *width* bytes long."""
    place = 0
    while place < len(tree):
        end = tree.index(b"\0", place)
        mode, _, name = tree[place:end].decode(errors="replace").partition(" ")
        place = end + 1 + width
        yield mode, name, tree[end + 1 : place].hex()


def contents(root: Path, blobs: Mapping[str, str]) -> dict[str, bytes]:
    """Return the content of each record by its digest, given each one's blob.

    What Git lacks is left out, as it may be in a partial clone, and what is larger than a record can be.
    """
    there = _small(root, blobs.values())
    small = {digest: blob for digest, blob in blobs.items() if blob in there}
    found = zip(small, _objects(root, list(small.values()), "blob"), strict=True)
    return {digest: content for digest, content in found if content is not None}


def _small(root: Path, blobs: Collection[str]) -> frozenset[str]:
    """Return those of the objects that are there and no larger than a record can be."""
    asked = "".join(f"{blob}\n" for blob in blobs).encode()
    told = git.run(root, "cat-file", "--batch-check", input=asked).decode() if blobs else ""
    heads = (line.split(" ") for line in told.splitlines())  # the object's id, kind and size, or "NAME missing"
    return frozenset(head[0] for head in heads if head[-1].isdigit() and int(head[-1]) <= LARGEST)


def _objects(root: Path, names: Sequence[str], kind: str) -> Iterator[bytes | None]:
    """Yield each object's content in turn, by one call of Git; ``None`` for what isn't there or of another kind."""
    asked = "".join(f"{name}\n" for name in names).encode()
    stream = git.run(root, "cat-file", "--batch", input=asked) if names else b""
    place = 0
    for _ in names:
        end = stream.index(b"\n", place)
        head = stream[place:end].decode(errors="replace").rsplit(" ", 2)
        place = end + 1
        if not head[-1].isdigit():  # "NAME missing", else the object's id, kind and size
            yield None
            continue
        size = int(head[-1])
        yield stream[place : place + size] if head[-2] == kind else None
        place += size + 1
