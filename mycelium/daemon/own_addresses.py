"""Where this host's own addresses let others reach its sockets, where no NAT is in between."""

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from typing import Final

from mycelium.endpoint import Endpoint
from mycelium.peer_address import is_of_another_host
from mycelium.wire.underlay_address import UnderlayAddress

UDP: Final = "udp"


def reachable_at(
    interfaces: Mapping[bytes, int], listening: Iterable[Endpoint], *, leads_inside: Callable[[int], bool]
) -> list[UnderlayAddress]:
    """Returns the addresses and ports of UDP sockets, those that are unique in the world first.

    `interfaces` has the index of the interface of each address, `leads_inside` tells which of them are the overlay itself.
    """
    own = [str(ip_address(address)) for address, index in interfaces.items() if not leads_inside(index)]
    found = [
        UnderlayAddress(host, socket.port)
        for socket in listening
        if socket.scheme == UDP
        for host in own
        if _serves(socket.host, host) and is_of_another_host(host)
    ]
    return sorted(found, key=lambda one: not ip_address(one.host).is_global)


def _serves(bound: str, host: str) -> bool:
    """Tells whether a socket bound to an address takes what is sent to another one; those bound to :: take IPv4 too."""
    if ip_address(bound).is_unspecified:
        return ":" in bound or ":" not in host
    return ip_address(bound) == ip_address(host)
