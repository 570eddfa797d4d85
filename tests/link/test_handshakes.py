"""How two nodes come to share a link: dialling, answering, losing messages, and refusing those who don't belong."""

from itertools import pairwise
from math import inf

import pytest
from msgspec.structs import replace

from mycelium.crypto.cookies import Admission, HandshakeGate
from mycelium.endpoint import Endpoint
from mycelium.limits import HALF_OPEN_HANDSHAKES, HANDSHAKES_PER_SECOND, HANDSHAKES_REMEMBERED
from mycelium.link.causes import NO_ANSWER, UNAUTHENTIC
from mycelium.link.handshake_attempts import RESPONDER_PATIENCE_S, TIMELY_COPIES
from mycelium.link.handshakes import CALM, INITIATOR_PATIENCE_S, REPLIES_PER_HANDSHAKE, RETRANSMIT_CEILING_S
from mycelium.link.keypair import MESSAGE_3_AGAIN_S
from mycelium.node.event_kind import EventKind
from mycelium.outbox import IndicesChanged
from mycelium.wire.datagram import (
    COOKIE,
    COOKIE_DATAGRAM,
    HANDSHAKE_1,
    HANDSHAKE_1_BYTES,
    HANDSHAKE_2,
    HANDSHAKE_2_HEAD,
    HANDSHAKE_3,
)
from sim.net.network import PORT, url_of
from sim.net.node_net import NodeNet
from tests.link.support import HERE, OWN, PEER, HandshakeEnd, exchange
from tests.support.small_meshes import counter, deliver, is_up, link_of, reaches

# -- without a node ----------------------------------------------------------------------------------------------------


def kinds(end: HandshakeEnd) -> list[int]:
    """Returns the types of the datagrams that an end has sent since the last call."""
    return [data[0] for _, data in end.take_datagrams()]


def test_a_handshake_gives_both_ends_keys_under_each_others_indices() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    index = ours.handshakes.begin(HERE, pin=PEER.exchange_public_key, now=0.0)
    [[mine], [yours]] = exchange(ours, theirs)
    assert mine.keys.local_index == yours.keys.remote_index == index
    assert mine.keys.remote_index == yours.keys.local_index
    assert (mine.keys.peer_address, yours.keys.peer_address) == (PEER.address, OWN.address)
    assert mine.message_3 is not None
    assert yours.message_3 is None
    assert not any(
        end.handshakes.holds(completed.keys.local_index) for end, completed in ((ours, mine), (theirs, yours))
    )


def test_a_first_message_is_sent_again_with_growing_waits_until_it_is_given_up() -> None:
    end = HandshakeEnd(OWN)
    index = end.handshakes.begin(HERE, pin=None, now=0.0)
    sent: list[float] = []
    while end.handshakes.holds(index):
        now = end.handshakes.next_deadline() if sent else 0.0
        end.handshakes.handle_timeout(now=now)
        sent += [now] * kinds(end).count(HANDSHAKE_1)
    gaps = [after - before for before, after in pairwise(sent)]
    assert all(0.9 * 0.25 <= gap <= 1.1 * 0.25 for gap in gaps[:1])
    assert all(0.9 * RETRANSMIT_CEILING_S <= gap <= 1.1 * RETRANSMIT_CEILING_S for gap in gaps[2:])
    assert len(set(gaps)) == len(gaps)
    assert now == INITIATOR_PATIENCE_S
    assert end.handshakes.take_failed() == [(index, NO_ANSWER)]
    assert end.handshakes.take_failed() == []
    assert end.handshakes.counters.handshakes_given_up == 1
    assert end.handshakes.next_deadline() == inf


def test_an_abandoned_handshake_takes_no_answer_and_is_not_given_up() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.abandon(ours.handshakes.begin(HERE, pin=None, now=0.0))
    assert exchange(ours, theirs) == ([], [])
    ours.handshakes.handle_timeout(now=2 * INITIATOR_PATIENCE_S)
    assert ours.handshakes.take_failed() == []
    counters = ours.handshakes.counters
    assert (counters.handshakes_repeated, counters.handshakes_refused) == (1, 0)


def test_a_cookie_and_a_message_3_that_come_when_their_handshake_is_over_look_like_no_fault() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    index = ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    theirs.receive(message_1)
    [(_, message_2)] = theirs.take_datagrams()
    ours.receive(message_2)
    [(_, message_3)] = ours.take_datagrams()
    cookie = COOKIE_DATAGRAM.pack(COOKIE, index, bytes(4), bytes(32), bytes(8))
    assert ours.receive(memoryview(cookie)) is None
    theirs.handshakes.handle_timeout(now=RESPONDER_PATIENCE_S)
    assert theirs.receive(message_3) is None
    for end in (ours, theirs):
        counters = end.handshakes.counters
        assert (counters.handshakes_repeated, counters.handshakes_refused) == (1, 0)


def test_a_repeated_first_message_draws_a_bounded_number_of_copies_of_the_second() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    answers: list[bytes] = []
    for _ in range(20):
        theirs.receive(message_1)
        answers += [bytes(data) for _, data in theirs.take_datagrams() if data[0] == HANDSHAKE_2]
    assert len(answers) == REPLIES_PER_HANDSHAKE
    assert len(set(answers)) == 1
    theirs.receive(message_1, source=HERE._replace(host="192.0.2.9"))
    assert kinds(theirs) == []


def test_garbage_of_every_kind_and_length_is_dropped_and_counted() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    for kind in (HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3, COOKIE):
        for length in (9, 72, 1_212, 1_232):
            for end in (ours, theirs):
                assert end.receive(memoryview(bytes((kind,)) + bytes(length - 1))) is None
                assert kinds(end) == []
    assert [end.handshakes.counters.handshakes_refused for end in (ours, theirs)] == [3 * 4] * 2
    theirs.receive(message_1)
    [(_, message_2)] = theirs.take_datagrams()
    assert ours.receive(message_2) is not None


def test_of_several_handshakes_the_one_that_is_due_first_decides_when_to_be_called() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    for now in (1.0, 2.0):
        theirs.handshakes.begin(HERE, pin=None, now=now)
        [(_, message_1)] = theirs.take_datagrams()
        ours.receive(message_1, now=now)
    assert ours.handshakes.next_deadline() == 1.0 + RESPONDER_PATIENCE_S
    for now in (3.0, 4.0):
        ours.handshakes.begin(HERE, pin=None, now=now)
    assert 3.0 < ours.handshakes.next_deadline() < 3.5


def test_a_handshake_may_be_given_up_before_its_first_message_is_due_again() -> None:
    end = HandshakeEnd(OWN)
    end.handshakes.begin(HERE, pin=None, pace=replace(CALM, patience_s=0.1), now=0.0)
    assert end.handshakes.next_deadline() == 0.1


def test_messages_are_no_bulk_data_and_of_no_traffic_class() -> None:
    end = HandshakeEnd(OWN)
    end.handshakes.begin(HERE, pin=None, now=0.0)
    [(endpoint, buffers, size, is_bulk, traffic_class)] = end.outbox.transmits
    assert (endpoint, len(buffers[0])) == (HERE, HANDSHAKE_1_BYTES)
    assert (size, is_bulk, traffic_class) == (HANDSHAKE_1_BYTES, False, 0)


def copies_of_message_1(end: HandshakeEnd, count: int) -> list[memoryview]:
    """Begins a handshake, and returns the first copies of its first message; the newest is sent at the deadline before."""
    end.handshakes.begin(HERE, pin=None, now=0.0)
    copies: list[memoryview] = []
    while True:
        copies += [data for _, data in end.take_datagrams() if data[0] == HANDSHAKE_1]
        if len(copies) >= count:
            return copies
        end.handshakes.handle_timeout(now=end.handshakes.next_deadline())


def test_the_first_copies_of_a_first_message_name_the_time_of_day_and_the_others_ask_for_a_cookie() -> None:
    copies = copies_of_message_1(HandshakeEnd(OWN), TIMELY_COPIES + 2)
    assert len(set(map(bytes, copies[:TIMELY_COPIES]))) == len(set(map(bytes, copies[TIMELY_COPIES:]))) == 1
    assert copies[0] != copies[-1]


@pytest.mark.parametrize(("wrong_by_s", "answers"), [(0.0, [HANDSHAKE_2, HANDSHAKE_2]), (1_000.0, [COOKIE])])
def test_who_does_not_know_the_time_of_day_has_to_bring_a_cookie(wrong_by_s: float, answers: list[int]) -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    ours.handshakes.set_clock(2e9 + wrong_by_s, now=0.0)
    theirs.handshakes.set_clock(2e9, now=50_000.0)
    copies = copies_of_message_1(ours, TIMELY_COPIES + 1)
    for message_1 in (copies[0], copies[-1]):
        theirs.receive(message_1, now=50_000.0)
    assert kinds(theirs) == answers


def test_two_first_messages_are_answered_each_by_its_own() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    indices = [ours.handshakes.begin(HERE, pin=None, now=0.0) for _ in range(2)]
    for _, message_1 in ours.take_datagrams():
        theirs.receive(message_1)
    answered = [HANDSHAKE_2_HEAD.unpack_from(message_2)[-1] for _, message_2 in theirs.take_datagrams()]
    assert answered == indices


def test_a_paused_end_answers_nothing_and_counts_what_has_come() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    theirs.handshakes.is_paused = True
    for message_1 in copies_of_message_1(ours, 2):
        theirs.receive(message_1)
    assert kinds(theirs) == []
    assert theirs.handshakes.counters.handshakes_refused == 2


def test_handshakes_under_way_are_told_by_their_indices_as_they_come_and_go() -> None:
    end = HandshakeEnd(OWN)
    index = end.handshakes.begin(HERE, pin=None, now=0.0)
    assert (list(end.handshakes.own_indices), end.outbox.events) == ([index], [IndicesChanged()])
    end.outbox.clear()
    end.handshakes.abandon(index)
    assert (list(end.handshakes.own_indices), end.outbox.events) == ([], [IndicesChanged()])


def test_all_handshakes_are_dropped_at_once_those_that_this_end_began_as_failed() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    index = ours.handshakes.begin(HERE, pin=None, now=0.0)
    [(_, message_1)] = ours.take_datagrams()
    theirs.receive(message_1)
    [(_, message_2)] = theirs.take_datagrams()
    assert not ours.handshakes.has_failed
    for end in (ours, theirs):
        end.handshakes.drop_all("copied")
    assert ours.handshakes.has_failed
    assert ours.handshakes.take_failed() == [(index, "copied")]
    assert not theirs.handshakes.has_failed
    assert ours.receive(message_2) is None
    assert [end.handshakes.next_deadline() for end in (ours, theirs)] == [inf, inf]


# -- between nodes -----------------------------------------------------------------------------------------------------


def pair(
    *,
    pin: bytes | None = None,
    psks: tuple[bytes, bytes] = (bytes(32), bytes(32)),
    network_ids: tuple[bytes, bytes] = (bytes(8), bytes(8)),
) -> NodeNet:
    """Returns a and b, of which a dials."""
    net = NodeNet()
    net.add("a", psk=psks[0], network_id=network_ids[0])
    net.add("b", psk=psks[1], network_id=network_ids[1])
    net.join("a", "b", pin=pin)
    return net


def lose_first(net: NodeNet, kind: int, count: int = 1) -> None:
    """Loses the first datagrams of a kind."""
    left = [count]

    def drop(sender: str, receiver: str, data: bytes) -> bool:
        if data[0] != kind or not left[0]:
            return False
        left[0] -= 1
        return True

    net.drop = drop


def test_a_link_takes_a_round_trip_and_a_half_to_form() -> None:
    net = pair()
    assert net.run(1, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a")) < 0.035
    assert is_up(net, "a", "b")


@pytest.mark.parametrize("kind", [HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3])
def test_a_lost_message_is_sent_again_within_half_a_second(kind: int) -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    lose_first(net, kind)
    net.join("a", "b")
    assert 0.2 < net.run(1, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a")) < 0.5
    deliver(net, "a", "b")


def test_a_simultaneous_open_leaves_one_link_and_no_repetition() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    net.add_peer("a", url_of("b"))
    net.add_peer("b", url_of("a"))
    net.run(1, until=lambda: reaches(net, "a", "b") and reaches(net, "b", "a"))
    net.run(20)
    ours, theirs = link_of(net, "a", "b"), link_of(net, "b", "a")
    assert ours.keypairs.sending.remote_index == theirs.keypairs.sending.local_index
    assert ours.keypairs.sending.local_index == theirs.keypairs.sending.remote_index
    net.capture = []
    net.run(10)
    assert [data for _, _, data in net.capture if data[0] in (HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3)] == []
    deliver(net, "a", "b")
    deliver(net, "b", "a")


def test_the_lower_key_carries_what_a_simultaneous_open_left() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.connect("a", "b")
    net.add_peer("a", url_of("b"))
    net.add_peer("b", url_of("a"))
    net.run(1)
    lower = min(net.hosts.values(), key=lambda host: host.identity.exchange_public_key)
    for name, neighbour in (("a", "b"), ("b", "a")):
        assert link_of(net, name, neighbour).keypairs.sending.is_initiator is (net.hosts[name] is lower)


def test_the_right_pin_lets_the_neighbour_in() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b", pin=net.hosts["b"].identity.exchange_public_key)
    net.run(1, until=lambda: is_up(net, "a", "b"))


def test_a_wrong_pin_ends_before_message_3_and_before_our_name_is_told() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.capture = []
    net.join("a", "b", pin=bytes(range(32)))
    net.run(20)
    assert HANDSHAKE_2 in {data[0] for _, _, data in net.capture}
    assert HANDSHAKE_3 not in {data[0] for _, _, data in net.capture}
    assert not net.hosts["a"].node.links
    assert not net.hosts["b"].node.links
    assert counter(net, "a", "handshakes_refused") > 0


def test_a_node_is_silent_to_who_has_another_network_key() -> None:
    net = pair(psks=(b"p" * 32, b"q" * 32))
    net.capture = []
    net.run(20)
    assert {sender for sender, _, _ in net.capture} == {"a"}
    assert not net.hosts["a"].node.links
    assert not net.hosts["b"].node.links
    assert counter(net, "b", "handshakes_without_mac") > 0


@pytest.mark.parametrize("psk", [bytes(32), b"p" * 32], ids=["no key", "one key"])
@pytest.mark.parametrize("network_ids", [(b"network1", b"network2"), (b"network1", bytes(8)), (bytes(8), b"network1")])
def test_nodes_of_networks_with_different_names_get_no_link(psk: bytes, network_ids: tuple[bytes, bytes]) -> None:
    net = pair(psks=(psk, psk), network_ids=network_ids)
    net.capture = []
    net.run(20)
    assert HANDSHAKE_3 not in {data[0] for _, _, data in net.capture}
    assert not net.hosts["a"].node.links
    assert not net.hosts["b"].node.links
    [cause] = {entry.cause for entry in net.hosts["a"].node.journal.after(0) if entry.kind is EventKind.PEER_FAILED}
    assert cause == UNAUTHENTIC
    assert "another network name" in cause


def test_a_common_network_key_and_name_let_the_neighbour_in() -> None:
    net = pair(psks=(b"p" * 32, b"p" * 32), network_ids=(b"network1", b"network1"))
    net.run(1, until=lambda: is_up(net, "a", "b"))


def test_a_node_that_dials_itself_gets_no_link() -> None:
    net = NodeNet()
    net.add("a")
    net.join("a", "a")
    net.run(20)
    assert not net.hosts["a"].node.links
    assert counter(net, "a", "handshakes_refused") > 0


def test_a_replayed_message_1_draws_no_answer() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.capture = []
    net.join("a", "b")
    net.run(1)
    message_1 = next(data for _, _, data in net.capture if data[0] == HANDSHAKE_1)
    net.capture = []
    for source in ("a", "elsewhere"):
        net.inject("b", Endpoint("udp", source, PORT), message_1)
    assert net.capture == []
    assert counter(net, "b", "handshakes_replayed") == 2


def test_message_2_again_and_message_3_again_are_counted_apart_and_change_nothing() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.capture = []
    net.join("a", "b")
    net.run(1)
    for sender, receiver, data in net.capture:
        if data[0] in (HANDSHAKE_2, HANDSHAKE_3):
            net.inject(receiver, net.hosts[sender].endpoint, data)
    for name in "ab":
        assert (counter(net, name, "handshakes_repeated"), counter(net, name, "handshakes_refused")) == (1, 0)
    deliver(net, "a", "b")


def test_a_long_way_that_has_messages_sent_again_looks_like_no_fault() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.join("a", "b", 0.3)
    net.run(10, until=lambda: is_up(net, "a", "b"))
    net.run(3)
    assert counter(net, "a", "handshakes_repeated") > 0
    assert [counter(net, name, "handshakes_refused") for name in "ab"] == [0, 0]


def test_complete_handshakes_that_are_remembered_are_bounded() -> None:
    ours, theirs = HandshakeEnd(OWN), HandshakeEnd(PEER)
    for _ in range(2 * HANDSHAKES_REMEMBERED):
        ours.handshakes.begin(HERE, pin=None, now=0.0)
        exchange(ours, theirs)
    assert len(ours.handshakes._over) == len(theirs.handshakes._over) == HANDSHAKES_REMEMBERED


def hold_back(net: NodeNet, kind: int) -> list[bytes]:
    """Runs until a datagram of this kind is sent; none of them arrive from then on, until `net.drop` is set anew."""
    held: list[bytes] = []

    def hold(sender: str, receiver: str, data: bytes) -> bool:
        held.extend([data] if data[0] == kind else [])
        return data[0] == kind

    net.drop = hold
    net.run(1, until=lambda: bool(held))
    return held


def test_message_3_from_another_address_than_message_1_is_refused() -> None:
    net = pair()
    held = hold_back(net, HANDSHAKE_3)
    net.inject("b", Endpoint("udp", "victim", PORT), held[0])
    assert not net.hosts["b"].node.links
    net.drop = lambda sender, receiver, data: False
    net.run(1, until=lambda: is_up(net, "a", "b"))
    assert [path.endpoint.host for path in link_of(net, "b", "a").paths] == ["a"]


def test_message_2_from_another_address_than_was_asked_is_refused() -> None:
    net = pair()
    held = hold_back(net, HANDSHAKE_2)
    net.inject("a", Endpoint("udp", "victim", PORT), held[0])
    assert not net.hosts["a"].node.links
    net.drop = lambda sender, receiver, data: False
    net.run(1, until=lambda: is_up(net, "a", "b"))


def flood(net: NodeNet, receiver: str, count: int) -> list[bytes]:
    """Has strangers begin handshakes that they never finish; returns their first messages."""
    messages: list[bytes] = []

    def catch(sender: str, destination: str, data: bytes) -> bool:
        messages.extend([data] if sender == "stranger" and data[0] == HANDSHAKE_1 else [])
        return sender == "stranger"

    before, net.drop = net.drop, catch
    if "stranger" not in net.hosts:
        net.add("stranger")
        net.connect("stranger", receiver)
    stranger = net.hosts["stranger"].node.handshakes
    for _ in range(count):
        index = stranger.begin(Endpoint("udp", receiver, PORT), pin=None, now=net.now)
        net.drain("stranger")
        stranger.abandon(index)
    net.drop = before
    for index, message in enumerate(messages):
        net.inject(receiver, Endpoint("udp", f"192.0.2.{index % 250}", PORT), message)
    return messages


def test_under_load_strangers_get_a_cookie_and_who_answers_it_a_link() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    flood(net, "b", HANDSHAKES_PER_SECOND + 5)
    assert counter(net, "b", "handshakes_sent_a_cookie") == 5
    net.capture = []
    net.join("a", "b")
    net.run(1, until=lambda: is_up(net, "a", "b"))
    assert [data[0] for _, _, data in net.capture][:5] == [HANDSHAKE_1, COOKIE, HANDSHAKE_1, HANDSHAKE_2, HANDSHAKE_3]


def test_who_gets_no_answer_is_counted_by_network_and_as_proven_only_after_a_cookie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    net = NodeNet()
    net.add("b")
    handshakes = net.hosts["b"].node.handshakes
    flood(net, "b", HANDSHAKES_PER_SECOND + 5)
    assert sum(handshakes.crowds._counts.values()) == 5
    assert not any(is_proven for _, is_proven in handshakes.crowds._counts)
    monkeypatch.setattr(HandshakeGate, "admit", lambda *_, **__: Admission(False, is_over_budget=True))
    flood(net, "b", 3)
    assert sum(count for (_, is_proven), count in handshakes.crowds._counts.items() if is_proven) == 3


def test_copies_of_what_was_answered_and_handshakes_without_a_mac_make_a_crowd_too() -> None:
    net = NodeNet()
    net.add("b")
    crowds = net.hosts["b"].node.handshakes.crowds
    (message,) = flood(net, "b", 1)
    copies = REPLIES_PER_HANDSHAKE + 7
    for _ in range(copies):
        net.inject("b", Endpoint("udp", "192.0.2.0", PORT), message)
    assert sum(crowds._counts.values()) == copies - REPLIES_PER_HANDSHAKE + 1
    net.inject("b", Endpoint("udp", "198.51.100.1", PORT), message[:-8] + bytes(8))
    assert sum(crowds._counts.values()) == copies - REPLIES_PER_HANDSHAKE + 2
    assert not any(is_proven for _, is_proven in crowds._counts)


def test_half_open_handshakes_are_bounded_and_forgotten() -> None:
    net = NodeNet()
    net.add("b")
    for _ in range(8):
        flood(net, "b", HANDSHAKES_PER_SECOND)
        assert len(net.hosts["b"].node.handshakes._responses) <= HALF_OPEN_HANDSHAKES
        net.run(1)
    assert len(net.hosts["b"].node.handshakes._responses) == HALF_OPEN_HANDSHAKES
    net.run(15)
    assert not net.hosts["b"].node.handshakes._responses
    assert not net.hosts["b"].node.handshakes._response_of


def test_an_initiator_whose_responder_vanished_dials_again_soon() -> None:
    net = pair()
    net.drop = lambda sender, receiver, data: data[0] == HANDSHAKE_3
    net.run(0.1)
    net.restart("b")
    net.drop = lambda sender, receiver, data: False
    assert net.run(20, until=lambda: is_up(net, "a", "b")) < 9


def test_message_3_is_not_repeated_for_ever() -> None:
    net = pair()
    net.drop = lambda sender, receiver, data: data[0] == HANDSHAKE_3
    net.run(0.1)
    net.stop("b")
    net.run(30)
    net.capture = []
    net.run(10 * MESSAGE_3_AGAIN_S)
    assert HANDSHAKE_3 not in {data[0] for _, _, data in net.capture}


def test_a_peer_that_is_not_there_is_dialled_for_good_at_a_bounded_rate() -> None:
    net = NodeNet()
    net.add("a")
    net.add("b")
    net.stop("b")
    net.capture = []
    net.join("a", "b")
    net.run(300)
    assert 300 / 25 < len(net.capture) < 300 * 3
    assert len(net.hosts["a"].node.handshakes._initiations) <= 1
    net.restart("b")
    net.run(25, until=lambda: is_up(net, "a", "b"))
