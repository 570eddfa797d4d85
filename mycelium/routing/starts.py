"""Neighbours that start their control streams too often, and so wait until they are heard again.

Each start makes void what the neighbour advertised before, and costs a dump of the whole table. While its start waits, the
neighbour is down for routing: whatever it does with its streams meanwhile costs nothing, and nobody else hears of it.
"""

from dataclasses import dataclass
from math import inf
from typing import Final

from mycelium.limits import STARTS_PER_SECOND

POSTPONED_S: Final = 1.0 / STARTS_PER_SECOND  # after which the budget has room for one start


@dataclass(slots=True)
class Postponed:
    """A start that waits, and what was heard of the link meanwhile."""

    cost: int
    due_at: float
    suspected: bool = False


class PostponedStarts:
    """The waiting starts, by neighbour."""

    def __init__(self) -> None:
        self.by_address: dict[bytes, Postponed] = {}

    def postpone(self, neighbour: bytes, cost: int, *, now: float) -> None:
        """Has `take_due` return a neighbour in a while."""
        self.by_address[neighbour] = Postponed(cost, now + POSTPONED_S)

    def rename(self, neighbour: bytes, name: bytes) -> None:
        """Gives a waiting neighbour another name."""
        if (start := self.by_address.pop(neighbour, None)) is not None:
            self.by_address[name] = start

    def next_deadline(self) -> float:
        """Returns when the first start is due, infinity for never."""
        return min((start.due_at for start in self.by_address.values()), default=inf)

    def take_due(self, *, now: float) -> list[tuple[bytes, Postponed]]:
        """Returns the neighbours that may start now; they wait no more."""
        due = [(neighbour, start) for neighbour, start in self.by_address.items() if start.due_at <= now]
        for neighbour, _ in due:
            del self.by_address[neighbour]
        return due
