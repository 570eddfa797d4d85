"""Frozen snapshots of peers, links, paths and sessions, for operators and tools. Times are seconds of the clock of `now`."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from msgspec import Struct

from mycelium.endpoint import Endpoint
from mycelium.link.link import Link, LinkState
from mycelium.link.path.liveness import PathState
from mycelium.link.path.path import Path
from mycelium.peering.configured import ConfiguredPeer, PeerList
from mycelium.peering.dialler import Dialler
from mycelium.peering.discovery import Discovery
from mycelium.session.session import Session
from mycelium.session.table import Sessions


class PathSnapshot(Struct, frozen=True, kw_only=True):
    """One path of a link."""

    endpoint: Endpoint
    state: PathState
    is_validated: bool
    rtt_s: (
        float | None
    )  # least of the last few, without scheduling delay: what `ping` beside it shows; None while it is dead
    measured_at: float | None  # when the last round trip was measured
    smoothed_rtt_s: float | None  # for timeouts: scheduling delay of both hosts included
    mtu: int  # datagram payload, bytes
    tx_bytes: int
    rx_bytes: int


class LinkSnapshot(Struct, frozen=True, kw_only=True):
    """One authenticated neighbour; `address` is its overlay address, `exchange_key` its X25519 key."""

    address: bytes
    exchange_key: bytes
    state: LinkState
    cost: int | None  # as published to routing, units of 10 us; None before the first measurement
    loss: (
        float | None
    )  # share of the frames sent to it in the last minute, after repair, 0 to 1; None where nothing is known
    connected_since: float  # by its first handshake
    up_since: float | None  # when it last came up; None for one that has not yet
    last_heard: float
    tx_bytes: int  # of datagrams, over all paths that there were
    rx_bytes: int
    paths: tuple[PathSnapshot, ...]  # the one in use first


class SessionSnapshot(Struct, frozen=True, kw_only=True):
    """One end-to-end session."""

    peer: bytes
    has_keys: bool
    is_requesting: bool  # a handshake of ours is under way
    queued_packets: int
    loss: float  # share of the trains sent to it, 0 to 1
    last_used: float


class PeerOrigin(StrEnum):
    """How this node came to know a peer."""

    CONFIGURED = "configured"
    DISCOVERED = "discovered"
    SHORTCUT = "shortcut"
    AUTOMATIC = "automatic"
    INBOUND = "inbound"


class PeerState(StrEnum):
    """State of the link to a peer."""

    ALIVE = "alive"
    CONNECTING = "connecting"
    DEAD = "dead"


class PeerSnapshot(Struct, frozen=True, kw_only=True):
    """One peer, with its link if it has one."""

    origin: PeerOrigin
    state: PeerState
    known_since: float
    connected_at: float | None = None  # when its newest link came up
    last_heard: float | None = None
    url: str | None = None  # of a configured peer
    resolved: Endpoint | None = None  # best address of a configured peer, once its name was looked up
    endpoint: Endpoint | None = None  # of a discovered peer
    link: LinkSnapshot | None = None
    failures: tuple[
        tuple[Endpoint | None, str], ...
    ] = ()  # why a configured or discovered peer has no link, by address
    next_attempt: float | None = None  # of a configured peer without a link


class NodeSnapshot(Struct, frozen=True, kw_only=True):
    """Everything that changes at a node, except routes."""

    peers: tuple[PeerSnapshot, ...]  # configured ones, other neighbours with a link, discovered ones without
    links: tuple[LinkSnapshot, ...]
    sessions: tuple[SessionSnapshot, ...]


def snapshot(
    peers: PeerList,
    discovery: Discovery,
    unlisted: Mapping[bytes, PeerOrigin],
    dialler: Dialler,
    links: dict[bytes, Link],
    sessions: Sessions,
    *,
    now: float,
) -> NodeSnapshot:
    """Returns a snapshot of the parts of one node; `unlisted` says how neighbours were found, if it was not by beacons."""
    taken = {address: _link(link, now=now) for address, link in links.items()}
    return NodeSnapshot(
        peers=tuple(_peers(peers, discovery, unlisted, dialler, taken)),
        links=tuple(taken.values()),
        sessions=tuple(_session(session) for session in sessions.by_peer.values()),
    )


def _peers(
    peers: PeerList,
    discovery: Discovery,
    unlisted: Mapping[bytes, PeerOrigin],
    dialler: Dialler,
    links: dict[bytes, LinkSnapshot],
) -> Iterable[PeerSnapshot]:
    links_of = _links_of_entries(peers, links)
    shown = {link.address for link in links_of if link is not None}
    linked = {endpoint: link.address for endpoint, link in discovery.links_by_peer().items()}
    heard = {address: discovery.by_endpoint[endpoint] for endpoint, address in linked.items()}
    dialled = dialler.remotes()
    for peer, link in zip(peers.by_url.values(), links_of, strict=True):
        yield PeerSnapshot(
            origin=PeerOrigin.CONFIGURED,
            # A name without an address is being resolved.
            state=_state(link, peer.endpoints, dialled) if link or peer.endpoints else PeerState.CONNECTING,
            known_since=peer.known_since,
            connected_at=peer.connected_at,
            last_heard=peer.last_connected if link is None else link.last_heard,
            url=peer.url,
            resolved=peer.endpoints[0] if peer.endpoints else None,
            link=link,
            failures=peer.failures.causes(),
            next_attempt=None if peer.is_linked else peer.next_attempt,
        )
    for link in links.values():
        if link.address not in shown:
            found = heard.get(link.address)
            by_beacon = PeerOrigin.INBOUND if found is None else PeerOrigin.DISCOVERED
            yield PeerSnapshot(
                origin=unlisted.get(link.address, by_beacon),
                state=_state(link, (), dialled),
                known_since=link.connected_since if found is None else found.known_since,
                connected_at=link.up_since,
                last_heard=link.last_heard,
                endpoint=None if found is None else found.endpoint,
                link=link,
                failures=() if found is None else found.failures.causes(),
            )
    for endpoint, one in discovery.by_endpoint.items():
        if endpoint not in linked:
            yield PeerSnapshot(
                origin=PeerOrigin.DISCOVERED,
                state=_state(None, (endpoint,), dialled),
                known_since=one.known_since,
                endpoint=endpoint,
                failures=one.failures.causes(),
            )


def _links_of_entries(peers: PeerList, links: dict[bytes, LinkSnapshot]) -> list[LinkSnapshot | None]:
    """Returns the link of each entry: with whoever it led to last, else with its key's holder, or at its host and port.

    The last is a link over another transport, while that of the entry is blocked.
    """
    by_key = {link.exchange_key: link for link in links.values()}
    by_place = {_place(path.endpoint): link for link in links.values() for path in link.paths}

    def find(peer: ConfiguredPeer) -> LinkSnapshot | None:
        if peer.neighbour is not None:
            return links.get(peer.neighbour)
        if peer.pin is not None:
            return by_key.get(peer.pin)
        return next((by_place[_place(one)] for one in peer.endpoints if _place(one) in by_place), None)

    return [find(peer) for peer in peers.by_url.values()]


def _place(endpoint: Endpoint) -> tuple[str, int, int]:
    return endpoint.host, endpoint.port, endpoint.scope


def _state(link: LinkSnapshot | None, endpoints: Iterable[Endpoint], dialled: set[Endpoint]) -> PeerState:
    """Returns the state of a peer with this link, or without one but with these endpoints; `dialled` are remote endpoints."""
    if link is not None:
        if link.state is not LinkState.DOWN:
            return PeerState.ALIVE
        endpoints = [path.endpoint.remote for path in link.paths]
    return PeerState.DEAD if dialled.isdisjoint(endpoints) else PeerState.CONNECTING


def _link(link: Link, *, now: float) -> LinkSnapshot:
    paths = sorted(link.paths, key=lambda path: path is not link.paths.active)
    return LinkSnapshot(
        address=link.address,
        exchange_key=link.exchange_key,
        state=link.state,
        cost=link.cost,
        loss=link.loss(now=now),
        connected_since=link.connected_since,
        up_since=link.up_since,
        last_heard=link.frames.last_heard,
        tx_bytes=link.paths.tx_bytes,
        rx_bytes=link.paths.rx_bytes,
        paths=tuple(_path(path) for path in paths),
    )


def _path(path: Path) -> PathSnapshot:
    return PathSnapshot(
        endpoint=path.endpoint,
        state=path.liveness.state,
        is_validated=path.is_validated,
        rtt_s=None if path.liveness.state is PathState.DEAD else path.rtt.recent_on_wire,
        measured_at=path.rtt.measured_at,
        smoothed_rtt_s=path.rtt.srtt,
        mtu=path.mtu.size,
        tx_bytes=path.tx_bytes,
        rx_bytes=path.rx_bytes,
    )


def _session(session: Session) -> SessionSnapshot:
    return SessionSnapshot(
        peer=session.peer,
        has_keys=session.sending is not None,
        is_requesting=session.is_requesting,
        queued_packets=len(session.queue),
        loss=session.budget.loss,
        last_used=session.last_used,
    )
