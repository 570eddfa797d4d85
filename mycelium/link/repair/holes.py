"""The receiver's side of repair: which frames are missing, when to ask for them again, and which frames wait for them.

    a later frame has opened, or begun -> a hole -> asked for, again each round trip, at most ASKS times -> filled, or given up

A data frame names the nearest earlier one that may carry the same flow. While that one is missing, or waits itself, the frame
waits: what it carries comes out in order, as if nothing had been lost. All that waits is released when the hole is filled or
given up, which happens within `patience`; other flows wait for nothing.

Where a round trip is longer than WORTHWHILE_RTT_S nothing is asked for and nothing waits: there `srtt` is None.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import HELD_BYTES_PER_LINK, HOLES_PER_SESSION

WORTHWHILE_RTT_S: Final = 0.025  # beyond it TCP's own resend is hardly later
ASKS: Final = 4
LEAST_ASK_AGAIN_S: Final = 0.002
LEAST_PATIENCE_S: Final = 0.040  # queues and busy processes make an answer late; TCP's own timeout is 200 ms
NO_REORDERING_RTT_S: Final = 0.001  # networks so short keep the order
MOST_REORDERING_S: Final = 0.002
BETWEEN_REQUESTS_S: Final = 0.000_2  # strangers who forge chunks can make us ask
LOSSY_FOR_S: Final = 60.0  # since the last hole
AHEAD: Final = 256  # counters beyond the newest opened that a chunk, which proves nothing, may claim
HELD_OVERHEAD: Final = 256  # bytes charged for a frame that waits beside its own

Range = tuple[int, int, int]  # counter, first byte of the sealed frame, end
Gaps = Callable[[int], list[tuple[int, int]]]  # what is missing of a frame: (first byte, end)


def patience(srtt: float) -> float:
    """Returns how long a hole may delay others, in seconds."""
    return max(LEAST_PATIENCE_S, 3 * srtt)


def ask_again_after(srtt: float) -> float:
    """Returns the seconds after which an answer is overdue."""
    return max(LEAST_ASK_AGAIN_S, 1.25 * srtt)


def reordering(srtt: float) -> float:
    """Returns the seconds that a frame may come after a later one."""
    return 0.0 if srtt < NO_REORDERING_RTT_S else min(srtt / 8, MOST_REORDERING_S)


class Hole:
    """A frame that is missing, wholly or in part."""

    __slots__ = ("ask_at", "asks", "gives_up_at")

    def __init__(self, now: float, srtt: float) -> None:
        self.asks = 0
        self.ask_at = now + reordering(srtt)
        self.gives_up_at = now + patience(srtt)


class Holes:
    """The holes of one session, and the frames that wait for them. Everything released is appended to `released`, in order."""

    __slots__ = (
        "_asked_at",
        "_budget",
        "_followers",
        "_held",
        "_lossy_until",
        "_missing",
        "_tail",
        "_tail_due",
        "due_at",
        "given_up",
        "held_bytes",
        "is_clean",
        "newest",
        "repaired",
    )

    def __init__(self, budget: ByteBudget) -> None:
        self.newest = 0  # counter opened
        self.is_clean = True  # nothing is missing, nothing waits: the next counter in turn may be taken without asking
        self.due_at = inf  # when `take_due` is wanted next
        self.held_bytes = 0
        self.repaired = 0  # frames that came after they had been asked for
        self.given_up = 0
        self._asked_at = -inf
        self._budget = budget
        self._missing: dict[int, Hole] = {}
        self._held: dict[int, tuple[int, memoryview]] = {}  # counter -> the counter it waits for, the frame
        self._followers: dict[int, list[int]] = {}  # counter -> those that wait for it
        self._tail = 0  # the newest frame that has begun: what is missing of it may still be on its way
        self._tail_due = inf
        self._lossy_until = -inf

    @property
    def pending(self) -> int:
        """How many frames below the newest are not given up yet."""
        return sum(counter < self.newest for counter in self._missing)

    # -- what came -----------------------------------------------------------------------------------------------------

    def opened(self, counter: int, *, now: float, srtt: float | None) -> None:
        """Notes an opened frame of any kind; it fills its hole, and what it jumped over is missing."""
        newest = self.newest
        if counter > newest:
            self.newest = counter
            if counter > newest + 1 and srtt is not None:
                room = max(HOLES_PER_SESSION - len(self._missing), 0)
                for missed in range(max(newest + 1, counter - room), counter):
                    self._add(missed, now, srtt)
        hole = self._missing.pop(counter, None)
        if hole is not None:
            self.repaired += hole.asks > 0
        if counter >= self._tail:
            self._tail, self._tail_due = 0, inf
        self._note_whether_clean()

    def begun(self, partial: Iterable[int], *, now: float, srtt: float | None) -> None:
        """Notes the frames of which chunks have come: what is older than the newest of them has lost something."""
        if srtt is None:
            return
        ahead = [counter for counter in partial if self.newest < counter <= self.newest + AHEAD]
        if not ahead:
            return
        newest = max(ahead)
        for counter in ahead:
            if counter != newest and len(self._missing) < HOLES_PER_SESSION:
                self._add(counter, now, srtt)
        if now < self._lossy_until and newest not in self._missing:
            self._tail, self._tail_due = newest, now + ask_again_after(srtt)
            self.due_at = min(self.due_at, self._tail_due)
            self.is_clean = False

    def admit(self, counter: int, distance: int, frame: memoryview, released: list[memoryview]) -> None:
        """Takes an opened data frame, which lies where it will be overwritten, and `distance` as in its header."""
        waits_for = counter - distance
        if distance and (waits_for in self._missing or waits_for in self._held):
            if self._hold(counter, waits_for, frame):
                return
            self._give_up(self._root(waits_for), released)
        released.append(frame)
        self.settle(counter, released)

    def settle(self, counter: int, released: list[memoryview]) -> None:
        """Releases the frames that wait for this one."""
        heap = self._followers.pop(counter, None)
        if heap is None:
            return
        heapify(heap)
        while heap:
            follower = heappop(heap)
            frame = self._held.pop(follower)[1]
            self._charge(-len(frame) - HELD_OVERHEAD)
            released.append(frame)
            for next_follower in self._followers.pop(follower, ()):
                heappush(heap, next_follower)
        self._note_whether_clean()

    # -- time ----------------------------------------------------------------------------------------------------------

    def take_due(
        self, gaps: Gaps, *, now: float, srtt: float | None, limit: int, released: list[memoryview]
    ) -> list[Range]:
        """Gives up what is overdue; returns what to ask for now, at most `limit` ranges."""
        if srtt is None:
            self.give_up_all(released)
            return []
        if self._tail_due <= now:
            if self._tail > self.newest and len(self._missing) < HOLES_PER_SESSION:
                self._add(self._tail, now - reordering(srtt), srtt)
            self._tail, self._tail_due = 0, inf
        ranges: list[Range] = []
        due_at = self._tail_due
        if now < self._asked_at + BETWEEN_REQUESTS_S:
            limit = 0
        for counter, hole in list(self._missing.items()):
            if hole.gives_up_at <= now:
                self._give_up(counter, released)
                continue
            if hole.ask_at <= now and len(ranges) < limit:
                ranges += [(counter, start, end) for start, end in gaps(counter)][: limit - len(ranges)]
                hole.asks += 1
                hole.ask_at = now + ask_again_after(srtt) * (1 << hole.asks - 1) if hole.asks < ASKS else inf
            due_at = min(due_at, hole.ask_at, hole.gives_up_at)
        if ranges:
            self._asked_at = now
        self.due_at = max(due_at, self._asked_at + BETWEEN_REQUESTS_S)
        self._note_whether_clean()
        return ranges

    def give_up_all(self, released: list[memoryview]) -> None:
        """Waits for nothing any more."""
        self._tail, self._tail_due = 0, inf
        for counter in list(self._missing):
            self._give_up(counter, released)
        self._note_whether_clean()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _add(self, counter: int, now: float, srtt: float) -> None:
        if counter in self._missing:
            return
        hole = self._missing[counter] = Hole(now, srtt)
        self.due_at = min(self.due_at, hole.ask_at)
        self.is_clean = False
        self._lossy_until = now + LOSSY_FOR_S

    def _give_up(self, counter: int, released: list[memoryview]) -> None:
        del self._missing[counter]
        self.given_up += 1
        self.settle(counter, released)
        self._note_whether_clean()

    def _hold(self, counter: int, waits_for: int, frame: memoryview) -> bool:
        size = len(frame) + HELD_OVERHEAD
        if self.held_bytes + size > HELD_BYTES_PER_LINK or not self._budget.has_room(size):
            return False
        self._held[counter] = waits_for, memoryview(bytearray(frame))
        self._followers.setdefault(waits_for, []).append(counter)
        self._charge(size)
        return True

    def _root(self, counter: int) -> int:
        """Returns the hole that a frame waits for in the end."""
        while counter in self._held:
            counter = self._held[counter][0]
        return counter

    def _charge(self, size: int) -> None:
        self.held_bytes += size
        self._budget.held_bytes += size

    def _note_whether_clean(self) -> None:
        if not self._missing:
            self.is_clean = self._tail == 0
            self.due_at = self._tail_due
