"""A socket for what strangers send to a UDP port, looked at for a share of the time, beside the one for links."""

import select
import socket
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from math import inf
from time import monotonic, thread_time, time
from typing import Final

from mycelium.counters import counter
from mycelium.endpoint import Endpoint
from mycelium.limits import STRANGERS_AT_ONCE_S, STRANGERS_SET_ASIDE, STRANGERS_SHARE
from mycelium.transport.base import Received
from mycelium.transport.udp import UdpCounters, UdpTransport
from mycelium.transport.udp_burst import RECEIVE_BYTES
from mycelium.transport.underlay import Underlay

PAUSE_S: Final = 0.005  # least time without reading, so that a flood costs few wake-ups


@dataclass(slots=True)
class StrangersCounters(UdpCounters):
    """What the socket for strangers counts besides."""

    strangers_paused: int = counter("Pauses in reading what strangers send, as they send too much.")


class Allowance:
    """Time to spend: a share of what passes, of which at most `most_s` is saved up; more may be spent, and is owed then."""

    __slots__ = ("_most_s", "_share", "left_s")

    def __init__(self, share: float, most_s: float) -> None:
        self._share = share
        self._most_s = self.left_s = most_s

    def earn(self, passed_s: float) -> None:
        """Takes that time has passed."""
        self.left_s = min(self.left_s + passed_s * self._share, self._most_s)

    @property
    def owed_for_s(self) -> float:
        """Returns for how long nothing may be spent."""
        return max(-self.left_s, 0.0) / self._share


class UdpStrangers(UdpTransport):
    """What strangers send to the port of a `UdpTransport`; nothing is sent from here.

    Looking at it may take STRANGERS_SHARE of the time. What it takes is the time of this thread up to the next `receive`, or to
    `holds_more`, by which a reader turns to others: what those do is not charged for.
    """

    __slots__ = (
        "_allowances",
        "_clock",
        "_earned_at",
        "_is_sorting",
        "_kept",
        "_looks_since",
        "_poll",
        "_spent_s",
        "_work_clock",
        "due_at",
    )

    counters: StrangersCounters

    def __init__(
        self,
        udp: socket.socket,
        *,
        underlay: Underlay,
        clock: Callable[[], float] = monotonic,
        work_clock: Callable[[], float] = thread_time,
    ) -> None:
        super().__init__(udp, underlay=underlay)
        self.counters = StrangersCounters()
        self._clock = clock
        self._work_clock = work_clock
        self._allowances = [Allowance(STRANGERS_SHARE, STRANGERS_AT_ONCE_S)]  # each must allow it
        self._earned_at = clock()
        self._looks_since: float | None = None  # on the clock of work, while the last datagrams are not charged for
        self._spent_s = 0.0  # what it took to look at what was charged for last
        self._kept: deque[Received] = deque()  # copies of what was read before its turn
        self._is_sorting = False  # nothing is handed to others while this node looks for what is its links'
        self.due_at = inf  # when it is read again; infinity while it is read
        self._poll = select.epoll()  # readable when the socket is, except in pauses
        self._poll.register(udp, select.EPOLLIN)

    def fileno(self) -> int:
        return self._poll.fileno()

    def reach(self, endpoint: Endpoint) -> float:
        return 0.0

    def receive(self) -> Received | None:
        if self.is_paused or not (self._may_go_on() or self._held):
            return None
        self._looks_since = self._work_clock()
        received = super().receive()
        self.is_drained = False  # the next call ends what these are charged for
        if received is None:  # but perhaps packets of QUIC were handed over
            self._charge()
            self._await()
        return received

    def holds_more(self) -> bool:
        self._charge()
        return self._holds and not self.is_paused

    @property
    def _holds(self) -> bool:
        return bool(self._held or self._kept)

    def set_aside(self, is_expected: Callable[[memoryview], bool]) -> list[tuple[Received, float]]:
        """Reads what has come, whoever's turn it is; returns copies of what is expected, each with its time of arrival.

        All else is kept, and looked at in its turn.
        """
        expected: list[tuple[Received, float]] = []
        before, self._kept = self._kept, deque()
        view = self._view
        self._view = memoryview(bytearray(RECEIVE_BYTES))  # the node may still use what is in the other one
        self._is_sorting = True
        for _ in range(STRANGERS_SET_ASIDE):
            batch = before.popleft() if before else self._receive_at_once()
            if batch is None:
                break
            data, size, source = batch
            copied = memoryview(bytearray(data)), size, source
            if is_expected(data):
                expected.append((copied, time() - self.waited_s()))
            else:
                self._kept.append(copied)
        self._kept += before
        self._view, self._is_sorting = view, False
        self._await()
        return expected

    def _receive_next(self) -> Received | None:
        return self._take(*self._kept.popleft()) if self._kept else super()._receive_next()

    def _take(self, data: memoryview, size: int, source: Endpoint) -> Received | None:
        return (data, size, source) if self._is_sorting else super()._take(data, size, source)

    @property
    def is_paused(self) -> bool:
        """Tells whether it is not read at present."""
        return self.due_at < inf

    @property
    def local_endpoints(self) -> list[Endpoint]:
        return []

    def handle_timeout(self, in_use: Callable[[], Collection[Endpoint]], *, now: float) -> None:
        if now >= self.due_at:
            self.due_at = inf
            self._await()

    def close(self) -> None:
        self._poll.close()
        super().close()

    def _may_go_on(self) -> bool:
        """Tells whether the share of the time is not used up; begins a pause if it is."""
        self._charge()
        now = self._clock()
        for one in self._allowances:
            one.earn(now - self._earned_at)
        self._earned_at = now
        if all(one.left_s > 0 for one in self._allowances):
            return True
        self.due_at = now + PAUSE_S + max(one.owed_for_s for one in self._allowances)
        self._poll.modify(self._socket, 0)
        self.counters.strangers_paused += 1
        return False

    def _charge(self) -> None:
        """Takes what it has cost to look at the last datagrams."""
        if self._looks_since is not None:
            self._spent_s = self._work_clock() - self._looks_since
            for one in self._allowances:
                one.left_s -= self._spent_s
            self._looks_since = None

    def _await(self) -> None:
        """Has the descriptor be readable again; while something is kept it always is, as the socket is always writable."""
        if not self.is_paused:
            self._poll.modify(self._socket, select.EPOLLIN | (select.EPOLLOUT if self._holds else 0))
