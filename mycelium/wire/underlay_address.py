"""Underlay addresses in messages.

0  16 address; IPv4 as an IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2)
16 2  port
"""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, NamedTuple

from mycelium.errors import DecodeError

UNDERLAY_ADDRESS: Final = struct.Struct("!16sH")
UNDERLAY_ADDRESS_BYTES: Final = UNDERLAY_ADDRESS.size

_MAPPED: Final = bytes(10) + b"\xff\xff"


class UnderlayAddress(NamedTuple):
    """A numeric address and a port; IPv4 is never mapped into IPv6, and no address has a zone."""

    host: str
    port: int

    def packed(self) -> bytes:
        """Returns the bytes of a message."""
        packed = ip_address(self.host).packed
        return UNDERLAY_ADDRESS.pack(_MAPPED + packed if len(packed) == 4 else packed, self.port)


def underlay_address(data: bytes | memoryview) -> UnderlayAddress:
    """Returns the address at the start of `data`; raises DecodeError."""
    if len(data) < UNDERLAY_ADDRESS.size:
        raise DecodeError("truncated underlay address")
    packed, port = UNDERLAY_ADDRESS.unpack_from(data)
    if packed.startswith(_MAPPED):
        return UnderlayAddress(str(IPv4Address(packed[len(_MAPPED) :])), port)
    return UnderlayAddress(str(IPv6Address(packed)), port)
