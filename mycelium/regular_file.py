"""Reads files that others may have put in place of those that are expected: none has the reader wait, or read without end."""

import os
import stat
from pathlib import Path


def read_regular(path: Path, most: int, flags: int = 0) -> tuple[bytes, int] | None:
    """Returns the first bytes of a regular file and its permissions, None for what is no such file; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | flags)  # a FIFO would wait for a writer
    try:
        mode = os.fstat(descriptor).st_mode
        return (os.read(descriptor, most), stat.S_IMODE(mode)) if stat.S_ISREG(mode) else None
    finally:
        os.close(descriptor)
