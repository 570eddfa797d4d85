"""A proof of an ML-DSA key that is waited for, what has come of it, and data that came before it."""

from typing import Final

from mycelium.channel.parts import Parts
from mycelium.timing import SharedBucket
from mycelium.wire.key_proof import PROOF_BYTES, PROOF_PART_BYTES, ProofPart

KEPT_OVERHEAD: Final = 256  # bytes charged for data that waits besides its own


class AwaitedProof(Parts):
    """The parts of one proof; `until` is when it must have come, `asked_at` when it was asked for last.

    `early` is data that was opened under the keys meanwhile: it has no effect, and waits for the proof or ends with them.
    """

    __slots__ = ("_early_bytes", "_other", "asked_at", "certificates", "early", "until")

    def __init__(self, other: bytes, early_bytes: SharedBucket[bytes], *, until: float) -> None:
        super().__init__(PROOF_BYTES, PROOF_PART_BYTES)
        self.until = until
        self.early: list[memoryview] = []
        self._other, self._early_bytes = other, early_bytes
        self.asked_at: float
        self.certificates: Parts | None = None  # what has come of the certificates that name the key, in a session

    def keep(self, *parts: bytes | bytearray | memoryview, now: float) -> bool:
        """Keeps a copy of data; returns False if too much waits."""
        data = bytearray().join(parts)
        if not self._early_bytes.take(self._other, len(data) + KEPT_OVERHEAD, now=now):
            return False
        self.early.append(memoryview(data))
        return True

    def add(self, part: ProofPart) -> bytes | None:
        """Takes a part; returns the proof once it is whole, with the first of each part that came."""
        return self.take(part.number, part.data)
