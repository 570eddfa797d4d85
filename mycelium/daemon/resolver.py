"""Resolves the host of a peer URL to endpoints, by the system's resolver."""

import ipaddress
import socket
from typing import Any, Final

from msgspec.structs import replace

from mycelium.admin.zones import interface_index
from mycelium.daemon.threads import in_thread
from mycelium.endpoint import Endpoint
from mycelium.errors import ResolveError
from mycelium.peer_address import objection
from mycelium.peer_url import PeerUrl
from mycelium.peering.configured import NAME_UNKNOWN
from mycelium.site import Site

NOT_LOOKED_UP: Final = "the name can't be looked up: "


async def resolve(url: PeerUrl) -> list[Endpoint]:
    """Returns the endpoints of a peer, those of its best scheme first, each in the order of preference of RFC 6724.

    Raises ResolveError where there are none.
    """
    found = [_numeric(url)] if url.is_numeric else await _named(url)
    return [endpoint._replace(scheme=scheme) for scheme in url.schemes for endpoint in found]


async def _named(url: PeerUrl) -> list[Endpoint]:
    endpoints: list[Endpoint] = []
    unfit = NAME_UNKNOWN
    for family, _, _, _, address in await _look_up(url):
        if family not in (socket.AF_INET, socket.AF_INET6):
            continue
        host, scope = str(address[0]).partition("%")[0], int(address[3]) if len(address) == 4 else 0
        reason = objection(host, zone=str(scope or ""))
        endpoint = Endpoint(url.schemes[0], _plain(host), url.port, scope, site=site_of(url))
        if reason is not None:
            unfit = f"the name stands for an address of no peer: {reason}"
        elif endpoint not in endpoints:
            endpoints.append(endpoint)
    if not endpoints:
        raise ResolveError(unfit)
    return endpoints


def _numeric(url: PeerUrl) -> Endpoint:
    host, zone = url.address_and_zone
    scope = interface_index(zone) if zone else 0
    if zone and not scope:
        raise ResolveError(f"this host has no interface {zone}")
    return Endpoint(url.schemes[0], host, url.port, scope, site=site_of(url))


def site_of(url: PeerUrl) -> str:
    """Returns the site of a peer's endpoints: what TLS asks for is the name in the URL unless that says another."""
    if url.scheme not in ("tls", "wss"):
        return ""
    site = Site.parse(url.site)
    return str(site if site.server_name or url.is_numeric else replace(site, server_name=url.host.removesuffix(".")))


async def _look_up(url: PeerUrl) -> list[Any]:
    """Asks the system's resolver, not the event loop's: uvloop drops the interface of link-local addresses."""
    try:
        return await in_thread(lambda: socket.getaddrinfo(url.host, url.port, type=socket.SOCK_DGRAM))
    except socket.gaierror as error:
        raise ResolveError(look_up_failed(error)) from error
    except OSError as error:
        raise ResolveError(f"{NOT_LOOKED_UP}{error.strerror or error}") from error
    except UnicodeError as error:
        raise ResolveError(f"{NOT_LOOKED_UP}{error}") from error


def look_up_failed(error: socket.gaierror) -> str:
    """Returns why a name was not found, in words for operators."""
    match error.errno:
        case socket.EAI_NONAME | socket.EAI_NODATA:
            return NAME_UNKNOWN
        case socket.EAI_AGAIN:
            return f"{NOT_LOOKED_UP}no name server answers"
        case _:
            return f"{NOT_LOOKED_UP}{error.strerror}"


def _plain(host: str) -> str:
    """Returns an address as text, an IPv4-mapped one as IPv4: endpoints are compared by it."""
    address = ipaddress.ip_address(host)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
