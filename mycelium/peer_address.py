"""Which addresses a peer can't have, and why."""

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from mycelium.identity import OVERLAY_PREFIX, is_overlay_address

BROADCAST: Final = IPv4Address("255.255.255.255")


def is_numeric(host: str) -> bool:
    """Tells whether a host is named by its address; in memory hosts have names."""
    return ":" in host or host.replace(".", "").isdecimal()


def objection(host: str, *, zone: str = "") -> str | None:
    """Returns why no link can run to or from a numeric address, in words for the operator; None if one can.

    `zone` is the interface of a link-local address, and is part of no other address.
    """
    address = ip_address(host)
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_unspecified:
        return f"{address} means every address of a host: one can listen there, but reach nobody"
    if address.is_multicast:
        return f"{address} is a multicast address, not that of one host"
    if address == BROADCAST:
        return f"{address} is the broadcast address, not that of one host"
    if is_in_overlay(address):
        return f"{address} lies in the overlay ({OVERLAY_PREFIX}), which can't carry its own links"
    has_zone = isinstance(address, IPv6Address) and address.is_link_local
    if has_zone and not zone:
        return f"a link-local address needs its interface, as in [{address}%eth0]"
    if zone and not has_zone:
        return f"only a link-local address (fe80::/10) has an interface behind '%', and {address} is none"
    return None


def is_of_another_host(host: str) -> bool:
    """Tells whether a numeric address without a zone can be one at which another host is reached."""
    return objection(host) is None and not ip_address(host).is_loopback


def is_in_overlay(address: IPv4Address | IPv6Address) -> bool:
    """Tells whether an address is one of the overlay's, which never carries its own datagrams."""
    return is_overlay_address(address.packed)
