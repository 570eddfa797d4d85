"""A proof is whole once all of its parts have come, in whatever order."""

import random

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PARTS, ProofPart, part_range


def test_parts_come_in_any_order_and_the_first_of_each_counts() -> None:
    proof = random.Random(1).randbytes(PROOF_BYTES)
    parts = [ProofPart(number, proof[part_range(number)]) for number in range(PROOF_PARTS)]
    awaited = AwaitedProof(until=5.0)
    last, *others = random.Random(2).sample(parts, PROOF_PARTS)
    for part in others:
        assert awaited.add(part) is None
        assert awaited.add(ProofPart(part.number, bytes(len(part.data)))) is None
    assert awaited.arrived == (1 << PROOF_PARTS) - 1 - (1 << last.number)
    assert awaited.add(last) == proof
    assert awaited.add(last) is None
