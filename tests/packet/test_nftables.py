"""Messages of nftables, as the kernel takes and nft shows them; tests/transport/kernel_relay tries them out."""

import struct

from mycelium.packet.netlink import attribute, attributes, messages
from mycelium.packet.nftables import Way, batch, chain_of, counted, end_lease, new_lease, new_table, set_ways

WAY = Way((bytes(4), 1), bytes(4), bytes(4), (bytes(4), 2), 3, bytes(4))
SIX = Way((bytes(16), 1), bytes(16), bytes(16), (bytes(16), 2), 3, bytes(16))


def test_a_batch_has_a_begin_and_an_end_around_its_changes() -> None:
    changes = [*new_table("t"), *new_lease("t", 7), *set_ways("t", 7, [WAY, SIX]), *end_lease("t", 7)]
    kinds = [kind for kind, _, _ in messages(batch(changes))]
    assert (kinds[0], kinds[-1], len(kinds)) == (0x10, 0x11, len(changes) + 2)
    assert {kind >> 8 for kind in kinds[1:-1]} == {10}


def test_each_way_is_a_rule_after_the_old_ones_were_removed() -> None:
    kinds = [kind & 0xFF for change in set_ways("t", 7, [WAY, SIX]) for kind, _, _ in messages(change)]
    assert kinds == [8, 6, 6]
    assert [kind & 0xFF for change in set_ways("t", 7, []) for kind, _, _ in messages(change)] == [8]


def test_all_changes_of_a_port_name_its_chain() -> None:
    name = chain_of(4_711).encode()
    for change in (*new_lease("t", 4_711), *set_ways("t", 4_711, [WAY]), *end_lease("t", 4_711)):
        [(_, _, body)] = messages(change)
        assert attributes(body[4:]) is not None
        assert name in body


def test_what_a_rule_has_counted_is_read() -> None:
    counter = attribute(1, struct.pack("!Q", 3_000)) + attribute(2, struct.pack("!Q", 4))
    expressions = attribute(1, attribute(1, b"meta\0") + attribute(2, b"")) + attribute(
        1, attribute(1, b"counter\0") + attribute(2, counter)
    )
    assert counted(bytes(4) + attribute(4, expressions)) == (4, 3_000)
    assert counted(bytes(4)) == (0, 0)
