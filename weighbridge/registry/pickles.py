"""Pickles, recognised by their bytes under any name: loading one runs whatever code it names.

No weights here are pickles, and no bundle may hold one. The opcodes are read by :mod:`pickletools`, which executes
nothing, through the wrappers in which pickles travel: zip and tar archives, gzip, zlib, bz2 and xz, and arrays of
Python objects. What can't be looked into counts as a find: a file that no one can judge has no place in a bundle.
"""

import io
import pickletools
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from weighbridge.errors import RecordError
from weighbridge.registry import decompression

_LOOKED_AT = 16 * 1024 * 1024
"""Bytes of a stream that are read at most; who hides code behind more is found by hiding it."""
_DEPTH = 5
_MEMBERS = 10_000
_PROTO = 0x80
_NEWEST_PROTOCOL = 5
_RUNS = frozenset({"REDUCE", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "BUILD"})
"""Opcodes that call something: from there on it is too late, whatever follows."""
_NAMES = frozenset({"GLOBAL", "INST", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4"})
_OPCODES = frozenset(opcode.code.encode("latin-1") for opcode in pickletools.opcodes)
_PYTHON_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)* [^\W\d]\w*(\.[^\W\d]\w*)*")
_OBJECT_ARRAY = re.compile(rb"['\"][|<>=]?O\d*['\"]")
_OPAQUE = {
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!\x1a\x07": "rar",
    b"\x1f\x9d": "compress",
}


class Found(NamedTuple):
    """A file with a pickle in it: its path below the folder, and what was found, in words."""

    path: str
    what: str


def refuse(folder: Path, name: str) -> None:
    """Refuse a folder that holds a pickle; *name* stands for it in the message.

    Raises:
        RecordError: naming each file.
    """
    found = in_folder(folder)
    if found:
        listed = "\n".join(f"  {one.path}: {one.what}" for one in found)
        raise RecordError(
            f"{name} holds what may run code when it is loaded:\n{listed}\n"
            "Expected ONNX, safetensors, skops and text only. Don't load these files; take the release from where it "
            "was made, and report it there"
        )


def in_folder(folder: Path) -> tuple[Found, ...]:
    """Return the files below *folder* with a pickle in them, sorted by path; links are looked through."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    looked = ((path.relative_to(folder).as_posix(), in_file(path)) for path in files)
    return tuple(Found(path, what) for path, what in looked if what)


def in_file(path: Path) -> str | None:
    """Return in words what pickle the file is or holds; ``None`` where there is none."""
    with path.open("rb") as stream:
        return look(stream)


def look(stream: BinaryIO) -> str | None:
    """Return in words what pickle a seekable *stream* is or holds from its start; ``None`` where there is none."""
    return next(_finds(stream, 0), None)


def _finds(stream: BinaryIO, depth: int) -> Iterator[str]:
    head = stream.read(512)
    stream.seek(0)
    if depth > _DEPTH:
        yield "archives within archives, too deep to look into"
        return
    plain = _as_pickle(stream, head)
    if plain:
        yield plain
    for magic, name in _OPAQUE.items():
        if head.startswith(magic):
            yield f"content compressed by {name}, which can't be looked into"
    for unwrap in (_in_array, _unzipped, _untarred, _decompressed):
        stream.seek(0)
        yield from unwrap(stream, head, depth)


def _as_pickle(stream: BinaryIO, head: bytes) -> str | None:
    """Follow the opcodes from the start of *stream*, with the height of the stack that they would need.

    With the header of protocol 2 to 5 one opcode is enough. Without it text may look alike for a while: then it takes
    a whole pickle, or a call of something that was named before, even where damage follows it.
    """
    if head[:1] not in _OPCODES:
        return None
    content = stream.read(_LOOKED_AT)
    opcodes = io.BytesIO(content)
    end: int | None = 0
    walk = _Walk(declared=head[0] == _PROTO and 0 < head[1] <= _NEWEST_PROTOCOL if len(head) > 1 else False)
    try:
        for opcode, argument, position in pickletools.genops(opcodes):
            end = position
            walk.step(opcode, argument)
            if walk.runs:
                return f"a pickle of protocol {walk.protocol}"
    except _NoPickleError:
        return None
    except Exception:  # noqa: BLE001 - pickletools raises whatever decoding a damaged argument raises
        cut = opcodes.tell() == _LOOKED_AT
        return "begins like a pickle, and is too long to look at" if cut else None
    whole = walk.named or not content[(end or 0) + 1 :].strip()
    return f"a pickle of protocol {walk.protocol}" if whole else None


class _NoPickleError(Exception):
    """The opcodes don't make sense: no unpickler would come as far as this."""


class _Walk:
    """The height of the stack and of its marks while opcodes go by; nothing is executed."""

    def __init__(self, *, declared: bool) -> None:
        self.steps = 0
        self.protocol = 0
        self.named = False
        self.runs = False
        self._declared = declared
        self._stack: list[bool] = []  # one entry an object: whether it is a mark

    def step(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Take one opcode.

        Raises:
            _NoPickleError: where the stack lacks what the opcode takes, or a name is none.
        """
        self.steps += 1
        self.protocol = max(self.protocol, opcode.proto if opcode.name != "PROTO" else int(str(argument)))
        taken, given = list(opcode.stack_before), list(opcode.stack_after)
        if pickletools.markobject in taken:
            taken = taken[: taken.index(pickletools.markobject)]
            self._back_to_mark(opcode)
        self._take(len(taken))
        if opcode.name == "STOP" and self._stack:
            raise _NoPickleError
        self._stack += [given_one is pickletools.markobject for given_one in given]
        if opcode.name in {"GLOBAL", "INST"} and not _PYTHON_NAME.fullmatch(str(argument)):
            raise _NoPickleError
        self.named |= opcode.name in _NAMES
        self.runs |= opcode.name in _RUNS and self.named
        self.runs |= self._declared and self.steps > 1

    def _back_to_mark(self, opcode: pickletools.OpcodeInfo) -> None:
        if True not in self._stack:
            raise _NoPickleError
        above = self._stack[::-1].index(True)
        if opcode.name in {"SETITEMS", "DICT"} and above % 2:
            raise _NoPickleError
        del self._stack[len(self._stack) - above - 1 :]

    def _take(self, count: int) -> None:
        # POP may take a mark; all else takes objects.
        if len(self._stack) < count or (count > 1 and any(self._stack[len(self._stack) - count :])):
            raise _NoPickleError
        del self._stack[len(self._stack) - count :]


def _in_array(stream: BinaryIO, head: bytes, _depth: int) -> Iterator[str]:
    """A NumPy file of Python objects holds them as a pickle behind its header, which is a short literal."""
    if head.startswith(b"\x93NUMPY") and _OBJECT_ARRAY.search(stream.read(64 * 1024).split(b"}")[0]):
        yield "an array of Python objects, which is a pickle"


def _unzipped(stream: BinaryIO, head: bytes, depth: int) -> Iterator[str]:
    """Look into a zip archive; one may begin anywhere in a file, since its list of members stands at the end."""
    if not zipfile.is_zipfile(stream):
        if head.startswith(b"PK\x03\x04"):
            yield "a damaged zip archive, which can't be looked into"
        return
    try:
        with zipfile.ZipFile(stream) as archive:
            members = archive.infolist()
            if len(members) > _MEMBERS:
                yield f"a zip archive of {len(members)} members, too many to look at"
                return
            for member in members:
                with archive.open(member) as inner:
                    yield from _within(f"in its member {member.filename!r}", inner.read, depth)
    except Exception as problem:  # noqa: BLE001 - a forged archive may fail anywhere
        if head.startswith(b"PK"):
            yield f"a zip archive that can't be looked into ({type(problem).__name__})"


def _untarred(stream: BinaryIO, head: bytes, depth: int) -> Iterator[str]:
    if head[257:262] != b"ustar":
        return
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= _MEMBERS:
                    yield "a tar archive of too many members to look at"
                    return
                inner = archive.extractfile(member) if member.isfile() else None
                if inner:
                    yield from _within(f"in its member {member.name!r}", inner.read, depth)
    except Exception as problem:  # noqa: BLE001 - as above
        yield f"a tar archive that can't be looked into ({type(problem).__name__})"


def _decompressed(stream: BinaryIO, head: bytes, depth: int) -> Iterator[str]:
    """Look behind a compression; what its damaged end leaves readable counts."""
    for name, read in decompression.undone(stream, head):
        yield from _within(f"compressed by {name}", read, depth)


def _within(where: str, read: Callable[[int], bytes], depth: int) -> Iterator[str]:
    content = read(_LOOKED_AT)
    yield from (f"{what}, {where}" for what in _finds(io.BytesIO(content), depth + 1))
