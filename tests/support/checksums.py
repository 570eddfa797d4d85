"""Checksums of packets that the kernel was to complete."""

from mycelium.packet.ipv6 import CHECKSUM_OFFSET
from mycelium.packet.offload import complete_checksum_at, transport_layout


def complete_checksum(packet: memoryview) -> None:
    """Completes the partial checksum of a TCP or UDP packet in place; raises DecodeError for other packets."""
    protocol, offset, _ = transport_layout(packet)
    complete_checksum_at(packet, offset, CHECKSUM_OFFSET[protocol])
