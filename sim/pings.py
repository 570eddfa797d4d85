"""Traffic between whole nodes: each watched flow sends a small packet at a steady pace, and someone counts what arrives.

It is what makes links notice quickly that they are dead; and it measures what the forwarding tables cannot show: packets lost
on the way, and the longest time that none came through.
"""

import struct
from typing import Final

from mycelium.wire.ipv6 import HEADER_BYTES, UDP, UDP_HEADER_BYTES
from sim.node_mesh import NodeMesh

_IPV6: Final = struct.Struct("!IHBB16s16s")
_UDP: Final = struct.Struct("!HHHH")
_BODY: Final = struct.Struct("!IQ")  # flow, microseconds at which it was sent
_PORT: Final = 4_000
_BODY_AT: Final = HEADER_BYTES + UDP_HEADER_BYTES
_HOP_LIMIT: Final = 64


class Pings:
    """All flows that send."""

    def __init__(self, mesh: NodeMesh) -> None:
        self._mesh = mesh
        self._flows: list[tuple[int, int]] = []
        self._arrived_at: list[float] = []  # by flow: when the newest that arrived was sent
        self.sent = 0
        self.arrived = 0
        self.longest_gap_s = 0.0
        mesh.receive_packet = self._receive

    def add(self, source: int, destination: int, every_s: float) -> None:
        """Begins to send."""
        number = len(self._flows)
        self._flows.append((source, destination))
        self._arrived_at.append(self._mesh.now)
        self._mesh.heap.after(every_s * (number % 16) / 16, self._send, number, every_s)

    def _send(self, number: int, every_s: float) -> None:
        mesh = self._mesh
        source, destination = self._flows[number]
        if mesh.node(source) is not None:
            self.sent += 1
            mesh.send_packet(source, self._packet(number, mesh.address(source), mesh.address(destination)))
        mesh.heap.after(every_s, self._send, number, every_s)

    def _packet(self, number: int, source: bytes, destination: bytes) -> bytes:
        length = UDP_HEADER_BYTES + _BODY.size
        head = _IPV6.pack(6 << 28, length, UDP, _HOP_LIMIT, source, destination)
        return head + _UDP.pack(_PORT, _PORT, length, 0) + _BODY.pack(number, round(self._mesh.now * 1e6))

    def _receive(self, node: int, packet: bytes) -> None:
        if len(packet) != _BODY_AT + _BODY.size or packet[6] != UDP:
            return
        number, sent_us = _BODY.unpack_from(packet, _BODY_AT)
        self.arrived += 1
        sent_at = sent_us / 1e6
        self.longest_gap_s = max(self.longest_gap_s, sent_at - self._arrived_at[number])
        self._arrived_at[number] = max(self._arrived_at[number], sent_at)
