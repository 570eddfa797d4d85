"""Turns the host of a peer URL into endpoints, as the system resolves names."""

import asyncio
import ipaddress
import socket

from mycelium.endpoint import Endpoint
from mycelium.peer_url import PeerUrl


async def resolve(url: PeerUrl, loop: asyncio.AbstractEventLoop) -> list[Endpoint]:
    """Returns the addresses of a peer, best first; none where the name is not known now."""
    try:
        found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM)
    except OSError:
        return []
    endpoints: list[Endpoint] = []
    for family, _, _, _, address in found:
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        host = str(address[0]).split("%")[0]
        scope = int(address[3]) if len(address) == 4 else 0
        endpoint = Endpoint(url.scheme, _plain(host), int(address[1]), scope)
        if endpoint not in endpoints:
            endpoints.append(endpoint)
    return endpoints


def _plain(host: str) -> str:
    """IPv4 that is mapped into IPv6 is shown, and compared, as IPv4."""
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
