"""Bulk traffic between two whole nodes: packets at a constant rate, whether they arrive or not."""

from typing import Final

from ..net.node_mesh import NodeMesh
from .pings import udp_packet

PACKET_BYTES: Final = 1_280  # body of a packet
READ_EVERY_S: Final = 0.01  # interval between reads of the TUN device, unless packets are less frequent
PACKETS_AT_ONCE: Final = 32  # packets per read, at most


class Load:
    """One flow, which lasts until `end` is called."""

    def __init__(self, mesh: NodeMesh, source: int, destination: int, bytes_per_s: float) -> None:
        self._mesh = mesh
        self._ends = source, destination
        self._every_s = max(READ_EVERY_S, PACKET_BYTES / bytes_per_s)
        self._due = 0.0  # packets that are due, with a fraction
        self._packets_per_s = bytes_per_s / PACKET_BYTES
        self._is_over = False
        self._send()

    def end(self) -> None:
        """Ends the flow."""
        self._is_over = True

    def _send(self) -> None:
        if self._is_over:
            return
        mesh, (source, destination) = self._mesh, self._ends
        self._due += self._packets_per_s * self._every_s
        count = min(int(self._due), PACKETS_AT_ONCE)
        self._due -= count
        if count and mesh.node(source) is not None:
            one = udp_packet(mesh.address(source), mesh.address(destination), bytes(PACKET_BYTES))
            mesh.send_packets(source, [one] * count)
        mesh.heap.after(self._every_s, self._send)
