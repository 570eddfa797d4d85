"""Resolves the host of a peer URL to endpoints, by the system's resolver."""

import asyncio
import ipaddress
import socket

from msgspec.structs import replace

from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_url import PeerUrl
from mycelium.peering.configured import NAME_UNKNOWN
from mycelium.site import Site


async def resolve(url: PeerUrl, loop: asyncio.AbstractEventLoop) -> list[Endpoint]:
    """Returns the endpoints of a peer, in the order of preference of RFC 6724; raises ResolveError where there are none."""
    try:
        if url.is_numeric:  # at once: look-ups of names share a few threads
            found = socket.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)
        else:
            found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ResolveError(_cause(url, error)) from error
    endpoints: list[Endpoint] = []
    site = site_of(url)
    for family, _, _, _, address in found:
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        host = str(address[0]).split("%")[0]
        scope = int(address[3]) if len(address) == 4 else 0
        endpoint = Endpoint(url.scheme, _plain(host), int(address[1]), scope, site=site)
        if endpoint not in endpoints:
            endpoints.append(endpoint)
    if not endpoints:
        raise ResolveError(NAME_UNKNOWN)
    return endpoints


def site_of(url: PeerUrl) -> str:
    """Returns the site of a peer's endpoints: what TLS asks for is the name in the URL unless that says another."""
    if url.scheme not in ("tls", "wss"):
        return ""
    site = Site.parse(url.site)
    return str(site if site.server_name or url.is_numeric else replace(site, server_name=url.host.removesuffix(".")))


def _cause(url: PeerUrl, error: OSError) -> str:
    if url.is_numeric:  # without a look-up only the name of an interface can be wrong
        return f"this host has no interface {url.host.partition('%')[2]}"
    match error.errno:
        case socket.EAI_NONAME | socket.EAI_NODATA:
            return NAME_UNKNOWN
        case socket.EAI_AGAIN:
            return "the name can't be looked up: no name server answers"
        case _:
            return f"the name can't be looked up: {error.strerror}"


def _plain(host: str) -> str:
    """Returns an address as text, an IPv4-mapped one as IPv4: endpoints are compared by it."""
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
