"""Git's objects as they are stored, each digested again: what a tag's object names is what is read.

One process of ``git cat-file`` serves all of them. It applies no filter, runs no hook and fetches nothing; replaced
and grafted objects are of no account. The formats are those of ``git help format-pack`` and
https://git-scm.com/book/en/v2/Git-Internals-Git-Objects.
"""

import hashlib
import re
import subprocess
from collections.abc import Iterator, Sized
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from weighbridge.errors import RecordError, SetupError
from weighbridge.registry import git

FILE, EXECUTABLE, LINK, FOLDER, MODULE = "100644", "100755", "120000", "40000", "160000"

_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ALGORITHMS = {40: "sha1", 64: "sha256"}
_MOST_ENTRIES, _DEEPEST, _LONGEST = 1_000_000, 100, 4096
NOTHING_FETCHED = {"GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"}
"""Variables under which Git brings nothing from elsewhere, by no transport that some configuration may name."""


class Object(NamedTuple):
    """An object: its kind (``tag``, ``commit``, ``tree`` or ``blob``) and its bytes."""

    kind: str
    content: bytes


class Entry(NamedTuple):
    """What stands in a tree under a name: its mode, as Git writes it, and the object."""

    mode: str
    id: str


Difference = tuple[str, Entry | None, Entry | None]
"""A path, and what stands there in one tree and in another."""


class Headers(NamedTuple):
    """A tag or commit: each header's values by its name, in order, and the message, signature included."""

    fields: dict[str, tuple[str, ...]]
    message: str

    def one(self, name: str) -> str:
        """Return the one value of a header.

        Raises:
            RecordError: where it stands there twice, or not at all.
        """
        values = self.fields.get(name, ())
        if len(values) != 1:
            raise RecordError(f"found {len(values)} headers {name!r} in a Git object, expected one; don't trust it")
        return values[0]


class _Ceiling:
    """How much of trees is walked: equal ones that hold each other could go on for longer than anyone lives."""

    def __init__(self) -> None:
        self._left = _MOST_ENTRIES

    def look(self, found: Sized, prefix: str) -> None:
        # A long path in each of a million places would fill the memory as well.
        self._left -= (1 + len(found)) * (1 + len(prefix) // 256)
        if self._left < 0 or prefix.count("/") > _DEEPEST or len(prefix) > _LONGEST:
            raise RecordError(
                f"{prefix[:80]}: found more than {_MOST_ENTRIES:,} files or {_DEEPEST} folders in each other in one "
                "commit; expected a project's; don't trust it"
            )


class Objects:
    """The objects of the repository around *root*; a context that ends its process."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._trees: dict[str, dict[str, Entry]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process:
            self._process.communicate()

    def resolve(self, ref: str) -> str | None:
        """Return the object that a full reference, such as ``refs/tags/x``, names itself; ``None`` without one."""
        found = git.attempt(self._root, "rev-parse", "--verify", "--quiet", "--end-of-options", ref)
        name = found.stdout.decode(errors="replace").strip()
        return name if found.returncode == 0 and _ID.fullmatch(name) else None

    def read(self, identity: str, kind: str) -> bytes:
        """Return the bytes of an object that is of the expected *kind*.

        Raises:
            RecordError: where there is none, it is of another kind, or its bytes aren't those of its name.
        """
        found = self._ask(identity)
        if found is None:
            raise RecordError(f"the repository lacks the {kind} {identity[:12]}; `git fetch` all of it, then try again")
        if found.kind != kind:
            raise RecordError(f"{identity[:12]} is a {found.kind}, expected a {kind}; don't trust it")
        header = f"{found.kind} {len(found.content)}\0".encode()
        digest = hashlib.new(_ALGORITHMS[len(identity)], header + found.content, usedforsecurity=False).hexdigest()
        if digest != identity:
            raise RecordError(f"the object {identity[:12]} is damaged or forged: its bytes have the name {digest[:12]}")
        return found.content

    def kind(self, identity: str) -> str | None:
        """Return the kind of an object; ``None`` where there is none."""
        found = self._ask(identity)
        return found.kind if found else None

    def _ask(self, identity: str) -> Object | None:
        if not _ID.fullmatch(identity):
            raise RecordError(f"{identity!r} is no name of a Git object; don't trust what names it")
        process = self._started()
        if not (process.stdin and process.stdout):
            raise SetupError("git cat-file has no pipes; try again")
        try:
            process.stdin.write(f"{identity}\n".encode())
            process.stdin.flush()
            head = process.stdout.readline().decode(errors="replace").split()
        except BrokenPipeError:
            head = []
        if len(head) != 3:  # noqa: PLR2004 - name, kind, size
            if head[1:] == ["missing"]:
                return None
            raise RecordError(f"Git can't read the object {identity[:12]}; run `git fsck` to see what is damaged")
        content = process.stdout.read(int(head[2]))
        process.stdout.read(1)
        return Object(head[1], content)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
                git.command("cat-file", "--batch"),
                cwd=self._root,
                env=git.environment() | NOTHING_FETCHED,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process

    def headers(self, identity: str, kind: str) -> Headers:
        """Return what a ``tag`` or ``commit`` says.

        Raises:
            RecordError: as :meth:`read`.
        """
        return parse_headers(self.read(identity, kind))

    def tree(self, identity: str) -> dict[str, Entry]:
        """Return what stands in a tree, by name.

        Raises:
            RecordError: as :meth:`read`, or where it is no tree.
        """
        if identity not in self._trees:
            self._trees[identity] = parse_tree(self.read(identity, "tree"), len(identity) // 2)
        return self._trees[identity]

    def entry(self, tree: str, path: str) -> Entry | None:
        """Return what stands at *path* (with ``/``) below a tree; ``None`` where nothing does."""
        *folders, name = path.split("/")
        for folder in folders:
            inner = self.tree(tree).get(folder)
            if inner is None or inner.mode != FOLDER:
                return None
            tree = inner.id
        return self.tree(tree).get(name)

    def file(self, tree: str, path: str) -> bytes | None:
        """Return the regular file at *path* below a tree; ``None`` where there is none.

        Raises:
            RecordError: where a link or a folder stands there.
        """
        found = self.entry(tree, path)
        if found is None:
            return None
        if found.mode not in {FILE, EXECUTABLE}:
            raise RecordError(f"{path}: found mode {found.mode} in the commit, expected a regular file; don't trust it")
        return self.read(found.id, "blob")

    def walk(self, tree: str, prefix: str = "") -> Iterator[tuple[str, Entry]]:
        """Yield each file below a tree with its path, sorted.

        Raises:
            RecordError: as :meth:`tree`, or where there are too many.
        """
        return self._walk(tree, prefix, _Ceiling())

    def _walk(self, tree: str, prefix: str, ceiling: _Ceiling) -> Iterator[tuple[str, Entry]]:
        entries = self.tree(tree)
        ceiling.look(entries, prefix)
        for name, found in sorted(entries.items()):
            if found.mode == FOLDER:
                yield from self._walk(found.id, f"{prefix}{name}/", ceiling)
            else:
                yield prefix + name, found

    def differing(self, old: str, new: str) -> Iterator[Difference]:
        """Yield each file that two trees don't have alike: its path, and what stands there in either.

        Raises:
            RecordError: as :meth:`walk`.
        """
        return self._differing(old, new, "", _Ceiling())

    def _differing(self, old: str, new: str, prefix: str, ceiling: _Ceiling) -> Iterator[Difference]:
        before, after = self.tree(old), self.tree(new)
        ceiling.look({*before, *after}, prefix)
        for name in sorted({*before, *after}):
            one, other = before.get(name), after.get(name)
            if one == other:
                continue
            yield from self._unlike(prefix + name, one, other, ceiling)

    def _unlike(self, path: str, one: Entry | None, other: Entry | None, ceiling: _Ceiling) -> Iterator[Difference]:
        folders = [found is not None and found.mode == FOLDER for found in (one, other)]
        if one and other and all(folders):
            yield from self._differing(one.id, other.id, f"{path}/", ceiling)
        elif not any(folders):
            yield path, one, other
        else:
            yield from ((name, found, None) for name, found in self._below(path, one, ceiling))
            yield from ((name, None, found) for name, found in self._below(path, other, ceiling))

    def _below(self, path: str, entry: Entry | None, ceiling: _Ceiling) -> Iterator[tuple[str, Entry]]:
        if entry and entry.mode == FOLDER:
            yield from self._walk(entry.id, f"{path}/", ceiling)
        elif entry:
            yield path, entry


def parse_headers(content: bytes) -> Headers:
    """Return the headers and the message of a tag or commit; a line that begins with a space goes on the one before.

    Raises:
        RecordError: where it isn't UTF-8, or has no headers.
    """
    try:
        head, separator, message = content.decode().partition("\n\n")
    except UnicodeDecodeError as problem:
        raise RecordError(f"a Git object isn't UTF-8 text (byte {problem.start}); expected one made here") from None
    fields: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in head.removesuffix("\n").split("\n"):
        name, space, value = line.partition(" ")
        if not name and last:
            last[-1] += f"\n{value}"
        elif name and space:
            last = fields.setdefault(name, [])
            last.append(value)
        else:
            raise RecordError(f"{line[:40]!r} is no header of a Git object; don't trust it")
    return Headers({name: tuple(values) for name, values in fields.items()}, message if separator else "")


def parse_tree(content: bytes, digest_bytes: int) -> dict[str, Entry]:
    """Return what stands in a tree's bytes, by name.

    Raises:
        RecordError: where they aren't a tree's, or a name stands there twice or leads elsewhere.
    """
    found: dict[str, Entry] = {}
    place = 0
    while place < len(content):
        end = content.find(b"\0", place)
        mode, space, name = content[place:end].partition(b" ")
        digest = content[end + 1 : end + 1 + digest_bytes]
        text = name.decode(errors="surrogateescape")
        if (
            end < 0
            or not space
            or len(digest) != digest_bytes
            or text in found
            or text in {"", ".", ".."}
            or "/" in text
        ):
            raise RecordError(f"a tree of Git's is damaged or forged at byte {place}; don't trust it")
        found[text] = Entry(mode.decode(errors="replace"), digest.hex())
        place = end + 1 + digest_bytes
    return found
