"""What a landmark keeps of others, and whom it hands what is at home at it."""

from typing import Any

import pytest
from msgspec.structs import replace

from mycelium.identity import Identity, subnet_of
from mycelium.node.announcing import is_signed, publish
from mycelium.node.counters import DirectoryCounters
from mycelium.node.home_registry import HANDED_AGAIN_S, KEPT_S, SWEEP_S, HomeRegistry, portions, replicas_of
from mycelium.node.settings import NodeSettings
from mycelium.routing.excess import HOMES, Excesses
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.home_record import HOME_RECORD_BYTES, HomeRecord
from mycelium.wire.lookup import decode_records, encode_records

SETTINGS = NodeSettings(suites=SUITE_CHACHA20_POLY1305)
LANDMARKS = [bytes((4, name)) + bytes(14) for name in range(1, 7)]
OWN, OTHER, THIRD = LANDMARKS[:3]
NODES = [Identity(bytes((name,)) * 32) for name in range(1, 9)]


def record(node: Identity, home: bytes, number: int = 1) -> HomeRecord:
    return publish(node, SETTINGS, 1 << 16, number, home, bytes(16))


class Surroundings:
    """What a registry sees of its node: the landmarks that there are, who is at home here, and sessions."""

    def __init__(self) -> None:
        self.node = OWN
        self.is_landmark = True
        self.known = list(LANDMARKS)
        self.at_home: dict[bytes, HomeRecord] = {}
        self.homed_version = 0
        self.asked = 0  # times that all that is at home here was asked for
        self.ready: set[bytes] = set(LANDMARKS)
        self.requested: list[bytes] = []
        self.sent: list[tuple[bytes, list[HomeRecord]]] = []
        self.counters = DirectoryCounters()
        self.landmarks = self
        self.excesses = Excesses()
        sessions: Any = self
        self.registry = HomeRegistry(
            sessions,
            sessions,
            verify=is_signed,
            network_id=bytes(8),
            send=self._send,
            counters=self.counters,
            now=0.0,
        )

    def homes(self, node: bytes, record: HomeRecord) -> None:
        """Pins a node here."""
        self.at_home[node] = record
        self.homed_version += 1

    def knows(self, node: bytes) -> bool:
        return node in self.known

    def reached(self) -> list[tuple[int, bytes]]:
        return [(1, node) for node in self.known]

    def homed(self) -> list[tuple[bytes, HomeRecord]]:
        self.asked += 1
        return list(self.at_home.items())

    def find(self, peer: bytes, *, now: float) -> Any:
        return Partner(peer, peer in self.ready)

    def request(self, session: "Partner", *, now: float) -> None:
        self.requested.append(session.peer)

    def _send(self, session: Any, records: list[HomeRecord], *, now: float) -> None:
        self.sent.append((session.peer, list(records)))

    def take(self, landmark: bytes, *records: HomeRecord, now: float = 0.0) -> None:
        partner: Any = Partner(landmark, True)
        self.registry.take(partner, memoryview(encode_records(records)), hop_limit=1, now=now)

    def held(self) -> dict[bytes, int]:
        """Returns the numbers of the records that are kept for others, by node."""
        return {node: held.record.number for node, held in self.registry.held.items()}


class Partner:
    """A session with another landmark."""

    def __init__(self, peer: bytes, is_ready: bool) -> None:
        self.peer = peer
        self.sending = True if is_ready else None


def test_a_record_is_handed_to_its_replicas_once_and_again_when_due_or_new() -> None:
    around, node = Surroundings(), NODES[0].address
    first = record(NODES[0], OWN)
    around.homes(node, first)
    replicas = [landmark for landmark in replicas_of(subnet_of(node), LANDMARKS) if landmark != OWN]
    around.registry.look(now=1.0)
    around.registry.look(now=2.0)
    assert around.sent == [(replica, [first]) for replica in replicas]
    assert around.registry.of(subnet_of(node)) == [first]
    second = record(NODES[0], OWN, 2)
    around.homes(node, second)
    around.sent.clear()
    around.registry.look(now=3.0)
    assert around.sent == [(replica, [second]) for replica in replicas]
    around.sent.clear()
    around.registry.look(now=3.0 + HANDED_AGAIN_S)
    assert len(around.sent) == len(replicas)
    around.sent.clear()
    around.known.remove(replicas[0])
    around.registry.look(now=4.0 + HANDED_AGAIN_S)
    assert replicas[0] not in [replica for replica, _ in around.sent]


def test_what_is_at_home_is_looked_through_only_when_it_has_changed() -> None:
    around = Surroundings()
    for node in NODES[:3]:
        around.homes(node.address, record(node, OWN))
    for second in range(1, 60):
        around.registry.look(now=float(second))
    assert around.asked == 1
    del around.at_home[NODES[0].address]
    around.homed_version += 1
    around.registry.look(now=60.0)
    assert (around.asked, around.registry.of(subnet_of(NODES[0].address))) == (2, [])
    around.is_landmark = False
    around.registry.look(now=61.0)
    around.is_landmark = True
    around.sent.clear()
    around.registry.look(now=62.0)
    assert around.registry.of(subnet_of(NODES[1].address)) == [record(NODES[1], OWN)]
    assert len(around.sent) > 0


def test_more_than_is_handed_at_once_is_handed_a_second_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.node.home_registry.RECORDS_HANDED_AT_ONCE", 3)
    around = Surroundings()
    for node in NODES:
        around.homes(node.address, record(node, OWN))
    handed = []
    for second in range(1, 5):
        around.sent.clear()
        around.registry.look(now=float(second))
        handed.append(len({one.signing_public_key for _, records in around.sent for one in records}))
    assert handed == [3, 3, 2, 0]


def test_a_record_waits_for_the_session_with_its_replica() -> None:
    around = Surroundings()
    around.homes(NODES[0].address, record(NODES[0], OWN))
    around.ready.clear()
    around.registry.look(now=1.0)
    assert (around.sent, set(around.requested) <= set(LANDMARKS)) == ([], True)
    around.ready = set(around.requested)
    around.registry.look(now=2.0)
    assert {replica for replica, _ in around.sent} == around.ready


def test_records_are_taken_from_their_homes_alone_and_only_valid_and_newer_ones() -> None:
    around, node = Surroundings(), NODES[0].address
    stranger = bytes((4, 99)) + bytes(14)
    good = record(NODES[0], OTHER, 2)
    around.take(THIRD, good)
    around.take(stranger, record(NODES[1], stranger))
    around.take(OTHER, replace(good, number=3), replace(good, network_id=b"elsewhere"[:8]))
    assert (around.held(), around.counters.home_records_refused) == ({}, 4)
    around.take(OTHER, good)
    around.take(OTHER, record(NODES[0], OTHER, 1))
    assert around.held() == {node: 2}
    around.take(THIRD, record(NODES[0], THIRD, 3))
    assert around.held() == {node: 3}
    around.registry.take(Partner(OTHER, True), memoryview(b"x"), hop_limit=1, now=0.0)  # type: ignore[arg-type]
    assert around.registry.of(subnet_of(node))[0].number == 3


def test_a_record_that_names_a_landmark_where_its_node_is_not_pinned_is_out_of_date() -> None:
    around = Surroundings()
    moved = publish(NODES[0], SETTINGS, 1 << 16, 1, OTHER, OWN)
    around.take(OTHER, moved)
    assert around.registry.of(subnet_of(NODES[0].address)) == []
    around.homes(NODES[0].address, moved)
    around.registry.look(now=1.0)
    assert around.registry.of(subnet_of(NODES[0].address)) == [moved]


def test_a_record_that_is_not_handed_over_again_is_forgotten() -> None:
    around = Surroundings()
    around.take(OTHER, record(NODES[0], OTHER))
    around.registry.look(now=KEPT_S - 1)
    assert len(around.held()) == 1
    around.registry.look(now=KEPT_S + SWEEP_S)
    assert (around.held(), around.registry.of(subnet_of(NODES[0].address))) == ({}, [])


def test_who_stands_no_longer_keeps_nothing() -> None:
    around = Surroundings()
    around.registry.look(now=1.0)
    around.take(OTHER, record(NODES[0], OTHER))
    around.is_landmark = False
    around.registry.look(now=2.0)
    around.take(OTHER, record(NODES[1], OTHER))
    assert around.held() == {}


def test_a_landmark_has_a_share_and_none_pushes_out_those_with_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.node.home_registry.HOME_RECORDS_PER_LANDMARK", 3)
    monkeypatch.setattr("mycelium.node.home_registry.HOME_RECORDS", 4)
    around = Surroundings()
    around.take(OTHER, *(record(node, OTHER) for node in NODES[:4]))
    assert list(around.held()) == [node.address for node in NODES[:3]]
    around.take(THIRD, *(record(node, THIRD) for node in NODES[4:8]))
    landmarks = [held.landmark for held in around.registry.held.values()]
    assert (landmarks.count(OTHER), landmarks.count(THIRD)) == (2, 2)
    assert list(around.held()) == [NODES[number].address for number in (1, 2, 4, 5)], "the oldest gives way"


def test_a_landmark_that_hands_over_records_in_vain_without_end_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mycelium.node.home_registry.HOME_RECORDS_UNKEPT", 3)
    around = Surroundings()
    around.take(OTHER, *(record(node, THIRD) for node in NODES[:3]))
    assert around.excesses.take() == []
    around.take(OTHER, record(NODES[3], THIRD))
    assert around.excesses.take() == [(OTHER, HOMES)]


def test_records_go_in_items_that_have_room_for_them() -> None:
    records = [record(node, OWN) for node in NODES[:5]]
    parts = list(portions(records, 2 * HOME_RECORD_BYTES + 7))
    assert [len(part) // HOME_RECORD_BYTES for part in parts] == [2, 2, 1]
    assert [one for part in parts for one in decode_records(part)] == records
