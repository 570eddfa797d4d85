"""The UDP sockets that carry QUIC packets beside what they carry for `udp://`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

from mycelium.endpoint import Endpoint
from mycelium.transport.base import Buffer
from mycelium.transport.quic import causes
from mycelium.transport.quic.counters import QuicCounters
from mycelium.transport.quic.runs import runs_of_one_size

UDP: Final = "udp"
BYTES_PER_SEND: Final = 60_000

# packets of one size, the last perhaps shorter; that size; where they came from. The view is valid during the call
TakePackets = Callable[[memoryview, int, Endpoint], None]
TakeWaiting = Callable[[memoryview, int, Endpoint, float], None]  # and how many seconds they had waited in the system


class Carrier(Protocol):
    """What a UDP transport does for QUIC."""

    take_quic: TakePackets | None
    unreachable: dict[Endpoint, str]
    refused: dict[Endpoint, str]
    oversize: dict[Endpoint, int]

    def reach(self, endpoint: Endpoint) -> float: ...
    def waited_s(self) -> float: ...
    def send(self, endpoint: Endpoint, buffers: Sequence[Buffer], segment_size: int) -> bool: ...


class Carriers:
    """All of them as one."""

    def __init__(self, carriers: Sequence[Carrier], take: TakeWaiting, counters: QuicCounters) -> None:
        self._take = take
        self._carriers = tuple(carriers)
        self._counters = counters
        for carrier in self._carriers:
            carrier.take_quic = partial(self._take_from, carrier)

    def _take_from(self, carrier: Carrier, batch: memoryview, size: int, source: Endpoint) -> None:
        self._take(batch, size, source, carrier.waited_s())

    def close(self) -> None:
        """Takes no packets from them any more."""
        for carrier in self._carriers:
            carrier.take_quic = None

    def reach(self, below: Endpoint) -> float:
        """Ranks the best one for an endpoint."""
        return max((carrier.reach(below) for carrier in self._carriers), default=0.0)

    def send(self, below: Endpoint, packets: list[bytes]) -> str:
        """Sends packets; returns why the system does not send there, or nothing. Those that find no room are lost."""
        carrier = max(self._carriers, key=lambda one: one.reach(below))
        for run, size in runs_of_one_size(packets, BYTES_PER_SEND):
            if not carrier.send(below, run, size):
                self._counters.send_full += 1
        if not (carrier.unreachable or carrier.refused or carrier.oversize):
            return ""
        cause = carrier.unreachable.pop(below, "") or carrier.refused.pop(below, "")
        return causes.TOO_LONG if carrier.oversize.pop(below, 0) else cause


def below(endpoint: Endpoint) -> Endpoint:
    """Returns the UDP endpoint under one of a connection."""
    return endpoint._replace(scheme=UDP, connection=0)
