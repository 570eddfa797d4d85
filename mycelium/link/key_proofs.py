"""Proofs of ML-DSA keys between the two ends of a link, in frames of their own."""

from collections.abc import Collection
from math import inf

from mycelium.channel.key_proofs import KeyProofs
from mycelium.crypto.key_proof import KeyProver
from mycelium.link.budgets import LinkBudgets
from mycelium.link.frames import Frames
from mycelium.link.keypair import LinkKeypair
from mycelium.link.probes import Probes
from mycelium.wire.frame import PROOF
from mycelium.wire.key_proof import KeyProofItem, decode_key_proof, encode_key_proof


class LinkProofs(KeyProofs[LinkKeypair]):
    """What the two ends of a link want proved, and show."""

    __slots__ = ("_frames", "_probes", "failure")

    def __init__(
        self,
        frames: Frames,
        probes: Probes,
        prover: KeyProver,
        budgets: LinkBudgets,
        neighbour: bytes,
        wanted: bytes | None,
        *,
        now: float,
    ) -> None:
        super().__init__(prover, budgets.proofs_of_all, budgets.early_bytes, budgets.counters, neighbour, wanted)
        self.failure: str | None = None  # why the link must end, for people
        self._frames = frames
        self._probes = probes
        self.begin(frames.keypairs.sending, now=now)

    def has_proved(self, fingerprint: bytes) -> bool:
        """Tells whether the neighbour has proved the key of a fingerprint."""
        return self.wanted == fingerprint and self._frames.keypairs.sending.awaited is None

    def want(self, fingerprint: bytes | None, *, now: float) -> None:
        """Wants the proof of another key from now on, or with None of none."""
        if fingerprint != self.wanted:
            self.failure = None
        super().want(fingerprint, now=now)
        if self._frames.early:
            self.due_at = now
            self._frames.arm(now)

    def take_frame(self, keypair: LinkKeypair, body: memoryview, *, now: float) -> bool:
        """Takes the body of a frame about proofs; tells whether the neighbour's is complete with it. Raises DecodeError."""
        return self.take(keypair, decode_key_proof(bytes(body)), now=now)

    def _keypairs(self) -> Collection[LinkKeypair]:
        return self._frames.keypairs.by_index.values()

    def _send(self, keypair: LinkKeypair, item: KeyProofItem, *, now: float) -> None:
        self._frames.send_under_any(keypair, PROOF, encode_key_proof(item), now=now)

    def _passes(self, keypair: LinkKeypair, *, now: float) -> None:
        """Seals under a keypair from now on, if proofs were all that it waited for, and probes where nothing had an effect."""
        frames = self._frames
        sending = frames.keypairs.sending
        if keypair.is_settled and keypair is not sending and keypair.established >= sending.established:
            frames.send_under(keypair)
        self._probes.ask(frames.paths.by_endpoint.get(keypair.endpoint, frames.paths.active), now=now)

    def _take_early(self, early: list[memoryview]) -> None:
        self._frames.early += early

    def _refuse(self, keypair: LinkKeypair, cause: str, *, now: float) -> None:
        """Drops a keypair that is not the neighbour's; the link goes on under another one, or ends."""
        if keypair is not self._frames.keypairs.sending:
            self._frames.keypairs.remove(keypair)
            return
        self.failure = cause
        if keypair.awaited is not None:
            keypair.awaited.until = keypair.awaited.asked_at = inf  # it is over

    def _arm(self) -> None:
        super()._arm()
        self._frames.arm(self.due_at)
