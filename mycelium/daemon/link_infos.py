"""Links and sessions of a running node, as the API shows them."""

from collections import Counter
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from mycelium.admin.diagnosis import LinkInfo, PathInfo, SessionInfo, WayInfo
from mycelium.admin.zones import url_of
from mycelium.daemon.way_infos import fields_of, way_info
from mycelium.identity import address_text
from mycelium.link.link import LinkState
from mycelium.node.node import Node
from mycelium.node.snapshot import LinkSnapshot, PathSnapshot
from mycelium.session.session import Session

NameOf = Callable[[bytes], str | None]

_BLOCK_BYTES: Final = 16


def link_infos(node: Node, name_of: NameOf, *, now: float) -> list[LinkInfo]:
    """Returns every authenticated neighbour, in the order of their addresses."""
    routes = Counter(node.routing.forwarding.next_hop.values())
    links = sorted(node.snapshot(now=now).links, key=lambda link: link.address)
    return [_link(link, name_of(link.address), routes[link.address], now=now) for link in links]


def session_infos(node: Node, name_of: NameOf, *, now: float) -> list[SessionInfo]:
    """Returns every end-to-end session, that used last first."""
    sessions = sorted(node.sessions.by_peer.values(), key=lambda session: -session.last_used)
    ways = (replace(way_info(node, session.peer), name=name_of(session.peer)) for session in sessions)
    return [_session(session, way, now=now) for session, way in zip(sessions, ways, strict=True)]


def _link(link: LinkSnapshot, name: str | None, routes: int, *, now: float) -> LinkInfo:
    return LinkInfo(
        address=address_text(link.address),
        name=name,
        public_key=link.exchange_key.hex(),
        state=link.state.value,
        cost=link.cost,
        loss=None if link.loss is None else round(link.loss, 4),
        known_s=round(now - link.connected_since, 1),
        up_s=None if link.up_since is None or link.state is LinkState.DOWN else round(now - link.up_since, 1),
        last_heard_s=round(now - link.last_heard, 1),
        tx_bytes=link.tx_bytes,
        rx_bytes=link.rx_bytes,
        routes=routes,
        paths=[_path(path) for path in link.paths],
    )


def _path(path: PathSnapshot) -> PathInfo:
    return PathInfo(
        endpoint=url_of(path.endpoint),
        state=path.state.name.lower(),
        rtt_ms=_milliseconds(path.rtt_s),
        smoothed_rtt_ms=_milliseconds(path.smoothed_rtt_s),
        mtu=path.mtu,
        tx_bytes=path.tx_bytes,
        rx_bytes=path.rx_bytes,
    )


def _session(session: Session, way: WayInfo, *, now: float) -> SessionInfo:
    keys = session.sending
    return SessionInfo(
        **fields_of(way),
        state="open" if keys is not None else "requesting" if session.is_requesting else "closed",
        direct=way.next_hop == way.node,
        queued_packets=len(session.queue),
        loss=round(session.budget.loss, 4),
        idle_s=round(now - session.last_used, 1),
        keys_s=None if keys is None else round(now - keys.established, 1),
        sealed_bytes=0 if keys is None else keys.sealing.blocks * _BLOCK_BYTES,
        opened_trains=0 if keys is None else keys.opening.opened,
    )


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)
