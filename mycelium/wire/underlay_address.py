"""Underlay addresses in messages.

0  16 address; IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)
16 2  port
"""

import struct
from typing import Final, NamedTuple

from mycelium.errors import DecodeError
from mycelium.mapped_address import in_16_bytes, plain_address

UNDERLAY_ADDRESS: Final = struct.Struct("!16sH")
UNDERLAY_ADDRESS_BYTES: Final = UNDERLAY_ADDRESS.size


class UnderlayAddress(NamedTuple):
    """A numeric address and a port; IPv4 is never mapped into IPv6, and no address has a zone."""

    host: str
    port: int

    def packed(self) -> bytes:
        """Returns the bytes of a message."""
        return UNDERLAY_ADDRESS.pack(in_16_bytes(self.host), self.port)


def underlay_address(data: bytes | memoryview) -> UnderlayAddress:
    """Returns the address at the start of `data`; raises DecodeError."""
    if len(data) < UNDERLAY_ADDRESS.size:
        raise DecodeError("truncated underlay address")
    packed, port = UNDERLAY_ADDRESS.unpack_from(data)
    return UnderlayAddress(plain_address(packed), port)
