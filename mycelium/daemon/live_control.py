"""The operator's interface to a running node, for the API."""

import asyncio
import time
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address
from time import monotonic
from typing import Any, Final

from msgspec.structs import replace

import mycelium
from mycelium.admin.control import (
    AdminInfo,
    EndpointInfo,
    EventInfo,
    InvitationInfo,
    InvitationWish,
    MetricInfo,
    PeerInfo,
    ReloadInfo,
    RemovalsTaken,
    RemovalsTold,
    RouteInfo,
    SocketInfo,
    StatusInfo,
)
from mycelium.admin.removals_file import read_removals
from mycelium.admin.zones import parse_peer, url_of
from mycelium.daemon.capturing import Capturing
from mycelium.daemon.events import event_infos
from mycelium.daemon.invitations import Inviter
from mycelium.daemon.leases import KernelLeases
from mycelium.daemon.live_diagnosis import LiveDiagnosis
from mycelium.daemon.live_mesh import LiveMesh
from mycelium.daemon.members import Members
from mycelium.daemon.named_peer import named_peer
from mycelium.daemon.node_metrics import NodeMetrics
from mycelium.daemon.peer_lists import PeerLists
from mycelium.daemon.peers import Act, Peers
from mycelium.daemon.policing import Policing
from mycelium.daemon.port_mapper import PortMapper
from mycelium.daemon.reload import Configuration
from mycelium.daemon.sleep import SleepLog, slept_s
from mycelium.daemon.tun_keeper import TunKeeper
from mycelium.endpoint import Endpoint
from mycelium.identity import subnet_of
from mycelium.link.link import LinkState
from mycelium.node.duplicates import SHARED, Duplicates
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.node.snapshot import LinkSnapshot, PeerOrigin, PeerSnapshot, PeerState
from mycelium.peer_list_url import PeerListUrl
from mycelium.peer_url import PeerUrl
from mycelium.routing.snapshot import RouteSnapshot
from mycelium.transport.set import TransportSet
from mycelium.wire.distance import INFINITY

COST_UNITS_PER_MS: Final = 100  # a unit is 10 us
HIGHEST_METRIC: Final = 0xFFFE  # ms; the Rust implementation takes 0xFFFF for unreachable
NO_ADDRESS: Final = "0.0.0.0"

UNREAD: Final = "list"  # origin of a list of peers that can't be read
_ORIGINS: Final = {
    PeerOrigin.CONFIGURED: "static",
    PeerOrigin.DISCOVERED: "linkLocalDiscovery",
    PeerOrigin.SHORTCUT: "shortcut",
    PeerOrigin.INBOUND: "inbound",
    PeerOrigin.AUTOMATIC: "automatic",
}
# What the Rust implementation calls what it does not have.
_TYPES: Final = {"shortcut": "inbound", "automatic": "inbound", UNREAD: "static"}
_PROTOCOLS: Final = {"udp": "quic", "quic": "quic", "tcp": "tcp", "tls": "tls", "wss": "tls"}


class LiveControl:
    """Implements `admin.control.NodeControl`."""

    def __init__(
        self,
        node: Node,
        transports: TransportSet,
        keeper: TunKeeper | None,
        peers: Peers,
        leases: KernelLeases,
        lists: PeerLists,
        mapper: PortMapper,
        metrics: NodeMetrics,
        capturing: Capturing,
        inviter: Inviter,
        act: Act,
        names: Names,
        configuration: Configuration,
        policy: Policing,
        members: Members,
    ) -> None:
        self._node = node
        self._transports = transports
        self._keeper = keeper
        self._peers = peers
        self._leases = leases
        self._lists = lists
        self._mapper = mapper
        self._metrics = metrics
        self.capture = capturing.open
        self._inviter = inviter
        self._names = names
        self._configuration = configuration
        self.policy = policy
        self._members = members
        self._started = int(time.time())
        self._started_s = monotonic() + slept_s()
        self._sleeps = SleepLog(slept_s())
        self._next_event = asyncio.Event()
        self.diagnosis = LiveDiagnosis(node, names, self.events, act)
        self.mesh = LiveMesh(node, names, act)

    def admin(self) -> AdminInfo:
        """Returns the identity of this node."""
        identity = self._node.identity
        return AdminInfo(
            node_subnet=_subnet_text(identity.address),
            node_ip=str(IPv6Address(identity.address)),
            node_pubkey=identity.exchange_public_key.hex(),
            node_start_time=self._started,
        )

    def peers(self) -> list[PeerInfo]:
        """Returns configured peers, neighbours that dialled, discovered ones without a link, and lists that can't be read."""
        now = monotonic()
        duplicates = self._node.neighbours.duplicates
        found = [
            replace(_peer(peer, duplicates, now=now), name=self._name_of(peer.link))
            for peer in self._node.snapshot(now=now).peers
        ]
        shown = [replace(peer, brought_by=self._peers.list_of(peer.url)) if peer.url else peer for peer in found]
        return shown + [_unread(one.url, one.trouble) for one in self._lists.by_url.values() if one.trouble]

    def add_peer(self, url: str) -> None:
        """Raises ConfigError for an invalid URL, LocalError for a peer that is configured already."""
        self._peers.add(parse_peer(url))

    def remove_peer(self, url: str) -> None:
        """Takes any text that is shown of it; raises ConfigError for no URL, LocalError for a peer that is not configured."""
        self._peers.remove(named_peer(url, self.peers()))

    async def reload(self) -> ReloadInfo:
        """Reads the configuration again; raises LocalError for a mistake in it."""
        return await self._configuration.follow()

    async def invite(self, wish: InvitationWish) -> InvitationInfo:
        """Raises ConfigError for an invalid wish, LocalError where no invitation can be made."""
        return await self._inviter.grant(wish, self._transports.local_endpoints)

    def tell_removals(self, told: RemovalsTold) -> RemovalsTaken:
        """Raises ConfigError for what are no removed members, LocalError for those that can't be taken."""
        return RemovalsTaken(self._members.tell(read_removals(told.removals, "what was told")))

    def routes_selected(self) -> list[RouteInfo]:
        """Returns the routes in use."""
        return self._routes(self._node.routing.selected_routes())

    def routes_fallback(self) -> list[RouteInfo]:
        """Returns all other finite routes."""
        return self._routes(self._node.routing.fallback_routes())

    def _routes(self, routes: Iterable[RouteSnapshot]) -> list[RouteInfo]:
        now = monotonic()
        return [replace(_route(route), name=self._names.name_of(route.node, now=now)) for route in routes]

    def _name_of(self, link: LinkSnapshot | None) -> str | None:
        return None if link is None else self._names.name_of(link.address, now=monotonic())

    def next_hops(self) -> dict[bytes, tuple[bytes, int, str | None]]:
        """Returns next hop, cost and name of each reachable node."""
        routing, name_of, now = self._node.routing, self._names.name_of, monotonic()
        next_hop = routing.forwarding.next_hop
        return {node: (hop, routing.metric(node), name_of(node, now=now)) for node, hop in next_hop.items()}

    def public_key_of(self, address: str) -> str | None:
        """Returns the X25519 key of the node that owns an address, in hex; None for an unknown node or no address."""
        try:
            key = self._node.exchange_key_of(IPv6Address(address).packed)
        except AddressValueError:
            return None
        return None if key is None else key.hex()

    def status(self) -> StatusInfo:
        """Returns a summary of the node, and every counter."""
        node, snapshot = self._node, self._node.snapshot(now=monotonic())
        counters = node.metrics.values()
        return StatusInfo(
            version=mycelium.__version__,
            node_ip=str(IPv6Address(node.identity.address)),
            node_pubkey=node.identity.exchange_public_key.hex(),
            fingerprint=None if node.prover.fingerprint is None else node.prover.fingerprint.hex(),
            uptime_s=monotonic() + slept_s() - self._started_s,
            tun=self._keeper.name if self._keeper is not None else None,
            key_shared=node.neighbours.duplicates.describe(),
            policy=self.policy.summary(),
            member=self._members.summary(),
            tun_fault=self._keeper.trouble if self._keeper is not None else None,
            leases_given=len(node.leasing.given.by_number),
            no_leases=self._leases.trouble,
            listening=[url_of(one) for one in self._transports.local_endpoints],
            seen_at=[str(Endpoint("udp", *one)) for one in node.outside.view.addresses],
            port_mapping=self._mapper.state,
            nat_mapping=node.outside.view.mapping.value,
            peers_alive=sum(peer.state is PeerState.ALIVE for peer in snapshot.peers),
            peers_total=len(snapshot.peers),
            routes=counters["routing_selected_routes"],
            is_table_full=node.routing.landmarks.are_needed,
            landmarks=counters["routing_landmarks"],
            home=[str(IPv6Address(one)) for one in node.routing.landmarks.places],
            sessions=sum(session.has_keys for session in snapshot.sessions),
            counters=counters,
        )

    def events(self, after: int) -> list[EventInfo]:
        """Returns the kept events with a greater sequence, oldest first."""
        return event_infos(self._node.journal, after, self._sleeps, self._names)

    def next_event(self) -> asyncio.Event:
        """Returns what will be set at the next event."""
        return self._next_event

    def journal_grew(self) -> None:
        """Wakes the calls that wait for an event."""
        self._sleeps.note(self._node.journal.newest, slept_s())
        self._next_event.set()
        self._next_event = asyncio.Event()

    def metrics(self) -> list[MetricInfo]:
        """Returns every counter and gauge with its meaning."""
        values = self._node.metrics.values()
        return [
            MetricInfo(one.name, one.kind.value, one.help, values[one.name]) for one in self._node.metrics.metrics()
        ]

    def exposition(self) -> bytes:
        """Returns the metrics that Prometheus is to know, as it reads them."""
        return self._metrics.text(now=monotonic())


def _unread(url: PeerListUrl, trouble: str) -> PeerInfo:
    """Returns the entry of a list of peers that could not be read."""
    return PeerInfo(
        endpoint=_endpoint(url.scheme, SocketInfo(f"{NO_ADDRESS}:0"), url.shown_place),
        type=_type(UNREAD),
        origin=UNREAD,
        connection_state=PeerState.DEAD.value,
        tx_bytes=0,
        rx_bytes=0,
        discovered=0,
        url=str(url),
        last_error=trouble,
    )


def _peer(peer: PeerSnapshot, duplicates: Duplicates, *, now: float) -> PeerInfo:
    link = peer.link
    stands_back = duplicates.stands_back
    next_attempt = duplicates.returns_at if stands_back else peer.next_attempt
    url = peer.url if peer.endpoint is None else url_of(peer.endpoint)
    info = PeerInfo(
        endpoint=_reached_at(peer),
        type=_type(_ORIGINS[peer.origin]),
        origin=_ORIGINS[peer.origin],
        connection_state=peer.state.value,
        tx_bytes=0,
        rx_bytes=0,
        discovered=int(now - peer.known_since),
        last_connected=_seconds_since(peer.connected_at, now=now),
        last_heard_s=_seconds_since(peer.last_heard, now=now),
        url=url,
        last_error=SHARED if stands_back else _last_error(peer),
        next_attempt_s=None if next_attempt is None else max(0, round(next_attempt - now)),
        key_shared=None if link is None else duplicates.describe_neighbour(link.address),
    )
    return info if link is None else replace(info, **_link_fields(link, now=now))


def _last_error(peer: PeerSnapshot) -> str | None:
    told = [cause if endpoint is None else f"{url_of(endpoint)}: {cause}" for endpoint, cause in peer.failures]
    return "; ".join(told) or None


def _link_fields(link: LinkSnapshot, *, now: float) -> dict[str, Any]:
    """Returns the fields of a peer's entry that describe its link."""
    path = link.paths[0]
    return {
        "tx_bytes": link.tx_bytes,
        "rx_bytes": link.rx_bytes,
        "address": str(IPv6Address(link.address)),
        "public_key": link.exchange_key.hex(),
        "rtt_ms": None if link.state is LinkState.DOWN else _milliseconds(path.rtt_s),
        "rtt_age_s": None if path.measured_at is None else round(now - path.measured_at, 1),
        "smoothed_rtt_ms": _milliseconds(path.smoothed_rtt_s),
        "loss": None if link.loss is None else round(link.loss, 4),
        "cost": link.cost,
        "mtu": path.mtu,
    }


def _reached_at(peer: PeerSnapshot) -> EndpointInfo:
    """Returns where a peer is reached; without a link, where it was discovered or what its URL says."""
    endpoint = peer.endpoint if peer.link is None else peer.link.paths[0].endpoint
    if endpoint is not None:
        return _endpoint(endpoint.scheme, _socket(endpoint), url_of(endpoint).partition("://")[2])
    assert peer.url is not None
    url = PeerUrl.parse(peer.url)
    host = f"[{url.host}]" if ":" in url.host else url.host
    resolved = peer.resolved or Endpoint(url.schemes[0], NO_ADDRESS, url.port)
    return _endpoint(resolved.scheme, _socket(resolved), f"{host}:{url.port}{url.site}")


def _type(origin: str) -> str:
    return _TYPES.get(origin, origin)


def _endpoint(scheme: str, socket: SocketInfo, place: str) -> EndpointInfo:
    return EndpointInfo(_PROTOCOLS.get(scheme, "tcp"), socket, place, scheme)


def _socket(endpoint: Endpoint) -> SocketInfo:
    return SocketInfo(str(endpoint._replace(site="")).partition("://")[2])


def _seconds_since(then: float | None, *, now: float) -> int | None:
    return None if then is None else int(now - then)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)


def _route(route: RouteSnapshot) -> RouteInfo:
    is_infinite = route.metric == INFINITY
    return RouteInfo(
        subnet=_subnet_text(route.node),
        next_hop=str(IPv6Address(route.neighbour)),
        metric="infinite" if is_infinite else min(max(round(route.metric / COST_UNITS_PER_MS), 1), HIGHEST_METRIC),
        seqno=route.sequence % (1 << 16),
        cost=None if is_infinite else route.metric,
        sequence=route.sequence,
    )


def _subnet_text(address: bytes) -> str:
    return f"{IPv6Address(subnet_of(address) + bytes(8))}/64"
