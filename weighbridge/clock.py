"""The clock by which a file system dates what is written to it; on a shared one that is often another machine's.

The times of two files may be compared, and never that of a file with this machine's own clock.
"""

import os
import tempfile
import time
from pathlib import Path

from weighbridge import paths


def of_files(folder: Path) -> int:
    """Return the time by which a file written into *folder* now would be dated, in nanoseconds since 1970.

    Where it isn't there, or can't be written to, this machine's own has to do.
    """
    try:
        descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=paths.TEMPORARY)
    except OSError:
        return time.time_ns()
    try:
        os.write(descriptor, b"0")  # on a network's file system it is the write that brings the server's time
        return os.fstat(descriptor).st_mtime_ns
    except OSError:
        return time.time_ns()
    finally:
        os.close(descriptor)
        Path(temporary).unlink(missing_ok=True)
