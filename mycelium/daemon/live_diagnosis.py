"""Finds out for the operator why something is as it is at a running node."""

from collections.abc import AsyncGenerator, Callable
from time import monotonic
from typing import Final

from msgspec.structs import replace

from mycelium.admin.control import EventInfo
from mycelium.admin.diagnosis import (
    CandidateInfo,
    ExplanationInfo,
    FeasibilityInfo,
    KnockInfo,
    LinkInfo,
    PingInfo,
    SessionInfo,
    TraceInfo,
)
from mycelium.admin.speed import SpeedInfo, SpeedWish
from mycelium.daemon.knocking import knocked_by
from mycelium.daemon.link_infos import link_infos, session_infos
from mycelium.daemon.peers import Act
from mycelium.daemon.probing import Probing
from mycelium.daemon.speed_testing import SpeedTesting
from mycelium.daemon.way_infos import NO_ROUTE, fields_of, look_up, way_info, why_none
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import address_text, is_overlay_address
from mycelium.limits import SPEED_TEST_LEAST_S, SPEED_TEST_S
from mycelium.node.event_kind import EventKind
from mycelium.node.lookup import SUBNET, address_meant, find_node
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.routing.explain import RouteCandidate, unheard_of
from mycelium.wire.distance import INFINITY

_CHANGES: Final = 5  # of a route that are shown


class LiveDiagnosis:
    """Implements `admin.diagnosis.NodeDiagnosis`; `events` returns those after a sequence, `act` calls the node."""

    def __init__(self, node: Node, names: Names, events: Callable[[int], list[EventInfo]], act: Act) -> None:
        self._node = node
        self._names = names
        self._act = act
        self._events = events
        self._probing = Probing(node, act, self._name)
        self._speed_testing = SpeedTesting(node, act, self._probing)
        self.echo_answered = self._probing.answered

    async def explain(self, node: str) -> ExplanationInfo:
        """Returns why a node is reached as it is; raises LocalError for an unknown one and this one."""
        about = await look_up(self._node, self._act, self._find(node))
        now = monotonic()  # the look-up has taken a while
        way = replace(way_info(self._node, about), name=self._name(about))
        found = self._node.routing.explain(about, now=now) or unheard_of(about)
        changes = [one for one in self._events(0) if one.kind == EventKind.ROUTE.value and one.node == way.node]
        why = why_none(self._node, way)
        return ExplanationInfo(
            **fields_of(way),
            cost=_finite(found.metric) if way.has_route else None,
            chosen_s=None if found.chosen_at is None or not way.has_route else round(now - found.chosen_at, 3),
            feasibility=None if found.feasibility is None else FeasibilityInfo(*found.feasibility),
            requesting=found.is_requesting,
            candidates=[self._candidate(one, now=now) for one in found.candidates],
            changes=changes[-_CHANGES:],
            error=None if way.next_hop is not None or why == NO_ROUTE else why,
        )

    def links(self) -> list[LinkInfo]:
        """Returns all links."""
        return link_infos(self._node, self._name, now=monotonic())

    def sessions(self) -> list[SessionInfo]:
        """Returns all end-to-end sessions."""
        return session_infos(self._node, self._name, now=monotonic())

    async def ping(self, node: str, *, wait_s: float) -> PingInfo:
        """Returns how another node answers, or why it does not; raises LocalError for an unknown name and this node."""
        return await self._probing.ping(self._addressed(node), wait_s=wait_s)

    async def trace(self, node: str) -> TraceInfo:
        """Returns the way to another node; raises LocalError as `ping`."""
        return await self._probing.trace(self._addressed(node))

    async def knocks(self) -> list[KnockInfo]:
        """Returns whose knocks have arrived of the neighbours that were asked for one."""
        return await knocked_by(self._node.knocks, self._act, self._name)

    def speed_test(self, wish: SpeedWish) -> AsyncGenerator[SpeedInfo, None]:
        """Tells how a test goes until it is over; raises ConfigError for a wrong time, LocalError as `ping`."""
        if not wish.is_valid():
            raise ConfigError(f"a speed test takes {SPEED_TEST_LEAST_S:g} to {SPEED_TEST_S:g} s in each direction")
        return self._speed_testing.run(self._addressed(wish.node), wish.seconds)

    def _candidate(self, candidate: RouteCandidate, *, now: float) -> CandidateInfo:
        link = self._node.links.get(candidate.neighbour)
        pending = None if link is None else link.costing.pending(now=now)
        return CandidateInfo(
            next_hop=address_text(candidate.neighbour),
            verdict=candidate.verdict.value,
            link_cost=candidate.link_cost,
            advertised=candidate.advertised,
            cost=_finite(candidate.metric),
            sequence=candidate.sequence,
            feasible=candidate.is_feasible,
            damped_s=round(candidate.damped_s, 1),
            pending_link_cost=None if pending is None else pending[0],
            pending_s=None if pending is None else round(pending[1], 1),
        )

    def _name(self, node: bytes) -> str | None:
        return self._names.name_of(node, now=monotonic())

    def _addressed(self, text: str) -> bytes:
        """Returns another node, which need not be known where its whole address or key is given; raises LocalError."""
        try:
            return self._find(text)
        except LocalError:
            address = address_meant(text.strip().lower())
            if address is None or not is_overlay_address(address) or address == self._node.identity.address:
                raise
            return address

    def _find(self, text: str) -> bytes:
        """Returns another node, or an address that landmarks may know the owner of; raises LocalError."""
        found, others = self._node, [*self._node.sessions.by_peer, *self._node.directory.nodes()]
        node = self._names.find(text.lower(), now=monotonic())
        if node is None and next(found.routing.landmarks.reached(), None) is not None:
            meant = address_meant(text.strip().lower().removesuffix(SUBNET))
            node = None if meant is None else found.directory.node_at(meant) or meant
        node = node or find_node(text, found.routing, others)
        if node == self._node.identity.address:
            raise LocalError(f"{text} is this node itself")
        return node


def _finite(metric: int) -> int | None:
    return None if metric == INFINITY else metric
