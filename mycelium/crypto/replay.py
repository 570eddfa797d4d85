"""The replay window, after RFC 6479, with a byte for each of the newest counters."""

from typing import Final

from mycelium.limits import REPLAY_WINDOW

_MASK: Final = REPLAY_WINDOW - 1
_EMPTY: Final = bytes(REPLAY_WINDOW)

assert REPLAY_WINDOW & _MASK == 0, "the ring is indexed by the low bits of a counter"


class ReplayWindow:
    """Accepts each counter once, if it is less than REPLAY_WINDOW behind the newest; counters start at 1.

    `check` changes nothing; `commit` marks a counter as seen once its frame has authenticated.
    """

    __slots__ = ("_seen", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self._seen = bytearray(
            _EMPTY
        )  # slot counter & _MASK belongs to the one counter inside the window that maps to it
        self._seen[0] = 1

    def check(self, counter: int) -> bool:
        """Tells whether a frame with this counter may be opened."""
        newest = self.newest
        return counter > newest or (counter > newest - REPLAY_WINDOW and not self._seen[counter & _MASK])

    def commit(self, counter: int) -> None:
        """Marks a counter that `check` accepted as seen."""
        expected = self.newest + 1
        if counter > expected:
            self._forget(expected, counter - expected)
        if counter >= expected:
            self.newest = counter
        self._seen[counter & _MASK] = 1

    def _forget(self, start: int, length: int) -> None:
        """Clears the slots of skipped counters, which still belong to counters that left the window."""
        if length >= REPLAY_WINDOW:
            self._seen[:] = _EMPTY
            return
        first = start & _MASK
        wrapped = max(0, first + length - REPLAY_WINDOW)
        self._seen[first : first + length - wrapped] = bytes(length - wrapped)
        self._seen[:wrapped] = bytes(wrapped)


class AscendingOnly:
    """Accepts each counter once, and none that is older than one seen before: for what may be lost, at no memory."""

    __slots__ = ("newest",)

    def __init__(self) -> None:
        self.newest = 0

    def check(self, counter: int) -> bool:
        """Tells whether a frame with this counter may be opened."""
        return counter > self.newest

    def commit(self, counter: int) -> None:
        """Marks a counter that `check` accepted as seen."""
        self.newest = counter
