"""End-to-end sessions between nodes: first packets, handshakes that are lost or cross, restarts, new keys, super-packets."""

from math import inf

import pytest
from msgspec.structs import replace

from mycelium.channel.keypair import IDLE_KEPT_S, REKEY_AFTER_S
from mycelium.channel.simultaneous_open import SIMULTANEOUS_S
from mycelium.crypto.keys import LAST_BLOCK
from mycelium.crypto.session_handshake import SessionInitiator, prologue
from mycelium.limits import (
    HANDSHAKES_PER_SECOND,
    SESSION_QUEUE_BYTES,
    SESSION_QUEUE_PACKETS,
)
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, SUPER_UDP
from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE
from mycelium.packet.offload import split
from mycelium.policy.base import DefaultPolicy
from mycelium.routing.resolution import PENDING
from mycelium.session import table as table_module
from mycelium.session.requests import PATIENCE_S
from mycelium.session.session import Session
from mycelium.session.table import IDLE_FORGOTTEN_S, RENEWAL_SPACING_S, SWEEP_S, WORN_OUT_BLOCKS
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.train import (
    SESSION_COOKIE,
    SESSION_REPLY,
    SESSION_REQUEST,
    SESSION_REQUEST_BYTES,
    handshake_counter,
)
from sim.net.node_net import NodeNet, seed_of
from tests.crypto.support import config_of
from tests.packet.packets import tcp_packet, udp_packet
from tests.session.support import PACKET, Peer
from tests.support.small_meshes import (
    counter,
    deliver,
    ping,
    ping_packet,
    ready_line,
    ready_pair,
    received,
    train_kinds,
)


def session_of(net: NodeNet, name: str, peer: str) -> Session:
    """Returns what one host holds of another."""
    return net.hosts[name].node.sessions.by_peer[net.hosts[peer].address]


# -- first packets -----------------------------------------------------------------------------------------------------


def test_first_packets_wait_for_the_keys_and_arrive_in_order() -> None:
    net = ready_line("abc")
    sent = [ping(net, "a", "c") for _ in range(SESSION_QUEUE_PACKETS)]
    net.run(1)
    assert received(net, "c") == sent


def test_packets_beyond_the_queue_are_dropped_and_counted() -> None:
    net = ready_line("abc")
    sent = [ping(net, "a", "c") for _ in range(SESSION_QUEUE_PACKETS + 5)]
    net.run(1)
    assert received(net, "c") == sent[:SESSION_QUEUE_PACKETS]
    assert counter(net, "a", "packets_queue_full") == 5


def test_the_queue_is_bounded_in_bytes() -> None:
    net = ready_line("ab")
    packet = ping_packet(net, "a", "b", bytes(60_000))
    for _ in range(8):
        net.send("a", packet)
    net.run(1)
    assert len(net.hosts["b"].delivered) == SESSION_QUEUE_BYTES // len(packet)


def test_a_packet_is_counted_as_sent_once() -> None:
    net = ready_pair()
    deliver(net, "a", "b")
    assert counter(net, "a", "packets_sent") == 2


def test_packets_for_who_never_answers_are_refused_with_address_unreachable() -> None:
    net = ready_line("abc")
    net.drop = lambda sender, receiver, data: sender == "b" and receiver == "c" and len(data) > 1_000
    ping(net, "a", "c")
    net.run(PATIENCE_S + 1)
    (error, _, _) = net.hosts["a"].delivered[0]
    assert tuple(error[40:42]) == ADDRESS_UNREACHABLE


def test_no_packet_waits_for_ever() -> None:
    net = ready_line("abc")
    net.drop = lambda sender, receiver, data: sender == "b" and receiver == "c" and len(data) > 1_000
    ping(net, "a", "c")
    net.run(PATIENCE_S + 0.1)
    for _ in range(3):
        ping(net, "a", "c")
        net.run(0.3)
    net.run(PATIENCE_S + 1)
    assert not session_of(net, "a", "c").queue
    assert len(net.hosts["a"].delivered) == 4


# -- handshakes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.3, 0.6, 1.0])
def test_a_way_of_seconds_gets_its_session_with_the_first_reply(delay: float) -> None:
    net = ready_line("ab", delay=delay)
    net.run(10)
    data = ping(net, "a", "b")
    assert net.run(20, until=lambda: data in received(net, "b")) < 3 * delay + 0.1
    assert counter(net, "b", "trains_unknown_session") == 0
    net.run(20)
    data = ping(net, "b", "a")
    assert net.run(20, until=lambda: data in received(net, "a")) < delay + 0.1


def test_a_request_under_another_source_address_is_refused() -> None:
    net = ready_line("abc")
    trains = train_kinds(net, "c")
    deliver(net, "a", "c")
    request = next(bytearray(train) for kind, train in trains if kind == SESSION_REQUEST)
    request[36:52] = net.hosts["b"].address
    net.hosts["c"].node.receiving.receive_frame(memoryview(bytearray(8) + request), now=net.now)
    net.drain("c")
    assert counter(net, "c", "sessions_refused") == 1
    assert net.hosts["b"].address not in net.hosts["c"].node.sessions.by_peer


def test_a_request_from_who_can_not_be_answered_costs_nothing() -> None:
    net = ready_line("abc")
    trains = train_kinds(net, "c")
    deliver(net, "a", "c")
    request = next(train for kind, train in trains if kind == SESSION_REQUEST)
    net.add("d", seed=seed_of("c"))
    net.hosts["d"].node.receiving.receive_frame(memoryview(bytearray(8) + bytearray(request)), now=net.now)
    assert counter(net, "d", "sessions_refused") == 1
    assert not net.hosts["d"].node.sessions.by_peer


# -- restarts and expiry -----------------------------------------------------------------------------------------------


def unknown_train(net: NodeNet, source: str, destination: str, index: int) -> bytearray:
    """Returns a data frame with a train under keys that nobody holds."""
    header = bytes((64, 0, 0x10, 0, 0, 0, 0, 16)) + index.to_bytes(4, "big") + bytes(8)
    return bytearray(8) + header + net.hosts[destination].address + net.hosts[source].address + bytes(16)


def test_unknown_trains_begin_at_most_one_session_a_second_and_peer() -> None:
    net = ready_line("abc")
    net.run(5)
    trains = train_kinds(net, "a")
    for index in range(500):
        net.hosts["c"].node.receiving.receive_frame(memoryview(unknown_train(net, "a", "c", index)), now=net.now)
        net.drain("c")
        net.run(0.01)
    requests = [kind for kind, _ in trains if kind == SESSION_REQUEST]
    assert 1 <= len(requests) <= 6


def test_unknown_trains_never_keep_our_own_handshake_from_beginning() -> None:
    net = ready_line("abc")
    net.run(5)
    net.drop = lambda sender, receiver, data: "c" in (sender, receiver) and len(data) > 1_000
    for index in range(100):
        net.hosts["c"].node.receiving.receive_frame(memoryview(unknown_train(net, "a", "c", index)), now=net.now)
        net.drain("c")
        net.run(0.1)
    net.drop = lambda sender, receiver, data: False
    sent: list[bytes] = []
    for index in range(30):
        sent.append(ping(net, "c", "a"))
        net.hosts["c"].node.receiving.receive_frame(memoryview(unknown_train(net, "a", "c", index)), now=net.now)
        net.drain("c")
        net.run(0.1)
    assert set(sent) & set(received(net, "a"))


def test_forged_unknown_trains_do_not_touch_a_session_in_use() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    net.run(1)
    trains = train_kinds(net, "a")
    for index in range(200):
        if index % 20 == 0:
            deliver(net, "a", "c")
        net.hosts["c"].node.receiving.receive_frame(memoryview(unknown_train(net, "a", "c", index)), now=net.now)
        net.drain("c")
        net.run(0.01)
    assert [kind for kind, _ in trains if kind == SESSION_REQUEST] == []


def test_an_idle_session_is_forgotten_and_begun_again() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    net.run(IDLE_FORGOTTEN_S + 20)
    for name in "abc":
        assert not net.hosts[name].node.sessions.by_peer
        assert not net.hosts[name].node.sessions.by_index
    deliver(net, "c", "a")


def test_the_announcement_of_a_new_epoch_renews_the_session_before_anybody_sends() -> None:
    net = ready_line("abc")
    deliver(net, "a", "c")
    net.run(20)
    net.restart("c")
    net.run(10)
    deliver(net, "a", "c", within=0.1)
    deliver(net, "c", "a", within=0.1)


# -- new keys ----------------------------------------------------------------------------------------------------------


def busy(net: NodeNet, seconds: float, every: float = 2.0) -> list[bytes]:
    """Sends pings both ways for a while."""
    sent: list[bytes] = []
    end = net.now + seconds
    while net.now < end:
        sent += [ping(net, "a", "b"), ping(net, "b", "a")]
        net.run(every)
    return sent


def test_session_keys_are_new_after_a_quarter_of_an_hour_and_the_old_ones_gone() -> None:
    net = ready_pair()
    before = session_of(net, "a", "b").sending
    sent = busy(net, REKEY_AFTER_S + IDLE_KEPT_S + 30)
    assert session_of(net, "a", "b").sending is not before
    for one, other in ("ab", "ba"):
        assert len(session_of(net, one, other).keypairs) == 1
        assert len(net.hosts[one].node.sessions.by_index) == 1
    assert sorted(received(net, "b")[1:] + received(net, "a")) == sorted(sent)


def test_a_worn_out_session_key_stops_the_traffic_and_crashes_nothing() -> None:
    net = ready_pair()
    sending = session_of(net, "a", "b").sending
    assert sending is not None
    net.wires["a", "b"].reshape(loss=0.0)
    net.drop = lambda sender, receiver, data: sender == "b" and len(data) > 1_000  # no reply to our requests
    sending.sealing.blocks = LAST_BLOCK - 1
    net.run(6)
    for _ in range(3):
        ping(net, "a", "b")
        net.run(0.1)
    net.drop = lambda sender, receiver, data: False
    net.run(10)
    deliver(net, "a", "b")


# -- super-packets -----------------------------------------------------------------------------------------------------


def addressed(net: NodeNet, source: str, destination: str, packet: bytes) -> bytes:
    """Returns a packet with other addresses; its checksum is not looked at here."""
    return packet[:8] + net.hosts[source].address + net.hosts[destination].address + packet[40:]


@pytest.mark.parametrize("names", ["ab", "abc"])
def test_a_super_packet_of_64_kib_crosses_as_one(names: str) -> None:
    net = ready_line(names)
    first, last = names[0], names[-1]
    packet = addressed(net, first, last, tcp_packet(bytes(range(256)) * 254))
    net.send(first, packet, SUPER_TCP | PARTIAL_CHECKSUM, 1_340)
    net.run(1)
    ((delivered, flags, segment_size),) = net.hosts[last].delivered
    assert (flags, segment_size) == (SUPER_TCP | PARTIAL_CHECKSUM, 1_340)
    assert delivered[8:] == packet[8:]
    assert delivered[7] == 64 - len(names) + 2


def test_super_packets_beyond_what_one_frame_may_hold_are_split_and_nothing_is_lost() -> None:
    net = ready_pair()
    net.run(5)
    session = session_of(net, "a", "b")
    session.budget.limit = 9_000
    payload = bytes(range(256)) * 200
    packet = addressed(net, "a", "b", udp_packet(payload))
    net.send("a", packet, SUPER_UDP | PARTIAL_CHECKSUM, 1_000)
    net.run(1)
    pieces = net.hosts["b"].delivered[1:]
    assert len(pieces) > 1
    assert all(len(piece) <= 9_000 for piece, _, _ in pieces)
    whole = [b"".join((headers, data)) for headers, data, _, _ in split(memoryview(packet), SUPER_UDP | 4, 1_000, 1)]
    ours = [
        b"".join((headers, data))
        for piece, flags, size in pieces
        for headers, data, _, _ in (
            split(memoryview(piece), flags, size, 1) if flags & SUPER_UDP else [(b"", piece, flags, size)]
        )
    ]
    assert [packet[48:] for packet in ours] == [packet[48:] for packet in whole]


def test_a_batch_beyond_what_one_frame_may_hold_arrives_in_order() -> None:
    net = ready_pair()
    net.run(5)
    session_of(net, "a", "b").budget.limit = 1_024
    net.hosts["a"].node.links[net.hosts["b"].address].frames.budget.floor = 1_200
    packets = [(ping_packet(net, "a", "b", bytes([number]) * (100 + 37 * number)), 0, 0) for number in range(30)]
    super_packet = (addressed(net, "a", "b", tcp_packet(bytes(5_000))), SUPER_TCP | PARTIAL_CHECKSUM, 1_000)
    net.send_batch("a", [*packets[:10], super_packet, *packets[10:]])
    net.run(1)
    delivered = [packet for packet, _, _ in net.hosts["b"].delivered[1:]]
    assert [packet for packet in delivered if packet[6] == 58] == [packet for packet, _, _ in packets]
    assert len(delivered) == 30 + 5
    assert [packet[6] for packet in delivered[10:15]] == [6] * 5


def test_a_neighbour_that_floods_requests_does_not_keep_others_from_answers() -> None:
    net = NodeNet()
    for name in "abm":
        net.add(name)
    net.join("a", "b")
    net.join("m", "b")
    net.run(3)
    sessions = net.hosts["b"].node.sessions
    garbage = memoryview(bytes(SESSION_REQUEST_BYTES))
    for number in range(1_000):
        sessions.receive_request(net.hosts["m"].address, number, garbage, neighbour=net.hosts["m"].address, now=net.now)
    net.send("a", ping_packet(net, "a", "b", b"through"))
    net.run(0.2, until=lambda: bool(net.hosts["b"].delivered))


# -- two tables alone --------------------------------------------------------------------------------------------------


def acquainted() -> tuple[Peer, Peer]:
    """Returns two peers that know each other's announcement."""
    a, b = Peer(1), Peer(2)
    a.resolution, b.resolution = b.announcement, a.announcement
    return a, b


def shake_hands(a: Peer, b: Peer, *, now: float) -> Session:
    """Has `a` request a session; returns it. `b` confirms its keypair, as with the first train that it opens."""
    session = a.sessions.find(b.identity.address, now=now)
    a.sessions.request(session, now=now)
    b.receive_from(a, now=now)
    a.receive_from(b, now=now)
    theirs = b.sessions.by_peer[a.identity.address]
    b.sessions.opened_under(theirs, theirs.keypairs[0], now=now)
    return session


def test_the_session_used_longest_ago_gives_way_at_the_bound_with_all_it_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table_module, "SESSIONS", 3)
    a, b = acquainted()
    oldest = shake_hands(a, b, now=0.0)
    a.sessions.enqueue(oldest, PACKET, 0, 0, now=0.0)
    assert (oldest.is_requesting, a.sessions._queue_budget.held_bytes > 0) == (True, True)
    for number in (3, 4):
        a.sessions.find(bytes([number]) * 16, now=1.0)
    assert b.identity.address in a.sessions.by_peer
    a.sessions.find(bytes([5]) * 16, now=2.0)
    assert [peer[0] for peer in a.sessions.by_peer] == [3, 4, 5]
    assert (a.sessions.by_index, a.sessions._queue_budget.held_bytes) == ({}, 0)
    assert a.sessions.counters.packets_forgotten == 1
    assert a.sessions.next_deadline() == SWEEP_S, "its request has ended with it"


def test_beyond_a_rate_requests_are_answered_by_a_cookie_and_those_that_bring_it_by_the_same_reply() -> None:
    a, b = acquainted()
    a.sessions.request(a.sessions.find(b.identity.address, now=0.0), now=0.0)
    [(_, _, counter, request)] = a.sent

    def ask(body: bytes) -> None:
        b.sessions.receive_request(a.identity.address, counter, memoryview(body), neighbour=bytes(16), now=0.0)

    for _ in range(HANDSHAKES_PER_SECOND + 5):
        ask(request)
    kinds = [kind for kind, *_ in b.sent]
    assert kinds == [SESSION_REPLY] * HANDSHAKES_PER_SECOND + [SESSION_COOKIE] * 5
    _, index, no_counter, cookie = b.sent[-1]
    assert no_counter == 0
    a.sent.clear()
    for _ in range(2):  # the second one is not brought back before the request is sent again by itself
        a.sessions.receive_cookie(b.identity.address, index, cookie, now=0.0)
    [(_, _, _, with_cookie)] = a.sent
    assert with_cookie == request + cookie
    ask(with_cookie)
    assert {body for kind, _, _, body in b.sent if kind == SESSION_REPLY} == {b.sent[-1][3]}
    assert b.sessions.counters.sessions_sent_a_cookie == 5


@pytest.mark.parametrize("forged", ["index", "peer", "size"])
def test_a_cookie_for_no_request_of_ours_is_refused(forged: str) -> None:
    a, b = acquainted()
    a.sessions.request(a.sessions.find(b.identity.address, now=0.0), now=0.0)
    [(_, _, counter, _)] = a.sent
    peer = bytes(16) if forged == "peer" else b.identity.address
    index = counter + (forged == "index") & 0xFFFF_FFFF
    a.sessions.receive_cookie(peer, index, bytes(17 if forged == "size" else 16), now=0.0)
    assert (len(a.sent), a.sessions.counters.sessions_refused) == (1, 1)


def test_a_cookie_that_comes_when_its_request_is_over_is_no_fault() -> None:
    a, b = acquainted()
    a.send_to(b, now=0.0)
    [(_, _, counter, _)] = a.sent
    index = counter & 0xFFFF_FFFF
    b.receive_from(a, now=0.0)
    a.receive_from(b, now=0.0)
    a.sessions.receive_cookie(b.identity.address, index, bytes(16), now=0.0)
    assert (a.sessions.counters.sessions_repeated, a.sessions.counters.sessions_refused) == (1, 0)
    a.sessions.receive_cookie(bytes(16), index, bytes(16), now=0.0)
    assert (a.sessions.counters.sessions_repeated, a.sessions.counters.sessions_refused) == (1, 1)


def test_who_is_denied_a_session_neither_gets_nor_gives_an_answer_and_packets_for_it_fail() -> None:
    class Nobody(DefaultPolicy):
        def allows_session(self, node: bytes, *, now: float) -> bool:
            return False

    a, b = acquainted()
    a.send_to(b, now=0.0)
    b.sessions._policy = Nobody()
    b.receive_from(a, now=0.0)
    b.send_to(a, now=0.0)
    assert (b.sent, b.sessions.counters.sessions_denied) == ([], 2)
    assert [session.peer for session in b.sessions.failed] == [a.identity.address]


@pytest.mark.parametrize("size", [0, SESSION_REQUEST_BYTES - 1, SESSION_REQUEST_BYTES + 1])
def test_a_request_of_another_size_is_refused(size: int) -> None:
    a, b = acquainted()
    a.send_to(b, now=0.0)
    [(_, _, counter, request)] = a.sent
    body = memoryview(request.ljust(size, b"\0")[:size])
    b.sessions.receive_request(a.identity.address, counter, body, neighbour=bytes(16), now=0.0)
    assert (b.sent, b.sessions.counters.sessions_refused, b.sessions.by_peer) == ([], 1, {})


def test_a_request_that_says_where_its_node_is_reached_needs_no_announcement() -> None:
    a, b = acquainted()
    a.send_to(b, now=0.0)
    [(_, _, counter, request)] = a.sent
    b.resolution = PENDING
    b.sessions.receive_request(
        a.identity.address, counter, memoryview(request), neighbour=bytes(16), home=b"home", now=0.0
    )
    assert ([kind for kind, *_ in b.sent], b.sessions.counters.sessions_deferred) == ([SESSION_REPLY], 0)


def test_the_owner_is_told_when_the_next_sweep_and_the_next_copy_of_a_request_are_due() -> None:
    a, b = acquainted()
    session = a.sessions.find(b.identity.address, now=0.0)
    assert a.armed == [SWEEP_S]
    a.sessions.request(session, now=0.0)
    assert a.armed[-1] == a.sessions.next_deadline() < SWEEP_S
    a.sessions.handle_timeout(now=a.armed[-1])
    assert len(a.sent) == 2
    assert a.armed[-1] == a.sessions.next_deadline() > a.armed[-2]


@pytest.mark.parametrize(
    ("age_s", "is_renewal"), [(SIMULTANEOUS_S, False), (SIMULTANEOUS_S + 1, True), (REKEY_AFTER_S, False)]
)
def test_a_keypair_replaced_early_is_told_at_both_ends(age_s: float, is_renewal: bool) -> None:
    a, b = acquainted()
    shake_hands(a, b, now=1_000.0)
    assert (a.sessions.renewed, b.sessions.renewed) == ([], [])
    shake_hands(a, b, now=1_000.0 + age_s)
    assert a.sessions.renewed == [b.identity.address] * is_renewal
    assert b.sessions.renewed == [a.identity.address] * is_renewal


def test_the_index_of_a_keypair_beyond_the_bound_is_free_again() -> None:
    a, b = acquainted()
    for number in range(10):
        shake_hands(a, b, now=float(number))
    for peer in (a, b):
        [session] = peer.sessions.by_peer.values()
        assert {*peer.sessions.by_index} == {keypair.local_index for keypair in session.keypairs}


def test_an_index_is_never_0_and_never_used_twice() -> None:
    a, b = acquainted()
    drawn = [
        bytes(4),
        bytes([0, 0, 0, 7]),
        bytes([0, 0, 0, 7]),
        bytes([0, 0, 0, 8]),
        bytes([0, 0, 0, 8]),
        bytes(3) + b"\t",
    ]
    rest = a.sessions._config.entropy
    config = replace(a.sessions._config, entropy=lambda size: drawn.pop(0) if size == 4 else rest(size))
    a.sessions._config = config
    a.sessions.request(a.sessions.find(b.identity.address, now=0.0), now=0.0)
    b.receive_from(a, now=0.0)
    a.receive_from(b, now=0.0)
    assert [*a.sessions.by_index] == [7]
    a.sessions.request(a.sessions.find(b.identity.address, now=0.0), now=0.0)
    a.sessions.request(a.sessions.find(bytes(16), now=0.0), now=0.0)
    assert a.sessions._requests.holds(8)
    assert a.sessions._requests.holds(9)


def test_a_train_under_an_unknown_keypair_renews_a_session_only_where_none_was_opened_for_a_while() -> None:
    a, b = acquainted()
    session = shake_hands(a, b, now=0.0)
    assert session.sending is not None
    session.sending.last_opened = 10.0
    peer = b.identity.address
    a.sessions.receive_unknown(peer, now=10.0 + RENEWAL_SPACING_S / 2)
    assert a.sent == []
    a.sessions.receive_unknown(peer, now=10.0 + RENEWAL_SPACING_S)
    a.sessions.receive_unknown(peer, now=10.0 + RENEWAL_SPACING_S)
    assert len(a.sent) == 1
    a.resolution = None
    a.sessions.receive_unknown(bytes(16), now=12.0)
    assert bytes(16) not in a.sessions.by_peer, "who is unknown costs nothing"


def test_a_keypair_is_out_of_use_before_it_can_wear_out_and_its_session_requests_another() -> None:
    assert (LAST_BLOCK - WORN_OUT_BLOCKS) * 16 > 40e9 / 8 * SWEEP_S, "what 40 Gbit/s seal between two sweeps"
    a, b = acquainted()
    session = shake_hands(a, b, now=0.0)
    [keypair] = session.keypairs
    is_in_use = []
    for now, blocks in ((SWEEP_S, 0), (SWEEP_S * 2 - 0.1, 1), (SWEEP_S * 2, 1)):  # the second is no sweep
        keypair.sealing.blocks = WORN_OUT_BLOCKS + blocks
        a.sessions.handle_timeout(now=now)
        is_in_use.append(session.sending is keypair)
    assert (is_in_use, session.is_requesting) == ([True, True, False], True)


def test_a_restart_of_the_peer_renews_the_session_and_its_absence_does_not() -> None:
    a, b = acquainted()
    session = shake_hands(a, b, now=0.0)
    a.resolution = None
    a.sessions.handle_timeout(now=SWEEP_S)
    assert (a.sent, session.peer_epoch) == ([], 1)
    a.resolution = replace(b.announcement, sequence=2 << 16)
    a.sessions.handle_timeout(now=SWEEP_S * 2)
    assert len(a.sent) == 1
    b.receive_from(a, now=SWEEP_S * 2)
    a.receive_from(b, now=SWEEP_S * 2)
    assert session.peer_epoch == 2


def test_who_has_answered_a_restarted_peer_asks_for_no_other_session() -> None:
    a, b = acquainted()
    shake_hands(a, b, now=0.0)
    b.resolution = replace(a.announcement, sequence=2 << 16)
    shake_hands(a, b, now=SWEEP_S)
    assert b.sessions.by_peer[a.identity.address].peer_epoch == 2
    b.resolution = None  # forgotten meanwhile, which says nothing
    b.sessions.handle_timeout(now=SWEEP_S)
    assert b.sent == []


def test_a_session_is_forgotten_only_after_its_time_and_no_sweep_is_wanted_without_one() -> None:
    a, b = acquainted()
    shake_hands(a, b, now=0.0)
    now = 0.0
    while a.sessions.by_peer:
        now = a.sessions.next_deadline()
        a.sessions.handle_timeout(now=now)
    assert IDLE_FORGOTTEN_S < now <= IDLE_FORGOTTEN_S + SWEEP_S
    assert a.sessions.next_deadline() == inf


def test_a_request_made_for_the_address_of_another_node_is_refused() -> None:
    attacker, victim, responder = Peer(1), Peer(2), Peer(3)
    responder.resolution = victim.announcement
    index, suites = 7, SUITE_CHACHA20_POLY1305
    initiator = SessionInitiator(
        config_of(attacker.identity, suites=suites),
        responder.identity.signing_public_key,
        local_index=index,
        prologue=prologue(victim.identity.address, responder.identity.address, initiator_index=index, offered=suites),
    )
    body = memoryview(initiator.request)
    responder.sessions.receive_request(
        victim.identity.address, handshake_counter(index, suites), body, neighbour=bytes(16), now=0.0
    )
    assert (responder.sent, responder.sessions.by_peer) == ([], {})
    assert responder.sessions.counters.sessions_refused == 1


def test_what_waits_at_a_responder_may_leave_once_it_has_heard_the_initiator() -> None:
    a, b = Peer(1), Peer(2)
    a.resolution, b.resolution = b.announcement, a.announcement
    a.send_to(b, now=0.0)
    b.receive_from(a, now=0.1)
    session = b.sessions.by_peer[a.identity.address]
    [keypair] = session.keypairs
    session.queue.append(PACKET, 0, 0)
    assert (b.sessions.ready, session.sending) == ([], None)
    b.sessions.opened_under(session, keypair, now=0.2)
    assert (b.sessions.ready, session.sending) == ([session], keypair)


def test_dropped_keys_are_gone_and_only_where_packets_wait_are_others_asked_for() -> None:
    a, b = acquainted()
    session = shake_hands(a, b, now=0.0)
    [keypair] = session.keypairs
    idle, waiting = (a.sessions.find(bytes([number]) * 16, now=0.0) for number in (5, 6))
    a.sessions.request(idle, now=0.0)
    a.sessions.enqueue(waiting, PACKET, 0, 0, now=0.0)
    before = [counter for _, _, counter, _ in a.sent]
    a.sent.clear()
    a.sessions.drop_keys(now=1.0)
    assert (session.keypairs, session.sending, a.sessions.by_index) == ([], None, {})
    assert keypair.sealing.is_worn_out
    assert [one.is_requesting for one in (session, idle, waiting)] == [False, False, True]
    [(kind, _, counter, _)] = a.sent
    assert kind == SESSION_REQUEST
    assert counter not in before, "what was asked for under the old keys is over"
