"""Messages 1 and 2 of the handshake in parts, for paths that carry no datagram of their length.

They are not authentic before they are whole, so what is kept of each address, and of all, is bounded.
"""

from mycelium.endpoint import Endpoint
from mycelium.errors import HandshakeError
from mycelium.limits import DATAGRAM_FLOOR, PARTIAL_HANDSHAKES
from mycelium.link.counters import HandshakeCounters
from mycelium.link.path.mtu import least_size
from mycelium.wire.datagram import (
    HANDSHAKE_PART,
    HANDSHAKE_PART_BYTES,
    HANDSHAKE_PART_HEAD,
    HANDSHAKE_PARTS,
)


def may_be_narrow(endpoint: Endpoint) -> bool:
    """Tells whether the path to an endpoint may be too narrow for a whole message."""
    return least_size(endpoint) < DATAGRAM_FLOOR


def cut(message: bytes) -> list[bytes]:
    """Returns the datagrams that bring a message 1 or 2 in parts."""
    index = int.from_bytes(message[4:8], "big")
    return [
        HANDSHAKE_PART_HEAD.pack(HANDSHAKE_PART, number, index)
        + message[number * HANDSHAKE_PART_BYTES : (number + 1) * HANDSHAKE_PART_BYTES]
        for number in range(HANDSHAKE_PARTS)
    ]


class HandshakeParts:
    """What has come of messages in parts: one message of each address."""

    __slots__ = ("_counters", "_partial")

    def __init__(self, counters: HandshakeCounters) -> None:
        self._counters = counters
        self._partial: dict[Endpoint, tuple[int, list[bytes]]] = {}  # index of the sender, parts; oldest first

    def add(self, endpoint: Endpoint, datagram: bytes) -> bytes | None:
        """Takes a part; returns the message that it completes, if it does. Raises HandshakeError for what is no part."""
        content = datagram[HANDSHAKE_PART_HEAD.size :]
        if not 0 < len(content) <= HANDSHAKE_PART_BYTES:
            raise HandshakeError(f"a part of {len(content)} bytes")
        _, number, index = HANDSHAKE_PART_HEAD.unpack_from(datagram)
        if number >= HANDSHAKE_PARTS:
            raise HandshakeError(f"part {number}")
        known, parts = self._partial.get(endpoint, (index, []))
        if known != index or not parts:
            if parts or len(self._partial) >= PARTIAL_HANDSHAKES:
                del self._partial[endpoint if parts else next(iter(self._partial))]
                self._counters.handshakes_incomplete += 1
            parts = [b""] * HANDSHAKE_PARTS
            self._partial[endpoint] = index, parts
        parts[number] = content
        if not all(parts):
            return None
        del self._partial[endpoint]
        return b"".join(parts)
