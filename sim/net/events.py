"""Virtual time: a heap of events, ordered by time, then by when they were scheduled."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, Final

NEVER: Final = float("inf")
SLOTS_PER_S: Final = 4_096  # a mesh of 10,000 nodes has some hundred events in each at a cold start

_Event = tuple[float, int, Callable[..., None], tuple[Any, ...]]


class EventHeap:
    """The clock of a simulation. `now` is the time of the current event, in seconds.

    Time has slots, and only the events of the present one are in a heap: one of all events would be too large for the caches.
    """

    __slots__ = ("_due", "_later", "_order", "_slot", "_slots", "_until", "handled", "now")

    def __init__(self, *, now: float = 0.0) -> None:
        self.now = now
        self.handled = 0
        self._until = 0.0
        self._due: list[_Event] = []  # a heap of the events up to the present slot
        self._slot = -1  # the present one
        self._later: dict[int, list[_Event]] = {}  # by slot
        self._slots: list[int] = []  # a heap of those of later events
        self._order = count()

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        """Schedules `action(*arguments)` for the time `when`, which is not in the past."""
        event = (when, next(self._order), action, arguments)
        slot = int(when * SLOTS_PER_S)
        if slot <= self._slot:
            heapq.heappush(self._due, event)
        elif (events := self._later.get(slot)) is not None:
            events.append(event)
        else:
            self._later[slot] = [event]
            heapq.heappush(self._slots, slot)

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        """Schedules `action(*arguments)` for so many seconds from now."""
        self.at(self.now + seconds, action, *arguments)

    def next_time(self) -> float:
        """Returns the time of the next event, infinity if there is none."""
        return self._due[0][0] if self._due or self._turn() else NEVER

    def run(self, until: float, *, events: int = 1 << 62) -> bool:
        """Runs to the time `until` or for at most `events` events; tells whether the time was reached."""
        self._until = until
        due = self._due
        last = self.handled + events
        while (due or self._turn()) and due[0][0] <= self._until:
            if self.handled >= last:
                return False
            self.now, _, action, arguments = heapq.heappop(due)
            self.handled += 1
            action(*arguments)
        self.now = self._until
        return True

    def step(self) -> None:
        """Handles the next event; raises IndexError if there is none."""
        self.next_time()
        self.now, _, action, arguments = heapq.heappop(self._due)
        self.handled += 1
        action(*arguments)

    def stop_by(self, when: float) -> None:
        """Makes the current call of `run` end at `when` if it would have ended later."""
        self._until = max(self.now, min(self._until, when))

    def _turn(self) -> bool:
        """Goes on to the next slot with events, once those of the present one are handled; tells whether there is one."""
        if not self._slots:
            return False
        self._slot = heapq.heappop(self._slots)
        self._due += self._later.pop(self._slot)
        heapq.heapify(self._due)
        return True
