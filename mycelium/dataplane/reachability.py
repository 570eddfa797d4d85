"""Whether what this node sends over a next hop arrives: silence of partners, end to end, while the link lives.

A neighbour can claim a short way to others and drop what it attracts. Only the ends of a session notice: one that sends and
hears nothing probes its partner, along the route at first, then over other next hops too (after RFC 5534).

- Where another next hop is answered and that of the route is not, the route counts as longer (`RoutingEngine.avoid`).
- Where none is answered, the neighbour is asked to look for itself, and some nodes beyond it are asked for sessions. If most
  of them are silent too, the neighbour is distrusted as a whole. Who chooses them is this node, so nobody can bring a
  neighbour into disrepute by falling silent.

What failed is tried again after a time that doubles, with probes only, and forgotten once they are answered.
"""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.exploration import Exploration
from mycelium.dataplane.sending import Sending
from mycelium.errors import DecodeError
from mycelium.limits import (
    FAILED_WAYS_PER_NEIGHBOUR,
    LINKS,
    PROBES_ANSWERED_PER_SECOND,
    SESSIONS,
)
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.metric import COST_UNIT_S
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import Backoff, TokenBuckets
from mycelium.wire.reachability import TOKEN_BYTES, ProbeKind, Reach, decode_reach, encode_reach
from mycelium.wire.train import ITEM_REACHABILITY

SILENT_S: Final = 0.5  # after which a partner that was sent something is probed
SETUP_S: Final = 2.0  # for which a request for a session may have no answer
REST_S: Final = 4.0  # between two searches for the same partner, at least: what one-way traffic costs
FIRST_AVOIDED_S: Final = 10.0  # until a failed next hop is tried again; doubles
AVOIDED_CEILING_S: Final = 3_600.0
SAMPLES: Final = 4  # nodes beyond a neighbour that are asked for sessions
LEAST_SILENT: Final = 2  # of those, and more than answer: the neighbour is distrusted
SAMPLED_EVERY_S: Final = 30.0
HINT_S: Final = 5.0  # for which a neighbour's session is waited for
WAIT_PER_METRIC_S: Final = 3 * COST_UNIT_S  # for answers: three round trips of the longest way


class Routes(Protocol):
    """What is decided of routes."""

    def avoid(self, node: bytes, neighbour: bytes, avoided: bool, *, now: float) -> None:
        """Counts the route of a neighbour to a node as longer, since what takes it does not arrive, or ends that."""

    def distrust(self, neighbour: bytes, distrusted: bool, *, now: float) -> None:
        """Takes all routes of a neighbour only where there are no others, or ends that."""

    def metric_over(self, neighbour: bytes, node: bytes) -> int:
        """Returns the metric to a node over a neighbour."""


class WayFailed(NamedTuple):
    """What is sent to a partner over a neighbour does not arrive, as far as this node can tell."""

    partner: bytes
    neighbour: bytes
    is_avoided: bool  # another neighbour leads there


class WayWorks(NamedTuple):
    """What failed works again."""

    partner: bytes
    neighbour: bytes


class Distrusted(NamedTuple):
    """Most of what is sent over a neighbour does not arrive: so many `partners`, chosen at random, are silent."""

    neighbour: bytes
    partners: int


News = WayFailed | WayWorks | Distrusted


class _Silence(Struct):
    """One partner that was silent over one neighbour."""

    backoff: Backoff
    try_at: float
    is_avoided: bool


class Reachability:
    """Looks at sessions, and keeps what failed.

    The owner calls `look` each second, by a timer that it has anyway, and drains `news`. `arm` is told when `handle_timeout`
    is due.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        sending: Sending,
        forwarding: ForwardingTable,
        routes: Routes,
        counters: DataplaneCounters,
        entropy: Callable[[int], bytes],
        arm: Callable[[float], None],
    ) -> None:
        self._sessions = sessions
        self._sending = sending
        self._next_hop = forwarding.next_hop
        self._routes = routes
        self._counters = counters
        self._entropy = entropy
        self._arm = arm
        self._looked_at = -inf
        self._look_at = inf
        self._unheard: dict[bytes, float] = {}  # partners that have been sent something and not answered since
        self._rest_until: dict[bytes, float] = {}
        self._searches: dict[bytes, Exploration] = {}
        self._failures: dict[bytes, dict[bytes, _Silence]] = {}  # by neighbour and partner, the oldest of both first
        self._samples: dict[bytes, tuple[float, frozenset[bytes]]] = {}  # by neighbour: when chosen, nodes beyond it
        # neighbour -> a node that it is to be asked to look for, and until when
        self._hints: dict[bytes, tuple[bytes, float]] = {}
        self._distrusted: dict[bytes, None] = {}
        self._answering = TokenBuckets[bytes](PROBES_ANSWERED_PER_SECOND, keys=SESSIONS)
        self.news: list[News] = []

    def handle_timeout(self, *, now: float) -> None:
        """Goes on with searches, and looks again soon where there is something to follow."""
        for partner, search in list(self._searches.items()):
            self._go_on(partner, search, now=now)
        if now >= self._look_at:
            self.look(now=now)

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes a probe or an answer of a partner."""
        try:
            reach = decode_reach(body)
        except DecodeError:
            self._counters.trains_malformed += 1
            return
        if reach is None:
            return
        if reach.kind is ProbeKind.ANSWER:
            search = self._searches.get(session.peer)
            if search is not None:
                search.take(reach.token)
        elif not self._answering.take(session.peer, now=now):
            self._counters.probes_refused += 1
        elif reach.kind is ProbeKind.LOOK:
            if self._next_hop.get(session.peer) == session.peer:
                self._ask(reach.node, now=now)
        else:
            self._answer(session, reach, now=now)

    # -- the other end's probes ----------------------------------------------------------------------------------------

    def _answer(self, session: Session, probe: Reach, *, now: float) -> None:
        answer = encode_reach(Reach(ProbeKind.ANSWER, probe.token))
        if probe.kind is ProbeKind.PROBE:
            self._sending.send_item(session, ITEM_REACHABILITY, answer, now=now)
            return
        for way in self._sending.ways(session.peer):
            self._sending.send_item(session, ITEM_REACHABILITY, answer, over=way, now=now)
        self._search(session.peer, is_urgent=True, now=now)  # what this node sends may not arrive either

    # -- looks ---------------------------------------------------------------------------------------------------------

    def look(self, *, now: float) -> None:
        """Looks for partners that have been sent something since the last look and were not heard."""
        since, self._looked_at = self._looked_at, now
        for partner, one in self._sessions.by_peer.items():
            is_used = one.is_requesting if one.sending is None else one.last_used >= since
            if is_used and _heard_at(one) < since and partner not in self._searches:
                self._unheard.setdefault(partner, since)
        for partner, silent_since in list(self._unheard.items()):
            session = self._sessions.by_peer.get(partner)
            is_asked = session is not None and (session.sending is not None or session.is_requesting)
            if session is None or not is_asked or _heard_at(session) > silent_since:
                del self._unheard[partner]
            elif session.sending is not None and now - silent_since >= SILENT_S:
                del self._unheard[partner]
                self._search(partner, is_urgent=False, now=now)
            elif now - silent_since >= SETUP_S:
                self._fail(partner, self._next_hop.get(partner), is_avoided=False, now=now)
        self._try_again(now=now)
        self._send_hints(now=now)
        self._judge(now=now)
        self._look_at = now + SILENT_S if self._unheard or self._failures or self._hints else inf
        self._arm(self._look_at)

    # -- searches ------------------------------------------------------------------------------------------------------

    def _search(self, partner: bytes, *, is_urgent: bool, now: float) -> None:
        route = self._next_hop.get(partner)
        if route in (None, partner) or partner in self._searches or now < self._rest_until.get(partner, -inf):
            return
        if len(self._rest_until) > 2 * SESSIONS:
            self._rest_until = {one: until for one, until in self._rest_until.items() if until > now}
        assert route is not None
        self._begin(partner, route, is_urgent=is_urgent, now=now)

    def _begin(self, partner: bytes, neighbour: bytes, *, is_urgent: bool, now: float) -> None:
        longest = max((self._routes.metric_over(way, partner) for way in self._sending.ways(partner)), default=0)
        search = Exploration(neighbour, is_urgent=is_urgent, wait_s=longest * WAIT_PER_METRIC_S, now=now)
        self._searches[partner] = search
        self._go_on(partner, search, now=now)

    def _go_on(self, partner: bytes, search: Exploration, *, now: float) -> None:
        session = self._sessions.by_peer.get(partner)
        if session is None or session.sending is None:
            del self._searches[partner]
            return
        if search.is_over(now=now):
            del self._searches[partner]
            self._rest_until[partner] = now + REST_S
            self._conclude(partner, search, now=now)
            return
        if now >= search.due_at:
            self._probe(session, search, now=now)
        self._arm(search.due_at)

    def _probe(self, session: Session, search: Exploration, *, now: float) -> None:
        is_broad = search.is_broad
        kind = ProbeKind.EXPLORE if is_broad else ProbeKind.PROBE
        others = [way for way in self._sending.ways(session.peer) if way != search.route] if is_broad else []
        search.begin_try(now=now)
        for way in (search.route, *others):
            probe = encode_reach(Reach(kind, search.token_for(way, self._entropy)))
            self._sending.send_item(session, ITEM_REACHABILITY, probe, over=way, now=now)

    def _conclude(self, partner: bytes, search: Exploration, *, now: float) -> None:
        if search.route in search.answered:
            self._works(partner, search.route, now=now)
        else:
            self._fail(partner, search.route, is_avoided=bool(search.answered), now=now)

    # -- what failed ---------------------------------------------------------------------------------------------------

    def _fail(self, partner: bytes, neighbour: bytes | None, *, is_avoided: bool, now: float) -> None:
        """Notes that a partner is silent over a neighbour; `is_avoided` if it is not silent over another one."""
        if neighbour is None or neighbour == partner:
            return
        if neighbour not in self._failures and len(self._failures) >= LINKS:
            oldest = next(iter(self._failures))  # most likely gone for good
            for one in list(self._failures[oldest]):
                self._works(one, oldest, now=now)
        failures = self._failures.setdefault(neighbour, {})
        failure = failures.get(partner)
        if failure is None:
            failure = _Silence(Backoff(FIRST_AVOIDED_S, factor=2.0, ceiling=AVOIDED_CEILING_S), inf, False)
            self.news.append(WayFailed(partner, neighbour, is_avoided))
            failures[partner] = failure
            if len(failures) > FAILED_WAYS_PER_NEIGHBOUR:
                self._works(next(iter(failures)), neighbour, now=now)
        elif now < failure.try_at and failure.is_avoided >= is_avoided:
            return
        failure.try_at = now + failure.backoff.next()
        failure.is_avoided |= is_avoided
        if failure.is_avoided:
            self._routes.avoid(partner, neighbour, True, now=now)
        else:
            self._hints[neighbour] = partner, now + HINT_S
            self._sample(neighbour, now=now)

    def _works(self, partner: bytes, neighbour: bytes, *, now: float) -> None:
        failures = self._failures.get(neighbour, {})
        if failures.pop(partner, None) is not None:
            self.news.append(WayWorks(partner, neighbour))
            self._routes.avoid(partner, neighbour, False, now=now)
            if not failures:
                del self._failures[neighbour]

    def _try_again(self, *, now: float) -> None:
        """Probes what failed, when it is time, without sending anything else there; forgets what nobody uses any more."""
        failed = [(one, *each) for one, failures in self._failures.items() for each in failures.items()]
        for neighbour, partner, failure in failed:
            session = self._sessions.by_peer.get(partner)
            if session is None and partner not in self._sampled(neighbour):
                self._works(partner, neighbour, now=now)
                continue
            if failure.is_avoided:  # also after a link that was down
                self._routes.avoid(partner, neighbour, True, now=now)
            if now < failure.try_at or partner in self._searches:
                continue
            if session is None or session.sending is None:
                failure.try_at = now + failure.backoff.next()
                self._ask(partner, now=now)
            else:
                self._begin(partner, neighbour, is_urgent=True, now=now)

    # -- neighbours as a whole -----------------------------------------------------------------------------------------

    def _ask(self, node: bytes, *, now: float) -> None:
        """Finds out whether a node answers: by a session with it, or a search."""
        if self._next_hop.get(node) in (None, node):
            return
        session = self._sessions.find(node, now=now)
        if session.sending is None:
            self._sessions.request(session, now=now)
        else:
            self._search(node, is_urgent=True, now=now)

    def _send_hints(self, *, now: float) -> None:
        """Asks neighbours to look for nodes that are silent beyond them."""
        for neighbour, (node, until) in list(self._hints.items()):
            session = self._sessions.find(neighbour, now=now)
            hint = encode_reach(Reach(ProbeKind.LOOK, bytes(TOKEN_BYTES), node))
            if now >= until or self._sending.send_item(session, ITEM_REACHABILITY, hint, now=now):
                del self._hints[neighbour]
            else:
                self._sessions.request(session, now=now)

    def _sample(self, neighbour: bytes, *, now: float) -> None:
        """Asks some nodes beyond a neighbour for sessions, unless that was done a moment ago."""
        chosen_at, _ = self._samples.get(neighbour, (-inf, frozenset()))
        if now < chosen_at + SAMPLED_EVERY_S or neighbour in self._distrusted:
            return
        beyond = [node for node, way in self._next_hop.items() if way == neighbour and node != neighbour]
        numbers = [int.from_bytes(self._entropy(4), "big") % len(beyond) for _ in range(SAMPLES if beyond else 0)]
        chosen = [beyond[number] for number in dict.fromkeys(numbers)]
        self._samples[neighbour] = now, frozenset(chosen)
        for node in chosen:
            self._ask(node, now=now)

    def _sampled(self, neighbour: bytes) -> frozenset[bytes]:
        return self._samples.get(neighbour, (0.0, frozenset()))[1]

    def _judge(self, *, now: float) -> None:
        """Distrusts neighbours over which most of the chosen nodes are silent, and trusts others again."""
        for neighbour, (chosen_at, chosen) in list(self._samples.items()):
            silent = len(chosen.intersection(self._failures.get(neighbour, ())))
            heard = sum(
                session is not None and _heard_at(session) >= chosen_at
                for session in map(self._sessions.by_peer.get, chosen)
            )
            is_distrusted = silent >= LEAST_SILENT and (silent > heard or neighbour in self._distrusted)
            if is_distrusted and neighbour not in self._distrusted:
                self._distrusted[neighbour] = None
                self.news.append(Distrusted(neighbour, silent))
            elif not is_distrusted:
                self._distrusted.pop(neighbour, None)
            self._routes.distrust(neighbour, is_distrusted, now=now)
            if not silent and now > chosen_at + SAMPLED_EVERY_S:
                del self._samples[neighbour]


def _heard_at(session: Session) -> float:
    """Returns when a train of the partner was opened last; the time of the newest keypair if none was."""
    return max((keypair.last_opened for keypair in session.keypairs), default=-inf)
