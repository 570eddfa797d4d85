"""The socket for what begins links and connections at a UDP port: handshakes, and the first packets of QUIC.

To read one costs a hundredth of answering it. So what has come is read ahead, and answered in fair shares of the networks that
it comes from: a flood from one of them keeps nobody else out.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, thread_time

from mycelium.counters import drops
from mycelium.endpoint import Endpoint
from mycelium.limits import HANDSHAKES_SAVED_S, HANDSHAKES_SHARE, STRANGERS_AT_ONCE_S, STRANGERS_SHARE
from mycelium.transport.base import Received
from mycelium.transport.fair_queue import FairQueue
from mycelium.transport.udp_strangers import Allowance, StrangersCounters, UdpStrangers
from mycelium.transport.underlay import Underlay


@dataclass(slots=True)
class HandshakesCounters(StrangersCounters):
    """What the socket for handshakes counts besides."""

    strangers_crowded_out: int = drops(
        "Handshakes and first packets of QUIC dropped as too many waited to be answered."
    )


class UdpHandshakes(UdpStrangers):
    """What begins links and connections, one datagram after the other, whoever has begun fewest first.

    Reading ahead takes as long as answering, at most: where answers are cheap, to read more would keep them from being given.
    What was not used of the share of the time is saved up: all neighbours come back at once where this host was cut off, or the
    process has just begun.
    """

    __slots__ = ("_queue",)

    counters: HandshakesCounters

    def __init__(
        self,
        udp: socket.socket,
        *,
        underlay: Underlay,
        clock: Callable[[], float] = monotonic,
        work_clock: Callable[[], float] = thread_time,
    ) -> None:
        super().__init__(udp, underlay=underlay, clock=clock, work_clock=work_clock)
        self.counters = HandshakesCounters()
        self._allowances = [
            Allowance(HANDSHAKES_SHARE, STRANGERS_AT_ONCE_S),
            Allowance(STRANGERS_SHARE, HANDSHAKES_SAVED_S),
        ]
        self._queue = FairQueue()

    @property
    def _holds(self) -> bool:
        return bool(self._queue)

    def waited_s(self) -> float:
        return 0.0  # the system knows it of what was read last, not of what is answered

    def _receive_next(self) -> Received | None:
        self._read_ahead()
        if not self._queue:
            return None
        datagram, source = self._queue.take()
        return super()._take(memoryview(datagram), len(datagram), source)

    def _read_ahead(self) -> None:
        until = self._work_clock() + self._spent_s / 2  # so that it is as much as what the answer took
        while (batch := self._receive_at_once()) is not None:
            data, size, source = batch
            for start in range(0, len(data), size):
                if not self._queue.put(bytes(data[start : start + size]), source):
                    self.counters.strangers_crowded_out += 1
            if self._work_clock() >= until:
                break

    def _take(self, data: memoryview, size: int, source: Endpoint) -> Received:
        return data, size, source  # QUIC's too wait for their turn
