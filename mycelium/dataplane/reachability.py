"""Whether what this node sends over a next hop arrives: silence of partners, end to end, while the link lives.

A neighbour can claim a short way to others and drop what it attracts. Only the ends of a session notice: one that sends and
hears nothing probes its partner, along the route at first, then over other next hops too (after RFC 5534).

- Where another next hop is answered and that of the route is not, the route counts as longer (`RoutingEngine.avoid`).
- Where none is answered, the neighbour is asked to look for itself, and the nodes nearest beyond it and some others are probed
  over it. If none of them answers, the neighbour is distrusted as a whole. One that is deceived by a liar further on still
  reaches the nearest; and who chooses the others is this node, so nobody brings a neighbour into disrepute by falling silent.

What failed is tried again after a time that doubles, with probes only, and forgotten once they are answered.
"""

from collections.abc import Callable
from math import inf
from typing import Final, NamedTuple

from msgspec import Struct

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.exploration import Exploration
from mycelium.dataplane.sending import Sending
from mycelium.dataplane.suspects import Distrusted, Routes, Suspects
from mycelium.errors import DecodeError
from mycelium.limits import (
    ASKED,
    FAILED_WAYS_PER_NEIGHBOUR,
    HINTS_AT_ONCE,
    HINTS_PER_SECOND,
    NEIGHBOURS,
    PROBES_ANSWERED_PER_SECOND,
    SESSIONS,
)
from mycelium.routing.excess import PROBES, Excesses, NamedRate
from mycelium.routing.forwarding import ForwardingTable
from mycelium.routing.metric import COST_UNIT_S
from mycelium.routing.neighbour import DAMPED_COST
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import Backoff, Deadlines, TokenBuckets
from mycelium.wire.distance import INFINITY
from mycelium.wire.reachability import ProbeKind, Reach, decode_reach, encode_reach
from mycelium.wire.train import ITEM_REACHABILITY

SILENT_S: Final = 0.5  # after which a partner that was sent something is probed
SETUP_S: Final = 2.0  # for which a request for a session may have no answer
REST_S: Final = 4.0  # between two searches for the same partner, at least: what one-way traffic costs
FIRST_AVOIDED_S: Final = 10.0  # until a failed next hop is tried again; doubles
AVOIDED_CEILING_S: Final = 3_600.0
ASKED_S: Final = 4.0  # for a session with a node that is to be probed: copies of the request over four next hops
FOLLOWED_S: Final = 0.1  # between looks at sessions that are waited for
WAIT_PER_METRIC_S: Final = 3 * COST_UNIT_S  # for answers: three round trips of the longest way


class WayFailed(NamedTuple):
    """What is sent to a partner over a neighbour does not arrive, as far as this node can tell."""

    partner: bytes
    neighbour: bytes
    is_avoided: bool  # another neighbour leads there


class WayWorks(NamedTuple):
    """What failed works again."""

    partner: bytes
    neighbour: bytes


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
        excesses: Excesses,
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
        self._due = Deadlines[bytes]()  # of searches, by partner: partners may be thousands
        self._failures: dict[bytes, dict[bytes, _Silence]] = {}  # by neighbour and partner, the oldest of both first
        # node -> the neighbour over which it is to be probed, and until when a session with it is waited for
        self._asked: dict[bytes, tuple[bytes, float]] = {}
        self._answering = NamedRate(excesses, PROBES, PROBES_ANSWERED_PER_SECOND, keys=SESSIONS)
        self._hinting = TokenBuckets[bytes](HINTS_PER_SECOND, burst=HINTS_AT_ONCE, keys=SESSIONS)
        self.news: list[News] = []
        self._suspects = Suspects(
            sessions=sessions,
            sending=sending,
            forwarding=forwarding,
            routes=routes,
            entropy=entropy,
            ask=self._ask,
            news=self.news,
        )

    @property
    def distrusted(self) -> list[bytes]:
        """The neighbours that are distrusted as a whole."""
        return self._suspects.distrusted

    def handle_timeout(self, *, now: float) -> None:
        """Goes on with searches, and looks again soon where there is something to follow."""
        for partner in self._due.take_due(now=now):
            search = self._searches.get(partner)
            if search is not None:
                self._go_on(partner, search, now=now)
        self._arm(self._due.next())
        self._follow_asked(now=now)
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
                if search.is_over(now=now):
                    self._await(session.peer, now)
        elif reach.kind is ProbeKind.LOOK:
            if self._hinting.take(session.peer, now=now):
                self._take_hint(session.peer, reach.node, now=now)
            else:
                self._counters.probes_refused += 1
        elif self._answering.take(session.peer, now=now):
            self._answer(session, reach, now=now)
        else:
            self._counters.probes_refused += 1

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
            if is_used and one.heard_at < since and partner not in self._searches:
                self._unheard.setdefault(partner, since)
        for partner, silent_since in list(self._unheard.items()):
            session = self._sessions.by_peer.get(partner)
            is_asked = session is not None and (session.sending is not None or session.is_requesting)
            if session is None or not is_asked or session.heard_at > silent_since:
                del self._unheard[partner]
            elif session.sending is not None and now - silent_since >= SILENT_S:
                del self._unheard[partner]
                self._search(partner, is_urgent=False, now=now)
            elif now - silent_since >= SETUP_S:
                self._fail(partner, self._next_hop.get(partner), is_avoided=False, now=now)
        self._try_again(now=now)
        self._suspects.look(now=now)
        self._look_at = now + SILENT_S if self._unheard or self._failures or self._suspects.has_hints else inf
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
        metrics = (self._routes.metric_over(way, partner) for way in self._sending.ways(partner))
        longest = max((metric for metric in metrics if metric < DAMPED_COST), default=0)
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
        self._await(partner, search.due_at)

    def _await(self, partner: bytes, when: float) -> None:
        """Has a search looked at."""
        self._due.set(partner, when)
        self._arm(when)

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
            self._suspects.note(partner, search.route, answers=True)
            self._works(partner, search.route, now=now)
        else:
            self._fail(partner, search.route, is_avoided=bool(search.answered), now=now)

    # -- what failed ---------------------------------------------------------------------------------------------------

    def _fail(self, partner: bytes, neighbour: bytes | None, *, is_avoided: bool, now: float) -> None:
        """Notes that a partner is silent over a neighbour; `is_avoided` if it is not silent over another one."""
        if neighbour is None or neighbour == partner:
            return
        self._suspects.note(partner, neighbour, answers=False)
        if neighbour not in self._failures and len(self._failures) >= NEIGHBOURS:
            oldest = next(iter(self._failures))  # most likely gone for good
            for one in list(self._failures[oldest]):
                self._forget(one, oldest, now=now)
        failures = self._failures.setdefault(neighbour, {})
        failure = failures.get(partner)
        if failure is None:
            failure = _Silence(Backoff(FIRST_AVOIDED_S, factor=2.0, ceiling=AVOIDED_CEILING_S), inf, False)
            self.news.append(WayFailed(partner, neighbour, is_avoided))
            failures[partner] = failure
            if len(failures) > FAILED_WAYS_PER_NEIGHBOUR:
                self._forget(next(iter(failures)), neighbour, now=now)
        elif now < failure.try_at and failure.is_avoided >= is_avoided:
            return
        failure.try_at = now + failure.backoff.next()
        failure.is_avoided |= is_avoided
        if failure.is_avoided:
            self._routes.avoid(partner, neighbour, True, now=now)
        else:
            self._suspects.suspect(neighbour, partner, now=now)

    def _works(self, partner: bytes, neighbour: bytes, *, now: float) -> None:
        """Forgets that a partner was silent over a neighbour, since it answers over it, and tells so."""
        if self._forget(partner, neighbour, now=now):
            self.news.append(WayWorks(partner, neighbour))

    def _forget(self, partner: bytes, neighbour: bytes, *, now: float) -> bool:
        """Forgets that a partner was silent over a neighbour, whether it answers now or not; returns whether it was."""
        failures = self._failures.get(neighbour, {})
        if failures.pop(partner, None) is None:
            return False
        self._routes.avoid(partner, neighbour, False, now=now)
        if not failures:
            del self._failures[neighbour]
        return True

    def _try_again(self, *, now: float) -> None:
        """Probes what failed, when it is time, without sending anything else there; forgets what nobody uses any more."""
        failed = [(one, *each) for one, failures in self._failures.items() for each in failures.items()]
        for neighbour, partner, failure in failed:
            session = self._sessions.by_peer.get(partner)
            if session is None and not self._suspects.tries(partner, neighbour):
                self._forget(partner, neighbour, now=now)
                continue
            if failure.is_avoided:  # also after a link that was down
                self._routes.avoid(partner, neighbour, True, now=now)
            if now < failure.try_at or partner in self._searches:
                continue
            if session is None or session.sending is None:
                failure.try_at = now + failure.backoff.next()
            self._ask(partner, neighbour, now=now)

    # -- nodes to be probed -----------------------------------------------------------------------------------------------

    def _ask(self, node: bytes, neighbour: bytes, *, now: float) -> None:
        """Finds out whether a node answers over a neighbour, unless that is being done; makes a session with it if need be."""
        search = self._searches.get(node)
        is_searched = search is not None and search.route == neighbour
        if not is_searched and node not in self._asked and len(self._asked) < ASKED:
            self._asked[node] = neighbour, now + ASKED_S
            self._follow(node, now=now)

    def _follow_asked(self, *, now: float) -> None:
        for node in list(self._asked):
            self._follow(node, now=now)

    def _follow(self, node: bytes, *, now: float) -> None:
        """Probes a node that was asked for once there is a session with it; it may end in asking for others."""
        neighbour, until = self._asked[node]
        session = self._sessions.find(node, now=now)
        if session.sending is not None:
            if node not in self._searches:
                del self._asked[node]
                self._begin(node, neighbour, is_urgent=True, now=now)
        elif now >= until:
            del self._asked[node]
            self._fail(node, neighbour, is_avoided=False, now=now)
        else:
            self._sessions.request(session, now=now)
        if self._asked:
            self._arm(now + FOLLOWED_S)

    def _take_hint(self, neighbour: bytes, node: bytes, *, now: float) -> None:
        """Looks for a node that a neighbour does not reach over this one, and has the next hop look as well."""
        route = self._next_hop.get(node)
        is_from_neighbour = self._routes.metric_over(neighbour, neighbour) < INFINITY
        if is_from_neighbour and route not in (None, node, neighbour) and node not in self._asked:
            assert route is not None
            self._ask(node, route, now=now)
            self._suspects.suspect(route, node, now=now)
