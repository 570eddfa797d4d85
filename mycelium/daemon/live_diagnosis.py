"""Finds out for the operator why something is as it is at a running node."""

from collections.abc import AsyncGenerator, Callable
from time import monotonic
from typing import Final

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
from mycelium.errors import ConfigError, LocalError
from mycelium.identity import address_text
from mycelium.limits import SPEED_TEST_LEAST_S, SPEED_TEST_S
from mycelium.node.event_kind import EventKind
from mycelium.node.lookup import find_node
from mycelium.node.names import Names
from mycelium.node.node import Node
from mycelium.routing.explain import RouteCandidate
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

    def explain(self, node: str) -> ExplanationInfo:
        """Returns why a node is reached as it is; raises LocalError for an unknown one and this one."""
        now = monotonic()
        found = self._node.routing.explain(self._find(node), now=now)
        assert found is not None
        about = address_text(found.node)
        changes = [one for one in self._events(0) if one.kind == EventKind.ROUTE.value and one.node == about]
        return ExplanationInfo(
            node=about,
            name=self._names.name_of(found.node, now=now),
            next_hop=None if found.next_hop is None else address_text(found.next_hop),
            cost=_finite(found.metric),
            chosen_s=None if found.chosen_at is None else round(now - found.chosen_at, 3),
            feasibility=None if found.feasibility is None else FeasibilityInfo(*found.feasibility),
            requesting=found.is_requesting,
            candidates=[self._candidate(one, now=now) for one in found.candidates],
            changes=changes[-_CHANGES:],
        )

    def links(self) -> list[LinkInfo]:
        """Returns all links."""
        return link_infos(self._node, self._name, now=monotonic())

    def sessions(self) -> list[SessionInfo]:
        """Returns all end-to-end sessions."""
        return session_infos(self._node, self._name, now=monotonic())

    async def ping(self, node: str, *, wait_s: float) -> PingInfo:
        """Returns how another node answers, or why it does not; raises LocalError for an unknown one and this one."""
        return await self._probing.ping(self._find(node), wait_s=wait_s)

    async def trace(self, node: str) -> TraceInfo:
        """Returns the way to another node; raises LocalError for an unknown one and this one."""
        return await self._probing.trace(self._find(node))

    async def knocks(self) -> list[KnockInfo]:
        """Returns whose knocks have arrived of the neighbours that were asked for one."""
        return await knocked_by(self._node.knocks, self._act, self._name)

    def speed_test(self, wish: SpeedWish) -> AsyncGenerator[SpeedInfo, None]:
        """Tells how a test goes until it is over; raises ConfigError for a wrong time, LocalError as `ping`."""
        if not wish.is_valid():
            raise ConfigError(f"a speed test takes {SPEED_TEST_LEAST_S:g} to {SPEED_TEST_S:g} s in each direction")
        return self._speed_testing.run(self._find(wish.node), wish.seconds)

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

    def _find(self, text: str) -> bytes:
        """Returns another node; raises LocalError."""
        node = self._names.find(text.lower(), now=monotonic()) or find_node(text, self._node.routing)
        if node == self._node.identity.address:
            raise LocalError(f"{text} is this node itself")
        return node


def _finite(metric: int) -> int | None:
    return None if metric == INFINITY else metric
