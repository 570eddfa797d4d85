"""What `mycelium top` shows: the newest answers of a daemon, and what only several of them tell, rates and spreads."""

from collections import deque
from typing import Final

from msgspec import Struct

from mycelium.admin.control import EventInfo, StatusInfo
from mycelium.admin.diagnosis import LinkInfo, SessionInfo

KEPT: Final = 60  # samples of each link's round trip
EVENTS: Final = 64  # newest events that are kept
ORDERS: Final = ("traffic", "rtt", "loss", "name")


class Sample(Struct, frozen=True):
    """The answers of one moment."""

    at: float  # seconds of a monotonic clock
    status: StatusInfo
    links: list[LinkInfo]
    sessions: list[SessionInfo]
    events: list[EventInfo]  # that are new


class LinkRow(Struct, frozen=True, rename="camel", kw_only=True):
    """One link; rates in bytes a second since the sample before."""

    address: str
    name: str | None
    state: str
    rtt_ms: float | None
    median_ms: float | None
    p95_ms: float | None
    loss: float | None
    rx_rate: float
    tx_rate: float
    rtts_ms: list[float | None]  # oldest first


class SessionRow(Struct, frozen=True, rename="camel", kw_only=True):
    """One session; what this node sends in it, in bytes a second since the sample before."""

    node: str
    name: str | None
    next_hop: str | None
    direct: bool
    loss: float
    idle_s: float
    tx_rate: float


class Overview(Struct, frozen=True, rename="camel", kw_only=True):
    """All that is shown at one moment."""

    version: str
    address: str
    uptime_s: float
    peers_alive: int
    peers_total: int
    routes: int
    rx_rate: float
    tx_rate: float
    links: list[LinkRow]
    sessions: list[SessionRow]  # those with most traffic first
    events: list[EventInfo]  # newest last


class TopModel:
    """Takes one sample after the other; `order` is that of the links."""

    def __init__(self) -> None:
        self.order = ORDERS[0]
        self._before: Sample | None = None
        self._rtts: dict[str, deque[float | None]] = {}
        self._events: deque[EventInfo] = deque(maxlen=EVENTS)

    def next_order(self) -> None:
        """Sorts the links by the next of ORDERS."""
        self.order = ORDERS[(ORDERS.index(self.order) + 1) % len(ORDERS)]

    def link(self, address: str | None) -> LinkInfo | None:
        """Returns all that the newest sample has of a link; None for one that is gone."""
        links = () if self._before is None else self._before.links
        return next((one for one in links if one.address == address), None)

    def take(self, sample: Sample) -> Overview:
        """Returns what to show."""
        before = self._before or sample
        span_s = max(sample.at - before.at, 1e-3)
        self._before = sample
        self._events += sample.events
        self._rtts = {link.address: self._rtts.get(link.address, deque(maxlen=KEPT)) for link in sample.links}
        earlier = {link.address: link for link in before.links}
        links = [self._link(link, earlier.get(link.address, link), span_s) for link in sample.links]
        sent = {session.node: session for session in before.sessions}
        sessions = [_session(one, sent.get(one.node, one), span_s) for one in sample.sessions]
        return Overview(
            version=sample.status.version,
            address=sample.status.node_ip,
            uptime_s=sample.status.uptime_s,
            peers_alive=sample.status.peers_alive,
            peers_total=sample.status.peers_total,
            routes=sample.status.routes,
            rx_rate=sum(link.rx_rate for link in links),
            tx_rate=sum(link.tx_rate for link in links),
            links=sorted(links, key=self._key),
            sessions=sorted(sessions, key=lambda one: (-one.tx_rate, one.idle_s)),
            events=list(self._events),
        )

    def _link(self, link: LinkInfo, before: LinkInfo, span_s: float) -> LinkRow:
        rtt_ms = None if link.state == "down" else link.paths[0].rtt_ms
        rtts = self._rtts[link.address]
        rtts.append(rtt_ms)
        known = sorted(one for one in rtts if one is not None)
        return LinkRow(
            address=link.address,
            name=link.name,
            state=link.state,
            rtt_ms=rtt_ms,
            median_ms=known[len(known) // 2] if known else None,
            p95_ms=known[len(known) * 95 // 100] if known else None,
            loss=link.loss,
            rx_rate=_rate(link.rx_bytes, before.rx_bytes, span_s),
            tx_rate=_rate(link.tx_bytes, before.tx_bytes, span_s),
            rtts_ms=list(rtts),
        )

    def _key(self, link: LinkRow) -> tuple[float, str]:
        match self.order:
            case "rtt":
                return (-(link.rtt_ms or 0.0), link.address)
            case "loss":
                return (-(link.loss or 0.0), link.address)
            case "name":
                return (0.0, link.name or link.address)
        return (-(link.rx_rate + link.tx_rate), link.address)


def _session(session: SessionInfo, before: SessionInfo, span_s: float) -> SessionRow:
    return SessionRow(
        node=session.node,
        name=session.name,
        next_hop=session.next_hop,
        direct=session.direct,
        loss=session.loss,
        idle_s=session.idle_s,
        tx_rate=_rate(session.sealed_bytes, before.sealed_bytes, span_s),
    )


def _rate(count: int, before: int, span_s: float) -> float:
    """Returns what was added in a second; a count that fell has begun anew."""
    return round((count - before if count >= before else count) / span_s, 1)
