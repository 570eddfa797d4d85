"""Standard error as a stream that never waits: a daemon must not stand still because nobody reads its log."""

import errno
import os
import select
from typing import Final

STANDARD_ERROR: Final = 2


class LogStream:
    """A stream for `logging`. What its reader does not take at once raises OSError, and is lost."""

    def __init__(self, descriptor: int = STANDARD_ERROR) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._is_cut = False  # the last line was written in part only

    def write(self, text: str) -> None:
        """Writes text, in pieces that a pipe with any room takes without waiting."""
        data = memoryview((b"\n" if self._is_cut else b"") + text.encode(errors="backslashreplace"))
        while data:
            if not self._poll.poll(0):
                raise BlockingIOError(errno.EAGAIN, "nobody reads the log")
            data = data[os.write(self._descriptor, data[: select.PIPE_BUF]) :]
            self._is_cut = bool(data)

    def flush(self) -> None:
        """Does nothing: nothing is buffered."""
