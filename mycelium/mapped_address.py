"""IPv4 addresses among those of 16 bytes: IPv4-mapped IPv6 addresses, RFC 4291 section 2.5.5.2."""

from ipaddress import IPv6Address, ip_address
from typing import Final

MAPPED_PREFIX: Final = bytes(10) + b"\xff\xff"


def in_16_bytes(host: str) -> bytes:
    """Returns a numeric address as 16 bytes, an IPv4 one mapped into IPv6."""
    packed = ip_address(host).packed
    return MAPPED_PREFIX + packed if len(packed) == 4 else packed


def plain_address(packed: bytes) -> str:
    """Returns an address of 16 bytes as text, an IPv4-mapped one as IPv4."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)
