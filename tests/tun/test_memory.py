"""The in-memory twin keeps the contract of a TUN device."""

import select
from collections.abc import Iterator

import pytest

from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH
from mycelium.packet.batch import PARTIAL_CHECKSUM, PacketBatch
from mycelium.tun.base import TunDevice
from mycelium.tun.memory import MemoryTun
from mycelium.wire.train import ITEM_HEADER_BYTES
from tests.packet.packets import udp_packet

PACKET = udp_packet(b"data")


@pytest.fixture
def tun() -> Iterator[MemoryTun]:
    device = MemoryTun()
    yield device
    device.close()


def is_readable(tun: MemoryTun) -> bool:
    return bool(select.select([tun], [], [], 0)[0])


def test_packets_are_read_with_room_before_each(tun: MemoryTun) -> None:
    device: TunDevice = tun
    batch = PacketBatch()
    tun.send(PACKET, PARTIAL_CHECKSUM)
    tun.send(PACKET)
    first, second = ITEM_HEADER_BYTES, 2 * ITEM_HEADER_BYTES + len(PACKET)
    assert device.read_batch(batch) == 2
    assert batch.slots == [(first, first + len(PACKET), PARTIAL_CHECKSUM, 0), (second, second + len(PACKET), 0, 0)]
    assert all(batch.buffer[start:end] == PACKET for start, end, _, _ in batch.slots)
    assert (device.read_batch(batch), batch.slots) == (0, [])


def test_the_descriptor_polls_readable_while_packets_wait(tun: MemoryTun) -> None:
    batch = PacketBatch()
    assert not is_readable(tun)
    for _ in range(PACKETS_PER_BATCH + 1):
        tun.send(PACKET)
    assert (tun.read_batch(batch), is_readable(tun)) == (PACKETS_PER_BATCH, True)
    assert (tun.read_batch(batch), is_readable(tun)) == (1, False)
    tun.send(PACKET)
    assert is_readable(tun)


def test_a_batch_ends_beyond_its_bytes(tun: MemoryTun) -> None:
    packet = udp_packet(bytes(BYTES_PER_BATCH // 2))
    for _ in range(3):
        tun.send(packet)
    assert [(tun.read_batch(PacketBatch()), tun.is_drained) for _ in range(2)] == [(2, False), (1, True)]


def test_what_is_not_ipv6_is_dropped_and_counted(tun: MemoryTun) -> None:
    tun.send(b"\x45" + bytes(60))
    assert tun.read_batch(PacketBatch()) == 0
    tun.write([(memoryview(b"\x45" + bytes(60)), 0, 0)])
    assert (tun.counters.not_ipv6, tun.counters.malformed, tun.written) == (1, 1, [])


def test_written_packets_are_kept_as_they_came(tun: MemoryTun) -> None:
    buffer = bytearray(PACKET)
    tun.write([(memoryview(buffer), PARTIAL_CHECKSUM, 0)])
    buffer[:] = bytes(len(buffer))
    assert tun.written == [(PACKET, PARTIAL_CHECKSUM, 0)]
    assert (tun.counters.packets_written, tun.counters.bytes_written) == (1, len(PACKET))


def test_closing_twice_is_harmless(tun: MemoryTun) -> None:
    tun.close()
    tun.close()
    assert tun.fileno() == -1
