"""Surveys of the mesh: nodes tell each other their links, end to end, so that an operator sees the links of all."""

from collections.abc import Callable
from math import inf
from typing import Final

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.sending import Sending
from mycelium.errors import DecodeError
from mycelium.link.link import Link
from mycelium.routing.engine import RoutingEngine
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.survey.own_links import own_links
from mycelium.survey.surveyor import Surveyed, Surveyor
from mycelium.survey.teller import Teller
from mycelium.wire.survey import LinksAsked, ToldLink, decode_survey
from mycelium.wire.train import ITEM_SURVEY

LOOK_S: Final = 0.25  # between looks at what is to be told and asked, while there is anything of that


class Survey:
    """Both ends of surveys at one node. `arm` is told when `handle_timeout` is due."""

    def __init__(
        self,
        *,
        links: dict[bytes, Link],
        routing: RoutingEngine,
        sessions: Sessions,
        sending: Sending,
        counters: DataplaneCounters,
        entropy: Callable[[int], bytes],
        tells: bool,
        arm: Callable[[float], None],
        now: float,
    ) -> None:
        self._links = links
        self._sessions = sessions
        self._sending = sending
        self._counters = counters
        self._arm = arm
        self._look_at = inf
        self._teller = Teller(
            self.own_links, tells=tells, send=self._send, counters=counters, excesses=routing.excesses, now=now
        )
        self._surveyor = Surveyor(
            routing.metrics,
            lambda: routing.forwarding.version,
            keys=self._has_keys,
            send=self._send,
            entropy=entropy,
            now=now,
        )

    def want(self, *, now: float) -> None:
        """Has other nodes asked for their links for some seconds."""
        is_new = not self._surveyor.is_wanted
        self._surveyor.want(now=now)
        if is_new:
            self._surveyor.look(now=now)
        self._look_soon(now=now)

    @property
    def nodes(self) -> dict[bytes, Surveyed]:
        """Other nodes and what they have told, the nearest first; empty while nobody wants it."""
        return self._surveyor.nodes

    def own_links(self, *, now: float) -> tuple[ToldLink, ...]:
        """Returns what this node would tell of itself."""
        return own_links(self._links.values(), now=now)

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes a question or an answer from the peer of a session."""
        session.without_packets += 1
        try:
            message = decode_survey(bytes(body))
        except DecodeError:
            self._counters.trains_malformed += 1
            return
        if isinstance(message, LinksAsked):
            self._teller.take(session.peer, message, now=now)
        elif message is not None:
            self._surveyor.take(session.peer, message, now=now)
        self._look_soon(now=now)

    def handle_timeout(self, *, now: float) -> None:
        """Looks at what is to be told and asked."""
        if now < self._look_at:
            return
        self._look_at = inf
        if self._surveyor.is_wanted:
            self._surveyor.look(now=now)
        if self._teller.is_waited_for:
            self._teller.look(now=now)
        self._look_soon(now=now)

    def _look_soon(self, *, now: float) -> None:
        if self._look_at == inf and (self._surveyor.is_wanted or self._teller.is_waited_for):
            self._look_at = now + LOOK_S
            self._arm(self._look_at)

    def _has_keys(self, node: bytes, *, now: float) -> bool:
        session = self._sessions.find(node, now=now)
        if session.sending is None:
            self._sessions.request(session, now=now)
        return session.sending is not None

    def _send(self, node: bytes, message: bytes, *, now: float) -> bool:
        session = self._sessions.by_peer.get(node)
        if session is None or not self._sending.send_item(session, ITEM_SURVEY, message, now=now):
            return False
        session.without_packets += 1
        return True
