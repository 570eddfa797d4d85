"""The scapy layers read what the code sends, field by field; what they craft amiss, the code refuses."""

from collections.abc import Callable
from typing import Any

import pytest
from scapy.layers.inet6 import IPv6
from scapy.packet import Packet, Raw

from mycelium.errors import DecodeError
from mycelium.identity import Identity
from mycelium.limits import FRAME_PLAINTEXT
from mycelium.link.link import Link
from mycelium.packet.ipv6 import echo_request
from mycelium.wire.announcement import Announcement
from mycelium.wire.control import Digest, Item, RouteRequest, SeqnoRequest, Update, decode_items, encode_item
from mycelium.wire.datagram import SUITE_CHACHA20_POLY1305
from mycelium.wire.distance import INFINITY, distance
from mycelium.wire.frame import DATA, FRAME_HEADER, REPAIR, REPAIR_HEAD, REPAIR_RANGE, WHOLE_FRAME
from sim.net.node_net import NodeNet
from tests.crypto.support import BOB, link_initiator, link_responder
from tests.support import dissect
from tests.support.dissect import dissect_datagram, dissect_frame, dissect_items

NODE = bytes.fromhex("04a4459a71c13cb007175626f0c8d354")
ANNOUNCEMENT = Announcement(
    bytes(range(32)), 7 << 16 | 3, b"network!", ((64, NODE), (0, bytes(16))), b"berlin", b"s" * 64
)


def rebuilt(layer: Packet) -> bytes:
    """Builds a dissected layer from its fields alone."""
    layer.clear_cache()
    return bytes(layer)


# -- what the code makes -----------------------------------------------------------------------------------------------


def test_the_messages_of_a_handshake_are_read() -> None:
    initiator, responder = link_initiator(), link_responder(suites=SUITE_CHACHA20_POLY1305)
    message_1 = initiator.message_1
    message_2 = responder.receive_message_1(message_1)
    message_3, _ = initiator.receive_message_2(message_2)
    first, second, third = (dissect_datagram(data) for data in (message_1, message_2, message_3))
    assert (first.version, first.suites, first.sender) == (1, 3, 0x11111111)
    assert (second.suite, second.sender, second.receiver) == (SUITE_CHACHA20_POLY1305, 0x22222222, 0x11111111)
    assert third.receiver == 0x22222222
    assert [rebuilt(one) for one in (first, second, third)] == [message_1, message_2, message_3]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (Update(NODE, distance(7 << 16 | 3, 64)), {"epoch": 7, "counter": 3, "metric": 64}),
        (Update(NODE, distance(7 << 16 | 3, INFINITY), ANNOUNCEMENT), {"metric": INFINITY}),
        (SeqnoRequest(NODE, 8 << 16, 9), {"epoch": 8, "counter": 0, "hops": 9}),
        (RouteRequest(NODE), {"length": 16}),
        (Digest(b"d" * 16, 4), {"digest": b"d" * 16, "routes": 4}),
    ],
)
def test_each_control_message_is_read(item: Item, expected: dict[str, Any]) -> None:
    message = encode_item(item)
    frame = dissect_frame(bytes((1,)) + bytes(31) + message)
    layer = frame.messages[0]
    assert {name: getattr(layer, name) for name in expected} == expected
    assert rebuilt(frame)[32:] == message


def test_an_announcement_is_read_to_its_last_prefix() -> None:
    message = encode_item(Update(NODE, distance(ANNOUNCEMENT.sequence, 1), ANNOUNCEMENT))
    layer = dissect_frame(bytes((1,)) + bytes(31) + message).messages[0].announcement[0]
    assert (layer.version, layer.node_name, layer.epoch, layer.counter) == (1, b"berlin", 7, 3)
    assert (layer.signing_key, layer.network_id, layer.signature) == (bytes(range(32)), b"network!", b"s" * 64)
    assert [(one.bits, one.address) for one in layer.prefixes] == [
        (64, "4a4:459a:71c1:3cb0:717:5626:f0c8:d354"),
        (0, "::"),
    ]


class Wiretap:
    """Two neighbours, and what one of them has opened: frames as they lie in the sealed datagrams, trains in those."""

    def __init__(self) -> None:
        self.net = NodeNet()
        self.net.add("a")
        self.net.add("b")
        self.net.join("a", "b")
        self.net.capture = []
        self.net.run(2)
        a, b = self.net.hosts["a"], self.net.hosts["b"]
        self.net.send("a", echo_request(a.address, b.address, 7, 1, b"x" * 56))
        self.net.run(1)
        self.link = a.node.links[b.address]

    def datagrams(self, sender: str) -> list[bytes]:
        assert self.net.capture is not None
        return [data for source, _, data in self.net.capture if source == sender]

    def frames(self) -> list[bytes]:
        """Returns the plaintexts of what `b` sent to `a`."""
        cipher = self.link.keypairs.sending.opening.cipher
        return [open_with(cipher, data[8:16], data[:16], data[16:]) for data in self.datagrams("b") if data[0] == 0x14]

    def trains(self, receiver: str) -> list[Packet]:
        """Returns the trains that reached a host, as layers."""
        other = "b" if receiver == "a" else "a"
        link = self.net.hosts[receiver].node.links[self.net.hosts[other].address]
        cipher = link.keypairs.sending.opening.cipher
        plain = [
            open_with(cipher, data[8:16], data[:16], data[16:]) for data in self.datagrams(other) if data[0] == 0x14
        ]
        return [train for frame in plain if frame[0] == DATA for train in dissect_frame(frame).trains]


def open_with(cipher: Any, counter: bytes, head: bytes, sealed: bytes) -> bytes:
    plain = bytearray(len(sealed) - 16)
    cipher.decrypt_into(bytes(4) + counter, sealed, head, plain)
    return bytes(plain)


@pytest.fixture(scope="module")
def tapped() -> Wiretap:
    return Wiretap()


def test_every_datagram_on_the_wire_has_a_layer_that_builds_it(tapped: Wiretap) -> None:
    for data in tapped.datagrams("a") + tapped.datagrams("b"):
        layer = dissect_datagram(data)
        assert not isinstance(layer, Raw)
        assert rebuilt(layer) == data


def test_every_frame_that_a_node_sends_is_read(tapped: Wiretap) -> None:
    frames = tapped.frames()
    layers = [dissect_frame(frame) for frame in frames]
    assert {type(layer).__name__ for layer in layers} == {"ControlFrame", "ProbeFrame", "DataFrame"}
    assert [rebuilt(layer) for layer in layers] == frames
    updates = [
        message.node
        for layer in layers
        if isinstance(layer, dissect.ControlFrame)
        for message in layer.messages
        if isinstance(message, dissect.UpdateLayer)
    ]
    assert len(updates) == 1


def test_the_trains_of_a_session_are_read(tapped: Wiretap) -> None:
    request, data = tapped.trains("b")
    (reply,) = tapped.trains("a")
    assert (type(request), type(reply), type(data)) == (dissect.SessionRequest, dissect.SessionReply, dissect.Train)
    assert (request.version, request.session, request.suites) == (1, 0, 3)
    assert (reply.session, reply.suites) == (request.own_index, 1)
    assert (data.hop_limit, data.session, data.counter) == (64, reply.own_index, 1)
    assert (data.source, data.destination) == (reply.destination, reply.source)


def test_the_items_of_a_train_are_read(tapped: Wiretap) -> None:
    (_, data) = tapped.trains("b")
    a, b = tapped.net.hosts["a"], tapped.net.hosts["b"]
    session = b.node.sessions.by_peer[a.address]
    cipher = session.keypairs[0].opening.cipher
    plain = open_with(cipher, data.counter.to_bytes(8, "big"), bytes(data)[2:52], data.body)
    (item,) = dissect_items(plain).items
    assert isinstance(item.packet[0], IPv6)
    assert (item.flags, item.packet[0].nh, len(item.packet[0])) == (0, 58, 104)
    assert item.show(dump=True).count("ICMPv6 Echo Request") == 1


def test_a_report_and_what_is_unknown_are_read() -> None:
    report = dissect.ReportItem(newest=9, opened=8)
    unknown = dissect.UnknownItem(type=7, content=b"new")
    layer = dissect_items(bytes(report) + bytes(unknown))
    assert [type(one) for one in layer.items] == [dissect.ReportItem, dissect.UnknownItem]
    assert (layer.items[0].newest, layer.items[0].opened, layer.items[1].content) == (9, 8, b"new")


@pytest.mark.parametrize("data", [b"", b"\x10", b"\x14short", b"\x0fsomething else"])
def test_what_is_no_datagram_of_ours_stays_raw(data: bytes) -> None:
    assert isinstance(dissect_datagram(data), Raw)


# -- what the code refuses ---------------------------------------------------------------------------------------------


def announcement(**fields: Any) -> dissect.AnnouncementLayer:
    return dissect.AnnouncementLayer(**fields)


def update(**fields: Any) -> bytes:
    return bytes(dissect.UpdateLayer(node="400::1", announcement=[announcement(**fields)]))


@pytest.mark.parametrize(
    "messages",
    [
        update(prefix_bytes=17),
        update(prefix_bytes=16),
        update(prefixes=[dissect.Prefix(bits=129)]),
        update(prefixes=[dissect.Prefix()] * 17),
        update() + b"\x01",
        bytes(dissect.UpdateLayer(length=27)),
        bytes(dissect.UpdateLayer(length=25)),
        bytes(dissect.UpdateLayer(length=26, announcement=[announcement()])),
        bytes(dissect.SeqnoRequestLayer(length=22)),
        bytes(dissect.RouteRequestLayer(length=0)),
        bytes(dissect.DigestLayer(length=21)),
        bytes(dissect.UnknownMessage(type=200, body=bytes(1025))),
    ],
)
def test_malformed_control_messages_are_refused(messages: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_items(messages)


def test_messages_of_an_unknown_type_are_skipped() -> None:
    unknown = bytes(dissect.UnknownMessage(type=200, body=bytes(1024)))
    known = bytes(dissect.RouteRequestLayer(node="400::1", length=16))
    assert decode_items(unknown + known + unknown) == [RouteRequest(b"\x04" + bytes(14) + b"\x01")]


class Attacked:
    """A node with an honest link; what is crafted is handed to it as if it came from there."""

    def __init__(self) -> None:
        self.net = NodeNet()
        for name in "ab":
            self.net.add(name)
        self.net.join("a", "b")
        self.net.run(2)
        self.a, self.b = self.net.hosts["a"], self.net.hosts["b"]
        self.index = self.link("a", "b").keypairs.sending.local_index

    def link(self, one: str, other: str) -> Link:
        return self.net.hosts[one].node.links[self.net.hosts[other].address]

    def count(self, name: str) -> int:
        return self.a.node.metrics.values()[name]

    def inject(self, layer: Packet) -> None:
        self.net.inject("a", self.b.endpoint, bytes(layer))

    def send_sealed(self, layer: Packet) -> None:
        """Has the other end seal a frame that it would never make."""
        plain = bytes(layer)
        self.link("b", "a").frames.send(plain[0], memoryview(bytearray(plain)), now=self.net.now)
        self.net.drain("b")
        self.net.run(0.1)


@pytest.fixture
def attacked() -> Attacked:
    return Attacked()


@pytest.mark.parametrize(
    ("layer", "counter"),
    [
        (dissect.Handshake1(), "handshakes_without_mac"),
        (dissect.Handshake1(version=2), "handshakes_malformed"),
        (dissect.Handshake1() / Raw(b"more"), "handshakes_malformed"),
        (dissect.Handshake2(), "handshakes_refused"),
        (dissect.Handshake3(), "handshakes_refused"),
        (dissect.Cookie(), "handshakes_refused"),
        (dissect.Frame(receiver=0, sealed=bytes(40)), "datagrams_unknown"),
        (dissect.Frame(type=0x16, sealed=bytes(40)), "datagrams_unknown"),
    ],
)
def test_a_crafted_datagram_of_a_stranger_is_counted_and_dropped(
    layer: Packet, counter: str, attacked: Attacked
) -> None:
    before = attacked.count(counter)
    attacked.inject(layer)
    assert attacked.count(counter) == before + 1


@pytest.mark.parametrize(
    ("craft", "counter"),
    [
        (lambda index: dissect.Frame(receiver=index, sealed=bytes(23)), "frames_malformed"),
        (lambda index: dissect.Frame(receiver=index, counter=9999, sealed=bytes(24)), "frames_not_opened"),
        (lambda index: dissect.Frame(receiver=index, counter=0, sealed=bytes(24)), "frames_not_opened"),
        (lambda index: dissect.Chunk(receiver=index, counter=9999, total=48, sealed=bytes(48)), "chunks_refused"),
    ],
)
def test_a_crafted_frame_under_a_known_index_is_counted_and_dropped(
    craft: Callable[[int], Packet], counter: str, attacked: Attacked
) -> None:
    before = attacked.count(counter)
    attacked.inject(craft(attacked.index))
    assert attacked.count(counter) == before + 1


@pytest.mark.parametrize(
    "fields",
    [
        {"total": FRAME_PLAINTEXT + 40, "sealed": bytes(1000)},
        {"total": 96, "offset": 90, "sealed": bytes(7)},
        {"total": 0, "sealed": bytes(1)},
        {"total": 2016, "counter": 0, "sealed": bytes(1000)},
        {"total": 2000, "sealed": bytes(1000)},
        {"total": 2016, "room": 1000, "sealed": bytes(1000)},
        {"total": 2016, "pad": 24, "sealed": bytes(1000)},
    ],
)
def test_an_impossible_chunk_is_refused_and_held_nowhere(fields: dict[str, Any], attacked: Attacked) -> None:
    reassembly = attacked.link("a", "b").keypairs.sending.reassembly
    attacked.inject(dissect.Chunk(**{"receiver": attacked.index, "counter": 9999} | fields))
    assert (reassembly.counters.chunks_refused, reassembly.held_bytes) == (1, 0)


@pytest.mark.parametrize(
    "layer",
    [
        dissect.ControlFrame(stream=0, number=1),
        dissect.ControlFrame(stream=0xFFFFFFFF, number=1, messages=[dissect.UnknownMessage(length=9)]),
        dissect.ControlFrame(stream=0xFFFFFFFF, messages=[dissect.UnknownMessage(body=bytes(1166))]),
        Raw(bytes((1,)) + bytes(30)),
        dissect.UnknownFrame(kind=99),
        Raw(bytes(dissect.ProbeFrame())[:-1]),
        dissect.DataFrame(trains=[dissect.Train(length=1, destination="400::1")]),
        Raw(bytes(dissect.DataFrame()) + bytes(51)),
    ],
)
def test_a_sealed_frame_with_nonsense_in_it_is_counted(layer: Packet, attacked: Attacked) -> None:
    attacked.send_sealed(layer)
    assert attacked.count("frames_malformed") + attacked.count("trains_malformed") == 1
    assert len(attacked.a.node.links) == 1


@pytest.mark.parametrize(
    ("fields", "counter"),
    [
        ({"hop_limit": 1}, "trains_hop_limit"),
        ({"hop_limit": 0}, "trains_hop_limit"),
        ({"hop_limit": 64}, "trains_no_route"),
    ],
)
def test_a_train_that_goes_no_further_is_counted(fields: dict[str, int], counter: str, attacked: Attacked) -> None:
    attacked.send_sealed(dissect.DataFrame(trains=[dissect.Train(destination="400::1", **fields)]))
    assert attacked.count(counter) == 1
    assert attacked.count("trains_forwarded") == 0


def train_to_a(layer: type[dissect.Layer], attacked: Attacked, **fields: Any) -> dissect.DataFrame:
    return dissect.DataFrame(
        trains=[layer(destination=dissect.text_of(attacked.a.address), source=dissect.text_of(BOB.address), **fields)]
    )


@pytest.mark.parametrize(
    ("layer", "fields", "counter"),
    [
        (dissect.Train, {"type": 9}, "trains_malformed"),
        (dissect.Train, {"version": 2}, "trains_malformed"),
        (dissect.Train, {"session": 77, "body": bytes(20)}, "trains_unknown_session"),
        (dissect.Train, {"type": 1, "body": bytes(9)}, "sessions_refused"),
        (dissect.SessionRequest, {}, "sessions_refused"),
        (dissect.SessionRequest, {"suites": 0}, "sessions_refused"),
        (dissect.SessionReply, {"session": 77}, "sessions_refused"),
        (dissect.RelayError, {}, "relay_errors_refused"),
        (dissect.Train, {"type": 3, "body": bytes(143)}, "relay_errors_refused"),
    ],
)
def test_a_crafted_train_to_us_is_counted_and_dropped(
    layer: type[dissect.Layer], fields: dict[str, Any], counter: str, attacked: Attacked
) -> None:
    before = attacked.count(counter)
    attacked.send_sealed(train_to_a(layer, attacked, **fields))
    assert attacked.count(counter) == before + 1
    assert attacked.a.delivered == []


def send_items(attacked: Attacked, items: bytes) -> None:
    """Has the other end seal items that it would never make, in a session that exists."""
    ping = echo_request(attacked.b.address, attacked.a.address, 1, 1)
    if attacked.a.address not in attacked.b.node.sessions.by_peer:
        attacked.net.send("b", ping)
        attacked.net.run(1)
    keys = attacked.b.node.sessions.by_peer[attacked.a.address].sending
    assert keys is not None
    sealing = keys.sealing
    train = dissect.Train(
        session=keys.remote_index,
        counter=sealing.counter,
        destination=dissect.text_of(attacked.a.address),
        source=dissect.text_of(attacked.b.address),
        body=bytes(len(items) + 16),
    )
    head = bytes(train)[:52]
    sealed = bytearray(len(items) + 16)
    sealing.seal_into(sealing.counter, items, head[2:], sealed)
    train.body = bytes(sealed)
    attacked.send_sealed(dissect.DataFrame(trains=[train]))


def packet_item(attacked: Attacked, **fields: Any) -> bytes:
    source, destination = (dissect.text_of(host.address) for host in (attacked.b, attacked.a))
    packet = IPv6(**{"src": source, "dst": destination} | fields)
    return bytes(dissect.PacketItem(packet=[packet]))


def test_a_crafted_session_train_is_delivered_where_nothing_is_wrong_with_it(attacked: Attacked) -> None:
    send_items(attacked, packet_item(attacked) + bytes(dissect.UnknownItem(type=7, content=b"new")))
    assert len(attacked.a.delivered) == 2


@pytest.mark.parametrize(
    "fields", [{"src": "400::1"}, {"dst": "400::1"}, {"src": "fe80::1"}, {"dst": "ff02::1"}, {"version": 4}]
)
def test_a_packet_between_others_is_not_delivered(fields: dict[str, Any], attacked: Attacked) -> None:
    send_items(attacked, packet_item(attacked, **fields))
    assert (attacked.count("packets_foreign"), len(attacked.a.delivered)) == (1, 1)


@pytest.mark.parametrize(
    "item",
    [
        dissect.UnknownItem(length=1),
        dissect.UnknownItem(length=0xFFFFFF),
        dissect.UnknownItem(content=b"\x60" + bytes(38)),
    ],
)
def test_an_item_that_holds_no_packet_is_counted(item: Packet, attacked: Attacked) -> None:
    send_items(attacked, bytes(item))
    assert (attacked.count("trains_malformed"), len(attacked.a.delivered)) == (1, 1)


@pytest.mark.parametrize("is_honest", [True, False])
def test_a_relay_error_counts_only_if_whom_it_comes_from_has_signed_it(is_honest: bool, attacked: Attacked) -> None:
    attacked.net.send("a", echo_request(attacked.a.address, attacked.b.address, 1, 1))
    attacked.net.run(1)
    session = attacked.a.node.sessions.by_peer[attacked.b.address]
    counter, tag, *_ = session.recent[-1]
    relay = BOB if is_honest else Identity(bytes(32))
    error = dissect.RelayError(
        destination=dissect.text_of(attacked.a.address),
        source=dissect.text_of(BOB.address),
        quoted_session=session.keypairs[0].remote_index,
        quoted_counter=counter,
        quoted_destination=dissect.text_of(attacked.b.address),
        quoted_tag=tag,
        signing_key=relay.signing_public_key,
    )
    signed = b"mycelium relay error 1\0" + attacked.a.address + bytes(error)[52:132]
    error.signature = relay.sign(signed)
    before = attacked.count("icmp_errors"), attacked.count("relay_errors_refused")
    attacked.send_sealed(dissect.DataFrame(trains=[error]))
    after = attacked.count("icmp_errors"), attacked.count("relay_errors_refused")
    assert [new - old for old, new in zip(before, after, strict=True)] == [is_honest, not is_honest]


def test_a_repair_frame_names_the_ranges_it_asks_for() -> None:
    body = REPAIR_HEAD.pack(0xABCD) + REPAIR_RANGE.pack(7, 0, WHOLE_FRAME) + REPAIR_RANGE.pack(9, 1_452, 2_904)
    frame = dissect_frame(FRAME_HEADER.pack(REPAIR, 0, 0, 3) + body)
    assert isinstance(frame, dissect.RepairFrame)
    assert frame.receiver == 0xABCD
    assert [(one.counter, one.first, one.end) for one in frame.ranges] == [(7, 0, WHOLE_FRAME), (9, 1_452, 2_904)]
