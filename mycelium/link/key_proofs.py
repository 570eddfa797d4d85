"""Proof of the neighbour's ML-DSA key on a link, for who does not trust X25519 and Ed25519 for good.

Who knows the fingerprint of the neighbour's key, from a pin or a certificate, asks for the proof of it under each keypair
anew, and the proof is bound to the handshake of that. Before it has come nothing else that arrives under the keypair has an
effect: a new link does not come up, and one that is renewed goes on under the keypair before. A node that is not asked shows
nothing, and pays nothing.

The asking end asks again until all parts have come. The other end seals under a new keypair only once its proof is accepted.
"""

from math import inf
from typing import Final

from mycelium.crypto.key_proof import KeyProver
from mycelium.link.awaited_proof import AwaitedProof
from mycelium.link.budgets import LinkBudgets
from mycelium.link.causes import not_proved, wrongly_proved
from mycelium.link.frames import Frames
from mycelium.link.keypair import LinkKeypair
from mycelium.link.probes import Probes
from mycelium.wire.frame import PROOF
from mycelium.wire.key_proof import (
    PROOF_PARTS,
    KeyProofItem,
    ProofAccepted,
    ProofPart,
    ProofWanted,
    decode_key_proof,
    encode_key_proof,
    part_range,
)

PROVED_WITHIN_S: Final = 5.0  # of the handshake, or of the wish for it
WANTED_AGAIN_S: Final = 0.5
SHOWN_AGAIN_S: Final = 0.2  # the least between two answers, which are far longer than what asks for them


class KeyProofs:
    """What the two ends of a link want proved, and show. `wanted` is the fingerprint that the neighbour's key must have."""

    __slots__ = ("_budgets", "_frames", "_neighbour", "_probes", "_prover", "due_at", "failure", "is_asked", "wanted")

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
        self.wanted = wanted
        self.failure: str | None = None  # why the link must end, for people
        self.due_at: float  # when `handle_timeout` is wanted
        self._frames = frames
        self._probes = probes
        self._prover = prover
        self._budgets = budgets
        self._neighbour = neighbour  # its address
        self.is_asked = False  # the neighbour, this process of it, has wanted this node's proof
        self.begin(frames.keypairs.sending, now=now)

    def has_proved(self, fingerprint: bytes) -> bool:
        """Tells whether the neighbour has proved the key of a fingerprint."""
        return self.wanted == fingerprint and self._frames.keypairs.sending.awaited is None

    def begin(self, keypair: LinkKeypair, *, now: float) -> None:
        """Takes a new keypair: asks for the proof that is wanted, and waits until its own is accepted where one was wanted."""
        if self.is_asked:
            keypair.accepted_by = now + PROVED_WITHIN_S
        self._await(keypair, now=now)
        self._arm()

    def _await(self, keypair: LinkKeypair, *, now: float) -> None:
        keypair.awaited = None
        if self.wanted is not None:
            keypair.awaited = AwaitedProof(until=now + PROVED_WITHIN_S)
            self._ask(keypair, self.wanted, now=now)

    def want(self, fingerprint: bytes | None, *, now: float) -> None:
        """Wants the proof of another key from now on, or with None of none."""
        if fingerprint == self.wanted:
            return
        self.wanted, self.failure = fingerprint, None
        for keypair in self._frames.keypairs.by_index.values():
            self._await(keypair, now=now)
        self._arm()

    def take(self, keypair: LinkKeypair, body: memoryview, *, now: float) -> bool:
        """Takes the body of a frame about proofs; tells whether the neighbour's is complete with it. Raises DecodeError."""
        was_awaited = keypair.awaited is not None
        match decode_key_proof(bytes(body)):
            case ProofWanted() as wish:
                self._show(keypair, wish, now=now)
            case ProofPart() as part:
                self._take_part(keypair, part, now=now)
            case ProofAccepted() if keypair.accepted_by > -inf:
                keypair.accepted_by = -inf
                self._passes(keypair, now=now)
        self._arm()
        return was_awaited and keypair.awaited is None

    def _show(self, keypair: LinkKeypair, wish: ProofWanted, *, now: float) -> None:
        if wish.fingerprint != self._prover.fingerprint or now < keypair.shown_at + SHOWN_AGAIN_S:
            return
        if not keypair.proof:
            if not self._budgets.proofs_of_all.take(self._neighbour, now=now):
                self._budgets.counters.key_proofs_over_budget += 1
                return
            keypair.proof = self._prover.prove(keypair.transcript, is_initiator=keypair.is_initiator)
            keypair.accepted_by = now + PROVED_WITHIN_S
            self.is_asked = True
            self._budgets.counters.key_proofs_shown += 1
        keypair.shown_at = now
        for number in range(PROOF_PARTS):
            if not wish.arrived >> number & 1:
                self._send(keypair, ProofPart(number, keypair.proof[part_range(number)]), now=now)

    def _take_part(self, keypair: LinkKeypair, part: ProofPart, *, now: float) -> None:
        awaited, wanted = keypair.awaited, self.wanted
        if awaited is None or wanted is None:
            if part.number == PROOF_PARTS - 1:  # the neighbour has not heard that it is accepted, or wanted no more
                self._send(keypair, ProofAccepted(), now=now)
            return
        proof = awaited.add(part)
        if proof is None:
            return
        if not self._prover.proves(proof, wanted, keypair.transcript, is_initiator=not keypair.is_initiator):
            self._budgets.counters.key_proofs_refused += 1
            self._refuse(keypair, wrongly_proved(wanted))
            return
        self._budgets.counters.key_proofs_taken += 1
        keypair.awaited = None
        self._send(keypair, ProofAccepted(), now=now)
        self._passes(keypair, now=now)

    def _passes(self, keypair: LinkKeypair, *, now: float) -> None:
        """Seals under a keypair from now on, if proofs were all that it waited for, and probes where nothing had an effect."""
        frames = self._frames
        sending = frames.keypairs.sending
        if keypair.is_settled and keypair is not sending and keypair.established >= sending.established:
            frames.send_under(keypair)
        self._probes.ask(frames.paths.by_endpoint.get(keypair.endpoint, frames.paths.active), now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Asks again, and ends the waiting, where that is due."""
        if now < self.due_at:
            return
        for keypair in list(self._frames.keypairs.by_index.values()):
            if -inf < keypair.accepted_by <= now:  # that it is accepted was not heard, or it is wanted no more
                keypair.accepted_by = -inf
                self._passes(keypair, now=now)
            awaited = keypair.awaited
            if awaited is None or self.wanted is None:
                continue
            if awaited.until <= now:
                self._refuse(keypair, not_proved(self.wanted))
            elif awaited.asked_at + WANTED_AGAIN_S <= now:
                self._ask(keypair, self.wanted, now=now)
        self._arm()

    def _arm(self) -> None:
        self.due_at = inf
        for keypair in self._frames.keypairs.by_index.values():
            if keypair.accepted_by > -inf:
                self.due_at = min(self.due_at, keypair.accepted_by)
            if keypair.awaited is not None:
                self.due_at = min(self.due_at, keypair.awaited.until, keypair.awaited.asked_at + WANTED_AGAIN_S)
        self._frames.arm(self.due_at)

    def _refuse(self, keypair: LinkKeypair, cause: str) -> None:
        """Drops a keypair that is not the neighbour's; the link goes on under another one, or ends."""
        if keypair is not self._frames.keypairs.sending:
            self._frames.keypairs.remove(keypair)
            return
        self.failure = cause
        if keypair.awaited is not None:
            keypair.awaited.until = keypair.awaited.asked_at = inf  # it is over

    def _ask(self, keypair: LinkKeypair, wanted: bytes, *, now: float) -> None:
        assert keypair.awaited is not None
        keypair.awaited.asked_at = now
        self._send(keypair, ProofWanted(wanted, keypair.awaited.arrived), now=now)

    def _send(self, keypair: LinkKeypair, item: KeyProofItem, *, now: float) -> None:
        self._frames.send_under_any(keypair, PROOF, encode_key_proof(item), now=now)
