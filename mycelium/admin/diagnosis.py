"""What an operator may ask of a running node to find out why something is as it is. Costs are in units of 10 us."""

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from mycelium.admin.control import EventInfo

if TYPE_CHECKING:
    from mycelium.admin.speed import SpeedInfo, SpeedWish


class CandidateInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One neighbour's route to a node."""

    next_hop: str
    verdict: str  # chosen | longer | avoided | damped | unfeasible | suspected | retracted
    link_cost: int
    advertised: int  # cost that the neighbour advertises, or did before it retracted the route
    cost: int | None  # of both together; None for a route that can't be used
    sequence: int
    feasible: bool
    damped_s: float = 0.0  # for how long its link still counts as 10 s longer
    pending_link_cost: int | None = None  # what the link is measured at, where that is not yet what it counts as
    pending_s: float | None = None  # for how much longer it must be measured at that


class FeasibilityInfo(Struct, frozen=True, rename="camel"):
    """What can't lead back here advertises a newer sequence, or this one and less cost (RFC 8966 section 3.5.1)."""

    sequence: int
    cost: int


class WayInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """How packets leave for a node. Without a route there they are sent towards a waypoint that has one, if any is known."""

    node: str
    name: str | None = None  # of the node, in a private network
    next_hop: str | None
    has_route: bool = True  # whether this node keeps a route to it
    homes: list[str] = []  # if there is none: landmarks by which it is reached, as far as is known
    waypoint: str | None = None  # one of these, or a node that is nearer to both; None where a neighbour knows more


class ExplanationInfo(WayInfo, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/routes/explain/NODE"""

    cost: int | None
    chosen_s: float | None  # seconds since the next hop was chosen
    feasibility: FeasibilityInfo | None  # None: any route will do
    requesting: bool  # whether a newer sequence was requested
    candidates: list[CandidateInfo]  # the chosen one first, then by cost
    changes: list[EventInfo]  # the newest of this route, oldest first
    error: str | None = None  # why there is no way; for people


class PingInfo(WayInfo, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/ping/NODE?wait=SECONDS"""

    rtt_ms: float | None = None  # None: no answer
    hops: int | None = None  # links that the request has crossed
    next_hop_name: str | None = None
    direct: bool  # whether the next hop is the node itself
    error: str | None = None  # why there is no answer; for people


class KnockInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One entry of POST /api/v1/admin/knock: a neighbour that was asked to send a datagram from another port of its host."""

    node: str
    name: str | None = None  # of the node, in a private network
    ip_version: int
    arrived: bool


class HopInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One node on the way; fields are null where none answered."""

    hop: int
    node: str | None = None
    name: str | None = None  # of the node, in a private network
    answered: int  # requests of three
    least_ms: float | None = None
    median_ms: float | None = None
    error: str | None = None  # why the way ends here; for people


class TraceInfo(WayInfo, frozen=True, rename="camel", kw_only=True):
    """GET /api/v1/admin/trace/NODE"""

    reached: bool
    hops: list[HopInfo]
    error: str | None = None  # why the node did not answer; for people


class PathInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One path of a link; the one in use stands first."""

    endpoint: str  # URL of the neighbour's end
    state: str  # alive | suspect | dead
    rtt_ms: float | None  # least of the last few, without scheduling delay
    smoothed_rtt_ms: float | None  # for timeouts: scheduling delay of both hosts included
    mtu: int  # datagram payload, bytes
    tx_bytes: int
    rx_bytes: int


class LinkInfo(Struct, frozen=True, rename="camel", kw_only=True):
    """One entry of GET /api/v1/admin/links."""

    address: str
    name: str | None = None  # of the node, in a private network
    public_key: str
    state: str  # up | suspect | down
    cost: int | None
    loss: float | None  # share of what was sent in the last minute, after repair; None where nothing is known
    known_s: float  # seconds since its first handshake
    up_s: float | None  # seconds since it came up; None for one that is down
    last_heard_s: float
    tx_bytes: int
    rx_bytes: int
    routes: int  # nodes that are reached over it
    paths: list[PathInfo]


class SessionInfo(WayInfo, frozen=True, rename="camel", kw_only=True):
    """One entry of GET /api/v1/admin/sessions."""

    state: str  # open | requesting | closed
    direct: bool  # whether the next hop is the node itself
    queued_packets: int  # that wait for keys
    loss: float  # share of the trains sent to it
    idle_s: float
    keys_s: float | None  # age of the keys in use
    sealed_bytes: int  # sent under these keys
    opened_trains: int  # received under these keys


class NodeDiagnosis(Protocol):
    """Answers about a node named by its address, subnet, key or the beginning of its address; raises LocalError for none."""

    async def explain(self, node: str) -> ExplanationInfo: ...
    def links(self) -> list[LinkInfo]: ...
    def sessions(self) -> list[SessionInfo]: ...
    async def ping(self, node: str, *, wait_s: float) -> PingInfo: ...
    async def trace(self, node: str) -> TraceInfo: ...
    async def knocks(self) -> list[KnockInfo]: ...
    def speed_test(self, wish: "SpeedWish") -> "AsyncGenerator[SpeedInfo, None]":
        """Tells how a test goes until it is over; closing ends it. Raises ConfigError for a wish that can't be had."""
