"""The running node as the operator's side sees it: frozen snapshots, and the few things that may be asked of it."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from ipaddress import AddressValueError, IPv6Address
from time import monotonic
from typing import Final

import mycelium
from mycelium.admin.control import AdminInfo, EndpointInfo, EventInfo, PeerInfo, RouteInfo, StatusInfo
from mycelium.daemon.discovery import LanDiscovery
from mycelium.daemon.driver import Driver
from mycelium.daemon.events import event_infos
from mycelium.endpoint import Endpoint
from mycelium.identity import exchange_key_of_signing_key, subnet_of
from mycelium.link.link import Link, LinkState
from mycelium.node.node import Node
from mycelium.peer_url import PeerUrl
from mycelium.peering.configured import ConfiguredPeer
from mycelium.peering.discovery import DiscoveredPeer
from mycelium.routing.snapshot import RouteSnapshot
from mycelium.transport.base import Transport
from mycelium.tun.base import TunDevice
from mycelium.wire.distance import INFINITY

DISCOVERED: Final = "linkLocalDiscovery"


class LiveControl:
    """Implements `daemon.control.NodeControl` on a running node."""

    def __init__(
        self,
        node: Node,
        driver: Driver,
        transports: list[Transport],
        tun: TunDevice | None,
        add_peer: Callable[[PeerUrl], None],
        remove_peer: Callable[[PeerUrl], None],
    ) -> None:
        self._node = node
        self._driver = driver
        self._transports = transports
        self._tun = tun
        self._add_peer = add_peer
        self._remove_peer = remove_peer
        self.discovery: LanDiscovery | None = None  # once it has started
        self._started = int(time.time())
        self._started_monotonic = monotonic()
        self._next_event = asyncio.Event()

    def admin(self) -> AdminInfo:
        """Who this node is."""
        identity = self._node.identity
        return AdminInfo(
            node_subnet=_subnet_text(identity.address),
            node_ip=str(IPv6Address(identity.address)),
            node_pubkey=identity.exchange_public_key.hex(),
            node_start_time=self._started,
        )

    def peers(self) -> list[PeerInfo]:
        """Configured peers first, then neighbours that came to us or were discovered."""
        now = monotonic()
        node = self._node
        infos = [self._configured(peer, now) for peer in node.peers.by_url.values()]
        shown = {peer.neighbour for peer in node.peers.by_url.values()}
        by_endpoint = node.discovery.links_by_peer()
        discovered = {link.address: node.discovery.by_endpoint[endpoint] for endpoint, link in by_endpoint.items()}
        infos += [
            self._linked(link, discovered.get(link.address), now)
            for link in node.links.values()
            if link.address not in shown
        ]
        infos += [
            self._discovered(peer, now)
            for endpoint, peer in node.discovery.by_endpoint.items()
            if endpoint not in by_endpoint
        ]
        return infos

    def add_peer(self, url: str) -> None:
        """Raises ConfigError for a bad URL, LocalError where the peer is known already."""
        self._add_peer(PeerUrl.parse(url))

    def remove_peer(self, url: str) -> None:
        """Raises LocalError where no such peer is configured."""
        self._remove_peer(PeerUrl.parse(url))

    def routes_selected(self) -> list[RouteInfo]:
        """The routes that packets take."""
        return [_route(route) for route in self._node.routing.selected_routes()]

    def routes_fallback(self) -> list[RouteInfo]:
        """The routes that are known beside them."""
        return [_route(route) for route in self._node.routing.fallback_routes()]

    def public_key_of(self, address: str) -> str | None:
        """Returns the X25519 key of the node that owns an address, as hex."""
        try:
            packed = IPv6Address(address).packed
        except AddressValueError:
            return None
        node = self._node
        owner = node.routing.forwarding.owner.get(subnet_of(packed))
        if owner is None:
            return None
        if owner == node.identity.address:
            return node.identity.exchange_public_key.hex()
        announcement = node.routing.resolve(owner)
        return None if announcement is None else exchange_key_of_signing_key(announcement.signing_public_key).hex()

    def status(self) -> StatusInfo:
        """The node at a glance, with every counter."""
        node = self._node
        return StatusInfo(
            version=mycelium.__version__,
            node_ip=str(IPv6Address(node.identity.address)),
            node_pubkey=node.identity.exchange_public_key.hex(),
            uptime_s=monotonic() - self._started_monotonic,
            tun=self._tun.name if self._tun is not None else None,
            listening=[str(one) for transport in self._transports for one in transport.local_endpoints],
            peers_alive=sum(link.state is not LinkState.DOWN for link in node.links.values()),
            peers_total=len(self.peers()),
            routes=len(node.routing.forwarding.next_hop),
            sessions=len(node.sessions.by_peer),
            counters=self._counters(),
        )

    def events(self, after: int) -> list[EventInfo]:
        """What the node's journal keeps that is newer than this number."""
        return event_infos(self._node.journal, after)

    def next_event(self) -> asyncio.Event:
        """Set when the next event has happened."""
        return self._next_event

    def journal_grew(self) -> None:
        """Wakes whoever waits for an event."""
        self._next_event.set()
        self._next_event = asyncio.Event()

    def _counters(self) -> dict[str, int]:
        counters = dict(self._node.counters())
        counters["unsent_dropped"] = self._driver.dropped_unsent
        for transport in self._transports:
            for name, value in transport.counters.items():
                counters[f"udp_{name}"] = counters.get(f"udp_{name}", 0) + value
        if self.discovery is not None:
            counters |= self.discovery.counters
        if self._tun is not None:
            tun = self._tun.counters
            counters |= {f"tun_{name}": getattr(tun, name) for name in tun.__slots__}
        return counters

    def _configured(self, peer: ConfiguredPeer, now: float) -> PeerInfo:
        link = self._node.links.get(peer.neighbour) if peer.neighbour is not None else None
        if link is not None:
            return self._linked(link, peer, now)
        url = PeerUrl.parse(peer.url)
        host = f"[{url.host}]" if ":" in url.host else url.host
        return PeerInfo(
            endpoint=EndpointInfo(url.scheme, f"{host}:{url.port}"),
            type="static",
            connection_state="connecting" if not peer.endpoints else self._state_of_missing(peer.endpoints),
            tx_bytes=0,
            rx_bytes=0,
            discovered=int(now - peer.known_since),
            last_connected=None if peer.last_connected is None else int(now - peer.last_connected),
            url=peer.url,
        )

    def _state_of_missing(self, endpoints: Iterable[Endpoint]) -> str:
        """What to say of a peer without a live link that is reached, if at all, at these endpoints."""
        is_knocking = any(self._node.handshakes.is_under_way(endpoint) for endpoint in endpoints)
        return "connecting" if is_knocking else "dead"

    def _discovered(self, peer: DiscoveredPeer, now: float) -> PeerInfo:
        """One that was heard and has no link."""
        return PeerInfo(
            endpoint=_endpoint(peer.endpoint),
            type=DISCOVERED,
            connection_state=self._state_of_missing([peer.endpoint]),
            tx_bytes=0,
            rx_bytes=0,
            discovered=int(now - peer.known_since),
            url=_url(peer.endpoint),
        )

    def _linked(self, link: Link, peer: ConfiguredPeer | DiscoveredPeer | None, now: float) -> PeerInfo:
        path = link.active
        return PeerInfo(
            endpoint=_endpoint(path.endpoint),
            type="inbound" if peer is None else DISCOVERED if isinstance(peer, DiscoveredPeer) else "static",
            connection_state="alive" if link.state is not LinkState.DOWN else self._state_of_missing(link.paths),
            tx_bytes=sum(one.tx_bytes for one in link.paths.values()),
            rx_bytes=sum(one.rx_bytes for one in link.paths.values()),
            discovered=int(now - (peer.known_since if peer is not None else link.connected_since)),
            last_connected=int(now - link.last_heard),
            url=None if peer is None else _url(peer.endpoint) if isinstance(peer, DiscoveredPeer) else peer.url,
            address=str(IPv6Address(link.address)),
            public_key=link.exchange_key.hex(),
            rtt_ms=_milliseconds(path.rtt.srtt),
            wire_rtt_ms=_milliseconds(path.rtt.newest_on_wire),
            loss=round(link.budget.loss, 4),
            cost=link.cost,
            mtu=path.mtu.size,
        )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)


def _endpoint(endpoint: Endpoint) -> EndpointInfo:
    return EndpointInfo(endpoint.scheme, str(endpoint).partition("://")[2])


def _url(endpoint: Endpoint) -> str:
    """Returns the URL by which one could dial a link-local endpoint: with the name of its interface."""
    try:
        interface = socket.if_indextoname(endpoint.scope)
    except OSError:  # it is gone
        interface = str(endpoint.scope)
    return f"{endpoint.scheme}://[{endpoint.host}%{interface}]:{endpoint.port}"


def _route(route: RouteSnapshot) -> RouteInfo:
    return RouteInfo(
        subnet=_subnet_text(route.node),
        next_hop=str(IPv6Address(route.neighbour)),
        metric="infinite" if route.metric == INFINITY else route.metric,
        seqno=route.sequence,
    )


def _subnet_text(address: bytes) -> str:
    return f"{IPv6Address(subnet_of(address) + bytes(8))}/64"
