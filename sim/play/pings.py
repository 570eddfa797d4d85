"""Traffic between whole nodes: each watched flow sends small packets at a constant rate, and arrivals are counted.

Traffic makes links notice quickly that they are dead. It also shows what forwarding tables cannot: packets lost in flight, and
the longest time without an arrival. Times are those at which packets were sent.
"""

import struct
from typing import Final

from mycelium.packet.ipv6 import HEADER_BYTES, UDP, UDP_HEADER_BYTES

from ..net.node_mesh import NodeMesh

_IPV6: Final = struct.Struct("!IHBB16s16s")
_UDP: Final = struct.Struct("!HHHH")
_BODY: Final = struct.Struct("!IQ")  # flow, time of sending in microseconds
_PORT: Final = 4_000
_BODY_AT: Final = HEADER_BYTES + UDP_HEADER_BYTES
_HOP_LIMIT: Final = 64
_GRAIN_S: Final = 1e-6  # resolution of times in packets
ON_THE_WAY_S: Final = 1.0  # packets sent less than this ago can still arrive


def udp_packet(source: bytes, destination: bytes, body: bytes) -> bytes:
    """Returns an IPv6 packet with a UDP datagram."""
    length = UDP_HEADER_BYTES + len(body)
    head = _IPV6.pack(6 << 28, length, UDP, _HOP_LIMIT, source, destination)
    return head + _UDP.pack(_PORT, _PORT, length, 0) + body


class PingTraffic:
    """The packets of all watched flows."""

    def __init__(self, mesh: NodeMesh) -> None:
        self._mesh = mesh
        self._flows: list[tuple[int, int]] = []
        self._arrived_at: list[float] = []  # by flow: sending time of the newest packet that arrived
        self._gaps_s: list[float] = []  # by flow: the longest time without a packet that arrived
        self._awaited: list[dict[float, None]] = []  # by flow: sending times of packets that have not arrived
        self._took_s: list[float | None] = []  # by flow: from sending to arrival of the newest packet
        self._since = 0.0  # packets sent before are not counted
        self.sent = 0
        self.arrived = 0
        mesh.receive_packet = self._receive

    def add(self, source: int, destination: int, every_s: float) -> int:
        """Adds a flow, which sends a packet `every_s`, and returns its number."""
        number = len(self._flows)
        self._flows.append((source, destination))
        self._arrived_at.append(self._mesh.now)
        self._gaps_s.append(0.0)
        self._awaited.append({})
        self._took_s.append(None)
        self._mesh.heap.after(every_s * (number % 16) / 16, self._send, number, every_s)
        return number

    def start_over(self) -> None:
        """Discards the counts; only packets sent from now on are counted."""
        self._since = self._mesh.now
        self.sent = self.arrived = 0
        self._arrived_at = [self._since] * len(self._flows)
        self._gaps_s = [0.0] * len(self._flows)
        self._awaited = [{} for _ in self._flows]

    def lost(self, number: int) -> int:
        """Returns how many packets of a flow have not arrived, and will not any more."""
        latest = self._mesh.now - ON_THE_WAY_S
        return sum(at < latest for at in self._awaited[number])

    def took_s(self, number: int) -> float | None:
        """Returns how long the newest packet of a flow was on its way, in seconds."""
        return self._took_s[number]

    def heard_at(self, number: int) -> float:
        """Returns when the newest packet of a flow that has arrived was sent."""
        return self._arrived_at[number]

    def gaps_s(self) -> list[float]:
        """Returns the longest time without a packet that arrived, of each flow, in seconds."""
        latest = self._mesh.now - ON_THE_WAY_S
        return [max(gap, latest - at) for gap, at in zip(self._gaps_s, self._arrived_at, strict=True)]

    @property
    def longest_gap_s(self) -> float:
        """The longest of those times, in seconds."""
        return max(self.gaps_s(), default=0.0)

    def _send(self, number: int, every_s: float) -> None:
        mesh = self._mesh
        source, destination = self._flows[number]
        if mesh.node(source) is None or mesh.node(destination) is None:
            self._arrived_at[number] = mesh.now  # no packet is due while an end is stopped
        else:
            self.sent += 1
            sent_us = round(mesh.now * 1e6)
            self._awaited[number][sent_us / 1e6] = None
            body = _BODY.pack(number, sent_us)
            mesh.send_packets(source, [udp_packet(mesh.address(source), mesh.address(destination), body)])
        mesh.heap.after(every_s, self._send, number, every_s)

    def _receive(self, node: int, packet: bytes) -> None:
        if len(packet) != _BODY_AT + _BODY.size or packet[6] != UDP:
            return
        number, sent_us = _BODY.unpack_from(packet, _BODY_AT)
        sent_at = sent_us / 1e6
        if sent_at < self._since - _GRAIN_S:
            return
        self.arrived += 1
        self._awaited[number].pop(sent_at, None)
        self._took_s[number] = self._mesh.now - sent_at
        self._gaps_s[number] = max(self._gaps_s[number], sent_at - self._arrived_at[number])
        self._arrived_at[number] = max(self._arrived_at[number], sent_at)
