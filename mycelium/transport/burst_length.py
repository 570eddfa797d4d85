"""How many datagrams one read takes, so that it ends where a send of the neighbour's ended: with its only shorter datagram.

A read that went beyond would begin the next frame, and so every frame after it would come in two parts, which cost more to put
together. A read that begins with the shorter one takes nothing else: what follows does not fit its size.
"""

from collections.abc import Sequence


class BurstLength:
    """Follows the datagrams of one size, and shorter ones that end them."""

    __slots__ = ("_before", "_behind", "_newest", "_size")

    def __init__(self) -> None:
        self._size = 0
        self._behind = 0  # datagrams since the last shorter one
        self._newest = self._before = 0  # datagrams of the two newest sends: fewer arrive where some are lost

    def next(self, size: int, ceiling: int) -> int:
        """Returns how many datagrams to read, one of `size` bytes first: at most `ceiling`, which hold many short sends."""
        if size < self._size and self._behind:
            return 1
        if size != self._size:
            self._size = size
            self._behind = self._newest = self._before = 0
        length = max(self._newest, self._before)
        rest = length - self._behind
        return min(rest, ceiling) if length > ceiling // 2 and rest > 0 else ceiling

    def note(self, lengths: Sequence[int]) -> None:
        """Takes the lengths of what was read since `next`."""
        ends = [at for at, length in enumerate(lengths, 1) if length < self._size]
        if ends:
            self._before, self._newest = self._newest, self._behind + ends[0]
            self._behind = len(lengths) - ends[-1]
        else:
            self._behind += len(lengths)
