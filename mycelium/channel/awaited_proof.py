"""A proof of an ML-DSA key that is waited for, and what has come of it."""

from mycelium.channel.parts import Parts
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PART_BYTES, ProofPart


class AwaitedProof(Parts):
    """The parts of one proof; `until` is when it must have come, `asked_at` when it was asked for last."""

    __slots__ = ("asked_at", "certificates", "until")

    def __init__(self, *, until: float) -> None:
        super().__init__(PROOF_BYTES, PROOF_PART_BYTES)
        self.until = until
        self.asked_at: float
        self.certificates: Parts | None = None  # what has come of the certificates that name the key, in a session

    def add(self, part: ProofPart) -> bytes | None:
        """Takes a part; returns the proof once it is whole, with the first of each part that came."""
        return self.take(part.number, part.data)
