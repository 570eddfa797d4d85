"""The kernel of a host whose node is a relay with leases: ports, and what is passed on between the two ends of each."""

from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.node.leasing import Leasing
from mycelium.outbox import LeaseClosed, LeaseEvent, LeaseOpened, LeasePortWanted

FIRST_PORT: Final = 20_000


class VirtualKernelRelay:
    """Leased ports of one running node; gone with it, however it ends."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # by port
        self._ends: dict[int, dict[tuple[str, int], Endpoint]] = {}  # by port: the other end of each
        self._passed: dict[int, tuple[int, int]] = {}  # by port: datagrams and bytes

    def serve(self, event: LeaseEvent, leasing: Leasing, *, now: float) -> None:
        """Does what the node wants done, and tells it."""
        port = FIRST_PORT + event.lease
        match event:
            case LeasePortWanted():
                self._numbers[port] = event.lease
                self._passed[port] = 0, 0
                leasing.port_opened(event.lease, port, now=now)
            case LeaseOpened():
                one, other = event.one, event.other
                self._ends[port] = {(one.host, one.port): other, (other.host, other.port): one}
                leasing.passes(event.lease, now=now)
            case LeaseClosed():
                self._numbers.pop(port, None)
                self._ends.pop(port, None)
                leasing.closed(event.lease, *self._passed.pop(port, (0, 0)), now=now)

    def lease_at(self, port: int) -> int | None:
        """Returns the number of the lease of a port."""
        return self._numbers.get(port)

    def other_end(self, port: int, source: Endpoint, size: int) -> Endpoint | None:
        """Returns where a datagram from one end of a lease is to be sent on to, and counts it; None from anybody else."""
        other = self._ends.get(port, {}).get((source.host, source.port))
        if other is not None:
            datagrams, total = self._passed[port]
            self._passed[port] = datagrams + 1, total + size
        return other
