"""Lookups among landmarks that lie or say nothing, and floods of lookups: one directory alone, which a test answers."""

import itertools
from typing import Any

import pytest
from msgspec.structs import replace

from mycelium.identity import Identity, subnet_of
from mycelium.limits import (
    HOME_RECORDS_PER_LANDMARK,
    HOMES_KNOWN,
    LOOKUPS_ANSWERED,
    LOOKUPS_PER_SECOND,
    LOOKUPS_SPACED,
    LOOKUPS_WAITING,
    PINS_PER_NEIGHBOUR,
)
from mycelium.limits import LANDMARKS as LANDMARKS_KEPT
from mycelium.node import home_registry
from mycelium.node.announcing import announce, is_signed, publish
from mycelium.node.counters import DirectoryCounters
from mycelium.node.directory import (
    AGAIN_CEILING_S,
    AGAIN_S,
    CHECK_S,
    FRESH_S,
    SETTLED_S,
    Directory,
    Home,
)
from mycelium.node.home_registry import replicas_of
from mycelium.node.query import ASKED_AT_ONCE, ROUNDS_AGAIN
from mycelium.node.settings import NodeSettings
from mycelium.routing.destination import Destination
from mycelium.routing.excess import LOOKUPS, Excesses
from mycelium.routing.pins import OWN as OF_ITSELF
from mycelium.routing.pins import Pins
from mycelium.routing.resolution import PENDING
from mycelium.routing.scope import Scope
from mycelium.routing.table import RouteTable
from mycelium.wire.announcement import LANDMARK
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.home_record import NOWHERE, HomeRecord
from mycelium.wire.lookup import decode_answer, decode_lookup, encode_answer, encode_lookup
from mycelium.wire.train import ANSWER, LOOKUP
from tests.node.test_home_registry import Surroundings

SETTINGS = NodeSettings(suites=SUITE_CHACHA20_POLY1305)
LANDMARKS = [bytes((4, name)) + bytes(14) for name in range(1, 31)]
OWN, FAR, OTHER = (Identity(bytes((name,)) * 32) for name in (1, 2, 3))
HOME, NEW_HOME = LANDMARKS[20], LANDMARKS[25]
REPLICAS = replicas_of(subnet_of(FAR.address), LANDMARKS)


def record(node: Identity, home: bytes = HOME, number: int = 1) -> HomeRecord:
    return publish(node, SETTINGS, 1 << 16, number, home, NOWHERE)


class Bench:
    """A directory with landmarks around it; `asked` are those with a lookup that was not taken yet, and its body."""

    def __init__(self) -> None:
        self.node = OWN.address
        self.is_landmark = False
        self.home: bytes | None = None
        self.record: HomeRecord | None = None
        self.avoided = 0
        self.known: dict[bytes, list[HomeRecord]] = {}  # by /64, to the registry
        self.landmarks = self.forwarding = self
        self.next_hop = {landmark: landmark for landmark in LANDMARKS}
        self.sent: list[tuple[bytes, int, bytes]] = []
        self.due_at = 0.0
        self.nonces = 0
        self.counters = DirectoryCounters()
        self.excesses = Excesses()
        itself: Any = self
        self.directory = Directory(
            itself,
            itself,
            verify=is_signed,
            network_id=bytes(8),
            entropy=self._entropy,
            send=itself.send,
            arm=self._arm,
            counters=self.counters,
            now=0.0,
        )

    def reached(self) -> Any:
        return ((1_000 * rank, landmark) for rank, landmark in enumerate(LANDMARKS))

    def avoid(self, *, now: float) -> None:
        self.avoided += 1

    def of(self, subnet: bytes) -> list[HomeRecord]:
        return self.known.get(subnet, [])

    def resolve(self, node: bytes) -> None:
        return None

    def owner_of(self, address: bytes) -> None:
        return None

    def send(
        self, node: bytes, kind: int, index: int, counter: int, body: bytes, *, home: bytes = b"", now: float
    ) -> bool:
        self.sent.append((node, kind, body))
        return True

    def _entropy(self, size: int) -> bytes:
        self.nonces += 1
        return self.nonces.to_bytes(size, "big")

    def _arm(self, when: float) -> None:
        self.due_at = when

    def asked(self) -> list[bytes]:
        """Returns the landmarks that were asked since the last call."""
        found = [node for node, kind, _ in self.sent if kind == LOOKUP]
        self.sent.clear()
        return found

    def pass_time(self) -> None:
        """Lets the landmarks asked last stay silent."""
        self.directory.handle_timeout(now=self.due_at)

    def answer(self, landmark: bytes, *records: HomeRecord, nonce: int = 1, now: float = 0.0) -> None:
        body = memoryview(encode_answer(nonce.to_bytes(8, "big"), records))
        self.directory.take_answer(landmark, body, neighbour=b"", home=b"", now=now)

    def look_up(self, *, now: float = 0.0) -> object:
        return self.directory.resolve(FAR.address, now=now)


def test_silent_replicas_do_not_hide_a_node_from_those_who_ask_all() -> None:
    bench = Bench()
    assert bench.look_up() is PENDING
    asked = bench.asked()
    for _ in range(2):
        bench.pass_time()
        asked += bench.asked()
    assert sorted(asked) == sorted(REPLICAS)
    bench.pass_time()
    while HOME not in (batch := bench.asked()):
        assert len(batch) == ASKED_AT_ONCE
        bench.pass_time()
    bench.answer(HOME, record(FAR), now=bench.due_at)
    assert bench.look_up(now=bench.due_at) == Home(FAR.address, record(FAR))


def test_replicas_that_deny_a_node_only_hasten_the_question_to_all() -> None:
    bench = Bench()
    bench.look_up()
    for _ in range(3):
        (landmark,) = bench.asked()
        bench.answer(landmark)
    assert len(bench.asked()) == ASKED_AT_ONCE


def test_lies_about_a_node_are_no_answer() -> None:
    bench = Bench()
    bench.look_up()
    (landmark,) = bench.asked()
    forged = HomeRecord(FAR.signing_public_key, 1 << 16, 9, bytes(8), landmark)
    bench.answer(landmark, record(OTHER), forged, record(FAR), nonce=2)  # a guessed nonce
    bench.answer(HOME, record(FAR))  # was not asked
    bench.answer(landmark, record(OTHER), forged)
    bench.answer(landmark, record(FAR))  # has answered already
    assert bench.look_up() is PENDING
    assert bench.counters.answers_refused == 5
    assert bench.directory.home_of(OTHER.address) is None


def test_an_old_record_holds_until_nobody_answers_behind_it() -> None:
    bench = Bench()
    bench.look_up()
    (liar,) = bench.asked()
    bench.answer(liar, record(FAR, HOME, 1))
    assert bench.look_up() == Home(FAR.address, record(FAR, HOME, 1))
    bench.directory.doubt(FAR.address)
    assert bench.look_up(now=AGAIN_S) is PENDING
    bench.answer(bench.asked()[0], record(FAR, HOME, 1), nonce=2)
    while NEW_HOME not in bench.asked():
        bench.pass_time()
    bench.answer(NEW_HOME, record(FAR, NEW_HOME, 2), nonce=2)
    assert bench.look_up() == Home(FAR.address, record(FAR, NEW_HOME, 2))


def test_a_record_is_in_doubt_where_its_node_seems_to_name_another_home() -> None:
    bench = Bench()
    bench.look_up()
    bench.answer(bench.asked()[0], record(FAR))
    bench.directory.told(FAR.address, HOME)
    assert bench.look_up() == Home(FAR.address, record(FAR))
    bench.directory.told(FAR.address, NEW_HOME)
    assert bench.look_up(now=AGAIN_S) is PENDING


def find(bench: Bench, number: int = 1, *, nonce: int = 1, now: float = 0.0) -> None:
    """Has the lookup under way find a record, by the word of its home."""
    while HOME not in bench.directory._by_nonce[nonce.to_bytes(8, "big")].unanswered:
        bench.pass_time()
    bench.answer(HOME, record(FAR, HOME, number), nonce=nonce, now=now)
    bench.asked()


def test_a_node_that_is_known_is_looked_up_again_ever_more_seldom_until_there_is_a_newer_record() -> None:
    bench = Bench()
    bench.look_up()
    find(bench)
    began: list[float] = []
    for tenth in range(600):
        now = tenth / 10
        bench.directory.renew(FAR.address, now=now)
        if bench.directory.lookups:
            began.append(now)
            find(bench, nonce=bench.nonces, now=now)
    waits = [later - earlier for earlier, later in itertools.pairwise([0.0, *began])]
    assert waits == pytest.approx([AGAIN_S, 1.0, 2.0, 4.0, 8.0, *[AGAIN_CEILING_S] * (len(waits) - 5)])
    bench.directory.renew(FAR.address, now=70.0)
    find(bench, 2, nonce=bench.nonces, now=70.0)
    bench.directory.renew(FAR.address, now=70.0 + AGAIN_S)
    assert bench.directory.lookups == 1, "it has moved"


def test_a_node_that_always_has_a_newer_record_is_looked_up_no_more_often_than_others_at_first() -> None:
    bench = Bench()
    for tenth in range(100):
        now = tenth / 10
        bench.directory.renew(FAR.address, now=now)
        if bench.directory.lookups:
            find(bench, bench.nonces, nonce=bench.nonces, now=now)
    assert bench.counters.lookups == 10.0 / AGAIN_S


def test_after_a_while_a_node_is_looked_up_again_as_soon_as_ever() -> None:
    bench = Bench()
    bench.look_up()
    find(bench)
    for now in (AGAIN_S, 3 * AGAIN_S, 100.0, 100.0 + AGAIN_S):
        bench.directory.renew(FAR.address, now=now)
        assert bench.directory.lookups == 1, now
        find(bench, nonce=bench.nonces, now=now)


def test_a_partner_that_was_never_looked_up_is_when_it_seems_lost_and_one_with_a_route_is_not() -> None:
    bench = Bench()
    bench.directory.renew(FAR.address, now=0.0)
    assert bench.directory.lookups == 1
    bench.next_hop[OTHER.address] = LANDMARKS[0]
    bench.directory.renew(OTHER.address, now=0.0)
    assert bench.directory.lookups == 1


def test_a_record_without_a_route_to_a_home_is_looked_up_thoroughly_and_not_on_and_on() -> None:
    bench = Bench()
    bench.look_up()
    find(bench)
    del bench.next_hop[HOME]
    packet = memoryview(b"\x60" + bytes(39))
    assert bench.directory.enqueue(FAR.address, packet, 0, 0, now=1.0)
    bench.answer(bench.asked()[0], record(FAR), nonce=2, now=1.0)
    assert bench.directory.lookups == 1, "the same again is no answer"
    for _ in LANDMARKS:
        for landmark in bench.asked():
            bench.answer(landmark, record(FAR), nonce=2, now=1.0)
    assert (bench.directory.lookups, len(bench.directory.found)) == (0, 1)
    assert not bench.directory.enqueue(FAR.address, packet, 0, 0, now=1.0), "it is as it was a moment ago"


def test_what_no_landmark_knows_any_more_is_forgotten_but_silence_has_nothing_forgotten() -> None:
    bench = Bench()
    bench.look_up()
    find(bench)
    bench.directory.renew(FAR.address, now=AGAIN_S)
    while bench.directory.lookups:
        bench.pass_time()
    assert bench.directory.known(FAR.address) == record(FAR)
    assert bench.directory.key_of(FAR.address, now=0.0) == record(FAR), "its key is what it was"
    bench.asked()
    now = AGAIN_CEILING_S + bench.due_at
    bench.directory.renew(FAR.address, now=now)
    for _ in LANDMARKS:
        for landmark in bench.asked():
            bench.answer(landmark, nonce=bench.nonces, now=now)
    assert bench.directory.known(FAR.address) is None


def test_an_aged_record_is_looked_up_by_a_single_word() -> None:
    bench = Bench()
    bench.look_up()
    find(bench)
    assert bench.look_up(now=FRESH_S) is PENDING
    bench.answer(bench.asked()[0], record(FAR), nonce=2, now=FRESH_S)
    assert bench.look_up(now=FRESH_S) == Home(FAR.address, record(FAR))


def test_a_landmark_that_has_got_a_newer_record_itself_asks_nobody() -> None:
    bench = Bench()
    bench.known[subnet_of(FAR.address)] = [record(FAR)]
    bench.look_up()
    bench.known[subnet_of(FAR.address)] = [record(FAR, NEW_HOME, 2)]
    bench.directory.renew(FAR.address, now=0.0)
    assert bench.look_up() == Home(FAR.address, record(FAR, NEW_HOME, 2))
    assert bench.asked() == []


def test_a_landmark_trusts_a_record_that_it_keeps_until_nobody_answers_behind_it() -> None:
    bench = Bench()
    bench.known[subnet_of(FAR.address)] = [record(FAR)]
    assert bench.look_up() == Home(FAR.address, record(FAR))
    assert bench.asked() == []
    bench.directory.doubt(FAR.address)
    assert bench.look_up() is PENDING
    assert len(bench.asked()) == 1


def test_what_nobody_knows_is_not_looked_up_again_at_once() -> None:
    bench = Bench()
    packet = memoryview(b"\x60" + bytes(39))
    assert bench.directory.enqueue(FAR.address, packet, 0, 0, now=0.0)
    while bench.directory.lookups:
        bench.pass_time()
    assert [one.data for one in bench.directory.failed] == [packet]
    assert sorted(bench.asked()) == sorted([*LANDMARKS] * (1 + ROUNDS_AGAIN))  # silent ones are asked again
    began: list[float] = []
    for tenth in range(int(bench.due_at * 10) + 1, 600):
        now = tenth / 10
        if bench.look_up(now=now) is None:
            continue
        began.append(now)
        while bench.directory.lookups:
            for landmark in bench.asked():
                bench.answer(landmark, nonce=bench.nonces, now=now)
    waits = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert waits == pytest.approx([AGAIN_S, 1.0, 2.0, 4.0, 8.0, *[AGAIN_CEILING_S] * (len(waits) - 5)])


def test_addresses_that_are_looked_up_in_vain_are_remembered_in_bounds() -> None:
    bench = Bench()
    for number in range(2 * LOOKUPS_SPACED):
        bench.directory.resolve(bytes((5,)) + number.to_bytes(7, "big") + bytes(8), now=0.0)
    assert len(bench.directory._spacing) == LOOKUPS_SPACED


def test_a_scan_of_addresses_starts_a_bounded_number_of_lookups() -> None:
    bench = Bench()
    for number in range(4 * LOOKUPS_WAITING):
        bench.directory.resolve(bytes((5,)) + number.to_bytes(7, "big") + bytes(8), now=0.0)
    assert bench.directory.lookups == LOOKUPS_PER_SECOND
    for second in range(1, 20):
        for number in range(LOOKUPS_PER_SECOND):
            subnet = bytes((5, second)) + number.to_bytes(6, "big")
            bench.directory.resolve(subnet + bytes(8), now=float(second))
    assert bench.directory.lookups == LOOKUPS_WAITING
    assert bench.counters.lookups_refused > 0


def test_a_landmark_answers_a_flood_in_part_and_another_neighbour_still() -> None:
    bench = Bench()
    bench.is_landmark = True
    bench.known[subnet_of(FAR.address)] = [record(FAR)]
    body = memoryview(encode_lookup(subnet_of(FAR.address), bytes(8)))
    for _ in range(2 * int(LOOKUPS_ANSWERED.at_once)):
        bench.directory.take_lookup(OTHER.address, body, neighbour=b"flood", home=HOME, now=0.0)
    answered = bench.counters.lookups_answered
    assert answered <= LOOKUPS_ANSWERED.at_once
    assert bench.excesses.take() == [(b"flood", LOOKUPS)]
    bench.directory.take_lookup(OTHER.address, body, neighbour=b"quiet", home=HOME, now=0.0)
    assert bench.counters.lookups_answered == answered + 1
    node, kind, answer = bench.sent[-1]
    assert (node, kind, len(answer) <= len(body)) == (OTHER.address, ANSWER, True)
    assert decode_answer(answer) == (bytes(8), [record(FAR)])


def test_a_home_that_keeps_the_record_of_a_node_to_itself_is_left() -> None:
    bench = Bench()
    bench.home, bench.record = HOME, record(OWN)
    bench.directory.look(now=0.0)
    bench.directory.look(now=SETTLED_S - 1)
    assert bench.asked() == []
    bench.directory.look(now=SETTLED_S)
    while bench.directory.lookups:
        assert decode_lookup(bench.sent[-1][2])[0] == subnet_of(OWN.address)
        bench.pass_time()
    assert (bench.avoided, bench.counters.homes_left) == (1, 1)
    replicas = replicas_of(subnet_of(OWN.address), LANDMARKS)
    assert sorted(bench.asked()) == sorted(replicas * (1 + ROUNDS_AGAIN))  # silent ones are asked again


def test_a_home_that_hands_the_record_over_is_kept() -> None:
    bench = Bench()
    bench.home, bench.record = HOME, record(OWN)
    bench.directory.look(now=0.0)
    for now in (SETTLED_S, SETTLED_S + CHECK_S):
        bench.directory.look(now=now)
        (landmark,) = bench.asked()
        bench.answer(landmark, record(OWN), nonce=bench.nonces, now=now)
    assert (bench.avoided, bench.directory.lookups) == (0, 0)


MANY = 100_000


def made_up(number: int) -> bytes:
    """Returns the address of a node that nobody runs."""
    return bytes((5,)) + number.to_bytes(15, "little")


def test_a_hundred_thousand_pinned_nodes_fill_the_share_of_one_neighbour() -> None:
    pins = Pins()
    taken = sum(pins.pin(made_up(number), HOME, 1) for number in range(MANY))
    assert taken == PINS_PER_NEIGHBOUR == len(pins)
    assert pins.pin(FAR.address, HOME, 2), "another neighbour's are taken still"
    assert pins.pin(OWN.address, HOME, OF_ITSELF)


def test_a_hundred_thousand_landmarks_push_out_none_that_is_known() -> None:
    table = RouteTable(OWN.address, announce(OWN, SETTINGS, 1 << 16), now=0.0)
    scope = Scope(table, 64, keeps=lambda _: False)
    announcement = announce(FAR, SETTINGS, 1 << 16, LANDMARK)
    for number in range(MANY):
        scope.learned(Destination(made_up(number), announcement, 0, 0.0, []))
    assert list(scope.landmarks) == [made_up(number) for number in range(LANDMARKS_KEPT)]


def test_a_hundred_thousand_records_of_one_landmark_fill_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home_registry, "address_of_signing_key", lambda key: made_up(int.from_bytes(key, "little")))
    around = Surroundings()
    around.registry._verify = lambda record: True
    liar, honest = around.known[1:3]
    records = [
        HomeRecord(number.to_bytes(32, "little"), 1 << 16, 1, bytes(8), liar, NOWHERE, bytes(64))
        for number in range(MANY)
    ]
    for second, first in enumerate(range(0, MANY, 1_000)):
        around.take(liar, *records[first : first + 1_000], now=float(second))
    assert len(around.registry.held) == len(around.registry._nodes) <= HOME_RECORDS_PER_LANDMARK
    around.take(honest, replace(records[-1], home=honest), now=MANY)
    assert around.registry.held[made_up(MANY - 1)].landmark == honest


def test_a_hundred_thousand_nodes_that_are_looked_up_are_kept_in_bounds() -> None:
    directory, its = Bench().directory, record(FAR)
    for number in range(MANY):
        directory._store(made_up(number), its, now=0.0)
        directory.doubt(made_up(number))
    assert len(directory) == len(directory._node_at) == len(directory._fresh_until) == HOMES_KNOWN
    assert len(directory._doubted) <= HOMES_KNOWN
