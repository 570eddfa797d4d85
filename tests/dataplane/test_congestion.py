"""Traffic classes on the way out, and marks of the underlay on the way in, over a relay."""

import pytest

from mycelium.endpoint import Endpoint
from mycelium.link.frames import Frames
from mycelium.packet.batch import PARTIAL_CHECKSUM, SUPER_TCP, PacketBatch
from mycelium.wire.train import ITEM_HEADER_BYTES
from sim.net.node_net import NodeNet
from tests.dataplane.support import ready
from tests.packet.packets import tcp_packet
from tests.support.small_meshes import counter, link_of, ping_packet

ECT_0, CE = 2, 3
EF = 46 << 2


def of_class(packet: bytes, traffic_class: int) -> bytes:
    return bytes((0x60 | traffic_class >> 4, (traffic_class & 0xF) << 4 | packet[1] & 0xF)) + packet[2:]


def classes(packets: list[tuple[bytes, int, int]]) -> list[int]:
    return [(packet[0] & 0xF) << 4 | packet[1] >> 4 for packet, _, _ in packets]


def batch_of(packets: list[bytes]) -> PacketBatch:
    batch = PacketBatch()
    position = 0
    for packet in packets:
        start, position = position + ITEM_HEADER_BYTES, position + ITEM_HEADER_BYTES + len(packet)
        batch.buffer[start:position] = packet
        batch.slots.append((start, position, 0, 0))
    return batch


def mark_all_that(net: NodeNet, name: str) -> None:
    """Has routers mark everything that a host receives."""
    node = net.hosts[name].node
    receive = node.receive

    def receive_marked(
        endpoint: Endpoint, burst: memoryview, segment_size: int, *, now: float, waited_s: float = 0.0
    ) -> None:
        node.neighbours.indices.note_congestion(burst, segment_size)
        receive(endpoint, burst, segment_size, now=now, waited_s=waited_s)

    node.receive = receive_marked  # type: ignore[method-assign]


@pytest.mark.parametrize("where", ["b", "c"])
def test_a_mark_on_any_link_reaches_the_packets_whose_senders_understand_it(where: str) -> None:
    net = ready("abc")
    mark_all_that(net, where)
    packet = ping_packet(net, "a", "c", bytes(5_000))
    net.send_batch("a", [(of_class(packet, kind), 0, 0) for kind in (EF | ECT_0, 0, ECT_0, CE, 1)])
    net.run(1)
    assert classes(net.hosts["c"].delivered) == [EF | CE, CE, CE, CE]
    assert counter(net, "c", "packets_congested") == 1
    assert counter(net, "c", "packets_delivered") == 4 + 1, "and the ping before"


def test_a_super_packet_is_marked_as_one() -> None:
    net = ready("ab")
    mark_all_that(net, "b")
    addresses = net.hosts["a"].address + net.hosts["b"].address
    packet = tcp_packet(bytes(50_000))
    packet = of_class(packet[:8] + addresses + packet[40:], ECT_0)
    net.send_batch("a", [(packet, SUPER_TCP | PARTIAL_CHECKSUM, 1_300)])
    net.run(1)
    [(delivered, flags, size)] = net.hosts["b"].delivered
    assert (flags, size) == (SUPER_TCP | PARTIAL_CHECKSUM, 1_300)
    assert delivered == of_class(packet, CE)


def bulk_classes(net: NodeNet, name: str) -> list[int]:
    return [kind for *_, is_bulk, kind in net.hosts[name].node.outbox.transmits if is_bulk]


def test_frames_leave_with_the_class_of_their_packets_from_source_and_relay() -> None:
    net = ready("abc")
    a, b = (net.hosts[name].node for name in "ab")
    packet = ping_packet(net, "a", "c", bytes(100))
    batch = batch_of([of_class(packet, kind) for kind in (EF, EF, ECT_0, 0, 0)])
    a.send_packets(batch, now=net.now)
    assert bulk_classes(net, "a") == [EF, ECT_0, 0]
    frames = [(bytearray(b"".join(buffers)), size) for _, buffers, size, *_ in a.outbox.transmits]
    for data, size in frames:
        b.receive(link_of(net, "b", "a").paths.active.endpoint, memoryview(data), size, now=net.now)
    assert bulk_classes(net, "b") == [EF, ECT_0, 0]


def test_trains_of_several_classes_in_one_frame_are_relayed_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready("abc")
    a, b = (net.hosts[name].node for name in "ab")
    packet = ping_packet(net, "a", "c", bytes(100))
    reserve = Frames.reserve

    def reserve_any_class(frames: Frames, length: int, _: int, *, now: float) -> tuple[memoryview, int]:
        return reserve(frames, length, 0, now=now)

    monkeypatch.setattr(Frames, "reserve", reserve_any_class)
    a.send_packets(batch_of([of_class(packet, kind) for kind in (EF, ECT_0, 0)]), now=net.now)
    [(_, buffers, size, *_)] = a.outbox.transmits
    data = memoryview(bytearray(b"".join(buffers)))
    b.receive(link_of(net, "b", "a").paths.active.endpoint, data, size, now=net.now)
    assert bulk_classes(net, "b") == [EF, ECT_0, 0]
