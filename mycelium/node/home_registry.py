"""What a landmark keeps of others: the home records of nodes pinned at it, and those that other landmarks hand to it.

Each record is handed to the landmarks with the least BLAKE2b(landmark || /64), where lookups begin. A landmark takes records
only from their homes, over a session, and of one landmark only its share. So a node can be hidden by nobody but its homes.
"""

from collections.abc import Callable, Iterable
from math import inf
from typing import Final, Protocol

from msgspec import Struct

from mycelium.errors import DecodeError, IdentityError
from mycelium.identity import address_of_signing_key, blake2b, subnet_of
from mycelium.limits import (
    HOME_RECORDS,
    HOME_RECORDS_PER_LANDMARK,
    HOME_RECORDS_TAKEN,
    HOME_RECORDS_UNKEPT,
    HOME_RECORDS_UNKEPT_PER_SECOND,
    LANDMARKS,
    RECORDS_HANDED_AT_ONCE,
    REPLICA_HASHES_AT_ONCE,
)
from mycelium.node.counters import DirectoryCounters
from mycelium.owner_counts import OwnerCounts
from mycelium.routing.engine import RoutingEngine
from mycelium.routing.excess import HOMES, NamedRate
from mycelium.session.session import Session
from mycelium.session.table import Sessions
from mycelium.timing import SharedBucket
from mycelium.wire.home_record import HOME_RECORD_BYTES, HomeRecord
from mycelium.wire.lookup import decode_records, encode_records
from mycelium.wire.statement import Statement

REPLICAS: Final = 3  # landmarks that each record is handed to
HANDED_AGAIN_S: Final = 1_800.0
KEPT_S: Final = 3 * HANDED_AGAIN_S
SWEEP_S: Final = 60.0

_HASH_BYTES: Final = 8


class Held(Struct):
    """A record that another landmark has handed over."""

    record: HomeRecord
    landmark: bytes
    until: float


class SendRecords(Protocol):
    """Sends home records to the partner of a session with keys."""

    def __call__(self, session: Session, records: list[HomeRecord], *, now: float) -> None: ...


def replicas_of(subnet: bytes, landmarks: Iterable[bytes]) -> list[bytes]:
    """Returns the landmarks that the records of a /64 are handed to."""
    return sorted(landmarks, key=lambda landmark: blake2b(landmark + subnet, size=_HASH_BYTES))[:REPLICAS]


class HomeRegistry:
    """The records that one landmark answers with. The owner calls `look` each second."""

    def __init__(
        self,
        routing: RoutingEngine,
        sessions: Sessions,
        *,
        verify: Callable[[Statement], bool],
        network_id: bytes,
        send: SendRecords,
        counters: DirectoryCounters,
        now: float,
    ) -> None:
        self._routing = routing
        self._sessions = sessions
        self._verify = verify
        self._network_id = network_id
        self._send = send
        self._counters = counters
        self._taking = SharedBucket[bytes](HOME_RECORDS_TAKEN, keys=LANDMARKS, now=now)
        self._unkept = NamedRate(
            routing.excesses, HOMES, HOME_RECORDS_UNKEPT_PER_SECOND, burst=HOME_RECORDS_UNKEPT, keys=LANDMARKS
        )
        self._sweep_at = now + SWEEP_S
        self.held: dict[bytes, Held] = {}  # by node, those handed over longest ago first
        self._nodes_of: dict[bytes, dict[bytes, None]] = {}  # the same, by the landmark that has handed them over
        self._counts: OwnerCounts[bytes] = OwnerCounts()  # of these
        self._nodes: dict[bytes, dict[bytes, None]] = {}  # the same, by /64
        self._homed: dict[bytes, dict[bytes, HomeRecord]] = {}  # of nodes at home here, by /64 and by node
        self._version = -1  # of the pins that this was made of
        self._due_at = inf  # when a record is to be handed over next
        self._landmarks: frozenset[bytes] = frozenset()
        self._handed: dict[bytes, tuple[HomeRecord, float]] = {}  # by node, and when that is due again
        self._waiting: dict[bytes, list[HomeRecord]] = {}  # for a session, by replica

    def of(self, subnet: bytes) -> list[HomeRecord]:
        """Returns the records of a /64, those of nodes at home here first.

        A record that names this node as a home, without being pinned here, is out of date.
        """
        held = (self.held[node].record for node in self._nodes.get(subnet, ()))
        return [*self._homed.get(subnet, {}).values()] + [one for one in held if self._routing.node not in one.homes]

    def look(self, *, now: float) -> None:
        """Hands over what is new or due; does nothing but at a landmark."""
        if not self._routing.is_landmark:
            self._stand_down()
            return
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_S
            for node in [node for node, held in self.held.items() if held.until <= now]:
                self._drop(node)
        landmarks = self._routing.landmarks
        reached = frozenset(node for _, node in landmarks.reached())
        if reached != self._landmarks:
            self._landmarks = reached
            self._handed.clear()
            self._due_at = now
        if landmarks.homed_version != self._version:
            self._version, self._due_at = landmarks.homed_version, now
            self._homed = {}
            for node, record in landmarks.homed():
                self._homed.setdefault(subnet_of(node), {})[node] = record
        if now >= self._due_at:
            self._hand_over(now=now)
        for replica in list(self._waiting):
            self._give(replica, now=now)

    def take(self, session: Session, body: memoryview, *, hop_limit: int, now: float) -> None:
        """Takes records from the landmark that is the partner of a session."""
        try:
            records = decode_records(bytes(body))
        except DecodeError:
            records = []
            self._counters.home_records_refused += 1
        for record in records:
            if not self._is_welcome(record, session.peer, now=now) or not self._keep(record, session.peer, now=now):
                self._counters.home_records_refused += 1
                self._unkept.take(session.peer, now=now)

    def _is_welcome(self, record: HomeRecord, landmark: bytes, *, now: float) -> bool:
        return (
            self._routing.is_landmark
            and landmark in record.homes
            and self._routing.landmarks.knows(landmark)
            and record.network_id == self._network_id
            and self._taking.take(landmark, now=now)
            and self._verify(record)
        )

    def _keep(self, record: HomeRecord, landmark: bytes, *, now: float) -> bool:
        """Keeps a valid record unless there is a newer one, or the landmark has too many here."""
        try:
            node = address_of_signing_key(record.signing_public_key)
        except IdentityError:
            return False
        known = self.held.get(node)
        if known is not None and known.record.is_newer_than(record):
            return False
        count = len(self._nodes_of.get(landmark, ())) - (known is not None and known.landmark == landmark)
        if count >= HOME_RECORDS_PER_LANDMARK or not self._has_room(node, count):
            return False
        self._drop(node)
        self.held[node] = Held(record, landmark, now + KEPT_S)
        self._nodes.setdefault(subnet_of(node), {})[node] = None
        self._nodes_of.setdefault(landmark, {})[node] = None
        self._counts.add(landmark)
        return True

    def _has_room(self, node: bytes, count: int) -> bool:
        """Makes room, where there is none, at the cost of the landmark with the most records."""
        if len(self.held) < HOME_RECORDS or node in self.held:
            return True
        largest = self._nodes_of[self._counts.largest()]
        if len(largest) <= count + 1:
            return False
        self._drop(next(iter(largest)))
        return True

    def _drop(self, node: bytes) -> None:
        held = self.held.pop(node, None)
        if held is None:
            return
        self._counts.remove(held.landmark)
        for nodes, key in (self._nodes_of, held.landmark), (self._nodes, subnet_of(node)):
            del nodes[key][node]
            if not nodes[key]:
                del nodes[key]

    def _stand_down(self) -> None:
        if self._landmarks:
            self._landmarks, self._version = frozenset(), -1
            for node in list(self.held):
                self._drop(node)
            for table in (self._homed, self._handed, self._waiting):
                table.clear()

    def _hand_over(self, *, now: float) -> None:
        """Has replicas wait for the records that are new or due, the first of them; the rest follows a second later."""
        homed = {node: record for records in self._homed.values() for node, record in records.items()}
        self._handed = {node: handed for node, handed in self._handed.items() if node in homed}
        most = min(RECORDS_HANDED_AT_ONCE, max(REPLICA_HASHES_AT_ONCE // max(len(self._landmarks), 1), 1))
        due = [(node, record) for node, record in homed.items() if self._is_due(node, record, now=now)]
        for node, record in due[:most]:
            self._handed[node] = record, now + HANDED_AGAIN_S
            for replica in replicas_of(subnet_of(node), self._landmarks):
                if replica != self._routing.node:
                    self._waiting.setdefault(replica, []).append(record)
        self._due_at = now if len(due) > most else min((until for _, until in self._handed.values()), default=inf)

    def _is_due(self, node: bytes, record: HomeRecord, *, now: float) -> bool:
        handed = self._handed.get(node)
        return handed is None or handed[0] is not record or handed[1] <= now

    def _give(self, replica: bytes, *, now: float) -> None:
        """Sends a replica what waits for it, once there is a session."""
        records = self._waiting[replica]
        del records[:-RECORDS_HANDED_AT_ONCE]
        session = self._sessions.find(replica, now=now)
        if session.sending is None:
            self._sessions.request(session, now=now)
            if replica not in self._landmarks:
                del self._waiting[replica]
            return
        self._send(session, records, now=now)
        self._counters.home_records_handed += len(records)
        del self._waiting[replica]


def portions(records: list[HomeRecord], room: int) -> Iterable[bytes]:
    """Yields the contents of items, of at most `room` bytes each, for home records."""
    most = max(room // HOME_RECORD_BYTES, 1)
    return (encode_records(records[first : first + most]) for first in range(0, len(records), most))
