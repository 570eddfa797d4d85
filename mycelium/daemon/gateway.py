"""The router through which this host reaches the Internet over IPv4, as the kernel's routes have it."""

from ipaddress import IPv4Address
from typing import Final, NamedTuple

from mycelium.transport.underlay import Underlay

FAR_AWAY: Final = IPv4Address("192.0.2.1")  # of no network (RFC 5737), so what leads there is the default route


class Gateway(NamedTuple):
    """A router, and this host's address towards it."""

    host: str
    source: str

    @property
    def is_behind_nat(self) -> bool:
        """Tells whether the address that this host has there is one that the Internet can't reach."""
        return not IPv4Address(self.source).is_global


def find_gateway(underlay: Underlay) -> Gateway | None:
    """Asks the kernel for the router that links to far hosts pass; None where there is none."""
    route = underlay.route_to(FAR_AWAY.packed)
    if not route.gateway or not route.source:
        return None
    return Gateway(str(IPv4Address(route.gateway)), str(IPv4Address(route.source)))
