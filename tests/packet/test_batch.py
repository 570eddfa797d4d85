from mycelium.limits import BYTES_PER_BATCH, PACKETS_PER_BATCH
from mycelium.packet.batch import (
    PACKET_CEILING,
    PARTIAL_CHECKSUM,
    SUPER_CWR,
    SUPER_MASK,
    SUPER_TCP,
    SUPER_UDP,
    PacketBatch,
)
from mycelium.wire.train import ITEM_HEADER_BYTES


def test_a_buffer_has_room_for_a_full_batch_and_one_longest_packet_behind_it() -> None:
    headers = PACKETS_PER_BATCH * ITEM_HEADER_BYTES
    assert len(PacketBatch().buffer) >= BYTES_PER_BATCH + headers + PACKET_CEILING


def test_item_flags_can_be_told_apart() -> None:
    assert SUPER_MASK == SUPER_TCP | SUPER_UDP
    assert (
        len({SUPER_TCP, SUPER_UDP, PARTIAL_CHECKSUM, SUPER_CWR})
        == (SUPER_MASK | PARTIAL_CHECKSUM | SUPER_CWR).bit_count()
    )
