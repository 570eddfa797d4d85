"""Strangers' datagrams that wait, in fair shares of the networks they come from: who sends much waits behind who sends little.

This is start-time fair queueing (Goyal, Vin and Cheng 1996), with a clock for each network around a source. A wider network has
twice the share, since more people may be in it.
"""

from bisect import insort
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.limits import STRANGERS_WAITING, SUBNETS
from mycelium.subnets import subnets_of

SHARES: Final = (
    1.0,
    0.5,
    0.25,
)  # how far a datagram moves the clocks of the networks around its source, narrow to wide
_THIS_HOST: Final = (b"",)  # in place of the networks around a loopback address


class FairQueue:
    """At most STRANGERS_WAITING datagrams; the last one in turn gives way, which is of a network that has sent much.

    A copy of one that waits is left out: whoever begins a link sends its messages again while others are answered.
    """

    __slots__ = ("_clocks", "_number", "_present", "_time", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[tuple[float, int, bytes, Endpoint]] = []  # by turn, and as they came
        self._present: set[tuple[bytes, Endpoint]] = set()  # those that wait; never iterated
        self._clocks: dict[bytes, float] = {}  # turn of the next datagram, by network; the one that sent last is last
        self._time = 0.0  # the turn of what was taken last; an earlier clock is as good as none
        self._number = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, datagram: bytes, source: Endpoint) -> bool:
        """Queues a datagram; returns False if one, this or another, had to give way."""
        if (datagram, source) in self._present:
            return True
        turn = max(self._time, *(self._clocks.get(network, 0.0) for network in _networks(source)))
        is_full = len(self._waiting) >= STRANGERS_WAITING
        if is_full:
            if turn >= self._waiting[-1][0]:
                return False
            *_, dropped, sender = self._waiting.pop()
            self._present.remove((dropped, sender))
            self._move_clocks(sender, -1.0)
        self._move_clocks(source, 1.0)
        self._number += 1
        insort(self._waiting, (turn, self._number, datagram, source))
        self._present.add((datagram, source))
        return not is_full

    def take(self) -> tuple[bytes, Endpoint]:
        """Returns the next datagram and its source; there must be one."""
        self._time, _, datagram, source = self._waiting.pop(0)
        self._present.remove((datagram, source))
        if not self._waiting:
            self._clocks.clear()
            self._time = 0.0
        return datagram, source

    def _move_clocks(self, source: Endpoint, datagrams: float) -> None:
        for network, share in zip(_networks(source), SHARES, strict=False):
            clock = max(self._clocks.pop(network, 0.0), self._time)
            self._clocks[network] = clock + datagrams * share
            if len(self._clocks) > SUBNETS:
                del self._clocks[next(iter(self._clocks))]


def _networks(source: Endpoint) -> tuple[bytes, ...]:
    return subnets_of(source.host) or _THIS_HOST
