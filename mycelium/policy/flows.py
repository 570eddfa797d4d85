"""Flows between this host and others, so that answers to what it began are let in (stateful filtering).

Times are those of NATs: RFC 5382 for TCP, RFC 4787 for UDP, RFC 5508 for ICMP. Each node has a share of the table.
"""

from itertools import islice
from math import inf
from typing import Final

from mycelium.limits import FLOWS, FLOWS_PER_NODE
from mycelium.owner_counts import OwnerCounts
from mycelium.packet.ipv6 import ICMPV6, TCP, UDP
from mycelium.packet.offload import TCP_ACK, TCP_FIN
from mycelium.policy.headers import reversed_key

TCP_SYN: Final = 0x02
TCP_RST: Final = 0x04
CHANGES: Final = TCP_FIN | TCP_SYN | TCP_RST  # flags that change what is known of a connection

ESTABLISHED_S: Final = 7_440.0  # RFC 5382 REQ-5: 2 h 4 min, past the first keepalive of TCP
TRANSITORY_S: Final = 240.0  # RFC 5382 REQ-5: before a connection is established, and once it is closed
DATAGRAMS_S: Final = 300.0  # RFC 4787 REQ-5: recommended
ECHO_S: Final = 60.0  # RFC 5508 REQ-1
NOTED_S: Final = 1.0  # how much earlier a flow may end than it should, so that few of its packets are noted
_LOOKED_AT: Final = 8  # flows that are looked at for one that may give way
_TIDIED: Final = 2  # old flows that are looked at for each new one


class PacketFlow:
    """Packets with one protocol, pair of addresses and pair of ports."""

    __slots__ = (
        "arrivals_noted_until",
        "begun_here",
        "departures_noted_until",
        "is_answered",
        "is_closing",
        "keep_s",
        "key",
        "node",
        "protocol",
        "until",
    )

    def __init__(self, node: bytes, protocol: int, key: bytes, *, begun_here: bool, now: float) -> None:
        self.node = node
        self.protocol = protocol
        self.key = key  # of packets that leave
        self.begun_here = begun_here
        self.is_answered = False
        self.is_closing = False
        self.keep_s = TRANSITORY_S if protocol == TCP else ECHO_S if protocol == ICMPV6 else DATAGRAMS_S
        self.until = now + self.keep_s
        # until then packets of that direction, without flags that change anything, need not be noted
        self.arrivals_noted_until = self.departures_noted_until = -inf

    def used(self, *, is_answer: bool, now: float) -> None:
        """Notes a packet of this flow; an answer is one from the end that did not begin it."""
        if is_answer and not self.is_answered:
            self.is_answered = True
            if self.protocol == TCP and not self.is_closing:
                self.keep_s = ESTABLISHED_S
        self.until = now + self.keep_s
        if self.begun_here is is_answer:
            self.arrivals_noted_until = now + NOTED_S
        else:
            self.departures_noted_until = now + NOTED_S

    def take_flags(self, flags: int, *, is_answer: bool) -> bool:
        """Follows a TCP connection; returns False where the other end begins a new one between the same ports."""
        if flags & TCP_SYN and not flags & TCP_ACK:
            if is_answer:
                return not self.is_answered  # both open at once (RFC 5382 REQ-2)
            self.is_closing = self.is_answered = False
            self.arrivals_noted_until = self.departures_noted_until = -inf
            self.keep_s = TRANSITORY_S
        elif flags & (TCP_FIN | TCP_RST):
            self.is_closing = True
            self.keep_s = TRANSITORY_S
        return True

    def may_give_way(self, *, now: float) -> bool:
        """Tells whether nothing is lost by forgetting it: it is over, or nobody has answered."""
        return self.until <= now or self.is_closing or not self.is_answered


class Flows:
    """All flows, by what leaves and by what arrives; each key is that of `Headers`."""

    def __init__(self) -> None:
        self.departing: dict[int, dict[bytes, PacketFlow]] = {TCP: {}, UDP: {}}  # by protocol and key
        self.arriving: dict[int, dict[bytes, PacketFlow]] = {TCP: {}, UDP: {}}
        self._by_node: dict[bytes, dict[PacketFlow, None]] = {}  # oldest first
        self._held: OwnerCounts[bytes] = OwnerCounts()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def begin(self, node: bytes, protocol: int, key: bytes, *, begun_here: bool, now: float) -> bool:
        """Adds a flow whose packets leave with this key; returns False where there is no room for one that others begin."""
        old = self.departing.setdefault(protocol, {}).get(key)
        if old is not None:
            self._remove(old)
        mine = self._by_node.setdefault(node, {})
        self._tidy(mine, now=now)
        if len(mine) >= FLOWS_PER_NODE and not self._make_room(mine, must=begun_here, now=now):
            return False
        if self._count >= FLOWS:
            largest = self._by_node[self._held.largest()]
            is_other = len(largest) > len(mine)
            if not self._make_room(largest if is_other else mine, must=begun_here or is_other, now=now):
                return False
        flow = PacketFlow(node, protocol, key, begun_here=begun_here, now=now)
        self.departing[protocol][key] = flow
        self.arriving.setdefault(protocol, {})[reversed_key(key)] = flow
        self._by_node.setdefault(node, {})[flow] = None
        self._held.add(node)
        self._count += 1
        return True

    def forget_arrived(self) -> None:
        """Forgets the flows that others began, so that they are judged again."""
        for flows in list(self._by_node.values()):
            for flow in [one for one in flows if not one.begun_here]:
                self._remove(flow)

    def _tidy(self, flows: dict[PacketFlow, None], *, now: float) -> None:
        for flow in list(islice(flows, _TIDIED)):
            self._look_at(flow, flows, is_over=flow.until <= now)

    def _make_room(self, flows: dict[PacketFlow, None], *, must: bool, now: float) -> bool:
        """Removes one of a node's flows, the oldest one where it `must`; returns whether it did."""
        for _ in range(min(_LOOKED_AT, len(flows))):
            flow = next(iter(flows))
            is_over = flow.may_give_way(now=now)
            self._look_at(flow, flows, is_over=is_over)
            if is_over:
                return True
        oldest = next(iter(flows), None)
        if must and oldest is not None:
            self._remove(oldest)
            return True
        return False

    def _look_at(self, flow: PacketFlow, flows: dict[PacketFlow, None], *, is_over: bool) -> None:
        """Removes a flow, or has it looked at again after all others."""
        if is_over:
            self._remove(flow)
        else:
            del flows[flow]
            flows[flow] = None

    def _remove(self, flow: PacketFlow) -> None:
        del self.departing[flow.protocol][flow.key]
        del self.arriving[flow.protocol][reversed_key(flow.key)]
        flows = self._by_node[flow.node]
        del flows[flow]
        if not flows:
            del self._by_node[flow.node]
        self._held.remove(flow.node)
        self._count -= 1
