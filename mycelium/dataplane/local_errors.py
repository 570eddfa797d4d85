"""ICMPv6 errors for the applications of this host, as on any network (RFC 4443)."""

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.limits import ICMP_ERRORS_PER_SECOND
from mycelium.outbox import Outbox
from mycelium.packet.ipv6 import HEADER_BYTES, IcmpKind, icmpv6_error, may_answer, source_of
from mycelium.timing import TokenBucket


class LocalErrors:
    """Answers packets of local applications that cannot be delivered, at a bounded rate."""

    def __init__(self, own_address: bytes, outbox: Outbox, counters: DataplaneCounters, *, now: float) -> None:
        self._own_address = own_address
        self._outbox = outbox
        self._bucket = TokenBucket(ICMP_ERRORS_PER_SECOND, now=now)
        self._counters = counters

    def report(self, kind: IcmpKind, invoking: memoryview, *, now: float, reporter: bytes | None = None) -> None:
        """Delivers an error about `invoking`, a packet or its first bytes, to its sender on this host.

        `reporter` is the node that could not forward it, by default this node.
        """
        if len(invoking) < HEADER_BYTES or not may_answer(invoking) or not self._bucket.take(now=now):
            return
        error = icmpv6_error(kind, reporter or self._own_address, source_of(invoking), invoking)
        self._outbox.deliveries.append((memoryview(error), 0, 0))
        self._counters.icmp_errors += 1
