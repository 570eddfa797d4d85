"""Trains for the neighbour itself, which have no seal of their own: when they are sent, and what of them is taken."""

import pytest
from scapy.layers.inet6 import ICMPv6DestUnreach

from mycelium.dataplane.unsealed import NOT_SEEN
from mycelium.identity import Identity
from mycelium.packet.batch import HEADROOM
from mycelium.packet.ipv6 import ADDRESS_UNREACHABLE
from mycelium.session.session import QUOTED_BYTES, SessionKeypair
from mycelium.wire.datagram import TAG_BYTES
from mycelium.wire.frame import DATA as DATA_FRAME
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.frame import UNSEALED as UNSEALED_FRAME
from mycelium.wire.train import (
    DATA,
    ERROR_LABEL,
    ERROR_QUOTE,
    ERROR_UNDELIVERABLE,
    LENGTH_MASK,
    QUOTED_TAG_BYTES,
    RELAY,
    SESSION_REPLY,
    SESSION_REQUEST,
    TRAIN_HEADER,
    TRAIN_HEADER_BYTES,
    UNSEALED,
    WRAPPER_BYTES,
)
from sim.net.node_net import NodeNet
from tests.channel.support import awaited_proof
from tests.dataplane.support import errors, item
from tests.support.small_meshes import counter, deliver, link_of, ping, ping_packet, ready_line, received, train_kinds


def ready(names: str) -> NodeNet:
    """Returns a line whose ends have opened trains of each other."""
    net = ready_line(names)
    deliver(net, names[0], names[-1])
    deliver(net, names[-1], names[0])
    for host in net.hosts.values():
        host.delivered.clear()
    return net


def keys_of(net: NodeNet, name: str, peer: str) -> SessionKeypair:
    """Returns the keypair under which a host sends to another."""
    sending = net.hosts[name].node.sessions.by_peer[net.hosts[peer].address].sending
    assert sending is not None
    return sending


def kinds(trains: list[tuple[int, bytes]]) -> list[int]:
    """Returns the types of trains with packets, in order."""
    return [kind for kind, _ in trains if kind not in (SESSION_REQUEST, SESSION_REPLY)]


def unsealed(net: NodeNet, items: bytes, *, number: int, source: str = "a") -> bytes:
    """Returns an unsealed train for b, as if `source` had sent it in a's session."""
    index = keys_of(net, "a", "b").remote_index
    ends = net.hosts["b"].address, net.hosts[source].address
    return TRAIN_HEADER.pack(64, 0, UNSEALED, 0, len(items), index, number, *ends) + items


def receive(net: NodeNet, train: bytes, neighbour: str = "a", *, kind: int = UNSEALED_FRAME) -> list[bytes]:
    """Hands b a train that a neighbour has sent; returns the data of what b delivers."""
    b = net.hosts["b"]
    b.delivered.clear()
    frame = memoryview(bytearray(FRAME_HEADER.pack(kind, 0, 0, 0)) + train)
    b.node.receiving.receive_frame(frame, now=net.now, neighbour=net.hosts[neighbour].address)
    net.drain("b")
    return received(net, "b")


def test_the_room_before_a_batch_is_that_of_both_headers() -> None:
    assert FRAME_HEADER.size + TRAIN_HEADER_BYTES == HEADROOM


def test_an_end_that_has_opened_a_train_of_the_neighbour_seals_packets_for_it_only_once() -> None:
    net = ready_line("ab")
    at_a, at_b = train_kinds(net, "a"), train_kinds(net, "b")
    for sender, receiver in ("ab", "ab", "ba", "ab", "ba"):
        deliver(net, sender, receiver)
    assert kinds(at_b) == [DATA, DATA, UNSEALED]
    assert kinds(at_a) == [UNSEALED, UNSEALED]


def test_what_is_no_packet_is_sealed() -> None:
    net = ready("ab")
    at_b, a = train_kinds(net, "b"), net.hosts["a"].node
    a.sending.report(a.sessions.by_peer[net.hosts["b"].address], 1, 1, now=net.now)
    net.drain("a")
    net.run(1)
    assert kinds(at_b) == [DATA]


def test_a_neighbour_of_a_version_before_is_sent_sealed_trains() -> None:
    net = ready("ab")
    at_b = train_kinds(net, "b")
    link_of(net, "a", "b").frames.takes_unsealed = False
    deliver(net, "a", "b")
    assert kinds(at_b) == [DATA]


def test_a_neighbour_that_owes_the_link_a_proof_is_sent_sealed_trains() -> None:
    net = ready("ab")
    at_b, keypair = train_kinds(net, "b"), link_of(net, "a", "b").frames.keypairs.sending
    keypair.awaited = awaited_proof(until=net.now + 1)
    data = ping(net, "a", "b")
    keypair.awaited = None
    net.run(1)
    assert (kinds(at_b), received(net, "b")) == ([DATA], [data])


def test_new_keys_are_used_for_a_sealed_train_first() -> None:
    net = ready("ab")
    at_a, at_b = train_kinds(net, "a"), train_kinds(net, "b")
    sessions = net.hosts["a"].node.sessions
    before = keys_of(net, "a", "b")
    sessions.request(sessions.by_peer[net.hosts["b"].address], now=net.now)
    net.run(1)
    assert keys_of(net, "a", "b") is not before
    for sender, receiver in ("ab", "ba", "ab"):
        deliver(net, sender, receiver)
    assert kinds(at_b) == [DATA, DATA, UNSEALED], "an empty one confirms the keys"
    assert kinds(at_a) == [UNSEALED]


def test_packets_for_a_node_behind_the_neighbour_are_sealed() -> None:
    net = ready("abc")
    at_b, at_c = train_kinds(net, "b"), train_kinds(net, "c")
    deliver(net, "a", "c")
    assert kinds(at_b) == kinds(at_c) == [DATA]


def test_packets_of_one_read_for_several_nodes_arrive_whole_and_in_order() -> None:
    net = ready("abc")
    deliver(net, "a", "b")
    deliver(net, "b", "a")
    at_b = train_kinds(net, "b")
    packets = [ping_packet(net, "a", "bccb"[number % 4], bytes([number]) * 9) for number in range(24)]
    for host in net.hosts.values():
        host.delivered.clear()
    net.send_batch("a", [(packet, 0, 0) for packet in packets])
    net.run(1)
    for name in "bc":
        ours = [packet[48:] for packet in packets if packet[24:40] == net.hosts[name].address]
        assert received(net, name) == ours
    assert set(kinds(at_b)) == {DATA, UNSEALED}


def test_the_wire_shows_nothing_of_an_unsealed_train() -> None:
    net = ready("ab")
    net.capture = []
    data = ping(net, "a", "b")
    net.run(1)
    wire = b"".join(one for _, _, one in net.capture)
    assert received(net, "b") == [data]
    assert data not in wire
    assert net.hosts["b"].address not in wire


def test_an_unsealed_train_counts_for_its_session_as_a_sealed_one() -> None:
    net = ready("ab")
    sealing, opening = keys_of(net, "a", "b").sealing, keys_of(net, "b", "a").opening
    counter_before, blocks, opened = sealing.counter, sealing.blocks, opening.opened
    ping(net, "a", "b", size=1_000)
    net.run(1)
    assert (sealing.counter, opening.opened, opening.newest) == (counter_before + 1, opened + 1, counter_before)
    assert sealing.blocks - blocks == (8 + 48 + 1_000 + 31) // 16
    session = net.hosts["b"].node.sessions.by_peer[net.hosts["a"].address]
    assert session.heard_at == session.last_used == keys_of(net, "b", "a").last_opened > net.now - 1


def test_the_head_of_an_unsealed_train_tells_what_that_of_a_sealed_one_does() -> None:
    net = ready("ab")
    at_b, frames = train_kinds(net, "b"), link_of(net, "a", "b").frames
    packet = bytearray(ping_packet(net, "a", "b", bytes(200), hop_limit=33))
    packet[:4] = 0x6ABE_DC5A.to_bytes(4, "big")  # class AB, flow label EDC5A
    heads = []
    for takes_unsealed in (True, False):
        frames.takes_unsealed = takes_unsealed
        net.send("a", bytes(packet))
        net.run(1)
        kind, train = at_b.pop()
        head = TRAIN_HEADER.unpack_from(train)
        heads.append((*head[:2], *head[3:4], head[4] - (0 if takes_unsealed else TAG_BYTES), head[5], *head[7:]))
        assert (kind, train[4], len(train)) == (head[2], 0x5A, TRAIN_HEADER_BYTES + (head[4] & LENGTH_MASK))
        _, _, quote, _ = net.hosts["a"].node.sessions.by_peer[net.hosts["b"].address].recent[-1]
        assert quote == bytes(packet[:QUOTED_BYTES])
    assert heads[0] == heads[1]
    assert heads[0][:3] == (33, 0, 0xAB)


def test_a_train_is_taken_once() -> None:
    net = ready("ab")
    number = keys_of(net, "a", "b").sealing.counter
    train = unsealed(net, item(ping_packet(net, "a", "b", b"once")), number=number)
    assert receive(net, train) == [b"once"]
    assert receive(net, train) == []
    assert counter(net, "b", "trains_not_opened") == 1


@pytest.mark.parametrize(("source", "neighbour"), [("a", "c"), ("c", "a"), ("c", "c")])
def test_a_train_that_another_node_brings_or_that_is_of_another_session_is_dropped(source: str, neighbour: str) -> None:
    net = ready("abc")
    deliver(net, "a", "b")
    deliver(net, "b", "a")
    number = keys_of(net, "a", "b").sealing.counter
    train = unsealed(net, item(ping_packet(net, source, "b", b"evil")), number=number, source=source)
    assert receive(net, train, neighbour) == []
    refused = counter(net, "b", "trains_malformed"), counter(net, "b", "trains_unknown_session")
    assert refused == ((0, 1) if source == neighbour else (1, 0))


def test_a_frame_that_is_not_one_unsealed_train_for_this_node_is_dropped() -> None:
    net = ready("abc")
    deliver(net, "a", "b")
    deliver(net, "b", "a")
    number = keys_of(net, "a", "b").sealing.counter
    train = unsealed(net, item(ping_packet(net, "a", "b", b"evil")), number=number)
    forwarded = counter(net, "b", "trains_forwarded")
    for other in (
        b"",
        train[:51],
        train[:-1],
        train + bytes(1),
        train + train,
        train[:2] + bytes((DATA,)) + train[3:],
        train[:20] + net.hosts["c"].address + train[36:],
    ):
        assert receive(net, other) == []
    assert (counter(net, "b", "trains_malformed"), counter(net, "b", "trains_forwarded")) == (7, forwarded)
    assert receive(net, train) == [b"evil"]


def test_an_unsealed_train_among_those_that_may_be_forwarded_is_dropped() -> None:
    net = ready("ab")
    number = keys_of(net, "a", "b").sealing.counter
    train = unsealed(net, item(ping_packet(net, "a", "b", b"evil")), number=number)
    assert receive(net, train, kind=DATA_FRAME) == []
    assert counter(net, "b", "trains_malformed") == 1


def test_a_train_under_keys_that_nothing_sealed_has_confirmed_is_dropped() -> None:
    net = ready("ab")
    keys_of(net, "b", "a").is_confirmed = False
    number = keys_of(net, "a", "b").sealing.counter
    assert receive(net, unsealed(net, item(ping_packet(net, "a", "b", b"early")), number=number)) == []
    assert counter(net, "b", "trains_not_opened") == 1


def test_a_train_under_keys_for_which_the_session_waits_for_a_proof_waits_too() -> None:
    net = ready("ab")
    session = net.hosts["b"].node.sessions.by_peer[net.hosts["a"].address]
    awaited = keys_of(net, "b", "a").awaited = awaited_proof(until=net.now + 1)
    session.hold()
    number = keys_of(net, "a", "b").sealing.counter
    assert receive(net, unsealed(net, item(ping_packet(net, "a", "b", b"early")), number=number)) == []
    assert (counter(net, "b", "trains_unproved"), session.sending, len(awaited.early)) == (0, None, 1)


def test_while_new_keys_wait_for_a_proof_trains_go_on_under_the_ones_before() -> None:
    net = ready("ab")
    a, b = net.hosts["a"].node, net.hosts["b"].node
    before, back = keys_of(net, "a", "b"), keys_of(net, "b", "a")
    a.peers.add("udp://192.0.2.9:1", b.identity.exchange_public_key, b.prover.fingerprint, now=net.now)
    a.sessions.receive_proof = lambda *args, now: None  # type: ignore[method-assign]
    a.sessions.request(a.sessions.by_peer[b.identity.address], now=net.now)
    net.run(1)
    at_a, at_b = train_kinds(net, "a"), train_kinds(net, "b")
    deliver(net, "a", "b")
    deliver(net, "b", "a")
    assert (kinds(at_a), kinds(at_b)) == ([UNSEALED], [UNSEALED])
    assert (keys_of(net, "a", "b"), keys_of(net, "b", "a")) == (before, back)
    assert len(a.sessions.by_peer[b.identity.address].keypairs) == 2


def test_packets_inside_must_be_from_the_neighbour_to_this_node() -> None:
    net = ready("abc")
    deliver(net, "a", "b")
    deliver(net, "b", "a")
    number = keys_of(net, "a", "b").sealing.counter
    for source, destination in ("cb", "ac"):
        train = unsealed(net, item(ping_packet(net, source, destination, b"evil")), number=number)
        assert receive(net, train) == []
        number += 1
    assert counter(net, "b", "packets_foreign") == 2


def test_what_comes_directly_waits_for_what_is_under_way_over_relays() -> None:
    net = ready("ab")
    b = net.hosts["b"].node
    b.receiving.order.watch(net.hosts["a"].address, wait_s=1.0, now=net.now)
    number = keys_of(net, "a", "b").sealing.counter
    late, early = (
        unsealed(net, item(ping_packet(net, "a", "b", data)), number=number + ahead)
        for data, ahead in ((b"late", 1), (b"early", 0))
    )
    assert receive(net, late) == []
    assert receive(net, early) == [b"early", b"late"]


def test_a_neighbour_without_a_device_is_believed_and_nobody_else() -> None:
    net = ready("ab")
    a, b = net.hosts["a"], net.hosts["b"]
    b.node.receiving.has_device = False
    ping(net, "a", "b")
    net.run(1)
    [error] = errors(net, "a")
    assert error.src == b.address_text
    assert (error[ICMPv6DestUnreach].type, error[ICMPv6DestUnreach].code) == ADDRESS_UNREACHABLE
    a.delivered.clear()
    ping(net, "a", "b")
    number, tag, *_ = a.node.sessions.by_peer[b.address].recent[-1]
    assert tag == NOT_SEEN
    for signer in (Identity(bytes(range(32))), b.identity):
        quote = ERROR_QUOTE.pack(ERROR_UNDELIVERABLE, keys_of(net, "a", "b").remote_index, number, b.address, bytes(16))
        body = quote + signer.signing_public_key
        body += signer.sign(ERROR_LABEL + a.address + body)
        a.node.relay_errors.receive(signer.address, memoryview(body), neighbour=b.address, now=net.now)
        net.drain("a")
        assert len(a.delivered) == (signer is b.identity)


def test_an_error_about_a_train_quotes_nothing_that_is_in_it() -> None:
    net = ready("ab")
    b = net.hosts["b"].node
    b.receiving.has_device = False
    told: list[bytes] = []
    receive_error = net.hosts["a"].node.relay_errors.receive

    def watch(reporter: bytes, body: memoryview, *, neighbour: bytes, now: float) -> None:
        told.append(bytes(body))
        receive_error(reporter, body, neighbour=neighbour, now=now)

    net.hosts["a"].node.relay_errors.receive = watch  # type: ignore[method-assign]
    data = ping(net, "a", "b")
    net.run(1)
    [body] = told
    assert ERROR_QUOTE.unpack_from(body)[-1] == bytes(QUOTED_TAG_BYTES)
    assert data[-8:] not in body


def test_what_is_being_filled_for_the_neighbour_leaves_first() -> None:
    net = ready("ab")
    at_b, frames = train_kinds(net, "b"), link_of(net, "a", "b").frames
    room, used = frames.reserve(TRAIN_HEADER_BYTES, 0, now=net.now)
    TRAIN_HEADER.pack_into(room, used, 64, 0, 0x7F, 0, 0, 0, 0, net.hosts["b"].address, net.hosts["a"].address)
    ping(net, "a", "b")
    net.run(1)
    assert kinds(at_b) == [0x7F, UNSEALED]


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_train_in_the_name_of_a_neighbour_that_has_only_forwarded_it_is_dropped(is_wrapped: bool) -> None:
    net = ready("cab")
    for sender, receiver in ("ab", "ba"):
        deliver(net, sender, receiver)
    net.hosts["b"].delivered.clear()
    number = keys_of(net, "a", "b").sealing.counter
    train = unsealed(net, item(ping_packet(net, "a", "b", b"evil")), number=number)
    if is_wrapped:
        ends = net.hosts["a"].address, net.hosts["a"].address
        head = TRAIN_HEADER.pack(64, 0, RELAY, 0, WRAPPER_BYTES - TRAIN_HEADER_BYTES + len(train), 0, 0, *ends)
        train = head + net.hosts["b"].address + bytes(WRAPPER_BYTES - TRAIN_HEADER_BYTES - 16) + train
    frames = link_of(net, "c", "a").frames
    frames.send(DATA_FRAME, memoryview(bytearray(FRAME_HEADER.size) + train), now=net.now)
    net.drain("c")
    net.run(1)
    assert received(net, "b") == []
    assert counter(net, "b", "trains_malformed") == 1


def test_parts_of_a_run_that_is_too_long_are_sealed_only_once_too() -> None:
    net = ready("ab")
    at_b = train_kinds(net, "b")
    net.hosts["a"].node.sessions.by_peer[net.hosts["b"].address].budget.limit = 3_000
    packets = [ping_packet(net, "a", "b", bytes([number]) * 1_000) for number in range(9)]
    net.send_batch("a", [(packet, 0, 0) for packet in packets])
    net.run(1)
    assert received(net, "b") == [packet[48:] for packet in packets]
    assert kinds(at_b) == [UNSEALED, UNSEALED], "no shorter than a datagram"
