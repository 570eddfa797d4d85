"""A proof is whole once all of its parts have come, in whatever order."""

import random
import tracemalloc

import pytest

from mycelium.channel.awaited_proof import KEPT_OVERHEAD, AwaitedProof
from mycelium.limits import UNPROVED_BYTES_OF_ALL, SharedRate
from mycelium.timing import SharedBucket
from mycelium.wire.frame import FRAME_HEADER
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PARTS, ProofPart, part_range
from tests.channel.support import awaited_proof

SMALL = KEPT_OVERHEAD + 20
ROOM = SharedRate(10, at_once=8 * SMALL, little_per_second=1, little_at_once=SMALL)


def test_parts_come_in_any_order_and_the_first_of_each_counts() -> None:
    proof = random.Random(1).randbytes(PROOF_BYTES)
    parts = [ProofPart(number, proof[part_range(number)]) for number in range(PROOF_PARTS)]
    awaited = awaited_proof(until=5.0)
    last, *others = random.Random(2).sample(parts, PROOF_PARTS)
    for part in others:
        assert awaited.add(part) is None
        assert awaited.add(ProofPart(part.number, bytes(len(part.data)))) is None
    assert awaited.arrived == (1 << PROOF_PARTS) - 1 - (1 << last.number)
    assert awaited.add(last) == proof
    assert awaited.add(last) is None


def test_data_is_kept_as_it_was_in_the_order_in_which_it_came() -> None:
    awaited = awaited_proof(until=5.0)
    buffer = bytearray(b"one")
    assert awaited.keep(memoryview(buffer), now=0.0)
    assert awaited.keep(b"t", memoryview(b"wo"), now=0.0)
    buffer[:] = b"xxx"
    assert [bytes(one) for one in awaited.early] == [b"one", b"two"]
    assert not any(one.readonly for one in awaited.early)


@pytest.mark.parametrize(("taken_by_one", "is_kept"), [(4 * SMALL, True), (4 * SMALL + 1, False)])
def test_one_that_sends_much_leaves_half_of_the_room_to_others(taken_by_one: int, is_kept: bool) -> None:
    room = SharedBucket[bytes](ROOM, keys=4, now=0.0)
    one, other = AwaitedProof(b"b", room, until=5.0), AwaitedProof(b"c", room, until=5.0)
    assert one.keep(bytes(taken_by_one - KEPT_OVERHEAD), now=0.0) == is_kept
    assert len(one.early) == is_kept
    assert other.keep(bytes(20), now=0.0)


def test_what_is_short_is_charged_for_the_room_that_it_takes() -> None:
    awaited = awaited_proof(until=5.0)
    tracemalloc.start()
    while awaited.keep(bytes(FRAME_HEADER.size), now=0.0):
        pass
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken < 1.1 * UNPROVED_BYTES_OF_ALL.at_once
