"""A proof of an ML-DSA key that is waited for, and what has come of it."""

from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PARTS, ProofPart, part_range

_ALL: int = (1 << PROOF_PARTS) - 1


class AwaitedProof:
    """The parts of one proof, in any order; `until` is when it must have come, `asked_at` when it was asked for last."""

    __slots__ = ("_data", "arrived", "asked_at", "until")

    def __init__(self, *, until: float) -> None:
        self.until = until
        self.asked_at: float
        self.arrived = 0  # a bit for each part
        self._data = bytearray(PROOF_BYTES)

    def add(self, part: ProofPart) -> bytes | None:
        """Takes a part; returns the proof once it is whole, with the first of each part that came."""
        bit = 1 << part.number
        if self.arrived & bit:
            return None
        self.arrived |= bit
        self._data[part_range(part.number)] = part.data
        return bytes(self._data) if self.arrived == _ALL else None
