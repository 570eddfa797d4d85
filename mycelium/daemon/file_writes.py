"""Writes of a file that a running daemon keeps: one at a time, off the loop, and told of when they fail."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from mycelium.daemon.threads import in_thread

log = logging.getLogger("mycelium")

LAST_S: Final = 2.0  # that the end of the daemon waits for a write under way, as on a disk that does not answer


class FileWrites:
    """Writes one file. The log has each reason for which that fails once, and whoever writes tries again."""

    def __init__(self, complaint: str, *, level: int = logging.WARNING) -> None:
        self._complaint = complaint  # what can't be written, and where
        self._level = level
        self._reason = ""  # for which the last write failed
        self._turn = threading.Lock()

    async def write(self, write: Callable[[], None]) -> bool:
        """Runs a write in a thread, which goes on where the caller is cancelled; tells whether all was written."""
        with self._told():
            await in_thread(lambda: self._in_turn(write))
            return True
        return False

    def write_last(self, write: Callable[[], None]) -> None:
        """Runs a write at once, after one that may be under way: the last before the daemon ends."""
        with self._told():
            self._in_turn(write, timeout=LAST_S)

    def _in_turn(self, write: Callable[[], None], *, timeout: float = -1) -> None:
        if not self._turn.acquire(timeout=timeout):
            raise OSError(None, "an earlier write of it has not ended")
        try:
            write()
        finally:
            self._turn.release()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Ends OSError of the block in a line of the log."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            if reason != self._reason:
                log.log(self._level, "%s: %s", self._complaint, reason)
            self._reason = reason
        else:
            self._reason = ""
