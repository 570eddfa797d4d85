"""What comes from outside may be anything: it is dropped and counted, holds no memory, and the node keeps serving."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mycelium.endpoint import Endpoint
from mycelium.limits import (
    HALF_OPEN_HANDSHAKES,
    NAME_BYTES,
    PARTIAL_BYTES_PER_KEYPAIR,
    PARTIAL_FRAMES_PER_KEYPAIR,
    PATHS_PER_LINK,
    SESSIONS,
)
from mycelium.link.keypairs import KEYPAIRS_PER_LINK
from mycelium.link.link import Link, LinkState
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import (
    Digest,
    Item,
    Observed,
    PeersKnown,
    PeersWanted,
    Pin,
    Resume,
    Resumed,
    RouteRequest,
    SeqnoRequest,
    Update,
)
from mycelium.wire.datagram import CHUNK_HEAD, CHUNK_WORD, COOKIE, FRAME, HANDSHAKE_1
from mycelium.wire.distance import distance
from mycelium.wire.frame import (
    CONTROL,
    CONTROL_HEADER,
    DATA,
    FRAME_HEADER,
    PROBE,
    PROBE_BODY,
    PROBE_IS_REPLY,
    PROBE_WANTS_REPLY,
)
from mycelium.wire.knock import KnockWanted
from mycelium.wire.lease import LeaseAnswer, LeaseRequest
from mycelium.wire.membership import MemberPiece
from mycelium.wire.train import TRAIN_HEADER
from sim.net.network import PORT, url_of
from sim.net.node_net import NamedHost, NodeNet
from tests.support.small_meshes import (
    counter,
    deliver,
    is_up,
    is_whole,
    link_of,
    ping,
    ready_line,
    ready_pair,
    received,
)
from tests.wire.test_known_peer import KNOWN_PEERS
from tests.wire.test_lease import LEASE_ITEMS
from tests.wire.test_underlay_address import UNDERLAY_ADDRESSES

STRANGER = Endpoint("udp", "203.0.113.9", PORT)
DROPS = (
    "datagrams_unknown",
    "frames_malformed",
    "trains_malformed",
    "frames_not_opened",
    "frames_incomplete",
    "chunks_refused",
    "handshakes_malformed",
    "handshakes_without_mac",
    "handshakes_replayed",
    "handshakes_over_budget",
    "handshakes_sent_a_cookie",
    "handshakes_refused",
    "handshakes_repeated",
    "handshakes_incomplete",
    "joins_refused",
)


def drops(host: NamedHost) -> int:
    """Returns how many datagrams a host has dropped."""
    counters = host.node.metrics.values()
    return sum(counters[name] for name in DROPS)


def check_bounds(host: NamedHost) -> None:
    """Asserts that no table of a node has outgrown its limit."""
    node = host.node
    assert len(node.handshakes._responses) == len(node.handshakes._response_of) <= HALF_OPEN_HANDSHAKES
    assert len(node.handshakes._initiations) <= 8
    assert len(node.sessions.by_peer) <= SESSIONS
    assert len(node.sessions.by_index) <= 8 * len(node.sessions.by_peer)
    assert len(node.neighbours.by_index) <= (KEYPAIRS_PER_LINK + 1) * len(node.links)
    for link in node.links.values():
        assert len(link.paths.by_endpoint) <= PATHS_PER_LINK
        assert len(link.keypairs.by_index) <= KEYPAIRS_PER_LINK
        for keypair in link.keypairs.by_index.values():
            assert len(keypair.reassembly._partial) <= PARTIAL_FRAMES_PER_KEYPAIR
            assert keypair.reassembly.held_bytes <= PARTIAL_BYTES_PER_KEYPAIR
    assert not node.outbox.events
    assert not node.outbox.transmits


def still_serves(net: NodeNet) -> None:
    """Asserts that all hosts of a net are as they were: whole, and packets cross."""
    net.run(3)
    assert is_whole(net)
    names = sorted(net.hosts)
    deliver(net, names[0], names[-1])
    deliver(net, names[-1], names[0])
    for host in net.hosts.values():
        check_bounds(host)


# -- strangers ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.integers(0, 0x1F), st.binary(max_size=1_300)), max_size=20), st.integers(1, 1_300))
def test_any_datagrams_are_dropped_and_counted(datagrams: list[tuple[int, bytes]], segment_size: int) -> None:
    net = NodeNet()
    host = net.add("b")
    for kind, rest in datagrams:
        before = drops(host)
        net.inject("b", STRANGER, bytes((kind,)) + rest, segment_size)
        assert drops(host) > before
    assert not host.node.links
    check_bounds(host)


@pytest.mark.parametrize("length", [1, 7, 8, 12, 24, 25, 43, 300, 1_300])
def test_a_datagram_of_any_type_is_dropped_and_counted(length: int) -> None:
    net = NodeNet()
    host = net.add("b")
    for kind in range(256):
        before = drops(host)
        for index in (1, 2):  # of two parts of a handshake the second takes the place of the first
            net.inject("b", STRANGER, (bytes((kind, 0, 0, 0, 0, 0, 0, index)) + bytes(length))[:length])
        assert drops(host) > before, f"type {kind}"
    check_bounds(host)


def test_an_empty_datagram_is_counted() -> None:
    net = NodeNet()
    host = net.add("b")
    net.inject("b", STRANGER, b"")
    assert counter(net, "b", "datagrams_unknown") == 1
    assert drops(host) == 1


def recorded() -> tuple[NodeNet, list[tuple[str, str, bytes]]]:
    """Returns a pair of nodes and all datagrams from their first word to a session with long and short frames in use."""
    net = NodeNet(seed=5)
    net.capture = []
    net.add("a")
    net.add("b")
    net.join("a", "b")
    net.run(2)
    for size in (64, 1_300, 9_000, 60_000):
        ping(net, "a", "b", size=size)
        ping(net, "b", "a", size=size)
        net.run(1)
    assert len(received(net, "b")) == 4
    captured, net.capture = net.capture, None
    return net, captured


def replay(net: NodeNet, captured: Iterable[tuple[str, str, bytes]], *, source: Endpoint | None = None) -> None:
    """Sends datagrams again to where they went."""
    for sender, receiver, data in captured:
        net.inject(receiver, source or net.hosts[sender].endpoint, data)


@pytest.mark.parametrize("source", [None, STRANGER])
def test_a_replay_of_everything_changes_nothing(source: Endpoint | None) -> None:
    net, captured = recorded()
    links = {name: (link_of(net, name, "ab"[name == "a"])) for name in "ab"}
    before = {
        name: (list(link.keypairs.by_index), link.paths.active.endpoint, link.keypairs.sending)
        for name, link in links.items()
    }
    packets = {name: len(host.delivered) for name, host in net.hosts.items()}
    for _ in range(2):
        replay(net, captured, source=source)
        net.run(1)
    for name, link in links.items():
        assert net.hosts[name].node.links[link.address] is link
        assert (list(link.keypairs.by_index), link.paths.active.endpoint, link.keypairs.sending) == before[name]
        assert len(net.hosts[name].delivered) == packets[name]
    still_serves(net)


def test_each_replayed_datagram_is_counted() -> None:
    net, captured = recorded()
    for sender, receiver, data in captured:
        if data[0] in (FRAME, COOKIE) or data[0] < FRAME:
            before = drops(net.hosts[receiver])
            net.inject(receiver, net.hosts[sender].endpoint, data)
            assert drops(net.hosts[receiver]) == before + 1


@pytest.mark.parametrize("seed", range(4))
def test_flipped_and_truncated_copies_change_nothing(seed: int) -> None:
    net, captured = recorded()
    rng = random.Random(seed)
    links = [link_of(net, "a", "b"), link_of(net, "b", "a")]
    before = [(list(link.keypairs.by_index), link.paths.active.endpoint, link.keypairs.sending) for link in links]
    packets = [len(host.delivered) for host in net.hosts.values()]
    for sender, receiver, data in captured * 2:
        copy = bytearray(data)
        for _ in range(rng.choice((1, 1, 3))):
            copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        cut = bytes(copy[: rng.randrange(1, len(copy) + 1)]) if rng.random() < 0.5 else bytes(copy)
        source = rng.choice((net.hosts[sender].endpoint, STRANGER))
        net.inject(receiver, source, cut, rng.choice((0, 0, 17, 40, 1_232)))
    assert [
        (list(link.keypairs.by_index), link.paths.active.endpoint, link.keypairs.sending) for link in links
    ] == before
    assert [len(host.delivered) for host in net.hosts.values()] == packets
    still_serves(net)


def test_datagrams_altered_on_the_way_cost_only_themselves() -> None:
    net = ready_pair(seed=4)
    rng = random.Random(4)
    captured: list[tuple[str, str, bytes]] = []

    def alter(sender: str, receiver: str, data: bytes) -> bool:
        if rng.random() > 0.1:
            return False
        copy = bytearray(data)
        copy[rng.randrange(len(copy))] ^= 1 << rng.randrange(8)
        captured.append((sender, receiver, bytes(copy)))
        return True

    net.drop = alter
    sent: list[bytes] = []
    for _ in range(300):
        sent.append(ping(net, "a", "b"))
        net.run(0.01)
        replay(net, captured)
        captured.clear()
    net.drop = lambda sender, receiver, data: False
    arrived = received(net, "b")[1:]
    assert len(arrived) > 240
    assert set(arrived) <= set(sent)
    assert len(set(arrived)) == len(arrived)
    still_serves(net)


def flood(net: NodeNet, receiver: str, count: int) -> None:
    """Has strangers begin handshakes from many addresses at once."""
    messages: list[bytes] = []
    stranger = net.hosts.get("stranger") or net.add("stranger")
    net.wires["stranger", receiver] = net.wires.get(("stranger", receiver)) or next(iter(net.wires.values()))

    def catch(sender: str, destination: str, data: bytes) -> bool:
        messages.extend([data] if sender == "stranger" and data[0] == HANDSHAKE_1 else [])
        return sender == "stranger"

    before, net.drop = net.drop, catch
    handshakes = stranger.node.handshakes
    begun = [handshakes.begin(Endpoint("udp", receiver, PORT), pin=None, now=net.now) for _ in range(count)]
    net.drain("stranger")
    for index in begun:
        handshakes.abandon(index)
    net.drop = before
    for index, message in enumerate(messages):
        net.inject(receiver, Endpoint("udp", f"198.51.{index >> 8}.{index & 255}", PORT), message)


def test_a_flood_of_handshakes_keeps_nobody_out() -> None:
    net = ready_pair()
    for _ in range(10):
        flood(net, "b", 80)
        check_bounds(net.hosts["b"])
        deliver(net, "a", "b", within=0.1)
    net.stop("stranger")
    net.add("c")
    net.connect("c", "b")
    net.add_peer("c", url_of("b"))
    assert net.run(5, until=lambda: is_up(net, "c", "b")) < 1
    assert counter(net, "b", "handshakes_sent_a_cookie") > 0
    net.run(11)
    assert not net.hosts["b"].node.handshakes._responses


# -- forged chunks -----------------------------------------------------------------------------------------------------


def forged_chunks(net: NodeNet, rng: random.Random, count: int) -> list[bytes]:
    """Returns chunks that a stranger who has seen b's index makes up."""
    link = link_of(net, "a", "b")
    index, newest = link.keypairs.sending.remote_index, link.keypairs.sending.sealing.counter
    chunks: list[bytes] = []
    for _ in range(count):
        total = rng.choice((48, 5_016, 60_000, 131_088, 200_016, 0xFFFF_FFFF))
        offset = rng.randrange(0, min(total, 0xFF_FFFF))
        number = newest + rng.randrange(-50, 5_000)
        shape = total, rng.choice((0, 24, 1_440, 65_520, 65_535)), rng.choice((0, 7, 255))
        chunks.append(CHUNK_HEAD.pack(CHUNK_WORD | offset, index, max(number, 0), *shape) + rng.randbytes(1_000))
    return chunks


@pytest.mark.parametrize("is_spoofed", [False, True])
def test_a_flood_of_forged_chunks_is_bounded_and_forgotten(is_spoofed: bool) -> None:
    net = ready_pair(seed=7)
    rng = random.Random(7)
    source = net.hosts["a"].endpoint if is_spoofed else STRANGER
    for _ in range(20):
        before = drops(net.hosts["b"])
        for chunk in forged_chunks(net, rng, 600):
            net.inject("b", source, chunk)
        check_bounds(net.hosts["b"])
        assert drops(net.hosts["b"]) > before + 200
        net.run(0.1)
        deliver(net, "a", "b", within=0.1)
    net.run(5)
    budget = net.hosts["b"].node.neighbours._maker.budgets.partial
    assert budget.held_bytes == 0
    assert not budget._owners
    still_serves(net)


def test_forged_chunks_from_elsewhere_do_not_touch_long_frames_under_way() -> None:
    net = ready_pair(seed=7)
    rng = random.Random(7)
    for number in range(10):
        data = ping(net, "a", "b", size=50_000 + number)
        for chunk in forged_chunks(net, rng, 200):
            net.inject("b", STRANGER, chunk)
        net.run(0.1)
        assert received(net, "b")[-1] == data


# -- a neighbour that lies ---------------------------------------------------------------------------------------------


def attack(net: NodeNet, kind: int, body: bytes, *, number: int | None = None, wait: float = 0.006) -> None:
    """Has a seal any frame for b, and b receive it."""
    link: Link = link_of(net, "a", "b")
    own_number = link.paths.active.number
    if number is not None:
        link.paths.active.number = number
    plain = memoryview(bytearray(FRAME_HEADER.size) + body)
    link.frames.send(kind, plain, now=net.now)
    link.paths.active.number = own_number
    net.drain("a")
    net.run(wait)


@given(st.lists(st.tuples(st.integers(0, 6), st.binary(max_size=300)), min_size=1, max_size=15))
def test_any_frame_of_a_neighbour_is_survived(frames: list[tuple[int, bytes]]) -> None:
    net = ready_pair()
    for kind, body in frames:
        attack(net, kind, body)
    net.run(2)
    check_bounds(net.hosts["b"])


counts = st.one_of(st.integers(0, 5), st.integers(0, 2**32 - 1), st.just(2**32 - 1))


@given(
    st.lists(
        st.tuples(
            st.sampled_from((0, PROBE_WANTS_REPLY, PROBE_IS_REPLY, 3, 255)),
            st.sampled_from((bytes(3), b"\x01\x86\xa0", b"\xff" * 3)),
            counts,
            counts,
            counts,
        ),
        max_size=12,
    )
)
def test_any_probe_of_a_neighbour_is_survived(probes: list[tuple[int, bytes, int, int, int]]) -> None:
    net = ready_pair()
    for fields in probes:
        attack(net, PROBE, PROBE_BODY.pack(*fields))
    net.run(2)
    check_bounds(net.hosts["b"])


def test_a_neighbour_cannot_look_nearer_than_it_is_by_answering_early() -> None:
    net = ready_pair(delay=0.05)
    for step in range(400):
        for token in range(64):
            attack(net, PROBE, PROBE_BODY.pack(PROBE_IS_REPLY, bytes(3), token, 0, 0), wait=0.0)
        if step % 10 == 0:
            ping(net, "b", "a")
        net.run(0.005)
    path = link_of(net, "b", "a").paths.active
    assert path.rtt.minimum(now=net.now) == pytest.approx(0.1)
    assert len(path.probes) < 32


nodes = st.sampled_from([bytes(16), bytes(range(16)), b"\x04" + bytes(15), b"\xff" * 16])
sequences = st.one_of(st.integers(0, 3), st.integers(0, 2**48 - 1), st.just(2**48 - 1))
metrics = st.one_of(st.integers(0, 10), st.integers(0, 2**32 - 1), st.just(2**32 - 1))
announcements = st.builds(
    Announcement,
    signing_public_key=st.binary(min_size=32, max_size=32),
    sequence=sequences,
    network_id=st.just(bytes(8)),
    prefixes=st.just(()),
    name=st.binary(max_size=NAME_BYTES),
)
items = st.one_of(
    st.builds(Update, nodes, st.builds(distance, sequences, metrics), st.one_of(st.none(), announcements)),
    st.builds(SeqnoRequest, nodes, sequences, st.integers(0, 255)),
    st.builds(RouteRequest, nodes),
    st.builds(Digest, st.binary(min_size=16, max_size=16), st.integers(0, 2**32 - 1)),
    st.builds(Observed, UNDERLAY_ADDRESSES),
    st.builds(PeersWanted),
    st.builds(PeersKnown, st.lists(KNOWN_PEERS, max_size=16).map(tuple)),
    LEASE_ITEMS,
)


@given(st.lists(st.lists(items, max_size=8), max_size=6), st.booleans())
def test_any_control_message_of_a_neighbour_is_survived(batches: list[list[Item]], names_real_nodes: bool) -> None:
    net = ready_pair()
    real = [host.address for host in net.hosts.values()]
    for batch in batches:
        if names_real_nodes:
            batch = [_with_node(item, real[index % 2]) for index, item in enumerate(batch)]
        link_of(net, "a", "b").send_items(batch, now=net.now)
        net.drain("a")
        net.run(0.02)
    net.run(2)
    assert link_of(net, "b", "a").state is LinkState.UP
    check_bounds(net.hosts["b"])


def _with_node(item: Item, node: bytes) -> Item:
    match item:
        case Update():
            return Update(node, item.distance, item.announcement)
        case SeqnoRequest():
            return SeqnoRequest(node, item.sequence, item.hops)
        case RouteRequest():
            return RouteRequest(node)
        case LeaseRequest():
            return LeaseRequest(node, item.token, item.is_wanted)
        case LeaseAnswer():
            return LeaseAnswer(node, item.token, item.state, item.port, item.secret)
        case Resume() | Resumed():
            return item
        case Pin():
            return Pin(node, item.home, item.is_pinned, item.record)
        case Digest() | Observed() | PeersWanted() | PeersKnown() | MemberPiece() | KnockWanted():
            return item


@given(st.lists(st.tuples(counts, counts, counts, counts, st.binary(max_size=60)), max_size=10))
def test_any_control_segment_of_a_neighbour_is_survived(segments: list[tuple[int, int, int, int, bytes]]) -> None:
    net = ready_pair()
    for stream, number, acked_stream, acked, payload in segments:
        attack(net, CONTROL, CONTROL_HEADER.pack(stream, number, acked_stream, acked, 2**64 - 1) + payload)
    net.run(2)
    check_bounds(net.hosts["b"])


@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.sampled_from((0x10, 0x11, 0x12, 0x13, 0x14, 0x20, 0)),
            st.integers(0, 2**32 - 1),
            st.integers(0, 2**64 - 1),
            st.integers(0, 3),
            st.integers(0, 3),
            st.one_of(st.binary(max_size=80), st.sampled_from([bytes(1_296), bytes(1_152), bytes(176)])),
            st.integers(-3, 3),
        ),
        max_size=8,
    )
)
def test_any_train_of_a_neighbour_is_survived(trains: list[tuple[int, int, int, int, int, int, bytes, int]]) -> None:
    net = ready_line("abc")
    addresses = [host.address for host in net.hosts.values()] + [bytes(16)]
    body = bytearray()
    for hop_limit, kind, index, count, destination, source, payload, lie in trains:
        head = (hop_limit, 0, kind, 0, max(len(payload) + lie, 0), index, count)
        body += TRAIN_HEADER.pack(*head, addresses[destination], addresses[source]) + payload
    attack(net, DATA, bytes(body))
    still_serves(net)


def test_a_neighbour_that_moves_all_the_time_is_kept_in_bounds() -> None:
    net = ready_pair()
    link = link_of(net, "a", "b")
    net.capture = []
    for number in range(500):
        source = Endpoint("udp", f"198.51.{number >> 8}.{number & 255}", PORT)
        net.drop = lambda sender, receiver, data: receiver == "b"
        attack(net, PROBE, PROBE_BODY.pack(PROBE_WANTS_REPLY, bytes(3), 7, 0, 0), number=number & 255)
        net.drop = lambda sender, receiver, data: False
        net.inject("b", source, net.capture[-1][2])
        check_bounds(net.hosts["b"])
    assert link.keypairs.sending.sealing.counter > 500
    net.run(3)
    still_serves(net)


def test_a_neighbour_that_never_acknowledges_is_not_queued_for_without_end() -> None:
    net = ready_line("abc")
    net.drop = lambda sender, receiver, data: sender == "a" and data[0] == FRAME and 60 < len(data) < 66
    for _ in range(50):
        net.restart("c")
        net.run(1)
    assert link_of(net, "b", "a").untaken_bytes < 100_000


def test_a_neighbour_whose_queue_has_overflown_is_told_the_table_again() -> None:
    net = ready_line("abc")
    link = link_of(net, "b", "a")
    net.hosts["b"].running.act(link.send_items, [RouteRequest(bytes(16))] * 200_000)
    net.run(2)
    assert is_whole(net)
    assert link.untaken_bytes == 0
