"""The interface of a running node to its operator: all that the API and the command line know of it."""

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncGenerator

    from mycelium.admin.diagnosis import NodeDiagnosis
    from mycelium.admin.mesh import MeshControl
    from mycelium.admin.policy_info import PolicyControl


class AdminInfo(Struct, frozen=True, rename="camel"):
    """GET /api/v1/admin"""

    node_subnet: str
    node_ip: str
    node_pubkey: str
    node_start_time: int  # Unix seconds


class SocketInfo(Struct, frozen=True, rename="camel"):
    """A numeric socket address, as in [fe80::1%2]:9651; of a peer whose name has no address yet 0.0.0.0."""

    socket: str


class EndpointInfo(Struct, frozen=True, rename="camel"):
    """An underlay address: `addr` as the Rust implementation has it, `socket_addr` with the names of host and interface.

    `proto` is the one of its protocols (tcp | tls | quic) that is most like `scheme`: its clients know no other.
    """

    proto: str
    addr: SocketInfo
    socket_addr: str
    scheme: str  # as in URLs of peers


class PeerInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One entry of GET /api/v1/admin/peers."""

    endpoint: EndpointInfo
    type: str  # static | inbound | linkLocalDiscovery: the one of the Rust implementation's that is most like `origin`
    origin: str  # static | inbound | linkLocalDiscovery | shortcut | automatic; list: of peers, which can't be read
    connection_state: str  # alive | connecting | dead
    tx_bytes: int
    rx_bytes: int
    discovered: int  # seconds since the node learned of this peer
    last_connected: int | None = None  # seconds since its newest link came up
    last_heard_s: int | None = None  # seconds since it was last heard
    url: str | None = None  # as configured
    brought_by: str | None = None  # the list that named it
    address: str | None = None  # overlay address, once known
    name: str | None = None  # of the node, in a private network
    public_key: str | None = None
    rtt_ms: float | None = None  # least of the last few, without scheduling delay; absent while the link is down
    rtt_age_s: float | None = None  # since the last round trip was measured
    smoothed_rtt_ms: float | None = None  # for timeouts: scheduling delay of both hosts included
    loss: float | None = None  # share of the frames sent to it in the last minute that were lost, after repair
    cost: int | None = None  # units of 10 us
    mtu: int | None = None  # datagram payload, bytes
    last_error: str | None = None  # why it has no link, with the address that was tried; for people
    next_attempt_s: int | None = None  # seconds until it is dialled again
    key_shared: str | None = None  # what is wrong if another host runs with its key too; for people


class RouteInfo(Struct, frozen=True, rename="camel"):
    """One entry of GET /api/v1/admin/routes/selected and fallback.

    `metric` and `seqno` are of the size and unit that the Rust implementation has; `cost` and `sequence` are exact.
    """

    subnet: str
    next_hop: str
    metric: int | str  # whole ms, at least 1; or "infinite"
    seqno: int  # 16 bits
    cost: int | None  # units of 10 us; None for an infinite metric
    sequence: int
    name: str | None = None  # of the node, in a private network


class QueriedInfo(Struct, frozen=True, rename="camel"):
    """One entry of GET /api/v1/admin/routes/queried."""

    subnet: str
    expiration: str  # seconds


class PublicKeyInfo(Struct, frozen=True, rename="camel"):
    """GET /api/v1/pubkey/IP"""

    public_key: str  # X25519, hex


class TrafficInfo(Struct, frozen=True, rename="camel"):
    """GET /api/v1/admin/stats/packets: by other nodes, which this node does not count."""

    by_source: tuple[()] = ()
    by_destination: tuple[()] = ()


class StatusInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/status"""

    version: str
    node_ip: str
    node_pubkey: str
    # of the ML-DSA key that the node can prove; None where its X25519 secret was imported
    fingerprint: str | None = None
    uptime_s: float
    tun: str | None
    policy: str  # what comes in from other nodes; for people
    member: str | None = None  # until when this node is a member of its network, where that has members; for people
    tun_fault: str | None = None  # why no packets pass, or not as they should
    key_shared: str | None = None  # what is wrong if another host runs with this node's key too; for people
    leases_given: int = 0  # of this relay's ports, at this time
    no_leases: str | None = None  # why none are given; for people
    listening: list[str]
    seen_at: list[str]  # URLs at which neighbours see this node, the likeliest first
    port_mapping: str = "none"  # where others reach this node at a port of its router, and how, or why there is none
    nat_mapping: str  # endpoint-independent | endpoint-dependent | unknown, as in RFC 4787
    peers_alive: int
    peers_total: int
    routes: int
    is_table_full: bool = False  # there are more nodes than it keeps routes to; those are reached by their homes
    landmarks: int = 0
    home: list[str] = []  # landmarks by which nodes without a route reach this one; itself if it is one
    sessions: int
    counters: dict[str, int]


class MetricInfo(Struct, frozen=True, rename="camel"):
    """One entry of GET /api/v1/admin/metrics."""

    name: str
    kind: str  # counter | gauge
    help: str
    value: int


class EventInfo(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One entry of GET /api/v1/admin/events; fields that its kind does not use are absent. Nodes are overlay addresses."""

    sequence: int  # grows by one; a gap means that entries were discarded
    time: float  # Unix seconds
    kind: str  # name of an `EventKind`
    node: str | None = None  # the neighbour, the destination of a route, or the peer of a session
    peer: str | None = None  # URL of a configured peer
    endpoint: str | None = None  # at which it was tried, where its URL does not say
    before: str | None = None  # next hop of a route, or underlay address of a neighbour
    after: str | None = None
    cause: str | None = None
    silent_s: float | None = None  # since the last answer of the neighbour
    # how long there was no working route, from the last answer of the old next hop; so far, while there is still none
    without_s: float | None = None
    count: int = 1  # consecutive failures of a peer, or events without an entry of their own
    names: dict[str, str] = {}  # of the nodes in this event that have one, by address


class InvitationWish(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The body of POST /api/v1/admin/invitations."""

    at: list[str] = []  # URLs of this node, the best first; none: the addresses that it knows of itself
    name: str = ""  # of the node that is to join; empty: it may choose
    uses: int = 1
    valid_s: float = 3_600.0


class InvitationInfo(Struct, frozen=True, rename="camel"):
    """The answer: the invitation itself is a secret, and in a file that only the daemon's user may read."""

    file: str
    expires: float  # Unix seconds


class ReloadInfo(Struct, frozen=True, rename="camel"):
    """What POST /api/v1/admin/reload has changed, in words, and the settings whose new values take a restart."""

    applied: list[str]
    takes_restart: list[str] = []

    def __str__(self) -> str:
        """Tells both in a line."""
        waiting = [f"only a restart applies the new {', '.join(self.takes_restart)}"] if self.takes_restart else []
        return "; ".join([*self.applied, *waiting]) or "nothing has changed"


class RemovalsTold(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The body of POST /api/v1/admin/network/removals."""

    removals: str  # signed parts in base64, each a line: what 'mycelium network remove' writes


class RemovalsTaken(Struct, frozen=True, rename="camel"):
    """The answer."""

    newer: bool  # than what the node knew


class NodeControl(Protocol):
    """The running node. Every call is made in the daemon's event loop and returns a frozen snapshot."""

    def admin(self) -> AdminInfo: ...
    def peers(self) -> list[PeerInfo]: ...
    def add_peer(self, url: str) -> None:
        """Raises ConfigError for an invalid URL, LocalError for a peer that is configured already."""

    def remove_peer(self, url: str) -> None:
        """Takes any text that is shown of it; raises ConfigError for no URL, LocalError for a peer that is not configured."""

    async def reload(self) -> ReloadInfo:
        """Reads the configuration again; raises LocalError for a mistake in it."""

    async def invite(self, wish: InvitationWish) -> InvitationInfo:
        """Raises ConfigError for an invalid wish, LocalError where no invitation can be made."""

    def tell_removals(self, told: RemovalsTold) -> RemovalsTaken:
        """Raises ConfigError for what is no list of removed members, LocalError for one that can't be taken."""

    def routes_selected(self) -> list[RouteInfo]: ...
    def routes_fallback(self) -> list[RouteInfo]: ...
    def next_hops(self) -> dict[bytes, tuple[bytes, int, str | None]]:
        """Returns next hop, cost (units of 10 us) and name of each reachable node, by overlay addresses, at little expense."""

    def public_key_of(self, address: str) -> str | None:
        """Returns the X25519 key, in hex, of the node that owns an overlay address; None for an unknown node."""

    def status(self) -> StatusInfo: ...
    def metrics(self) -> list[MetricInfo]: ...
    def exposition(self) -> bytes:
        """Returns what Prometheus is to know, as it reads it."""

    def events(self, after: int) -> list[EventInfo]:
        """Returns the kept events with a greater sequence, oldest first."""

    def next_event(self) -> "asyncio.Event":
        """Returns what will be set at the next event."""

    def capture(self) -> "AsyncGenerator[bytes, None]":
        """Returns a capture until it is closed, in the format pcapng; raises LocalError while there is another one."""

    @property
    def diagnosis(self) -> "NodeDiagnosis":
        """What finds out why something is as it is."""

    @property
    def mesh(self) -> "MeshControl":
        """What all nodes tell of their links."""

    @property
    def policy(self) -> "PolicyControl":
        """What may come in."""
