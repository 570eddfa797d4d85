"""Finds the configured peer that an operator names by any text that tables and the API show of it, or that he wrote himself.

That is its URL, with its key or without, and where it is reached just now, by its own protocol or by the one of the Rust
implementation that it is shown as there.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from mycelium.admin.control import PeerInfo
from mycelium.admin.zones import with_zone_name
from mycelium.errors import LocalError
from mycelium.peer_list_url import is_list
from mycelium.peer_url import PeerUrl

CONFIGURED: Final = "static"
_WHY_HERE: Final = {
    "inbound": "has dialled this node",
    "linkLocalDiscovery": "was found on a local link",
    "shortcut": "is a shortcut past relays",
    "automatic": "is one of the automatic peers",
}


def named_peer(text: str, peers: Iterable[PeerInfo]) -> PeerUrl:
    """Returns the URL of the configured peer that is meant, or what the text says where none is.

    Raises ConfigError for a text that is no URL, LocalError where several peers or one that is not configured is meant.
    """
    if is_list(text):
        raise LocalError(f"{text[:100]} is a list of peers: it can be taken out of the configuration only")
    url = with_zone_name(PeerUrl.parse(text))
    shown = [(peer, _is_named(peer, url)) for peer in peers]
    configured = {peer.url for peer, is_meant in shown if is_meant and peer.url and peer.origin == CONFIGURED}
    if str(url) in configured:
        return url
    if len(configured) > 1:
        raise LocalError(f"{text} is more than one peer: {', '.join(sorted(configured))}")
    if configured:
        return PeerUrl.parse(configured.pop())
    other = next((peer for peer, is_meant in shown if is_meant), None)
    if other is not None:
        raise LocalError(
            f"{text} is in no list of peers that could be changed: it {_WHY_HERE.get(other.origin, 'is there')}"
        )
    return url


def _is_named(peer: PeerInfo, url: PeerUrl) -> bool:
    own = PeerUrl.parse(peer.url) if peer.url and not is_list(peer.url) else None
    if own is not None and _as_written_in(url, own) == url:
        return True
    endpoint = peer.endpoint
    places = {endpoint.addr.socket, endpoint.socket_addr}
    if own is not None:
        places.add(_place(own))
    is_its_key = url.pin is None or url.pin.hex() == peer.public_key
    return is_its_key and url.scheme in ("", endpoint.proto, endpoint.scheme) and _place(url) in places


def _place(url: PeerUrl) -> str:
    return str(replace(url, scheme="", pin=None))


def _as_written_in(url: PeerUrl, own: PeerUrl) -> PeerUrl:
    """Returns the URL of a configured peer without what another one leaves out: its key, or the fingerprint behind that."""
    return replace(own, pin=url.pin and own.pin, fingerprint=url.fingerprint and own.fingerprint)
