"""Where the ends of a session meet that have no routes to each other: at first at a home, then at the best node that both have.

An end without a route tells the other which nodes are near it, once the session has lasted or moved much. That one chooses the
node with the least sum of metrics, pins itself on the way there, and names it; from then on both send by it. A waypoint without
a route, or one behind which nothing answers, as it may be a leaf, is left for the home at once, and not chosen again for a
while. A node also tells its partners when its home changes, so that a moving node loses no session.

Where trains to a home find no route, or nothing is heard, the other home is tried, and both are looked up again. Who hears
nothing asks: it tells its home and says so. Partners that are silent because they have nothing to say answer that; one whose
answers do not arrive is asked again, and leaves its own waypoint or home then, as it may hear all that this end sends.
"""

from math import inf
from typing import Final

from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.sending import Sending
from mycelium.errors import DecodeError
from mycelium.limits import (
    MEETINGS_AT_ONCE,
    MEETINGS_PER_SECOND,
    SESSIONS,
    VICINITIES_PER_SECOND,
    VICINITIES_TOLD_PER_SECOND,
    WAYPOINTS_AVOIDED,
)
from mycelium.node.directory import Directory
from mycelium.node.ways import HomewardWays
from mycelium.routing.engine import RoutingEngine
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import TokenBucket, TokenBuckets
from mycelium.wire.meeting import Meeting, MeetingKind, decode_meeting, encode_meeting, entries_in, tail_of
from mycelium.wire.train import ITEM_MEETING

LASTING_S: Final = 5.0  # a session that is in use for so long is worth a waypoint,
LASTING_BLOCKS: Final = (256 << 10) // 16  # or one that has sent so many blocks of the cipher
IDLE_S: Final = 10.0  # without traffic for so long, a session starts anew
RENEWED_S: Final = 60.0  # between two choices of a waypoint, while there is traffic
PINNED_S: Final = 90.0  # a waypoint is kept this long; a late choice of the next one is in time
ANSWERED_S: Final = 2.0  # time for the other end's own vicinity, which makes that of this end needless
SETTLED_S: Final = 0.5  # until the pins have come to a new waypoint
ASKED_S: Final = 1.0  # who is not heard for so long since it was sent something is asked: it is told the home
SILENT_S: Final = 2.0  # a waypoint or home behind which nothing answers for so long is left
ASKED_AGAIN_S: Final = 1.5  # who is asked twice in this time is not heard; others are asked each two seconds at most
AVOIDED_S: Final = 600.0  # a waypoint that was left is not chosen again


class Talk:
    """What is known of one session: since when it is in use, and what its ends have told each other."""

    __slots__ = ("asked_at", "avoided", "best", "blocks", "chosen", "described_at", "noted", "since", "unheard_since")

    def __init__(self, session: Session, *, now: float) -> None:
        self.since = now
        self.blocks = _blocks(session)  # that were sealed at its beginning
        self.described_at = -inf  # when this end has told its vicinity, or heard the other's
        self.noted = b""  # the home of this node that the other end knows
        self.best: tuple[int, bytes] | None = None  # metric and node, of the entries heard so far
        self.chosen: tuple[float, bytes] | None = None  # from when a waypoint may be used, and which
        self.unheard_since = -inf  # when it was seen that this end had sent something, and nothing was heard afterwards
        self.asked_at = -inf  # when the other end has told that it hears nothing
        self.avoided: dict[bytes, float] = {}  # waypoints that were left, and until when they are not chosen again

    def avoid(self, waypoint: bytes, *, now: float) -> None:
        """Notes that a waypoint was of no use."""
        self.avoided.pop(waypoint, None)  # so that it comes last
        self.avoided[waypoint] = now + AVOIDED_S
        if len(self.avoided) > WAYPOINTS_AVOIDED:
            del self.avoided[next(iter(self.avoided))]

    def is_useful(self, waypoint: bytes, *, now: float) -> bool:
        """Tells whether nothing speaks against a waypoint."""
        return self.avoided.get(waypoint, now) <= now

    def silent_s(self, session: Session, *, now: float) -> float:
        """Returns for how long nothing was heard since this end has sent something; 0 if it has sent nothing."""
        heard_at = session.heard_at
        if session.last_used <= heard_at:
            return 0.0
        if heard_at > self.unheard_since:
            self.unheard_since = now
        return now - self.unheard_since

    def is_asked_again(self, *, now: float) -> bool:
        """Notes that the other end hears nothing; tells whether it has said so a moment ago, and so was not answered."""
        is_again = now - self.asked_at <= ASKED_AGAIN_S
        self.asked_at = -inf if is_again else now
        return is_again


class Meetings:
    """Tells and hears where to meet. The owner calls `look` each second, by a timer that it has anyway."""

    def __init__(
        self,
        routing: RoutingEngine,
        sessions: Sessions,
        sending: Sending,
        ways: HomewardWays,
        directory: Directory,
        counters: DataplaneCounters,
        *,
        now: float,
    ) -> None:
        self._routing = routing
        self._next_hop = routing.forwarding.next_hop
        self._sessions = sessions
        self._sending = sending
        self._ways = ways
        self._directory = directory
        self._counters = counters
        self._talks: dict[bytes, Talk] = {}
        self._rate = TokenBuckets[bytes](MEETINGS_PER_SECOND, burst=MEETINGS_AT_ONCE, keys=SESSIONS)
        self._computing = TokenBucket(VICINITIES_PER_SECOND, now=now)
        self._describing = TokenBucket(VICINITIES_TOLD_PER_SECOND, now=now)

    def look(self, *, now: float) -> None:
        """Looks at all sessions; does nothing while everything is in scope."""
        self._routing.waypoints.expire(now=now)
        home = self._ways.own_home
        if not home and not self._talks:
            return
        by_peer = self._sessions.by_peer
        self._talks = {peer: talk for peer, talk in self._talks.items() if peer in by_peer}
        for session in by_peer.values():
            if session.sending is not None and now - session.last_used < IDLE_S:
                self._follow(session, self._talk(session, now=now), home, now=now)
            elif self._talks.pop(session.peer, None) is not None:
                session.waypoint = b""

    def leave(self, session: Session, waypoint: bytes, *, now: float) -> None:
        """Leaves a waypoint, or a home, by which trains do not arrive; the node's homes are looked up again."""
        if waypoint == session.waypoint:
            self._talk(session, now=now).avoid(waypoint, now=now)
            session.waypoint = b""
        elif waypoint in self._ways.homes(session.peer):
            session.lose(waypoint, now=now)
            self._directory.renew(session.peer, now=now)

    def _leave_way(self, session: Session, *, now: float) -> None:
        """Leaves the waypoint or home in use."""
        way = self._ways.leaving(session.peer)
        if way is not None and way.waypoint:
            self.leave(session, way.waypoint, now=now)
        else:
            self._directory.renew(session.peer, now=now)

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes an item about meeting."""
        try:
            meeting = decode_meeting(body)
        except DecodeError:
            self._counters.trains_malformed += 1
            return
        if meeting is None or not self._ways.own_home or not self._rate.take(session.peer, now=now):
            return
        talk = self._talk(session, now=now)
        match meeting.kind:
            case MeetingKind.HOME:
                if meeting.node != session.home:
                    session.home = meeting.node
                    session.lost.pop(meeting.node, None)
                if meeting.flag and talk.is_asked_again(now=now):
                    self._leave_way(session, now=now)
                self._tell(session, Meeting(MeetingKind.HOME_NOTED, node=meeting.node), now=now)
            case MeetingKind.HOME_NOTED:
                talk.noted = meeting.node
            case MeetingKind.VICINITY:
                self._compare(session, talk, meeting, now=now)
            case MeetingKind.WAYPOINT:
                self._agree(session, talk, meeting, now=now)

    def _talk(self, session: Session, *, now: float) -> Talk:
        talk = self._talks.get(session.peer)
        if talk is None:
            talk = self._talks[session.peer] = Talk(session, now=now)
        return talk

    def _follow(self, session: Session, talk: Talk, home: bytes, *, now: float) -> None:
        silent_s = talk.silent_s(session, now=now)
        if silent_s >= SILENT_S:
            self._leave_way(session, now=now)
            talk.unheard_since = now
        if home and (home != talk.noted or silent_s >= ASKED_S):
            self._tell(session, Meeting(MeetingKind.HOME, silent_s >= ASKED_S, node=home), now=now)
        if talk.chosen is not None and now >= talk.chosen[0]:
            session.waypoint = talk.chosen[1]
            talk.chosen = None
        if (
            session.peer in self._next_hop
            or now < talk.described_at + RENEWED_S
            or not self._is_lasting(session, talk, now=now)
            or not self._describing.take(now=now)
        ):
            return
        talk.described_at = now
        self._describe(session, now=now)

    def _is_lasting(self, session: Session, talk: Talk, *, now: float) -> bool:
        waits = 0.0 if session.peer < self._routing.node else ANSWERED_S
        sent = _blocks(session) - talk.blocks
        return now - talk.since >= LASTING_S + waits or (sent >= LASTING_BLOCKS and now - talk.since >= waits)

    def _describe(self, session: Session, *, now: float) -> None:
        """Tells the other end what is near this one."""
        entries = [(tail_of(node), metric) for node, metric in self._routing.waypoints.vicinity(now=now).items()]
        most = entries_in(self._sending.item_room(session))
        for first in range(0, len(entries) if most else 0, most or 1):
            part, more = tuple(entries[first : first + most]), first + most < len(entries)
            self._tell(session, Meeting(MeetingKind.VICINITY, more, entries=part), now=now)

    def _compare(self, session: Session, talk: Talk, meeting: Meeting, *, now: float) -> None:
        """Chooses a waypoint among the nodes that are near the other end, and tells it."""
        if not self._computing.take(now=now):
            return
        near = self._routing.waypoints.vicinity(now=now)
        useful = {node for node in near if node != session.peer and talk.is_useful(node, now=now)}
        by_tail = {tail_of(node): (metric, node) for node, metric in near.items() if node in useful}
        common = ((by_tail[tail], metric) for tail, metric in meeting.entries if tail in by_tail)
        found = [(own + others, node) for (own, node), others in common]
        talk.best = min([*found, *([talk.best] if talk.best else [])], default=None)
        if meeting.flag:  # more entries follow
            return
        best, talk.best, talk.described_at = talk.best, None, now
        if best is None or not self._routing.waypoints.pin(best[1], now + PINNED_S, now=now):
            return
        talk.chosen = now + SETTLED_S, best[1]
        has_no_route = session.peer not in self._next_hop
        self._tell(session, Meeting(MeetingKind.WAYPOINT, has_no_route, node=best[1]), now=now)

    def _agree(self, session: Session, talk: Talk, meeting: Meeting, *, now: float) -> None:
        """Meets the other end at the waypoint that it has chosen, if there is a route."""
        is_useful = meeting.node != session.peer and talk.is_useful(meeting.node, now=now)
        if meeting.node not in self._next_hop or not is_useful:
            return
        if not meeting.flag or self._routing.waypoints.pin(meeting.node, now + PINNED_S, now=now):
            talk.chosen = now + SETTLED_S, meeting.node

    def _tell(self, session: Session, meeting: Meeting, *, now: float) -> None:
        self._sending.send_item(session, ITEM_MEETING, encode_meeting(meeting), now=now)


def _blocks(session: Session) -> int:
    return 0 if session.sending is None else session.sending.sealing.blocks
