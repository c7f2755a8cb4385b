"""Streams under the compressions that Python itself can undo, as far as they are whole and as far as is asked."""

import bz2
import contextlib
import functools
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

Reader = Callable[[BinaryIO, int], bytes]
"""Returns up to so many bytes, decompressed, from a stream that stands at its start."""


def undone(stream: BinaryIO, head: bytes) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Yield the name of each compression that *head*, the first bytes of *stream*, may be of, and how to read it.

    What is read ends where the stream is damaged; nothing is raised for that.
    """
    for name, begins, reader in _known():
        if begins(head):
            stream.seek(0)
            yield name, functools.partial(reader, stream)


def _known() -> Iterator[tuple[str, Callable[[bytes], bool], Reader]]:
    yield "gzip", lambda head: head.startswith(b"\x1f\x8b"), lambda stream, size: _inflate(stream, size, 31)
    yield "zlib", _begins_zlib, lambda stream, size: _inflate(stream, size, 15)
    yield "joblib's zlib", lambda head: head.startswith(b"ZF0x"), _unjoblib
    yield "bz2", lambda head: head.startswith(b"BZh"), _unbzip
    yield "xz", lambda head: head.startswith((b"\xfd7zXZ\x00", b"\x5d\x00\x00")), _unxz


def _begins_zlib(head: bytes) -> bool:
    """Return whether two bytes are a header of RFC 1950, with a window and a check that fit."""
    return len(head) > 1 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and not int.from_bytes(head[:2]) % 31  # noqa: PLR2004 - by the RFC


def _inflate(stream: BinaryIO, size: int, window: int) -> bytes:
    return _stepwise(stream, size, lambda: zlib.decompressobj(window))


def _unjoblib(stream: BinaryIO, size: int) -> bytes:
    stream.seek(21)  # behind the mark and the length, as joblib before 0.10 wrote them
    return _inflate(stream, size, 15)


def _unbzip(stream: BinaryIO, size: int) -> bytes:
    return _stepwise(stream, size, bz2.BZ2Decompressor)


def _unxz(stream: BinaryIO, size: int) -> bytes:
    return _stepwise(stream, size, lzma.LZMADecompressor)


def _stepwise(stream: BinaryIO, size: int, make: Callable[[], Any]) -> bytes:
    """Return up to *size* decompressed bytes, of all parts one behind the other: as much as there is before damage."""
    found, left = bytearray(), b""
    with contextlib.suppress(Exception):
        part = make()
        while len(found) < size and (block := left or stream.read(64 * 1024)):
            found += part.decompress(block, size - len(found))
            left = part.unused_data if part.eof else b""
            part = make() if part.eof else part
    return bytes(found)
