"""The router through which this host reaches the Internet over IPv4, as the kernel's routes have it."""

import socket
from ipaddress import IPv4Address
from typing import Final, NamedTuple

from mycelium.packet.netlink import (
    ROUTE,
    RTA_DST,
    RTA_GATEWAY,
    RTA_MARK,
    RTA_PREFSRC,
    RTM_GETROUTE,
    attribute,
    attributes,
    number_attribute,
)
from mycelium.tun.rtnetlink import ask

FAR_AWAY: Final = IPv4Address("192.0.2.1")  # of no network (RFC 5737), so what leads there is the default route
_ADDRESS_BITS: Final = 32


class Gateway(NamedTuple):
    """A router, and this host's address towards it."""

    host: str
    source: str

    @property
    def is_behind_nat(self) -> bool:
        """Tells whether the address that this host has there is one that the Internet can't reach."""
        return not IPv4Address(self.source).is_global


def find_gateway(mark: int) -> Gateway | None:
    """Asks the kernel for the router of what leaves with this firewall mark; None where there is none."""
    wanted = attribute(RTA_DST, FAR_AWAY.packed) + number_attribute(RTA_MARK, mark)
    try:
        answers = ask(RTM_GETROUTE, ROUTE.pack(socket.AF_INET, _ADDRESS_BITS, 0, 0, 0, 0, 0, 0, 0) + wanted)
    except OSError:  # no route
        return None
    for body in answers:
        found = dict(attributes(body[ROUTE.size :]))
        router, source = found.get(RTA_GATEWAY), found.get(RTA_PREFSRC)
        if router is not None and source is not None:
            return Gateway(str(IPv4Address(router)), str(IPv4Address(source)))
    return None
