"""Virtual time: a heap of events, ordered by time, then by when they were scheduled."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Any, Final

NEVER: Final = float("inf")


class EventHeap:
    """The clock of a simulation. `now` is the time of the current event, in seconds."""

    __slots__ = ("_heap", "_order", "_until", "handled", "now")

    def __init__(self, *, now: float = 0.0) -> None:
        self.now = now
        self.handled = 0
        self._until = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()

    def at(self, when: float, action: Callable[..., None], *arguments: Any) -> None:
        """Schedules `action(*arguments)` for the time `when`, which is not in the past."""
        heapq.heappush(self._heap, (when, next(self._order), action, arguments))

    def after(self, seconds: float, action: Callable[..., None], *arguments: Any) -> None:
        """Schedules `action(*arguments)` for so many seconds from now."""
        self.at(self.now + seconds, action, *arguments)

    def next_time(self) -> float:
        """Returns the time of the next event, infinity if there is none."""
        return self._heap[0][0] if self._heap else NEVER

    def run(self, until: float, *, events: int = 1 << 62) -> bool:
        """Runs to the time `until` or for at most `events` events; tells whether the time was reached."""
        self._until = until
        heap = self._heap
        last = self.handled + events
        while heap and heap[0][0] <= self._until:
            if self.handled >= last:
                return False
            self.now, _, action, arguments = heapq.heappop(heap)
            self.handled += 1
            action(*arguments)
        self.now = self._until
        return True

    def step(self) -> None:
        """Handles the next event; raises IndexError if there is none."""
        self.now, _, action, arguments = heapq.heappop(self._heap)
        self.handled += 1
        action(*arguments)

    def stop_by(self, when: float) -> None:
        """Makes the current call of `run` end at `when` if it would have ended later."""
        self._until = max(self.now, min(self._until, when))
