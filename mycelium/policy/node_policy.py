"""The policy of a node by the rules of its operator, with the flows that these rules let pass.

A flow is judged once; what follows is found by its addresses and ports.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from mycelium.errors import DecodeError
from mycelium.limits import FRAGMENTED_PACKETS_PER_NODE, POLICY_TABLES, SESSIONS
from mycelium.packet.batch import Delivery, Slot
from mycelium.packet.ipv6 import ECHO_REPLY, ECHO_REQUEST, HEADER_BYTES, ICMPV6, NEXT_HEADER, TCP, UDP
from mycelium.packet.offload import TCP_FLAGS
from mycelium.policy.base import DepartureNote, PacketFilter
from mycelium.policy.counters import PolicyCounters
from mycelium.policy.flows import CHANGES, Flows, PacketFlow
from mycelium.policy.headers import ICMP_HEADER_BYTES, Headers, read_headers, reversed_key
from mycelium.policy.port_table import PortTable
from mycelium.policy.rules import PolicyRule, first_of
from mycelium.policy.settings import CLOSED, OPEN, PolicySettings
from mycelium.timing import LastUsed

FRAGMENTS_S: Final = 60.0  # RFC 8200 section 4.5: how long a packet may take to be put together

# next header; addresses and ports, where no extension header lies between
_FIELDS: Final = struct.Struct("!Bx36s")
_NOT_PLAIN: Final = (
    struct.error,
    IndexError,
    KeyError,
)  # too short for that, of a protocol without ports, or of no flow
_FLAGS: Final = HEADER_BYTES + TCP_FLAGS
_FIRST_INFORMATIONAL: Final = 128
_NO_NAMES: Final[Mapping[str, bytes]] = {}


class Decision(NamedTuple):
    """What the rules say about a packet, and the rule that decides; None where the default does."""

    allows: bool
    rule: PolicyRule | None


class NodePolicy:
    """Implements `Policy`. `names` returns the node of each name at a time; in the open network no name is known."""

    def __init__(self, settings: PolicySettings, *, is_private: bool) -> None:
        self.names: Callable[[float], Mapping[str, bytes]] = lambda _: _NO_NAMES
        self.bars: Callable[[bytes], str | None] = lambda _: None  # why a node is no member
        self.is_private = is_private
        self.counters = PolicyCounters()
        self.flows = Flows()
        self._departing = {protocol: self.flows.departing[protocol] for protocol in (TCP, UDP)}
        self._arriving = {protocol: self.flows.arriving[protocol] for protocol in (TCP, UDP)}
        self._fragmented: LastUsed[bytes, dict[bytes, float]] = LastUsed(lambda _: {}, keys=SESSIONS)
        self.follow(settings)

    def follow(self, settings: PolicySettings) -> None:
        """Goes by other rules from now on; what others have begun is judged again."""
        self.settings = settings
        self.default = settings.default or (OPEN if self.is_private else CLOSED)
        self._known = _NO_NAMES
        self._tables: dict[bytes, PortTable] = {}  # by node
        self._shared: dict[tuple[int, ...], PortTable] = {}  # by the places of the rules that concern a node
        self.flows.forget_arrived()
        has_filter = bool(settings.packets) or self.default == CLOSED
        self.admits: PacketFilter | None = self._admits if has_filter else None
        self.departs: DepartureNote | None = self._departs if has_filter else None

    # -- nodes ---------------------------------------------------------------------------------------------------------

    def allows_neighbour(self, node: bytes) -> bool:
        """Tells whether a link with this node may exist."""
        if self.bars(node):
            return False
        rule = first_of(self.settings.links, node, {})
        return rule is None or rule.allows

    def allows_session(self, node: bytes, *, now: float) -> bool:
        """Tells whether this node may exchange packets with us, whoever begins."""
        rule = self.session_rule(node, now=now)
        return not self.bars(node) and (rule is None or rule.allows)

    def session_rule(self, node: bytes, *, now: float) -> PolicyRule | None:
        """Returns the rule that decides about sessions with a node."""
        return first_of(self.settings.sessions, node, self.names(now)) if self.settings.sessions else None

    def allows_prefix(self, node: bytes, length: int, address: bytes) -> bool:
        """Refuses all prefixes: no setting grants one yet."""
        return False

    # -- packets -------------------------------------------------------------------------------------------------------

    def verdict(self, node: bytes, protocol: int, port: int, *, now: float, is_echo: bool = False) -> Decision:
        """Returns what the rules say about what a node begins; answers pass without being judged."""
        rule = self._table(node, now=now).rule(protocol, port)
        return Decision(is_echo or self.default == OPEN if rule is None else rule.allows, rule)

    def _admits(self, node: bytes, arrived: Sequence[Delivery], /, *, now: float) -> Sequence[Delivery]:
        """Returns the packets that may not enter."""
        arriving, unpack = self._arriving, _FIELDS.unpack_from
        refused = []
        for one in arrived:
            packet = one[0]
            try:
                protocol, key = unpack(packet, NEXT_HEADER)
                flow = arriving[protocol][key]
                flags = packet[_FLAGS] if protocol == TCP else 0
            except _NOT_PLAIN:
                if not self._enters(node, packet, now=now):
                    refused.append(one)
                continue
            if flow.arrivals_noted_until > now and flow.node == node and not flags & CHANGES:
                continue
            if not _passes(flow, node, flags, from_here=False, now=now) and not self._enters(node, packet, now=now):
                refused.append(one)
        return refused

    def _enters(self, node: bytes, packet: memoryview, *, now: float) -> bool:
        """Judges a packet that is the first of its flow, a fragment, or behind extension headers."""
        try:
            headers = read_headers(packet)
        except DecodeError:
            self.counters.packets_unreadable += 1
            return False
        if headers.is_later:
            return self._fragmented.of(node, now=now).get(headers.fragment, 0.0) > now
        if not self._judge(node, packet, headers, now=now):
            return False
        if headers.fragment:
            _remember(headers.fragment, self._fragmented.of(node, now=now), now=now)
        return True

    def _judge(self, node: bytes, packet: memoryview, headers: Headers, *, now: float) -> bool:
        protocol, is_echo = headers.protocol, False
        if protocol == ICMPV6:
            kind = packet[headers.offset]
            is_echo = kind == ECHO_REQUEST[0]
            if kind < _FIRST_INFORMATIONAL and self._is_about_a_flow(node, packet, headers, now=now):
                return True
        if not is_echo and self._is_of_a_flow(node, packet, headers, now=now):
            return True
        if not self.verdict(node, protocol, headers.port, is_echo=is_echo, now=now).allows:
            return False
        return protocol == ICMPV6 or self._begin(node, protocol, reversed_key(headers.key), begun_here=False, now=now)

    def _is_of_a_flow(self, node: bytes, packet: memoryview, headers: Headers, *, now: float) -> bool:
        """Tells whether a packet, perhaps behind extension headers, is of a flow that passes."""
        protocol = headers.protocol
        if protocol == ICMPV6 and packet[headers.offset] != ECHO_REPLY[0]:
            return False
        flow = self.flows.arriving.get(protocol, {}).get(headers.key)
        flags = packet[headers.offset + TCP_FLAGS] if protocol == TCP else 0
        return flow is not None and _passes(flow, node, flags, from_here=False, now=now)

    def _is_about_a_flow(self, node: bytes, packet: memoryview, headers: Headers, *, now: float) -> bool:
        """Tells whether an ICMPv6 error is about a packet of a flow between this host and the node that sent it."""
        try:
            quoted = read_headers(packet[headers.offset + ICMP_HEADER_BYTES :], is_quoted=True)
        except DecodeError:
            return False
        flow = self.flows.departing.get(quoted.protocol, {}).get(quoted.key)
        return flow is not None and flow.node == node and flow.until > now

    def _departs(self, node: bytes, buffer: memoryview, slots: Sequence[Slot], /, *, now: float) -> None:
        departing, unpack = self._departing, _FIELDS.unpack_from
        for start, end, _, _ in slots:
            protocol, key = unpack(buffer, start + NEXT_HEADER)
            flow = departing[protocol].get(key) if protocol in departing else None
            flags = buffer[start + _FLAGS] if protocol == TCP else 0
            if flow is not None and flow.departures_noted_until > now and flow.node == node and not flags & CHANGES:
                continue
            if flow is None or not _passes(flow, node, flags, from_here=True, now=now):
                self._note_departure(node, buffer[start:end], now=now)

    def _note_departure(self, node: bytes, packet: memoryview, *, now: float) -> None:
        """Makes a flow of what this host begins."""
        try:
            headers = read_headers(packet)
        except DecodeError:  # answers to it will not be let in
            return
        if headers.is_later or (headers.protocol == ICMPV6 and packet[headers.offset] != ECHO_REQUEST[0]):
            return
        flow = self.flows.departing.get(headers.protocol, {}).get(headers.key)
        flags = packet[headers.offset + TCP_FLAGS] if headers.protocol == TCP else 0
        if flow is None or not _passes(flow, node, flags, from_here=True, now=now):
            self._begin(node, headers.protocol, headers.key, begun_here=True, now=now)

    def _begin(self, node: bytes, protocol: int, key: bytes, *, begun_here: bool, now: float) -> bool:
        if self.flows.begin(node, protocol, key, begun_here=begun_here, now=now):
            self.counters.flows_begun += 1
            return True
        self.counters.flows_refused += 1
        return False

    # -- rules ---------------------------------------------------------------------------------------------------------

    def _table(self, node: bytes, *, now: float) -> PortTable:
        """Returns the rules that concern a node; nodes that the same rules concern share a table."""
        names = self.names(now)
        if names is not self._known:
            if names != self._known:
                self._tables.clear()
            self._known = names
        table = self._tables.get(node)
        if table is None:
            if len(self._tables) >= POLICY_TABLES:
                self._tables.clear()
                self._shared.clear()
            rules = self.settings.packets
            places = tuple(place for place, rule in enumerate(rules) if rule.nodes.include(node, names))
            table = self._shared.get(places)
            if table is None:
                table = self._shared[places] = PortTable([rules[place] for place in places])
            self._tables[node] = table
        return table


def _passes(flow: PacketFlow, node: bytes, flags: int, *, from_here: bool, now: float) -> bool:
    """Tells whether a packet with these TCP flags, 0 for none, is of a flow, and notes that it was used."""
    if flow.until <= now or flow.node != node:
        return False
    is_answer = flow.begun_here is not from_here
    if not flow.take_flags(flags, is_answer=is_answer):
        return False
    flow.used(is_answer=is_answer, now=now)
    return True


def _remember(fragment: bytes, fragmented: dict[bytes, float], *, now: float) -> None:
    """Remembers that the first fragment of a packet has passed; the oldest one gives way."""
    fragmented[fragment] = now + FRAGMENTS_S
    if len(fragmented) > FRAGMENTED_PACKETS_PER_NODE:
        del fragmented[next(iter(fragmented))]
