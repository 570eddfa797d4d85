"""How many of a bounded number of things each owner holds, and who holds most: each step takes constant time."""

from collections.abc import Hashable
from typing import Generic, TypeVar

Owner = TypeVar("Owner", bound=Hashable)


class OwnerCounts(Generic[Owner]):
    """Counts by owner; of several who hold most, the one who has held as many for longest comes first."""

    __slots__ = ("_by_count", "_counts", "_most")

    def __init__(self) -> None:
        self._counts: dict[Owner, int] = {}
        self._by_count: dict[int, dict[Owner, None]] = {}
        self._most = 0

    def add(self, owner: Owner) -> None:
        """Notes one more."""
        count = self._counts.get(owner, 0) + 1
        self._put(owner, count)
        self._most = max(self._most, count)

    def remove(self, owner: Owner) -> None:
        """Notes one less; there must be one."""
        count = self._counts[owner] - 1
        self._put(owner, count)
        if self._most not in self._by_count:
            self._most = count

    def largest(self) -> Owner:
        """Returns the owner of the most; there must be one."""
        return next(iter(self._by_count[self._most]))

    def _put(self, owner: Owner, count: int) -> None:
        before = self._counts.pop(owner, 0)
        if before:
            peers = self._by_count[before]
            del peers[owner]
            if not peers:
                del self._by_count[before]
        if count:
            self._counts[owner] = count
            self._by_count.setdefault(count, {})[owner] = None
