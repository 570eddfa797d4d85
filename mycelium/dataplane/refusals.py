"""ICMPv6 errors for the senders of packets that the policy does not let in (RFC 4443 section 3.1, code 1)."""

from collections.abc import Sequence

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.sending import Sending
from mycelium.limits import DENIED_AT_ONCE, DENIED_PER_SECOND, REFUSALS_PER_SECOND, SESSIONS
from mycelium.packet.batch import Delivery
from mycelium.packet.ipv6 import ADMIN_PROHIBITED, icmpv6_error, may_answer, source_of
from mycelium.routing.excess import DENIED, Excesses, NamedRate
from mycelium.timing import TokenBuckets


class Refusals:
    """Answers packets that are not let in, at a bounded rate for each node; who sends such ones without end is named."""

    def __init__(self, own_address: bytes, sending: Sending, counters: DataplaneCounters, excesses: Excesses) -> None:
        self._own_address = own_address
        self._sending = sending
        self._counters = counters
        self._allowed = TokenBuckets[bytes](REFUSALS_PER_SECOND, keys=SESSIONS)
        self._denied = NamedRate(excesses, DENIED, DENIED_PER_SECOND, burst=DENIED_AT_ONCE, keys=SESSIONS)

    def drop(
        self, refused: Sequence[Delivery], deliveries: list[Delivery], already: int, node: bytes, *, now: float
    ) -> None:
        """Removes what a policy refuses from the deliveries behind the first `already`, and tells its sender."""
        denied = {id(one) for one in refused}
        deliveries[already:] = [one for one in deliveries[already:] if id(one) not in denied]
        for packet, _, _ in refused:
            self.tell(node, packet, now=now)

    def tell(self, node: bytes, packet: memoryview, *, now: float) -> None:
        """Answers one packet, which a node has sent."""
        self._denied.take(node, now=now)
        if may_answer(packet) and self._allowed.take(node, now=now):
            error = icmpv6_error(ADMIN_PROHIBITED, self._own_address, source_of(packet), packet)
            self._sending.send_packet(error, now=now)
            self._counters.refusals_sent += 1
