"""What the operator's side may ask of a running node; the API and the command line know nothing else of it."""

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

if TYPE_CHECKING:
    import asyncio


class AdminInfo(Struct, frozen=True, rename="camel"):
    """GET /api/v1/admin"""

    node_subnet: str
    node_ip: str
    node_pubkey: str
    node_start_time: int  # Unix seconds


class EndpointInfo(Struct, frozen=True, rename="camel"):
    """An underlay address as the API shows it; `addr` is host:port."""

    proto: str
    addr: str


class PeerInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One entry of GET /api/v1/admin/peers."""

    endpoint: EndpointInfo
    type: str  # static | inbound | linkLocalDiscovery
    connection_state: str  # alive | connecting | dead
    tx_bytes: int
    rx_bytes: int
    discovered: int  # seconds since this peer was first known
    last_connected: int | None = None  # seconds since the link was last up
    url: str | None = None  # as configured
    address: str | None = None  # overlay address, once known
    public_key: str | None = None
    rtt_ms: float | None = None  # smoothed, with what busy hosts add to it
    wire_rtt_ms: float | None = None  # the newest, without that: what the cost comes from
    loss: float | None = None
    cost: int | None = None  # units of 10 us
    mtu: int | None = None  # datagram payload, bytes


class RouteInfo(Struct, frozen=True, rename="camel"):
    """One entry of GET /api/v1/admin/routes/selected and fallback; metric is a number or "infinite"."""

    subnet: str
    next_hop: str
    metric: int | str
    seqno: int


class StatusInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/status"""

    version: str
    node_ip: str
    node_pubkey: str
    uptime_s: float
    tun: str | None
    listening: list[str]
    peers_alive: int
    peers_total: int
    routes: int
    sessions: int
    counters: dict[str, int]


class EventInfo(Struct, frozen=True, rename="camel", kw_only=True, omit_defaults=True):
    """One entry of GET /api/v1/admin/events; absent is what does not concern its kind. Nodes are overlay addresses."""

    sequence: int  # grows by one; a gap: what was older than the kept ones
    time: float  # Unix seconds
    kind: str  # a value of `mycelium.node.event_kind.EventKind`
    node: str | None = None  # the neighbour, a route's destination, or a session's other end
    peer: str | None = None  # URL of a configured peer
    before: str | None = None  # next hop of a route; where a neighbour was reached
    after: str | None = None
    cause: str | None = None
    silent_s: float | None = None  # how long the neighbour had not answered
    without_s: float | None = None  # how long it had no working route: from the old next hop's silence to the new one
    count: int = 1  # failures of a peer in a row; changes of routes that have no entry of their own


class NodeControl(Protocol):
    """The running node as the API sees it. Every call is made in the daemon's loop and returns a frozen snapshot."""

    def admin(self) -> AdminInfo: ...
    def peers(self) -> list[PeerInfo]: ...
    def add_peer(self, url: str) -> None:
        """Raises ConfigError for a bad URL, LocalError where the peer is known already."""

    def remove_peer(self, url: str) -> None:
        """Raises LocalError where no such peer is configured."""

    def routes_selected(self) -> list[RouteInfo]: ...
    def routes_fallback(self) -> list[RouteInfo]: ...
    def public_key_of(self, address: str) -> str | None:
        """Returns the X25519 key, as hex, of the node that owns an overlay address; None where it is not known."""

    def status(self) -> StatusInfo: ...
    def events(self, after: int) -> list[EventInfo]:
        """Returns what happened after the event with this number, as far as it is kept; oldest first."""

    def next_event(self) -> "asyncio.Event":
        """Returns what is set when the next event has happened."""
