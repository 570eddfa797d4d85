"""The newest entries, in fair shares: beyond the bound the owner of the most loses the oldest, so many push out their own."""

from collections import deque
from collections.abc import Hashable
from itertools import takewhile
from typing import Generic, Protocol, TypeVar

from mycelium.owner_counts import OwnerCounts


class Numbered(Protocol):
    """What a ring holds; sequences grow from one to the next."""

    @property
    def sequence(self) -> int: ...


Item = TypeVar("Item", bound=Numbered)


class FairRing(Generic[Item]):
    """At most `entries` entries. An owner of few keeps them, however many others make."""

    __slots__ = ("_by_sequence", "_entries", "_held", "_owned")

    def __init__(self, entries: int) -> None:
        self._entries = entries
        self._by_sequence: dict[int, Item] = {}
        self._held: OwnerCounts[Hashable] = OwnerCounts()
        self._owned: dict[Hashable, deque[int]] = {}  # the sequences of each owner, oldest first

    def append(self, item: Item, owner: Hashable) -> None:
        """Adds the newest entry."""
        self._by_sequence[item.sequence] = item
        self._owned.setdefault(owner, deque()).append(item.sequence)
        self._held.add(owner)
        if len(self._by_sequence) > self._entries:
            self._drop_oldest(self._held.largest())

    def after(self, sequence: int) -> list[Item]:
        """Returns the entries with a greater sequence, oldest first."""
        newer = list(takewhile(lambda item: item.sequence > sequence, reversed(self._by_sequence.values())))
        newer.reverse()
        return newer

    def _drop_oldest(self, owner: Hashable) -> None:
        owned = self._owned[owner]
        self._held.remove(owner)
        del self._by_sequence[owned.popleft()]
        if not owned:
            del self._owned[owner]
