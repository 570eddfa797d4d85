"""Proof of the other end's ML-DSA key, for who does not trust X25519 and Ed25519 for good. For links and end-to-end sessions.

Who knows the fingerprint of the other end's key, from a pin or a certificate, asks for the proof of it under each keypair
anew, and the proof is bound to the handshake of that. Before it has come nothing else that arrives under the keypair has an
effect: a new link or session does not come up, and one that is renewed goes on under the keypair before. Data waits for it,
where the other end was not asked in time. A node that is not asked shows nothing, and pays nothing.

The asking end asks again until all parts have come. The other end seals under a new keypair only once its proof is accepted.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from typing import Final, Generic, TypeVar

from mycelium.channel.awaited_proof import AwaitedProof
from mycelium.channel.keypair import Keypair
from mycelium.channel.proof_causes import not_proved, wrongly_proved
from mycelium.counters import counter
from mycelium.crypto.key_proof import KeyProver
from mycelium.timing import SharedBucket
from mycelium.wire.key_proof import (
    PROOF_PARTS,
    KeyProofItem,
    ProofAccepted,
    ProofPart,
    ProofWanted,
    part_range,
)

PROVED_WITHIN_S: Final = 5.0  # of the handshake, or of the wish for it
WANTED_AGAIN_S: Final = 0.5
SHOWN_AGAIN_S: Final = 0.2  # the least between two answers, which are far longer than what asks for them

Proved = TypeVar("Proved", bound=Keypair)


@dataclass(slots=True)
class KeyProofCounters:
    """Totals since the node started."""

    key_proofs_shown: int = counter("Proofs of this node's ML-DSA key made for nodes that wanted one.")
    key_proofs_taken: int = counter("Proofs of their ML-DSA keys that other nodes have shown.")
    key_proofs_refused: int = counter("Proofs of ML-DSA keys refused: of another key or handshake.")
    key_proofs_over_budget: int = counter("Proofs of this node's ML-DSA key not made: too many are wanted.")


class KeyProofs(ABC, Generic[Proved]):
    """What two ends want proved, and show. `wanted` is the fingerprint that the key of the other end must have."""

    __slots__ = ("_counters", "_early_bytes", "_of_all", "_other", "_prover", "due_at", "is_asked", "wanted")

    def __init__(
        self,
        prover: KeyProver,
        of_all: SharedBucket[bytes],
        early_bytes: SharedBucket[bytes],
        counters: KeyProofCounters,
        other: bytes,
        wanted: bytes | None,
    ) -> None:
        self.wanted = wanted
        self.due_at: float = inf  # when `handle_timeout` is wanted
        self.is_asked = False  # the other end, this process of it, has wanted this node's proof
        self._prover = prover
        self._of_all = of_all  # proofs that are made
        self._early_bytes = early_bytes  # data that waits for proofs
        self._counters = counters
        self._other = other  # its address

    # -- what the channel does -----------------------------------------------------------------------------------------

    @abstractmethod
    def _keypairs(self) -> Collection[Proved]:
        """Returns the keypairs of the channel."""

    @abstractmethod
    def _send(self, keypair: Proved, item: KeyProofItem, *, now: float) -> None:
        """Sends an item under a keypair, whether others may be sent under it or not."""

    @abstractmethod
    def _passes(self, keypair: Proved, *, now: float) -> None:
        """Seals under a keypair from now on, if proofs were all that it waited for."""

    @abstractmethod
    def _refuse(self, keypair: Proved, cause: str, *, now: float) -> None:
        """Drops a keypair that is not the other end's."""

    @abstractmethod
    def _take_early(self, early: list[memoryview]) -> None:
        """Has data taken that has waited for a proof."""

    # -- what happens --------------------------------------------------------------------------------------------------

    def begin(self, keypair: Proved, *, now: float) -> None:
        """Takes a new keypair: asks for the proof that is wanted, and waits until its own is accepted where one was wanted."""
        if self.is_asked:
            keypair.accepted_by = now + PROVED_WITHIN_S
        self._await(keypair, now=now)
        self._arm()

    def _await(self, keypair: Proved, *, now: float) -> None:
        before = keypair.awaited
        if self.wanted is None:
            self._end_waiting(keypair)
            return
        keypair.awaited = AwaitedProof(self._other, self._early_bytes, until=now + PROVED_WITHIN_S)
        if before is not None:
            keypair.awaited.early = before.early
        self._ask(keypair, keypair.awaited, self.wanted, now=now)

    def _end_waiting(self, keypair: Proved) -> None:
        """Has nothing wait for a proof under a keypair any more."""
        awaited, keypair.awaited = keypair.awaited, None
        if awaited is not None and awaited.early:
            self._take_early(awaited.early)

    def want(self, fingerprint: bytes | None, *, now: float) -> None:
        """Wants the proof of another key from now on, or with None of none."""
        if fingerprint == self.wanted:
            return
        self.wanted = fingerprint
        for keypair in self._keypairs():
            self._await(keypair, now=now)
        self._arm()

    def take(self, keypair: Proved, item: KeyProofItem, *, now: float) -> bool:
        """Takes what the other end says of proofs; tells whether its own is complete with it."""
        was_awaited = keypair.awaited is not None
        match item:
            case ProofWanted():
                if item.fingerprint == self._prover.fingerprint:
                    self._show(keypair, item.arrived, now=now)
            case ProofPart():
                self._take_part(keypair, item, now=now)
            case ProofAccepted() if keypair.accepted_by > -inf:
                keypair.accepted_by = -inf
                self._passes(keypair, now=now)
        self._arm()
        return was_awaited and keypair.awaited is None

    def _show(self, keypair: Proved, arrived: int, *, now: float) -> bool:
        """Shows the parts of this node's proof that have not arrived; tells whether it did, which is not too often."""
        missing = [number for number in range(PROOF_PARTS) if not arrived >> number & 1]
        if now < keypair.shown_at + SHOWN_AGAIN_S or not self._may_show(len(missing), now=now):
            return False
        if not keypair.proof:
            if not self._of_all.take(self._other, now=now):
                self._counters.key_proofs_over_budget += 1
                return False
            keypair.proof = self._prover.prove(keypair.transcript, is_initiator=keypair.is_initiator)
            keypair.accepted_by = now + PROVED_WITHIN_S
            self.is_asked = True
            self._counters.key_proofs_shown += 1
        keypair.shown_at = now
        for number in missing:
            self._send(keypair, ProofPart(number, keypair.proof[part_range(number)]), now=now)
        return True

    def _may_show(self, parts: int, *, now: float) -> bool:
        """Tells whether so many parts may be shown."""
        return True

    def _take_part(self, keypair: Proved, part: ProofPart, *, now: float) -> None:
        awaited, wanted = keypair.awaited, self.wanted
        if awaited is None or wanted is None:
            if part.number == PROOF_PARTS - 1:  # the other end has not heard that it is accepted, or wanted no more
                self._send(keypair, ProofAccepted(), now=now)
            return
        proof = awaited.add(part)
        if proof is not None:
            self._judge(keypair, proof, wanted, now=now)
        elif part.number == PROOF_PARTS - 1:
            self._missed(awaited, now=now)

    def _missed(self, awaited: AwaitedProof, *, now: float) -> None:
        """Has what is missing asked for soon, as the last part has come."""
        awaited.asked_at = min(awaited.asked_at, now + SHOWN_AGAIN_S - WANTED_AGAIN_S)

    def _judge(self, keypair: Proved, proof: bytes, wanted: bytes, *, now: float) -> None:
        """Accepts a proof that is whole, or refuses the keypair."""
        if not self._prover.proves(proof, wanted, keypair.transcript, is_initiator=not keypair.is_initiator):
            self._counters.key_proofs_refused += 1
            self._refuse(keypair, wrongly_proved(wanted), now=now)
            return
        self._counters.key_proofs_taken += 1
        self._accept(keypair, now=now)

    def _accept(self, keypair: Proved, *, now: float) -> None:
        self._end_waiting(keypair)
        self._send(keypair, ProofAccepted(), now=now)
        self._passes(keypair, now=now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def handle_timeout(self, *, now: float) -> None:
        """Asks again, and ends the waiting, where that is due."""
        if now < self.due_at:
            return
        for keypair in list(self._keypairs()):
            if -inf < keypair.accepted_by <= now:  # that it is accepted was not heard, or it is wanted no more
                keypair.accepted_by = -inf
                self._passes(keypair, now=now)
            awaited = keypair.awaited
            if awaited is None or self.wanted is None:
                continue
            if awaited.until <= now:
                self._refuse(keypair, self._why_not(self.wanted), now=now)
            elif awaited.asked_at + WANTED_AGAIN_S <= now:
                self._ask(keypair, awaited, self.wanted, now=now)
        self._arm()

    def _why_not(self, wanted: bytes) -> str:
        """Returns why a keypair is refused for which no proof has come, for people."""
        return not_proved(wanted)

    def _arm(self) -> None:
        self.due_at = min((self._due_at(keypair) for keypair in self._keypairs()), default=inf)

    def _ask(self, keypair: Proved, awaited: AwaitedProof, wanted: bytes, *, now: float) -> None:
        awaited.asked_at = now
        self._send(keypair, ProofWanted(wanted, awaited.arrived), now=now)

    def _due_at(self, keypair: Proved) -> float:
        due_at = keypair.accepted_by if keypair.accepted_by > -inf else inf
        if keypair.awaited is not None:
            due_at = min(due_at, keypair.awaited.until, keypair.awaited.asked_at + WANTED_AGAIN_S)
        return due_at
