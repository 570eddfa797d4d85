"""What packets and trains pass through, put together: sessions, sending, receiving, and the errors that both report."""

from collections.abc import Callable, Container
from random import Random
from typing import Final

from mycelium.counters import Registry
from mycelium.crypto.handshake import HandshakeConfig
from mycelium.dataplane.counters import DataplaneCounters
from mycelium.dataplane.echoes import Echoes
from mycelium.dataplane.local_errors import LocalErrors
from mycelium.dataplane.reachability import Reachability, WayFailed, WayWorks
from mycelium.dataplane.receiving import Receiving
from mycelium.dataplane.refusals import Refusals
from mycelium.dataplane.relay_errors import RelayErrors
from mycelium.dataplane.sending import Sending
from mycelium.dataplane.speed_tests import SpeedTests
from mycelium.dataplane.suspects import Distrusted
from mycelium.identity import Identity
from mycelium.link.link import Link
from mycelium.node.counters import DirectoryCounters
from mycelium.node.directory import Directory
from mycelium.node.event_kind import EventKind
from mycelium.node.home_registry import HomeRegistry, portions
from mycelium.node.journal import Journal
from mycelium.node.meetings import Meetings
from mycelium.node.peering import Peering
from mycelium.node.settings import NodeSettings
from mycelium.node.ways import HomewardWays
from mycelium.outbox import Outbox
from mycelium.packet.ipv6 import NO_ROUTE
from mycelium.policy.base import Policy
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.excess import Excesses
from mycelium.routing.resolution import Resolution
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.survey.survey import Survey
from mycelium.timing import Deadlines
from mycelium.wire.home_record import HomeRecord
from mycelium.wire.statement import Statement
from mycelium.wire.train import (
    ANSWER,
    ITEM_HOMES,
    ITEM_MEETING,
    ITEM_REACHABILITY,
    ITEM_SPEED,
    ITEM_SURVEY,
    LOOKUP,
    SESSION_REQUEST,
)

ELSEWHERE: Final = "it answers over another neighbour, which is used from now on"
NOWHERE: Final = "it answers over no other neighbour either"
_REACHABILITY: Final = "reachability"
_SESSIONS: Final = "sessions"
_SPEED_TESTS: Final = "speed tests"
_SURVEY: Final = "survey"
_DIRECTORY: Final = "directory"


class DataPath:
    """The data path of one node."""

    def __init__(
        self,
        identity: Identity,
        *,
        handshakes: HandshakeConfig,
        routing: RoutingEngine,
        peering: Peering,
        policy: Policy,
        settings: NodeSettings,
        verify: Callable[[Statement], bool],
        outbox: Outbox,
        deadlines: Deadlines[bytes | str],
        rng: Random,
        now: float,
    ) -> None:
        self.sessions = Sessions(
            handshakes,
            rng=rng,
            resolve=self._resolve,
            look_up=self._look_up,
            policy=policy,
            proof_source=peering.proof_source,
            send=self._send_train,
            excesses=routing.excesses,
            arm=lambda when: deadlines.set(_SESSIONS, when),
            now=now,
        )
        links, peering.on_wanted = peering.links, self.sessions.want_proofs
        self._compose_directory(handshakes, routing, verify, deadlines, now=now)
        self.ways = HomewardWays(routing, links, self.sessions, self.directory)
        self.counters = DataplaneCounters()
        self.local_errors = LocalErrors(identity.address, outbox, self.counters, now=now)
        self.sending = Sending(
            identity.address,
            forwarding=routing.forwarding,
            links=links,
            sessions=self.sessions,
            ways=self.ways,
            lookups=self.directory,
            errors=self.local_errors,
            policy=policy,
            counters=self.counters,
            outbox=outbox,
        )
        self._compose_diagnosis(identity, handshakes, routing.excesses, outbox, now=now)
        self._compose_receiving(identity, routing, links, policy, outbox, is_leaf=settings.routing.is_leaf)
        self._compose_handlers(handshakes, routing, links, settings, deadlines, now=now)

    def _compose_directory(
        self,
        handshakes: HandshakeConfig,
        routing: RoutingEngine,
        verify: Callable[[Statement], bool],
        deadlines: Deadlines[bytes | str],
        *,
        now: float,
    ) -> None:
        """Makes what finds nodes that are out of scope."""
        self.directory_counters = DirectoryCounters()
        self.registry = HomeRegistry(
            routing,
            self.sessions,
            verify=verify,
            network_id=handshakes.network_id,
            send=self._send_records,
            counters=self.directory_counters,
            now=now,
        )
        self.directory = Directory(
            routing,
            self.registry,
            verify=verify,
            network_id=handshakes.network_id,
            entropy=handshakes.entropy,
            send=self._send_train,
            arm=lambda when: deadlines.set(_DIRECTORY, when),
            counters=self.directory_counters,
            now=now,
        )

    def _compose_diagnosis(
        self, identity: Identity, handshakes: HandshakeConfig, excesses: Excesses, outbox: Outbox, *, now: float
    ) -> None:
        """Makes what tells whether trains arrive."""
        self.echoes = Echoes(
            sessions=self.sessions,
            sending=self.sending,
            outbox=outbox,
            counters=self.counters,
            excesses=excesses,
            entropy=handshakes.entropy,
        )
        self.relay_errors = RelayErrors(
            identity,
            sessions=self.sessions,
            errors=self.local_errors,
            echoes=self.echoes,
            counters=self.counters,
            excesses=excesses,
            send=self._send_train,
            leave=self._leave,
            now=now,
        )

    def _compose_receiving(
        self,
        identity: Identity,
        routing: RoutingEngine,
        links: dict[bytes, Link],
        policy: Policy,
        outbox: Outbox,
        *,
        is_leaf: bool,
    ) -> None:
        """Makes what takes trains."""
        self.receiving = Receiving(
            identity.address,
            forwarding=routing.forwarding,
            links=links,
            sessions=self.sessions,
            sending=self.sending,
            relay_errors=self.relay_errors,
            echoes=self.echoes,
            policy=policy,
            refusals=Refusals(identity.address, self.sending, self.counters, routing.excesses),
            counters=self.counters,
            outbox=outbox,
            is_leaf=is_leaf,
        )

    def _compose_speed_tests(
        self,
        handshakes: HandshakeConfig,
        routing: RoutingEngine,
        settings: NodeSettings,
        deadlines: Deadlines[bytes | str],
        *,
        now: float,
    ) -> None:
        """Makes what measures how much arrives."""
        self.speed_tests = SpeedTests(
            sessions=self.sessions,
            sending=self.sending,
            counters=self.counters,
            excesses=routing.excesses,
            entropy=handshakes.entropy,
            answers=settings.answers_speed_tests,
            arm=lambda when: deadlines.set(_SPEED_TESTS, when),
            now=now,
        )
        self.receiving.item_handlers[ITEM_SPEED] = self.speed_tests.take

    def handle_timeout(self, due: Container[bytes | str], *, now: float) -> None:
        """Does what is due; the deadlines of `due` have come."""
        self.sessions.handle_timeout(now=now)
        if self.sessions.ready or self.sessions.early:
            self.receiving.release_ready(now=now)
        if _DIRECTORY in due:
            self.directory.handle_timeout(now=now)
            self._send_found(now=now)
        self.reject_failed(now=now)
        if _SPEED_TESTS in due:
            self.speed_tests.handle_timeout(now=now)
        if _REACHABILITY in due:
            self.reachability.handle_timeout(now=now)
        if _SURVEY in due:
            self.survey.handle_timeout(now=now)

    def _compose_reachability(
        self, handshakes: HandshakeConfig, routing: RoutingEngine, deadlines: Deadlines[bytes | str]
    ) -> None:
        """Makes what finds other next hops where partners are silent."""
        self.reachability = Reachability(
            sessions=self.sessions,
            sending=self.sending,
            forwarding=routing.forwarding,
            routes=routing,
            counters=self.counters,
            excesses=routing.excesses,
            entropy=handshakes.entropy,
            arm=lambda when: deadlines.set(_REACHABILITY, when),
        )
        self.receiving.item_handlers[ITEM_REACHABILITY] = self.reachability.take

    def register(self, metrics: Registry) -> None:
        """Adds the counters of lookups, and how much is known, to a registry."""
        metrics.add(self.directory_counters)
        metrics.add_gauge(
            "homes_known", "Nodes of which it was looked up where they are at home.", lambda: len(self.directory)
        )
        metrics.add_gauge("lookups_waiting", "Addresses that are being looked up.", lambda: self.directory.lookups)
        metrics.add_gauge("home_records", "Home records kept for other landmarks.", lambda: len(self.registry.held))

    def look(self, *, now: float) -> None:
        """Looks at all sessions, and at homes; called each second."""
        self.reachability.look(now=now)
        self.meetings.look(now=now)
        self.registry.look(now=now)
        self.directory.look(now=now)

    def _compose_handlers(
        self,
        handshakes: HandshakeConfig,
        routing: RoutingEngine,
        links: dict[bytes, Link],
        settings: NodeSettings,
        deadlines: Deadlines[bytes | str],
        *,
        now: float,
    ) -> None:
        """Makes what takes items that are not packets: speed tests, probes of ways, meetings, and surveys."""
        self._compose_speed_tests(handshakes, routing, settings, deadlines, now=now)
        self._compose_reachability(handshakes, routing, deadlines)
        self.meetings = Meetings(
            routing, self.sessions, self.sending, self.ways, self.directory, self.counters, now=now
        )
        self.receiving.item_handlers |= {ITEM_MEETING: self.meetings.take, ITEM_HOMES: self.registry.take}
        self.receiving.train_handlers |= {LOOKUP: self.directory.take_lookup, ANSWER: self._take_answer}
        self.survey = Survey(
            links=links,
            routing=routing,
            sessions=self.sessions,
            sending=self.sending,
            counters=self.counters,
            entropy=handshakes.entropy,
            tells=settings.tells_links,
            arm=lambda when: deadlines.set(_SURVEY, when),
            now=now,
        )
        self.receiving.item_handlers[ITEM_SURVEY] = self.survey.take

    def tell(self, journal: Journal, *, now: float) -> None:
        """Writes into the journal which sessions have new keys, and what was found out of next hops."""
        while self.sessions.renewed:
            journal.note(EventKind.SESSION_RENEWED, node=self.sessions.renewed.pop(0), now=now)
        while self.sessions.unproved:
            node, cause = self.sessions.unproved.pop(0)
            journal.note(EventKind.SESSION_REFUSED, node=node, cause=cause, now=now)
        for one in self.reachability.news:
            match one:
                case WayFailed():
                    cause = ELSEWHERE if one.is_avoided else NOWHERE
                    journal.note(EventKind.ROUTE_AVOIDED, node=one.partner, after=one.neighbour, cause=cause, now=now)
                case WayWorks():
                    journal.note(EventKind.ROUTE_TRUSTED, node=one.partner, after=one.neighbour, now=now)
                case Distrusted():
                    journal.note(EventKind.NEIGHBOUR_AVOIDED, node=one.neighbour, count=one.partners, now=now)
        self.reachability.news.clear()

    def reject_failed(self, *, now: float) -> None:
        """Rejects the packets that waited for sessions which could not be established."""
        while self.sessions.failed:
            session = self.sessions.failed.pop(0)
            self.directory.doubt(session.peer)
            self.sending.reject_queued(session, now=now)

    def _resolve(self, node: bytes) -> Resolution:
        return self.directory.known(node)

    def _look_up(self, node: bytes, *, now: float) -> Resolution:
        return self.directory.key_of(node, now=now)

    def _take_answer(self, source: bytes, body: memoryview, *, neighbour: bytes, home: bytes, now: float) -> None:
        self.directory.take_answer(source, body, neighbour=neighbour, home=home, now=now)
        self._send_found(now=now)

    def _send_found(self, *, now: float) -> None:
        """Sends the packets whose destination was looked up, and rejects those whose destination is unknown."""
        found, self.directory.found[:] = list(self.directory.found), []
        for packet in found:
            self.sending.send_packet(packet.data, packet.flags, packet.segment_size, now=now)
        failed, self.directory.failed[:] = list(self.directory.failed), []
        for packet in failed:
            self.counters.packets_no_route += 1
            self.local_errors.report(NO_ROUTE, memoryview(packet.data), now=now)

    def _leave(self, session: Session, waypoint: bytes, *, now: float) -> None:
        self.meetings.leave(session, waypoint, now=now)

    def _send_records(self, session: Session, records: list[HomeRecord], *, now: float) -> None:
        for content in portions(records, self.sending.item_room(session)):
            self.sending.send_item(session, ITEM_HOMES, content, now=now)

    def _send_train(
        self,
        node: bytes,
        kind: int,
        index: int,
        counter: int,
        body: bytes,
        *,
        turn: int = 0,
        home: bytes = b"",
        now: float,
    ) -> bool:
        if home:
            self.directory.told(node, home)
        if turn and kind == SESSION_REQUEST:  # those before were not answered
            self.directory.renew(node, now=now)
        return self.sending.send_train(node, kind, index, counter, body, turn=turn, home=home, now=now)
