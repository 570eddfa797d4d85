"""The receiver's side of repair: which frames are missing, when to ask for them again, and which frames wait for them.

    a later frame was opened, or started -> a gap -> asked for, at most ASKS times -> filled, or given up

A data frame names the nearest earlier one that may carry the same flow. While that one is missing, or itself waits, the frame
waits, so that each flow comes out in order, as if nothing had been lost. Everything that waits is released when the gap is
filled or given up, which happens within `patience_s`; other flows wait for nothing.

Where a round trip is longer than WORTHWHILE_RTT_S nothing is asked for and nothing waits: `srtt` is None there.
"""

from collections.abc import Callable, Iterable
from heapq import heapify, heappop, heappush
from math import inf
from typing import Final

from mycelium.channel.byte_budget import ByteBudget
from mycelium.limits import GAPS_PER_KEYPAIR, HELD_BYTES_PER_LINK
from mycelium.link.counters import LinkCounters

WORTHWHILE_RTT_S: Final = 0.025  # beyond it a repair is hardly earlier than TCP's own retransmission
ASKS: Final = 5
LEAST_ASK_AGAIN_S: Final = 0.002
LEAST_PATIENCE_S: Final = 0.040  # queues and busy processes delay an answer; TCP's own timeout is 200 ms
NO_REORDERING_RTT_S: Final = 0.001  # shorter networks keep the order
MOST_REORDERING_S: Final = 0.002
LEAST_BETWEEN_S: Final = 0.000_2  # between two requests: strangers can cause them by forged chunks
MOST_BETWEEN_S: Final = 0.001  # what is lost meanwhile is asked for together, and comes together
FIRST_WEIGHT: Final = 1 / 8  # in the smoothed time of answers, of one to the first request
LATER_WEIGHT: Final = 1 / 32  # of one after several, which may be to any of them
LOSSY_FOR_S: Final = 60.0  # how long a link counts as lossy after its last gap
LATE_S: Final = 0.010  # what is overdue for longer is left to the timer, which has all read first if it is late
AHEAD: Final = 256  # counters beyond the newest opened one that a chunk, which proves nothing, may claim
HELD_OVERHEAD: Final = 256  # bytes charged for a waiting frame besides its own

Range = tuple[int, int, int]  # counter, first byte of the sealed frame, end
Missing = Callable[[int], list[tuple[int, int]]]  # what is missing of a frame: (first byte, end)


def patience_s(srtt: float) -> float:
    """Returns how long a gap may delay later frames, in seconds."""
    return max(LEAST_PATIENCE_S, 3 * srtt)


def ask_again_after_s(answer_s: float) -> float:
    """Returns the seconds after which an answer is overdue, where one takes `answer_s`."""
    return max(LEAST_ASK_AGAIN_S, 1.25 * answer_s)


def between_requests_s(answer_s: float) -> float:
    """Returns the least seconds between two requests: each costs both ends as much as a packet."""
    return min(max(answer_s / 2, LEAST_BETWEEN_S), MOST_BETWEEN_S)


def reordering_s(srtt: float) -> float:
    """Returns the seconds by which the network may deliver a frame after a later one."""
    return 0.0 if srtt < NO_REORDERING_RTT_S else min(srtt / 8, MOST_REORDERING_S)


class Gap:
    """A frame that is missing, wholly or in part."""

    __slots__ = ("ask_at", "asked_at", "asks", "gives_up_at")

    def __init__(self, srtt: float, *, now: float) -> None:
        self.asks = 0
        self.asked_at = now  # for the first time
        self.ask_at = now + reordering_s(srtt)
        self.gives_up_at = now + patience_s(srtt)


class Gaps:
    """The gaps among the frames of one keypair, and the frames that wait for them.

    What is released is appended to the `released` of each call, in order.
    """

    __slots__ = (
        "_answer_s",
        "_budget",
        "_followers",
        "_held",
        "_lossy_until",
        "_may_ask_at",
        "_missing",
        "_tail",
        "_tail_due",
        "counters",
        "due_at",
        "held_bytes",
        "is_clean",
        "least_answer_s",
        "newest",
    )

    def __init__(self, budget: ByteBudget, counters: LinkCounters) -> None:
        self.newest = 0  # the newest counter opened
        self.is_clean = True  # nothing is missing and nothing waits: the next counter needs no bookkeeping
        self.due_at = inf  # when `take_due` must be called
        self.held_bytes = 0
        self.counters = counters
        self.least_answer_s = 0.0  # the shortest round trip: what comes sooner after a request was only late
        self._answer_s = 0.0  # how long an answer takes, smoothed: the round trip may be an old one; 0: unknown
        self._budget = budget
        self._missing: dict[int, Gap] = {}
        self._held: dict[int, memoryview] = {}  # by counter: frames that wait for earlier ones
        self._followers: dict[int, list[int]] = {}  # counter -> those that wait for it
        self._tail = 0  # the newest frame that has started: its missing chunks may still be on their way
        self._tail_due = inf  # when they are overdue; infinity where none are waited for
        self._lossy_until = self._may_ask_at = -inf

    @property
    def pending(self) -> int:
        """How many frames below the newest are not given up yet."""
        return sum(counter < self.newest for counter in self._missing)

    # -- arrivals ------------------------------------------------------------------------------------------------------

    def opened(self, counter: int, *, srtt: float | None, now: float) -> None:
        """Notes an opened frame of any kind: it fills its gap, and the counters that it skipped are missing."""
        newest = self.newest
        if counter > newest:
            self.newest = counter
            if srtt is not None:
                room = max(GAPS_PER_KEYPAIR - len(self._missing), 0)
                for missed in range(max(newest + 1, counter - room), counter):
                    self._add(missed, srtt, now=now)
        gap = self._missing.pop(counter, None)
        if gap is not None and gap.asks:
            self.counters.frames_repaired += 1
            self._learn(now - gap.asked_at, gap.asks)
        if counter >= self._tail:
            self._tail_due = inf
        self._update_clean()

    def started(self, partial: Iterable[int], *, srtt: float | None, now: float) -> None:
        """Notes the frames some chunks of which have arrived: all but the newest of them have lost something."""
        if srtt is None:
            return
        ahead = [counter for counter in partial if self.newest < counter <= self.newest + AHEAD]
        if not ahead:
            return
        newest = max(ahead)
        for counter in ahead:
            if counter != newest and len(self._missing) < GAPS_PER_KEYPAIR:
                self._add(counter, srtt, now=now)
        if now < self._lossy_until and newest not in self._missing:
            self._tail, self._tail_due = newest, now + ask_again_after_s(srtt)
            self.due_at = min(self.due_at, self._tail_due)
            self.is_clean = False

    def admit(self, counter: int, distance: int, frame: memoryview, released: list[memoryview]) -> None:
        """Takes an opened data frame, whose buffer will be overwritten, and `distance` as in its header."""
        waits_for = counter - distance
        if distance and (waits_for in self._missing or waits_for in self._held):
            if self._hold(counter, waits_for, frame):
                return
            # All earlier gaps, or the frame would overtake frames of its flow that wait for them.
            for gap in sorted(self._missing):
                if gap <= waits_for:
                    self._give_up(gap, released)
        released.append(frame)
        self.release_after(counter, released)

    def release_after(self, counter: int, released: list[memoryview]) -> None:
        """Releases the frames that wait for this one."""
        heap = self._followers.pop(counter, None)
        if heap is None:
            return
        heapify(heap)
        while heap:
            follower = heappop(heap)
            frame = self._held.pop(follower)
            self._charge(-len(frame) - HELD_OVERHEAD)
            released.append(frame)
            for next_follower in self._followers.pop(follower, ()):
                heappush(heap, next_follower)

    def is_late(self, *, now: float) -> bool:
        """Tells whether the time to ask has long been over: answers may have arrived that are not read yet."""
        return now - self.due_at > LATE_S

    # -- time ----------------------------------------------------------------------------------------------------------

    def take_due(
        self, missing: Missing, *, srtt: float | None, limit: int, released: list[memoryview], now: float
    ) -> list[Range]:
        """Gives up what is overdue; returns what to ask for now, at most `limit` ranges."""
        if srtt is None:
            self.give_up_all(released)
            return []
        if self._tail_due <= now:
            if len(self._missing) < GAPS_PER_KEYPAIR:
                self._add(self._tail, srtt, now=now - reordering_s(srtt))
            self._tail_due = inf
        ranges: list[Range] = []
        due_at = self._tail_due
        answer_s = self._answer_s or srtt
        if now < self._may_ask_at:
            limit = 0
        for counter, gap in list(self._missing.items()):
            if gap.gives_up_at <= now:
                self._give_up(counter, released)
                continue
            if gap.ask_at <= now and len(ranges) < limit:
                ranges += [(counter, start, end) for start, end in missing(counter)][: limit - len(ranges)]
                gap.asks += 1
                if gap.asks == 1:
                    gap.asked_at = now
                gap.ask_at = now + ask_again_after_s(answer_s) if gap.asks < ASKS else inf
            due_at = min(due_at, gap.ask_at, gap.gives_up_at)
        if ranges:
            self._may_ask_at = now + between_requests_s(answer_s)
        self.due_at = max(due_at, self._may_ask_at)
        self._update_clean()
        return ranges

    def give_up_all(self, released: list[memoryview]) -> None:
        """Waits for nothing any more."""
        self._tail_due = inf
        for counter in list(self._missing):
            self._give_up(counter, released)
        self._update_clean()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _add(self, counter: int, srtt: float, *, now: float) -> None:
        if counter in self._missing:
            return
        gap = self._missing[counter] = Gap(srtt, now=now)
        self.due_at = min(self.due_at, max(gap.ask_at, self._may_ask_at))
        self.is_clean = False
        self._lossy_until = now + LOSSY_FOR_S

    def _learn(self, answer_s: float, asks: int) -> None:
        if answer_s >= self.least_answer_s:
            weight = 1.0 if not self._answer_s else FIRST_WEIGHT if asks == 1 else LATER_WEIGHT
            self._answer_s += (answer_s - self._answer_s) * weight

    def _give_up(self, counter: int, released: list[memoryview]) -> None:
        del self._missing[counter]
        self.counters.frames_given_up += 1
        self.release_after(counter, released)

    def _hold(self, counter: int, waits_for: int, frame: memoryview) -> bool:
        size = len(frame) + HELD_OVERHEAD
        if self.held_bytes + size > HELD_BYTES_PER_LINK or not self._budget.has_room(size):
            return False
        self._held[counter] = memoryview(bytearray(frame))
        self._followers.setdefault(waits_for, []).append(counter)
        self._charge(size)
        return True

    def _charge(self, size: int) -> None:
        self.held_bytes += size
        self._budget.held_bytes += size

    def _update_clean(self) -> None:
        if not self._missing:
            self.is_clean = self._tail_due == inf
            self.due_at = self._tail_due
