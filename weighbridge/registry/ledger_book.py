"""A second book of the records that were written or taken in here: a removed newest one is missed by it.

One digest a line, in ``results/.ledger.seen``. It may be deleted; then less is noticed.
"""

import contextlib
import os
import re
from pathlib import Path

from weighbridge import paths

_DIGEST = re.compile(r"[0-9a-f]{64}")


def note(root: Path, digest: str) -> None:
    """Add a line; by one write, so that lines of many writers don't mix.

    Where a full disk has left half a line, a new one is begun: else neither could be read.
    """
    book = root / paths.LEDGER_SEEN
    # Where it can't be written, less is noticed; the record itself is there.
    with contextlib.suppress(OSError):
        book.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(book, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            whole = not size or os.pread(descriptor, 1, size - 1) == b"\n"
            os.write(descriptor, f"{'' if whole else chr(10)}{digest}\n".encode())
        finally:
            os.close(descriptor)


def read(root: Path) -> frozenset[str]:
    """Return the digests in the book; a line that is none, such as half of one, is passed over."""
    try:
        lines = (root / paths.LEDGER_SEEN).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line for line in lines if _DIGEST.fullmatch(line))
