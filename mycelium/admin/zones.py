"""Interfaces of this host in URLs: the zone behind '%' of a link-local address, a name or an index, and back."""

import socket

from msgspec.structs import replace

from mycelium.endpoint import Endpoint
from mycelium.errors import ConfigError
from mycelium.peer_url import PeerUrl, is_zone


def parse_peer(text: str) -> PeerUrl:
    """Parses the URL of a peer to dial; raises ConfigError also where this host has no such interface."""
    url = PeerUrl.parse(text)
    zone = url.address_and_zone[1]
    if zone and not interface_index(zone):
        raise ConfigError(f"{text!r} is not a valid URL: this host has no interface {zone!r}")
    return with_zone_name(url)


def with_zone_name(url: PeerUrl) -> PeerUrl:
    """Returns a URL with the name of its interface for the index: both ways to write it are one peer."""
    address, zone = url.address_and_zone
    index = interface_index(zone) if zone else 0
    return replace(url, host=f"{address}%{zone_of(index)}") if index else url


def interface_index(zone: str) -> int:
    """Returns the index of the interface that a zone stands for; 0 if this host has none such."""
    try:
        return socket.if_nametoindex(zone)
    except OSError:
        pass
    try:
        socket.if_indextoname(int(zone))
    except (OSError, ValueError, OverflowError):
        return 0
    return int(zone)


def zone_of(interface: int) -> str:
    """Returns the zone for an interface: its name, or the index where the name can't stand in a URL or is not known."""
    try:
        name = socket.if_indextoname(interface)
    except (OSError, OverflowError):  # the interface is gone
        return str(interface)
    return name if is_zone(name) and not name.isdigit() else str(interface)


def url_of(endpoint: Endpoint) -> str:
    """Returns the URL that dials an endpoint."""
    zone = f"%{zone_of(endpoint.scope)}" if endpoint.scope else ""
    return str(PeerUrl(endpoint.scheme, endpoint.host + zone, endpoint.port, site=endpoint.site))
